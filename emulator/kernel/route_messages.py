"""Netlink messages of routes: rows to be sent, and what kernels say of theirs, read.

What is sent is IPv4; what is read is of either family.

Layouts: linux/rtnetlink.h.
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emulator.kernel.messages import (
    HEADER,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_REPLACE,
    RTM_DELROUTE,
    RTM_GETROUTE,
    RTM_NEWROUTE,
    attribute,
    attributes,
    blank,
    message,
)
from emulator.network import Family

RTMSG_HEAD = [
    ("family", "u1"),
    ("dst_len", "u1"),
    ("src_len", "u1"),
    ("tos", "u1"),
    ("table", "u1"),
    ("protocol", "u1"),
    ("scope", "u1"),
    ("route_type", "u1"),
    ("route_flags", "<u4"),
]
_RTMSG = [*RTMSG_HEAD, ("dst_head", "<u4"), ("dst", ">u4")]

NO_HOST_ROUTE = np.dtype([*HEADER, *_RTMSG])
"""RTM_DELROUTE of a host route."""

HOST_ROUTE = np.dtype(
    [
        *HEADER,
        *_RTMSG,
        ("oif_head", "<u4"),
        ("oif", "<u4"),
        ("gateway_head", "<u4"),
        ("gateway", ">u4"),
        ("source_head", "<u4"),
        ("source", ">u4"),
    ]
)
"""RTM_NEWROUTE of a host route by a neighbour across an unnumbered port."""

ROUTE_PROTOCOL = 76
"""rtm_protocol of the routes that Lasermesh itself writes ('L'); FRR's OSPF writes 188."""

_MAIN_TABLE, _RTN_UNICAST, _RTNH_F_ONLINK = 254, 1, 4
_RTPROT_KERNEL, _NLM_F_APPEND = 2, 0x800
_HOST_BITS = {socket.AF_INET: 32, socket.AF_INET6: 128}
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_MULTIPATH = 1, 4, 5, 7, 9


def host_routes(
    to: np.ndarray, gateway: np.ndarray, oif: np.ndarray, source: np.ndarray
) -> np.ndarray:
    """Return messages that set host routes; addresses as four bytes in network order, ``>u4``."""
    rows = blank(HOST_ROUTE, len(to), RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE)
    _route_head(rows, to)
    rows["protocol"], rows["route_type"] = ROUTE_PROTOCOL, _RTN_UNICAST
    rows["route_flags"] = _RTNH_F_ONLINK
    for name, kind, values in (
        ("oif", _RTA_OIF, oif),
        ("gateway", _RTA_GATEWAY, gateway),
        ("source", _RTA_PREFSRC, source),
    ):
        rows[f"{name}_head"], rows[name] = kind << 16 | 8, values
    return rows


def no_host_routes(to: np.ndarray) -> np.ndarray:
    """Return messages that remove host routes made by :func:`host_routes`."""
    rows = blank(NO_HOST_ROUTE, len(to), RTM_DELROUTE, 0)
    _route_head(rows, to)
    rows["protocol"] = ROUTE_PROTOCOL
    return rows


def _route_head(rows: np.ndarray, to: np.ndarray) -> None:
    rows["family"], rows["dst_len"], rows["table"] = socket.AF_INET, 32, _MAIN_TABLE
    rows["dst_head"], rows["dst"] = _RTA_DST << 16 | 8, to


def dump_routes(family: Family) -> bytes:
    """Return the request for all routes of a family in a namespace."""
    wanted = socket.AF_INET if family == 4 else socket.AF_INET6
    return message(RTM_GETROUTE, NLM_F_DUMP, struct.pack("<B11x", wanted))


def route_to(address: str) -> bytes:
    """Return the request for the route that the kernel would use towards a host."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    header = struct.pack("<BBBBBBBBI", family, _HOST_BITS[family], 0, 0, 0, 0, 0, 0, 0)
    return message(RTM_GETROUTE, 0, header + attribute(1, socket.inet_pton(family, address)))


def read_route(body: bytes) -> tuple[int, str | None]:
    """Return (interface index, gateway or None) of a route message."""
    found = dict(attributes(body[12:]))
    gateway = socket.inet_ntop(body[0], found[5]) if 5 in found else None
    return struct.unpack("<I", found[4])[0], gateway


def read_host_route(body: bytes) -> tuple[str, frozenset[int]] | None:
    """Return (destination, interfaces of its next hops) of a host route, None for other routes.

    A host route is a unicast /32 of IPv4 or /128 of IPv6 in the main table, but not that which the
    kernel has made of an IPv6 address of the node's own.
    """
    family, length, _, _, table, protocol, _, kind = struct.unpack_from("<8B", body)
    if (length, table, kind) != (_HOST_BITS.get(family), _MAIN_TABLE, _RTN_UNICAST):
        return None
    if protocol == _RTPROT_KERNEL:
        return None
    found = dict(attributes(body[12:]))
    return socket.inet_ntop(family, found[_RTA_DST]), _hops(found)


@dataclass(frozen=True, slots=True)
class RouteChange:
    """One change of a main table, as the kernel announces it. ``protocol``: rtm_protocol."""

    action: Literal["add", "replace", "delete"]
    prefix: str
    interfaces: frozenset[int]
    protocol: int


def read_route_changes(data: bytes) -> Iterator[RouteChange]:
    """Iterate over the changes of main tables among the announcements in ``data``.

    IPv4 has a route for each metric and next hops; a delete names it. Of IPv6 all next hops of a
    prefix and metric are one route, however they came to it: what a new one joins is announced
    whole, which is a replacement; and a delete names the next hops that go, perhaps not all
    (Linux, net/ipv6/ip6_fib.c).
    """
    offset = 0
    while offset + 16 <= len(data):
        length, kind, flags = struct.unpack_from("<IHH", data, offset)
        body = data[offset + 16 : offset + length]
        offset += (length + 3) & ~3
        if kind not in (RTM_NEWROUTE, RTM_DELROUTE):
            continue
        family, bits, _, _, table, protocol = struct.unpack_from("<6B", body)
        if family not in _HOST_BITS or table != _MAIN_TABLE:
            continue
        found = dict(attributes(body[12:]))
        host_bits = _HOST_BITS[family]
        prefix = socket.inet_ntop(family, found.get(_RTA_DST, bytes(host_bits // 8)))
        whole = NLM_F_REPLACE | (_NLM_F_APPEND if family == socket.AF_INET6 else 0)
        yield RouteChange(
            "delete" if kind == RTM_DELROUTE else "replace" if flags & whole else "add",
            prefix if bits == host_bits else f"{prefix}/{bits}",
            _hops(found),
            protocol,
        )


def _hops(route: dict[int, bytes]) -> frozenset[int]:
    """Interfaces of the next hops among the attributes of a route."""
    interfaces = {struct.unpack("<I", route[_RTA_OIF])[0]} if _RTA_OIF in route else set()
    hops = route.get(_RTA_MULTIPATH, b"")  # struct rtnexthop: length, flags, hops, ifindex
    while len(hops) >= 8:
        size, ifindex = struct.unpack_from("<H2xi", hops)
        interfaces.add(ifindex)
        hops = hops[(size + 3) & ~3 :]
    return frozenset(interfaces)
