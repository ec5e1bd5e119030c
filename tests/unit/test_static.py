"""Precomputed routes against networkx's Dijkstra on the plan's own graph."""

import networkx
import numpy as np
import pytest

from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols.static import (
    NO_ROUTE,
    neighbour_routes,
    next_hops,
    shortest_path_routes,
    unpack,
    walk,
)


@pytest.fixture(scope="module")
def plan() -> LinkPlan:
    return LinkPlan.of(Scenario.load("three-body"))


@pytest.mark.parametrize("step", [0, 20, 160])
def test_paths_are_as_short_as_dijkstras(plan: LinkPlan, step: int) -> None:
    """Over satellites alone, where no station penalty plays a part."""
    state = plan.at(step)
    graph = plan.graph(float(step)).subgraph(
        node.name for node in plan.network.nodes if node.kind == "satellite"
    )
    best = dict(networkx.all_pairs_dijkstra_path_length(graph, weight="delay_s"))
    names = [node.name for node in plan.network.nodes]
    for a in plan.network.satellites.tolist():
        for b in plan.network.satellites.tolist():
            path = walk(next_hops(plan.network, state), a, b) if a != b else [a]
            if names[b] not in best[names[a]]:
                assert not path or any(plan.network.nodes[n].kind == "station" for n in path)
                continue
            length = networkx.path_weight(graph, [names[n] for n in path], "delay_s")
            assert length == pytest.approx(best[names[a]][names[b]], abs=1e-9)


def test_stations_end_traffic(plan: LinkPlan) -> None:
    """A station is a way through only where lasers give none."""
    hops = next_hops(
        plan.network, plan.at(100)
    )  # L, K and D all see Sanya, and each other over lasers
    for a in ("scs-01-l", "scs-01-d"):
        for b in ("scs-01-k", "scs-01-f"):
            path = walk(hops, plan.network.node(a).index, plan.network.node(b).index)
            assert all(plan.network.nodes[hop].kind == "satellite" for hop in path)


def test_routes_point_at_lit_ports_towards_the_next_hop(plan: LinkPlan) -> None:
    state = plan.at(100)
    hops = next_hops(plan.network, state)
    routes = shortest_path_routes(plan.network, state)
    assert np.array_equal(routes == NO_ROUTE, hops < 0) and not np.all(hops < 0)
    for node, destination in np.argwhere(routes != NO_ROUTE):
        via, offset = unpack(routes[node, destination])
        port = plan.network.nodes[node].ports[offset].index
        peer = plan.network.port_node[state["peer"][port]]
        assert via == peer == hops[node, destination]


def test_neighbours_are_reached_by_the_port_that_sees_them(plan: LinkPlan) -> None:
    state = plan.at(100)
    routes = neighbour_routes(plan.network, state)
    lit = np.flatnonzero(state["peer"] >= 0)
    pairs = plan.network.port_node[lit], plan.network.port_node[state["peer"][lit]]
    joined = np.zeros(routes.shape, dtype=bool)
    joined[pairs] = True
    assert np.array_equal(routes != NO_ROUTE, joined)
    via, _ = unpack(routes[joined])
    assert np.array_equal(via, np.nonzero(joined)[1])


def test_dark_sky_has_no_routes(plan: LinkPlan) -> None:
    assert np.all(next_hops(plan.network, plan.dark()) < 0)
    assert np.all(shortest_path_routes(plan.network, plan.dark()) == NO_ROUTE)
    assert np.all(neighbour_routes(plan.network, plan.dark()) == NO_ROUTE)
