"""What all protocols of BIRD 2 share: one process a node, its control socket, its kernel part.

One BIRD a node holds the protocol and, where it is wanted, BFD. What is to change while it runs
is written into its configuration, which it is then told to read again: it compares old and new and
touches only what differs.
"""

import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TextIO

from emulator.linkplan import LinkPlan
from emulator.network import Family, Node, Port
from emulator.sections import Routing as RoutingSection
from protocols.base import Footprint, Nodes
from protocols.daemons import Daemons, converse

BIRD = Path("/usr/sbin/bird")
BFD_MULTIPLIER = 3
_SCAN_S = 600
"""Links and routes are heard of by netlink; dumps of whole tables only mend what was missed."""


def preamble(
    node: Node, folder: Path, source: str, ecmp: bool = False, family: Family = 4
) -> list[str]:
    """Render what any protocol needs: log, router id, links, the kernel's table.

    ``source``: whose routes go to the kernel (RTS_OSPF ...). ``ecmp``: several routes to one
    destination go there as one of several ways; OSPF makes such routes itself.
    """
    return [
        f'log "{folder}/bird.log" all;',
        f"router id {node.ipv4};",
        "protocol device {",
        f"  scan time {_SCAN_S};",
        "}",
        "protocol kernel {",
        f"  scan time {_SCAN_S};",
        # The default may lose netlink messages when many links move at once.
        "  netlink rx buffer 4194304;",
        *(["  merge paths on limit 4;"] if ecmp else []),
        f"  ipv{family} {{ export where source = {source}; }};",
        "}",
    ]


def bfd(routing: RoutingSection) -> list[str]:
    """Render BFD, if it is wanted, for protocols that then ask it to watch their neighbours."""
    if not routing.bfd_ms:
        return []
    return [
        "protocol bfd {",
        '  interface "*" {',
        f"    interval {routing.bfd_ms} ms;",
        f"    multiplier {BFD_MULTIPLIER};",
        "  };",
        "}",
    ]


def loopback(node: Node) -> list[str]:
    """Render the protocol by which a BIRD knows the one address that its node announces."""
    return [
        "protocol direct {",
        "  ipv4;",
        # Every port has borrowed it.
        '  interface "lo";',
        "}",
    ]


def interfaces(ports: Collection[Port], raised: Collection[int]) -> dict[str, tuple[str, bool]]:
    """Return (kind, raised) by interface pattern: kinds of ports, before them ports apart.

    ``raised``: indices of ports whose cost is high for now.
    """
    apart = {f'"{port.name}"': (port.kind, True) for port in ports if port.index in raised}
    return apart | {f'"{port.kind}*"': (port.kind, False) for port in ports}


def command(folder: Path) -> list[str]:
    """Return the command line of a BIRD that stays in the foreground."""
    return [str(BIRD), "-f", "-c", str(folder / "bird.conf"), "-s", str(folder / "bird.ctl")]


class Bird(Daemons):
    """Starts, watches, reconfigures and stops the BIRDs of all nodes."""

    speaker = "bird"
    footprint = Footprint(processes=1, node_mb=2.5, route_kb=1.5)

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        super().__init__(plan, nodes)
        self.raised: frozenset[int] = frozenset()
        """Indices of the ports whose cost is high for now."""

    @staticmethod
    def missing() -> str:
        """Return '' where BIRD is installed, else what lacks."""
        return "" if BIRD.exists() else f"{BIRD} not found: apt-get install bird2"

    @staticmethod
    def version() -> str:
        """Return what BIRD says of itself."""
        said = subprocess.run([BIRD, "--version"], capture_output=True, text=True, check=True)
        return "BIRD " + said.stderr.split()[-1]

    def conf(self, name: str) -> str:
        """Render the configuration that a node's BIRD shall have now."""
        raise NotImplementedError

    def start(self) -> None:
        """Start all at once; each opens its control socket before it reads its configuration."""
        for name, handle in self.nodes.items():
            handle.state_dir.mkdir(parents=True, exist_ok=True)
            self._write(name)
            self.spawn(name, "bird", command(handle.state_dir))
        self.await_sockets("bird", lambda handle: handle.state_dir / "bird.ctl")

    def cost_out(self, ports: frozenset[int]) -> None:
        """Let the links of ``ports``, and no others, cost the most. Raises DaemonError."""
        changed, self.raised = ports ^ self.raised, ports
        self.configure(changed)

    def configure(self, ports: Iterable[int]) -> None:
        """Have the BIRDs of the nodes of ``ports`` read their configurations of now again.

        Raises DaemonError.
        """
        network = self.plan.network
        for index in sorted({int(network.port_node[port]) for port in ports}):
            name = network.nodes[index].name
            self._write(name)
            with self.asking(name, "bird"):
                ask(self.nodes[name].state_dir, "configure")

    def _write(self, name: str) -> None:
        (self.nodes[name].state_dir / "bird.conf").write_text(self.conf(name))


def ask(folder: Path, question: str) -> list[str]:
    """Ask the BIRD of a node's folder over its control socket (birdc's protocol) for its lines.

    Raises DaemonError where BIRD does not answer or does not know the command.
    """
    return converse("bird", folder / "bird.ctl", question, _answer)


def _answer(lines: TextIO) -> list[str]:
    """Read one answer: lines of "CODE-text" or " text", the last "CODE text"; errors are 8000 up.

    The codes stand in doc/reply_codes of BIRD's source.
    """
    answer = []
    for line in lines:
        coded = line[:4].isdigit()
        answer.append(line[5 if coded else 1 :].rstrip())
        if coded and int(line[:4]) >= 8000:
            raise ValueError(answer[-1])
        if coded and line[4] == " ":
            return [text for text in answer if text]
    raise OSError("connection closed")
