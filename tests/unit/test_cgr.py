"""Earliest arrival over contacts, against every path there is on small random contact plans."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from emulator.cgr import HOP, NONE, all_first_hops, find_route, hops_of, passage_s
from emulator.contactplan import ContactPlan
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.units import C_KM_S
from protocols.cgr import Cgr
from protocols.static import NO_ROUTE, unpack

NODES = 6


def table(*rows: tuple[int, int, float, float, float]) -> np.ndarray:
    """Contacts of 8 Mbit/s by tail, head, start, end and light time."""
    hops = np.zeros(len(rows), dtype=HOP)
    for name, column in zip(HOP.names, [*zip(*rows, strict=True), [8e6] * len(rows)], strict=True):
        hops[name] = column
    return hops


def random_table(seed: int) -> np.ndarray:
    """Contacts between six nodes; light times are a good part of their length."""
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(14):
        tail, head = draw.choice(NODES, 2, replace=False)
        start = float(draw.integers(0, 20))
        rows.append((tail, head, start, start + draw.integers(1, 8), draw.integers(0, 12) / 4))
    return table(*rows)


def brute_force(hops: np.ndarray, source: int, at_s: float, size_bytes: float = 0) -> np.ndarray:
    """Earliest arrivals at all nodes, over every way that visits no node twice."""
    best = np.full(NODES, np.inf)

    def go(node: int, now_s: float, seen: frozenset[int]) -> None:
        best[node] = min(best[node], now_s)
        for hop in hops[hops["tail"] == node]:
            leave_s = max(now_s, hop["start_s"])
            sent_s = leave_s + 8 * size_bytes / hop["rate_bps"]
            if leave_s < hop["end_s"] and sent_s <= hop["end_s"] and int(hop["head"]) not in seen:
                go(int(hop["head"]), sent_s + hop["delay_s"], seen | {int(hop["head"])})

    go(source, at_s, frozenset({source}))
    return best


@pytest.mark.parametrize("seed", range(40))
def test_nothing_arrives_earlier_by_any_path(seed: int) -> None:
    hops, at_s = random_table(seed), float(seed % 7)
    first, arrival_s = all_first_hops(hops, NODES, at_s)
    for source in range(NODES):
        best = brute_force(hops, source, at_s)
        assert np.array_equal(arrival_s[source], best)
        for to in range(NODES):
            route = find_route(hops, source, to, at_s)
            assert (route is None) == np.isinf(best[to])
            assert (first[source, to] == NONE) == (route is None or to == source)
            if route is None:
                continue
            assert route.arrival_s == best[to]
            if to != source:
                # what the table calls the first hop begins a way that is as early
                hop = hops[first[source, to]]
                assert hop["tail"] == source
                there_s = float(passage_s(hop, at_s))
                assert brute_force(hops, int(hop["head"]), there_s)[to] == best[to]


@pytest.mark.parametrize("seed", range(10))
def test_data_with_a_size_need_contacts_that_last(seed: int) -> None:
    hops, size_bytes = random_table(seed), 2.5e6  # for 2.5 s
    for source in range(NODES):
        best = brute_force(hops, source, 0.0, size_bytes)
        routes = [find_route(hops, source, to, 0.0, size_bytes) for to in range(NODES)]
        assert [np.inf if r is None else r.arrival_s for r in routes] == best.tolist()


def test_a_route_waits_where_that_is_earlier() -> None:
    hops = table(
        (0, 3, 50.0, 90.0, 1.0),  # direct, late
        (0, 1, 0.0, 10.0, 1.0),
        (1, 2, 5.0, 20.0, 2.0),
        (2, 3, 30.0, 40.0, 3.0),
    )
    route = find_route(hops, 0, 3, 0.0)
    assert route.hops == (1, 2, 3) and route.arrival_s == 33.0 and route.until_s == 10.0
    assert find_route(hops, 0, 3, 10.0).hops == (0,)
    assert find_route(hops, 0, 3, 90.0) is None and find_route(hops, 3, 0, 0.0) is None
    assert find_route(hops, 2, 2, 7.0).hops == ()


def test_contacts_to_come_count_in_whatever_number() -> None:
    """One contact a second, all to the same neighbour, and only the last one goes on."""
    rows = [(0, 1, float(s), s + 0.5, 0.1) for s in range(2000)]
    hops = table(*rows, (1, 2, 1998.5, 1999.0, 0.1), (0, 2, 1998.7, 1999.0, 0.1))
    first, arrival_s = all_first_hops(hops, 3, 0.25)
    assert first[0].tolist() == [NONE, 0, 0]
    assert arrival_s[0].tolist() == pytest.approx([0.25, 0.35, 1998.6])


@pytest.fixture(scope="module")
def plan() -> LinkPlan:
    run = {"duration_s": 1800.0, "step_s": 10.0}
    scenario = Scenario.load("three-body")
    return LinkPlan.of(
        scenario.model_copy(update={"scenario": scenario.scenario.model_copy(update=run)})
    )


def test_the_hops_are_those_of_the_contact_plan(plan: LinkPlan) -> None:
    hops, names = hops_of(plan), [node.name for node in plan.network.nodes]
    contacts = ContactPlan.of(plan).contacts
    assert len(hops) == 2 * len(contacts) > 40
    for hop, back, contact in zip(
        hops[: len(contacts)], hops[len(contacts) :], contacts, strict=True
    ):
        assert (names[hop["tail"]], names[hop["head"]]) == contact.nodes
        assert (names[back["head"]], names[back["tail"]]) == contact.nodes
        for each in (hop, back):
            assert (each["start_s"], each["end_s"]) == (contact.start_s, contact.end_s)
            assert each["delay_s"] == pytest.approx(contact.range_start_km / C_KM_S)


def test_routes_are_first_hops_that_are_there_now(plan: LinkPlan) -> None:
    """What is reached at once is reached by Dijkstra's ways; nothing goes round in a circle."""
    routing, network = Cgr(plan, {}), plan.network
    waits = 0
    for step in range(0, plan.steps, 9):
        state = plan.at(step)
        routes = routing.table(step, state)
        via, offset = unpack(routes)
        best_ns = delays_ns(plan, state)
        for a, b in np.argwhere(routes != NO_ROUTE):
            port = network.nodes[a].ports[offset[a, b]].index
            assert network.port_node[state["peer"][port]] == via[a, b]
        for a, b in np.argwhere(~np.eye(network.size, dtype=bool)):
            at, passed, taken_ns = a, {a}, 0
            while at != b and routes[at, b] != NO_ROUTE:
                port = network.nodes[at].ports[offset[at, b]].index
                taken_ns += state["delay_ns"][state["peer"][port]]
                at = via[at, b]
                assert at not in passed
                passed.add(at)
            if at == b:
                assert taken_ns == pytest.approx(best_ns[a, b], rel=1e-6)
            elif np.isfinite(best_ns[a, b]):
                raise AssertionError(f"{a} has a way to {b} at step {step}")
            else:
                waits += len(passed) > 1
    assert waits > 0  # somewhere a node hands on what its neighbour would have to keep


def delays_ns(plan: LinkPlan, state: np.ndarray) -> np.ndarray:
    lit = np.flatnonzero(state["peer"] >= 0)
    ends = plan.network.port_node[state["peer"][lit]], plan.network.port_node[lit]
    order = np.argsort(state["delay_ns"][lit])
    _, first = np.unique(ends[0][order] * 1000 + ends[1][order], return_index=True)
    own = order[first]
    weights = state["delay_ns"][lit][own].astype(float)
    size = (plan.network.size,) * 2
    return shortest_path(coo_array((weights, (ends[0][own], ends[1][own])), shape=size).tocsr())


def test_a_contact_that_failed_is_left_out(plan: LinkPlan) -> None:
    routing, state = Cgr(plan, {}), plan.at(0)
    routes = routing.table(0, state)
    node, to = np.argwhere(routes != NO_ROUTE)[0]
    _, offset = unpack(routes)
    port = plan.network.nodes[node].ports[offset[node, to]].index
    broken = state.copy()
    broken["peer"][[port, state["peer"][port]]] = -1
    after = routing.table(0, broken)
    used = (after != NO_ROUTE)[node] & (unpack(after)[1][node] == offset[node, to])
    assert not used.any()
