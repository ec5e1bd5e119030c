"""Capture files as Wireshark and tcpdump read them: pcap with nanoseconds, pure.

Layouts: draft-ietf-opsawg-pcap; LINKTYPE_LINUX_SLL (tcpdump.org/linktypes), in which each packet
says whether the node sent or received it. Ethernet alone could not: all nodes share one address.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from emulator.units import NS_PER_S

_MAGIC_NS, _LINUX_SLL, _SNAP_BYTES = 0xA1B23C4D, 113, 262_144
_FILE = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_COOKED = struct.Struct(">HHH8sH")
_ETHERNET, _LLC, _LEAST_ETHERTYPE = 1, 0x0004, 0x0600
OUTGOING = 4
"""Packet type of what the node itself has sent (PACKET_OUTGOING); all else it has received."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured packet. ``protocol``: its EtherType, 4 for IEEE 802.2."""

    at_ns: int
    """POSIX time."""
    sent: bool
    """By the node at whose port it was captured; else it was received there."""
    protocol: int
    payload: bytes


def head() -> bytes:
    """Return what a file begins with."""
    return _FILE.pack(_MAGIC_NS, 2, 4, 0, 0, _SNAP_BYTES, _LINUX_SLL)


def record(at_ns: int, kind: int, frame: bytes) -> bytes:
    """Return the record of an Ethernet frame; ``kind`` is its PACKET_HOST, PACKET_OUTGOING, ..."""
    (protocol,) = struct.unpack_from(">H", frame, 12)
    if protocol < _LEAST_ETHERTYPE:  # a length, by IEEE 802.3
        protocol = _LLC
    data = _COOKED.pack(kind, _ETHERNET, 6, frame[6:12], protocol) + frame[14:]
    seconds, rest_ns = divmod(at_ns, NS_PER_S)
    return _RECORD.pack(seconds, rest_ns, len(data), len(data)) + data


def read(data: bytes) -> Iterator[Packet]:
    """Iterate over the packets of a file that we have written; one cut short at its end is left.

    Raises ValueError where it is of another kind.
    """
    if len(data) < _FILE.size or _FILE.unpack_from(data)[::6] != (_MAGIC_NS, _LINUX_SLL):
        raise ValueError("not a capture by --pcap (pcap with nanoseconds, Linux cooked)")
    at = _FILE.size
    while at + _RECORD.size <= len(data):
        seconds, rest_ns, size, _ = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if at + size > len(data):
            return
        kind, _, _, _, protocol = _COOKED.unpack_from(data, at)
        payload = data[at + _COOKED.size : at + size]
        yield Packet(seconds * NS_PER_S + rest_ns, kind == OUTGOING, protocol, payload)
        at += size
