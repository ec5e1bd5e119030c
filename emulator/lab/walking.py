"""One moment: tables and light → where packets end up, how long they take, how long they need to.

A port without light is passed over by a kernel that sees its carrier gone; where light is lost
silently, packets go there and are lost.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from emulator.linkplan import ALL_LOST_PPB
from emulator.network import Network

_TRANSIT_PENALTY = 1e12
"""Added to every link of a station, in nanoseconds or hops: more than any path has."""


class Outcome(IntEnum):
    """What becomes of packets from one node to another; of several ways the worst counts."""

    REACHED = 0
    NO_ROUTE = 1
    """A node on the way has no route that it could use, and says so to the sender."""
    BLACK_HOLE = 2
    """A node on the way sends into the dark."""
    LOOP = 3
    APART = 4
    """No light joins the two: routing is not to blame."""


WALK = np.dtype([("outcome", "i1"), ("hops", "<i4"), ("delay_ns", "<f8")])
"""``hops`` and ``delay_ns`` (propagation alone) are those of the longest of several ways, -1 and
NaN where packets do not arrive."""

_OPEN = -1


@dataclass(frozen=True)
class Light:
    """What each port of each node can do at a moment, all of shape ``(nodes, ports of a node)``."""

    used: np.ndarray
    """Whether the kernel sends by this port."""
    to: np.ndarray
    """The node that hears it, -1: none."""
    delay_ns: np.ndarray
    rate_bps: np.ndarray
    station: np.ndarray
    """Which nodes are stations, shape ``(nodes,)``."""

    @classmethod
    def of(cls, network: Network, state: np.ndarray, silent: bool) -> "Light":
        """``state`` is PORT_STATE; ``silent``: kernels do not see that light is lost."""
        ports = len(network.port_node)
        first = np.searchsorted(network.port_node, np.arange(network.size))
        cell = network.port_node, np.arange(ports) - first[network.port_node]
        shape = network.size, int(cell[1].max(initial=0)) + 1
        lit, peer = state["peer"] >= 0, np.maximum(state["peer"], 0)
        heard = lit & (state["peer"][peer] == np.arange(ports))
        heard &= state["loss_ppb"][peer] < ALL_LOST_PPB
        used, to = np.zeros(shape, dtype=bool), np.full(shape, -1)
        used[cell] = lit | silent
        to[cell] = np.where(heard, network.port_node[peer], -1)
        delay_ns, rate_bps = np.full((2, *shape), np.nan)
        delay_ns[cell] = np.where(heard, state["delay_ns"][peer], np.nan)
        rate_bps[cell] = np.where(heard, state["rate_bps"][peer], np.nan)
        station = np.zeros(network.size, dtype=bool)
        station[network.stations] = True
        return cls(used, to, delay_ns, rate_bps, station)

    def same_ways(self, other: "Light") -> bool:
        """Whether packets go the same ways under both, however long they take."""
        return np.array_equal(self.used, other.used) and np.array_equal(self.to, other.to)


def chosen(held: np.ndarray, light: Light) -> np.ndarray:
    """Return the ports each node would send by to each destination, ``(nodes, destinations)``.

    ``held`` is one table for each length of prefixes, the longest first (fib.py). As in the
    kernel's fib_table_lookup, a route all of whose ports are passed over does not count.
    """
    bits = np.left_shift(np.uint64(1), np.arange(light.used.shape[1], dtype=np.uint64))
    usable = (light.used * bits).sum(axis=1, dtype=np.uint64)[:, None]
    ways = np.zeros(held.shape[1:], dtype=np.uint64)
    for table in held:
        ways = np.where(ways == 0, table & usable, ways)
    return ways


def walk(ways: np.ndarray, light: Light, destinations: np.ndarray) -> np.ndarray:
    """Walk from every node to ``destinations``, shape ``(nodes, destinations)``, dtype WALK.

    ``ways``: ports as bits, of the same shape. Backwards from where packets end, hop by hop: what
    never gets an end goes round, or may.
    """
    offsets = np.arange(light.to.shape[1], dtype=np.uint64)[:, None]
    # Axes: node, port, destination.
    used = (ways[:, None, :] >> offsets) & np.uint64(1) != 0
    dark = used & (light.to < 0)[:, :, None]
    step_ns = np.where(used, light.delay_ns[:, :, None], 0.0)
    hop = np.maximum(light.to, 0)
    found = np.zeros(ways.shape, dtype=WALK)
    outcome, hops, delay_ns = (found[name].copy() for name in WALK.names)
    outcome[:] = np.where(used.any(axis=1), _OPEN, Outcome.NO_ROUTE)
    outcome[destinations, np.arange(len(destinations))] = Outcome.REACHED
    while True:
        there = np.where(dark, Outcome.BLACK_HOLE, outcome[hop])
        ready = (outcome == _OPEN) & ((there != _OPEN) | ~used).all(axis=1)
        if not ready.any():
            break
        outcome[ready] = np.where(used, there, Outcome.REACHED).max(axis=1)[ready]
        hops[ready] = np.where(used, hops[hop] + 1, 0).max(axis=1)[ready]
        delay_ns[ready] = np.where(used, delay_ns[hop] + step_ns, 0.0).max(axis=1)[ready]
    outcome[outcome == _OPEN] = Outcome.LOOP
    arrived = outcome == Outcome.REACHED
    found["outcome"] = outcome
    found["hops"] = np.where(arrived, hops, -1)
    found["delay_ns"] = np.where(arrived, delay_ns, np.nan)
    return found


def quickest(light: Light) -> tuple[np.ndarray, np.ndarray]:
    """Return delay in nanoseconds and hops of the best paths there are, ``(nodes, nodes)`` each.

    Dijkstra (scipy.sparse.csgraph), for delay and for hops apart; infinite where no light leads.
    A station is a way through only where there is no other.
    """
    tail, port = np.nonzero(light.to >= 0)
    head, delay_ns = light.to[tail, port], light.delay_ns[tail, port]
    return _shortest(light, tail, head, delay_ns), _shortest(light, tail, head, np.ones(len(tail)))


def _shortest(light: Light, tail: np.ndarray, head: np.ndarray, weight: np.ndarray) -> np.ndarray:
    count = len(light.station)
    # Of parallel links the quickest counts; coo_array would add them up.
    order = np.lexsort((weight, head, tail))
    _, first = np.unique(tail[order] * count + head[order], return_index=True)
    keep = order[first]
    weight = weight + _TRANSIT_PENALTY * (light.station[tail] | light.station[head])
    graph = coo_array((weight[keep], (tail[keep], head[keep])), shape=(count, count)).tocsr()
    found = dijkstra(graph)
    known = np.isfinite(found)
    found[known] %= _TRANSIT_PENALTY
    return found
