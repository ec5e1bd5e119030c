"""Objects over TCP: named, resumable, verified by SHA-256, never whole in anyone's memory.

The exchange is the same over QUIC (quic.py):

sender                                   receiver
length (4 bytes) + JSON {name, bytes, …} ──>
                                         <── bytes already held (8 bytes); all ones: refused
the rest of the object, its SHA-256      ──>
                                         <── 1: arrived whole, hash equal; 0: hash differs

What a receiver holds of an object is a :class:`Part`: in memory only its hash, or a file on disk of
a store that outlives the process. An object is taken over before it is acknowledged, so a sender
may forget what was acknowledged; one that was not told asks again and is told at once.

A sender is paced to the rate of the channel that it sends by, as it is when the connection begins.
A real terminal holds back its sender by its own interface; here the queue stands in the fabric, out
of TCP's sight. Unpaced, slow start's last window is twice too large for it: of 1 GB at 100 Gbit/s
over 1,500 km, CUBIC, Reno and BBR each lost some 80,000 packets at once (measured, 1,000 packets of
buffer), then CUBIC went on with half and Reno with three quarters of the window that the line
needs. HyStart (RFC 9406) noticed nothing. Paced, nothing queues and nothing is lost, and on an idle
path Reno and CUBIC do the same. It is CUBIC (RFC 9438), Linux's default, whatever the host's is.

Where a modem goes down meanwhile, TCP finds out as anywhere, by the queue; where it goes up, the
connection keeps its pace.
"""

import asyncio
import contextlib
import functools
import hashlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emulator.network import Family
from emulator.units import FRAME_BYTES, IPV6_MORE_BYTES, SEGMENT_BYTES
from protocols.parts import Header, MemoryShelf, Part, Received, Shelf

PORT = 4711
BLOCK_BYTES = 1 << 20
"""Objects are made, sent and read in pieces of this size at most."""
_DIGEST_BYTES = 32
CONNECT_S = 1.0
STALLED_S = 4.0
"""A connection whose data stays unacknowledged this long is given up and resumed afresh."""
UNSENT_BYTES = 4 * BLOCK_BYTES
"""How much may wait at a sender besides what is in flight."""
_WAKE_S = 0.02
"""As long as bytes come as they did last, a receiver is not woken more often than this, or than
once a block."""
_MAX_HEADER_BYTES = 1 << 16
"""It names all nodes of a path, of which there may be hundreds."""
_TCP_USER_TIMEOUT = 18
_TCP_NOTSENT_LOWAT = 25
_SO_MAX_PACING_RATE = 47

_REFUSED = (1 << 64) - 1

MakeSocket = Callable[[int, int], socket.socket]
ADDRESS_FAMILY: dict[Family, int] = {4: socket.AF_INET, 6: socket.AF_INET6}


class Refused(ConnectionError):
    """The receiver will not take this object now."""


class Content:
    """``size`` bytes that are the same for the same seed and name, and do not compress.

    Made block by block, each from a generator of its own, so any part can be made at any time.
    """

    def __init__(self, seed: int, name: str, size: int) -> None:
        self.size = size
        self._key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big")
        self._digest = hashlib.sha256()
        self._digested = 0

    def blocks(self, offset: int = 0) -> Iterator[memoryview]:
        """Yield the bytes from ``offset`` on, in order, as read-only pieces."""
        for number in range(offset // BLOCK_BYTES, -(-self.size // BLOCK_BYTES)):
            yield self._block(number)[max(0, offset - number * BLOCK_BYTES) :]

    def digest(self) -> bytes:
        """Return the SHA-256 of all bytes. What has been yielded once is not made again for it."""
        for _ in self.blocks(self._digested):
            pass
        return self._digest.digest()

    def _block(self, number: int) -> memoryview:
        start = number * BLOCK_BYTES
        size = min(BLOCK_BYTES, self.size - start)
        words = np.random.SFC64([self._key, number]).random_raw(-(-size // 8))
        words.flags.writeable = False
        block = memoryview(words).cast("B")[:size]
        if start == self._digested:  # digested when first made, since that is in order
            self._digest.update(block)
            self._digested += size
        return block


class Sendable(Protocol):
    """What can be sent: its size, its bytes from any offset on, the SHA-256 of all of them."""

    @property
    def size(self) -> int: ...

    def blocks(self, offset: int = 0) -> Iterator[memoryview]: ...

    def digest(self) -> bytes: ...


@dataclass(slots=True)
class Progress:
    """How far an attempt to send came, should it fail."""

    held: int | None = None
    """Bytes that the receiver had before; None: there was no connection."""


class Channel(Protocol):
    """A connection as either end of the exchange sees it. Both raise OSError when it breaks."""

    async def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        ...

    async def write(self, data: bytes | memoryview) -> None:
        """Send bytes after those before them; return when there is room for more."""
        ...


async def hand_over(
    channel: Channel,
    to: str,
    name: str,
    content: Sendable,
    about: Header | None,
    progress: Progress,
    before_last: Callable[[], None],
) -> None:
    """Do the sender's part of the exchange, and return when the object was taken over.

    Raises Refused, or ConnectionError where ``to`` finds another hash.
    """
    header = json.dumps({**(about or {}), "name": name, "bytes": content.size}).encode()
    await channel.write(struct.pack("!I", len(header)) + header)
    (held,) = struct.unpack("!Q", await channel.read(8))
    if held == _REFUSED:
        raise Refused(f"{to} does not take {name}")
    progress.held = held
    for block in content.blocks(held):
        await channel.write(block)
    before_last()
    await channel.write(content.digest())
    if await channel.read(1) != b"\x01":
        raise ConnectionError(f"{name} arrived at {to} with a different hash")


async def take_over(
    channel: Channel, shelf: Shelf, fill: Callable[[Part, int], Awaitable[None]]
) -> None:
    """Do the receiver's part of the exchange; ``fill`` reads the rest of so many bytes.

    Raises ValueError or KeyError of a header that is none.
    """
    (length,) = struct.unpack("!I", await channel.read(4))
    if length > _MAX_HEADER_BYTES:
        raise ValueError(f"header of {length} bytes")
    header = json.loads(await channel.read(length))
    part = shelf.part(header)
    if part is None:
        await channel.write(struct.pack("!Q", _REFUSED))
        return
    try:
        part.connection = channel
        await channel.write(struct.pack("!Q", part.held))
        await fill(part, int(header["bytes"]))
        verified = await channel.read(_DIGEST_BYTES) == part.digest()
        if verified:
            shelf.taken(header, part)
        else:  # a damaged object is never resumed
            shelf.damaged(header)
        await channel.write(b"\x01" if verified else b"\x00")
    finally:
        part.close()


class _Tcp:
    """A TCP connection as a channel."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    async def read(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = b""
        while len(data) < size:
            got = await loop.sock_recv(self.connection, size - len(data))
            if not got:
                raise ConnectionError("connection closed")
            data += got
        return data

    async def write(self, data: bytes | memoryview) -> None:
        await asyncio.get_running_loop().sock_sendall(self.connection, data)


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
    """Send ``content`` to the receiver at ``address``, from where an earlier attempt ended.

    ``line_rate_bps`` is that of the channel it leaves by. With ``device`` every packet leaves by
    that interface, whatever the routes say; IPv6 wants a link-local address then. ``about`` goes
    along in the header; ``before_last`` is called before the hash goes out: from then on the
    receiver may have taken the object over. Returns what TCP says of the connection.
    Raises OSError or TimeoutError when the connection cannot be made or breaks: try again; Refused
    where the receiver does not want it.
    """
    progress = progress or Progress()
    loop = asyncio.get_running_loop()
    family: Family = 6 if ":" in address else 4
    with make_socket(ADDRESS_FAMILY[family], socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        _prepare(connection, paced(line_rate_bps, family), congestion)
        if device:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        async with asyncio.timeout(CONNECT_S):
            await loop.sock_connect(connection, (address, port))
        channel = _Tcp(connection)
        await hand_over(channel, address, name, content, about, progress, before_last)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 0, 0))
        return tcp_facts(connection)


def _prepare(connection: socket.socket, paced_bytes_s: int, congestion: str) -> None:
    tcp, own = socket.IPPROTO_TCP, socket.SOL_SOCKET
    # However an attempt ends, also by the death of its process, the kernel forgets what it has
    # still to send: else that would compete with the next attempt.
    connection.setsockopt(own, socket.SO_LINGER, struct.pack("@ii", 1, 0))
    connection.setsockopt(tcp, socket.TCP_CONGESTION, congestion.encode())
    connection.setsockopt(own, _SO_MAX_PACING_RATE, struct.pack("@L", paced_bytes_s))
    connection.setsockopt(tcp, _TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    connection.setsockopt(tcp, socket.TCP_NODELAY, 1)
    connection.setsockopt(tcp, _TCP_USER_TIMEOUT, round(1e3 * STALLED_S))
    connection.setsockopt(own, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(tcp, socket.TCP_KEEPIDLE, 1)
    connection.setsockopt(tcp, socket.TCP_KEEPINTVL, 1)


def paced(line_rate_bps: int, family: Family = 4) -> int:
    """Return the bytes a second of payload that full frames carry at ``line_rate_bps``.

    Rounded down, as netem rounds the time of a frame: what is paced so never queues at the line.
    """
    payload_bytes = SEGMENT_BYTES - (IPV6_MORE_BYTES if family == 6 else 0)
    return max(1, line_rate_bps * payload_bytes // (8 * FRAME_BYTES))


TCP_INFO = struct.Struct("@8B24I4Q6I4Q")
"""struct tcp_info of linux/tcp.h, up to tcpi_sndbuf_limited (Linux 4.10)."""


def tcp_facts(connection: socket.socket) -> dict[str, int]:
    """Return what may have held a connection up, from TCP_INFO.

    Times are how long the receiver's window and the sender's buffer were what limited it; the
    kernel counts them in jiffies.
    """
    raw = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)
    fields = TCP_INFO.unpack(raw)
    return {
        "segments": fields[41],
        "retransmitted": fields[31],
        "window_packets": fields[26],
        "least_rtt_us": fields[39],
        "receiver_limited_us": fields[44],
        "buffer_limited_us": fields[45],
    }


async def readable(connection: socket.socket) -> None:
    """Wait until as many bytes are there as SO_RCVLOWAT says, or the end is.

    ``loop.sock_recv_into`` would look before it waits, and wake up for every packet.
    """
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(connection, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(connection)


class Receiver:
    """Listens in one node and lays on its shelf how far each object has come, also broken off."""

    def __init__(
        self,
        make_socket: MakeSocket,
        now_s: Callable[[], float],
        port: int = PORT,
        family: Family = 4,
        shelf: Shelf | None = None,
    ) -> None:
        self._now_s = now_s
        self._memory = MemoryShelf()
        self._shelf: Shelf = shelf or self._memory
        self._buffer = memoryview(bytearray(BLOCK_BYTES))
        self._listener = make_socket(ADDRESS_FAMILY[family], socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setblocking(False)
        self._listener.bind(("", port))
        self._listener.listen()

    def expect(self, name: str) -> "asyncio.Future[Received]":
        """Return the future that holds the arrival of object ``name``, without a shelf."""
        return self._memory.expect(name)

    def held(self, name: str) -> int:
        """Return how many bytes of object ``name`` have arrived, without a shelf."""
        return self._memory.held(name)

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    async def serve(self) -> None:
        """Accept connections until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                connection, _ = await loop.sock_accept(self._listener)
                group.create_task(self._serve_one(connection))

    async def _serve_one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError, KeyError):
            connection.setblocking(False)
            channel = _Tcp(connection)
            await take_over(channel, self._shelf, functools.partial(self._fill, channel))

    async def _fill(self, channel: _Tcp, part: Part, size: int) -> None:
        """Read the rest of an object's ``size`` bytes."""
        connection, since_s = channel.connection, None
        # Having answered, Linux would delay acknowledgements: one segment of the first ten kept
        # back would make every window of slow start a tenth smaller.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        while part.held < size:
            await readable(connection)
            if part.connection is not channel:
                raise ConnectionError("resumed by a later connection")
            # Nothing waits from here to the hash, so that one buffer will do for all connections.
            count = connection.recv_into(self._buffer, min(BLOCK_BYTES, size - part.held))
            if not count:
                raise ConnectionError("connection closed")
            now_s = self._now_s()
            part.take(self._buffer[:count], now_s, since_s)
            least = 1 if since_s is None else wake_bytes(count, now_s - since_s)
            least = max(1, min(least, size - part.held))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
            since_s = now_s


def wake_bytes(count: int, during_s: float) -> int:
    """Bytes to wait for next, when the last ``count`` came within ``during_s``.

    As many as that rate brings in a while, but at most twice as many as came, and a block: on a
    slow line, a few packets that were read together must not pass for a fast one.
    """
    most = min(BLOCK_BYTES, 2 * count)
    return most if count * _WAKE_S >= most * during_s else int(count * _WAKE_S / during_s)
