"""In a steady sky all kernels hold the cheapest ways there are, by each protocol's own metric.

The sky is irregular: links of two kinds and costs, some missing, one whose cost is raised, a ground
station that is a way through. Dijkstra's algorithm (scipy) has the last word, for every pair.

Two schemes have no metric: ``grid`` promises the fewest hops in a whole grid and two more at most
beside a dead link (test_grid.py), ``srv6`` the quickest way to the corner and on (test_srv6.py).
Between planes of one AS each, BGP's ways are held against Bellman and Ford's in test_frr_family.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from emulator.network import Family, Port
from emulator.scenario import Scenario
from protocols import bird_babel, bird_bgp, bird_ospf, frr_bgp, frr_isis, frr_ospf
from protocols.babeld import Babeld
from protocols.bird_ospf6 import BirdOspf6
from protocols.cgr import Cgr
from protocols.frr_openfabric import FrrOpenFabric
from protocols.frr_ospf6 import FrrOspf6
from protocols.oracle import Oracle
from protocols.static import Static
from tests.kernel.test_bird import Tables, held
from tests.kernel.test_frr import ended
from tests.kernel.toys import NOTICED_S, Build

CONVERGE_S = 60.0
STATION_NS = 10**9
"""More than any way takes: by stations only where there is no other."""
MISSING = {
    "toy-01-01": ("toy-01-02", "toy-02-01", "toy-03-04"),
    "toy-03-02": ("toy-03-03", "toy-02-02", "toy-01-03"),
}
"""Both are left one laser, and a radio to the station."""
RAISED = "toy-01-04", "toy-02-04"

Cost = Callable[[LinkPlan, np.ndarray, Port, bool], float]
"""Of sending by a port, in a PORT_STATE, its cost raised or not."""


def of_kind(raised: int) -> Cost:
    """The scenario's costs of lasers and radios."""
    return lambda plan, _, port, high: raised if high else plan.scenario.routing.cost(port.kind)


def hops(plan: LinkPlan, _: np.ndarray, port: Port, high: bool) -> float:
    """Length of an AS path: one a hop and what is prepended."""
    return 1 + frr_bgp.COSTLY_HOPS if high else frr_bgp.hops(plan.scenario.routing, port.kind)


def delay(_: LinkPlan, state: np.ndarray, port: Port, high: bool) -> float:
    """One-way delay, in nanoseconds."""
    return float(state["delay_ns"][port.index])


def delay_around_stations(plan: LinkPlan, state: np.ndarray, port: Port, high: bool) -> float:
    """The same, and STATION_NS where an end of the link is a station."""
    ends = plan.network.port_node[[port.index, state["peer"][port.index]]]
    return delay(plan, state, port, high) + STATION_NS * np.isin(ends, plan.network.stations).any()


@dataclass(frozen=True)
class Promise:
    """A protocol's metric, and whether it takes all cheapest ways or one of them."""

    scheme: type
    cost: Cost
    all_ways: bool = False
    raises: bool = True

    @property
    def family(self) -> Family:
        """Of what it routes; those that nodes are told have none but the usual one."""
        return getattr(self.scheme, "family", 4)


PROMISES = [
    Promise(frr_ospf.FrrOspf, of_kind(frr_ospf.COSTLY), all_ways=True),
    Promise(FrrOspf6, of_kind(frr_ospf.COSTLY)),
    Promise(frr_isis.FrrIsis, of_kind(frr_isis.COSTLY), all_ways=True),
    Promise(FrrOpenFabric, of_kind(frr_isis.COSTLY), all_ways=True),
    Promise(frr_bgp.FrrBgp, hops, all_ways=True),
    Promise(bird_ospf.BirdOspf, of_kind(frr_ospf.COSTLY), all_ways=True),
    Promise(BirdOspf6, of_kind(frr_ospf.COSTLY), all_ways=True),
    Promise(bird_bgp.BirdBgp, of_kind(bird_bgp.RAISED)),
    Promise(bird_babel.BirdBabel, of_kind(bird_babel.RAISED)),
    Promise(Babeld, of_kind(0), raises=False),
]
WRITTEN = [
    Promise(Static, delay_around_stations, raises=False),
    Promise(Oracle, delay_around_stations, raises=False),
    Promise(Cgr, delay, raises=False),
]


def irregular() -> tuple[LinkPlan, np.ndarray, frozenset[int]]:
    """Return a plan of 3 × 4 satellites and a station, a state of it, the ports of RAISED."""
    medium = {"rate_gbps": 100.0, "max_range_km": 60000.0}
    shell = {"name": "toy", "walker": "53:12/3/1", "altitude_km": 20000.0}
    terminals = {"isl": {"kind": "laser", "count": 4}, "gsl": {"kind": "ka-band", "count": 1}}
    place = {"name": "quito", "latitude_deg": 0.0, "longitude_deg": -78.5}
    antennas = {"kind": "ka-band", "count": 3}
    run = {"name": "irregular", "start": datetime(2026, 1, 1, tzinfo=UTC), "duration_s": 20.0}
    scenario = Scenario.from_table(
        {
            "scenario": {**run, "rate_scale": 1000.0},
            "terminals": {"laser": medium, "ka-band": medium},
            "constellation": ({**shell, **terminals},),
            "isl": ({"pattern": "grid"},),
            "ground": {"station": ({**place, "min_elevation_deg": 5.0, "antennas": antennas},)},
            "routing": {"protocol": "none", "isl_cost": 10, "gsl_cost": 20},
        }
    )
    plan = LinkPlan.of(scenario)
    state, dark = plan.at(0), plan.dark()
    for name, others in MISSING.items():
        for other in others:
            ends = between(plan, state, (name, other))
            state[ends] = dark[ends]
    return plan, state, frozenset(between(plan, state, RAISED))


def between(plan: LinkPlan, state: np.ndarray, pair: tuple[str, str]) -> list[int]:
    """The ports that join a pair."""
    network, peer = plan.network, state["peer"]
    a, b = (network.node(name) for name in pair)
    [port] = [p.index for p in a.ports if network.port_node[peer[p.index]] == b.index]
    return [port, int(peer[port])]


@dataclass(frozen=True)
class Metric:
    """What a promise is held against: costs of sending by each port, and of all cheapest ways."""

    plan: LinkPlan
    peer: np.ndarray
    """The node before each port, -1: none."""
    cost: np.ndarray
    cheapest: np.ndarray
    family: Family

    @classmethod
    def of(
        cls,
        plan: LinkPlan,
        state: np.ndarray,
        cost: Cost,
        raised: frozenset[int],
        family: Family = 4,
    ) -> "Metric":
        network, lit = plan.network, np.flatnonzero(state["peer"] >= 0)
        costs = np.zeros(len(state))
        costs[lit] = [cost(plan, state, network.ports[i], i in raised) for i in lit]
        peer = np.where(state["peer"] >= 0, network.port_node[state["peer"]], -1)
        edges = costs[lit], (network.port_node[lit], peer[lit])
        graph = coo_array(edges, shape=(network.size,) * 2).tocsr()
        return cls(plan, peer, costs, dijkstra(graph), family)

    def ways(self) -> Tables:
        """All first steps of cheapest ways."""
        return {
            node.name: {
                to.address(self.family): frozenset(
                    offset
                    for offset, port in enumerate(node.ports)
                    if (peer := self.peer[port.index]) >= 0
                    and self.cost[port.index] + self.cheapest[peer, to.index]
                    == self.cheapest[node.index, to.index]
                )
                for to in self.plan.network.nodes
                if to is not node
            }
            for node in self.plan.network.nodes
        }

    def walked(self, tables: Tables) -> np.ndarray:
        """Cost of the dearest way that packets may go between each two nodes; infinite: a loop."""
        nodes = self.plan.network.nodes
        found = np.full((len(nodes),) * 2, np.inf)
        np.fill_diagonal(found, 0.0)
        for _ in nodes:  # no walk that ends is longer
            before = found.copy()
            for node in nodes:
                for to in nodes:
                    ways = tables[node.name].get(to.address(self.family), ())
                    ports = [node.ports[way].index for way in ways]
                    if node is not to and ports:
                        onward = before[self.peer[ports], to.index]
                        found[node.index, to.index] = np.max(self.cost[ports] + onward)
        return found


def differing(promise: Promise, metric: Metric, tables: Tables) -> list[str]:
    """Return the pairs whose walk is not the cheapest, or does not take all cheapest ways."""
    walked, nodes = metric.walked(tables), metric.plan.network.nodes
    wrong = [
        f"{nodes[a].name} to {nodes[b].name}: {walked[a, b]:g} instead of {metric.cheapest[a, b]:g}"
        for a, b in np.argwhere(walked != metric.cheapest)
    ]
    if promise.all_ways and not wrong:
        wrong = [name for name, ways in metric.ways().items() if ways != tables[name]]
    return wrong


def test_the_sky_is_irregular_for_every_metric() -> None:
    plan, state, raised = irregular()
    names = [node.name for node in plan.network.nodes]
    one = Metric.of(plan, state, lambda *_: 1, raised)
    for promise in PROMISES:
        metric = Metric.of(plan, state, promise.cost, raised if promise.raises else frozenset())
        ways = metric.ways()
        assert ways != one.ways(), promise
        [hung, other] = (names.index(name) for name in MISSING)
        radio = len(plan.network.nodes[hung].ports) - 1
        assert ways[names[hung]][plan.network.nodes[other].ipv4] == {radio}, promise
        assert ways[names[hung]][plan.network.nodes[names.index("toy-01-04")].ipv4] != {radio}
        assert any(len(found) > 1 for table in ways.values() for found in table.values())


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.scheme.__name__)
def test_daemons_agree_on_the_cheapest_ways_of_their_metric(build: Build, promise: Promise) -> None:
    if lacking := promise.scheme.missing():
        pytest.skip(lacking)
    plan, state, raised = irregular()
    fabric = build(plan)
    fabric.apply(state)
    assert wait_for(fabric.noticed, NOTICED_S)
    with ended(promise.scheme(plan, fabric.nodes)) as routing:
        routing.start()
        routing.step(state)
        routing.converge(state, CONVERGE_S)
        high, family = raised if promise.raises else frozenset(), promise.family
        metric = Metric.of(plan, state, promise.cost, high, family)
        routing.cost_out(raised)
        agreed = wait_for(lambda: not differing(promise, metric, held(fabric, family)), CONVERGE_S)
        assert agreed, differing(promise, metric, held(fabric, family))
        routing.check()


def test_what_is_worked_out_is_the_quickest_way(build: Build) -> None:
    plan, state, _ = irregular()
    fabric = build(plan)
    fabric.apply(state)
    assert wait_for(fabric.noticed, NOTICED_S)
    for promise in WRITTEN:
        promise.scheme(plan, fabric.nodes).step(state)
        metric = Metric.of(plan, state, promise.cost, frozenset())
        assert differing(promise, metric, held(fabric)) == [], promise
