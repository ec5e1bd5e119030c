"""Who owns what: every run has an id, a state folder, and names that carry the id.

Cleaning is by ownership, never by pattern: the namespaces named after the run, the processes
inside them, the controller by pid *and* start time, the user-mode kernel's process group.
"""

import json
import os
import secrets
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from emulator.errors import RunError
from emulator.kernel import namespaces
from emulator.kernel.node import OWNED_PATHS
from emulator.kernel.usermode import kill_group

_GRACE_S = 15.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run as its state folder describes it."""

    run_id: str
    scenario: str
    run_dir: str
    kernel: str
    pid: int
    pid_started: int
    guest_pid: int = 0
    guest_started: int = 0

    @property
    def state_dir(self) -> Path:
        """The run's folder below the state root."""
        return state_root() / self.run_id

    @property
    def namespace(self) -> str:
        """Name of the run's fabric namespace and, with a hyphen, prefix of its nodes'."""
        return f"lm-{self.run_id}"

    @property
    def alive(self) -> bool:
        """True while the process that controls this run lives."""
        return self.pid_started != 0 and start_time(self.pid) == self.pid_started


def state_root() -> Path:
    """Where this user's runs keep their state: $LASERMESH_STATE, or in memory, gone at reboot."""
    if chosen := os.environ.get("LASERMESH_STATE"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/run/lasermesh")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime, "lasermesh")
    return Path(tempfile.gettempdir(), f"lasermesh-{os.geteuid()}")


def start_time(pid: int) -> int:
    """Start time of a process in ticks since boot, 0 where there is none (proc(5), field 22)."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = line.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])


def claim(scenario: str, run_dir: Path, kernel: str, run_id: str | None = None) -> Run:
    """Create a run's state folder before anything else of it exists."""
    run_id = run_id or secrets.token_hex(3)
    run = Run(run_id, scenario, str(run_dir), kernel, os.getpid(), start_time(os.getpid()))
    root = state_root()
    draft = root / f".{run_id}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        _trust(root)
        draft.mkdir()
        # Daemons that drop root must be able to walk to their own folder, whatever the umask.
        for folder in (root, draft):
            folder.chmod(0o711)
        _describe(run, draft)
    except OSError as error:
        raise RunError(f"cannot keep state in {root}: {error.strerror}") from None
    # Appears whole: a run that is just starting must not look dead to another's clean-up.
    draft.rename(run.state_dir)
    return run


def has_guest(run: Run, pid: int) -> Run:
    """Write down that ``pid`` is the run's user-mode kernel and return the run so changed."""
    run = replace(run, guest_pid=pid, guest_started=start_time(pid))
    _describe(run, run.state_dir)
    return run


def _describe(run: Run, folder: Path) -> None:
    """Write a run's description into ``folder``, whole or not at all."""
    draft = folder / "run.json.new"
    draft.write_text(json.dumps(asdict(run)))
    draft.rename(folder / "run.json")


def runs() -> list[Run]:
    """All runs of this user that left state, oldest first; an unreadable description counts.

    Only folders named as a run's id are looked at: a state root may hold other things.
    """
    found = []
    root = state_root()
    if root.exists():
        _trust(root)
    for folder in root.glob("[0-9a-f]" * 6):
        try:
            found.append(Run(**json.loads((folder / "run.json").read_text())))
        except (OSError, ValueError, TypeError):
            found.append(Run(folder.name, "unknown", "", "host", 0, 0))
    return sorted(found, key=lambda run: run.pid_started)


def _trust(root: Path) -> None:
    """Raise RunError unless ``root`` is a folder that only this user could have filled."""
    state = root.lstat()
    ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()
    if not ours or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RunError(
            f"{root} is not a folder of this user alone: what it says of runs cannot be believed. "
            "Remove it, or name another in LASERMESH_STATE."
        )


def find(run_id: str | None) -> Run:
    """Return the live run of that id, or the newest. Raises RunError where there is none."""
    live = [run for run in runs() if run.alive and run_id in (None, run.run_id)]
    if not live:
        wanted = f"run {run_id}" if run_id else "emulation"
        raise RunError(f"no {wanted} is up. Start one: lasermesh up SCENARIO")
    return live[-1]


def take_down(run: Run) -> None:
    """Remove exactly what ``run`` owns: ask its controller to end, then clean by force."""
    if run.alive and run.pid != os.getpid():
        with suppress(ProcessLookupError):
            os.kill(run.pid, signal.SIGTERM)
        # Its state folder is the last thing of a run to go; a report may still be written then.
        if not wait_for(lambda: not (run.alive and run.state_dir.exists()), _GRACE_S):
            with suppress(ProcessLookupError):
                os.kill(run.pid, signal.SIGKILL)
            wait_for(lambda: not run.alive, _GRACE_S)
    # Another process may have got the pid since. While any of the group lives nobody can.
    if run.guest_pid and start_time(run.guest_pid) in (0, run.guest_started):
        kill_group(run.guest_pid)
    sweep(run)
    discard(run)


def discard(run: Run) -> None:
    """Remove a run's state folder: the last thing of a run to go."""
    shutil.rmtree(run.state_dir, ignore_errors=True)


def sweep(run: Run) -> None:
    """Kill what is inside the run's namespaces, delete them and what its daemons left on disk."""
    spaces = [run.namespace, *namespaces.names(f"{run.namespace}-")]
    wait_for(lambda: not _kill(namespaces.processes(spaces)), _GRACE_S)
    for name in spaces:
        namespaces.delete(name)
    with suppress(OSError):
        for line in (run.state_dir / OWNED_PATHS).read_text().splitlines():
            _remove(Path(line))


def _kill(pids: list[int]) -> list[int]:
    others = [pid for pid in pids if pid != os.getpid()]
    for pid in others:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return others


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sweep_dead() -> list[Run]:
    """Take down every run whose controller is gone; return them."""
    dead = [run for run in runs() if not run.alive]
    for run in dead:
        take_down(run)
    return dead


def wait_for(condition: Callable[[], bool], deadline_s: float, look_s: float = 0.02) -> bool:
    """Ask ``condition`` every ``look_s`` until it holds; False if ``deadline_s`` passes first."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(look_s)
    return True
