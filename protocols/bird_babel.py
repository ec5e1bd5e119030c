"""Babel (RFC 8966) by BIRD 2: one process in every node; a route is one way, the cheapest.

Babel's next hops for IPv4 are the addresses of the ports, which borrow the loopback's /32: BIRD
finds no subnet that holds them and marks them "onlink", so nothing else is needed. (Next hops of
IPv6 for them, RFC 9229, came after BIRD 2.0.12, and so did BFD with Babel.)

BIRD remembers the last 16 hellos of a neighbour (RFC 8966, appendix A.2.1, with j = 16 where the
RFC has 3), also over a loss of carrier, and a link that must have L of them is good again L hellos
after it came back. So it must have one only, and hellos are sent so often that the last of 16 is
missed after ``dead_s``; a neighbour without any is forgotten, and welcome as a new one. Where
neither side hears the other it ends sooner, after 10.5 hellos, when "I heard you" has run out.
``hello_s`` is the most that lies between hellos, and a quarter of what lies between updates.
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
_UPDATE_HELLOS = 4
"""BIRD's default, and RFC 8966's (appendix B)."""


def hello_ms(routing: RoutingSection) -> int:
    """Return the interval of hellos of which 16 in a row are missed in ``dead_s``."""
    return min(routing.hello_s * 1000, routing.dead_s * 1000 // _HISTORY)


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
            f"    hello interval {hello_ms(routing)} ms;",
            f"    update interval {_UPDATE_HELLOS * routing.hello_s} s;",
            "    limit 1;",
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
