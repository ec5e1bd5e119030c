"""Network namespaces without forks: unshare, setns and bind mounts from this very process.

Names live in /run/netns as those of ``ip netns`` do, so ``ip netns exec`` works on them. setns
acts on the calling thread only.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emulator.errors import KernelError

NETNS_DIR = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED, _MNT_DETACH = 4096, 16384, 1 << 20, 2

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object, attempt: str) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise KernelError(f"cannot {attempt}: {name}: {os.strerror(code)} [errno {code}]")


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """mount(2). Raises KernelError naming source and target."""
    _call(
        "mount",
        source.encode(),
        target.encode(),
        kind.encode(),
        ctypes.c_ulong(flags),
        data.encode() or None,
        attempt=f"mount {source} on {target}",
    )


def prepare() -> None:
    """Make /run/netns as ``ip netns`` does: shared, so that names reach every mount namespace."""
    NETNS_DIR.mkdir(parents=True, exist_ok=True)
    try:
        mount("", str(NETNS_DIR), "none", _MS_SHARED | _MS_REC)
    except KernelError:
        mount(str(NETNS_DIR), str(NETNS_DIR), "none", _MS_BIND | _MS_REC)
        mount("", str(NETNS_DIR), "none", _MS_SHARED | _MS_REC)


def create(name: str) -> None:
    """Create the network namespace ``name``. Raises KernelError where it exists or may not be."""
    path = NETNS_DIR / name
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))
    except OSError as error:
        raise KernelError(f"cannot create namespace {name}: {error.strerror}") from None
    try:
        with _returning():
            _call("unshare", _CLONE_NEWNET, attempt=f"create namespace {name}")
            mount("/proc/thread-self/ns/net", str(path), "none", _MS_BIND)
    except KernelError:
        path.unlink(missing_ok=True)
        raise


def delete(name: str) -> None:
    """Remove the name; the namespace and its devices go with the last process inside."""
    path = NETNS_DIR / name
    _libc.umount2(str(path).encode(), _MNT_DETACH)
    with suppress(FileNotFoundError):
        path.unlink()


def names(prefix: str) -> list[str]:
    """Names of existing namespaces that begin with ``prefix``."""
    if not NETNS_DIR.is_dir():
        return []
    return sorted(entry.name for entry in NETNS_DIR.iterdir() if entry.name.startswith(prefix))


@contextmanager
def entered(name: str) -> Iterator[None]:
    """Move the calling thread into namespace ``name``; sockets and children made there stay."""
    with _returning():
        enter(name)
        yield


def enter(name: str) -> None:
    """Move the calling thread into namespace ``name`` for good."""
    try:
        target = os.open(NETNS_DIR / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KernelError(f"cannot enter namespace {name}: {error.strerror}") from None
    try:
        _call("setns", target, _CLONE_NEWNET, attempt=f"enter namespace {name}")
    finally:
        os.close(target)


@contextmanager
def _returning() -> Iterator[None]:
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _call("setns", home, _CLONE_NEWNET, attempt="return to the first namespace")
        os.close(home)


def processes(namespaces: list[str]) -> list[int]:
    """Pids of all processes inside any of ``namespaces``: what is in there is theirs."""
    inodes = set()
    for name in namespaces:
        with suppress(OSError):
            inodes.add((NETNS_DIR / name).stat().st_ino)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "ns/net").stat().st_ino in inodes:
                    found.append(int(entry.name))
    return found
