"""What every port sends, by protocol, and what its channel loses: counted by the kernel's tc.

In front of the filter that redirects all that a port sends, u32 filters pick out the frames of
routing protocols. Each of these is counted by a gact action of its port and protocol, then
redirected by the very mirred action of that port, so that a handover still replaces one action:

    ingress of pN ── u32: OSPF ── gact N × protocols + ... ┐
                  ── u32: BGP  ── gact ...                 ├── mirred N + 1 ── egress of its peer
                  ── matchall ─────────────────────────────┘

Counters are exact, wherever the traffic comes from, and cost nothing until they are read: three
dumps. Layouts: linux/pkt_cls.h (struct tc_u32_sel), linux/gen_stats.h.

What is counted where (Linux 6.12, net/sched): act_mirred counts every frame it is given, and as
overlimits those that it could not hand on, because the channel's queue was full or its peer had
no light. sch_netem counts as drops what its loss took and what found the queue full, together;
it has no overlimits; and as sent what left it at the far end. Frames on their way when the light
goes are counted by none of them.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emulator.kernel import messages
from emulator.kernel.messages import attribute, attributes
from emulator.kernel.netlink import NetlinkSocket

if TYPE_CHECKING:
    from protocols.base import Counted

CLASSES = ("ospf", "isis", "bgp", "bfd", "babel", "membership", "nd", "own")
"""Protocols that are told apart. membership: IGMP and MLD, by which nodes say which multicast
groups they hear. nd: IPv6 neighbour discovery, router advertisements included. isis: all frames
of IEEE 802.2, OpenFabric's too. own: what a protocol of the user's own declares its own."""
DATA = len(CLASSES)
"""Column of everything else."""
ETHERNET_BYTES = 14
"""What netem and a capture count of a frame beside its packet, and tc at ingress does not."""

_IPV4, _IPV6, _LLC = 0x0800, 0x86DD, 0x0004
_PRIORITY = {_IPV4: 1, _IPV6: 2, _LLC: 3}
_OWN_PRIORITY = 4
"""Of the first EtherType of the user's own: filters of one priority are of one EtherType."""
_TCA_U32_SEL, _TCA_U32_ACT, _TC_U32_TERMINAL = 5, 7, 1
_TC_ACT_PIPE = 3
_TCA_ACT_STATS, _TCA_STATS2 = 4, 7
_STATS_BASIC, _STATS_QUEUE, _STATS_PKT64 = 1, 3, 8
_UDP, _TCP, _ICMP6, _IGMP, _OSPF, _HOP_BY_HOP = 17, 6, 58, 2, 89, 0

Key = tuple[int, int, int]
"""Offset from the packet's start, mask, value: of 32 bits each."""


def _ipv4(protocol: int, *keys: Key) -> tuple[Key, ...]:
    """Keys of IPv4 packets without options; with further ``keys`` only unfragmented ones."""
    head = ((0, 0xFF000000, 0x45000000), (4, 0x00001FFF, 0)) if keys else ()
    return ((8, 0x00FF0000, protocol << 16), *head, *keys)


def _ipv6(protocol: int, *keys: Key) -> tuple[Key, ...]:
    return ((4, 0x0000FF00, protocol << 8), *keys)


def _ports(number: int, mask: int = 0xFFFF) -> tuple[tuple[int, int], tuple[int, int]]:
    """(mask, value) of a packet's first 32 bits after IP: from a port, and to a port."""
    return (mask << 16, number << 16), (mask, number)


Match = tuple[str, int, tuple[Key, ...]]
"""One filter: protocol, EtherType, keys."""


def _matches(own: "Counted | None") -> list[Match]:
    """Every filter; the first that fits counts. RFC 2328, 4271, 5881, 5883, 8966, 4861, 3810."""
    found = _own_matches(own) if own else []
    found.append(("isis", _LLC, ()))
    for ethertype, ip, payload in ((_IPV4, _ipv4, 20), (_IPV6, _ipv6, 40)):
        found.append(("ospf", ethertype, ip(_OSPF)))
        bfd = (_ports(3784, 0xFFFE)[1], _ports(4784)[1])  # 3784 control, 3785 echo; multihop
        for name, protocol, ports in (
            ("bfd", _UDP, bfd),
            ("babel", _UDP, _ports(6696)[1:]),
            ("bgp", _TCP, _ports(179)),
        ):
            found += [(name, ethertype, ip(protocol, (payload, *key))) for key in ports]
    found.append(("membership", _IPV4, _ipv4(_IGMP)))
    found.append(("membership", _IPV6, _ipv6(_HOP_BY_HOP)))  # MLD's router alert; nothing else has
    for mask, kind in ((0xFF, 133), (0xFE, 134), (0xFE, 136)):
        found.append(("nd", _IPV6, _ipv6(_ICMP6, (40, mask << 24, kind << 24))))
    return found


def _own_matches(own: "Counted") -> list[Match]:
    found: list[Match] = [("own", ethertype, ()) for ethertype in own.ethertype]
    for ethertype, ip, payload in ((_IPV4, _ipv4, 20), (_IPV6, _ipv6, 40)):
        found += [("own", ethertype, ip(number)) for number in own.ip]
        for protocol, ports in ((_UDP, own.udp), (_TCP, own.tcp)):
            keys = (key for port in ports for key in _ports(port))
            found += [("own", ethertype, ip(protocol, (payload, *key))) for key in keys]
    return found


@dataclass(frozen=True)
class Counts:
    """One reading: integers, cumulative since counting began. Bytes are those of frames."""

    packets: np.ndarray
    """(ports, protocols + 1): frames that a port sent, by CLASSES; the last column is the rest."""
    octets: np.ndarray
    """(ports, protocols + 1)."""
    delivered: np.ndarray
    """(ports,): frames that the channel towards a port let arrive; this and what follows count
    since the port was made."""
    dropped: np.ndarray
    """(ports,): frames that the channel towards a port dropped: chance, fades and full queue."""
    refused: np.ndarray
    """(ports,): frames that a port sent and that nobody took: full queue, or a peer in the dark."""


class Counters:
    """Counters of the fabric whose socket, first interface index and number of ports these are.

    ``own``: what else is to be told apart.
    """

    def __init__(
        self, socket: NetlinkSocket, first_ifindex: int, ports: int, own: "Counted | None" = None
    ) -> None:
        self._socket = socket
        self._first = first_ifindex
        self._ports = ports
        self._matches = _matches(own)
        further = own.ethertype if own else ()
        self._priority = _PRIORITY | {e: _OWN_PRIORITY + n for n, e in enumerate(further)}
        self._unsorted = np.zeros((ports, 2), dtype=np.int64)
        """Packets and bytes of each port that came before they were told apart."""

    def install(self, label: Callable[[int], str]) -> None:
        """Begin to count by protocol, from zero. ``label`` names a port. Raises KernelError."""
        matches = self._matches
        batch = [self._filter(port, *match) for port in range(self._ports) for match in matches]
        self._socket.send(
            batch,
            lambda i: f"count {matches[i % len(matches)][0]} at {label(i // len(matches))}",
        )
        by_protocol, total = self._sent()
        self._unsorted = total[:, :2] - by_protocol.sum(axis=1)

    def _filter(self, port: int, name: str, ethertype: int, keys: tuple[Key, ...]) -> bytes:
        info = self._priority[ethertype] << 16 | int.from_bytes(
            struct.pack(">H", ethertype), "little"
        )
        parent = messages.TC_H_CLSACT_INGRESS
        header = struct.pack("<B3xiIII", 0, self._first + port, 0, parent, info)
        packed = [
            struct.pack(">II", mask, value) + struct.pack("<ii", at, 0)
            for at, mask, value in keys or [(0, 0, 0)]
        ]
        selector = struct.pack("<BBBxHHhhI", _TC_U32_TERMINAL, 0, len(packed), 0, 0, 0, 0, 0)
        index = port * len(CLASSES) + CLASSES.index(name) + 1
        count = struct.pack("<IIiii", index, 0, _TC_ACT_PIPE, 0, 0)
        redirect = struct.pack("<IIiiiiI", port + 1, 0, 4, 0, 0, 1, 0)
        actions = _action(1, b"gact\0", count) + _action(2, b"mirred\0", redirect)
        options = attribute(_TCA_U32_SEL, selector + b"".join(packed))
        options += attribute(_TCA_U32_ACT, actions)
        flags = messages.NLM_F_CREATE | messages.NLM_F_EXCL
        body = header + attribute(1, b"u32\0") + attribute(2, options)
        return messages.message(messages.RTM_NEWTFILTER, flags, body)

    def read(self) -> Counts:
        """Read all counters: three dumps.

        In real time a frame that comes between them may be told as data until the next reading.
        """
        by_protocol, total = self._sent()
        channels = self._channels()
        packets, octets = (
            _with_rest(by_protocol[..., column], (total[:, :2] - self._unsorted)[:, column])
            for column in (0, 1)
        )
        return Counts(
            packets,
            octets + ETHERNET_BYTES * packets,
            delivered=channels[:, 0],
            dropped=channels[:, 2],
            refused=total[:, 3],
        )

    def _sent(self) -> tuple[np.ndarray, np.ndarray]:
        """(ports, protocols, 2) packets and bytes told apart; (ports, 4) statistics of all."""
        by_protocol = self._actions("gact", self._ports * len(CLASSES))[:, :2]
        return by_protocol.reshape(self._ports, -1, 2), self._actions("mirred", self._ports)

    def _actions(self, kind: str, count: int) -> np.ndarray:
        """(count, 4) statistics of the actions of a kind, by index; zeros where there is none."""
        found = np.zeros((count, 4), dtype=np.int64)
        for _, body in self._socket.dump(messages.dump_actions(kind)):
            for table_kind, table in attributes(body[4:]):
                if table_kind != 1:
                    continue
                for _, entry in attributes(table):
                    told = dict(attributes(entry))
                    parms = dict(attributes(told[2]))[2]
                    index = struct.unpack_from("<I", parms)[0]
                    if 1 <= index <= count:
                        found[index - 1] = _statistics(told[_TCA_ACT_STATS])
        return found

    def _channels(self) -> np.ndarray:
        """(ports, 4) statistics of the netem towards each port."""
        found = np.zeros((self._ports, 4), dtype=np.int64)
        for _, body in self._socket.dump(messages.dump_qdiscs()):
            told = dict(attributes(body[20:]))
            port = struct.unpack_from("<i", body, 4)[0] - self._first
            if told.get(1) == b"netem\0" and 0 <= port < self._ports:
                found[port] = _statistics(told[_TCA_STATS2])
        return found


def _with_rest(parts: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Append what the columns of ``parts`` leave of ``total``."""
    return np.column_stack([parts, total - parts.sum(axis=1)])


def _action(order: int, kind: bytes, parms: bytes) -> bytes:
    return attribute(order, attribute(1, kind) + attribute(2, attribute(2, parms)))


def _statistics(data: bytes) -> tuple[int, int, int, int]:
    """Packets, bytes, drops, overlimits."""
    told = dict(attributes(data))
    octets, packets = struct.unpack_from("<QI", told[_STATS_BASIC])
    if _STATS_PKT64 in told:
        (packets,) = struct.unpack("<Q", told[_STATS_PKT64])
    _, _, drops, _, overlimits = struct.unpack_from("<5I", told[_STATS_QUEUE])
    return packets, octets, drops, overlimits
