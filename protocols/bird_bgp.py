"""BGP by BIRD 2: a session on every link between link-local addresses, IPv4 over IPv6 next hops.

No port has an IPv4 address of its own: loopbacks travel with next hops of IPv6 (RFC 8950), and so
they reach the kernels. Whom a terminal is pointed at is known, so a port's neighbour is configured
when the port gets a new one; that it goes, BGP must find out for itself. (BIRD does not discover
neighbours. FRR does, by router advertisements.)

Paths are compared by what they cost (AIGP, RFC 7311, with the costs that OSPF has), only then by
their ASes: counted in ASes a ground station would be as good a way as a laser. Where an AS is a
plane, its sessions are internal and each satellite reflects routes to its neighbours (RFC 4456).
A path never enters an AS twice: a plane broken in two does not heal by way of another plane.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from emulator.linkplan import LinkPlan
from emulator.network import Node, Port
from emulator.sections import Routing as RoutingSection
from protocols.as_numbers import as_numbers
from protocols.base import Footprint, Nodes
from protocols.bird import Bird, bfd, loopback, preamble
from protocols.daemons import facing

RAISED = 65535
"""A cost above that of any way of a few links."""
_LEAST_HOLD_S = 3
"""RFC 4271 section 4.2."""

Neighbours = Mapping[int, tuple[str, int]]
"""Link-local address and AS of the neighbour before a port, by the port's index."""


def bgp_conf(
    node: Node,
    routing: RoutingSection,
    folder: Path,
    own_as: int,
    neighbours: Neighbours,
    raised: Collection[int] = (),
) -> str:
    """Render BIRD's configuration: a session for each port that has had a neighbour."""
    ecmp = routing.bgp_as == "satellite"
    lines = [*preamble(node, folder, "RTS_BGP", ecmp), *bfd(routing), *loopback(node)]
    for port in node.ports:
        if port.index in neighbours:
            cost = RAISED if port.index in raised else routing.cost(port.kind)
            lines += _session(port, routing, own_as, *neighbours[port.index], cost)
    return "\n".join(lines) + "\n"


def _metered(cost: int) -> list[str]:
    """Render policies by which a route's MED, too, says what it costs.

    BIRD takes ways of as many ASes for equal whatever their AIGP, unless their MEDs differ: a way
    by a ground station would share the traffic of one by as many lasers (bgp_rte_mergable in
    proto/bgp/attrs.c). Where every node is an AS each step is one less, so nothing turns in a
    circle; within a plane it may, and there is one way only.
    """
    return [
        f"    import filter {{ bgp_med = bgp_med + {cost}; accept; }};",
        "    export filter { if defined(bgp_med) then bgp_med = bgp_med; else bgp_med = 0;"
        " accept; };",
    ]


def _session(
    port: Port, routing: RoutingSection, own_as: int, address: str, other_as: int, cost: int
) -> list[str]:
    ecmp = routing.bgp_as == "satellite"
    return [
        f"protocol bgp {port.name} {{",
        f"  local as {own_as};",
        f"  neighbor {address}%{port.name} as {other_as};",
        "  direct;",
        f"  hold time {max(_LEAST_HOLD_S, routing.dead_s)};",
        f"  keepalive time {routing.hello_s};",
        # By default five seconds before the first try, and a minute and more after a failure.
        "  connect delay time 1;",
        "  connect retry time 1;",
        "  error wait time 1, 4;",
        *(["  bfd on;"] if routing.bfd_ms else []),
        *(["  rr client;"] if own_as == other_as else []),
        *(["  med metric on;"] if ecmp else []),
        "  ipv4 {",
        *(_metered(cost) if ecmp else ["    import all;", "    export all;"]),
        "    extended next hop on;",
        "    next hop self;",
        "    aigp originate;",
        f"    cost {cost};",
        "  };",
        "}",
    ]


class BirdBgp(Bird):
    """BGP in every node."""

    protocol = "BGP"
    has_bfd = True
    footprint = Footprint(processes=1, node_mb=2.5, route_kb=4.0)

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        super().__init__(plan, nodes)
        self.numbers = as_numbers(plan.scenario)
        self.neighbour = np.full(len(plan.network.port_node), -1)
        """Index of the last node that each port was pointed at, -1 before the first one."""

    def conf(self, name: str) -> str:
        """Render the configuration that a node's BIRD shall have now."""
        handle = self.nodes[name]
        node, nodes = handle.node, self.plan.network.nodes
        neighbours = {}
        for port in node.ports:
            if (other := int(self.neighbour[port.index])) >= 0:
                neighbours[port.index] = nodes[other].link_local, int(self.numbers[other])
        own_as = int(self.numbers[node.index])
        return bgp_conf(node, self.routing, handle.state_dir, own_as, neighbours, self.raised)

    def step(self, state: np.ndarray) -> None:
        """Configure the neighbours of ports that have got new ones."""
        now = facing(self.plan.network, state)
        new = np.flatnonzero((now >= 0) & (now != self.neighbour))
        self.neighbour[new] = now[new]
        self.configure(new.tolist())
