"""Precomputed routing that looks one step ahead: routes are made before links break.

``static`` swaps all tables at every step, when the light of a cut link has already gone, and sends
into new links at once, though their ends may yet have to notice: what is in flight at a cut, or
sent before the kernel has seen the carrier, is lost. Here traffic leaves a link while it still has
light, in the last step before the plan cuts it, and enters a new one in its second step. Tables
change only where links come, go or are about to, not as delays drift in between; so a path may be
longer than the shortest of the moment by that drift.

A step must be longer than the longest flight, or what left a node before the routes were swapped
has not passed the link when it is cut.

What no plan knows, it learns when it happens, as ``static`` does. Where a link that comes or goes
is the only way, it is used from its first step to its last, and a cut then costs what is in flight.
"""

import numpy as np

from emulator.linkplan import LinkPlan, carrying
from protocols.base import Nodes
from protocols.static import Precomputed, shortest_path_routes

_UNSTEADY_NS = 10**11
"""Added to the delay of a link that comes or goes: more than any path, stations' penalties too."""


def steadied(before: np.ndarray, now: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return ``now`` with the links that ``before`` or ``after`` lack as the longest of all.

    All three are PORT_STATE of one network, at consecutive steps. Dijkstra over the delays of what
    is returned takes such links only where there is no other way, and then as few as can be.
    """
    same = (before["peer"] == now["peer"]) & (now["peer"] == after["peer"])
    moving = np.flatnonzero((now["peer"] >= 0) & ~same)
    found = now.copy()
    found["delay_ns"][moving] += _UNSTEADY_NS
    return found


class Oracle(Precomputed):
    """Swaps routes for those of the sky to come, a step before each planned cut."""

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        super().__init__(plan, nodes)
        self._step = 0
        self._before: np.ndarray | None = None
        self._basis: np.ndarray | None = None

    def foresee(self, step: int) -> None:
        """The next :meth:`step` is for this step of the plan."""
        self._step = step

    def step(self, state: np.ndarray) -> None:
        """Swap the tables, if a link has come or gone, is steady since now, or is about to go."""
        after = self.plan.at(min(self._step + 1, self.plan.steps - 1))
        before = state if self._before is None else self._before
        weighed = steadied(before, state, after)
        self._before = state
        peer, ports = np.full(len(state), -1), carrying(state)
        peer[ports] = state["peer"][ports]
        basis = np.stack((peer, weighed["delay_ns"] >= _UNSTEADY_NS))
        if self._basis is None or not np.array_equal(basis, self._basis):
            self._basis = basis
            self.write(shortest_path_routes(self.plan.network, weighed))
