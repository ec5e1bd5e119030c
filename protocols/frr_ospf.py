"""OSPF by FRR: one zebra and one speaker in every node, unnumbered, point-to-point.

Version 2 by ospfd, for IPv4; what version 3 does otherwise for IPv6 stands in frr_ospf6.py.
"""

from emulator.network import Node, Port
from emulator.sections import Routing as RoutingSection
from protocols.frr import BFD_PROFILE, Frr


def ospfd_conf(node: Node, routing: RoutingSection) -> str:
    """Render ospfd's configuration: every port, whether lit or not, and the loopback passive."""
    lines = [
        *port_lines(node, routing, "ip ospf"),
        "router ospf",
        f" ospf router-id {node.ipv4}",
        " timers throttle spf 10 100 1000",
        " timers throttle lsa all 0",
        " timers lsa min-arrival 0",
        " maximum-paths 4",
        " log-adjacency-changes",
    ]
    return "\n".join(lines) + "\n"


def port_lines(node: Node, routing: RoutingSection, words: str) -> list[str]:
    """Render what comes before the process itself. ``words``: by which a version is spoken of."""
    lines = [f"hostname {node.name}"]
    for port in node.ports:
        lines += [
            f"interface {port.name}",
            f" {words} area 0",
            f" {words} network point-to-point",
            f" {words} cost {routing.cost(port.kind)}",
            f" {words} hello-interval {routing.hello_s}",
            f" {words} dead-interval {routing.dead_s}",
        ]
        if routing.bfd_ms:
            lines += [f" {words} bfd", f" {words} bfd profile {BFD_PROFILE}"]
    return [*lines, "interface lo", f" {words} area 0", f" {words} passive"]


COSTLY = 65535
"""The highest metric of a router-LSA (RFC 2328, appendix C.3): passed where there is a choice."""


class FrrOspf(Frr):
    """OSPFv2 in every node."""

    speaker = "ospfd"
    words = "ip ospf"
    machine_files = ("ospfd-gr.json",)

    def speaker_conf(self, node: Node) -> str:
        """Return ospfd's configuration of a node."""
        return ospfd_conf(node, self.routing)

    def cost_lines(self, port: Port, costly: bool) -> list[str]:
        """Return the lines that set a port's metric."""
        cost = COSTLY if costly else self.routing.cost(port.kind)
        return [f"interface {port.name}", f"{self.words} cost {cost}", "exit"]
