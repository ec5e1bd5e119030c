"""Captures by ``--pcap`` decoded offline: which routing message was sent or received, and when.

Scapy reads the packets, so this needs the extra ``packets``. What it has no layer for is read
here: Babel (RFC 8966, section 4) and the messages of a BGP stream (RFC 4271, section 4.1).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulator.errors import CapabilityError, RunError
from emulator.lab import pcap
from emulator.units import NS_PER_S

_BABEL = ("Pad1", "PadN", "Ack Request", "Ack", "Hello", "IHU", "Router-Id", "Next Hop")
_BABEL = (*_BABEL, "Update", "Route Request", "Seqno Request")
_BABEL_PORT, _BGP_PORT, _BFD_PORTS = 6696, 179, (3784, 3785, 4784)
_BGP = {1: "Open", 2: "Update", 3: "Notification", 4: "Keepalive", 5: "Route-Refresh"}
_BGP_MARKER = b"\xff" * 16
_IPV4, _IPV6, _LLC = 0x0800, 0x86DD, 0x0004


@dataclass(frozen=True, slots=True)
class Message:
    """One packet of a routing protocol."""

    at_ns: int
    """POSIX time; where time is virtual that is the sky's from second 0 of the scenario on."""
    sent: bool
    """By the node at whose port it was captured; else it was received there."""
    protocol: str
    kind: str
    """Type of the message; types and how many of each where a packet holds several."""
    source: str
    """Address or, of IS-IS, system id."""
    destination: str
    size: int
    """Bytes of the packet, without the Ethernet header."""


def messages(path: Path) -> Iterator[Message]:
    """Iterate over the routing messages of a capture in their order; all else is passed over.

    Raises CapabilityError without scapy, RunError where ``path`` is no capture of ours.
    """
    _load_scapy()
    try:
        packets = list(pcap.read(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read the capture {path}: {error}") from None
    for packet in packets:
        if told := _decode(packet):
            protocol, kind, source, destination = told
            size = len(packet.payload)
            yield Message(packet.at_ns, packet.sent, protocol, kind, source, destination, size)


COLUMNS = ("utc", "way", "protocol", "message", "source", "destination", "bytes")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Iterate over the messages of a capture as rows of COLUMNS, for people and programs."""
    for each in messages(path):
        seconds, rest_ns = divmod(each.at_ns, NS_PER_S)
        yield {
            "utc": f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}",
            "way": "sent" if each.sent else "received",
            "protocol": each.protocol,
            "message": each.kind,
            "source": each.source,
            "destination": each.destination,
            "bytes": each.size,
        }


def _load_scapy() -> None:
    try:
        import scapy.contrib.bfd
        import scapy.contrib.isis
        import scapy.contrib.ospf  # noqa: F401
    except ImportError:
        raise CapabilityError(
            "decoding captures needs scapy: pip install 'lasermesh[packets]'"
        ) from None


def _decode(packet: pcap.Packet) -> tuple[str, str, str, str] | None:
    """Protocol, kind, source, destination."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import LLC

    if packet.protocol == _LLC:
        return _isis(LLC(packet.payload))
    if packet.protocol not in (_IPV4, _IPV6):
        return None
    read = IP(packet.payload) if packet.protocol == _IPV4 else IPv6(packet.payload)
    told = _ospf(read) or _bfd(read) or _babel(read) or _bgp(read)
    return (*told, read.src, read.dst) if told else None


def _ospf(read: Any) -> tuple[str, str] | None:
    from scapy.contrib.ospf import OSPF_Hdr, OSPF_LSUpd, OSPFv3_Hdr, OSPFv3_LSUpd

    for name, header, update in (
        ("ospf", OSPF_Hdr, OSPF_LSUpd),
        ("ospfv3", OSPFv3_Hdr, OSPFv3_LSUpd),
    ):
        if header in read:
            kind = read[header].sprintf(f"%{header.__name__}.type%")
            if update in read:
                kind += f" ({read[update].lsacount})"
            return name, kind
    return None


def _isis(read: Any) -> tuple[str, str, str, str] | None:
    from scapy.contrib.isis import ISIS_CommonHdr

    if ISIS_CommonHdr not in read:
        return None
    header = read[ISIS_CommonHdr]
    kind = header.sprintf("%ISIS_CommonHdr.pdutype%").removesuffix(" PDU")
    told = header.payload
    source = getattr(told, "sourceid", None) or getattr(told, "lspid", "")
    return "isis", kind, str(source), ""


def _bfd(read: Any) -> tuple[str, str] | None:
    from scapy.contrib.bfd import BFD
    from scapy.layers.inet import UDP

    if UDP not in read or read[UDP].dport not in _BFD_PORTS:
        return None
    return ("bfd", read.sprintf("%BFD.sta%")) if BFD in read else ("bfd", "Echo")


def _babel(read: Any) -> tuple[str, str] | None:
    from scapy.layers.inet import UDP

    if UDP not in read or read[UDP].dport != _BABEL_PORT:
        return None
    return "babel", _listed(babel_types(bytes(read[UDP].payload)))


def babel_types(data: bytes) -> Iterator[str]:
    """Iterate over the types of a Babel packet's TLVs but padding."""
    end = 4 + int.from_bytes(data[2:4], "big")
    at = 4
    while at < min(end, len(data)):
        kind = data[at]
        if kind > 1:
            yield _BABEL[kind] if kind < len(_BABEL) else f"type {kind}"
        at += 1 if kind == 0 or at + 1 >= len(data) else 2 + data[at + 1]


def _bgp(read: Any) -> tuple[str, str] | None:
    from scapy.layers.inet import TCP

    if TCP not in read or _BGP_PORT not in (read[TCP].sport, read[TCP].dport):
        return None
    segment = bytes(read[TCP].original)[read[TCP].dataofs * 4 :]
    if not segment:
        return "bgp", f"TCP {read[TCP].flags}"
    return "bgp", _listed(bgp_types(segment)) or "continued"


def bgp_types(segment: bytes) -> Iterator[str]:
    """Iterate over the types of the messages that begin in a segment of a BGP stream."""
    at = segment.find(_BGP_MARKER)
    while at >= 0 and at + 19 <= len(segment):
        length, kind = int.from_bytes(segment[at + 16 : at + 18], "big"), segment[at + 18]
        yield _BGP.get(kind, f"type {kind}")
        at = segment.find(_BGP_MARKER, at + max(19, length))


def _listed(kinds: Iterator[str]) -> str:
    return ", ".join(
        kind if count == 1 else f"{kind} ({count})" for kind, count in Counter(kinds).items()
    )
