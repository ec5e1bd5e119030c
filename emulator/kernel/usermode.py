"""A user-mode kernel as a place to run a command: boot, tunnel, sessions, power off.

The kernel is one process of the host (plus helpers in its process group), needs no root, and
sees the host's files. There are two: Debian's, whose time is ours, and our own build, whose
clock jumps over idleness (:class:`Virtual`). The command it is booted for is in a file from the
start, since in virtual time any input from outside would come at a moment that no run repeats;
further commands are sessions over a serial line (``tunnel.py``), which other processes of the
same user reach by the UNIX socket that :meth:`UserModeKernel.serve` opens.
"""

import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.errors import CapabilityError, KernelError
from emulator.kernel.parentage import die_with_parent
from emulator.kernel.probe import UML_BINARY, user_mode_kernel
from emulator.kernel.stream import Stream
from emulator.kernel.tunnel import FIRST, REQUEST_MARK, WINDOW_BYTES, Frame, Kind, frame

BOOT_DEADLINE_S = 60.0
KERNEL_MARK = "LASERMESH_KERNEL"
"""Set in the environment of everything that runs inside: ``usermode`` or ``virtual``."""

_PLAIN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_PLAIN |= {"LANG": "C.UTF-8"}
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOST_WAITING = 1 << 20
"""Bytes that may wait for the guest before clients have to."""
_ADDR_NO_RANDOMIZE = 0x0040000
_LOOK_S = 0.2
_OUT_OF_MEMORY = "UML ran out of memory on the host side"

Output = Callable[[Kind, bytes], None]


@dataclass(frozen=True, slots=True)
class Virtual:
    """What makes a kernel's time virtual and its runs repeatable.

    ``epoch_ns``: UTC at boot. ``seed``: all randomness inside, from 1 to 2^64 - 1.
    """

    image: Path
    epoch_ns: int
    seed: int


def request(
    argv: Sequence[str], terminal: bool = False, kernel: str = "usermode"
) -> dict[str, Any]:
    """Return the OPEN request for ``argv`` with this process's folder and environment."""
    size = shutil.get_terminal_size()
    ours = kernel == "virtual" and argv[0] == "lasermesh"  # a run: nothing of its caller may show
    env = {**(_PLAIN if ours else os.environ), KERNEL_MARK: kernel, "TMPDIR": "/run/tmp"}
    env.pop("LASERMESH_STATE", None)  # names a folder of the host's; the guest's /run is its own
    if kernel == "virtual":  # sets in an order of their own, and caches that a first run writes
        env |= {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    return {
        "argv": list(argv),
        "cwd": os.getcwd(),
        "env": env,
        "tty": terminal,
        "size": [size.lines, size.columns],
    }


def memory_folder(memory_mb: int) -> str:
    """Where the guest's memory may live as a sparse file. Raises CapabilityError: no room.

    A container's /dev/shm may be 64 MB, and running out of it kills the kernel without a word.
    """
    free_mb = {}
    for folder in ("/dev/shm", tempfile.gettempdir()):
        if os.access(folder, os.W_OK):
            room = os.statvfs(folder)
            free_mb[folder] = room.f_bavail * room.f_frsize >> 20
            if free_mb[folder] > memory_mb:
                return folder
    raise CapabilityError(
        f"the user-mode kernel needs {memory_mb} MB for its memory; free: {free_mb}. "
        "Set TMPDIR to a folder with room."
    )


class UserModeKernel:
    """A user-mode kernel booted to run ``argv``; use as a context manager.

    ``state_dir`` receives the console log, the tunnel's socket and the kernel's own pid folder.
    What the command prints goes to ``output``.
    """

    def __init__(
        self,
        state_dir: Path,
        memory_mb: int,
        argv: Sequence[str],
        output: Output,
        virtual: Virtual | None = None,
    ) -> None:
        self.state_dir = state_dir
        self.memory_mb = memory_mb
        self.argv = argv
        self.virtual = virtual
        self.console = state_dir / "console.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._output = output
        self._selector = selectors.DefaultSelector()
        self._sessions: dict[int, Callable[[Frame], None]] = {FIRST: self._take}
        self._clients: dict[int, Stream] = {}
        self._last_session = FIRST
        self._ready = False
        self._code: int | None = None
        self._listener: socket.socket | None = None

    def __enter__(self) -> "UserModeKernel":
        missing = "" if self.virtual else user_mode_kernel()
        if missing:
            raise CapabilityError(
                f"no user-mode kernel: {missing}. Install it: apt-get install user-mode-linux"
            )
        try:
            self._boot()
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            with suppress(OSError):
                self._stream.queue(Frame(0, Kind.POWER_OFF))
                self._stream.flush()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        if self.process:
            kill_group(self.process.pid)
            self.process.wait()
            self._stream.close()
        if self._listener:
            self._listener.close()
        self._selector.close()

    def _boot(self) -> None:
        ask = self.state_dir / "request.json"
        kernel = "virtual" if self.virtual else "usermode"
        ask.write_text(json.dumps(request(self.argv, kernel=kernel)))
        # A descriptor for each direction: in virtual time the kernel makes its output blocking.
        to_guest, serial_in = socket.socketpair()
        from_guest, serial_out = socket.socketpair()
        self._stream = Stream(from_guest, to_guest, WINDOW_BYTES)
        self._selector.register(from_guest, selectors.EVENT_READ, self._from_guest)
        memory_dir, parent = memory_folder(self.memory_mb), os.getpid()

        cpu = idlest_cpu()

        def become_kernel() -> None:
            die_with_parent(signal.SIGTERM, parent)
            # Kernel and guest processes take turns: on two processors each turn is an interrupt.
            os.sched_setaffinity(0, {cpu})
            if self.virtual:  # else the size of its memory depends on where the host put its heap
                ctypes.CDLL(None).personality(_ADDR_NO_RANDOMIZE)

        with self.console.open("wb") as console, serial_in, serial_out:
            self.process = subprocess.Popen(
                self._command_line(ask, serial_in.fileno(), serial_out.fileno(), console.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=(serial_in.fileno(), serial_out.fileno(), console.fileno()),
                start_new_session=True,
                preexec_fn=become_kernel,  # noqa: PLW1509 - no threads here
                env={**os.environ, "TMPDIR": memory_dir},
            )
        deadline = time.monotonic() + BOOT_DEADLINE_S
        while not self._ready:
            self._turn(0.2)
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise KernelError(f"the user-mode kernel did not boot.{self._last_words()}")

    def _command_line(self, ask: Path, serial_in: int, serial_out: int, log: int) -> list[str]:
        image, time_words = str(shutil.which(UML_BINARY)), []
        if self.virtual:
            image = str(self.virtual.image)
            time_words = [
                "time-travel=inf-cpu",
                f"time-travel-start={self.virtual.epoch_ns}",
                f"random_seed={self.virtual.seed}",
            ]
        return [
            image,
            f"mem={self.memory_mb}M",
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "rw",
            "quiet",
            f"uml_dir={self.state_dir}",
            "umid=kernel",
            "con=null",
            f"con0=null,fd:{log}",
            "ssl=null",
            f"ssl0=fd:{serial_in},fd:{serial_out}",
            *time_words,
            f"{REQUEST_MARK}={ask}",
            # This code inside too, and not another checkout's that is installed.
            f"PYTHONPATH={Path(__file__).resolve().parents[2]}",
            f"init={sys.executable}",
            "--",
            "-BP",  # no caches that a first run writes, no modules from the host's root folder
            "-m",
            "emulator.kernel.guest",
        ]

    def _last_words(self) -> str:
        tail = "\n".join(self.console.read_text(errors="replace").splitlines()[-8:])
        return f" Its console ends:\n{tail}" if tail else ""

    def run(self) -> int:
        """Wait for the command that the kernel was booted for and return its exit code.

        SIGINT and SIGTERM to this process are passed on to the command, which then ends in its
        own way; a third one kills the kernel.
        """
        asked = 0

        def pass_on(received: int, _: object) -> None:
            nonlocal asked
            asked += 1
            if asked > 2 and self.process:
                kill_group(self.process.pid)
            self._stream.queue(frame(FIRST, Kind.SIGNAL, received))

        before = {s: signal.signal(s, pass_on) for s in _PASSED_ON}
        try:
            while self._code is None:
                self._turn(1.0)
                if self.process and self.process.poll() is not None:
                    self._turn(0.0)  # its last frames
                    if self._code is None:
                        raise KernelError(f"the user-mode kernel died.{self._last_words()}")
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
        if self._code and _OUT_OF_MEMORY in self.console.read_text(errors="replace"):
            raise KernelError(
                "the user-mode kernel got no more memory from the host: it is short, or a process "
                "has more pieces of it than vm.max_map_count allows "
                f"(now {Path('/proc/sys/vm/max_map_count').read_text().strip()})"
            )
        return self._code

    def _take(self, each: Frame) -> None:
        if each.kind is Kind.EXIT:
            self._code = int(each.value)
        else:
            self._output(each.kind, each.payload)

    def _number(self, receive: Callable[[Frame], None]) -> int:
        self._last_session = self._last_session % 65_000 + 1
        while self._last_session in self._sessions:
            self._last_session = self._last_session % 65_000 + 1
        self._sessions[self._last_session] = receive
        return self._last_session

    def serve(self) -> Path:
        """Accept sessions of this user's other processes during :meth:`run`; return the socket."""
        path = self.state_dir / "tunnel.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        return path

    def _accept(self) -> None:
        assert self._listener is not None
        client, _ = self._listener.accept()
        stream = Stream(client)
        number = self._number(lambda each: stream.queue(Frame(1, each.kind, each.payload)))
        self._clients[number] = stream

        def receive() -> None:
            if len(self._stream.waiting) > _MOST_WAITING:
                return  # the guest is slower than this client: let it wait
            try:
                for each in stream.read():
                    self._stream.queue(Frame(number, each.kind, each.payload))
            except ValueError:  # not our protocol: that client's trouble, not the run's
                stream.closed = True
            if stream.closed:
                self._drop(number)

        self._selector.register(client, selectors.EVENT_READ, receive)

    def _drop(self, number: int) -> None:
        """Forget a client that has gone, and tell its command."""
        stream = self._clients.pop(number)
        self._selector.unregister(stream.socket)
        stream.close()
        self._stream.queue(frame(number, Kind.SIGNAL, signal.SIGHUP))

    def _from_guest(self) -> None:
        for each in self._stream.read():
            if each.kind is Kind.READY:
                self._ready = True
            elif each.kind is Kind.CREDIT:
                self._stream.credit += int(each.value)
            elif each.session in self._sessions:
                self._sessions[each.session](each)
                if each.kind is Kind.EXIT:
                    del self._sessions[each.session]

    def _turn(self, timeout_s: float) -> None:
        """Wait for something to read for up to ``timeout_s`` and deal with it."""
        self._stream.flush()
        for number, client in list(self._clients.items()):
            try:
                client.flush()
            except OSError:
                self._drop(number)
        waiting = self._stream.waiting or any(c.waiting for c in self._clients.values())
        for key, _ in self._selector.select(0.01 if waiting else timeout_s):
            key.data()


def idlest_cpu() -> int:
    """The processor, of those that this process may use, that was idle for longest just now."""
    before = _idle_ticks()
    time.sleep(_LOOK_S)
    after = _idle_ticks()
    return max(os.sched_getaffinity(0), key=lambda cpu: after[cpu] - before[cpu])


def _idle_ticks() -> dict[int, int]:
    """Ticks that each processor has been idle since boot (proc(5), /proc/stat)."""
    rows = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    return {int(row[0][3:]): int(row[4]) for row in rows if row[0][:3] == "cpu" and row[0] != "cpu"}


def kill_group(leader: int) -> None:
    """Kill a user-mode kernel: its process group holds its helpers and its guests' processes."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
