"""Round trips: ICMP echo between nodes at fixed spacing, timed by the kernel's receive stamps.

Echo of RFC 792 or RFC 4443, one raw socket a node, all in one process: no fork a packet, and no
scheduling delay of the receiver in the figure.
"""

import math
import selectors
import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from emulator.clock import Clock
from emulator.faults import Faults
from emulator.lab.course import Course
from emulator.lab.fib import Tables
from emulator.linkplan import LinkPlan
from emulator.network import Family
from emulator.units import C_KM_S
from emulator.workloads import PingWorkload
from protocols.base import Nodes, Record, family
from protocols.static import next_hops

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

PAYLOAD_BYTES = 56
WIRE_BYTES: dict[Family, int] = {4: 14 + 20 + 8 + PAYLOAD_BYTES, 6: 14 + 40 + 8 + PAYLOAD_BYTES}
"""What netem counts of an echo packet: Ethernet, IP and ICMP headers and the payload."""

_SO_TIMESTAMPNS = 35
_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1
_ECHO_REQUEST: dict[Family, int] = {4: 8, 6: 128}
_ONLY_ECHO_REPLIES = struct.pack("I", 0xFFFFFFFE)
_ONLY_ECHO_REPLIES_6 = struct.pack("8I", *(0xFFFFFFFF,) * 4, 0xFFFFFFFD, *(0xFFFFFFFF,) * 3)
"""A bit for each type that is kept away; a reply's is 0, and of ICMPv6 129."""
_LOST_AFTER_S = 2.0

_Hop = Callable[[int, int, float], tuple[int, float] | None]
"""(node, destination, time) → (next node, rate of the channel to it)."""


class Ping:
    """Pings named pairs, or every pair of laser neighbours while it is linked."""

    def __init__(self, spec: PingWorkload, plan: LinkPlan) -> None:
        self.spec = spec
        self.plan = plan
        self.network = plan.network
        self.faults = Faults.of(plan)
        self.family = family(plan.scenario)

    def run(self, nodes: Nodes, clock: Clock, start: float, record: Record) -> None:
        """Send one round of probes every ``interval_s``, spread over the interval."""
        sockets = {
            handle.node.index: _echo_socket(handle, self.family) for handle in nodes.values()
        }
        selector = selectors.DefaultSelector()
        for index, each in sockets.items():
            selector.register(each, selectors.EVENT_READ, index)
        waiting: dict[tuple[int, int], tuple[float, int, int]] = {}
        seq = 0
        rounds = int(self.plan.scenario.scenario.duration_s / self.spec.interval_s)
        for number in range(rounds):
            began_s = number * self.spec.interval_s
            pairs = self.pairs(began_s)
            for position, (a, b) in enumerate(pairs):
                # Off the whole interval, where the player retunes the sky on the same processor.
                t_s = began_s + self.spec.interval_s * (position + 0.5) / len(pairs)
                self._receive(selector, clock, start + t_s, waiting, record)
                seq = seq % 65535 + 1
                sent_ns = time.time_ns()
                waiting[a, seq] = (clock.now() - start, sent_ns, b)
                try:
                    packet = echo_request(a + 1, seq, self.family)
                    sockets[a].sendto(packet, (self.network.nodes[b].address(self.family), 0))
                except OSError:  # no route: as lost as any other
                    pass
            self._give_up(waiting, clock.now() - start, record)
        self._receive(selector, clock, clock.now() + _LOST_AFTER_S / 2, waiting, record)
        self._give_up(waiting, float("inf"), record)

    def pairs(self, t_s: float) -> list[tuple[int, int]]:
        """Return the pairs of nodes to probe at ``t_s``."""
        if self.spec.pairs:
            return [
                (self.network.node(a).index, self.network.node(b).index) for a, b in self.spec.pairs
            ]
        step = self.plan.step_of(t_s)
        joined = self.plan.joined(step)
        laser = self.network.port_medium[joined["a"]]
        lasers = joined[laser & ~self.faults.broken(joined, t_s)]
        ends = (self.network.port_node[lasers[end]].tolist() for end in ("a", "b"))
        return list(zip(*ends, strict=True))

    def _receive(
        self,
        selector: selectors.BaseSelector,
        clock: Clock,
        until: float,
        waiting: dict[tuple[int, int], tuple[float, int, int]],
        record: Record,
    ) -> None:
        """Take in replies until clock time ``until``."""
        while (left_s := until - clock.now()) > 0:
            for key, _ in selector.select(left_s):
                data, ancillary, _, _ = key.fileobj.recvmsg(2048, 128)
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
                # Raw sockets of IPv4 hand over the packet, those of IPv6 what is in it.
                header = (data[0] & 0x0F) * 4 if self.family == 4 else 0
                _, _, _, identifier, seq = struct.unpack_from("!BBHHH", data, header)
                sent = waiting.pop((identifier - 1, seq), None)
                if sent and identifier - 1 == key.data:
                    rtt_ms = (seconds * 10**9 + nanoseconds - sent[1]) / 1e6
                    self._note(record, key.data, seq, sent, rtt_ms)

    def _give_up(
        self,
        waiting: dict[tuple[int, int], tuple[float, int, int]],
        now_s: float,
        record: Record,
    ) -> None:
        for (a, seq), sent in list(waiting.items()):
            if now_s - sent[0] > _LOST_AFTER_S:
                del waiting[a, seq]
                self._note(record, a, seq, sent, None)

    def _note(
        self,
        record: Record,
        a: int,
        seq: int,
        sent: tuple[float, int, int],
        rtt_ms: float | None,
    ) -> None:
        names = [self.network.nodes[index].name for index in (a, sent[2])]
        record(
            {"probe": seq, "t_s": round(sent[0], 6), "a": names[0], "b": names[1], "rtt_ms": rtt_ms}
        )


class Expectation:
    """The round trips that geometry predicts: range/c and serialisation, hop after hop.

    A packet takes each hop at the moment it gets there, out and back. Ranges are those of the
    orbit at that moment, not of the step before: how far a step lags behind the orbit is part of
    the emulation's error.
    """

    def __init__(self, plan: LinkPlan, tables: Tables | None = None) -> None:
        self.plan = plan
        self.tables = tables
        """What the nodes' kernels held, where that was recorded."""
        self.course = Course.of(plan)
        self._wire_bits = 8 * WIRE_BYTES[family(plan.scenario)]
        self._step = -1
        self._hops = self._rate_bps = np.empty(0)

    def rtt_ms(self, a: int, b: int, t_s: float) -> float | None:
        """Round trip of an echo from node ``a`` to ``b`` at ``t_s``; None: no way there or back.

        Over the quickest path of the moment, whatever routing chose: for neighbours their link,
        for others the bound that routing may miss.
        """
        return self._round_ms(a, b, t_s, self._quickest)

    def path_ms(self, a: int, b: int, t_s: float) -> float | None:
        """The same over the routes that the nodes' kernels held.

        None also where they held several ways at once: of those a kernel takes one by a hash
        that it keeps to itself.
        """
        return self._round_ms(a, b, t_s, self._routed) if self.tables else None

    def _round_ms(self, a: int, b: int, t_s: float, hop: _Hop) -> float | None:
        at_km = self.plan.ephemeris.positions_km(np.array([t_s, t_s + 1.0])).transpose(1, 0, 2)
        elapsed_s = 0.0
        for start, end in ((a, b), (b, a)):
            node = start
            for _ in range(self.plan.network.size):  # no way is longer but one in a circle
                if node == end:
                    break
                if (taken := hop(node, end, t_s + elapsed_s)) is None:
                    return None
                to, rate_bps = taken
                # Straight lines: half a nanosecond off where a second later would be a metre.
                gap_km = at_km[:, node] - at_km[:, to]
                # Not by a BLAS, whose last bit depends on its environment variables.
                range_km = math.hypot(*(gap_km[0] + elapsed_s * (gap_km[1] - gap_km[0])))
                elapsed_s += range_km / C_KM_S + self._wire_bits / rate_bps
                node = to
            if node != end:
                return None
        return elapsed_s * 1e3

    def _quickest(self, node: int, end: int, t_s: float) -> tuple[int, float] | None:
        self._look(t_s)
        to = int(self._hops[node, end])
        return (to, float(self._rate_bps[node, to])) if to >= 0 else None

    def _routed(self, node: int, end: int, t_s: float) -> tuple[int, float] | None:
        self._look(t_s)
        light = self._light
        for ways in self.tables.ways(node, end, t_s):
            ports = [i for i, used in enumerate(light.used[node]) if used and ways >> i & 1]
            if len(ports) == 1 and (to := int(light.to[node, ports[0]])) >= 0:
                return to, float(light.rate_bps[node, ports[0]])
            if ports:
                return None
        return None

    def _look(self, t_s: float) -> None:
        """Have routes, light and rates at hand of the state in force at ``t_s``."""
        if (step := self.course.step_of(t_s)) == self._step:
            return
        self._step = step
        network, state = self.plan.network, self.course.unbroken(step)
        self._light = self.course.light(step)
        self._hops = next_hops(network, state)
        lit = np.flatnonzero(state["peer"] >= 0)
        lit = lit[np.argsort(-state["delay_ns"][lit], kind="stable")]  # of parallel links the last
        ends = network.port_node[state["peer"][lit]], network.port_node[lit]
        self._rate_bps = np.zeros(self._hops.shape)
        self._rate_bps[ends] = state["rate_bps"][lit]


def echo_request(identifier: int, seq: int, family: Family = 4) -> bytes:
    """Encode an ICMP echo request (RFC 792, or RFC 4443) with its checksum (RFC 1071).

    That of ICMPv6, which covers the addresses, the kernel writes over ours.
    """
    kind, payload = _ECHO_REQUEST[family], bytes(PAYLOAD_BYTES)
    checksum = internet_checksum(struct.pack("!BBHHH", kind, 0, 0, identifier, seq) + payload)
    return struct.pack("!BBHHH", kind, 0, checksum, identifier, seq) + payload


def internet_checksum(data: bytes) -> int:
    """Return the ones' complement sum of 16-bit words, complemented (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _echo_socket(handle: "NodeHandle", family: Family) -> socket.socket:
    if family == 4:
        raw = handle.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        raw.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_ECHO_REPLIES)
    else:
        raw = handle.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        raw.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _ONLY_ECHO_REPLIES_6)
    raw.setblocking(False)
    raw.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    return raw
