"""Run a command inside a user-mode kernel that another process of this user controls."""

import os
import selectors
import signal
import socket
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from emulator.errors import RunError
from emulator.kernel.tunnel import MAX_PAYLOAD, Frame, FrameReader, Kind, frame
from emulator.kernel.usermode import request


def attach(tunnel: Path, argv: Sequence[str]) -> int:
    """Run ``argv`` inside with this process's streams and return its exit code.

    On a terminal the command gets one too, raw at this end, so that editors and Ctrl-C work.
    Raises RunError where nobody listens at ``tunnel`` or the kernel goes away.
    """
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(tunnel))
        except OSError as error:
            raise RunError(f"cannot reach the run at {tunnel}: {error.strerror}") from None
        opening = frame(1, Kind.OPEN, request(argv, terminal))
        if len(opening.payload) > MAX_PAYLOAD:
            raise RunError("the command line and environment are too long for the tunnel (1 MiB)")
        connection.sendall(opening.encode())
        with _forwarding(connection, terminal):
            return _pump(connection)


def _pump(connection: socket.socket) -> int:
    # Not epoll, which takes no plain files, and standard input may be one.
    reader, selector = FrameReader(), selectors.PollSelector()
    selector.register(connection, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd == 0:
                data = os.read(0, 32768)
                kind = Kind.STDIN if data else Kind.STDIN_END
                connection.sendall(Frame(1, kind, data).encode())
                if not data:
                    selector.unregister(0)
                continue
            data = connection.recv(1 << 18)
            if not data:
                raise RunError("the run ended while the command was running")
            for each in reader.feed(data):
                if each.kind is Kind.EXIT:
                    return int(each.value)
                os.write(1 if each.kind is Kind.STDOUT else 2, each.payload)


@contextmanager
def _forwarding(connection: socket.socket, terminal: bool) -> Iterator[None]:
    """Pass signals on; make a terminal raw and pass its size on, and put it back at the end."""

    def pass_on(number: int, _: object) -> None:
        connection.sendall(frame(1, Kind.SIGNAL, number).encode())

    def resize(*_: object) -> None:
        size = os.get_terminal_size(0)
        connection.sendall(frame(1, Kind.WINDOW, [size.lines, size.columns]).encode())

    handlers = {signal.SIGINT: pass_on, signal.SIGTERM: pass_on}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    kept = None
    if terminal:
        kept = termios.tcgetattr(0)
        tty.setraw(0)
        before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, resize)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if kept:
            termios.tcsetattr(0, termios.TCSADRAIN, kept)
