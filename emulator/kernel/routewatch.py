"""Routes over time: every change of the main tables of all nodes, as their kernels announce it.

One process hears all nodes, of IPv4 or of IPv6. Its sockets are bound before it is forked, so no
change is missed between; it writes to one file of the run directory, where nothing but disk limits
it. Recording is beside the run: whatever goes wrong with it, the run goes on without.

A table is not yet a forwarding decision: the kernel passes over next hops by ports without light
(``ignore_routes_with_linkdown``), and announces no change then.
"""

import ctypes
import errno
import os
import select
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from emulator.clock import Clock
from emulator.errors import LasermeshError
from emulator.kernel.node import PORT_IFINDEX, NodeHandle
from emulator.kernel.route_messages import ROUTE_PROTOCOL, read_route_changes
from emulator.kernel.workers import Worker
from emulator.network import Family

_SO_RCVBUFFORCE = 33
_RTMGRP: dict[Family, int] = {4: 0x40, 6: 0x400}
_BUFFER_BYTES = 8 << 20
"""For one node's announcements that have not been read: about ten thousand."""
_AT_ONCE, _ANNOUNCEMENT_BYTES = 128, 4096
_PROTOCOLS = {2: "kernel", 3: "boot", 4: "static", 11: "zebra", 12: "bird", 42: "babel"}
_PROTOCOLS |= {ROUTE_PROTOCOL: "lasermesh", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip"}
_START = struct.Struct("d")
_MMSGHDR = np.dtype(
    [
        ("name", "u8"),
        ("name_length", "u8"),
        ("vector", "u8"),
        ("vectors", "u8"),
        ("control", "u8"),
        ("control_length", "u8"),
        ("flags", "u8"),
        ("received", "u4"),
        ("pad", "u4"),
    ]
)

_libc = ctypes.CDLL(None, use_errno=True)


class RouteWatch:
    """Records what happens to the routes of ``nodes`` from :meth:`begin` to :meth:`finish`."""

    def __init__(
        self, nodes: Mapping[str, NodeHandle], clock: Clock, path: Path, family: Family = 4
    ) -> None:
        self._nodes = list(nodes.values())
        self._names = {handle.node.address(family): handle.name for handle in self._nodes}
        self._group = _RTMGRP[family]
        self._clock = clock
        self._worker = Worker("routes", path)
        self._told = self._tell = -1
        """Both ends of a pipe by which the child is told to end."""

    def begin(self) -> str:
        """Hear all nodes from now on; return '' or why that cannot be."""
        heard: list[socket.socket] = []
        try:
            self._told, self._tell = os.pipe()
            for handle in self._nodes:
                heard.append(_announcements(handle, self._group))
            self._worker.start(lambda record: self._listen(heard, record))
        except (OSError, LasermeshError) as error:
            return str(error)
        finally:
            for each in heard:
                each.close()
        return ""

    def finish(self, start: float) -> str:
        """Read what is left and end; return '' or why records lack. ``start``: scenario second 0.

        Only now can the moments of changes be told in seconds of the scenario.
        """
        try:
            os.write(self._tell, _START.pack(start))
            self._worker.finish()
        except (OSError, LasermeshError) as error:
            return str(error)
        return ""

    def end(self) -> None:
        """Stop at once, if it still goes on."""
        self._worker.end()
        for end in (self._told, self._tell):
            with suppress(OSError):
                os.close(end)

    def _listen(self, heard: list[socket.socket], record: Callable[[dict[str, Any]], None]) -> None:
        """Be the child: record until told the scenario's start and nothing is left to read."""
        sources = {each.fileno(): (each, self._nodes[i]) for i, each in enumerate(heard)}
        reader = _Reader()
        events = select.epoll()
        for descriptor in (self._told, *sources):
            events.register(descriptor, select.EPOLLIN)
        start: float | None = None
        while ready := events.poll(None if start is None else 0):
            at = self._clock.now()
            changes: list[list[Any]] = []
            for descriptor, _ in ready:
                if descriptor == self._told:
                    (start,) = _START.unpack(os.read(self._told, _START.size))
                else:
                    changes += self._read(reader, *sources[descriptor])
            if changes:
                record({"at": at, "changes": changes})
        record({"start": start})

    def _read(
        self, reader: "_Reader", source: socket.socket, handle: NodeHandle
    ) -> list[list[Any]]:
        """Changes that have been announced: node, action, destination, ports, protocol."""
        try:
            data = reader.read(source)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return [[handle.name, "lost", None, None, None]]
        ports = handle.node.ports
        rows = []
        for change in read_route_changes(data):
            offsets = sorted(ifindex - PORT_IFINDEX for ifindex in change.interfaces)
            names = [ports[offset].name for offset in offsets if 0 <= offset < len(ports)]
            protocol = _PROTOCOLS.get(change.protocol, str(change.protocol))
            destination = self._names.get(change.prefix, change.prefix)
            rows.append([handle.name, change.action, destination, " ".join(names), protocol])
        return rows


class _Reader:
    """recvmmsg(2): many announcements by one system call, which is slow in a user-mode kernel."""

    def __init__(self) -> None:
        self._room = np.zeros((_AT_ONCE, _ANNOUNCEMENT_BYTES), dtype=np.uint8)
        self._vectors = np.zeros(_AT_ONCE, dtype=[("base", "u8"), ("length", "u8")])
        self._vectors["base"] = self._room.ctypes.data + np.arange(_AT_ONCE) * _ANNOUNCEMENT_BYTES
        self._vectors["length"] = _ANNOUNCEMENT_BYTES
        self._headers = np.zeros(_AT_ONCE, dtype=_MMSGHDR)
        self._headers["vector"] = self._vectors.ctypes.data + np.arange(_AT_ONCE) * 16
        self._headers["vectors"] = 1

    def read(self, source: socket.socket) -> bytes:
        """Return what can be read from ``source`` now. Raises OSError."""
        got = _libc.recvmmsg(
            source.fileno(), self._headers.ctypes, _AT_ONCE, socket.MSG_DONTWAIT, None
        )
        if got < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        lengths = self._headers["received"][:got].tolist()
        return b"".join(self._room[i, :length].tobytes() for i, length in enumerate(lengths))


def _announcements(handle: NodeHandle, group: int) -> socket.socket:
    """A socket that hears what a node's kernel tells a group (linux/rtnetlink.h)."""
    heard = handle.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    heard.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    heard.bind((0, group))
    return heard
