"""How far what a node holds can go now, and what the way there is like."""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emulator.linkplan import LinkPlan
from emulator.network import Family
from emulator.placement import GROUND, OWN, Placement
from protocols.offload.entries import Entry
from protocols.static import next_hops, walk

if TYPE_CHECKING:
    from emulator.faults import Faults
    from emulator.kernel.node import NodeHandle

_AS_GOOD_AS_S = 1e-9
Links = dict[tuple[int, int], tuple[int, int]]
"""Delay in nanoseconds and rate in bit/s of the channel from a node to another."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Who is to take a thing over next, as far as light goes in one go."""

    goal: int
    """A node."""
    port: int = -1
    """The sender's radio, by index; -1: whichever port the node's routes say."""
    opens_s: float = 0.0
    until_s: float = np.inf
    """When the first contact of the way ends."""


class Paths:
    """What one node knows of ways: the plan's contacts, and the kernels' own routes."""

    def __init__(
        self, plan: LinkPlan, faults: "Faults", handle: "NodeHandle", family: Family = 4
    ) -> None:
        self.plan = plan
        self.family = family
        self.faults = faults
        self.network = plan.network
        self.node = handle.node.index
        self._handles = {self.node: handle}
        self._anew = handle.anew
        self._known: tuple[tuple[int, int], np.ndarray, Links] | None = None

    def reach(self, placement: Placement, entry: Entry, target: int, now_s: float) -> Reach | None:
        """Return who takes ``entry`` next on the quickest way to ``target``, None: nobody ever.

        The last satellite before the ground takes custody too, so that its radio is a queue.
        """
        option, size = entry.option, entry.size_bytes
        if target == GROUND:  # what is down already is down for all stations
            size = 0 if option.way == OWN else size - entry.down_bytes
        way = placement.route(option.way, self.node, target, now_s, size)
        if way is None:
            return None
        hops, stations = way[0], placement.stations
        goal, opens_s, until_s = (hops[0][key].item() for key in ("head", "start_s", "end_s"))
        if goal in stations:
            return Reach(goal, self.radio(goal, max(now_s, opens_s)), opens_s, until_s)
        for hop in hops[1:]:
            if int(hop["head"]) in stations or hop["start_s"] > now_s + _AS_GOOD_AS_S:
                break
            goal, until_s = int(hop["head"]), min(until_s, float(hop["end_s"]))
        return Reach(goal, -1, opens_s, until_s)

    def radio(self, station: int, t_s: float) -> int:
        """Return the port by which this satellite sees a station at ``t_s``, -1: it does not."""
        node = self.network.port_node
        for row in self.plan.joined(self.plan.step_of(t_s)):
            for own, far in ((row["a"], row["b"]), (row["b"], row["a"])):
                if node[own] == self.node and node[far] == station:
                    return int(own)
        return -1

    def first_port(self, reach: Reach) -> int:
        """Return the port by which a thing leaves, by the node's own routes; -1: no route."""
        if reach.port >= 0:
            return reach.port
        found = self._handles[self.node].next_port(
            self.network.nodes[reach.goal].address(self.family)
        )
        return -1 if found is None else found

    def line_rate_bps(self, reach: Reach, now_s: float) -> int:
        """Rate of the channel by which a thing leaves now.

        That of the node's fastest terminal where no route leads there: the attempt will say so.
        """
        port, rate_bps = self.first_port(reach), self.network.port_rate_bps
        if port < 0:
            own = self.network.nodes[self.node].ports
            return max(int(rate_bps[port.index]) for port in own)
        state, _ = self._sky(now_s)
        peer = int(state["peer"][port])
        return int(state["rate_bps"][peer] if peer >= 0 else rate_bps[port])

    def walked(self, reach: Reach, now_s: float) -> list[int]:
        """Return the path that the kernels' own tables give now, node by node.

        Where they give none (a table in the middle of a change), the quickest path of the plan.
        """
        if reach.port >= 0:
            return [self.node, reach.goal]
        (state, _), path = self._sky(now_s), [self.node]
        address = self.network.nodes[reach.goal].address(self.family)
        while path[-1] != reach.goal and len(path) <= self.network.size:
            port = self._handle(path[-1]).next_port(address)
            peer = int(state["peer"][port]) if port is not None else -1
            if peer < 0:
                break
            path.append(int(self.network.port_node[peer]))
        if path[-1] == reach.goal:
            return path
        return walk(next_hops(self.network, state), self.node, reach.goal)

    def _handle(self, node: int) -> "NodeHandle":
        if node not in self._handles:
            self._handles[node] = self._anew(self.network.nodes[node])
        return self._handles[node]

    def names(self, path: list[int]) -> list[str]:
        """Return the names of nodes."""
        return [self.network.nodes[node].name for node in path]

    def delay_ns(self, path: list[int], now_s: float) -> int:
        """Return the light time along a path."""
        return sum(delay for delay, _ in self._links(path, now_s))

    def slowest_bps(self, path: list[int], now_s: float) -> int:
        """Return the rate of the slowest channel of a path, 0 of none."""
        return min((rate for _, rate in self._links(path, now_s)), default=0)

    def _links(self, path: list[int], now_s: float) -> list[tuple[int, int]]:
        _, links = self._sky(now_s)
        return [links[hop] for hop in itertools.pairwise(path) if hop in links]

    def _sky(self, now_s: float) -> tuple[np.ndarray, Links]:
        """PORT_STATE now, without the links that are broken, noticed or not; and its channels."""
        step = self.plan.step_of(now_s)
        when = step, self.faults.era(now_s)
        if self._known is None or self._known[0] != when:
            state = self.faults.without(self.plan.at(step), self.plan.dark(), now_s)
            receiver = np.flatnonzero(state["peer"] >= 0)
            ends = self.network.port_node[state["peer"][receiver]], self.network.port_node[receiver]
            figures = state["delay_ns"][receiver], state["rate_bps"][receiver]
            links: Links = {}
            for tail, head, delay_ns, rate_bps in zip(
                *(each.tolist() for each in (*ends, *figures)), strict=True
            ):
                links[tail, head] = min(
                    links.get((tail, head), (delay_ns, rate_bps)), (delay_ns, rate_bps)
                )
            self._known = when, state, links
        return self._known[1], self._known[2]
