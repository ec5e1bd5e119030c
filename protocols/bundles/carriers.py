"""MTCP and TCPCLv4 over sockets that a node's handle gives: bundles out of an outbox, and in.

``tcpcl``: the receiver acknowledges a bundle when it has stored it, and the sender keeps it until
then. ``mtcp`` knows no acknowledgements: here a sender says that it has no more (it closes its
direction of the connection) and takes the receiver's closing for the receipt of all; a receiver
closes when it has stored what came. Kernels close for processes that are killed: one that is
killed between its last read and its store loses that bundle. So ``tcpcl`` is the one to rely on.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from emulator.units import FRAME_BYTES, SEGMENT_BYTES
from protocols.bundles.cbor import BundleError
from protocols.bundles.mtcp import Frames, frame
from protocols.bundles.tcpcl import Acknowledged, Arrived, Refused, Rejected, Session
from protocols.bundles.tcpcl_messages import Ending

_READ_BYTES = 1 << 18
_MOST_UNANSWERED = 8
"""Bundles on their way at once."""
_IDLE_S = 10.0
_STALLED_MS = 4000
_UNSENT_BYTES = 1 << 18
_TCP_USER_TIMEOUT, _TCP_NOTSENT_LOWAT, _SO_MAX_PACING_RATE = 18, 25, 47
_CONGESTION = b"cubic"

Take = Callable[[bytes], bool]
"""Takes a bundle that has come and says whether it is accepted."""


class Outbox(Protocol):
    """What is to leave by a contact."""

    changed: asyncio.Event
    """Set when there may be more to take."""

    def take(self) -> tuple[str, bytes] | None:
        """Return the name and the bytes of the next bundle, None if there is none now."""
        ...

    def done(self, name: str) -> None:
        """The next node has it."""
        ...

    def refused(self, name: str) -> None:
        """The next node does not take it. May raise ConnectionError, to end the session."""
        ...


def prepare(connection: socket.socket, line_rate_bps: int) -> None:
    """Set up a sender's socket, before it connects: paced to the line as its terminal would be."""
    tcp, own = socket.IPPROTO_TCP, socket.SOL_SOCKET
    pace = max(1, line_rate_bps * SEGMENT_BYTES // (8 * FRAME_BYTES))
    connection.setsockopt(tcp, socket.TCP_CONGESTION, _CONGESTION)
    connection.setsockopt(own, _SO_MAX_PACING_RATE, struct.pack("@L", pace))
    connection.setsockopt(tcp, _TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
    connection.setsockopt(tcp, socket.TCP_NODELAY, 1)
    watch(connection)


def watch(connection: socket.socket) -> None:
    """Have TCP give up a connection whose light has gone."""
    tcp = socket.IPPROTO_TCP
    connection.setsockopt(tcp, _TCP_USER_TIMEOUT, _STALLED_MS)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(tcp, socket.TCP_KEEPIDLE, 1)
    connection.setsockopt(tcp, socket.TCP_KEEPINTVL, 1)


def abandon(connection: socket.socket) -> None:
    """Have a connection that is closed now forget what it has not sent (socket(7), SO_LINGER)."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass(frozen=True, slots=True)
class Carrier:
    """A convergence layer: where it listens, and how it sends and receives over a connection."""

    port: int
    send: Callable[[socket.socket, str, Outbox], Awaitable[None]]
    """Send what the outbox gives until it has been empty for a while. Raises OSError."""
    receive: Callable[[socket.socket, str, Take], Awaitable[None]]
    """Take in bundles until the peer ends. Raises OSError."""


async def _send_mtcp(connection: socket.socket, node_id: str, outbox: Outbox) -> None:
    loop, sent = asyncio.get_running_loop(), []
    while len(sent) < _MOST_UNANSWERED and (next_ := outbox.take()):
        name, data = next_
        sent.append(name)
        await loop.sock_sendall(connection, frame(data))
    connection.shutdown(socket.SHUT_WR)
    if await loop.sock_recv(connection, 1):
        raise ConnectionError("MTCP has no answers, but one came")
    for name in sent:
        outbox.done(name)


async def _receive_mtcp(connection: socket.socket, node_id: str, take: Take) -> None:
    loop, frames = asyncio.get_running_loop(), Frames()
    try:
        while data := await loop.sock_recv(connection, _READ_BYTES):
            for each in frames.take(data):
                if not take(each):
                    raise ConnectionError("bundle not accepted")
        if frames.torn:
            raise ConnectionError("MTCP ended within a bundle")
    except (OSError, BundleError) as error:
        abandon(connection)  # so that the sender does not take our closing for receipt
        raise ConnectionError(str(error)) from error


async def _send_tcpcl(connection: socket.socket, node_id: str, outbox: Outbox) -> None:
    session = Session(node_id, active=True)
    await _Driven(connection, session, outbox, lambda data: False).run()


async def _receive_tcpcl(connection: socket.socket, node_id: str, take: Take) -> None:
    await _Driven(connection, Session(node_id, active=False), None, take).run()


CARRIERS = {
    "mtcp": Carrier(4224, _send_mtcp, _receive_mtcp),
    "tcpcl": Carrier(4556, _send_tcpcl, _receive_tcpcl),
}
"""By name; 4556 is IANA's for TCPCL, 4224 is what µD3TN takes for MTCP."""


class _Driven:
    """A TCPCL session on a connection."""

    def __init__(
        self, connection: socket.socket, session: Session, outbox: Outbox | None, take: Take
    ) -> None:
        self.connection, self.session, self.outbox, self.take = connection, session, outbox, take
        self.moved = outbox.changed if outbox else asyncio.Event()
        self.names: dict[int, str] = {}
        self.broken: BundleError | None = None

    async def run(self) -> None:
        """Carry bytes until the session is over. Raises OSError where it breaks."""
        tasks = [asyncio.create_task(each) for each in (self._read(), self._write())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for each in ended:
            if isinstance(each, Exception):
                raise each

    async def _read(self) -> None:
        loop, session = asyncio.get_running_loop(), self.session
        while not self.broken:
            async with asyncio.timeout(2 * session.keepalive_s or None):
                data = await loop.sock_recv(self.connection, _READ_BYTES)
            if not data:
                if session.over:
                    return
                raise ConnectionError("peer closed within a session")
            try:
                for event in session.take(data):
                    self._handle(event)
            except BundleError as error:
                self.broken = error
            self.moved.set()
        await asyncio.Event().wait()  # the writer says why, then ends

    def _handle(self, event: object) -> None:
        match event:
            case Arrived(transfer, data):
                if self.take(data):
                    self.session.accept(transfer)
                else:
                    self.session.refuse(transfer)
            case Acknowledged(transfer) if self.outbox:
                self.outbox.done(self.names.pop(transfer))
            case Refused(transfer, _) if self.outbox:
                self.outbox.refused(self.names.pop(transfer))
            case Rejected(reason, header):
                raise ConnectionError(f"peer rejected a message of type {header}: {reason}")

    async def _write(self) -> None:
        loop, session = asyncio.get_running_loop(), self.session
        spoken_s = worked_s = loop.time()
        while not session.over:
            self.moved.clear()
            if data := session.outgoing():
                await loop.sock_sendall(self.connection, data)
                spoken_s = loop.time()
                continue
            if self.broken:
                raise ConnectionError(str(self.broken)) from self.broken
            if self._begin():
                continue
            now_s = loop.time()
            if session.unanswered or not self.outbox:
                worked_s = now_s
            idle_s = worked_s + _IDLE_S - now_s
            quiet_s = spoken_s + (session.keepalive_s or float("inf")) - now_s
            if idle_s <= 0:
                if not session.established:
                    raise ConnectionError("peer neither begins a session nor ends one")
                session.end(Ending.IDLE)
                worked_s = now_s
            elif quiet_s <= 0:
                session.keepalive()
            else:
                await self._move(min(idle_s, quiet_s))

    def _begin(self) -> bool:
        """Begin the next transfer, if there is one and it may begin."""
        session, outbox = self.session, self.outbox
        if not outbox or not session.established or len(session.unanswered) >= _MOST_UNANSWERED:
            return False
        if (next_ := outbox.take()) is None:
            return False
        name, data = next_
        try:
            self.names[session.send(data)] = name
        except BundleError:
            outbox.refused(name)
        return True

    async def _move(self, most_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self.moved.wait()
