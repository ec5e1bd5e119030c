"""Numbers, names and addresses of nodes and ports."""

import ipaddress
from collections.abc import Callable

import pytest

from emulator.network import NODE_MAC, Network, Node
from emulator.scenario import Scenario
from emulator.scenario_checks import MAX_NODES

IFNAMSIZ = 16
HOST_NAME_MAX = 63


def test_satellites_come_first_and_ports_are_numbered_by_node(three_body: Scenario) -> None:
    network = Network.of(three_body)
    assert [node.name for node in network.nodes][-3:] == ["miyun", "kashi", "sanya"]
    assert network.satellites.tolist() == list(range(12))
    assert network.stations.tolist() == [12, 13, 14]
    assert [port.index for port in network.ports] == list(range(12 * 3 + 3 * 5))
    assert [port.name for port in network.nodes[0].ports] == ["isl0", "isl1", "gsl0"]
    assert all(port.node == network.port_node[port.index] for port in network.ports)
    assert network.port_label(network.nodes[12].ports[4].index) == "miyun:gsl4"


def test_names_and_addresses_are_unique_and_legal(walker_scenario: Callable) -> None:
    network = Network.of(walker_scenario("53:1584/72/39"))
    ipv4 = {ipaddress.IPv4Address(node.ipv4) for node in network.nodes}
    ipv6 = {ipaddress.IPv6Address(node.ipv6) for node in network.nodes}
    link_local = {ipaddress.IPv6Address(node.link_local) for node in network.nodes}
    assert len(ipv4) == len(ipv6) == len(link_local) == len(network.nodes) == 1584
    assert all(address in ipaddress.ip_network("10.0.0.0/8") for address in ipv4)
    assert all(address.is_private for address in ipv6)
    assert all(address.is_link_local for address in link_local)
    assert max(len(node.name) for node in network.nodes) <= HOST_NAME_MAX
    assert max(len(port.name) for port in network.ports) < IFNAMSIZ


def test_the_last_node_that_may_be_has_addresses_too() -> None:
    from emulator.network import Node

    node = Node(MAX_NODES - 1, "last", "satellite", ())
    assert node.ipv4 == "10.0.253.232"
    assert ipaddress.IPv6Address(node.ipv6) == ipaddress.IPv6Address("fd4c:6d00::fde8")


@pytest.mark.parametrize(
    ("rate_gbps", "scale", "rate_bps"),
    [
        (100.0, 1.0, 100_000_000_000),
        (100.0, 1000.0, 100_000_000),
        (1e-9, 1e6, 8),
        (1.0, 3.0, 333_333_336),
    ],
)
def test_rates_are_scaled_to_whole_bytes(
    walker_scenario: Callable, rate_gbps: float, scale: float, rate_bps: int
) -> None:
    kind = {"rate_gbps": rate_gbps, "max_range_km": 1000.0}
    scenario = walker_scenario(
        scenario={"rate_scale": scale}, terminals={"laser": kind, "radio": kind}
    )
    assert set(Network.of(scenario).port_rate_bps.tolist()) == {rate_bps}


def test_an_unknown_node_is_answered_with_the_known(three_body: Scenario) -> None:
    network = Network.of(three_body)
    assert network.node("kashi").index == 13
    with pytest.raises(KeyError, match=r"no node 'kasgar'.*kashi"):
        network.node("kasgar")


def test_a_link_local_address_tells_the_mac_of_all_ports() -> None:
    """As RFC 4291, appendix A, puts it there: around two bytes that FRR does not look at."""
    node = Network.of(Scenario.load("three-body")).nodes[4]
    identifier = ipaddress.IPv6Address(node.link_local).packed[8:]
    mac = bytes((identifier[0] ^ 2, *identifier[1:3], *identifier[5:]))
    assert mac.hex(":") == NODE_MAC
    assert int.from_bytes(identifier[3:5]) == 5
    assert ipaddress.IPv6Address(node.link_local) in ipaddress.IPv6Network("fe80::/64")


def test_of_a_hundred_thousand_nodes_each_has_its_own_link_local_address() -> None:
    found = {Node(index, "", "satellite", ()).link_local for index in range(0, 100_000, 7)}
    assert len(found) == len(range(0, 100_000, 7))
