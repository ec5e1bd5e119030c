"""Frames over sockets without ever blocking: what cannot be written yet waits."""

import math
import socket

from emulator.kernel.tunnel import Frame, FrameReader

_BLOCK_BYTES = 65536


class Stream:
    """A socket that carries frames, or a pair of them, one for each direction.

    ``credit`` is how many bytes the other end is ready for, where it says so.
    """

    def __init__(
        self, end: socket.socket, out: socket.socket | None = None, credit: float = math.inf
    ) -> None:
        self.socket = end
        self.out = out or end
        self.credit = credit
        for each in (self.socket, self.out):
            each.setblocking(False)
        self.closed = False
        self.waiting = bytearray()
        self._reader = FrameReader()

    def read(self) -> list[Frame]:
        """Return the frames that have arrived; sets ``closed`` at the end of the stream.

        Raises ValueError where what came makes no sense.
        """
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
        """Write as much of what is waiting as the other end takes. Raises OSError: it has gone."""
        try:
            while self.waiting and self.credit > 0:
                sent = self.out.send(self.waiting[: int(min(self.credit, _BLOCK_BYTES))])
                self.credit -= sent
                del self.waiting[:sent]
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both directions."""
        self.socket.close()
        self.out.close()
