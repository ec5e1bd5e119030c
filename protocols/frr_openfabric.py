"""OpenFabric by FRR (draft-white-openfabric): one zebra and one fabricd in every node.

IS-IS of level 2 with flooding made for spine-and-leaf fabrics: a node sends what is new to just as
many neighbours as reach all nodes two hops away. In a sky nodes find no tiers, and log that they
"could not find two T0 routers": routes come all the same. An adjacency waits until two neighbours
have exchanged all they know, one after the other: cold starts take seconds longer than IS-IS does.
"""

import time

from emulator.errors import CapabilityError, DaemonError
from emulator.network import Node, Port
from emulator.sections import Routing as RoutingSection
from protocols.base import Footprint
from protocols.frr import Frr, configure
from protocols.frr_isis import COSTLY, TAG, hello_multiplier, network_entity

BFD_MS = 300
"""bfdd's default: fabricd 8.4 cannot name a profile."""
_KNOWN_WITHIN_S, _LOOK_S = 10.0, 0.05


def fabricd_conf(node: Node, routing: RoutingSection) -> str:
    """Render fabricd's configuration, without any port."""
    lines = [
        f"hostname {node.name}",
        f"router openfabric {TAG}",
        f" net {network_entity(node)}",
        " lsp-gen-interval 1",
        " spf-delay-ietf init-delay 10 short-delay 50 long-delay 500 holddown 2000"
        " time-to-learn 200",
        " log-adjacency-changes",
    ]
    return "\n".join(lines) + "\n"


def port_lines(node: Node, routing: RoutingSection) -> list[str]:
    """Return the configuration of every port, whether lit or not, and of the loopback, passive."""
    lines = ["interface lo", f" ip router openfabric {TAG}", " openfabric passive", "exit"]
    for port in node.ports:
        lines += [
            f"interface {port.name}",
            f" ip router openfabric {TAG}",
            f" openfabric metric {routing.cost(port.kind)}",
            f" openfabric hello-interval {routing.hello_s}",
            f" openfabric hello-multiplier {hello_multiplier(routing)}",
        ]
        if routing.bfd_ms:
            lines.append(" openfabric bfd")
        lines.append("exit")
    return lines


class FrrOpenFabric(Frr):
    """OpenFabric in every node."""

    speaker = "fabricd"
    protocol = "OpenFabric"
    footprint = Footprint(processes=2, node_mb=20.0, route_kb=4.0, bfd_processes=1, bfd_mb=8.0)

    def speaker_conf(self, node: Node) -> str:
        """Return fabricd's configuration of a node."""
        return fabricd_conf(node, self.routing)

    def start(self) -> None:
        """Start the daemons, then bring the protocol to every port.

        fabricd 8.4 reads its configuration before zebra has told it of any port, and refuses to
        run on ports that it does not know yet. Raises CapabilityError for any BFD but FRR's usual.
        """
        if self.routing.bfd_ms not in (0, BFD_MS):
            raise CapabilityError(
                f"frr-openfabric cannot run BFD at {self.routing.bfd_ms} ms: FRR's fabricd takes "
                f"no BFD profile. Set routing.bfd_ms to 0 or {BFD_MS}, or take frr-isis."
            )
        super().start()
        end = time.monotonic() + _KNOWN_WITHIN_S
        for handle in self.nodes.values():
            while True:
                try:
                    lines = port_lines(handle.node, self.routing)
                    configure(handle.namespace, self.speaker, lines)
                    break
                except DaemonError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(_LOOK_S)

    def cost_lines(self, port: Port, costly: bool) -> list[str]:
        """Return the lines that set a port's metric."""
        cost = COSTLY if costly else self.routing.cost(port.kind)
        return [f"interface {port.name}", f"openfabric metric {cost}", "exit"]
