"""Echo packets byte by byte, and the round trip that geometry predicts."""

import itertools

import numpy as np
import pytest
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.packet import Raw

from emulator.lab.fib import Tables
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.units import C_KM_S
from emulator.workloads import PingWorkload
from protocols.ping import (
    WIRE_BYTES,
    Expectation,
    Ping,
    echo_request,
    internet_checksum,
)
from protocols.static import next_hops, walk
from tests.unit.toys import walker_table

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


def test_scapy_reads_our_echo_request_of_ipv6() -> None:
    packet = ICMPv6EchoRequest(echo_request(513, 77, family=6))
    assert (packet.type, packet.code, packet.id, packet.seq) == (128, 0, 513, 77)
    assert len(packet.data) == 56
    assert len(IPv6() / packet) + 14 == WIRE_BYTES[6]


@pytest.mark.parametrize(("protocol", "header"), [("frr-ospf", 20), ("bird-ospf6", 40)])
def test_an_echo_is_expected_to_be_as_long_as_its_header_makes_it(protocol, header) -> None:
    scenario = Scenario.load("three-body")
    section = scenario.routing.model_copy(update={"protocol": protocol})
    plan = LinkPlan.of(scenario.model_copy(update={"routing": section}))
    a, f = (plan.network.node(f"scs-01-{x}").index for x in "af")
    flight = LinkPlan.of(scenario.model_copy(update={"routing": scenario.routing}))
    more_ms = Expectation(plan).rtt_ms(a, f, 7.25) - Expectation(flight).rtt_ms(a, f, 7.25)
    assert more_ms == pytest.approx(2e3 * 8 * (header - 20) / 1e8, abs=ONE_NANOSECOND_MS)


def test_expected_rtt_is_range_over_c_and_serialisation_out_and_back() -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    a, f = (plan.network.node(f"scs-01-{x}").index for x in "af")
    elapsed_s = 0.0
    for _ in range(2):
        at = plan.ephemeris.positions_km(np.array([7.25 + elapsed_s]))[:, 0]
        elapsed_s += np.linalg.norm(at[a] - at[f]) / C_KM_S + WIRE_BYTES[4] * 8 / 1e8
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


@pytest.fixture(scope="module")
def ring() -> LinkPlan:
    """Eight satellites, whose light does not change."""
    return LinkPlan.of(Scenario.from_table(walker_table("53:8/1/0", 1500.0, isl=[RING])))


def routes(plan: LinkPlan, *ways: tuple[float, int, int, str]) -> Tables:
    """Tables in which node a holds a route to node b by such ports from such a time on."""
    name = [node.name for node in plan.network.nodes]
    rows = [(t_s, name[a], "replace", name[b], ports, "x") for t_s, a, b, ports in ways]
    return Tables.of(plan.network, rows)


RING = {"pattern": "ring"}
AROUND = [(0.0, a, 1, "isl1") for a in (0, 7, 6, 5, 4, 3, 2)]
"""To the second satellite the long way round."""


def test_rtt_over_the_routes_is_that_of_the_way_they_lead(ring: LinkPlan) -> None:
    tables = routes(ring, *AROUND, (0.0, 1, 0, "isl1"))
    expected = Expectation(ring, tables)
    pieces_ms = sum(expected.rtt_ms(a, (a - 1) % 8, 5.0) / 2 for a in (0, 7, 6, 5, 4, 3, 2))
    pieces_ms += expected.rtt_ms(1, 0, 5.0) / 2
    assert pieces_ms > 4 * expected.rtt_ms(0, 1, 5.0) / 2
    assert expected.path_ms(0, 1, 5.0) == pytest.approx(pieces_ms, abs=ONE_MICROSECOND_MS)


def test_rtt_over_the_quickest_routes_is_the_quickest(ring: LinkPlan) -> None:
    expected = Expectation(ring, routes(ring, (0.0, 0, 1, "isl0"), (0.0, 1, 0, "isl1")))
    assert expected.path_ms(0, 1, 5.0) == expected.rtt_ms(0, 1, 5.0)


def test_each_hop_goes_by_the_routes_of_its_own_moment(ring: LinkPlan) -> None:
    """The way back changes while the packet is on its way there."""
    plain = [(0.0, 0, 1, "isl0"), (0.0, 1, 0, "isl1")]
    one_way_s = Expectation(ring).rtt_ms(0, 1, 5.0) / 2e3
    for moment_s, gone in ((5.0 + 0.9 * one_way_s, True), (5.0 + 1.1 * one_way_s, False)):
        expected = Expectation(ring, routes(ring, *plain, (moment_s, 1, 0, "")))
        assert (expected.path_ms(0, 1, 5.0) is None) == gone


@pytest.mark.parametrize(
    "ways",
    [
        [],
        [(0.0, 0, 1, "isl0")],
        [(0.0, 0, 1, "isl2"), (0.0, 1, 0, "isl1")],
        [(0.0, 0, 1, "isl0 isl1"), *AROUND[1:], (0.0, 1, 0, "isl1")],
        [(0.0, 0, 1, "isl1"), (0.0, 7, 1, "isl0"), (0.0, 1, 0, "isl1")],
    ],
    ids=["no routes", "no way back", "dark port", "several ways", "loop"],
)
def test_where_no_single_way_leads_there_and_back_nothing_is_expected(
    ring: LinkPlan, ways: list[tuple]
) -> None:
    assert Expectation(ring, routes(ring, *ways)).path_ms(0, 1, 5.0) is None


def test_a_dark_port_beside_a_lit_one_leaves_a_single_way(ring: LinkPlan) -> None:
    expected = Expectation(ring, routes(ring, (0.0, 0, 1, "isl0 isl3"), (0.0, 1, 0, "isl1")))
    assert expected.path_ms(0, 1, 5.0) == expected.rtt_ms(0, 1, 5.0)


def test_without_recorded_routes_no_path_is_known(ring: LinkPlan) -> None:
    assert Expectation(ring).path_ms(0, 1, 5.0) is None


def test_default_pairs_are_the_laser_neighbours() -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    ping = Ping(PingWorkload(kind="ping"), plan)
    links = {
        frozenset((int(plan.network.port_node[row["a"]]), int(plan.network.port_node[row["b"]])))
        for row in plan.joined(30)
        if plan.network.ports[row["a"]].kind == "isl"
    }
    assert {frozenset(pair) for pair in ping.pairs(30.0)} == links and len(links) == 10
