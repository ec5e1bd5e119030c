"""The scenario's events laid over the plan: links and satellites that fail and return. Pure."""

from dataclasses import dataclass

import numpy as np

from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sections import Event


@dataclass(frozen=True)
class Faults:
    """What the scenario says breaks, as a function of time."""

    events: tuple[Event, ...]
    network: Network

    @classmethod
    def of(cls, scenario: Scenario, network: Network) -> "Faults":
        """Return the faults of ``scenario``, in the order of their times."""
        return cls(tuple(sorted(scenario.event, key=lambda event: event.at_s)), network)

    def broken(self, t_s: float) -> tuple[set[frozenset[int]], set[int]]:
        """Return (pairs of nodes without link, nodes without any light) at ``t_s``."""
        links: set[frozenset[int]] = set()
        nodes: set[int] = set()
        for event in self.events:
            if event.at_s > t_s:
                break
            target = [self.network.node(name).index for name in event.target]
            change = set.add if event.action.endswith("down") else set.discard
            if event.action.startswith("link"):
                change(links, frozenset(target))
            else:
                change(nodes, target[0])
        return links, nodes

    def lay_over(self, state: np.ndarray, dark: np.ndarray, t_s: float) -> np.ndarray:
        """Return ``state`` with every broken channel as it stands in ``dark``."""
        links, nodes = self.broken(t_s)
        if not links and not nodes:
            return state
        node, peer = self.network.port_node, state["peer"]
        lit = np.flatnonzero(peer >= 0)
        out = [
            port
            for port in lit
            if int(node[port]) in nodes
            or int(node[peer[port]]) in nodes
            or frozenset((int(node[port]), int(node[peer[port]]))) in links
        ]
        overlaid = state.copy()
        overlaid[out] = dark[out]
        return overlaid
