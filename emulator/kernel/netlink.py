"""One rtnetlink socket: many messages a send, one acknowledgement, errors named by message."""

import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from emulator.errors import KernelError
from emulator.kernel.messages import NLM_F_ACK, attributes

_SOL_NETLINK, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 270, 10, 11
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_BUFFER_BYTES = 8 << 20
_BLOCK_BYTES = 1 << 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3

Batch = Sequence[bytes] | np.ndarray


class NetlinkSocket:
    """An rtnetlink socket that stays in the network namespace in which it was opened."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
            self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))
        self._seq = 1

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, batch: Batch, describe: Callable[[int], str]) -> None:
        """Send all messages of ``batch`` in order and wait until the kernel has done them.

        ``describe(i)`` names message i in an error. Raises KernelError with the first refusal;
        what preceded and followed it has been done.
        """
        if not len(batch):
            return
        first = self._seq
        self._seq += len(batch)
        data = _numbered(batch, first)
        for start, end in _blocks(batch):
            self._socket.sendall(data[start:end])
        self._await(first + len(batch) - 1, first, describe)

    def dump(self, request: bytes) -> Iterator[tuple[int, bytes]]:
        """Send a dump request and iterate over (message type, body) of the answer."""
        seq = self._seq
        self._seq += 1
        self._socket.sendall(request[:8] + struct.pack("<I", seq) + request[12:])
        while True:
            for kind, number, body in self._receive():
                if number != seq:
                    continue
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    raise _refusal(body, "dump the kernel's tables")
                yield kind, body

    def get(self, request: bytes, attempt: str) -> bytes:
        """Send a request with one answer and return its body. Raises KernelError."""
        seq = self._seq
        self._seq += 1
        self._socket.sendall(request[:8] + struct.pack("<I", seq) + request[12:])
        while True:
            for kind, number, body in self._receive():
                if number == seq and kind == _NLMSG_ERROR:
                    raise _refusal(body, attempt)
                if number == seq:
                    return body

    def _await(self, last: int, first: int, describe: Callable[[int], str]) -> None:
        refusal: KernelError | None = None
        while True:
            for kind, number, body in self._receive():
                if kind != _NLMSG_ERROR or not first <= number <= last:
                    continue
                if struct.unpack_from("<i", body)[0] and refusal is None:
                    refusal = _refusal(body, describe(number - first))
                if number == last:
                    if refusal:
                        raise refusal
                    return

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        data = self._socket.recv(1 << 18)
        offset = 0
        while offset + 16 <= len(data):
            length, kind, _, seq, _ = struct.unpack_from("<IHHII", data, offset)
            yield kind, seq, data[offset + 16 : offset + length]
            offset += (length + 3) & ~3


def _numbered(batch: Batch, first: int) -> memoryview:
    """Number the messages and ask for an acknowledgement of the last one only."""
    if isinstance(batch, np.ndarray):
        batch["seq"] = np.arange(first, first + len(batch))
        flags = int(batch["flags"][-1])
        batch["flags"][-1] = flags | NLM_F_ACK
        data = batch.tobytes()
        batch["flags"][-1] = flags
        return memoryview(data)
    joined = bytearray(b"".join(batch))
    offset = 0
    for seq, each in enumerate(batch, first):
        struct.pack_into("<I", joined, offset + 8, seq)
        last = offset
        offset += len(each)
    struct.pack_into(
        "<H", joined, last + 6, struct.unpack_from("<H", joined, last + 6)[0] | NLM_F_ACK
    )
    return memoryview(joined)


def _blocks(batch: Batch) -> Iterator[tuple[int, int]]:
    """Cut a batch into (start, end) byte ranges of whole messages, each about a megabyte."""
    if isinstance(batch, np.ndarray):
        size = batch.dtype.itemsize
        per_block = max(1, _BLOCK_BYTES // size)
        for first in range(0, len(batch), per_block):
            yield first * size, min(first + per_block, len(batch)) * size
        return
    start = end = 0
    for each in batch:
        if end > start and end + len(each) - start > _BLOCK_BYTES:
            yield start, end
            start = end
        end += len(each)
    yield start, end


def _refusal(body: bytes, attempt: str) -> KernelError:
    (code,) = struct.unpack_from("<i", body)
    said = dict(attributes(body[20:])).get(1, b"").rstrip(b"\0").decode(errors="replace")
    reason = os.strerror(-code) + (f" ({said})" if said else "")
    return KernelError(f"the kernel refused to {attempt}: {reason} [errno {-code}]")
