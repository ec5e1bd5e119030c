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
from emulator.terminals import Fit, Terminal

Kind = Literal["satellite", "station"]
_FIRST_IPV4 = 0x0A000001


def ipv4_words(nodes: np.ndarray) -> np.ndarray:
    """Return the loopback addresses of ``nodes`` as the four bytes on the wire, dtype ``>u4``."""
    return np.array(_FIRST_IPV4 + np.asarray(nodes, dtype=np.int64), dtype=">u4")


_AXES = {
    "fore": (1.0, 0.0, 0.0),
    "aft": (-1.0, 0.0, 0.0),
    "left": (0.0, -1.0, 0.0),
    "right": (0.0, 1.0, 0.0),
    "nadir": (0.0, 0.0, 1.0),
    "zenith": (0.0, 0.0, -1.0),
}
"""Directions in a satellite's orbital frame: along the flight, right of it, down."""

_USUAL_MOUNTS = {
    ("isl", "satellite"): ("fore", "aft", "left", "right"),
    ("gsl", "satellite"): ("nadir",),
    ("gsl", "station"): ("zenith",),
}


@dataclass(frozen=True, slots=True)
class Port:
    """One laser terminal (``isl0`` …) or radio antenna (``gsl0`` …) of a node."""

    index: int
    node: int
    name: str
    kind: str
    terminal: str
    mount: str


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


def line_rate_bps(rate_bps: float, scale: float) -> int:
    """Return a rate divided by ``scale``, as a multiple of 8 because netem counts bytes."""
    return 8 * max(1, round(rate_bps / 8 / scale))


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
    port_kind: np.ndarray
    """Index into ``kinds`` of each port's terminal."""
    port_mount: np.ndarray
    """Where each port's field of regard is centred, in its node's own frame, ``(ports, 3)``."""
    kinds: tuple[Terminal, ...]
    """The scenario's terminals, in the order of ``kind_names``."""
    kind_names: tuple[str, ...]
    rate_scale: float

    @classmethod
    def of(cls, scenario: Scenario) -> "Network":
        """Number the nodes and ports of ``scenario``."""
        nodes: list[Node] = []
        ports: list[Port] = []

        def add(name: str, kind: Kind, fits: dict[str, Fit | None]) -> None:
            own: list[Port] = []
            for medium, fit in fits.items():
                mounts = (fit and fit.mounts) or _USUAL_MOUNTS[medium, kind]
                for number in range(fit.count if fit else 0):
                    index, mount = len(ports) + len(own), mounts[number % len(mounts)]
                    label = f"{medium}{number}"
                    own.append(Port(index, len(nodes), label, medium, fit.kind, mount))
            ports.extend(own)
            nodes.append(Node(len(nodes), name, kind, tuple(own)))

        for each in scenario.constellation:
            for name in each.node_names():
                add(name, "satellite", {"isl": each.isl, "gsl": each.gsl})
        for station in scenario.ground.station:
            add(station.name, "station", {"gsl": station.antennas})

        names = tuple(scenario.terminals)
        kinds = tuple(scenario.terminals.values())
        number = {name: index for index, name in enumerate(names)}
        port_kind = np.array([number[p.terminal] for p in ports], dtype=np.int32)
        scale = scenario.scenario.rate_scale
        rate_bps = np.array(
            [line_rate_bps(k.rate_gbps * 1e9, scale) for k in kinds], dtype=np.int64
        )
        reach_km = np.array([k.max_range_km for k in kinds], dtype=np.float64)
        buffer = np.array([k.buffer_packets for k in kinds], dtype=np.int64)
        return cls(
            nodes=tuple(nodes),
            ports=tuple(ports),
            port_node=np.array([p.node for p in ports], dtype=np.int32),
            port_rate_bps=rate_bps[port_kind],
            port_range_km=reach_km[port_kind],
            port_buffer=buffer[port_kind],
            port_kind=port_kind,
            port_mount=np.array([_AXES[p.mount] for p in ports]).reshape(-1, 3),
            kinds=kinds,
            kind_names=names,
            rate_scale=scale,
        )

    @cached_property
    def port_medium(self) -> np.ndarray:
        """True where a port is a laser terminal of an ISL, False for the ground segment's."""
        return np.array([port.kind == "isl" for port in self.ports], dtype=bool)

    def node_ports(self, medium: Literal["isl", "gsl"]) -> tuple[np.ndarray, np.ndarray]:
        """Return each node's first port of a medium and how many follow it, ``(nodes,)`` each.

        The ports of a node and medium are consecutive.
        """
        chosen = self.port_medium == (medium == "isl")
        count = np.bincount(self.port_node[chosen], minlength=len(self.nodes))
        first = np.zeros(len(self.nodes), dtype=np.int64)
        own = np.flatnonzero(chosen)[::-1]
        first[self.port_node[own]] = own
        return first, count

    def node_kind(self, medium: Literal["isl", "gsl"]) -> np.ndarray:
        """Return which of ``kinds`` each node's terminals of a medium are, -1 where it has none."""
        first, count = self.node_ports(medium)
        if not len(self.ports):
            return np.full(len(self.nodes), -1)
        return np.where(count > 0, self.port_kind[first], -1)

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
