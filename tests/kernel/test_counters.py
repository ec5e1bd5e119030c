"""What is counted of control traffic, data and drops, against packets sent and captured."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from emulator.bench.transfer import light
from emulator.kernel import namespaces
from emulator.kernel.counters import CLASSES, DATA
from emulator.kernel.fabric import Fabric
from emulator.kernel.node import NodeHandle
from emulator.kernel.ownership import wait_for
from emulator.lab import costs
from emulator.linkplan import LinkPlan
from protocols.base import Counted
from protocols.frr_isis import FrrIsis
from protocols.frr_ospf import FrrOspf
from tests.kernel.test_frr import ended
from tests.kernel.toys import Build, walker

_ETH_P_ALL, _PACKET_OUTGOING = 3, 4
_UDP_HEADERS = 14 + 20 + 8
CONVERGE_S = 60.0
SETTLED_S = 5.0


@pytest.fixture
def ring(build: Build) -> tuple[LinkPlan, Fabric]:
    """Six satellites in a ring, lit, no routing."""
    plan = LinkPlan.of(walker())
    fabric = build(plan)
    light(fabric, plan)
    return plan, fabric


def neighbours(plan: LinkPlan, fabric: Fabric) -> tuple[NodeHandle, NodeHandle, int, int]:
    """Two nodes and the two ports that join them."""
    a, b = plan.network.nodes[:2]
    peer = plan.at(0)["peer"]
    ours = next(p.index for p in a.ports if peer[p.index] in {q.index for q in b.ports})
    return fabric.nodes[a.name], fabric.nodes[b.name], ours, int(peer[ours])


@contextmanager
def sending(handle: NodeHandle, to: str, port: int) -> Iterator[socket.socket]:
    """A UDP socket of a node."""
    with handle.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((to, port))
        yield sender


@pytest.mark.real_time
def test_every_byte_of_a_flow_is_data_at_its_port(ring) -> None:
    plan, fabric = ring
    counters = fabric.counters()
    a, b, ours, theirs = neighbours(plan, fabric)

    readings = []

    def read(data: int) -> bool:
        readings.append(counters.read())
        return int(readings[-1].packets[:, DATA].sum()) == data

    # A reading is three dumps: in real time a report of membership may fall between them.
    assert wait_for(lambda: read(0), SETTLED_S)
    before = readings[-1]
    sizes = [1, 100, 1472, 0, 37]
    with sending(a, b.node.ipv4, 9) as sender, b.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("", 9))
        for size in sizes:
            sender.send(bytes(size))
        heard.settimeout(5.0)
        for _ in sizes:
            heard.recv(2000)
    assert wait_for(lambda: read(len(sizes)), SETTLED_S)
    after = readings[-1]
    octets, packets = after.octets - before.octets, after.packets - before.packets
    assert packets[ours, DATA] == len(sizes)
    assert octets[ours, DATA] == sum(sizes) + len(sizes) * _UDP_HEADERS
    others = np.arange(len(octets)) != ours
    assert not octets[others, DATA].any() and not packets[others, DATA].any()
    assert (after.delivered - before.delivered)[theirs] >= len(sizes)


@pytest.mark.parametrize(
    ("port", "name"), [(3784, "bfd"), (3785, "bfd"), (4784, "bfd"), (6696, "babel")]
)
def test_ports_of_protocols_are_told_from_others(ring, port: int, name: str) -> None:
    plan, fabric = ring
    counters = fabric.counters()
    a, b, ours, _ = neighbours(plan, fabric)
    before = counters.read()
    for number in (port, 3783, 3786, 6697, 179):
        with sending(a, b.node.ipv4, number) as sender:
            sender.send(bytes(24))
    change = counters.read().packets[ours] - before.packets[ours]
    assert change[CLASSES.index(name)] == 1
    assert change[DATA] == 4
    assert change.sum() == 5


OWN = Counted(udp=(1966, 6696), tcp=(2000,), ip=(253,), ethertype=(0x88B5, 0x88B6))


def test_what_a_protocol_declares_its_own_is_told_from_data(ring) -> None:
    """One packet of each, and as many of others beside them; 6696 is taken from Babel."""
    plan, fabric = ring
    counters = fabric.counters(OWN)
    a, b, ours, theirs = neighbours(plan, fabric)
    before = counters.read()
    for number in (1966, 6696, 2000, 253):
        with sending(a, b.node.ipv4, number) as sender:
            sender.send(bytes(24))
    with a.socket(socket.AF_INET, socket.SOCK_DGRAM) as answering:
        answering.bind(("", 1966))
        answering.sendto(bytes(24), (b.node.ipv4, 9))
    for number in (252, 253):
        with a.socket(socket.AF_INET, socket.SOCK_RAW, number) as raw:
            raw.sendto(bytes(24), (b.node.ipv4, 0))
    for ethertype in (0x88B5, 0x88B6, 0x88B7):
        with a.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((plan.network.ports[ours].name, 0))
            raw.send(bytes(6) + bytes(6) + struct.pack(">H", ethertype) + bytes(46))
    change = counters.read()
    packets, octets = change.packets - before.packets, change.octets - before.octets
    own, babel = CLASSES.index("own"), CLASSES.index("babel")
    assert (packets[ours, own], packets[ours, babel], packets[ours, DATA]) == (6, 0, 4)
    assert octets[ours, own] == 3 * (24 + _UDP_HEADERS) + (24 + 14 + 20) + 2 * 60
    with b.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind(("", 2000))
        server.listen()
        with a.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.connect((b.node.ipv4, 2000))
    more = counters.read().packets - change.packets
    assert more[ours, own] >= 2 and more[theirs, own] >= 1


def test_tcp_of_bgp_is_counted_in_both_directions(ring) -> None:
    plan, fabric = ring
    counters = fabric.counters()
    a, b, ours, theirs = neighbours(plan, fabric)
    bgp = CLASSES.index("bgp")
    with b.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind(("", 179))
        server.listen()
        before = counters.read()
        with a.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.connect((b.node.ipv4, 179))
    change = counters.read().packets - before.packets
    assert change[ours, bgp] >= 2 and change[theirs, bgp] >= 1
    assert not change[:, DATA].any()


def test_frames_of_802_2_are_of_is_is(ring) -> None:
    plan, fabric = ring
    counters = fabric.counters()
    a, _, ours, _ = neighbours(plan, fabric)
    before = counters.read()
    payload = b"\xfe\xfe\x03\x83" + bytes(60)
    frame = bytes.fromhex("0180c2000015024c4d000001") + struct.pack(">H", len(payload)) + payload
    with a.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((plan.network.ports[ours].name, 0))
        raw.send(frame)
    after = counters.read()
    isis = CLASSES.index("isis")
    assert after.packets[ours, isis] - before.packets[ours, isis] == 1
    assert after.octets[ours, isis] - before.octets[ours, isis] == len(frame)


def test_a_handover_takes_control_traffic_along(ring) -> None:
    """The actions of the filters that count are the port's own: re-patched with the rest."""
    plan, fabric = ring
    fabric.counters()
    a, b, ours, theirs = neighbours(plan, fabric)
    state, dark = plan.at(0), plan.dark()
    for port in (ours, theirs):
        state[port] = dark[port]
    fabric.apply(state)
    assert np.array_equal(fabric.observe(), state)
    fabric.apply(plan.at(0))
    assert wait_for(fabric.noticed, 10.0)
    with sending(a, b.node.ipv4, 3784) as s, b.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("", 3784))
        heard.settimeout(5.0)
        s.send(b"hello")
        assert heard.recv(10) == b"hello"


def test_drops_of_an_overfilled_queue_and_of_chance(ring) -> None:
    plan, fabric = ring
    counters = fabric.counters()
    a, b, ours, theirs = neighbours(plan, fabric)
    state = plan.at(0)
    state["limit_packets"][theirs], state["rate_bps"][theirs] = 10, 1_000_000
    fabric.apply(state)
    before = counters.read()
    with sending(a, b.node.ipv4, 9) as sender:
        for _ in range(50):
            sender.send(bytes(1000))
    full = counters.read()
    dropped = (full.dropped - before.dropped)[theirs]
    assert dropped == (full.refused - before.refused)[ours]
    assert dropped >= 50 - 10 - 1  # nothing leaves meanwhile but, perhaps, the first: 8 ms each

    def accounted() -> bool:
        now = counters.read()
        sent = (now.packets - before.packets)[ours].sum()
        ended = (now.delivered - before.delivered + now.dropped - before.dropped)[theirs]
        return sent == ended and sent >= 50

    assert wait_for(accounted, 5.0)
    full = counters.read()
    state["loss_ppb"][theirs], state["limit_packets"][theirs] = 10**9, 1000
    fabric.apply(state)
    with sending(a, b.node.ipv4, 9) as sender:
        for _ in range(7):
            sender.send(bytes(1000))
    lost = counters.read()
    assert (lost.dropped - full.dropped)[theirs] == 7
    assert (lost.refused - full.refused)[ours] == 0


def of_ospf(frame: bytes) -> bool:
    return frame[12:14] == b"\x08\x00" and frame[23] == 89


def of_isis(frame: bytes) -> bool:
    return frame[12] < 0x06 and frame[14:16] == b"\xfe\xfe"


@pytest.mark.skipif(bool(FrrOspf.missing()), reason=FrrOspf.missing() or "FRR is here")
@pytest.mark.parametrize(
    ("scheme", "name", "belongs"), [(FrrOspf, "ospf", of_ospf), (FrrIsis, "isis", of_isis)]
)
def test_control_bytes_are_those_of_a_capture(build: Build, scheme, name, belongs) -> None:
    plan = LinkPlan.of(walker(total=12, planes=3))
    fabric = build(plan)
    counters = fabric.counters()
    fabric.apply(plan.at(0))
    port = int(np.flatnonzero(plan.at(0)["peer"] >= 0)[0])
    with namespaces.entered(fabric.namespace):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    with tap:
        tap.bind((f"p{port}", _ETH_P_ALL))
        tap.setblocking(False)
        before = counters.read()
        list(captured(tap))
        with ended(scheme(plan, fabric.nodes)) as routing:
            routing.start()
            routing.converge(plan.at(0), CONVERGE_S)
            pids = {who: process.pid for who, process in routing.daemons.items()}
            used = list(costs.usage(pids, virtual=False))
            assert {node for node, *_ in used} == set(fabric.nodes)
            assert len(used) == 24 and all(2_000 < rss_kb < 60_000 for _, _, rss_kb, _ in used)
        after = counters.read()
        seen = [frame for frame in captured(tap) if belongs(frame)]
    assert len(seen) > 10
    column = CLASSES.index(name)
    assert (after.packets - before.packets)[port, column] == len(seen)
    assert (after.octets - before.octets)[port, column] == sum(map(len, seen))


def captured(tap: socket.socket) -> Iterator[bytes]:
    """Frames that a port has sent, as its fabric end received them."""
    while True:
        try:
            frame, where = tap.recvfrom(65536)
        except BlockingIOError:
            return
        if where[2] != _PACKET_OUTGOING:
            yield frame
