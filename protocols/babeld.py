"""Babel (RFC 8966) by babeld: one process in every node; a route is one way, the cheapest.

Next hops of IPv4 routes are the addresses of the ports, which borrow the loopback's /32; babeld
marks all its routes "onlink". All ports share one hardware address, from which babeld would make
equal router ids: each node is given its own.

Of Babel's timers only the interval of hellos is free: a link is lost when two of its last three
are missing, whatever ``dead_s`` says, and whole tables are told every four intervals. It has no
BFD, and the cost of a port that is up cannot be changed (1.12.1), so there are no early costs.
"""

import subprocess
from pathlib import Path
from typing import TextIO

from emulator.network import Node
from emulator.sections import Routing as RoutingSection
from protocols.base import Footprint
from protocols.bird_babel import WORST
from protocols.daemons import Daemons, converse

BABELD = Path("/usr/sbin/babeld")


def babeld_conf(node: Node, routing: RoutingSection) -> str:
    """Render babeld's configuration: every port, whether lit or not, and the loopback's address."""
    router_id = ":".join(f"{int(byte):02x}" for byte in node.ipv4.split("."))
    lines = [
        f"router-id 02:00:{router_id}",
        # Forwarding and the like are the node's own affair.
        "skip-kernel-setup true",
        "link-detect true",
        # Against radio that comes and goes, it keeps routes for 40 s that lasers have bettered.
        "smoothing-half-life 0",
        f"redistribute local ip {node.ipv4}/32 eq 32 allow",
        "redistribute local deny",
    ]
    for port in node.ports:
        rxcost = min(routing.cost(port.kind), WORST)
        lines.append(
            f"interface {port.name} type wired rxcost {rxcost} hello-interval {routing.hello_s}"
        )
    return "\n".join(lines) + "\n"


def command(folder: Path) -> list[str]:
    """Return the command line of a babeld that stays in the foreground and writes in ``folder``."""
    return [
        str(BABELD),
        *("-c", str(folder / "babeld.conf")),
        *("-g", str(folder / "babeld.sock")),
        *("-S", str(folder / "babeld.state")),
        *("-L", str(folder / "babeld.log")),
        *("-I", ""),
    ]


class Babeld(Daemons):
    """Starts, watches and stops the babelds of all nodes."""

    protocol = "Babel"
    speaker = "babeld"
    footprint = Footprint(processes=1, node_mb=1.5, route_kb=2.5)

    @staticmethod
    def missing() -> str:
        """Return '' where babeld is installed, else what lacks."""
        return "" if BABELD.exists() else f"{BABELD} not found: apt-get install babeld"

    @staticmethod
    def version() -> str:
        """Return what babeld says of itself."""
        said = subprocess.run([BABELD, "-V"], capture_output=True, text=True, check=True)
        return (said.stdout + said.stderr).strip().replace("-", " ", 1)

    def start(self) -> None:
        """Start all at once; each opens its socket when it has read its configuration."""
        for name, handle in self.nodes.items():
            folder = handle.state_dir
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "babeld.conf").write_text(babeld_conf(handle.node, self.routing))
            self.spawn(name, "babeld", command(folder))
        self.await_sockets("babeld", lambda handle: handle.state_dir / "babeld.sock")


def ask(folder: Path, question: str) -> list[str]:
    """Ask the babeld of a node's folder over its configuration socket for its lines.

    ``question``: "dump". Raises DaemonError where babeld does not
    answer or refuses.
    """
    return converse("babeld", folder / "babeld.sock", question, _answer)


def _answer(lines: TextIO) -> list[str]:
    """Read one answer: lines up to "ok"; "no" and "bad" refuse, with a reason on the same line."""
    answer = []
    for line in lines:
        text = line.rstrip()
        if text == "ok":
            return answer
        if text.split(" ")[0] in ("no", "bad"):
            raise ValueError(text)
        answer.append(text)
    raise OSError("connection closed")


def neighbours(folder: Path) -> dict[str, str]:
    """Return the link-local address of the neighbour that each port hears, of finite cost."""
    found = {}
    for line in ask(folder, "dump"):
        words = line.split()
        if words[:2] == ["add", "neighbour"]:
            facts = dict(zip(words[3::2], words[4::2], strict=False))
            if int(facts["cost"]) < 0xFFFF:
                found[facts["if"]] = facts["address"]
    return found
