"""Contacts → LinkPlan: what the kernel is told about every port at every epoch. Integers only.

A plan is a pure value of its scenario: contacts are worked out once, the array of an epoch on
demand, so memory does not grow with the duration. This is the one place where floats are
quantised.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.contacts import CONTACT, contacts
from emulator.ephemeris import Ephemeris
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.units import C_KM_S, FRAME_BYTES, NS_PER_S
from emulator.visibility import range_km

_MAX_LIMIT_PACKETS = 2**32 - 1

PORT_STATE = np.dtype(
    [
        ("peer", "<i4"),
        ("loss_ppb", "<u4"),
        ("fade_start_ppb", "<u4"),
        ("fade_end_ppb", "<u4"),
        ("limit_packets", "<u4"),
        ("delay_ns", "<i8"),
        ("rate_bps", "<i8"),
    ]
)
"""The channel that *arrives* at a port, from ``peer`` (-1: dark). One row a port.

``loss_ppb``: share of packets lost one by one. ``fade_start_ppb`` and ``fade_end_ppb``: the chance,
a packet, that a fade (in which all is lost) begins or ends: p and r of a Gilbert-Elliott chain.
"""

LINK = np.dtype(
    [("a", "<i4"), ("b", "<i4"), ("range_km", "<f8"), ("delay_ns", "<i8"), ("rate_bps", "<i8")]
)
"""One row a link: ports a and b, and what both directions of it have in common."""


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
        return self.contacts[(self.contacts["start"] <= step) & (step < self.contacts["end"])]

    def at(self, step: int) -> np.ndarray:
        """Return the state of every port at ``step``, dtype :data:`PORT_STATE`."""
        state = self.dark()
        links = self.links(step)
        flying = np.ceil(links["rate_bps"] * (links["delay_ns"] / NS_PER_S) / 8 / FRAME_BYTES)
        for receiver, sender in ((links["a"], links["b"]), (links["b"], links["a"])):
            state["peer"][receiver] = sender
            state["delay_ns"][receiver] = links["delay_ns"]
            state["rate_bps"][receiver] = links["rate_bps"]
            limit = flying + self.network.port_buffer[sender]
            state["limit_packets"][receiver] = np.minimum(limit, _MAX_LIMIT_PACKETS)
        return state

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self.at, range(self.steps))

    def links(self, step: int) -> np.ndarray:
        """Return every link at ``step``, dtype :data:`LINK`."""
        joined = self.joined(step)
        position_km = self.ephemeris.positions_km(np.array([step * self.step_s]))[:, 0]
        node, rate_bps = self.network.port_node, self.network.port_rate_bps
        a, b = joined["a"], joined["b"]
        links = np.zeros(len(joined), dtype=LINK)
        links["a"], links["b"] = a, b
        links["range_km"] = range_km(position_km[node[a]], position_km[node[b]])
        links["delay_ns"] = np.rint(links["range_km"] / C_KM_S * NS_PER_S)
        links["rate_bps"] = np.minimum(rate_bps[a], rate_bps[b])
        return links

    def graph(self, t_s: float) -> Any:
        """Return the links in force at ``t_s`` as a networkx.Graph over node names.

        Edges carry ``delay_s``, ``rate_bps``, ``range_km`` and ``ports``: each node's interface.
        """
        import networkx

        graph = networkx.Graph(t_s=t_s, scenario=self.scenario.scenario.name)
        for node in self.network.nodes:
            graph.add_node(node.name, kind=node.kind, ipv4=node.ipv4)
        for row in self.links(self.step_of(t_s)):
            ends = [self.network.ports[row["a"]], self.network.ports[row["b"]]]
            ports = {self.network.nodes[port.node].name: port.name for port in ends}
            graph.add_edge(
                *ports,
                range_km=float(row["range_km"]),
                delay_s=int(row["delay_ns"]) / NS_PER_S,
                rate_bps=int(row["rate_bps"]),
                ports=ports,
            )
        return graph

    def digest(self) -> str:
        """SHA-256 over every state of the plan: equal plans have equal digests."""
        total = hashlib.sha256()
        for state in self:
            total.update(state.tobytes())
        return total.hexdigest()


def moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Indices of the ports whose state differs between two states."""
    return np.flatnonzero(before != after)


__all__ = ["CONTACT", "LINK", "PORT_STATE", "LinkPlan", "moved"]
