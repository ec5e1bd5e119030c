"""The scenario's events laid over the plan: links and satellites that fail and return. Pure."""

from dataclasses import dataclass
from math import ceil

import numpy as np

from emulator.causes import Cause
from emulator.lasers import pair_key
from emulator.linkplan import LinkPlan
from emulator.network import Network
from emulator.outages import OUTAGE
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

    def outages(self, contacts: np.ndarray, step_s: float) -> np.ndarray:
        """Return when ``contacts`` (dtype CONTACT) are broken, dtype OUTAGE."""
        ends = self.network.port_node[contacts["a"]], self.network.port_node[contacts["b"]]
        keys, since = pair_key(*ends), np.full(len(contacts), -1)
        found = []
        # Rounding may leave a quotient on the wrong side of a whole number.
        near = {ceil(event.at_s / step_s) + each for event in self.events for each in (-1, 0, 1)}
        for step in (*sorted(near), None):
            links, nodes = self.broken(step * step_s) if step is not None else (set(), set())
            cut = np.array([pair_key(*pair) for pair in links], dtype=np.int64)
            hit = np.isin(keys, cut) | np.isin(ends, list(nodes)).any(axis=0)
            for row in np.flatnonzero((since >= 0) & ~hit).tolist():
                start, end = int(contacts["start"][row]), int(contacts["end"][row])
                first, last = max(int(since[row]), start), end if step is None else min(step, end)
                if first < last:
                    found.append((ends[0][row], ends[1][row], first, last, Cause.FAULT))
            since = np.where(hit, np.where(since >= 0, since, step or 0), -1)
        return np.array(found, dtype=OUTAGE)


def all_outages(plan: LinkPlan) -> np.ndarray:
    """Return all outages of a plan, those by its faults among them, dtype OUTAGE, by start."""
    faults = Faults.of(plan.scenario, plan.network).outages(plan.contacts, plan.step_s)
    both = np.concatenate((plan.timeline.outages, faults))
    return np.sort(both, order=["start", "a", "b"])
