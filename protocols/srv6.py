"""Segment routing over IPv6: the first node writes into each packet by which satellite it goes.

IPv4 packets are put into IPv6 with a segment list (RFC 8754, RFC 8986: H.Encaps) where they begin,
by the kernel's seg6. The list is a waypoint (End) and the destination (End.DX4). In between,
nodes know only the shortest ways to each other's locators, which are swapped at each step.

On a +Grid of a Walker constellation the waypoint is the corner: the satellite in the plane of the
destination, in the slot of the source; so packets cross the planes first and then follow one.
Elsewhere, and where the corner is an end itself or cannot be reached, the list is the destination
alone. Both legs are shortest paths, so nothing goes round in circles. A packet grows by 64 or 80
bytes: TCP, which asks the route, sends shorter segments.
"""

import numpy as np

from emulator.linkplan import LinkPlan
from protocols.base import Footprint, Nodes
from protocols.grid import Places
from protocols.static import NO_ROUTE, Precomputed, shortest_path_routes, unpack

_NO_WAYPOINT = -1


class Srv6(Precomputed):
    """Swaps locators' routes and segment lists at each step."""

    footprint = Footprint(route_kb=1.5)
    hop_by_hop = False

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        super().__init__(plan, nodes)
        self.corner = corners(plan)
        self.waypoint = np.full_like(self.written, _NO_WAYPOINT)
        """The waypoint of each list that stands, _NO_WAYPOINT: none."""

    def start(self) -> None:
        """Let every node serve its own segments."""
        for handle in self.nodes.values():
            if handle.node.ports:
                handle.serve_segments()

    def write(self, wanted: np.ndarray) -> None:
        """Make all nodes hold ``wanted``, as locators' routes, and the lists that go with it."""
        waypoint = waypoints(self.corner, wanted)
        first = np.where(waypoint < 0, np.arange(len(wanted))[None, :], waypoint)
        _, offset = unpack(wanted)
        leg = np.take_along_axis(offset, first, axis=1)  # the port of the first leg
        differs = wanted != self.written
        moved = np.take_along_axis(differs, first, axis=1) | (waypoint != self.waypoint) | differs
        for handle in self.nodes.values():
            own = handle.node.index
            there = wanted[own] != NO_ROUTE
            changed = np.flatnonzero(differs[own])
            new, gone = changed[there[changed]], changed[~there[changed]]
            handle.write_locators(new, offset[own, new])
            listed = np.flatnonzero(moved[own] & there)
            handle.write_lists(listed, waypoint[own, listed], leg[own, listed])
            handle.remove_routes(gone)
            handle.remove_locators(gone)
        self.written, self.waypoint = wanted, waypoint

    routes = staticmethod(shortest_path_routes)


def corners(plan: LinkPlan) -> np.ndarray:
    """Return the corner of each pair of nodes, ``(nodes, nodes)``, -1 where there is none."""
    found = np.full((plan.network.size,) * 2, _NO_WAYPOINT)
    each, laid = plan.scenario.constellation[0], plan.scenario.isl
    grid = each.full_pattern() and any(isl.pattern == "grid" for isl in laid)
    if len(plan.scenario.constellation) == 1 and grid:
        places = Places.of(plan.scenario)
        plane, slot = np.divmod(np.arange(places.size), places.per_plane)
        corner = plane[None, :] * places.per_plane + slot[:, None]
        found[: places.size, : places.size] = corner
    return found


def waypoints(corner: np.ndarray, routes: np.ndarray) -> np.ndarray:
    """Return ``corner`` where it lies between both ends and each leg has a route, else -1."""
    own = np.arange(len(corner))
    place = np.maximum(corner, 0)
    between = (corner >= 0) & (place != own[:, None]) & (place != own[None, :])
    legs = (np.take_along_axis(routes, place, axis=1) != NO_ROUTE) & (
        routes[place, own[None, :]] != NO_ROUTE
    )
    return np.where(between & legs, corner, _NO_WAYPOINT)
