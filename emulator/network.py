"""Scenario → Network: every node and port with its number, name and address. No geometry.

Nodes are satellites in the order of the scenario, then ground stations. Every laser terminal
or antenna is one *port*. All names and addresses follow from the numbers, so two networks of
one scenario are equal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address
from typing import Any, Literal

import numpy as np

from emulator.errors import RunError
from emulator.scenario import Scenario
from emulator.terminals import Fit, Terminal

Kind = Literal["satellite", "station"]
Family = Literal[4, 6]
"""Version of IP."""
_FIRST_IPV4 = 0x0A000001
NODE_MAC = "02:4c:4d:00:00:01"
"""Of every port of every node."""


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

    def address(self, family: Family) -> str:
        """Loopback address of a family."""
        return self.ipv4 if family == 4 else self.ipv6

    @property
    def link_local(self) -> str:
        """Link-local address that all its interfaces share (RFC 4291, section 2.5.6).

        Its identifier is made of the ports' MAC address (appendix A) with the node's number where
        ff:fe would be: who works a neighbour's MAC out from its address, as FRR does, is right.
        """
        number, mac = self.index + 1, int(NODE_MAC.replace(":", ""), 16) ^ 2 << 40
        # Beyond 65,535 nodes addresses are still each node's own.
        high = (mac >> 24) << 40 | (number >> 16) << 56
        return str(IPv6Address(0xFE80 << 112 | high | (number & 0xFFFF) << 24 | mac & 0xFFFFFF))


def line_rate_bps(rate_bps: float, scale: float) -> int:
    """Return a rate divided by ``scale``, as a multiple of 8 because netem counts bytes."""
    return 8 * max(1, round(rate_bps / 8 / scale))


@dataclass(frozen=True, slots=True)
class _Alike:
    """Nodes that carry the same ports, one after the other."""

    count: int
    kind: Kind
    names: Callable[[], Sequence[str]]
    ports: tuple[tuple[str, str, str, str], ...]
    """(name, medium, terminal, mount) of each port of one node."""

    @classmethod
    def of(
        cls, count: int, kind: Kind, names: Callable[[], Sequence[str]], fits: dict[str, Fit | None]
    ) -> "_Alike":
        ports = []
        for medium, fit in fits.items():
            mounts = (fit and fit.mounts) or _USUAL_MOUNTS[medium, kind]
            for number in range(fit.count if fit else 0):
                ports.append((f"{medium}{number}", medium, fit.kind, mounts[number % len(mounts)]))
        return cls(count, kind, names, tuple(ports))


@dataclass(frozen=True)
class Network:
    """All nodes and ports of a scenario: their figures as arrays, themselves when asked for."""

    groups: tuple[_Alike, ...]
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
    port_medium: np.ndarray
    """True where a port is a laser terminal of an ISL, False for the ground segment's."""
    kinds: tuple[Terminal, ...]
    """The scenario's terminals, in the order in which it names them."""
    rate_scale: float

    @classmethod
    def of(cls, scenario: Scenario) -> "Network":
        """Number the nodes and ports of ``scenario``."""
        groups = [
            _Alike.of(each.size, "satellite", each.node_names, {"isl": each.isl, "gsl": each.gsl})
            for each in scenario.constellation
        ]
        groups += [
            _Alike.of(1, "station", lambda name=each.name: [name], {"gsl": each.antennas})
            for each in scenario.ground.station
        ]
        kinds = tuple(scenario.terminals.values())
        number = {name: index for index, name in enumerate(scenario.terminals)}
        scale = scenario.scenario.rate_scale
        rate_bps = [line_rate_bps(kind.rate_gbps * 1e9, scale) for kind in kinds]
        port_kind = _tiled(groups, lambda port: number[port[2]], np.int32)
        per_node = np.concatenate([np.full(g.count, len(g.ports)) for g in groups])
        return cls(
            groups=tuple(groups),
            port_node=np.repeat(np.arange(len(per_node), dtype=np.int32), per_node),
            port_rate_bps=np.array(rate_bps, dtype=np.int64)[port_kind],
            port_range_km=np.array([k.max_range_km for k in kinds], dtype=np.float64)[port_kind],
            port_buffer=np.array([k.buffer_packets for k in kinds], dtype=np.int64)[port_kind],
            port_kind=port_kind,
            port_mount=_tiled(groups, lambda port: _AXES[port[3]], np.float64).reshape(-1, 3),
            port_medium=_tiled(groups, lambda port: port[1] == "isl", bool),
            kinds=kinds,
            rate_scale=scale,
        )

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node, satellites first."""
        nodes: list[Node] = []
        first = 0
        for group in self.groups:
            for name in group.names():
                index = len(nodes)
                own = [Port(first + i, index, *port) for i, port in enumerate(group.ports)]
                nodes.append(Node(index, name, group.kind, tuple(own)))
                first += len(own)
        return tuple(nodes)

    @cached_property
    def ports(self) -> tuple[Port, ...]:
        """Every port, in the order of the nodes."""
        return tuple(port for node in self.nodes for port in node.ports)

    @cached_property
    def size(self) -> int:
        """Number of nodes."""
        return sum(group.count for group in self.groups)

    def node_ports(self, medium: Literal["isl", "gsl"]) -> tuple[np.ndarray, np.ndarray]:
        """Return each node's first port of a medium and how many follow it, ``(nodes,)`` each.

        The ports of a node and medium are consecutive.
        """
        chosen = self.port_medium == (medium == "isl")
        count = np.bincount(self.port_node[chosen], minlength=self.size)
        first = np.zeros(self.size, dtype=np.int64)
        own = np.flatnonzero(chosen)[::-1]
        first[self.port_node[own]] = own
        return first, count

    def node_kind(self, medium: Literal["isl", "gsl"]) -> np.ndarray:
        """Return which of ``kinds`` each node's terminals of a medium are, -1 where it has none."""
        first, count = self.node_ports(medium)
        if not len(self.port_kind):
            return np.full(self.size, -1)
        return np.where(count > 0, self.port_kind[first], -1)

    @cached_property
    def satellites(self) -> np.ndarray:
        """Indices of the satellites."""
        satellites = sum(group.count for group in self.groups if group.kind == "satellite")
        return np.arange(satellites, dtype=np.int32)

    @cached_property
    def stations(self) -> np.ndarray:
        """Indices of the ground stations."""
        return np.arange(len(self.satellites), self.size, dtype=np.int32)

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

    def port_named(self, label: str) -> tuple[str, str]:
        """Return node and interface of ``node:interface``; RunError says what there is."""
        name, _, port = label.partition(":")
        node = self._by_name.get(name)
        if node is None:
            raise RunError(f"no port {label!r}: no node {name!r}; write NODE:PORT, as in plans")
        known = [each.name for each in node.ports]
        if port not in known:
            raise RunError(f"no port {label!r}: {name} has {', '.join(known)}")
        return name, port

    def port_label(self, port: int) -> str:
        """Return ``node:interface`` of a port, as tables show it."""
        each = self.ports[port]
        return f"{self.nodes[each.node].name}:{each.name}"


def _tiled(
    groups: Sequence[_Alike], figure: Callable[[tuple[str, str, str, str]], Any], dtype: Any
) -> np.ndarray:
    """One figure of every port, in order: that of one node's ports, as often as there are nodes."""
    parts = []
    for group in groups:
        own = np.array([figure(port) for port in group.ports], dtype=dtype)
        parts.append(
            np.tile(own, (group.count, *[1] * (own.ndim - 1))) if own.size else own.ravel()
        )
    return np.concatenate([part for part in parts if part.size] or [np.empty(0, dtype=dtype)])
