"""Precomputed routing: shortest paths of the plan, written by netlink at each step.

The baseline that loses least: every node knows the whole sky at every moment and swaps its
table with it. The metric is one-way delay; a ground station is a way through only where there
is no other.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from emulator.linkplan import LinkPlan
from emulator.network import Network
from protocols.base import Nodes

_TRANSIT_PENALTY_NS = 10**9
"""Added to every link of a station: more than any sky path, so stations end traffic."""

Routes = dict[str, dict[str, tuple[str, int]]]
"""Per node name: destination address → (neighbour's address, offset of the port towards it)."""


def next_hops(network: Network, state: np.ndarray) -> np.ndarray:
    """Return the next node from each node to each other, shape ``(nodes, nodes)``, -1: unreachable.

    ``state`` is PORT_STATE. Dijkstra over one-way delay (scipy.sparse.csgraph).
    """
    count = len(network.nodes)
    receiver = np.flatnonzero(state["peer"] >= 0)
    tail = network.port_node[state["peer"][receiver]]
    head = network.port_node[receiver]
    station = np.zeros(count, dtype=bool)
    station[network.stations] = True
    weight = state["delay_ns"][receiver] + 1.0
    weight += _TRANSIT_PENALTY_NS * (station[tail] | station[head])
    # Of parallel links the quickest counts; coo_array would add them up.
    order = np.lexsort((weight, head, tail))
    _, first = np.unique(tail[order] * count + head[order], return_index=True)
    keep = order[first]
    graph = coo_array((weight[keep], (tail[keep], head[keep])), shape=(count, count)).tocsr()
    _, before = dijkstra(graph, return_predecessors=True)
    return _first_steps(before)


def _first_steps(before: np.ndarray) -> np.ndarray:
    """Turn predecessors (scipy: negative for none) into first steps, walking back from each end."""
    count = len(before)
    source = np.arange(count)[:, None]
    step = np.broadcast_to(np.arange(count), before.shape).copy()
    reachable = before >= 0
    step[~reachable] = -1
    while True:
        previous = np.where(reachable, before[source, np.maximum(step, 0)], -1)
        onward = reachable & (previous != source)
        if not onward.any():
            return step
        step[onward] = previous[onward]


def walk(hops: np.ndarray, a: int, b: int) -> list[int]:
    """Return the path from a to b through :func:`next_hops`, [] where there is none."""
    path = [a]
    while path[-1] != b:
        step = int(hops[path[-1], b])
        if step < 0:
            return []
        path.append(step)
    return path


def shortest_path_routes(network: Network, state: np.ndarray) -> Routes:
    """Return every node's host routes to all others it can reach."""
    hops = next_hops(network, state)
    towards = _ports_towards(network, state)
    routes: Routes = {node.name: {} for node in network.nodes}
    for source, destination in np.argwhere(hops >= 0).tolist():
        hop = int(hops[source, destination])
        routes[network.nodes[source].name][network.nodes[destination].ipv4] = (
            network.nodes[hop].ipv4,
            towards[source, hop],
        )
    return routes


def neighbour_routes(network: Network, state: np.ndarray) -> Routes:
    """Return every node's host routes to its direct neighbours."""
    routes: Routes = {node.name: {} for node in network.nodes}
    for (node, peer), offset in _ports_towards(network, state).items():
        address = network.nodes[peer].ipv4
        routes[network.nodes[node].name][address] = (address, offset)
    return routes


def _ports_towards(network: Network, state: np.ndarray) -> dict[tuple[int, int], int]:
    """Offset of the quickest port of each node towards each of its neighbours."""
    towards: dict[tuple[int, int], int] = {}
    lit = np.flatnonzero(state["peer"] >= 0)
    for port in lit[np.argsort(-state["delay_ns"][lit], kind="stable")].tolist():
        node = network.nodes[int(network.port_node[port])]
        peer = int(network.port_node[state["peer"][port]])
        towards[node.index, peer] = port - node.ports[0].index
    return towards


class Precomputed:
    """Base of schemes without daemons: writes what changed of ``routes`` at each step."""

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        self.plan = plan
        self.nodes = nodes
        self.written: Routes = {name: {} for name in nodes}

    @staticmethod
    def routes(network: Network, state: np.ndarray) -> Routes:
        """Return the routes that every node shall hold in ``state``."""
        raise NotImplementedError

    @staticmethod
    def missing() -> str:
        """Nothing is needed."""
        return ""

    @staticmethod
    def version() -> str:
        """No program is run."""
        return ""

    def start(self) -> None:
        """Nothing to start."""

    def step(self, state: np.ndarray) -> None:
        """Swap the tables of all nodes for those of ``state``."""
        for name, wanted in self.routes(self.plan.network, state).items():
            self.written[name] = self.nodes[name].replace_routes(self.written[name], wanted)

    def converge(self, state: np.ndarray, deadline_s: float) -> None:
        """Routes stand as soon as they are written."""

    def check(self) -> None:
        """Nothing can die."""

    def stop(self) -> None:
        """Nothing to stop: the routes go with the namespaces."""


class Static(Precomputed):
    """Swaps every node's routes for the shortest paths of each step."""

    routes = staticmethod(shortest_path_routes)
