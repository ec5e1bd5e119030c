"""Babel (RFC 8966) by BIRD 2: one process in every node; a route is one way, the cheapest.

Babel's next hops for IPv4 are the addresses of the ports, which borrow the loopback's /32: BIRD
finds no subnet that holds them and marks them "onlink", so nothing else is needed. (Next hops of
IPv6 for them, RFC 9229, came after BIRD 2.0.12, and so did BFD with Babel.)

``dead_s`` becomes Babel's k out of 16: a link is lost when as many hellos as fit into ``dead_s``
are missing among the last 16, half an interval after the last of them was due. It is good again
when they have left the 16, unless the port had lost its carrier, which makes a new start.
"""

from collections.abc import Collection
from pathlib import Path

from emulator.network import Node
from emulator.sections import Routing as RoutingSection
from protocols.base import Footprint
from protocols.bird import Bird, interfaces, loopback, preamble

WORST = 0xFFFE
"""Of costs one below Babel's infinity."""
RAISED = 20_000
"""A cost that loses against any other way and may occur twice in one."""
_HISTORY = 16


def limit(routing: RoutingSection) -> int:
    """Return how many of the last 16 hellos a link needs."""
    return max(1, _HISTORY + 1 - routing.dead_s // routing.hello_s)


def babel_conf(
    node: Node, routing: RoutingSection, folder: Path, raised: Collection[int] = ()
) -> str:
    """Render BIRD's configuration: every port, whether lit or not, and the loopback's address."""
    lines = [
        *preamble(node, folder, "RTS_BABEL"),
        *loopback(node),
        "protocol babel {",
        "  ipv4 { import all; export all; };",
    ]
    for pattern, (kind, high) in interfaces(node.ports, raised).items():
        lines += [
            f"  interface {pattern} {{",
            "    type wired;",
            f"    rxcost {RAISED if high else min(routing.cost(kind), WORST)};",
            f"    hello interval {routing.hello_s} s;",
            f"    limit {limit(routing)};",
            "  };",
        ]
    return "\n".join([*lines, "}"]) + "\n"


class BirdBabel(Bird):
    """Babel in every node."""

    protocol = "Babel"
    footprint = Footprint(processes=1, node_mb=2.5, route_kb=3.0)

    def conf(self, name: str) -> str:
        """Render the configuration that a node's BIRD shall have now."""
        handle = self.nodes[name]
        return babel_conf(handle.node, self.routing, handle.state_dir, self.raised)
