"""OSPF by BIRD 2: one process in every node, unnumbered, point-to-point.

Version 2 as it is, for IPv4; what version 3 does otherwise for IPv6 stands in bird_ospf6.py.

The kernels get the same host routes as from FRR, of up to four equal ways. Why it is version 2
of the protocol: over a port that borrows the loopback's /32 BIRD marks OSPFv2's next hops
"onlink" (``type ptp`` must be said, or the port is taken for a stub), but decides that for OSPFv3
by the port's fe80::/64, so the IPv4 routes of RFC 5838 never reach the kernel (BIRD 2.0.12:
ospf_iface_stubby in proto/ospf/iface.c, calc_next_hop in proto/ospf/rt.c).

BIRD has no knobs for what it does more slowly than FRR as configured here: it renews its own LSA
every 5 s at most (MinLSInterval of RFC 2328) and computes routes once a second.
"""

from collections.abc import Collection
from pathlib import Path

from emulator.network import Family, Node
from emulator.sections import Routing as RoutingSection
from protocols.bird import Bird, bfd, interfaces, preamble

VERSION: dict[Family, int] = {4: 2, 6: 3}
"""Of OSPF."""
_RAISED = 65535


def ospf_conf(
    node: Node,
    routing: RoutingSection,
    folder: Path,
    raised: Collection[int] = (),
    family: Family = 4,
) -> str:
    """Render BIRD's configuration: every port, whether lit or not, and the loopback's address.

    ``raised``: indices of ports that are the last resort for now.
    """
    lines = [
        *preamble(node, folder, "RTS_OSPF", family=family),
        *bfd(routing),
        f"protocol ospf v{VERSION[family]} {{",
        "  ecmp yes limit 4;",
        "  area 0 {",
        # Once for the node: otherwise every port would announce the address that all borrow.
        f"    stubnet {node.address(family)}/{32 if family == 4 else 128} {{ cost 0; }};",
    ]
    for pattern, (kind, high) in interfaces(node.ports, raised).items():
        lines += [
            f"    interface {pattern} {{",
            "      type ptp;",
            f"      cost {_RAISED if high else routing.cost(kind)};",
            f"      hello {routing.hello_s};",
            f"      dead {routing.dead_s};",
            *(["      bfd on;"] if routing.bfd_ms else []),
            "    };",
        ]
    return "\n".join([*lines, "  };", "}"]) + "\n"


class BirdOspf(Bird):
    """OSPFv2 in every node."""

    protocol = "OSPF"
    has_bfd = True

    def conf(self, name: str) -> str:
        """Render the configuration that a node's BIRD shall have now."""
        handle = self.nodes[name]
        return ospf_conf(handle.node, self.routing, handle.state_dir, self.raised, self.family)
