"""The scenario's faults laid over the plan: links, satellites and terminals that are broken. Pure.

A fault takes *channels*, each one direction of a link. A link of which one direction is gone is no
link to plan with. What is noticed:

* otherwise the port at which a channel arrives goes dark: its carrier drops. A node sends nothing
  by a port without carrier, so where a single direction is gone, nothing passes by the other
  either; but the node at the far end, whose receiver still sees light, notices nothing.
* silently: the port keeps its peer, and the channel loses every packet; the other one goes on.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emulator.causes import Cause
from emulator.events import Fault, expanded
from emulator.linkplan import ALL_LOST_PPB, LinkPlan
from emulator.network import Network
from emulator.outages import OUTAGE

_AS_GOOD_AS_S = 1e-9
"""A step so little before a moment counts as at it: 3 × 0.7 is 2.0999999999999996."""

_SPAN = np.dtype(
    [("at_s", "<f8"), ("until_s", "<f8"), ("silent", "?"), ("what", "u1"), ("who", "<i8")]
)
"""One row a thing that is broken: ``who`` is a port, a node, or sender × nodes + receiver."""
_PORT, _NODE, _WAY = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class _Out:
    """What is out at a time, of those faults that are noticed or of those that are not."""

    network: Network
    ports: np.ndarray
    """Whether each port is out with all its channels: bool, ``(ports,)``."""
    ways: np.ndarray
    """Sender × nodes + receiver of each direction of a link that is out, sorted."""
    senders: np.ndarray
    """Whether each node is the first of one of ``ways``: bool, ``(nodes,)``."""

    @classmethod
    def of(cls, network: Network, spans: np.ndarray) -> "_Out":
        ports, nodes, ways = (spans["who"][spans["what"] == what] for what in (_PORT, _NODE, _WAY))
        out, senders = np.zeros((2, network.size), dtype=bool)
        out[nodes] = True
        gone = out[network.port_node]
        gone[ports] = True
        senders[ways // network.size] = True
        return cls(network, gone, np.unique(ways), senders)

    def hit(self, sender: np.ndarray, receiver: np.ndarray) -> np.ndarray:
        """Which channels between these ports are among it."""
        hit = self.ports[sender] | self.ports[receiver]
        if len(self.ways):
            node, size = self.network.port_node, self.network.size
            some = np.flatnonzero(self.senders[node[sender]])
            tail, head = node[sender[some]].astype(np.int64), node[receiver[some]]
            hit[some] |= np.isin(tail * size + head, self.ways)
        return hit


@dataclass(frozen=True)
class Faults:
    """What breaks, as a function of time."""

    found: tuple[Fault, ...]
    network: Network

    @classmethod
    def of(cls, plan: LinkPlan) -> "Faults":
        """Return the faults of a plan's scenario, in the order of their times."""
        return cls(expanded(plan), plan.network)

    @cached_property
    def _spans(self) -> np.ndarray:
        rows = [(f.at_s, f.until_s, f.silent, *who) for f in self.found for who in self._who(f)]
        return np.array(rows, dtype=_SPAN)

    def _who(self, fault: Fault) -> Iterator[tuple[int, int]]:
        node = self.network.node(fault.target[0])
        match fault.kind:
            case "satellite":
                yield _NODE, node.index
            case "terminal":
                yield from ((_PORT, p.index) for p in node.ports if p.name == fault.target[1])
            case "link":
                far = self.network.node(fault.target[1]).index
                yield _WAY, node.index * self.network.size + far
                if fault.direction == "both":
                    yield _WAY, far * self.network.size + node.index

    @cached_property
    def edges_s(self) -> np.ndarray:
        """Every moment at which something breaks or comes back, in order."""
        edges_s = np.unique(np.concatenate((self._spans["at_s"], self._spans["until_s"])))
        return edges_s[np.isfinite(edges_s)]

    def era(self, t_s: float) -> int:
        """Return how many of ``edges_s`` have passed: between two of them nothing changes."""
        return int(np.searchsorted(self.edges_s, t_s + _AS_GOOD_AS_S, side="right"))

    def now(self, t_s: float) -> list[Fault]:
        """Return the faults that are in force at ``t_s``."""
        t_s += _AS_GOOD_AS_S
        return [each for each in self.found if each.at_s <= t_s < each.until_s]

    def cut(
        self, sender: np.ndarray, receiver: np.ndarray, t_s: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which channels between these ports are out: (noticed by carrier, silently), at ``t_s``.

        Both are bool, of the ports' shape. A channel may be both.
        """
        noticed, silent = self._out(t_s)
        return noticed.hit(sender, receiver), silent.hit(sender, receiver)

    def _out(self, t_s: float) -> tuple["_Out", "_Out"]:
        """What is out at ``t_s``; kept as long as nothing changes, as steps may be many."""
        era = self.era(t_s)
        if era not in self._known:
            t_s += _AS_GOOD_AS_S
            now = self._spans[(self._spans["at_s"] <= t_s) & (t_s < self._spans["until_s"])]
            self._known.clear()
            self._known[era] = (
                _Out.of(self.network, now[~now["silent"]]),
                _Out.of(self.network, now[now["silent"]]),
            )
        return self._known[era]

    @cached_property
    def _known(self) -> dict[int, tuple["_Out", "_Out"]]:
        return {}

    def broken(self, links: np.ndarray | dict[str, np.ndarray], t_s: float) -> np.ndarray:
        """Whether links (with ports ``a`` and ``b``) are broken at ``t_s``, one way or both."""
        a, b = links["a"], links["b"]
        return np.any((*self.cut(a, b, t_s), *self.cut(b, a, t_s)), axis=0)

    def lay_over(self, state: np.ndarray, dark: np.ndarray, t_s: float) -> np.ndarray:
        """Return ``state`` (PORT_STATE) with what is broken at ``t_s``, as the kernel is told it.

        A channel whose loss is noticed is as in ``dark``; a silent one keeps its peer and loses
        all.
        """
        lit = np.flatnonzero(state["peer"] >= 0)
        noticed, silent = self.cut(state["peer"][lit], lit, t_s)
        if not (noticed.any() or silent.any()):
            return state
        overlaid = state.copy()
        overlaid["loss_ppb"][lit[silent]] = ALL_LOST_PPB
        overlaid[lit[noticed]] = dark[lit[noticed]]
        return overlaid

    def without(self, state: np.ndarray, dark: np.ndarray, t_s: float) -> np.ndarray:
        """Return ``state`` with every link that is broken at ``t_s``, even one way, as in ``dark``.

        What those see who know everything, noticed or not.
        """
        lit = np.flatnonzero(state["peer"] >= 0)
        out = self.broken({"a": lit, "b": state["peer"][lit]}, t_s)
        if not out.any():
            return state
        overlaid = state.copy()
        overlaid[lit[out]] = dark[lit[out]]
        return overlaid

    def told(self, after_s: float, to_s: float) -> list[dict[str, Any]]:
        """Return what breaks or comes back after ``after_s`` and not after ``to_s``, in order."""
        first, last = (bisect_right(self._told_s, t_s + _AS_GOOD_AS_S) for t_s in (after_s, to_s))
        return self._told[first:last]

    @cached_property
    def _told(self) -> list[dict[str, Any]]:
        rows = []
        for fault in self.found:
            for t_s, change in ((fault.at_s, "down"), (fault.until_s, "up")):
                row = {"t_s": t_s, "action": f"{fault.kind} {change}"}
                row |= {"target": list(fault.target), "direction": fault.direction}
                rows.append(row | {"silent": fault.silent, "origin": fault.origin})
        return sorted(rows, key=lambda row: row["t_s"])

    @cached_property
    def _told_s(self) -> list[float]:
        return [row["t_s"] for row in self._told]

    def steps(self, step_s: float) -> list[int]:
        """Return the first step that shows each of ``edges_s``, each once, in order."""
        due_s = self.edges_s - _AS_GOOD_AS_S
        step = np.maximum(np.ceil(due_s / step_s) - 1, 0).astype(np.int64)
        for _ in range(2):  # a quotient may be on the wrong side of a whole number
            step += step * step_s < due_s
        return np.unique(step).tolist()

    def breaks(self, contacts: np.ndarray, step_s: float) -> list[tuple[int, int, int]]:
        """Return (index of a contact, first step, step after the last) of all that is broken.

        ``contacts`` are of dtype CONTACT. One direction is enough.
        """
        since = np.full(len(contacts), -1)
        found = []
        for step in (*self.steps(step_s), None):
            nothing = np.zeros(len(contacts), dtype=bool)
            hit = nothing if step is None else self.broken(contacts, step * step_s)
            for row in np.flatnonzero((since >= 0) & ~hit).tolist():
                start, end = int(contacts["start"][row]), int(contacts["end"][row])
                first, last = max(int(since[row]), start), end if step is None else min(step, end)
                if first < last:
                    found.append((row, first, last))
            since = np.where(hit, np.where(since >= 0, since, step or 0), -1)
        return found

    def outages(self, contacts: np.ndarray, step_s: float) -> np.ndarray:
        """Return when ``contacts`` (dtype CONTACT) are broken, one way or both, dtype OUTAGE."""
        node = self.network.port_node
        rows = [
            (node[contacts["a"][row]], node[contacts["b"][row]], first, last, Cause.FAULT)
            for row, first, last in self.breaks(contacts, step_s)
        ]
        return np.array(rows, dtype=OUTAGE)


def all_outages(plan: LinkPlan) -> np.ndarray:
    """Return all outages of a plan, those by its faults among them, dtype OUTAGE, by start."""
    faults = Faults.of(plan).outages(plan.contacts, plan.step_s)
    both = np.concatenate((plan.timeline.outages, faults))
    return np.sort(both, order=["start", "a", "b"])
