"""Scenario → Network: every node and port with its number, name and address. No geometry.

Nodes are satellites in the order of the scenario, then ground stations. Every laser terminal
or antenna is one *port*. All names and addresses follow from the numbers, so two networks of
one scenario are equal.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from emulator.scenario import Scenario
from emulator.terminals import Fit

Kind = Literal["satellite", "station"]
_FIRST_IPV4 = 0x0A000001


def ipv4_words(nodes: np.ndarray) -> np.ndarray:
    """Return the loopback addresses of ``nodes`` as the four bytes on the wire, dtype ``>u4``."""
    return np.array(_FIRST_IPV4 + np.asarray(nodes, dtype=np.int64), dtype=">u4")


@dataclass(frozen=True, slots=True)
class Port:
    """One laser terminal (``isl0`` …) or radio antenna (``gsl0`` …) of a node."""

    index: int
    node: int
    name: str
    kind: str
    terminal: str


@dataclass(frozen=True, slots=True)
class Node:
    """A satellite or ground station and the ports it carries."""

    index: int
    name: str
    kind: Kind
    ports: tuple[Port, ...]

    @property
    def ipv4(self) -> str:
        """Loopback address that all its interfaces borrow (unnumbered), and its router id."""
        return ".".join(map(str, ipv4_words(self.index).tobytes()))

    @property
    def ipv6(self) -> str:
        """Loopback address, unique local (RFC 4193)."""
        return f"fd4c:6d00::{self.index + 1:x}"

    @property
    def link_local(self) -> str:
        """Link-local address that all its interfaces share (RFC 4291 section 2.5.6)."""
        return f"fe80::{self.index + 1:x}"


@dataclass(frozen=True)
class Network:
    """All nodes and ports of a scenario."""

    nodes: tuple[Node, ...]
    ports: tuple[Port, ...]
    port_node: np.ndarray
    """Node of each port, shape ``(ports,)``."""
    port_rate_bps: np.ndarray
    """Scaled line rate of each port, a multiple of 8 because netem counts bytes."""
    port_range_km: np.ndarray
    port_buffer: np.ndarray
    """Packets that may wait at each port."""
    port_setup_s: np.ndarray

    @classmethod
    def of(cls, scenario: Scenario) -> "Network":
        """Number the nodes and ports of ``scenario``."""
        nodes: list[Node] = []
        ports: list[Port] = []

        def add(name: str, kind: Kind, fits: dict[str, Fit | None]) -> None:
            own = []
            for medium, fit in fits.items():
                for number in range(fit.count if fit else 0):
                    index = len(ports) + len(own)
                    own.append(Port(index, len(nodes), f"{medium}{number}", medium, fit.kind))
            ports.extend(own)
            nodes.append(Node(len(nodes), name, kind, tuple(own)))

        for each in scenario.constellation:
            for name in each.node_names():
                add(name, "satellite", {"isl": each.isl, "gsl": each.gsl})
        for station in scenario.ground.station:
            add(station.name, "station", {"gsl": station.antennas})

        kinds = [scenario.terminals[port.terminal] for port in ports]
        bytes_s = [k.rate_gbps * 1e9 / 8 / scenario.scenario.rate_scale for k in kinds]
        return cls(
            nodes=tuple(nodes),
            ports=tuple(ports),
            port_node=np.array([p.node for p in ports], dtype=np.int32),
            port_rate_bps=8 * np.maximum(1, np.rint(bytes_s)).astype(np.int64),
            port_range_km=np.array([k.max_range_km for k in kinds], dtype=np.float64),
            port_buffer=np.array([k.buffer_packets for k in kinds], dtype=np.int64),
            port_setup_s=np.array(
                [k.pointing.acquisition_s if k.pointing else 0.0 for k in kinds], dtype=np.float64
            ),
        )

    @cached_property
    def satellites(self) -> np.ndarray:
        """Indices of the satellites."""
        return np.array([n.index for n in self.nodes if n.kind == "satellite"], dtype=np.int32)

    @cached_property
    def stations(self) -> np.ndarray:
        """Indices of the ground stations."""
        return np.array([n.index for n in self.nodes if n.kind == "station"], dtype=np.int32)

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    def node(self, name: str) -> Node:
        """Return the node of that name; KeyError lists what there is."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self._by_name)
            raise KeyError(f"no node {name!r}; there are {known}") from None

    def port_label(self, port: int) -> str:
        """Return ``node:interface`` of a port, as tables show it."""
        each = self.ports[port]
        return f"{self.nodes[each.node].name}:{each.name}"
