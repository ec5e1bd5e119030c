"""The messages of TCPCLv4 (RFC 9174) and their bytes. Pure."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from protocols.bundles.cbor import BundleError, Truncated

MAGIC = b"dtn!"
VERSION = 4
CONTACT_BYTES = 6
CAN_TLS = 0x01
END, START = 0x01, 0x02
"""Flags of a segment and of its acknowledgement (5.2.2, 5.2.3)."""
CRITICAL = 0x01
TRANSFER_LENGTH = 0x0001


class Refusal(IntEnum):
    """Why a transfer is refused (5.2.4)."""

    UNKNOWN = 0
    COMPLETED = 1
    NO_RESOURCES = 2
    RETRANSMIT = 3
    NOT_ACCEPTABLE = 4
    EXTENSION_FAILURE = 5
    SESSION_TERMINATING = 6


class Rejection(IntEnum):
    """Why a message is rejected (5.1.2)."""

    TYPE_UNKNOWN = 1
    UNSUPPORTED = 2
    UNEXPECTED = 3


class Ending(IntEnum):
    """Why a session ends (6.1)."""

    UNKNOWN = 0
    IDLE = 1
    VERSION_MISMATCH = 2
    BUSY = 3
    CONTACT_FAILURE = 4
    RESOURCE_EXHAUSTION = 5


def contact_header(flags: int = 0) -> bytes:
    """Return what each side sends first (4.2)."""
    return MAGIC + bytes((VERSION, flags))


class _Fields:
    """Reads big-endian numbers and bytes in order."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data, self.at = data, 0

    def number(self, size: int) -> int:
        return int.from_bytes(self.bytes(size))

    def bytes(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise Truncated("message goes on", "RFC 9174, 3.1", size)
        taken = bytes(self.data[self.at : end])
        self.at = end
        return taken


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension item of a session (4.8) or a transfer (5.2.5)."""

    type: int
    value: bytes
    flags: int = 0

    def encode(self) -> bytes:
        return struct.pack("!BHH", self.flags, self.type, len(self.value)) + self.value

    @classmethod
    def list(cls, data: bytes) -> "tuple[Extension, ...]":
        """Read items up to the end of ``data``. Raises BundleError where one goes beyond."""
        fields, found = _Fields(data), []
        try:
            while fields.at < len(data):
                flags, kind = fields.number(1), fields.number(2)
                found.append(cls(kind, fields.bytes(fields.number(2)), flags))
        except Truncated:
            raise BundleError("extension item beyond its list", "RFC 9174, 4.8", data) from None
        return tuple(found)


def _extensions(items: "tuple[Extension, ...]") -> bytes:
    listed = b"".join(each.encode() for each in items)
    return struct.pack("!I", len(listed)) + listed


@dataclass(frozen=True, slots=True)
class Init:
    """SESS_INIT (4.6)."""

    keepalive_s: int
    segment_mru: int
    transfer_mru: int
    node_id: str
    extensions: tuple[Extension, ...] = ()
    code: ClassVar[int] = 0x07

    def encode(self) -> bytes:
        node_id = self.node_id.encode()
        numbers = (self.code, self.keepalive_s, self.segment_mru, self.transfer_mru, len(node_id))
        return struct.pack("!BHQQH", *numbers) + node_id + _extensions(self.extensions)

    @classmethod
    def read(cls, fields: _Fields) -> "Init":
        numbers = [fields.number(size) for size in (2, 8, 8)]
        node_id = fields.bytes(fields.number(2))
        extensions = Extension.list(fields.bytes(fields.number(4)))
        try:
            return cls(*numbers, node_id.decode(), extensions)
        except UnicodeDecodeError:
            raise BundleError("node id is no UTF-8", "RFC 9174, 4.6", node_id) from None


@dataclass(frozen=True, slots=True)
class Term:
    """SESS_TERM (6.1)."""

    reason: int
    reply: bool = False
    code: ClassVar[int] = 0x05

    def encode(self) -> bytes:
        return bytes((self.code, self.reply, self.reason))

    @classmethod
    def read(cls, fields: _Fields) -> "Term":
        flags = fields.number(1)
        return cls(fields.number(1), bool(flags & 1))


@dataclass(frozen=True, slots=True)
class Segment:
    """XFER_SEGMENT (5.2.2)."""

    flags: int
    transfer: int
    data: bytes
    extensions: tuple[Extension, ...] = ()
    code: ClassVar[int] = 0x01

    def encode(self) -> bytes:
        first = struct.pack("!BBQ", self.code, self.flags, self.transfer)
        extensions = _extensions(self.extensions) if self.flags & START else b""
        return b"".join((first, extensions, struct.pack("!Q", len(self.data)), self.data))

    @classmethod
    def read(cls, fields: _Fields, most_bytes: int) -> "Segment":
        flags, transfer = fields.number(1), fields.number(8)
        listed = fields.bytes(fields.number(4)) if flags & START else b""
        size = fields.number(8)
        if size > most_bytes:
            reason = f"segment of more than the {most_bytes} bytes that were agreed"
            raise BundleError(reason, "RFC 9174, 5.2.2", size)
        return cls(flags, transfer, fields.bytes(size), Extension.list(listed))


@dataclass(frozen=True, slots=True)
class Ack:
    """XFER_ACK (5.2.3)."""

    flags: int
    transfer: int
    length: int
    code: ClassVar[int] = 0x02

    def encode(self) -> bytes:
        return struct.pack("!BBQQ", self.code, self.flags, self.transfer, self.length)

    @classmethod
    def read(cls, fields: _Fields) -> "Ack":
        return cls(fields.number(1), fields.number(8), fields.number(8))


@dataclass(frozen=True, slots=True)
class Refuse:
    """XFER_REFUSE (5.2.4)."""

    reason: int
    transfer: int
    code: ClassVar[int] = 0x03

    def encode(self) -> bytes:
        return struct.pack("!BBQ", self.code, self.reason, self.transfer)

    @classmethod
    def read(cls, fields: _Fields) -> "Refuse":
        return cls(fields.number(1), fields.number(8))


@dataclass(frozen=True, slots=True)
class Keepalive:
    """KEEPALIVE (5.1.1)."""

    code: ClassVar[int] = 0x04

    def encode(self) -> bytes:
        return bytes((self.code,))

    @classmethod
    def read(cls, fields: _Fields) -> "Keepalive":
        return cls()


@dataclass(frozen=True, slots=True)
class Reject:
    """MSG_REJECT (5.1.2)."""

    reason: int
    header: int
    code: ClassVar[int] = 0x06

    def encode(self) -> bytes:
        return bytes((self.code, self.reason, self.header))

    @classmethod
    def read(cls, fields: _Fields) -> "Reject":
        return cls(fields.number(1), fields.number(1))


Message = Init | Term | Segment | Ack | Refuse | Keepalive | Reject
_KINDS = {each.code: each for each in (Init, Term, Ack, Refuse, Keepalive, Reject)}


class UnknownType(BundleError):
    """A message of a type that RFC 9174 does not have: where it ends cannot be known."""


def read(data: bytes | bytearray, segment_mru: int) -> tuple[Message, int]:
    """Return the first message of ``data`` and how long it is.

    Raises Truncated where it goes on, UnknownType, and BundleError for a segment of more than
    ``segment_mru`` bytes and other faults.
    """
    fields = _Fields(data)
    code = fields.number(1)
    if code == Segment.code:
        return Segment.read(fields, segment_mru), fields.at
    if code not in _KINDS:
        raise UnknownType("type of a message", "RFC 9174, 9.5", code)
    return _KINDS[code].read(fields), fields.at
