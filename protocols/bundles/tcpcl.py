"""A session of TCPCLv4 (RFC 9174) without sockets and clocks: bytes in, events and bytes out. Pure.

``take`` what the connection brings and act on the events; write what ``outgoing`` gives until it
gives nothing. Time is the caller's: it calls ``keepalive`` when nothing was sent for as long as
``keepalive_s``, and gives the connection up when nothing came for twice that (5.1.1).

Whole bundles only: what of a transfer that broke off has arrived is forgotten (reactive
fragmentation, RFC 9171 5.8, is optional). No TLS.
"""

from collections import deque
from dataclasses import dataclass

from protocols.bundles.cbor import BundleError, Truncated
from protocols.bundles.tcpcl_messages import (
    CONTACT_BYTES,
    CRITICAL,
    END,
    MAGIC,
    START,
    TRANSFER_LENGTH,
    VERSION,
    Ack,
    Ending,
    Extension,
    Init,
    Keepalive,
    Message,
    Refusal,
    Refuse,
    Reject,
    Rejection,
    Segment,
    Term,
    UnknownType,
    contact_header,
    read,
)

SEGMENT_MRU = 1 << 18
TRANSFER_MRU = 1 << 28
KEEPALIVE_S = 30


@dataclass(frozen=True, slots=True)
class Established:
    """Both sides have agreed: transfers may begin."""

    peer: str
    """Its node id."""
    keepalive_s: int
    """The smaller of both wishes; 0: none (4.7)."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A bundle is here whole. Answer by :meth:`Session.accept` or :meth:`Session.refuse`."""

    transfer: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The peer has a bundle and answers for it."""

    transfer: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer does not take a bundle."""

    transfer: int
    reason: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The peer ends the session, or agrees to its end: no new transfers."""

    reason: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The peer made nothing of a message."""

    reason: int
    header: int


Event = Established | Arrived | Acknowledged | Refused | Ended | Rejected


@dataclass(slots=True)
class _Sending:
    transfer: int
    data: bytes
    sent: int = 0
    acknowledged: int = 0


@dataclass(slots=True)
class _Arriving:
    transfer: int
    data: bytearray
    refused: bool = False


class Session:
    """One TCP connection's session, seen from one side."""

    def __init__(
        self,
        node_id: str,
        *,
        active: bool,
        keepalive_s: int = KEEPALIVE_S,
        segment_mru: int = SEGMENT_MRU,
        transfer_mru: int = TRANSFER_MRU,
    ) -> None:
        """``active``: who opened the connection, and so speaks first (4.1, 4.6)."""
        self.active = active
        self.init = Init(keepalive_s, segment_mru, transfer_mru, node_id)
        self.peer: Init | None = None
        self._met = False
        self._held = bytearray()
        self._out: deque[bytes] = deque([contact_header()] if active else [])
        self._queue: deque[_Sending] = deque()
        self._unanswered: dict[int, _Sending] = {}
        self._arriving: _Arriving | None = None
        self._to_answer: dict[int, Ack] = {}
        self._next = 0
        self._said_end = self._heard_end = False

    @property
    def established(self) -> bool:
        """Whether transfers may begin."""
        return self.peer is not None and not self._said_end and not self._heard_end

    @property
    def keepalive_s(self) -> int:
        """Seconds of silence after which to call :meth:`keepalive`; 0: never."""
        return min(self.init.keepalive_s, self.peer.keepalive_s) if self.peer else 0

    @property
    def unanswered(self) -> tuple[int, ...]:
        """Transfers of ours that are neither acknowledged nor refused, oldest first."""
        return tuple(self._unanswered)

    @property
    def over(self) -> bool:
        """Whether both sides have ended and nothing is left to do: close the connection (6.1)."""
        open_ = self._unanswered or self._queue or self._arriving or self._to_answer or self._out
        return self._said_end and self._heard_end and not open_

    def send(self, data: bytes) -> int:
        """Begin to transfer a bundle; return the number of the transfer.

        Raises BundleError where there is no session, or the peer takes none of that size.
        """
        if not self.established or self.peer is None:
            raise BundleError("transfer outside a session", "RFC 9174, 5.2")
        if len(data) > self.peer.transfer_mru:
            reason = f"bundle of more than the {self.peer.transfer_mru} bytes that the peer takes"
            raise BundleError(reason, "RFC 9174, 4.6", len(data))
        sending = _Sending(self._next, data)
        self._next += 1
        self._queue.append(sending)
        self._unanswered[sending.transfer] = sending
        return sending.transfer

    def accept(self, transfer: int) -> None:
        """Acknowledge a bundle that has arrived: it is ours now."""
        self._out.append(self._to_answer.pop(transfer).encode())

    def refuse(self, transfer: int, reason: Refusal = Refusal.NOT_ACCEPTABLE) -> None:
        """Refuse a bundle that has arrived."""
        del self._to_answer[transfer]
        self._out.append(Refuse(reason, transfer).encode())

    def keepalive(self) -> None:
        """Say that we are still here."""
        self._out.append(Keepalive().encode())

    def end(self, reason: Ending = Ending.UNKNOWN) -> None:
        """Ask for the end of the session; transfers that have begun go on (6.1)."""
        if not self._said_end and self.peer is not None:
            self._said_end = True
            self._out.append(Term(reason).encode())

    def outgoing(self) -> bytes:
        """Return what to write next, b"" if there is nothing: one segment at most."""
        if self._out:
            control = b"".join(self._out)
            self._out.clear()
            return control
        return self._segment() if self._queue and self.peer is not None else b""

    def _segment(self) -> bytes:
        sending, peer = self._queue[0], self.peer
        assert peer is not None
        piece = sending.data[sending.sent : sending.sent + max(1, peer.segment_mru)]
        flags = START if not sending.sent else 0
        sending.sent += len(piece)
        if sending.sent == len(sending.data):
            flags |= END
            self._queue.popleft()
        extensions: tuple[Extension, ...] = ()
        if flags == START:  # of a single segment the length is known anyway (5.2.5.1)
            extensions = (Extension(TRANSFER_LENGTH, len(sending.data).to_bytes(8)),)
        return Segment(flags, sending.transfer, piece, extensions).encode()

    def take(self, data: bytes) -> list[Event]:
        """Take in what has come and return what it means.

        Raises BundleError for what breaks the protocol: write what is outgoing, then close.
        """
        self._held += data
        found: list[Event] = []
        if not self._met and not self._meet():
            return found
        while self._held:
            try:
                message, size = read(self._held, self.init.segment_mru)
            except Truncated:
                break
            except UnknownType:
                self._out.append(Reject(Rejection.TYPE_UNKNOWN, self._held[0]).encode())
                raise
            del self._held[:size]
            found += self._handle(message)
        return found

    def _meet(self) -> bool:
        """Read the contact header, if it is here (4.2 to 4.4)."""
        start = bytes(self._held[:CONTACT_BYTES])
        if not MAGIC.startswith(start[:4]):
            raise BundleError("no contact header", "RFC 9174, 4.2", start[:4])
        if len(start) < CONTACT_BYTES:
            return False
        if not self.active:
            self._out.append(contact_header())
        if start[4] != VERSION:
            self._out.append(Term(Ending.VERSION_MISMATCH).encode())
            raise BundleError("version of TCPCL", "RFC 9174, 4.3", start[4])
        del self._held[:CONTACT_BYTES]
        self._met = True
        if self.active:
            self._out.append(self.init.encode())
        return True

    def _handle(self, message: Message) -> list[Event]:
        if (self.peer is None) is not isinstance(message, Init):
            self._out.append(Reject(Rejection.UNEXPECTED, message.code).encode())
            reason = "second SESS_INIT" if self.peer else "message before SESS_INIT"
            raise BundleError(reason, "RFC 9174, 4.6", message.code)
        match message:
            case Init():
                return self._agree(message)
            case Segment():
                return self._arrive(message)
            case Ack():
                return self._acknowledged(message)
            case Refuse(reason, transfer):
                self._forget(transfer)
                return [Refused(transfer, reason)]
            case Term(reason, reply):
                self._heard_end = True
                if not self._said_end and not reply:
                    self._said_end = True
                    self._out.append(Term(reason, reply=True).encode())
                return [*self._not_begun(), Ended(reason)]
            case Reject(reason, header):
                return [Rejected(reason, header)]
        return []

    def _agree(self, peer: Init) -> list[Event]:
        self.peer = peer
        if not self.active:
            self._out.append(self.init.encode())
        for each in peer.extensions:
            if each.flags & CRITICAL:
                self.end(Ending.CONTACT_FAILURE)
                raise BundleError("critical session extension", "RFC 9174, 4.8", each.type)
        return [Established(peer.node_id, self.keepalive_s)]

    def _arrive(self, segment: Segment) -> list[Event]:
        begun = self._arriving
        if begun is not None and begun.refused and segment.flags & START:
            begun = None  # the peer has left it where it was (5.2.4)
        if bool(segment.flags & START) is (begun is not None) or (
            begun is not None and begun.transfer != segment.transfer
        ):
            self._out.append(Reject(Rejection.UNEXPECTED, Segment.code).encode())
            raise BundleError("segment out of its order", "RFC 9174, 5.2.2", segment.transfer)
        if begun is None:
            begun = self._arriving = _Arriving(segment.transfer, bytearray())
            begun.refused = self._unwelcome(segment)
        if segment.flags & END:
            self._arriving = None
        if begun.refused:
            return []
        begun.data += segment.data
        if len(begun.data) > self.init.transfer_mru:
            self._refuse(begun, Refusal.NO_RESOURCES)
            return []
        ack = Ack(segment.flags & (START | END), segment.transfer, len(begun.data))
        if not segment.flags & END:
            self._out.append(ack.encode())
            return []
        self._to_answer[segment.transfer] = ack
        return [Arrived(segment.transfer, bytes(begun.data))]

    def _unwelcome(self, first: Segment) -> bool:
        """Refuse a transfer whose first segment already says why."""
        arriving = _Arriving(first.transfer, bytearray())
        for each in first.extensions:
            if each.type == TRANSFER_LENGTH and len(each.value) == 8:
                if int.from_bytes(each.value) > self.init.transfer_mru:
                    self._refuse(arriving, Refusal.NO_RESOURCES)
            elif each.flags & CRITICAL:
                self._refuse(arriving, Refusal.EXTENSION_FAILURE)
        if self._said_end:
            self._refuse(arriving, Refusal.SESSION_TERMINATING)
        return arriving.refused

    def _refuse(self, arriving: _Arriving, reason: Refusal) -> None:
        if not arriving.refused:
            arriving.refused = True
            arriving.data.clear()
            self._out.append(Refuse(reason, arriving.transfer).encode())

    def _acknowledged(self, ack: Ack) -> list[Event]:
        sending = self._unanswered.get(ack.transfer)
        if sending is None or not sending.acknowledged <= ack.length <= sending.sent:
            self._out.append(Reject(Rejection.UNEXPECTED, Ack.code).encode())
            reason = "acknowledgement of what was not sent"
            raise BundleError(reason, "RFC 9174, 5.2.3", (ack.transfer, ack.length))
        sending.acknowledged = ack.length
        if not ack.flags & END:
            return []
        if ack.length != len(sending.data):
            reason = f"end after other than {len(sending.data)} bytes acknowledged"
            raise BundleError(reason, "RFC 9174, 5.2.3", ack.length)
        del self._unanswered[ack.transfer]
        return [Acknowledged(ack.transfer)]

    def _not_begun(self) -> list[Event]:
        """Give up the transfers that have not begun, as none may any more (6.1)."""
        late = [each for each in self._queue if not each.sent]
        for each in late:
            self._forget(each.transfer)
        return [Refused(each.transfer, Refusal.SESSION_TERMINATING) for each in late]

    def _forget(self, transfer: int) -> None:
        """Send no more of a transfer; one whose first segments are out ends where it is (5.2.4)."""
        sending = self._unanswered.pop(transfer, None)
        if sending is not None and sending in self._queue:
            self._queue.remove(sending)
