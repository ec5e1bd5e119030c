"""Objects over QUIC (RFC 9000), by aioquic: the exchange of objects.py on one stream.

Every attempt is a connection of its own, as with TCP, and ends when nothing has come back for
STALLED_S. It is paced to its channel, for the reason in objects.py: here by a clock of our own
in place of aioquic's, which paces by window and round trip and so only as slowly as those know.
Congestion control is aioquic's: CUBIC (RFC 9438) or NewReno (RFC 9002).

TLS needs a certificate, and nobody verifies it: sender and receiver are one run's own processes,
which the kernel's namespaces keep to themselves, and what arrives is held against its SHA-256. It
is made from a seed and signed by Ed25519, whose signatures are of one length and the same each time
(RFC 8032): an ECDSA signature's length is by chance, and with it a packet's time on the line.
"""

import asyncio
import contextlib
import datetime
import functools
import hashlib
import math
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.quic import events
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.congestion.base import QuicCongestionControl, register_congestion_control
from aioquic.quic.congestion.cubic import CubicCongestionControl
from aioquic.quic.congestion.reno import RenoCongestionControl
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet_builder import QuicSentPacket
from aioquic.quic.recovery import QuicPacketPacer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from emulator.network import Family
from emulator.units import FRAME_BYTES, MTU_BYTES
from protocols.objects import (
    ADDRESS_FAMILY,
    BLOCK_BYTES,
    CONNECT_S,
    PORT,
    STALLED_S,
    UNSENT_BYTES,
    MakeSocket,
    Progress,
    Sendable,
    hand_over,
    take_over,
)
from protocols.parts import Header, Part, Shelf

_ALPN = ["lasermesh"]
_STREAM = 0
"""The first that a client opens in both directions (RFC 9000, section 2.1)."""
_WINDOW_BYTES = 1 << 30
"""Flow control, as much as TCP's largest window: a receiver lays down what comes at once, so that
the sender's window alone is to bound what is in flight."""
_INITIAL_RTT_S = 0.333
"""RFC 9002, section 6.2.2."""
_LATE_S = 0.002
"""How far pacing makes up for a late timer: epoll's are rounded up to a millisecond."""
_BUFFER_BYTES = 4 << 20
_HEADERS_BYTES: dict[Family, int] = {4: 20 + 8, 6: 40 + 8}
_IP_MTU, _IPV6_MTU = 14, 24
"""linux/in.h and linux/in6.h: what the route of a connected socket lets through."""


class _Counted(QuicCongestionControl):
    """Counts packets sent, and those declared lost; a probe's copy is not one."""

    sent = lost = 0

    def on_packet_sent(self, *, packet: QuicSentPacket) -> None:
        self.sent += 1
        super().on_packet_sent(packet=packet)

    def on_packets_lost(self, *, now: float, packets: Iterable[QuicSentPacket]) -> None:
        packets = list(packets)
        self.lost += len(packets)
        super().on_packets_lost(now=now, packets=packets)


class _Cubic(_Counted, CubicCongestionControl):
    pass


class _Reno(_Counted, RenoCongestionControl):
    pass


register_congestion_control("counted-cubic", _Cubic)
register_congestion_control("counted-reno", _Reno)


class LinePacer(QuicPacketPacer):
    """Sends a packet every ``packet_s``, whatever window and round trip are."""

    def __init__(self, max_datagram_size: int, packet_s: float) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self._packet_s = packet_s
        self._due_s = 0.0

    def next_send_time(self, now: float) -> float | None:
        """Return when the next packet is due, None where that is now."""
        return self._due_s if now < self._due_s else None

    def update_after_send(self, now: float) -> None:
        """Note that a packet has gone."""
        self._due_s = max(self._due_s, now - _LATE_S) + self._packet_s

    def update_rate(self, congestion_window: int, smoothed_rtt: float) -> None:
        """Nothing: the line's rate stays."""


@functools.cache
def identity(seed: int) -> tuple[x509.Certificate, Ed25519PrivateKey]:
    """Return the certificate and key of a run with this seed: the same whenever it is asked for.

    Valid at any time that a scenario may have: its end is RFC 5280's for "no well-defined
    expiration date" (section 4.1.2.5).
    """
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"quic/{seed}".encode()).digest())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lasermesh")])
    built = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=datetime.datetime(1950, 1, 1, tzinfo=datetime.UTC),
        not_valid_after=datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC),
    )
    return built.sign(key, None), key


def _settings(**more: Any) -> QuicConfiguration:
    return QuicConfiguration(
        alpn_protocols=_ALPN,
        idle_timeout=STALLED_S,
        max_data=_WINDOW_BYTES,
        max_stream_data=_WINDOW_BYTES,
        initial_rtt=_INITIAL_RTT_S,
        **more,
    )


class _Wire(QuicConnectionProtocol):
    """A QUIC connection with one stream, as a channel of the exchange."""

    def __init__(self, quic: QuicConnection) -> None:
        super().__init__(quic)
        self.incoming = asyncio.StreamReader()
        self._begun, self._room = asyncio.Event(), asyncio.Event()
        self._ended = False
        self._written = 0

    async def begun(self) -> None:
        """Wait for the end of the handshake. Raises ConnectionError where there is none."""
        await self._begun.wait()
        self._check()

    async def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes of the stream."""
        try:
            return await self.incoming.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("connection closed") from error

    async def write(self, data: bytes | memoryview) -> None:
        """Send bytes; return when not much of them is still to be sent for the first time."""
        self._check()
        self._quic.send_stream_data(_STREAM, bytes(data))
        self._written += len(data)
        self.transmit()
        while self._unsent() > UNSENT_BYTES:
            self._room.clear()
            await self._room.wait()
            self._check()

    def transmit(self) -> None:
        """Send what may be sent now."""
        if not self._transport.is_closing():
            super().transmit()
            if not self._room.is_set() and self._unsent() <= UNSENT_BYTES:
                self._room.set()

    def quic_event_received(self, event: events.QuicEvent) -> None:
        """Take in what came."""
        if isinstance(event, events.HandshakeCompleted):
            self._begun.set()
        elif isinstance(event, events.StreamDataReceived) and not self._ended:
            self.incoming.feed_data(event.data)
            if event.end_stream:
                self._end()
        elif isinstance(event, events.ConnectionTerminated | events.StreamReset):
            self._end()

    def error_received(self, exc: Exception) -> None:
        """End at once where no agent runs, as TCP would; what has no route now may have again."""
        if isinstance(exc, ConnectionRefusedError):
            self._end()

    def stop(self) -> None:
        """Tell the other end and forget what was still to be sent."""
        self.close()
        self._transport.close()

    def facts(self) -> dict[str, int]:
        """Return what may have held the connection up."""
        recovery = self._quic._loss
        return {
            "segments": recovery._cc.sent,
            "retransmitted": recovery._cc.lost,
            "window_packets": recovery.congestion_window // self._quic._max_datagram_size,
            "least_rtt_us": round(1e6 * recovery._rtt_min),
        }

    def _unsent(self) -> int:
        stream = self._quic._streams.get(_STREAM)
        return self._written - stream.sender.highest_offset if stream else 0

    def _check(self) -> None:
        if self._ended:
            raise ConnectionError("connection closed")

    def _end(self) -> None:
        self._ended = True
        self.incoming.feed_eof()
        self._begun.set()
        self._room.set()


async def send_object(
    make_socket: MakeSocket,
    address: str,
    name: str,
    content: Sendable,
    *,
    line_rate_bps: int,
    congestion: str = "cubic",
    device: str = "",
    port: int = PORT,
    about: Header | None = None,
    progress: Progress | None = None,
    before_last: Callable[[], None] = lambda: None,
) -> dict[str, int]:
    """Send ``content`` as :func:`protocols.objects.send_object` does, by QUIC.

    ``congestion`` is cubic or reno. Returns what aioquic says of the connection.
    """
    with contextlib.ExitStack() as undo:
        family: Family = 6 if ":" in address else 4
        connection = make_socket(ADDRESS_FAMILY[family], socket.SOCK_DGRAM)
        undo.callback(connection.close)
        _prepare(connection)
        if device:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        connection.connect((address, port))
        quic = _client(_datagram_bytes(connection, family), line_rate_bps, congestion)
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_datagram_endpoint(lambda: _Wire(quic), sock=connection)
        undo.callback(wire.stop)
        async with asyncio.timeout(CONNECT_S):
            wire.connect(connection.getpeername())
            await wire.begun()
        progress = progress or Progress()
        await hand_over(wire, address, name, content, about, progress, before_last)
        return wire.facts()


def _client(datagram_bytes: int, line_rate_bps: int, congestion: str) -> QuicConnection:
    settings = _settings(
        is_client=True,
        verify_mode=ssl.CERT_NONE,
        max_datagram_size=datagram_bytes,
        congestion_control_algorithm=f"counted-{congestion}",
    )
    quic = QuicConnection(configuration=settings)
    packet_s = math.ceil(8e9 * FRAME_BYTES / line_rate_bps) / 1e9
    quic._loss._pacer = LinePacer(datagram_bytes, packet_s)
    return quic


def _prepare(connection: socket.socket) -> None:
    connection.setblocking(False)
    # The kernel gives as much of it as net.core.rmem_max and wmem_max allow.
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        connection.setsockopt(socket.SOL_SOCKET, buffer, _BUFFER_BYTES)


def _datagram_bytes(connection: socket.socket, family: Family) -> int:
    """Return the largest datagram that a connected socket's route lets through whole."""
    level, option = (
        (socket.IPPROTO_IPV6, _IPV6_MTU) if family == 6 else (socket.IPPROTO_IP, _IP_MTU)
    )
    mtu_bytes = connection.getsockopt(level, option)
    return max(
        SMALLEST_MAX_DATAGRAM_SIZE,
        min(mtu_bytes, MTU_BYTES) - _HEADERS_BYTES[family],
    )


class Receiver:
    """Listens in one node, as :class:`protocols.objects.Receiver` does, by QUIC."""

    def __init__(
        self,
        make_socket: MakeSocket,
        now_s: Callable[[], float],
        shelf: Shelf,
        seed: int,
        port: int = PORT,
        family: Family = 4,
    ) -> None:
        self._now_s = now_s
        self._shelf = shelf
        certificate, key = identity(seed)
        self._settings = _settings(is_client=False, certificate=certificate, private_key=key)
        self._listener = make_socket(ADDRESS_FAMILY[family], socket.SOCK_DGRAM)
        _prepare(self._listener)
        self._listener.bind(("", port))

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    async def serve(self) -> None:
        """Accept connections until cancelled."""
        async with asyncio.TaskGroup() as group:

            def accept(quic: QuicConnection, **_: Any) -> _Wire:
                wire = _Wire(quic)
                group.create_task(self._serve_one(wire))
                return wire

            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: QuicServer(configuration=self._settings, create_protocol=accept),
                sock=self._listener,
            )
            try:
                await asyncio.Event().wait()
            finally:
                transport.close()

    async def _serve_one(self, wire: _Wire) -> None:
        try:
            await take_over(wire, self._shelf, functools.partial(self._fill, wire))
        except (OSError, ValueError, KeyError):
            wire.close()

    async def _fill(self, wire: _Wire, part: Part, size: int) -> None:
        """Read the rest of an object's ``size`` bytes."""
        since_s = None
        while part.held < size:
            data = await wire.incoming.read(min(BLOCK_BYTES, size - part.held))
            if part.connection is not wire:
                raise ConnectionError("resumed by a later connection")
            if not data:
                raise ConnectionError("connection closed")
            now_s = self._now_s()
            part.take(memoryview(data), now_s, since_s)
            since_s = now_s
