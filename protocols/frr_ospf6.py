"""OSPFv3 (RFC 5340) by FRR, for IPv6: as frr_ospf.py, by ospf6d, over link-local addresses.

Of several equally good ways ospf6d 8.4 may leave some out, by the order in which it meets them
(FRR's PR 13297, of April 2023, put that right). All that it takes are shortest; but which, may
change with any change of the sky, so that its nodes write five times as many routes as ospfd's
(measured, 66 satellites).
"""

from emulator.network import Node
from emulator.sections import Routing as RoutingSection
from protocols.frr_ospf import FrrOspf, port_lines

_WORDS = "ipv6 ospf6"


def ospf6d_conf(node: Node, routing: RoutingSection) -> str:
    """Render ospf6d's configuration: every port, whether lit or not, and the loopback passive."""
    lines = [
        *port_lines(node, routing, _WORDS),
        "router ospf6",
        f" ospf6 router-id {node.ipv4}",
        " timers throttle spf 10 100 1000",
        " timers lsa min-arrival 0",
        " maximum-paths 4",
        " log-adjacency-changes",
    ]
    return "\n".join(lines) + "\n"


class FrrOspf6(FrrOspf):
    """OSPFv3 in every node."""

    speaker = "ospf6d"
    protocol = "OSPFv3"
    family = 6
    words = _WORDS
    machine_files = ("ospf6d-gr.json", "ospf6d-at-seq-no.dat")

    def speaker_conf(self, node: Node) -> str:
        """Return ospf6d's configuration of a node."""
        return ospf6d_conf(node, self.routing)
