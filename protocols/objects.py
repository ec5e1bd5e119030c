"""Objects over TCP: named, resumable, verified by SHA-256.

sender                                   receiver
length (4 bytes) + JSON {name, bytes, sha256}  ──>
                                         <── bytes already held (8 bytes)
the rest of the object                   ──>
                                         <── 1: arrived whole, hash equal; 0: hash differs
"""

import asyncio
import contextlib
import hashlib
import json
import socket
import struct
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PORT = 4711
_CONNECT_S = 1.0
_STALLED_MS = 4000
"""A connection whose data stays unacknowledged this long is given up and resumed afresh."""
_TCP_USER_TIMEOUT = 18
_CHUNK_BYTES = 65536
_MAX_HEADER_BYTES = 4096

MakeSocket = Callable[[int, int], socket.socket]


@dataclass(frozen=True, slots=True)
class Received:
    """When the first and the last byte of an object arrived, and whether the hash is equal.

    ``transmit_s`` is the time during which bytes came: pauses between connections do not count.
    """

    first_byte_s: float
    last_byte_s: float
    transmit_s: float
    verified: bool


def make_object(seed: int, name: str, size: int) -> bytes:
    """Return ``size`` bytes that are the same for the same seed and name, and do not compress."""
    key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big")
    return np.random.default_rng(key).bytes(size)


async def send_object(
    make_socket: MakeSocket,
    address: str,
    name: str,
    content: bytes,
    *,
    device: str = "",
    port: int = PORT,
) -> None:
    """Send ``content`` to the receiver at ``address``, from where an earlier attempt ended.

    With ``device`` every packet leaves by that interface, whatever the routes say.
    Raises OSError or TimeoutError when the connection cannot be made or breaks: try again.
    """
    loop = asyncio.get_running_loop()
    with make_socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, _STALLED_MS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        if device:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        async with asyncio.timeout(_CONNECT_S):
            await loop.sock_connect(connection, (address, port))
        header = json.dumps(
            {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        ).encode()
        await loop.sock_sendall(connection, struct.pack("!I", len(header)) + header)
        (held,) = struct.unpack("!Q", await _read(connection, 8))
        view = memoryview(content)
        for offset in range(held, len(content), _CHUNK_BYTES):
            await loop.sock_sendall(connection, view[offset : offset + _CHUNK_BYTES])
        if await _read(connection, 1) != b"\x01":
            raise ConnectionError(f"{name} arrived at {address} with a different hash")


async def _read(connection: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        got = await loop.sock_recv(connection, size - len(data))
        if not got:
            raise ConnectionError("connection closed")
        data += got
    return data


class Receiver:
    """Listens in one node and keeps what has arrived, also of objects broken off."""

    def __init__(
        self, make_socket: MakeSocket, now_s: Callable[[], float], port: int = PORT
    ) -> None:
        self._now_s = now_s
        self._transmit_s: defaultdict[str, float] = defaultdict(float)
        self._held: dict[str, bytearray] = {}
        self._first_byte_s: dict[str, float] = {}
        self._latest: dict[str, socket.socket] = {}
        self._expected: dict[str, asyncio.Future[Received]] = {}
        self._listener = make_socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setblocking(False)
        self._listener.bind(("", port))
        self._listener.listen()

    def expect(self, name: str) -> "asyncio.Future[Received]":
        """Return the future that holds the arrival of object ``name``."""
        if name not in self._expected:
            self._expected[name] = asyncio.get_running_loop().create_future()
        return self._expected[name]

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
            await self._receive(connection)

    async def _receive(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        (length,) = struct.unpack("!I", await _read(connection, 4))
        if length > _MAX_HEADER_BYTES:
            raise ValueError(f"header of {length} bytes")
        header = json.loads(await _read(connection, length))
        name, size = str(header["name"]), int(header["bytes"])
        held = self._held.setdefault(name, bytearray())
        self._latest[name] = connection
        await loop.sock_sendall(connection, struct.pack("!Q", len(held)))
        last_byte_s = None
        while len(held) < size:
            data = await loop.sock_recv(connection, min(_CHUNK_BYTES, size - len(held)))
            if not data or self._latest[name] is not connection:
                raise ConnectionError("connection closed, or resumed by a later one")
            now_s = self._now_s()
            self._first_byte_s.setdefault(name, now_s)
            if last_byte_s is not None:  # a pause before this connection does not count
                self._transmit_s[name] += now_s - last_byte_s
            last_byte_s = now_s
            held += data
        verified = hashlib.sha256(held).hexdigest() == header["sha256"]
        if not verified:
            held.clear()  # begin again: a damaged object is never resumed
        await loop.sock_sendall(connection, b"\x01" if verified else b"\x00")
        arrived = self.expect(name)
        if verified and not arrived.done():
            first_s, transmit_s = self._first_byte_s[name], self._transmit_s[name]
            arrived.set_result(
                Received(first_s, last_byte_s or self._now_s(), transmit_s, verified)
            )
