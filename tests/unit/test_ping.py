"""Echo packets byte by byte, and the round trip that geometry predicts."""

import itertools

import numpy as np
import pytest
from scapy.layers.inet import ICMP
from scapy.packet import Raw

from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.sections import PingWorkload
from emulator.units import C_KM_S
from protocols.ping import (
    WIRE_BYTES,
    Expectation,
    Ping,
    echo_request,
    internet_checksum,
)
from protocols.static import next_hops, walk

ONE_NANOSECOND_MS = 1e-6
ONE_MICROSECOND_MS = 1e-3


def test_checksum_of_rfc_1071() -> None:
    """The worked example of RFC 1071 section 3: sum ddf2, so checksum 220d."""
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


def test_scapy_reads_our_echo_request() -> None:
    packet = ICMP(echo_request(513, 77))
    assert (packet.type, packet.code, packet.id, packet.seq) == (8, 0, 513, 77)
    sent = packet.chksum
    del packet.chksum
    assert ICMP(bytes(packet)).chksum == sent
    assert len(packet[Raw].load) == 56


def test_expected_rtt_is_range_over_c_and_serialisation_out_and_back() -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    a, f = (plan.network.node(f"scs-01-{x}").index for x in "af")
    elapsed_s = 0.0
    for _ in range(2):
        at = plan.ephemeris.positions_km(np.array([7.25 + elapsed_s]))[:, 0]
        elapsed_s += np.linalg.norm(at[a] - at[f]) / C_KM_S + WIRE_BYTES * 8 / 1e8
    due_ms = pytest.approx(1e3 * elapsed_s, abs=ONE_NANOSECOND_MS)
    assert Expectation(plan).rtt_ms(a, f, 7.25) == due_ms


def test_expected_rtt_adds_up_the_hops_and_knows_where_there_is_no_way() -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    network, state = plan.network, plan.at(7)
    expected, hops = Expectation(plan), next_hops(network, state)
    a = network.node("scs-01-a").index
    lengths = {}
    for b in range(len(network.nodes)):
        path = walk(hops, a, b)
        assert (expected.rtt_ms(a, b, 7.25) is None) == (path == [])
        lengths[len(path)] = path
    path = lengths[max(lengths)]
    assert len(path) > 3
    pieces = sum(expected.rtt_ms(*pair, 7.25) for pair in itertools.pairwise(path))
    assert expected.rtt_ms(a, path[-1], 7.25) == pytest.approx(pieces, abs=ONE_MICROSECOND_MS)


def test_default_pairs_are_the_laser_neighbours() -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    ping = Ping(PingWorkload(kind="ping"), plan)
    links = {
        frozenset((int(plan.network.port_node[row["a"]]), int(plan.network.port_node[row["b"]])))
        for row in plan.joined(30)
        if plan.network.ports[row["a"]].kind == "isl"
    }
    assert {frozenset(pair) for pair in ping.pairs(30.0)} == links and len(links) == 10
