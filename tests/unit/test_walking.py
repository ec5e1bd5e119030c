"""Walks by hand, against a walk of every branch one by one, and over the routes of Dijkstra."""

import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.lab.walking import Light, Outcome, chosen, quickest, walk
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols import static

REACHED, NO_ROUTE, BLACK_HOLE, LOOP = list(Outcome)[:4]


def light_of(to: list[list[int]], used: list[list[bool]] | None = None) -> Light:
    """Every port is used unless said otherwise; a link from a to b takes 10 a + b ns."""
    ends = np.array(to)
    on = np.ones(ends.shape, dtype=bool) if used is None else np.array(used)
    delay_ns = np.where(ends >= 0, 10.0 * np.arange(len(to))[:, None] + ends, np.nan)
    return Light(on, ends, delay_ns, delay_ns, np.zeros(len(to), dtype=bool))


def walked(light: Light, ways: list[int], destination: int) -> np.ndarray:
    """Walk all nodes to one destination; ``ways``: ports of each node as bits."""
    column = np.array(ways, dtype=np.uint64)[:, None]
    return walk(chosen(column[None], light), light, np.array([destination]))[:, 0]


CHAIN = [[-1, 1], [0, 2], [1, 3], [2, -1]]
"""0 – 1 – 2 – 3; port 0 leads down, port 1 up."""


def test_a_chain_is_walked_to_its_end() -> None:
    found = walked(light_of(CHAIN), [2, 2, 2, 0], 3)
    assert found["outcome"].tolist() == [REACHED] * 4
    assert found["hops"].tolist() == [3, 2, 1, 0]
    assert found["delay_ns"].tolist() == [1 + 12 + 23, 12 + 23, 23, 0]


def test_loops_black_holes_and_missing_routes_are_told_apart() -> None:
    found = walked(light_of(CHAIN), [2, 2, 1, 0], 3)  # 1 and 2 send to each other
    assert found["outcome"].tolist() == [LOOP, LOOP, LOOP, REACHED]
    found = walked(light_of(CHAIN), [2, 1, 2, 0], 3)  # 0 and 1 do
    assert found["outcome"].tolist() == [LOOP, LOOP, REACHED, REACHED]
    found = walked(light_of(CHAIN), [1, 1, 1, 0], 3)  # down to 0, which sends into the dark
    assert found["outcome"].tolist() == [BLACK_HOLE] * 3 + [REACHED]
    found = walked(light_of(CHAIN), [2, 0, 2, 0], 3)  # 1 has no route
    assert found["outcome"].tolist() == [NO_ROUTE, NO_ROUTE, REACHED, REACHED]
    assert found["hops"].tolist() == [-1, -1, 1, 0] and np.isnan(found["delay_ns"][:2]).all()


SQUARE = [[1, 2, -1], [0, 3, -1], [0, 3, -1], [1, 2, -1]]
"""Two ways from 0 to 3, by 1 and by 2; port 2 of each node leads nowhere."""


def test_of_several_ways_the_worst_counts() -> None:
    light = light_of(SQUARE)
    assert walked(light, [3, 2, 2, 0], 3)[0].tolist() == (REACHED, 2, 2 + 23)
    for ways, worst in (
        ([3, 0, 2, 0], NO_ROUTE),
        ([3, 4, 2, 0], BLACK_HOLE),
        ([3, 1, 2, 0], LOOP),
        ([3, 4, 0, 0], BLACK_HOLE),
        ([7, 2, 2, 0], BLACK_HOLE),
        ([7, 1, 2, 0], LOOP),
    ):
        assert walked(light, ways, 3)["outcome"][0] == worst


def test_ports_that_the_kernel_knows_to_be_dark_are_passed_over() -> None:
    used = [[True, True, False]] * 4
    light = light_of(SQUARE, used)
    assert walked(light, [7, 2, 2, 0], 3)["outcome"][0] == REACHED
    assert walked(light, [4, 2, 2, 0], 3)["outcome"][0] == NO_ROUTE


def test_shorter_prefixes_stand_in_where_longer_ones_have_no_light() -> None:
    light = light_of(SQUARE, [[True, True, False]] * 4)
    held = np.array([[[4], [0], [2], [0]], [[3], [2], [1], [0]]], dtype=np.uint64)
    assert chosen(held, light)[:, 0].tolist() == [3, 2, 2, 0]


NODES, PORTS = 5, 3


@st.composite
def cases(draw: st.DrawFn) -> tuple[Light, list[int], int]:
    """Any light and any routes: ports need not even be symmetric."""
    nodes = st.integers(-1, NODES - 1)
    to = draw(st.lists(st.lists(nodes, min_size=PORTS, max_size=PORTS), min_size=5, max_size=5))
    flags = st.lists(st.booleans(), min_size=PORTS, max_size=PORTS)
    used = draw(st.lists(flags, min_size=NODES, max_size=NODES))
    ways = draw(st.lists(st.integers(0, 2**PORTS - 1), min_size=NODES, max_size=NODES))
    return light_of(to, used), ways, draw(st.integers(0, NODES - 1))


@given(cases())
@settings(max_examples=500, deadline=None)
def test_walks_are_those_of_every_branch(case: tuple[Light, list[int], int]) -> None:
    light, ways, destination = case

    def branches(node: int, seen: tuple[int, ...], delay_ns: float) -> list[tuple]:
        if node == destination:
            return [(REACHED, len(seen), delay_ns)]
        if node in seen:
            return [(LOOP, -1, np.nan)]
        ports = [p for p in range(PORTS) if light.used[node, p] and ways[node] >> p & 1]
        if not ports:
            return [(NO_ROUTE, -1, np.nan)]
        found = []
        for port in ports:
            to, hop_ns = int(light.to[node, port]), float(light.delay_ns[node, port])
            if to < 0:
                found.append((BLACK_HOLE, -1, np.nan))
            else:
                found += branches(to, (*seen, node), delay_ns + hop_ns)
        return found

    for node, row in enumerate(walked(light, ways, destination)):
        ends = branches(node, (), 0.0)
        worst = max(end[0] for end in ends)
        assert row["outcome"] == worst
        if worst == REACHED:
            assert row["hops"] == max(end[1] for end in ends)
            assert row["delay_ns"] == max(end[2] for end in ends)


@pytest.fixture(scope="module", params=["three-body", "iridium-next"])
def plan(request: pytest.FixtureRequest) -> LinkPlan:
    return LinkPlan.of(Scenario.load(request.param))


@pytest.mark.parametrize("step", [0, 20, 40])
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_precomputed_routes_reach_all_by_the_quickest_paths(
    plan: LinkPlan, step: int, share: float
) -> None:
    """Also where many a link is missing; delays against the path walked one hop at a time."""
    network, state = plan.network, plan.at(step)
    lit = np.flatnonzero(state["peer"] > np.arange(len(state)))
    draw = np.random.default_rng(step).random(len(lit)) >= share
    out = np.concatenate([lit[draw], state["peer"][lit[draw]]])
    state[out] = plan.dark()[out]
    hops = static.next_hops(network, state)
    light = Light.of(network, state, silent=False)
    ways = np.zeros(hops.shape, dtype=np.uint64)
    for node, port in np.argwhere(light.to >= 0):
        ways[node, hops[node] == light.to[node, port]] = 1 << int(port)
    found = walk(ways, light, np.arange(network.size))
    delay_ns, _ = quickest(light)
    reached = found["outcome"] == REACHED
    assert np.array_equal(reached, np.isfinite(delay_ns)) and reached.mean() > 0.1
    assert (found["outcome"][~reached] == NO_ROUTE).all()
    # Both may take either of two paths that differ by a nanosecond a hop.
    assert found["delay_ns"][reached] == pytest.approx(delay_ns[reached], abs=network.size)
    for a, b in itertools.islice(zip(*np.nonzero(reached & (hops >= 0)), strict=True), 50):
        path = static.walk(hops, a, b)
        assert found["hops"][a, b] == len(path) - 1


def test_quickest_paths_are_networkx_dijkstras(plan: LinkPlan) -> None:
    light = Light.of(plan.network, plan.at(20), silent=False)
    satellites = plan.network.satellites.tolist()
    sky = plan.graph(20 * plan.step_s).subgraph([plan.network.nodes[s].name for s in satellites])
    delay_ns, hops = quickest(light)
    by_delay = dict(networkx.all_pairs_dijkstra_path_length(sky, weight="delay_s"))
    by_hops = dict(networkx.all_pairs_shortest_path_length(sky))
    names = [node.name for node in plan.network.nodes]
    joined = 0
    for a, b in itertools.permutations(satellites, 2):
        if names[b] in by_hops[names[a]]:
            joined += 1
            assert delay_ns[a, b] == pytest.approx(1e9 * by_delay[names[a]][names[b]], abs=1)
            assert hops[a, b] == by_hops[names[a]][names[b]]
    assert joined > len(satellites)


@pytest.mark.parametrize("silent", [False, True])
def test_light_that_goes_is_seen_or_not(plan: LinkPlan, silent: bool) -> None:
    state = plan.at(0)
    port = int(np.flatnonzero(state["peer"] >= 0)[0])
    peer = int(state["peer"][port])
    node, other = (int(plan.network.port_node[p]) for p in (port, peer))
    offset = port - plan.network.nodes[node].ports[0].index
    far = peer - plan.network.nodes[other].ports[0].index
    before = Light.of(plan.network, state, silent)
    assert (before.used[node, offset], before.to[node, offset]) == (True, other)
    assert before.delay_ns[node, offset] == state["delay_ns"][peer]
    dark = state.copy()
    dark[[port, peer]] = plan.dark()[[port, peer]]
    after = Light.of(plan.network, dark, silent)
    assert (after.used[node, offset], after.to[node, offset]) == (silent, -1)
    assert (after.used[other, far], after.to[other, far]) == (silent, -1)
    assert not after.same_ways(before)
    deaf = state.copy()
    deaf["loss_ppb"][peer] = 10**9  # one way, by a fade or a fault: carriers stay
    after = Light.of(plan.network, deaf, silent)
    assert (after.used[node, offset], after.to[node, offset]) == (True, -1)
    assert (after.used[other, far], after.to[other, far]) == (True, node)
