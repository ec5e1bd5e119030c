"""What a receiver holds of objects, and where it keeps them."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

Header = dict[str, Any]
"""What a sender says of an object before it: at least its ``name`` and its size in ``bytes``."""


@dataclass(frozen=True, slots=True)
class Received:
    """When the first and the last byte of an object arrived, and whether the hash is equal.

    ``transmit_s`` is the time during which bytes came: pauses between connections do not count.
    """

    first_byte_s: float
    last_byte_s: float
    transmit_s: float
    verified: bool


@dataclass(slots=True)
class Part:
    """What a receiver holds of one object: how much, and the hash so far. The bytes are let go."""

    held: int = 0
    hashed: Any = field(default_factory=hashlib.sha256)
    first_byte_s: float = 0.0
    last_byte_s: float = 0.0
    transmit_s: float = 0.0
    connection: object = None
    """The latest one: what others still bring is of no use."""

    def take(self, data: memoryview, now_s: float, since_s: float | None) -> None:
        """Add bytes. ``since_s``: when this connection brought its last, None for its first."""
        if not self.held:
            self.first_byte_s = now_s
        if since_s is not None:  # a pause before this connection does not count
            self.transmit_s += now_s - since_s
        self.last_byte_s = now_s
        self.hashed.update(data)
        self.held += len(data)

    def digest(self) -> bytes:
        """Return the SHA-256 of all that is held."""
        return bytes(self.hashed.digest())

    def close(self) -> None:
        """The connection has ended; what is held stays."""

    def received(self) -> Received:
        """Return how a whole object has arrived."""
        return Received(self.first_byte_s, self.last_byte_s, self.transmit_s, True)


class Shelf(Protocol):
    """Where a receiver keeps objects."""

    def part(self, header: Header) -> Part | None:
        """Return what is held of the object of this header; None: it is not wanted."""
        ...

    def taken(self, header: Header, part: Part) -> None:
        """Keep an object that has arrived whole; called before it is acknowledged."""
        ...

    def damaged(self, header: Header) -> None:
        """Let go of an object whose hash differs, to begin again."""
        ...


class MemoryShelf:
    """Keeps only how far each object has come."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self._expected: dict[str, asyncio.Future[Received]] = {}

    def expect(self, name: str) -> "asyncio.Future[Received]":
        """Return the future that holds the arrival of object ``name``."""
        if name not in self._expected:
            self._expected[name] = asyncio.get_running_loop().create_future()
        return self._expected[name]

    def held(self, name: str) -> int:
        """Return how many bytes of object ``name`` have arrived, without gap from the first."""
        return self._parts[name].held if name in self._parts else 0

    def part(self, header: Header) -> Part:
        """Return what is held of the object of this header."""
        return self._parts.setdefault(str(header["name"]), Part())

    def taken(self, header: Header, part: Part) -> None:
        """Tell who expects it."""
        arrived = self.expect(str(header["name"]))
        if not arrived.done():
            arrived.set_result(part.received())

    def damaged(self, header: Header) -> None:
        """Begin again."""
        del self._parts[str(header["name"])]
