"""OpenFabric by FRR (draft-white-openfabric): one zebra and one fabricd in every node.

IS-IS of level 2 with flooding made for spine-and-leaf fabrics: a node sends what is new to just as
many neighbours as reach all nodes two hops away. In a sky nodes find no tiers, and log that they
"could not find two T0 routers": routes come all the same. An adjacency waits until two neighbours
have exchanged all they know, one after the other: cold starts take seconds longer than IS-IS does.

fabricd 8.4 cannot name a BFD profile, and its sessions would run at bfdd's 300 ms. bfdd lets who
configures it have a say in a session that a daemon asks for, so it is told of each neighbour
before fabricd meets it: whom a terminal is pointed at is known.
"""

import time
from collections import defaultdict

import numpy as np

from emulator.errors import DaemonError
from emulator.linkplan import LinkPlan
from emulator.network import Node, Port
from emulator.sections import Routing as RoutingSection
from protocols.base import Nodes
from protocols.daemons import facing
from protocols.frr import BFD_PROFILE, Frr, configure
from protocols.frr_isis import COSTLY, SPF_DELAY, TAG, hello_multiplier, network_entity

_KNOWN_WITHIN_S, _LOOK_S = 10.0, 0.05


def fabricd_conf(node: Node, routing: RoutingSection) -> str:
    """Render fabricd's configuration, without any port."""
    lines = [
        f"hostname {node.name}",
        f"router openfabric {TAG}",
        f" net {network_entity(node)}",
        " lsp-gen-interval 1",
        SPF_DELAY,
        # The least. It flows from node to node, half a second each by default, for those whom
        # flooding has left out: all who hear of it from neighbours that are not to pass it on.
        " triggered-csnp-delay 100",
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


def session(port: Port, own: Node, other: Node) -> str:
    """Return bfdd's name of the session that fabricd asks for at a port."""
    return f"peer {other.ipv4} local-address {own.ipv4} interface {port.name}"


class FrrOpenFabric(Frr):
    """OpenFabric in every node."""

    speaker = "fabricd"
    protocol = "OpenFabric"

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        super().__init__(plan, nodes)
        self.neighbour = np.full(len(plan.network.port_node), -1)
        """Index of the last node that each port was pointed at, -1 before the first one."""

    def speaker_conf(self, node: Node) -> str:
        """Return fabricd's configuration of a node."""
        return fabricd_conf(node, self.routing)

    def start(self) -> None:
        """Start the daemons, then bring the protocol to every port.

        fabricd 8.4 reads its configuration before zebra has told it of any port, and refuses to
        run on ports that it does not know yet.
        """
        super().start()
        self.step(self.plan.at(0))
        end = time.monotonic() + _KNOWN_WITHIN_S
        for handle in self.nodes.values():
            lines = port_lines(handle.node, self.routing)
            while True:
                try:
                    configure(handle.namespace, self.speaker, lines)
                    break
                except DaemonError:
                    self.check()
                    if time.monotonic() > end:
                        raise
                    time.sleep(_LOOK_S)

    def step(self, state: np.ndarray) -> None:
        """Give the BFD sessions of ports that have got new neighbours the scenario's pace."""
        if not self.routing.bfd_ms:
            return
        network, now, told = self.plan.network, facing(self.plan.network, state), defaultdict(list)
        for index in np.flatnonzero((now >= 0) & (now != self.neighbour)).tolist():
            port = network.ports[index]
            own, last = network.nodes[port.node], int(self.neighbour[index])
            if last >= 0:
                told[own.name].append("no " + session(port, own, network.nodes[last]))
            other = network.nodes[now[index]]
            told[own.name] += [session(port, own, other), f"profile {BFD_PROFILE}", "exit"]
            self.neighbour[index] = now[index]
        for name, lines in told.items():
            configure(self.nodes[name].namespace, "bfdd", ["bfd", *lines])

    def cost_lines(self, port: Port, costly: bool) -> list[str]:
        """Return the lines that set a port's metric."""
        cost = COSTLY if costly else self.routing.cost(port.kind)
        return [f"interface {port.name}", f"openfabric metric {cost}", "exit"]
