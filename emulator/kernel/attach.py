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
from emulator.kernel.stream import Stream
from emulator.kernel.tunnel import MAX_PAYLOAD, Frame, Kind, frame
from emulator.kernel.usermode import request

_MOST_WAITING = 1 << 20
"""Bytes of standard input that may wait for the run before no more is read."""


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
        stream = Stream(connection)
        stream.queue(opening)
        with _forwarding(stream, terminal) as wakes:
            return _pump(stream, wakes)


def _pump(stream: Stream, wakes: int) -> int:
    # Not epoll, which takes no plain files, and standard input may be one.
    selector, open_input = selectors.PollSelector(), True
    selector.register(wakes, selectors.EVENT_READ)
    while True:
        _flush(stream)
        _listen(selector, 0, open_input and len(stream.waiting) < _MOST_WAITING)
        _listen(selector, stream.socket, True, bool(stream.waiting))
        for key, events in selector.select():
            if key.fd == wakes:
                os.read(wakes, 4096)
            elif key.fd == 0:
                data = os.read(0, 32768)
                stream.queue(Frame(1, Kind.STDIN if data else Kind.STDIN_END, data))
                open_input = bool(data)
            elif events & selectors.EVENT_READ:
                for each in stream.read():
                    if each.kind is Kind.EXIT:
                        return int(each.value)
                    os.write(1 if each.kind is Kind.STDOUT else 2, each.payload)
                if stream.closed:
                    raise RunError("the run ended while the command was running")


def _flush(stream: Stream) -> None:
    try:
        stream.flush()
    except OSError:
        raise RunError("the run ended while the command was running") from None


def _listen(
    selector: selectors.BaseSelector, what: int | socket.socket, read: bool, write: bool = False
) -> None:
    """Watch ``what`` for just this."""
    events = (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
    known = what in selector.get_map()
    if known and not events:
        selector.unregister(what)
    elif known:
        selector.modify(what, events)
    elif events:
        selector.register(what, events)


@contextmanager
def _forwarding(stream: Stream, terminal: bool) -> Iterator[int]:
    """Pass signals on; make a terminal raw and pass its size on, and put it back at the end.

    Yields a descriptor that becomes readable when a signal has queued something.
    """

    def pass_on(number: int, _: object) -> None:
        stream.queue(frame(1, Kind.SIGNAL, number))

    def resize(*_: object) -> None:
        size = os.get_terminal_size(0)
        stream.queue(frame(1, Kind.WINDOW, [size.lines, size.columns]))

    wakes, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    woken_before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    handlers = {signal.SIGINT: pass_on, signal.SIGTERM: pass_on}
    handlers |= {signal.SIGWINCH: resize} if terminal else {}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    kept = None
    if terminal:
        kept = termios.tcgetattr(0)
        tty.setraw(0)
    try:
        yield wakes
    finally:
        signal.set_wakeup_fd(woken_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        if kept:
            termios.tcsetattr(0, termios.TCSADRAIN, kept)
        os.close(wakes)
        os.close(wake)
