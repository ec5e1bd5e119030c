"""Precomputed routing: shortest paths of the plan, written by netlink at each step.

The baseline that loses least: every node knows the whole sky at every moment and swaps its
table with it. The metric is one-way delay; a ground station is a way through only where there
is no other. Links that let nothing through, in a fade or a fault that no carrier tells, are none.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from emulator.linkplan import LinkPlan, carrying
from emulator.network import Network
from protocols.base import Footprint, Nodes, Programless

_TRANSIT_PENALTY_NS = 10**9
"""Added to every link of a station: more than any sky path, so stations end traffic."""

NO_ROUTE = -1
_OFFSET_BITS = 8


def next_hops(network: Network, state: np.ndarray) -> np.ndarray:
    """Return the next node from each node to each other, shape ``(nodes, nodes)``, -1: unreachable.

    ``state`` is PORT_STATE. Dijkstra over one-way delay (scipy.sparse.csgraph).
    """
    count = len(network.nodes)
    receiver = carrying(state)
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
    # From each destination against the light: a node's predecessor is then its next hop.
    graph = coo_array((weight[keep], (head[keep], tail[keep])), shape=(count, count)).tocsr()
    _, before = dijkstra(graph, return_predecessors=True)
    return np.maximum(before.T, NO_ROUTE)  # scipy: -9999


def walk(hops: np.ndarray, a: int, b: int) -> list[int]:
    """Return the path from a to b through :func:`next_hops`, [] where there is none."""
    path = [a]
    while path[-1] != b:
        step = int(hops[path[-1], b])
        if step < 0:
            return []
        path.append(step)
    return path


def pack(via: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return routes as integers: the neighbour's index and the offset of the port towards it."""
    return (via << _OFFSET_BITS | offset).astype(np.int32)


def unpack(routes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (neighbours, port offsets) of packed routes."""
    return routes >> _OFFSET_BITS, routes & ((1 << _OFFSET_BITS) - 1)


def shortest_path_routes(network: Network, state: np.ndarray) -> np.ndarray:
    """Return every node's packed route to each other, shape ``(nodes, nodes)``, or NO_ROUTE."""
    hops = next_hops(network, state)
    towards = ports_towards(network, state, carrying(state))
    offset = np.take_along_axis(towards, np.maximum(hops, 0), axis=1)
    return np.where(hops < 0, NO_ROUTE, pack(hops, offset))


def neighbour_routes(network: Network, state: np.ndarray) -> np.ndarray:
    """Return every node's packed route to each direct neighbour, in the same shape."""
    towards = ports_towards(network, state)
    neighbours = np.arange(len(network.nodes))[None, :]
    return np.where(towards < 0, NO_ROUTE, pack(neighbours, towards))


def ports_towards(
    network: Network, state: np.ndarray, ports: np.ndarray | None = None
) -> np.ndarray:
    """Offset of the quickest port of each node towards each other, -1 where no light joins them.

    ``ports``: those that may be taken. Default: all that see light, whatever it carries.
    """
    first = np.array([node.ports[0].index if node.ports else 0 for node in network.nodes])
    lit = np.flatnonzero(state["peer"] >= 0) if ports is None else ports
    lit = lit[np.argsort(-state["delay_ns"][lit], kind="stable")]
    node = network.port_node[lit]
    towards = np.full((len(network.nodes),) * 2, -1, dtype=np.int32)
    towards[node, network.port_node[state["peer"][lit]]] = lit - first[node]
    return towards


class Precomputed(Programless):
    """Base of schemes without daemons: writes what changed of ``routes`` at each step."""

    floods = False
    footprint = Footprint()

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        self.plan = plan
        self.nodes = nodes
        self.written = np.full((len(nodes),) * 2, NO_ROUTE, dtype=np.int32)
        """Packed routes, as :func:`shortest_path_routes` returns them."""

    @staticmethod
    def routes(network: Network, state: np.ndarray) -> np.ndarray:
        """Return the packed routes that every node shall hold in ``state``."""
        raise NotImplementedError

    def start(self) -> None:
        """Nothing to start."""

    def step(self, state: np.ndarray) -> None:
        """Swap the tables of all nodes for those of ``state``."""
        self.write(self.routes(self.plan.network, state))

    def write(self, wanted: np.ndarray) -> None:
        """Make all nodes hold the packed routes ``wanted``; only what differs is sent."""
        differs = wanted != self.written
        for handle in self.nodes.values():
            node = handle.node.index
            changed = np.flatnonzero(differs[node])
            if len(changed):
                there = wanted[node, changed] != NO_ROUTE
                via, offset = unpack(wanted[node, changed[there]])
                handle.write_routes(changed[there], via, offset)
                handle.remove_routes(changed[~there])
        self.written = wanted

    def converge(self, state: np.ndarray, deadline_s: float) -> None:
        """Routes stand as soon as they are written."""

    def check(self) -> None:
        """Nothing can die."""

    def stop(self) -> None:
        """Nothing to stop: the routes go with the namespaces."""


class Static(Precomputed):
    """Swaps every node's routes for the shortest paths of each step."""

    routes = staticmethod(shortest_path_routes)
