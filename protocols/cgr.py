"""Contact-graph routing as routing of IP packets: each node follows the contact plan by itself.

At every change of the sky each node works out, for every destination, the route over present and
future contacts by which data would arrive first (emulator.cgr), and sends by that route's first
contact if it is in force now. IP stores nothing: where the best route begins with a contact that is
still to come there is no route, and a packet that comes to such a node is dropped there. So this
shows where traffic of a delay-tolerant network would flow at each moment; what it would keep and
forward later is for bundles (protocols/bundles).

All nodes are relays, ground stations too. Contacts that are dark although the plan has them (a
failure) are left out while they are. The work is of the order of nodes × contacts a change, fit
for some hundred nodes.
"""

import numpy as np

from emulator.cgr import NONE, all_first_hops, hops_of
from emulator.linkplan import LinkPlan
from emulator.units import NS_PER_S
from protocols.base import Nodes
from protocols.static import NO_ROUTE, Precomputed, pack


class Cgr(Precomputed):
    """Swaps routes for those of earliest arrival, where contacts have begun or ended."""

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        super().__init__(plan, nodes)
        self._hops = hops_of(plan)
        self._ports = np.concatenate([plan.contacts[end] for end in ("a", "b")])
        """The port by which each of the hops leaves."""
        self._heads = np.concatenate([plan.contacts[end] for end in ("b", "a")])
        self._step = 0
        self._peers: np.ndarray | None = None

    def foresee(self, step: int) -> None:
        """The next :meth:`step` is for this step of the plan."""
        self._step = step

    def step(self, state: np.ndarray) -> None:
        """Swap the tables, if a contact has begun or ended since."""
        if not np.array_equal(state["peer"], self._peers):
            self._peers = state["peer"].copy()
            self.write(self.table(self._step, state))

    def table(self, step: int, state: np.ndarray) -> np.ndarray:
        """Return every node's packed route to each other, ``(nodes, nodes)``, or NO_ROUTE.

        ``state``: PORT_STATE at ``step``, from which the light times of present contacts are.
        """
        now_s = step * self.plan.step_s
        hops, network = self._hops.copy(), self.plan.network
        present = (hops["start_s"] <= now_s) & (now_s < hops["end_s"])
        lit = state["peer"][self._heads] == self._ports
        hops["delay_s"] = np.where(
            present & lit, state["delay_ns"][self._heads] / NS_PER_S, hops["delay_s"]
        )
        hops["end_s"][present & ~lit] = now_s
        first, _ = all_first_hops(hops, network.size, now_s)
        leaves = (first != NONE) & (present & lit)[first]
        nodes = network.nodes
        first_port = np.array([node.ports[0].index if node.ports else 0 for node in nodes])
        offset = self._ports[first] - first_port[:, None]
        return np.where(leaves, pack(hops["head"][first], offset), NO_ROUTE)
