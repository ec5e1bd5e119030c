"""Greedy routing over (plane, slot): each satellite knows its neighbours and the grid, no more.

For Walker constellations with the +Grid pattern. A node's address is its place on the grid; the
next hop is the neighbour that is nearer, counted in hops of a whole grid, planes and slots each
modulo their number (and the shift between the last plane and the first). In a whole grid paths
have the fewest hops that there are. Dead links are passed round by what a satellite sees of its
own four: nothing is told to others, so nothing has to converge.

Where Δp planes and Δs slots are left, the order of the four ways is

    Δp ≠ 0, Δs of the other sign   slot towards, plane towards, slot away, plane away
    Δp ≠ 0, any other Δs           plane towards, slot against Δp's sign, slot along, plane away
    Δp = 0                         slot towards, plane along Δs's sign, plane against, slot away

so a way round one dead link enters a quadrant where the other dimension goes first, and does not
come back; and all moves within a plane that is not yet the right one are in one direction, so
satellites that have no links across planes (near the poles) are left on one side.

Limits: with no memory in packets and no knowledge of others there are combinations of dead links,
and single ones in the outermost planes of an open grid, in which a packet turns back and forth
until its time to live (RFC 791) ends, though a path exists.

A station's place is that of the satellite that serves it, the nearest if there are several: that
mapping, which a real system would keep in a registry, is known to all at every step.
"""

from dataclasses import dataclass

import numpy as np

from emulator.lasers import applies
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols.base import Nodes
from protocols.static import NO_ROUTE, Precomputed, pack, ports_towards

_PLANE_UP, _PLANE_DOWN, _SLOT_UP, _SLOT_DOWN = range(4)


@dataclass(frozen=True, slots=True)
class Places:
    """A grid: satellite n is at plane n // per_plane, slot n % per_plane."""

    planes: int
    per_plane: int
    closed: bool
    """Whether the last plane is joined to the first."""
    shift: int = 0
    """... whose slot that many ahead it then is."""

    @classmethod
    def of(cls, scenario: Scenario) -> "Places":
        """Return the grid of a scenario that scenario_checks has passed for routing ``grid``."""
        [each] = scenario.constellation
        walker = each.walker_pattern()
        isl = next(i for i in scenario.isl if i.pattern == "grid" and applies(i, each))
        closed = walker.closed if isl.seam is None else isl.seam == "closed"
        closed = closed and walker.planes > 2
        return cls(walker.planes, walker.per_plane, closed, round(walker.shift) if closed else 0)

    @property
    def size(self) -> int:
        """Number of satellites."""
        return self.planes * self.per_plane

    def neighbours(self) -> np.ndarray:
        """Return each satellite's neighbour by each of the four ways, ``(n, 4)``, -1: none."""
        plane, slot = np.divmod(np.arange(self.size), self.per_plane)
        found = np.empty((self.size, 4), dtype=np.int64)
        for way, step in ((_PLANE_UP, 1), (_PLANE_DOWN, -1)):
            around = (plane + step) // self.planes  # of the seam, -1, 0 or 1
            there = (slot + around * self.shift) % self.per_plane
            there += (plane + step) % self.planes * self.per_plane
            found[:, way] = np.where((around == 0) | self.closed, there, -1)
        for way, step in ((_SLOT_UP, 1), (_SLOT_DOWN, -1)):
            found[:, way] = plane * self.per_plane + (slot + step) % self.per_plane
        found[found == np.arange(self.size)[:, None]] = -1
        return found

    def offsets(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what is left from each satellite to each other, ``(n, n)``: planes and slots."""
        plane, slot = np.divmod(np.arange(self.size, dtype=np.int32), self.per_plane)
        best: tuple[np.ndarray, np.ndarray] | None = None
        for around in (0, 1, -1) if self.closed else (0,):
            planes = plane[None, :] - plane[:, None] + around * self.planes
            slots = (slot[None, :] - slot[:, None] - around * self.shift) % self.per_plane
            slots = np.where(slots > self.per_plane // 2, slots - self.per_plane, slots)
            if best is None:
                best = planes, slots
                continue
            nearer = np.abs(planes) + np.abs(slots) < np.abs(best[0]) + np.abs(best[1])
            best = np.where(nearer, planes, best[0]), np.where(nearer, slots, best[1])
        return best

    def order(self) -> np.ndarray:
        """Return the ways from each satellite to each other, first choice first, ``(4, n, n)``."""
        planes, slots = self.offsets()
        plane = np.where(planes > 0, _PLANE_UP, _PLANE_DOWN).astype(np.int8)
        slot = np.where(slots > 0, _SLOT_UP, _SLOT_DOWN).astype(np.int8)
        # Up and down differ in the last bit.
        against = np.where(planes > 0, _SLOT_DOWN, _SLOT_UP).astype(np.int8)
        along = np.where(slots > 0, _PLANE_UP, _PLANE_DOWN).astype(np.int8)
        crossed, home = planes * slots < 0, planes == 0
        return np.stack(
            [
                np.where(home | crossed, slot, plane),
                np.where(home, along, np.where(crossed, plane, against)),
                np.where(home, along ^ 1, np.where(crossed, slot ^ 1, against ^ 1)),
                np.where(home, slot ^ 1, plane ^ 1),
            ]
        )


def greedy_hops(neighbours: np.ndarray, order: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """Return the next satellite from each to each other, ``(n, n)``, NO_ROUTE where all are dark.

    ``joined``: which of each satellite's four neighbours it has a link to, ``(n, 4)``; of the
    others' links a satellite knows nothing.
    """
    own = np.arange(len(neighbours))[:, None]
    hops = np.full(order.shape[1:], NO_ROUTE, dtype=np.int64)
    for way in order[::-1]:
        hops = np.where(joined[own, way], neighbours[own, way], hops)
    np.fill_diagonal(hops, NO_ROUTE)
    return hops


class Grid(Precomputed):
    """Swaps a satellite's routes where its own links, or the places of stations, have changed."""

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        super().__init__(plan, nodes)
        self.places = Places.of(plan.scenario)
        self._neighbours, self._order = self.places.neighbours(), self.places.order()
        self._distance = np.abs(np.stack(self.places.offsets())).sum(axis=0)
        self._peers: np.ndarray | None = None
        self._serving: np.ndarray | None = None

    def step(self, state: np.ndarray) -> None:
        """Swap the tables of the nodes whose links have changed."""
        serving = self.serving(state)
        if not (
            np.array_equal(state["peer"], self._peers) and np.array_equal(serving, self._serving)
        ):
            self._peers, self._serving = state["peer"].copy(), serving
            self.write(self.table(state))

    def serving(self, state: np.ndarray) -> np.ndarray:
        """Return the satellite at whose place each node is, -1: a station without any."""
        network, count = self.plan.network, self.places.size
        found = np.full(network.size, -1)
        found[:count] = np.arange(count)
        port = np.flatnonzero((state["peer"] >= 0) & (network.port_node >= count))
        port = port[np.argsort(-state["delay_ns"][port], kind="stable")]
        found[network.port_node[port]] = network.port_node[state["peer"][port]]
        return found

    def table(self, state: np.ndarray) -> np.ndarray:
        """Return every node's packed route to each other, ``(nodes, nodes)``, or NO_ROUTE."""
        network, count = self.plan.network, self.places.size
        towards = ports_towards(network, state)
        own = np.arange(count)[:, None]
        joined = (self._neighbours >= 0) & (towards[own, self._neighbours] >= 0)
        greedy = greedy_hops(self._neighbours, self._order, joined)
        serving = self.serving(state)
        place = np.maximum(serving, 0)
        hops = np.full((network.size,) * 2, NO_ROUTE, dtype=np.int64)
        hops[:count] = np.where(serving < 0, NO_ROUTE, greedy[:, place])
        for station in network.stations.tolist():
            [near] = np.nonzero(towards[station, :count] >= 0)
            if len(near):
                nearest = near[np.argmin(self._distance[near][:, place], axis=0)]
                hops[station] = np.where(serving < 0, NO_ROUTE, nearest)
        direct = towards >= 0
        hops = np.where(direct, np.arange(network.size)[None, :], hops)
        np.fill_diagonal(hops, NO_ROUTE)
        offset = np.take_along_axis(towards, np.maximum(hops, 0), axis=1)
        return np.where(hops < 0, NO_ROUTE, pack(hops, offset))
