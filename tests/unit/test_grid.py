"""Greedy routes on (plane, slot): shortest in a whole grid, delivered where one link is dead."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from emulator.errors import ScenarioError
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols.grid import Grid, Places, greedy_hops
from protocols.static import NO_ROUTE, next_hops, unpack
from tests.unit.toys import walker_table

CLOSED = [
    Places(6, 11, True, 3),
    Places(3, 4, True, 1),
    Places(4, 5, True, 2),
    Places(5, 6, True, 0),
]
OPEN = [Places(6, 11, False), Places(2, 6, False), Places(1, 8, False)]


def hop_counts(hops: np.ndarray) -> np.ndarray:
    """How many hops packets take from each to each, infinite where they come to nothing."""
    count = len(hops)
    to = np.broadcast_to(np.arange(count), (count, count))
    at, taken = to.T.copy(), np.zeros((count, count))
    for _ in range(4 * count):  # more than any way without a loop
        going = (at != to) & (at >= 0)
        taken += going
        at = np.where(going, hops[np.maximum(at, 0), to], at)
    return np.where(at == to, taken, np.inf)


def fewest(neighbours: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """The fewest hops there are."""
    own, _ = np.nonzero(joined)
    count = len(neighbours)
    graph = coo_array((np.ones(len(own)), (own, neighbours[joined])), shape=(count, count))
    return shortest_path(graph.tocsr(), unweighted=True)


def without_each_link(places: Places) -> list[np.ndarray]:
    """Which links there are when one is dead, for every one."""
    neighbours = places.neighbours()
    found = []
    for a, b in np.argwhere(neighbours >= 0):
        other = neighbours[a, b]
        if a < other:
            joined = neighbours >= 0
            joined[a, neighbours[a] == other] = joined[other, neighbours[other] == a] = False
            found.append(joined)
    return found


@pytest.mark.parametrize("places", CLOSED + OPEN)
def test_a_whole_grid_has_the_fewest_hops(places: Places) -> None:
    neighbours, joined = places.neighbours(), places.neighbours() >= 0
    taken = hop_counts(greedy_hops(neighbours, places.order(), joined))
    assert np.array_equal(taken, fewest(neighbours, joined))
    assert np.array_equal(taken, np.abs(np.stack(places.offsets())).sum(axis=0))


@pytest.mark.parametrize("places", CLOSED)
def test_round_a_closed_grid_any_one_link_may_be_dead(places: Places) -> None:
    """All pairs arrive, with two hops more than needed at most."""
    neighbours, order = places.neighbours(), places.order()
    for joined in without_each_link(places):
        taken = hop_counts(greedy_hops(neighbours, order, joined))
        assert (taken <= fewest(neighbours, joined) + 2).all()


def test_of_an_open_grid_only_the_outermost_planes_may_lose_packets() -> None:
    places = OPEN[0]
    neighbours, order = places.neighbours(), places.order()
    lost = 0
    for joined in without_each_link(places):
        taken = hop_counts(greedy_hops(neighbours, order, joined))
        for a, b in np.argwhere(np.isinf(taken)):
            plane = b // places.per_plane
            assert plane in (0, places.planes - 1)
            # a link within that very plane is dead
            within = joined[plane * places.per_plane : (plane + 1) * places.per_plane, 2:]
            assert not within.all() and a != b
        lost += int(np.isinf(taken).sum())
    pairs = len(without_each_link(places)) * 66 * 65
    assert 0 < lost / pairs < 0.004


def test_the_grid_is_that_of_the_plan() -> None:
    table = walker_table("53:24/4/3", 8000.0, isl=[{"pattern": "grid"}])
    table["terminals"]["laser"]["max_range_km"] = 60000.0
    plan = LinkPlan.of(Scenario.from_table(table))
    state, neighbours = plan.at(0), Places.of(plan.scenario).neighbours()
    lit = np.flatnonzero(state["peer"] >= 0)
    pairs = plan.network.port_node[lit], plan.network.port_node[state["peer"][lit]]
    assert set(zip(*(p.tolist() for p in pairs), strict=True)) == {
        (a, int(b)) for a, row in enumerate(neighbours) for b in row
    }


def test_where_poles_cut_the_links_across_planes_packets_go_round() -> None:
    """All pairs at all times, at most three times the fewest hops."""
    table = walker_table("86.4:66/6/3", 780.0, "star")
    table["isl"] = [{"pattern": "grid", "seam": "open", "latitude_cut_deg": 70.0}]
    table["scenario"] |= {"duration_s": 600.0, "step_s": 20.0}
    plan = LinkPlan.of(Scenario.from_table(table))
    grid = Grid(plan, {})
    grid.written = np.full((66, 66), NO_ROUTE, dtype=np.int32)
    worst = 0.0
    for step in range(plan.steps):
        grid.step(plan.at(step))
        via, _ = unpack(grid.written)
        taken = hop_counts(np.where(grid.written == NO_ROUTE, NO_ROUTE, via))
        best = hop_counts_of_plan(plan, step)
        assert np.isfinite(taken).all()
        worst = max(worst, float((taken / np.maximum(best, 1)).max()))
    assert worst <= 3.0


def hop_counts_of_plan(plan: LinkPlan, step: int) -> np.ndarray:
    state = plan.at(step)
    lit = np.flatnonzero(state["peer"] >= 0)
    ends = plan.network.port_node[lit], plan.network.port_node[state["peer"][lit]]
    count = plan.network.size
    graph = coo_array((np.ones(len(lit)), ends), shape=(count, count)).tocsr()
    return shortest_path(graph, unweighted=True)


def test_stations_are_where_their_satellite_is() -> None:
    table = walker_table("53:66/6/1", 1200.0, isl=[{"pattern": "grid"}])
    antennas = {"kind": "radio", "count": 2}
    table["ground"] = {
        "station": [
            {"name": "rome", "latitude_deg": 41.9, "longitude_deg": 12.5, "antennas": antennas},
            {"name": "lima", "latitude_deg": -12.0, "longitude_deg": -77.0, "antennas": antennas},
            {"name": "pole", "latitude_deg": 89.0, "longitude_deg": 0.0, "antennas": antennas},
        ]
    }
    plan = LinkPlan.of(Scenario.from_table(table))
    grid, state = Grid(plan, {}), plan.at(0)
    grid.written = np.full((plan.network.size,) * 2, NO_ROUTE, dtype=np.int32)
    grid.step(state)
    via, offset = unpack(grid.written)
    taken = hop_counts(np.where(grid.written == NO_ROUTE, NO_ROUTE, via))
    rome, lima, pole = plan.network.stations.tolist()
    reachable = next_hops(plan.network, state) >= 0
    np.fill_diagonal(reachable, True)
    assert np.array_equal(np.isfinite(taken), reachable)
    assert taken[rome, lima] <= 2 + 6 + 11 and np.isinf(taken[rome, pole])
    for a, b in np.argwhere(grid.written != NO_ROUTE):
        port = plan.network.nodes[a].ports[offset[a, b]].index
        assert plan.network.port_node[state["peer"][port]] == via[a, b]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"isl": [{"pattern": "ring"}]}, r"no \[\[isl\]\] lays a grid over 'sat'"),
        ({"constellation": "two"}, "there are 2 constellations"),
    ],
)
def test_skies_without_a_grid_are_refused(change: dict, reason: str) -> None:
    table = walker_table(isl=[{"pattern": "grid"}], routing={"protocol": "grid"})
    if change.pop("constellation", ""):
        table["constellation"].append({**table["constellation"][0], "name": "more"})
    with pytest.raises(ScenarioError, match=f"routing.protocol = 'grid'.*{reason}"):
        Scenario.from_table({**table, **change})
