"""Debian's user-mode kernel as a place to run commands: boot, tunnel, sessions, power off.

The kernel is one process of the host (plus helpers in its process group), needs no root, and
sees the host's files. Commands in it are sessions over a serial line (``tunnel.py``); other
processes of the same user reach it by the UNIX socket that :meth:`UserModeKernel.serve` opens.
"""

import math
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
from functools import partial
from pathlib import Path
from typing import Any

from emulator.errors import CapabilityError, KernelError
from emulator.kernel.parentage import die_with_parent
from emulator.kernel.probe import UML_BINARY, user_mode_kernel
from emulator.kernel.tunnel import WINDOW_BYTES, Frame, FrameReader, Kind, frame

BOOT_DEADLINE_S = 60.0
KERNEL_MARK = "LASERMESH_KERNEL"
"""Set in the environment of everything that runs inside: its value is ``usermode``."""

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BLOCK_BYTES = 65536
_MOST_WAITING = 1 << 20
"""Bytes that may wait for the guest before clients have to."""

Output = Callable[[Kind, bytes], None]


def request(argv: Sequence[str], terminal: bool = False) -> dict[str, Any]:
    """Return the OPEN request for ``argv`` with this process's folder and environment."""
    size = shutil.get_terminal_size()
    env = {**os.environ, KERNEL_MARK: "usermode", "TMPDIR": "/run/tmp"}
    env.pop("LASERMESH_STATE", None)  # names a folder of the host's; the guest's /run is its own
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
    """A booted user-mode kernel; use as a context manager.

    ``state_dir`` receives the console log, the tunnel's socket and the kernel's own pid folder.
    """

    def __init__(self, state_dir: Path, memory_mb: int) -> None:
        self.state_dir = state_dir
        self.memory_mb = memory_mb
        self.console = state_dir / "console.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._selector = selectors.DefaultSelector()
        self._sessions: dict[int, Callable[[Frame], None]] = {}
        self._clients: dict[int, _Stream] = {}
        self._next_session = 1
        self._ready = False
        self._listener: socket.socket | None = None

    def __enter__(self) -> "UserModeKernel":
        missing = user_mode_kernel()
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
        if self._listener:
            self._listener.close()
        self._selector.close()

    def _boot(self) -> None:
        ours, theirs = socket.socketpair()
        memory_dir = memory_folder(self.memory_mb)
        with self.console.open("wb") as console, theirs:
            serial, log = theirs.fileno(), console.fileno()
            argv = [
                str(shutil.which(UML_BINARY)),
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
                f"ssl0=fd:{serial},fd:{serial}",
                f"init={sys.executable}",
                "--",
                "-m",
                "emulator.kernel.guest",
            ]
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=(serial, log),
                start_new_session=True,
                preexec_fn=partial(  # noqa: PLW1509 - no threads here, and prctl must be the child's
                    die_with_parent, signal.SIGTERM, os.getpid()
                ),
                env={**os.environ, "TMPDIR": memory_dir},
            )
        self._stream = _Stream(ours, WINDOW_BYTES)
        self._selector.register(ours, selectors.EVENT_READ, self._from_guest)
        deadline = time.monotonic() + BOOT_DEADLINE_S
        while not self._ready:
            self._turn(0.2)
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(self.console.read_text(errors="replace").splitlines()[-8:])
                raise KernelError(f"the user-mode kernel did not boot. Its console ends:\n{tail}")

    def run(self, argv: Sequence[str], output: Output) -> int:
        """Run ``argv`` inside, hand what it prints to ``output`` and return its exit code.

        SIGINT and SIGTERM to this process are passed on to the command, which then ends in its
        own way; a third one kills the kernel.
        """
        number, exited = self._open(request(argv), output)
        asked = 0

        def pass_on(received: int, _: object) -> None:
            nonlocal asked
            asked += 1
            if asked > 2 and self.process:
                kill_group(self.process.pid)
            self._stream.queue(frame(number, Kind.SIGNAL, received))

        before = {s: signal.signal(s, pass_on) for s in _PASSED_ON}
        try:
            while not exited:
                self._turn(1.0)
                if self.process and self.process.poll() is not None and not exited:
                    raise KernelError(f"the user-mode kernel died; see {self.console}")
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
        return exited[0]

    def _open(self, what: dict[str, Any], output: Output) -> tuple[int, list[int]]:
        exited: list[int] = []

        def receive(each: Frame) -> None:
            if each.kind is Kind.EXIT:
                exited.append(int(each.value))
            else:
                output(each.kind, each.payload)

        number = self._number(receive)
        self._stream.queue(frame(number, Kind.OPEN, what))
        self._stream.queue(Frame(number, Kind.STDIN_END))
        return number, exited

    def _number(self, receive: Callable[[Frame], None]) -> int:
        number = self._next_session
        self._next_session = number % 65_000 + 1
        self._sessions[number] = receive
        return number

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
        stream = _Stream(client)
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
                self._stream.queue(frame(number, Kind.SIGNAL, signal.SIGHUP))

        self._selector.register(client, selectors.EVENT_READ, receive)

    def _drop(self, number: int) -> None:
        stream = self._clients.pop(number)
        self._selector.unregister(stream.socket)
        stream.socket.close()

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
            except OSError:  # it has gone; its command is told
                self._drop(number)
                self._stream.queue(frame(number, Kind.SIGNAL, signal.SIGHUP))
        waiting = self._stream.waiting or any(c.waiting for c in self._clients.values())
        for key, _ in self._selector.select(0.01 if waiting else timeout_s):
            key.data()


class _Stream:
    """A socket that carries frames, with what could not be written yet.

    ``credit`` is how many bytes the other end is ready for, where it says so.
    """

    def __init__(self, end: socket.socket, credit: float = math.inf) -> None:
        self.socket = end
        self.credit = credit
        self.socket.setblocking(False)
        self.closed = False
        self.waiting = bytearray()
        self._reader = FrameReader()

    def read(self) -> list[Frame]:
        """Return the frames that have arrived; sets ``closed`` at the end of the stream."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self.closed = not data
        return list(self._reader.feed(data))

    def queue(self, each: Frame) -> None:
        """Add a frame to what is waiting to be written."""
        self.waiting += each.encode()

    def flush(self) -> None:
        """Write as much of what is waiting as the other end takes."""
        try:
            while self.waiting and self.credit > 0:
                sent = self.socket.send(self.waiting[: int(min(self.credit, _BLOCK_BYTES))])
                self.credit -= sent
                del self.waiting[:sent]
        except BlockingIOError:
            return


def kill_group(leader: int) -> None:
    """Kill a user-mode kernel: its process group holds its helpers and its guests' processes."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
