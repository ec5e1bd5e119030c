"""Administrative records: bundle status reports (RFC 9171, section 6.1). Pure."""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from protocols.bundles.bundle import BundleFlag, BundleId, Primary
from protocols.bundles.cbor import BundleError, Reader, encode
from protocols.bundles.eid import Eid

_STATUS_REPORT = 1
_CLAUSE = "RFC 9171, 6.1.1"


class Reason(IntEnum):
    """Why (9.5)."""

    NONE = 0
    EXPIRED = 1
    UNIDIRECTIONAL = 2
    CANCELLED = 3
    NO_STORAGE = 4
    DESTINATION_UNKNOWN = 5
    NO_ROUTE = 6
    NO_CONTACT = 7
    BLOCK_UNKNOWN = 8
    HOPS_EXCEEDED = 9
    PARED = 10
    BLOCK_UNSUPPORTED = 11


@dataclass(frozen=True, slots=True)
class Status:
    """Whether something happened, and its DTN time where that is told."""

    asserted: bool = False
    at_ms: int | None = None

    def items(self) -> list[Any]:
        """Return the form that CBOR has."""
        return [self.asserted] if self.at_ms is None else [self.asserted, self.at_ms]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What became of a bundle at a node."""

    subject: BundleId
    received: Status = field(default=Status())
    forwarded: Status = field(default=Status())
    delivered: Status = field(default=Status())
    deleted: Status = field(default=Status())
    reason: Reason = Reason.NONE

    def __str__(self) -> str:
        told = [name for name in _TOLD_OF.values() if getattr(self, name).asserted]
        return " ".join(told) + (f" ({self.reason.name.lower()})" if self.reason else "")

    def encode(self) -> bytes:
        """Return the payload of the bundle that carries it."""
        subject = self.subject
        told = [x.items() for x in (self.received, self.forwarded, self.delivered, self.deleted)]
        what = (subject.source.item(), (subject.created_ms, subject.sequence))
        part = () if subject.offset is None else (subject.offset, subject.fragment_bytes)
        return encode([_STATUS_REPORT, [told, int(self.reason), *what, *part]])

    @classmethod
    def decode(cls, payload: bytes) -> "StatusReport":
        """Read the payload of an administrative record. Raises BundleError for any other."""
        reader = Reader(payload, booleans=True)
        record = reader.value()
        if reader.at != len(payload):
            raise BundleError("bytes after a record", _CLAUSE, len(payload) - reader.at)
        match record:
            case [1, [[_, _, _, _] as told, int(reason), source, [int(created), int(number)]]]:
                part: tuple[int, ...] = ()
            case [
                1,
                [
                    [_, _, _, _] as told,
                    int(reason),
                    source,
                    [int(created), int(number)],
                    int(offset),
                    int(size),
                ],
            ]:
                part = (offset, size)
            case _:
                raise BundleError("no bundle status report", _CLAUSE, record)
        if reason not in list(Reason):
            raise BundleError("reason of a status report", "RFC 9171, 9.5", reason)
        subject = BundleId(Eid.of(source), created, number, *part)
        return cls(subject, *map(_status, told), reason=Reason(reason))


def _status(item: Any) -> Status:
    match item:
        case [bool(asserted)]:
            return Status(asserted)
        case [True, int(at_ms)]:
            return Status(asserted=True, at_ms=at_ms)
    raise BundleError("status of a status report", _CLAUSE, item)


def report_on(
    subject: BundleId, primary: Primary, what: BundleFlag, at_ms: int, reason: Reason
) -> StatusReport | None:
    """Return the report that a bundle's primary block asks for when ``what`` happens to it.

    ``what``: one of the REPORT flags; ``at_ms``: DTN time. None where it asks for none, or there is
    nobody to report to (RFC 9171, 5.1).
    """
    if what not in primary.flags or not primary.report_to.host:
        return None
    status = Status(True, at_ms if BundleFlag.STATUS_TIME in primary.flags else None)
    return replace(StatusReport(subject, reason=reason), **{_TOLD_OF[what]: status})


_TOLD_OF = {
    BundleFlag.REPORT_RECEPTION: "received",
    BundleFlag.REPORT_FORWARDING: "forwarded",
    BundleFlag.REPORT_DELIVERY: "delivered",
    BundleFlag.REPORT_DELETION: "deleted",
}
