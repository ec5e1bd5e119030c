"""Captures at a port: all that crosses it, both ways, stamped when it does."""

import socket
from pathlib import Path

import numpy as np
import pytest

from emulator.errors import RunError
from emulator.kernel.counters import CLASSES
from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.kernel.tap import Taps
from emulator.lab import pcap
from emulator.lab.capture import messages
from emulator.linkplan import LinkPlan
from protocols.frr_ospf import FrrOspf
from protocols.frr_ospf6 import FrrOspf6
from tests.kernel.test_counters import CONVERGE_S, neighbours, ring, sending
from tests.kernel.test_frr import ended
from tests.kernel.toys import TOLERANCE_S, Build, walker

__all__ = ["ring"]


def tapped(fabric: Fabric, plan: LinkPlan, folder: Path, *ports: int) -> Taps:
    """Captures that have begun, PORT.pcap each."""
    where = {}
    for index in ports:
        port = plan.network.ports[index]
        handle = fabric.nodes[plan.network.nodes[port.node].name]
        where[folder / f"{index}.pcap"] = handle, port.name
    taps = Taps(where, folder / "notes")
    assert taps.begin() == ""
    return taps


@pytest.mark.real_time
def test_both_ends_hold_the_same_packets_a_flight_apart(ring, tmp_path: Path) -> None:
    plan, fabric = ring
    a, b, ours, theirs = neighbours(plan, fabric)
    taps = tapped(fabric, plan, tmp_path, ours, theirs)
    try:
        with sending(a, b.node.ipv4, 9) as one, b.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
            two.bind(("", 9))
            two.settimeout(5.0)
            for size in (0, 700, 1472):
                one.send(bytes(size))
                two.recv(2000)
        notes = {note["file"]: note for note in taps.finish()}
    finally:
        taps.end()
    sent, heard = (
        [p for p in pcap.read((tmp_path / f"{port}.pcap").read_bytes()) if p.protocol == 0x0800]
        for port in (ours, theirs)
    )
    assert [p.sent for p in sent] == [True] * 3 and [p.sent for p in heard] == [False] * 3
    assert [p.payload for p in sent] == [p.payload for p in heard]
    state = plan.at(0)[theirs]
    for one, two in zip(sent, heard, strict=True):
        serial_s = (len(one.payload) + 14) * 8 / state["rate_bps"]
        flight_s = (two.at_ns - one.at_ns) / 1e9
        assert flight_s == pytest.approx(state["delay_ns"] / 1e9 + serial_s, abs=TOLERANCE_S)
    assert all(note["packets"] >= 3 and note["lost"] == 0 for note in notes.values())


@pytest.mark.skipif(bool(FrrOspf.missing()), reason=FrrOspf.missing() or "FRR is here")
@pytest.mark.parametrize(("scheme", "protocol"), [(FrrOspf, "ospf"), (FrrOspf6, "ospfv3")])
def test_a_capture_of_ospf_is_what_is_counted(
    build: Build, tmp_path: Path, scheme: type[FrrOspf], protocol: str
) -> None:
    """Control bytes of a link direction by tc are those of the packets that scapy calls OSPF."""
    plan = LinkPlan.of(walker(total=12, planes=3))
    fabric = build(plan)
    counters = fabric.counters()
    fabric.apply(plan.at(0))
    port = int(np.flatnonzero(plan.at(0)["peer"] >= 0)[0])
    peer = int(plan.at(0)["peer"][port])
    ospf = CLASSES.index("ospf")
    taps = tapped(fabric, plan, tmp_path, port)
    try:
        with ended(scheme(plan, fabric.nodes)) as routing:
            routing.start()
            routing.converge(plan.at(0), CONVERGE_S)
        counts = counters.read()

        def landed() -> bool:
            heard = [m for m in messages(tmp_path / f"{port}.pcap") if not m.sent]
            return len(heard) >= counts.packets[peer, ospf]

        assert wait_for(landed, 5.0), "a packet is still on its way"
        taps.finish()
    finally:
        taps.end()
    found = list(messages(tmp_path / f"{port}.pcap"))
    assert {"Hello", "DBDesc", "LSReq"} <= {message.kind for message in found}
    assert [m.at_ns for m in found] == sorted(m.at_ns for m in found)
    for end, sent in ((port, True), (peer, False)):
        sizes = [m.size + 14 for m in found if m.sent == sent and m.protocol == protocol]
        assert (counts.packets[end, ospf], counts.octets[end, ospf]) == (len(sizes), sum(sizes))
        node = plan.network.nodes[plan.network.ports[end].node]
        assert {m.source for m in found if m.sent == sent} == {
            node.ipv4 if scheme.family == 4 else node.link_local
        }


def test_a_port_that_is_not_there_is_told(ring, tmp_path: Path) -> None:
    plan, fabric = ring
    handle = fabric.nodes["toy-01-01"]
    taps = Taps({tmp_path / "x.pcap": (handle, "isl9")}, tmp_path / "notes")
    try:
        assert "No such device" in taps.begin()
    finally:
        taps.end()
    for label, reason in (
        ("toy-01-09:isl0", "no node 'toy-01-09'"),
        ("toy-01-01:isl9", "toy-01-01 has isl0, isl1, isl2, isl3"),
        ("isl0", "no node 'isl0'; write NODE:PORT"),
    ):
        with pytest.raises(RunError, match=reason):
            plan.network.port_named(label)
    assert plan.network.port_named("toy-01-01:isl1") == ("toy-01-01", "isl1")
