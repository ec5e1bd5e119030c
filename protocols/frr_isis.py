"""IS-IS by FRR: one zebra and one isisd in every node, level 2 only, point-to-point.

A node's system identifier is its IPv4 address, digits in fours. FRR's default interval between
two versions of a router's own LSP is 30 s, and what is once put off is not brought forward. isisd
reads its configuration line by line, and ``is-type`` has it write a new version at once: unless
``lsp-gen-interval`` stands before that line, every cold start takes half a minute. One second is
the least that isisd accepts, so this is also how often one router can tell of its links. The
seconds are counted by the time of day, which therefore is never set back while a run is up.
"""

from emulator.network import Node, Port
from emulator.sections import Routing as RoutingSection
from protocols.frr import BFD_PROFILE, Frr

TAG = "sky"
COSTLY = 2**24 - 2
"""The highest wide metric that still counts as a way (RFC 5305, section 3)."""


SPF_DELAY = (
    " spf-delay-ietf init-delay 10 short-delay 50 long-delay 100 holddown 500 time-to-learn 200"
)
"""RFC 8405, in milliseconds. ``long-delay`` meets whatever comes less than ``holddown`` after any
other news: in a moving sky nearly all does, so it is as ospfd's, not RFC 8405's five seconds."""


def network_entity(node: Node) -> str:
    """Return a node's network entity title: area 49.0001, system identifier from its IPv4."""
    digits = "".join(f"{int(part):03d}" for part in node.ipv4.split("."))
    return f"49.0001.{digits[:4]}.{digits[4:8]}.{digits[8:]}.00"


def isisd_conf(node: Node, routing: RoutingSection) -> str:
    """Render isisd's configuration: every port, whether lit or not, and the loopback passive."""
    lines = [f"hostname {node.name}"]
    for port in node.ports:
        lines += [
            f"interface {port.name}",
            f" ip router isis {TAG}",
            " isis circuit-type level-2-only",
            " isis network point-to-point",
            " no isis hello padding",
            f" isis metric {routing.cost(port.kind)}",
            f" isis hello-interval {routing.hello_s}",
            f" isis hello-multiplier {hello_multiplier(routing)}",
        ]
        if routing.bfd_ms:
            lines += [" isis bfd", f" isis bfd profile {BFD_PROFILE}"]
    lines += [
        "interface lo",
        f" ip router isis {TAG}",
        " isis passive",
        f"router isis {TAG}",
        f" net {network_entity(node)}",
        " lsp-gen-interval 1",
        " is-type level-2-only",
        SPF_DELAY,
        " log-adjacency-changes",
    ]
    return "\n".join(lines) + "\n"


def hello_multiplier(routing: RoutingSection) -> int:
    """Return how many hellos in a row may be missed: the dead time in hellos, as isisd takes it."""
    return min(max(2, -(-routing.dead_s // routing.hello_s)), 100)


class FrrIsis(Frr):
    """IS-IS in every node."""

    speaker = "isisd"
    protocol = "IS-IS"

    def speaker_conf(self, node: Node) -> str:
        """Return isisd's configuration of a node."""
        return isisd_conf(node, self.routing)

    def cost_lines(self, port: Port, costly: bool) -> list[str]:
        """Return the lines that set a port's metric."""
        cost = COSTLY if costly else self.routing.cost(port.kind)
        return [f"interface {port.name}", f"isis metric {cost}", "exit"]
