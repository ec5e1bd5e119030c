"""The tunnel into the user-mode kernel: framed sessions over one byte stream. No I/O here.

hostfs passes files but no sockets, so the host and PID 1 of the guest talk over a serial line.
Each session is one command in the guest with its standard streams, signals and exit code. The
first one is not asked for by OPEN but by a file that REQUEST_MARK names.

    OPEN ──> (STDIN | WINDOW | SIGNAL)* STDIN_END?          host to guest
             (STDOUT | STDERR)* EXIT                        guest to host
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

_HEADER = struct.Struct("!HBI")
MAX_PAYLOAD = 1 << 20
"""A longer frame means that the stream is out of step: nobody sends one."""

REQUEST_MARK = "LASERMESH_REQUEST"
"""Environment variable of PID 1: the file that holds what OPEN would, for session FIRST."""
FIRST = 1

WINDOW_BYTES = 2048
"""Bytes that the host may send ahead of what the guest has read (it answers with CREDIT frames).

The guest's serial line stalls for good when its 4 kB input queue has once been full.
"""


class Kind(IntEnum):
    """What a frame carries."""

    READY = 1
    OPEN = 2
    STDIN = 3
    STDIN_END = 4
    STDOUT = 5
    STDERR = 6
    EXIT = 7
    SIGNAL = 8
    WINDOW = 9
    POWER_OFF = 10
    CREDIT = 11


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its session, kind and payload."""

    session: int
    kind: Kind
    payload: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes that go over the wire."""
        return _HEADER.pack(self.session, self.kind, len(self.payload)) + self.payload

    @property
    def value(self) -> Any:
        """The payload of OPEN, EXIT, SIGNAL and WINDOW frames."""
        return json.loads(self.payload)


def frame(session: int, kind: Kind, value: Any) -> Frame:
    """Return a frame with a JSON payload."""
    return Frame(session, kind, json.dumps(value).encode())


class FrameReader:
    """Cuts a byte stream into frames, however it arrives."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take in ``data`` and iterate over the frames it completes.

        Raises ValueError where the stream makes no sense.
        """
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            session, kind, length = _HEADER.unpack_from(self._buffer)
            if length > MAX_PAYLOAD:
                raise ValueError(f"a frame of {length} bytes: the tunnel is out of step")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            yield Frame(session, Kind(kind), payload)
