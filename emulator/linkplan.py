"""Contacts → LinkPlan: what the kernel is told about every port at every epoch. Integers only.

A plan is a pure value of its scenario: contacts are worked out once, the array of an epoch on
demand, so memory does not grow with the duration. This is the one place where floats are
quantised.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emulator.contacts import CONTACT, contacts
from emulator.ephemeris import Ephemeris
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.units import C_KM_S, FRAME_BYTES, NS_PER_S
from emulator.visibility import range_km

PORT_STATE = np.dtype(
    [
        ("peer", "<i4"),
        ("loss_ppm", "<u4"),
        ("limit_packets", "<u4"),
        ("delay_ns", "<i8"),
        ("rate_bps", "<i8"),
    ]
)
"""The channel that *arrives* at a port, from ``peer`` (-1: dark). One row a port."""


@dataclass(frozen=True)
class LinkPlan:
    """The whole run, worked out beforehand: ``at(step)`` is the state of every port."""

    scenario: Scenario
    network: Network
    ephemeris: Ephemeris
    contacts: np.ndarray

    @classmethod
    def of(cls, scenario: Scenario) -> "LinkPlan":
        """Work out ``scenario``. Raises PhysicsError where an orbit cannot be propagated."""
        network, ephemeris = Network.of(scenario), Ephemeris.of(scenario)
        return cls(scenario, network, ephemeris, contacts(scenario, network, ephemeris))

    @property
    def steps(self) -> int:
        """Number of epochs."""
        return self.scenario.steps

    @property
    def step_s(self) -> float:
        """Seconds between epochs."""
        return self.scenario.scenario.step_s

    def step_of(self, t_s: float) -> int:
        """Return the epoch in force ``t_s`` seconds after the start (clamped to the plan)."""
        return int(np.clip(np.floor(t_s / self.step_s + 1e-9), 0, self.steps - 1))

    def dark(self) -> np.ndarray:
        """Return the state in which no port sees any light, dtype :data:`PORT_STATE`."""
        state = np.zeros(len(self.network.ports), dtype=PORT_STATE)
        state["peer"] = -1
        state["rate_bps"] = self.network.port_rate_bps
        state["limit_packets"] = self.network.port_buffer
        return state

    def joined(self, step: int) -> np.ndarray:
        """Return the contacts in force at ``step``, dtype CONTACT."""
        index = np.searchsorted(self._edges, step, side="right") - 1
        return self.contacts[self._active[index]] if index >= 0 else self.contacts[:0]

    def at(self, step: int) -> np.ndarray:
        """Return the state of every port at ``step``, dtype :data:`PORT_STATE`."""
        state = self.dark()
        joined = self.joined(step)
        a, b = joined["a"], joined["b"]
        position_km = self.ephemeris.positions_km(np.array([step * self.step_s]))[:, 0]
        node = self.network.port_node
        one_way_s = range_km(position_km[node[a]], position_km[node[b]]) / C_KM_S
        rate_bps = np.minimum(self.network.port_rate_bps[a], self.network.port_rate_bps[b])
        for receiver, sender in ((a, b), (b, a)):
            state["peer"][receiver] = sender
            state["delay_ns"][receiver] = np.rint(one_way_s * NS_PER_S)
            state["rate_bps"][receiver] = rate_bps
            flying = np.ceil(rate_bps * one_way_s / 8 / FRAME_BYTES)
            state["limit_packets"][receiver] = flying + self.network.port_buffer[sender]
        return state

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self.at, range(self.steps))

    def links(self, step: int) -> np.ndarray:
        """Return (port a, port b, range_km, delay_ns, rate_bps) of every link at ``step``."""
        joined, state = self.joined(step), self.at(step)
        position_km = self.ephemeris.positions_km(np.array([step * self.step_s]))[:, 0]
        node = self.network.port_node
        a, b = joined["a"], joined["b"]
        rows = np.zeros(len(joined), dtype=LINK)
        rows["a"], rows["b"] = a, b
        rows["range_km"] = range_km(position_km[node[a]], position_km[node[b]])
        rows["delay_ns"], rows["rate_bps"] = state["delay_ns"][b], state["rate_bps"][b]
        return rows

    def graph(self, t_s: float) -> Any:
        """Return the links in force at ``t_s`` as a networkx.Graph over node names.

        Edges carry ``delay_s``, ``rate_bps``, ``range_km`` and the two port labels.
        """
        import networkx

        graph = networkx.Graph(t_s=t_s, scenario=self.scenario.scenario.name)
        for node in self.network.nodes:
            graph.add_node(node.name, kind=node.kind, ipv4=node.ipv4)
        for row in self.links(self.step_of(t_s)):
            a, b = self.network.ports[row["a"]], self.network.ports[row["b"]]
            graph.add_edge(
                self.network.nodes[a.node].name,
                self.network.nodes[b.node].name,
                range_km=float(row["range_km"]),
                delay_s=int(row["delay_ns"]) / NS_PER_S,
                rate_bps=int(row["rate_bps"]),
                ports=(a.name, b.name),
            )
        return graph

    def digest(self) -> str:
        """SHA-256 over every state of the plan: equal plans have equal digests."""
        total = hashlib.sha256()
        for state in self:
            total.update(state.tobytes())
        return total.hexdigest()

    @cached_property
    def _edges(self) -> np.ndarray:
        """Steps at which the set of contacts changes."""
        return np.unique(np.concatenate((self.contacts["start"], self.contacts["end"])))

    @cached_property
    def _active(self) -> list[np.ndarray]:
        starts, ends = self.contacts["start"], self.contacts["end"]
        return [np.flatnonzero((starts <= edge) & (edge < ends)) for edge in self._edges]


LINK = np.dtype(
    [("a", "<i4"), ("b", "<i4"), ("range_km", "<f8"), ("delay_ns", "<i8"), ("rate_bps", "<i8")]
)


def moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Indices of the ports whose state differs between two states."""
    return np.flatnonzero(before != after)


__all__ = ["CONTACT", "LINK", "PORT_STATE", "LinkPlan", "moved"]
