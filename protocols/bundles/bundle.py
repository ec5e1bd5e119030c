"""Bundles (Bundle Protocol version 7, RFC 9171): values, and their bytes. Pure.

A bundle is a primary block and canonical blocks, the payload last. What is decoded here and
encoded again is the same bytes if the sender wrote lengths of blocks definite, as nearly all do.
Checksums are verified over the bytes as they came. Two things that RFC 9171 wants are left to who
processes a bundle, since the examples of RFC 9173 lack them: a checksum of the primary block where
nothing else protects it (4.3.1), and an age where there is no creation time (4.4.2).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

from fastcrc import crc16, crc32

from protocols.bundles.cbor import INDEFINITE_ARRAY, BundleError, Reader, Truncated, encode
from protocols.bundles.eid import NONE, Eid

VERSION = 7
PAYLOAD, PREVIOUS_NODE, BUNDLE_AGE, HOP_COUNT = 1, 6, 7, 10
"""Block types (RFC 9171, 9.1)."""
PAYLOAD_NUMBER = 1
_KNOWN = {PAYLOAD, PREVIOUS_NODE, BUNDLE_AGE, HOP_COUNT}
_MOST_HOPS = 255
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""DTN time counts milliseconds of UTC from here, without leap seconds (4.2.6)."""


class BundleFlag(IntFlag):
    """Bundle processing control flags (4.2.3); bits that are not assigned are kept."""

    NONE = 0x00
    FRAGMENT = 0x01
    ADMINISTRATIVE = 0x02
    NOT_TO_FRAGMENT = 0x04
    ACKNOWLEDGE = 0x20
    STATUS_TIME = 0x40
    REPORT_RECEPTION = 0x4000
    REPORT_FORWARDING = 0x10000
    REPORT_DELIVERY = 0x20000
    REPORT_DELETION = 0x40000


REPORTS = (
    BundleFlag.REPORT_RECEPTION
    | BundleFlag.REPORT_FORWARDING
    | BundleFlag.REPORT_DELIVERY
    | BundleFlag.REPORT_DELETION
)


class BlockFlag(IntFlag):
    """Block processing control flags (4.2.4): what is to be done with a block not understood."""

    NONE = 0x00
    REPLICATE = 0x01
    REPORT = 0x02
    DELETE_BUNDLE = 0x04
    DISCARD = 0x10


class Crc(IntEnum):
    """Kinds of checksum (4.2.1): CRC-16 of X.25 and CRC-32C of Castagnoli."""

    NONE = 0
    X25 = 1
    CASTAGNOLI = 2

    @property
    def size(self) -> int:
        """Bytes of the checksum."""
        return (0, 2, 4)[self]

    def of(self, data: bytes) -> bytes:
        """Return the checksum over ``data``, in network order."""
        if self is Crc.X25:
            return crc16.ibm_sdlc(data).to_bytes(2)
        return crc32.iscsi(data).to_bytes(4) if self else b""


class BundleId(NamedTuple):
    """What tells one bundle, or fragment, from all others (4.1)."""

    source: Eid
    created_ms: int
    sequence: int
    offset: int | None = None
    fragment_bytes: int | None = None

    def __str__(self) -> str:
        part = "" if self.offset is None else f"+{self.offset}:{self.fragment_bytes}"
        return f"{self.source}@{self.created_ms}.{self.sequence}{part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """The primary block (4.3.1); it never changes on the way."""

    destination: Eid
    source: Eid
    created_ms: int
    """DTN time, 0 where the source has no clock."""
    sequence: int
    lifetime_ms: int
    report_to: Eid = NONE
    flags: BundleFlag = BundleFlag.NONE
    crc: Crc = Crc.CASTAGNOLI
    offset: int | None = None
    """Of a fragment, within the whole payload."""
    total_bytes: int | None = None
    """Of the whole payload that a fragment is of."""

    def __post_init__(self) -> None:
        fragment = BundleFlag.FRAGMENT in self.flags
        if fragment is (self.offset is None) or fragment is (self.total_bytes is None):
            reason = "a fragment has an offset and a total length, and nothing else has"
            raise BundleError(reason, "RFC 9171, 4.3.1", (self.flags, self.offset))
        if fragment and BundleFlag.NOT_TO_FRAGMENT in self.flags:
            raise BundleError("fragment of what must not be one", "RFC 9171, 5.8", self.flags)
        if self.source == NONE and (
            self.flags & REPORTS or BundleFlag.NOT_TO_FRAGMENT not in self.flags
        ):
            reason = "a bundle without source is neither reported nor fragmented"
            raise BundleError(reason, "RFC 9171, 4.2.3", self.flags)
        if BundleFlag.ADMINISTRATIVE in self.flags and self.flags & REPORTS:
            raise BundleError("reports of a report", "RFC 9171, 4.2.3", self.flags)

    def items(self) -> list[Any]:
        """Return what the block's array holds before the checksum."""
        ends = [each.item() for each in (self.destination, self.source, self.report_to)]
        times = [(self.created_ms, self.sequence), self.lifetime_ms]
        part = [] if self.offset is None else [self.offset, self.total_bytes]
        return [VERSION, int(self.flags), int(self.crc), *ends, *times, *part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A canonical block (4.3.2); ``data`` are its block-type-specific bytes."""

    type: int
    number: int
    data: bytes
    flags: BlockFlag = BlockFlag.NONE
    crc: Crc = Crc.CASTAGNOLI

    def items(self) -> list[Any]:
        """Return what the block's array holds before the checksum."""
        return [self.type, self.number, int(self.flags), int(self.crc), self.data]

    def value(self) -> Any:
        """Return the data of an extension block, which are CBOR. Raises BundleError."""
        reader = Reader(self.data)
        try:
            value = reader.value()
        except Truncated as error:
            raise BundleError(str(error), "RFC 9171, 4.4", self.data) from None
        if reader.at != len(self.data):
            raise BundleError("more than one item in a block", "RFC 9171, 4.4", self.data)
        return value


@dataclass(frozen=True, slots=True)
class Bundle:
    """A primary block and the others, in their order, the payload last. Checks itself."""

    primary: Primary
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        numbers = [each.number for each in self.blocks]
        types = [each.type for each in self.blocks]
        if not types or types[-1] != PAYLOAD or types.count(PAYLOAD) != 1:
            raise BundleError("one payload block, the last", "RFC 9171, 4.1", types)
        if self.blocks[-1].number != PAYLOAD_NUMBER:
            raise BundleError("number of the payload block", "RFC 9171, 4.3.2", numbers[-1])
        if len(set(numbers)) != len(numbers) or 0 in numbers:
            raise BundleError("numbers of blocks are not unique", "RFC 9171, 4.3.2", numbers)
        for kind, clause in ((PREVIOUS_NODE, "4.4.1"), (BUNDLE_AGE, "4.4.2"), (HOP_COUNT, "4.4.3")):
            if types.count(kind) > 1:
                raise BundleError(f"blocks of type {kind}", f"RFC 9171, {clause}", types)
        _ = self.previous_node, self.age_ms, self.hops  # raise, if they are not what they should be
        part, whole = self.primary.offset, self.primary.total_bytes
        if part is not None and whole is not None and part + len(self.payload) > whole:
            reason = "fragment beyond the end of its payload"
            raise BundleError(reason, "RFC 9171, 4.3.1", (part, len(self.payload), whole))

    @property
    def payload(self) -> bytes:
        """The data that are carried."""
        return self.blocks[-1].data

    @property
    def id(self) -> BundleId:
        """What tells it from all others."""
        first, size = self.primary, len(self.payload)
        part = (None, None) if first.offset is None else (first.offset, size)
        return BundleId(first.source, first.created_ms, first.sequence, *part)

    def block(self, kind: int) -> Block | None:
        """Return the first block of a type."""
        return next((each for each in self.blocks if each.type == kind), None)

    @property
    def previous_node(self) -> Eid | None:
        """Who sent it here, as far as it says (4.4.1)."""
        found = self.block(PREVIOUS_NODE)
        return Eid.of(found.value()) if found else None

    @property
    def age_ms(self) -> int | None:
        """How old it was when it was last sent, as far as it says (4.4.2)."""
        found = self.block(BUNDLE_AGE)
        if found is None:
            return None
        age_ms = found.value()
        if type(age_ms) is not int:
            raise BundleError("bundle age", "RFC 9171, 4.4.2", age_ms)
        return age_ms

    @property
    def hops(self) -> tuple[int, int] | None:
        """Limit and count of its hops, as far as it says (4.4.3)."""
        found = self.block(HOP_COUNT)
        match found and found.value():
            case None:
                return None
            case [int(limit), int(count)] if 1 <= limit <= _MOST_HOPS:
                return limit, count
        raise BundleError("hop limit and count", "RFC 9171, 4.4.3", found and found.value())

    @property
    def dated(self) -> bool:
        """Whether its age can be told: it has a creation time or a bundle age block (4.4.2)."""
        return bool(self.primary.created_ms) or self.age_ms is not None

    def unknown(self) -> tuple[Block, ...]:
        """Return the blocks of types that are not understood here."""
        return tuple(each for each in self.blocks if each.type not in _KNOWN)

    def with_value(self, kind: int, value: Any) -> "Bundle":
        """Return it with CBOR ``value`` in its block of type ``kind``, made if there is none."""
        old = self.block(kind)
        free = max(each.number for each in self.blocks) + 1
        fresh = Block(type=kind, number=free, data=b"", crc=self.blocks[-1].crc)
        new = replace(old or fresh, data=encode(value))
        others = tuple(each for each in self.blocks if each is not old)
        return Bundle(self.primary, (new, *others))

    def without(self, unwanted: tuple[Block, ...]) -> "Bundle":
        """Return it without some of its blocks."""
        kept = tuple(each for each in self.blocks if each not in unwanted)
        return Bundle(self.primary, kept)

    def encode(self) -> bytes:
        """Return its bytes."""
        blocks = b"".join(
            _protected(each.items(), each.crc) for each in (self.primary, *self.blocks)
        )
        return bytes((INDEFINITE_ARRAY,)) + blocks + b"\xff"


def bundle_of(primary: Primary, payload: bytes, crc: Crc = Crc.CASTAGNOLI) -> Bundle:
    """Return a bundle of a primary block and a payload alone; checksums of one kind."""
    block = Block(type=PAYLOAD, number=PAYLOAD_NUMBER, data=payload, crc=crc)
    return Bundle(replace(primary, crc=crc), (block,))


def _protected(items: list[Any], crc: Crc) -> bytes:
    """Return a block's bytes, its checksum last, which is over all with zeros in its place."""
    if not crc:
        return encode(items)
    whole = encode([*items, bytes(crc.size)])
    return whole[: -crc.size] + crc.of(whole)


def decode(data: bytes) -> Bundle:
    """Read a bundle that ``data`` are, from the first byte to the last. Raises BundleError."""
    reader = Reader(data)
    if data[:1] != bytes((INDEFINITE_ARRAY,)):
        raise BundleError("no array of indefinite length", "RFC 9171, 4.1", bytes(data[:1]))
    reader.at = 1
    primary = _primary(_items(reader, "RFC 9171, 4.3.1"), data)
    blocks = []
    while not reader.ends():
        blocks.append(_block(_items(reader, "RFC 9171, 4.3.2"), data))
    if reader.at != len(data):
        raise BundleError("bytes after a bundle", "RFC 9171, 4.1", len(data) - reader.at)
    return Bundle(primary, tuple(blocks))


class _Items(NamedTuple):
    """A block's array: its items and where they lie."""

    values: list[Any]
    start: int
    last: int
    """Where the last item ends."""
    end: int


def _items(reader: Reader, clause: str) -> _Items:
    start, values = reader.at, []
    count = reader.array(clause)
    last = reader.at
    while True:
        if len(values) == count or (count is None and reader.ends()):
            return _Items(values, start, last, reader.at)
        values.append(reader.value())
        last = reader.at


def _uint(value: Any, what: str, clause: str) -> int:
    if type(value) is not int:
        raise BundleError(f"{what} is no unsigned integer", clause, value)
    return value


def _crc(value: Any, clause: str) -> Crc:
    if value not in (0, 1, 2) or type(value) is not int:
        raise BundleError("kind of checksum", clause, value)
    return Crc(value)


def _verify(found: _Items, crc: Crc, data: bytes) -> None:
    if not crc:
        return
    sent = found.values[-1]
    if type(sent) is not bytes or data[found.last - crc.size : found.last] != sent:
        raise BundleError(f"checksum is not {crc.size} bytes", "RFC 9171, 4.2.1", sent)
    zeroed = b"".join(
        (data[found.start : found.last - crc.size], bytes(crc.size), data[found.last : found.end])
    )
    if crc.of(zeroed) != sent:
        reason = (
            f"checksum of the block at {found.start} does not fit, {crc.of(zeroed).hex()} would"
        )
        raise BundleError(reason, "RFC 9171, 4.2.1", sent.hex())


def _primary(found: _Items, data: bytes) -> Primary:
    clause, items = "RFC 9171, 4.3.1", found.values
    if len(items) < 8:
        raise BundleError("number of the primary block's items", clause, len(items))
    if items[0] != VERSION:
        raise BundleError("version of the Bundle Protocol", clause, items[0])
    flags, crc = BundleFlag(_uint(items[1], "flags", clause)), _crc(items[2], clause)
    fragment = BundleFlag.FRAGMENT in flags
    if len(items) != 8 + 2 * fragment + bool(crc):
        raise BundleError("number of the primary block's items", clause, len(items))
    _verify(found, crc, data)
    match items[6]:
        case [int(created_ms), int(sequence)]:
            pass
        case _:
            raise BundleError("creation timestamp", "RFC 9171, 4.2.7", items[6])
    return Primary(
        destination=Eid.of(items[3]),
        source=Eid.of(items[4]),
        report_to=Eid.of(items[5]),
        created_ms=created_ms,
        sequence=sequence,
        lifetime_ms=_uint(items[7], "lifetime", clause),
        flags=flags,
        crc=crc,
        offset=_uint(items[8], "fragment offset", clause) if fragment else None,
        total_bytes=_uint(items[9], "total length", clause) if fragment else None,
    )


def _block(found: _Items, data: bytes) -> Block:
    clause, items = "RFC 9171, 4.3.2", found.values
    if len(items) not in (5, 6):
        raise BundleError("number of a block's items", clause, len(items))
    crc = _crc(items[3], clause)
    if len(items) != 5 + bool(crc):
        raise BundleError("number of a block's items", clause, len(items))
    _verify(found, crc, data)
    if type(items[4]) is not bytes:
        raise BundleError("data of a block are no byte string", clause, items[4])
    return Block(
        type=_uint(items[0], "block type", clause),
        number=_uint(items[1], "block number", clause),
        flags=BlockFlag(_uint(items[2], "flags", clause)),
        crc=crc,
        data=items[4],
    )
