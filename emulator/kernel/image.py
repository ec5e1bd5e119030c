"""The virtual-time kernel: built once from Debian's kernel source, kept in the user's cache.

A user-mode kernel whose clock jumps over idleness (``time-travel=inf-cpu``), with our
configuration (``virtual/config``) and two small patches (``virtual/patches``). One file each,
named by the source's version and a hash of version, configuration and patches: whatever may
change a result changes the name.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.errors import CapabilityError, KernelError

SERIES = "6.12"
PACKAGE = f"linux-source-{SERIES}"
TARBALL = Path(f"/usr/src/{PACKAGE}.tar.xz")
_RECIPE = Path(__file__).with_name("virtual")
_TOOLS = {"gcc": "gcc", "ld": "binutils", "make": "make", "flex": "flex", "bison": "bison"}
_TOOLS |= {"bc": "bc", "patch": "patch", "xz": "xz-utils", "tar": "tar"}
_HEADERS = ("/usr/include/stdio.h", "libc6-dev")
_BUILD_BYTES = 2_500_000_000
"""Room that the unpacked source and its objects take (measured: 1.9 GB)."""
_FILES_COMPILED = 1050
"""About as many lines as make prints: for the progress bar."""

Progress = Callable[[str, float], None]
"""Told what is being done and which share of the whole, 0 to 1, is behind."""


def cache_dir() -> Path:
    """Where built kernels are kept: below $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "lasermesh", "kernel")


def patches() -> list[Path]:
    """The patches, in the order in which they apply."""
    return sorted((_RECIPE / "patches").glob("*.patch"))


def name_for(version: str) -> str:
    """File name of the kernel that the present recipe makes of source ``version``."""
    recipe = hashlib.sha256(version.encode())
    for path in (_RECIPE / "config", *patches()):
        recipe.update(b"\0" + path.read_bytes())
    return f"linux-{version}-{recipe.hexdigest()[:10]}"


def built() -> list[Path]:
    """Kernels in the cache that the present recipe has made, the newest source last."""
    found = []
    for path in cache_dir().glob("linux-*"):
        version = path.name.removeprefix("linux-").rpartition("-")[0]
        if path.name == name_for(version) and os.access(path, os.X_OK):
            found.append((_order(version), path))
    return [path for _, path in sorted(found)]


def find() -> Path | None:
    """The kernel to use: of the newest source that was ever built with the present recipe."""
    return next(reversed(built()), None)


def missing() -> str:
    """Return '' where a virtual-time kernel is there to be used, else how to get one."""
    return "" if find() else "it has not been built: lasermesh kernel build"


def _order(version: str) -> list[int]:
    return [int(part) for part in "".join(c if c.isdigit() else " " for c in version).split()]


def packages_missing() -> list[str]:
    """Debian packages that a build lacks."""
    lacking = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    header, package = _HEADERS
    if not Path(header).exists():
        lacking.append(package)
    if not TARBALL.exists():
        lacking.append(PACKAGE)
    return lacking


def source_version() -> str:
    """Version of the installed source package. Raises CapabilityError where there is none."""
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode or not TARBALL.exists():
        raise CapabilityError(f"{PACKAGE} is not installed: apt-get install {PACKAGE}")
    return asked.stdout.strip()


def build(progress: Progress) -> Path:
    """Build the kernel unless it is there; return its path.

    Needs no root where the packages are installed. Raises CapabilityError naming the packages or
    the room that lack, KernelError with the end of the compiler's output where it fails.
    """
    if lacking := packages_missing():
        raise CapabilityError(
            f"cannot build the virtual-time kernel: missing {', '.join(lacking)}.\n"
            f"On Debian: sudo apt-get install --no-install-recommends {' '.join(lacking)}"
        )
    version = source_version()
    target = cache_dir() / name_for(version)
    with _locked(cache_dir()):
        if target.exists():
            return target
        with tempfile.TemporaryDirectory(prefix="lasermesh-kernel-", dir=_roomy()) as folder:
            made = _make(Path(folder), target.name.rpartition("-")[2], progress)
            draft = target.with_suffix(".new")
            shutil.copyfile(made, draft)
            draft.chmod(0o755)
            draft.rename(target)
    return target


def clean() -> list[Path]:
    """Remove every built kernel, of whatever recipe; return what was removed."""
    removed = sorted(cache_dir().glob("linux-*"))
    for path in removed:
        path.unlink()
    return removed


def _roomy() -> str:
    free = {}
    for folder in (tempfile.gettempdir(), str(cache_dir())):
        room = os.statvfs(folder)
        free[folder] = room.f_bavail * room.f_frsize
        if free[folder] > _BUILD_BYTES:
            return folder
    listed = ", ".join(f"{folder}: {size / 1e9:.1f} GB" for folder, size in free.items())
    raise CapabilityError(
        f"building the kernel needs {_BUILD_BYTES / 1e9:.1f} GB for a while; free: {listed}. "
        "Set TMPDIR to a folder with room."
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one build go on at a time; the others wait and find its result."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(folder: Path, recipe: str, progress: Progress) -> Path:
    progress(f"unpacking {TARBALL.name}", 0.0)
    _run(["tar", "-xJf", TARBALL, "-C", folder], folder)
    source = folder / PACKAGE
    for patch in patches():
        progress(f"applying {patch.name}", 0.05)
        _run(["patch", "-p1", "--no-backup-if-mismatch", "-i", patch], source)
    config = _RECIPE / "config"
    # The kernel's version string goes into its randomness: it must not hold the date of a build.
    words = ["ARCH=um", f"LOCALVERSION=-lasermesh-{recipe}", "KBUILD_BUILD_TIMESTAMP=@0"]
    words += [
        "KBUILD_BUILD_USER=lasermesh",
        "KBUILD_BUILD_HOST=lasermesh",
        "KBUILD_BUILD_VERSION=1",
    ]
    progress("configuring", 0.05)
    _run(["make", *words, f"KCONFIG_ALLCONFIG={config}", "allnoconfig"], source)
    held = set((source / ".config").read_text().splitlines())
    wanted = [line for line in config.read_text().splitlines() if line.startswith("CONFIG")]
    if lost := [line for line in wanted if line not in held]:
        raise KernelError(f"the kernel's configuration does not take {', '.join(lost)}")
    _compile(["make", *words, f"-j{os.cpu_count() or 1}", "linux"], source, progress)
    return source / "linux"


def _compile(argv: list[str], folder: Path, progress: Progress) -> None:
    lines: list[str] = []
    with subprocess.Popen(
        argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
    ) as make:  # fmt: skip
        try:
            for line in make.stdout or ():
                lines.append(line)
                done = min(1.0, len(lines) / _FILES_COMPILED)
                progress("compiling", 0.05 + 0.95 * done)
        except BaseException:
            make.terminate()
            raise
    if make.returncode:
        raise KernelError(f"{argv[0]} failed in {folder}:\n{''.join(lines[-20:])}")


def _run(argv: list[str | Path], folder: Path) -> None:
    done = subprocess.run(
        argv,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise KernelError(f"{argv[0]} failed in {folder}:\n{said}")
