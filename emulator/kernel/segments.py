"""Segment routing over IPv6 (RFC 8986) as netlink rows: locators, a node's own segments, lists.

A node's locator is fd4c:6d01:N::/48 with N its number from one. Two segments are its own: ::1 is
End, go on to the next segment, and ::2 is End.DX4, take the packet out and look at its IPv4
destination. (End.DT4 would need a VRF device; End.DX4 with no next hop uses the main table.)
Layouts: linux/rtnetlink.h, linux/lwtunnel.h, linux/seg6_iptunnel.h, linux/seg6_local.h.
"""

import socket
import struct

import numpy as np

from emulator.kernel.messages import (
    HEADER,
    NLM_F_CREATE,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    RTM_DELROUTE,
    RTM_NEWROUTE,
    attribute,
    message,
)
from emulator.kernel.route_messages import ROUTE_PROTOCOL, RTMSG_HEAD

END, END_DX4 = 1, 2
_PREFIX, _LOCATOR_BITS = 0xFD4C6D01, 48
_SID = np.dtype([("prefix", ">u4"), ("node", ">u2"), ("zero", "V8"), ("function", ">u2")])
_MAIN_TABLE, _UNICAST = 254, 1
_DST, _OIF, _PREFSRC, _ENCAP_TYPE, _ENCAP = 1, 4, 7, 21, 22
_SEG6, _SEG6_LOCAL = 5, 7
_ACTIONS = {END: 1, END_DX4: 6}  # SEG6_LOCAL_ACTION_END, SEG6_LOCAL_ACTION_END_DX4

NO_LOCATOR = np.dtype([*HEADER, *RTMSG_HEAD, ("dst_head", "<u4"), ("dst", _SID)])
LOCATOR = np.dtype([*NO_LOCATOR.descr[:-1], ("dst", _SID), ("oif_head", "<u4"), ("oif", "<u4")])


def sids(nodes: np.ndarray, function: int) -> np.ndarray:
    """Return a segment of each node, ``function`` 0 for its locator, as the bytes on the wire."""
    found = np.zeros(np.shape(nodes), dtype=_SID)
    found["prefix"], found["node"], found["function"] = _PREFIX, np.asarray(nodes) + 1, function
    return found


def _rows(dtype: np.dtype, count: int, kind: int, family: int, bits: int) -> np.ndarray:
    rows = np.zeros(count, dtype=dtype)
    flags = NLM_F_CREATE | NLM_F_REPLACE if kind == RTM_NEWROUTE else 0
    rows["length"], rows["type"], rows["flags"] = dtype.itemsize, kind, NLM_F_REQUEST | flags
    rows["family"], rows["dst_len"], rows["table"] = family, bits, _MAIN_TABLE
    rows["protocol"] = ROUTE_PROTOCOL
    return rows


def locators(to: np.ndarray, oif: np.ndarray) -> np.ndarray:
    """Return messages that set routes to the locators of nodes ``to``."""
    rows = _rows(LOCATOR, len(to), RTM_NEWROUTE, socket.AF_INET6, _LOCATOR_BITS)
    rows["route_type"] = _UNICAST
    rows["dst_head"], rows["dst"] = _DST << 16 | 20, sids(to, 0)
    rows["oif_head"], rows["oif"] = _OIF << 16 | 8, oif
    return rows


def no_locators(to: np.ndarray) -> np.ndarray:
    """Return messages that remove routes of :func:`locators`."""
    rows = _rows(NO_LOCATOR, len(to), RTM_DELROUTE, socket.AF_INET6, _LOCATOR_BITS)
    rows["dst_head"], rows["dst"] = _DST << 16 | 20, sids(to, 0)
    return rows


def own_segments(node: int, oif: int) -> list[bytes]:
    """Return messages that make a node serve its segments; ``oif``: any port, but not ``lo``."""
    batch = []
    for function, action in _ACTIONS.items():
        local = attribute(1, struct.pack("<I", action))
        if function == END_DX4:
            local += attribute(4, bytes(4))
        head = struct.pack(
            "<8BI", socket.AF_INET6, 128, 0, 0, _MAIN_TABLE, ROUTE_PROTOCOL, 0, _UNICAST, 0
        )
        body = head + attribute(_DST, sids(np.array([node]), function).tobytes())
        body += attribute(_OIF, struct.pack("<I", oif))
        body += attribute(_ENCAP_TYPE, struct.pack("<H", _SEG6_LOCAL)) + attribute(_ENCAP, local)
        batch.append(message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body))
    return batch


def headend_routes(
    to: np.ndarray, segments: np.ndarray, oif: np.ndarray, source: np.ndarray
) -> np.ndarray:
    """Return messages that put packets to hosts ``to`` into IPv6 along segment lists (H.Encaps).

    ``to`` and ``source`` are four bytes in network order; ``segments``, ``(routes, k)`` of
    :func:`sids`, are in the order of travel, which the header (RFC 8754) reverses.
    """
    count = segments.shape[1]
    srh = 8 + 16 * count
    dtype = np.dtype(
        [
            *HEADER,
            *RTMSG_HEAD,
            ("dst_head", "<u4"),
            ("dst", ">u4"),
            ("oif_head", "<u4"),
            ("oif", "<u4"),
            ("source_head", "<u4"),
            ("source", ">u4"),
            ("kind_head", "<u4"),
            ("kind", "<u4"),
            ("encap_head", "<u4"),
            ("inner_head", "<u4"),
            ("mode", "<i4"),
            ("next_header", "u1"),
            ("header_units", "u1"),
            ("routing_type", "u1"),
            ("segments_left", "u1"),
            ("last_entry", "u1"),
            ("srh_flags", "u1"),
            ("tag", ">u2"),
            ("segments", _SID, (count,)),
        ]
    )
    rows = _rows(dtype, len(to), RTM_NEWROUTE, socket.AF_INET, 32)
    rows["route_type"] = _UNICAST
    for name, kind, values in (("dst", _DST, to), ("oif", _OIF, oif), ("source", _PREFSRC, source)):
        rows[f"{name}_head"], rows[name] = kind << 16 | 8, values
    rows["kind_head"], rows["kind"] = _ENCAP_TYPE << 16 | 6, _SEG6
    rows["encap_head"], rows["inner_head"] = _ENCAP << 16 | (srh + 12), 1 << 16 | (srh + 8)
    rows["mode"], rows["routing_type"] = 1, 4  # SEG6_IPTUN_MODE_ENCAP, IPV6_SRCRT_TYPE_4
    rows["header_units"] = srh // 8 - 1
    rows["segments_left"] = rows["last_entry"] = count - 1
    rows["segments"] = segments[:, ::-1]
    return rows
