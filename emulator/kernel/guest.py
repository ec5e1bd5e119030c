"""PID 1 inside the user-mode kernel: mounts, modules, and sessions asked for over the tunnel.

The root file system is the host's (hostfs), with the rights of whoever started the kernel. Only
/run, /dev/shm and /var/tmp are the guest's own, so daemons leave nothing on the host.
"""

import ctypes
import fcntl
import json
import os
import pty
import resource
import selectors
import shutil
import signal
import struct
import sys
import termios
import traceback
import tty
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulator.kernel.namespaces import mount
from emulator.kernel.tunnel import FIRST, REQUEST_MARK, Frame, FrameReader, Kind, frame
from emulator.sizing import tcp_memory_pages

SERIAL = "/dev/ttyS0"
MODULES = (
    "net/sched/sch_netem",
    "net/sched/sch_ingress",
    "net/sched/cls_matchall",
    "net/sched/cls_u32",
    "net/sched/act_mirred",
    "net/sched/act_gact",
    "drivers/net/veth",
    "net/ipv6/ipv6",
)
_SYS_FINIT_MODULE = 313
_RB_POWER_OFF = 0x4321FEDC
_EEXIST = 17
_LAST_READS = 8
"""How often an ended command's streams are read once more: 256 kB, what pipes hold and more."""


def main() -> None:
    """Run the command this kernel was booted for, serving sessions meanwhile; then power off."""
    try:
        first = json.loads(Path(os.environ[REQUEST_MARK]).read_text())  # /run is the host's yet
        _prepare()
        Server().serve(first)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.sync()
        ctypes.CDLL(None).reboot(_RB_POWER_OFF)


def _prepare() -> None:
    for source, target, kind in (
        ("proc", "/proc", "proc"),
        ("sysfs", "/sys", "sysfs"),
        ("tmpfs", "/run", "tmpfs"),
        ("tmpfs", "/var/tmp", "tmpfs"),
    ):
        mount(source, target, kind)
    for folder in ("/dev/pts", "/dev/shm", "/run/tmp", "/run/frr"):
        os.makedirs(folder, exist_ok=True)
    mount("devpts", "/dev/pts", "devpts", data="ptmxmode=0666")
    mount("tmpfs", "/dev/shm", "tmpfs")
    pages = tcp_memory_pages(os.sysconf("SC_PHYS_PAGES"))
    Path("/proc/sys/net/ipv4/tcp_mem").write_text(" ".join(map(str, pages)))
    with suppress(LookupError):
        shutil.chown("/run/frr", "frr", "frr")
    _load_modules(Path("/usr/lib/uml/modules", os.uname().release))
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    # Many namespaces, sockets and daemons: each costs descriptors.
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))


def _load_modules(folder: Path) -> None:
    """Load MODULES, dependencies first; a kernel that has one built in ships no file of it."""
    listed = (folder / "modules.dep").read_text() if folder.exists() else ""
    needs = {line.split(":")[0]: line.split(":")[1].split() for line in listed.splitlines()}
    for name in MODULES:
        path = f"kernel/{name}.ko"
        for each in [*reversed(needs.get(path, [])), *([path] if path in needs else [])]:
            _insert(folder / each)


def _insert(path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("rb") as module:
        failed = libc.syscall(_SYS_FINIT_MODULE, module.fileno(), b"", 0)
        if failed and ctypes.get_errno() != _EEXIST:
            print(f"guest: cannot load {path}: {os.strerror(ctypes.get_errno())}", file=sys.stderr)


class Server:
    """Reads frames from the serial line, runs their commands, sends back what they say."""

    def __init__(self) -> None:
        self.serial = os.open(SERIAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(self.serial)
        self.reader = FrameReader()
        self.selector = selectors.DefaultSelector()
        self.sessions: dict[int, Session] = {}
        self.selector.register(self.serial, selectors.EVENT_READ, None)
        # A pipe that wakes the loop when any child ends.
        wake, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(wake, selectors.EVENT_READ, "reap")

    def serve(self, first: dict[str, Any]) -> None:
        """Serve until the command ``first`` has ended, or the host says POWER_OFF or hangs up."""
        self.send(Frame(0, Kind.READY))
        self.open(FIRST, first)
        self.handle(Frame(FIRST, Kind.STDIN_END))
        while FIRST in self.sessions:
            for key, events in self.selector.select():
                if key.data == "reap":
                    os.read(key.fd, 4096)
                elif key.data is None:
                    data = os.read(self.serial, 65536)
                    if not data:
                        return
                    self.send(frame(0, Kind.CREDIT, len(data)))
                    for each in self.reader.feed(data):
                        if each.kind is Kind.POWER_OFF:
                            return
                        self.handle(each)
                else:
                    session, kind = key.data
                    if events & selectors.EVENT_WRITE:
                        self.feed(session)
                    if events & selectors.EVENT_READ:
                        self.forward(session, kind, key.fd)
            self.reap()

    def send(self, each: Frame) -> None:
        """Write one frame to the host."""
        data = each.encode()
        while data:
            data = data[os.write(self.serial, data) :]

    def open(self, number: int, request: dict[str, Any]) -> None:
        """Start a command and listen to what it prints."""
        self.sessions[number] = session = Session(number, request)
        for fd, kind in session.outputs.items():
            self.selector.register(fd, selectors.EVENT_READ, (session, kind))

    def handle(self, each: Frame) -> None:
        """Act on one frame from the host."""
        if each.kind is Kind.OPEN:
            self.open(each.session, each.value)
            return
        session = self.sessions.get(each.session)
        if session is None:
            return
        match each.kind:
            case Kind.STDIN:
                session.unread += each.payload
                self.feed(session)
            case Kind.STDIN_END:
                session.ending = True
                self.feed(session)
            case Kind.SIGNAL:
                with suppress(ProcessLookupError):
                    os.killpg(session.pid, int(each.value))
            case Kind.WINDOW:
                session.resize(*each.value)

    def feed(self, session: "Session") -> None:
        """Pass on what a command will take of its standard input, and wait for it to take more."""
        session.write()
        self.watch_input(session)
        if session.ending and not session.unread:
            session.end_input()

    def watch_input(self, session: "Session") -> None:
        """Be woken when a command can take more input, as long as there is some for it."""
        if session.input < 0:
            return
        wants = selectors.EVENT_WRITE if session.unread else 0
        known = session.input in self.selector.get_map()
        if session.terminal and known:  # one descriptor for both directions
            events = selectors.EVENT_READ | wants
            self.selector.modify(session.input, events, (session, Kind.STDOUT))
        elif wants and not known:
            self.selector.register(session.input, wants, (session, Kind.STDIN))
        elif known and not wants:
            self.selector.unregister(session.input)

    def forward(self, session: "Session", kind: Kind, fd: int) -> None:
        """Send on what a session printed; forget the stream at its end."""
        try:
            data = os.read(fd, 32768)
        except BlockingIOError:
            return
        except OSError:  # a pty whose last user is gone reads EIO
            data = b""
        if data:
            self.send(Frame(session.number, kind, data))
        else:
            self.selector.unregister(fd)
            session.close_output(fd)

    def reap(self) -> None:
        """Collect ended children (PID 1 inherits every orphan) and report ended sessions."""
        by_pid = {session.pid: session for session in self.sessions.values()}
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] in by_pid:
                    by_pid[ended[0]].status = os.waitstatus_to_exitcode(ended[1])
        for session in list(self.sessions.values()):
            if session.status is None:
                continue
            # What a session printed last goes out before its exit code does; a stream that a
            # surviving grandchild keeps open does not hold the exit code back.
            for fd, kind in list(session.outputs.items()):
                os.set_blocking(fd, False)
                for _ in range(_LAST_READS):
                    if fd in session.outputs:
                        self.forward(session, kind, fd)
                if fd in session.outputs:
                    self.selector.unregister(fd)
                    session.close_output(fd)
            session.unread.clear()
            self.watch_input(session)
            session.end_input()
            code = session.status if session.status >= 0 else 128 - session.status
            self.send(frame(session.number, Kind.EXIT, code))
            del self.sessions[session.number]


class Session:
    """One command and its streams. ``request``: argv, cwd, env, tty and size."""

    def __init__(self, number: int, request: dict[str, Any]) -> None:
        self.number = number
        self.status: int | None = None
        self.unread = bytearray()
        self.ending = self.ended = False
        self.outputs: dict[int, Kind] = {}
        if request.get("tty"):
            self.pid, self.input = pty.fork()
            if self.pid == 0:
                _become(request)
            self.outputs = {self.input: Kind.STDOUT}
            self.terminal = True
            os.set_blocking(self.input, False)
            if request.get("size"):
                self.resize(*request["size"])
            return
        self.terminal = False
        ends = [os.pipe() for _ in range(3)]
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            for target, end in enumerate((ends[0][0], ends[1][1], ends[2][1])):
                os.dup2(end, target)
            _become(request)
        for end in (ends[0][0], ends[1][1], ends[2][1]):
            os.close(end)
        self.input = ends[0][1]
        self.outputs = {ends[1][0]: Kind.STDOUT, ends[2][0]: Kind.STDERR}
        for fd in (self.input, *self.outputs):
            os.set_inheritable(fd, False)
        os.set_blocking(self.input, False)

    def write(self) -> None:
        """Pass on as much standard input as the command takes now; one that has gone loses it."""
        try:
            while self.unread and self.input >= 0:
                del self.unread[: os.write(self.input, self.unread)]
        except BlockingIOError:
            return
        except OSError:
            self.unread.clear()

    def end_input(self) -> None:
        """Close standard input; on a terminal that is the end-of-file character."""
        if self.terminal and not self.ended:
            self.unread += b"\x04"
            self.write()
        elif not self.terminal and self.input >= 0:
            os.close(self.input)
            self.input = -1
        self.ended = True

    def close_output(self, fd: int) -> None:
        """Forget one output stream."""
        if self.outputs.pop(fd, None) is not None:
            os.close(fd)
        if fd == self.input:
            self.input = -1

    def resize(self, rows: int, columns: int) -> None:
        """Tell a terminal session its new size."""
        if self.terminal:
            fcntl.ioctl(self.input, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _become(request: dict[str, Any]) -> None:
    """Turn this forked child into the requested command; never returns."""
    code = 127
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(request["env"])
        with suppress(OSError):
            os.chdir(request["cwd"])
        argv = request["argv"]
        if argv[0] == "lasermesh":
            # Same process image, so the interpreter need not start and import again.
            from emulator.cli import main as command

            code = command(argv[1:])
        else:
            os.execvp(argv[0], argv)
    except BaseException as error:
        traceback.print_exception(error)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
