"""BGP by FRR: one zebra and one bgpd in every node, unnumbered (RFC 5549).

Neighbours find each other by router advertisements and speak over their link-local addresses; so
a port that is handed over needs no other configuration. By ``routing.bgp_as``:

satellite  every node is an autonomous system. A path's length is its number of hops.
plane      every orbital plane is one, and each of its satellites reflects routes to its neighbours
           within (RFC 4456) with itself as next hop. Fewest systems come first, then fewest hops
           within the own one, by the length of the cluster list. (In a confederation, RFC 5065,
           hops between its members do not count, so the second would be left to chance.) Which
           ports lead out of the plane is the plan's knowledge and follows its handovers. Where
           failures cut a plane in two, its halves do not hear of each other by way of others.

Costs are lengths: routes learned over a costly port are given more hops, of a number nobody has.
"""

from collections import defaultdict

import numpy as np

from emulator.linkplan import LinkPlan
from emulator.network import Node, Port
from emulator.sections import Routing as RoutingSection
from protocols.as_numbers import as_numbers
from protocols.base import Footprint, Nodes
from protocols.frr import BFD_PROFILE, Frr, configure, zebra_conf

NOBODY_AS = 4_294_967_294
"""The last number for private use (RFC 6996): stands for hops that are not there."""
MOST_HOPS, COSTLY_HOPS = 16, 64
_LEAST_HOLD_S = 3
"""RFC 4271, section 4.2."""


def advertising_zebra_conf(node: Node) -> str:
    """Render zebra's configuration with router advertisements every second on every port."""
    ports = [
        f"interface {port.name}\n no ipv6 nd suppress-ra\n ipv6 nd ra-interval 1\n"
        for port in node.ports
    ]
    return zebra_conf(node) + "".join(ports)


def bgpd_conf(node: Node, routing: RoutingSection, own_as: int, inner: frozenset[int]) -> str:
    """Render bgpd's configuration. ``inner``: indices of ports to nodes of the same system."""
    lines = [
        f"hostname {node.name}",
        *_route_map("ISL", hops(routing, "isl") - 1),
        *_route_map("GSL", hops(routing, "gsl") - 1),
        *_route_map("COSTLY", COSTLY_HOPS),
        f"router bgp {own_as}",
        f" bgp router-id {node.ipv4}",
        " bgp log-neighbor-changes",
        " no bgp ebgp-requires-policy",
        " no bgp network import-check",
        " bgp bestpath as-path multipath-relax",
        # By default a second, in which neighbours that come up together would share their updates.
        " coalesce-time 0",
    ]
    for port in node.ports:
        lines += _neighbour(port, port.index in inner, routing)
    lines += [
        " address-family ipv4 unicast",
        f"  network {node.ipv4}/32",
        "  maximum-paths 4",
        "  maximum-paths ibgp 4 equal-cluster-length",
    ]
    for port in node.ports:
        lines += [f"  neighbor {port.name} next-hop-self force", "  " + length(port, costly=False)]
        if port.index in inner:
            lines.append(f"  neighbor {port.name} route-reflector-client")
    return "\n".join(lines) + "\n"


def hops(routing: RoutingSection, medium: str) -> int:
    """Return how many hops a port counts for: its cost in units of the cheapest, up to 16."""
    cheapest = min(routing.isl_cost, routing.gsl_cost)
    return min(round(routing.cost(medium) / cheapest), MOST_HOPS)


def kind(port: Port, inner: bool) -> str:
    """Render of which kind the system of the neighbour at a port is."""
    return f"neighbor {port.name} interface remote-as {'internal' if inner else 'external'}"


def length(port: Port, costly: bool) -> str:
    """Render how long routes by a port are made, within an address family."""
    return f"neighbor {port.name} route-map {'COSTLY' if costly else port.kind.upper()} in"


def _route_map(name: str, more_hops: int) -> list[str]:
    longer = [" set as-path prepend" + f" {NOBODY_AS}" * more_hops] if more_hops else []
    return [f"route-map {name} permit 10", *longer, "exit"]


def _neighbour(port: Port, inner: bool, routing: RoutingSection) -> list[str]:
    lines = [f"timers {routing.hello_s} {max(routing.dead_s, _LEAST_HOLD_S)}", "timers connect 1"]
    lines += ["advertisement-interval 0"]
    if routing.bfd_ms:
        lines += ["bfd", f"bfd profile {BFD_PROFILE}"]
    return [f" {kind(port, inner)}", *(f" neighbor {port.name} {line}" for line in lines)]


class FrrBgp(Frr):
    """BGP in every node."""

    speaker = "bgpd"
    protocol = "BGP"
    footprint = Footprint(processes=2, node_mb=25.0, route_kb=6.0, bfd_processes=1, bfd_mb=8.0)

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        super().__init__(plan, nodes)
        self.own_as = as_numbers(plan.scenario)
        self.inner = self._within(plan.at(0), frozenset())
        """Ports whose neighbour is taken for one of the same system."""

    def _within(self, state: np.ndarray, before: frozenset[int]) -> frozenset[int]:
        """Return which ports lead to the same system in ``state``; dark ones as ``before``."""
        own_as, peer = self.own_as[self.plan.network.port_node], state["peer"]
        lit = np.flatnonzero(peer >= 0)
        same = lit[own_as[lit] == own_as[peer[lit]]]
        return frozenset(same.tolist()) | (before - frozenset(lit.tolist()))

    def config(self, daemon: str, node: Node) -> str:
        """Return the configuration of a node's daemon."""
        return advertising_zebra_conf(node) if daemon == "zebra" else super().config(daemon, node)

    def speaker_conf(self, node: Node) -> str:
        """Return bgpd's configuration of a node."""
        return bgpd_conf(node, self.routing, int(self.own_as[node.index]), self.inner)

    def step(self, state: np.ndarray) -> None:
        """Tell those whose port now leads into another system, or back, of the neighbour's kind.

        The neighbour is never removed: bgpd 8.4 would crash at its interface's next event.
        """
        before, self.inner = self.inner, self._within(state, self.inner)
        told = defaultdict(list)
        for index in sorted(before ^ self.inner):
            port, inner = self.plan.network.ports[index], index in self.inner
            told[port.node].append(kind(port, inner))
            if inner:  # else it goes with the kind
                reflect = f"neighbor {port.name} route-reflector-client"
                told[port.node] += ["address-family ipv4 unicast", reflect, "exit-address-family"]
        for node, lines in told.items():
            handle = self.nodes[self.plan.network.nodes[node].name]
            lines.insert(0, f"router bgp {self.own_as[node]}")
            configure(handle.namespace, self.speaker, lines)

    def cost_lines(self, port: Port, costly: bool) -> list[str]:
        """Return the lines that let routes by a port be as long as usual, or the longest."""
        start = [f"router bgp {self.own_as[port.node]}", "address-family ipv4 unicast"]
        return [*start, length(port, costly), "exit-address-family", "exit"]
