"""OSPFv2 by BIRD 2: one process in every node, unnumbered, point-to-point.

The kernels get the same host routes as from FRR, of up to four equal ways. Why it is version 2
of the protocol: over a port that borrows the loopback's /32 BIRD marks OSPFv2's next hops
"onlink" (``type ptp`` must be said, or the port is taken for a stub), but decides that for OSPFv3
by the port's fe80::/64, so the IPv4 routes of RFC 5838 never reach the kernel (BIRD 2.0.12:
ospf_iface_stubby in proto/ospf/iface.c, calc_next_hop in proto/ospf/rt.c).

BIRD has no knobs for what it does more slowly than FRR as configured here: it renews its own LSA
every 5 s at most (MinLSInterval of RFC 2328) and computes routes once a second.
"""

import socket
import subprocess
from pathlib import Path
from typing import TextIO

from emulator.errors import DaemonError
from emulator.network import Node
from emulator.sections import Routing as RoutingSection
from protocols.base import Footprint
from protocols.daemons import Daemons

BIRD = Path("/usr/sbin/bird")
_SCAN_S = 600
"""Links and routes are heard of by netlink; dumps of whole tables only mend what was missed."""


def bird_conf(node: Node, routing: RoutingSection, folder: Path) -> str:
    """Render BIRD's configuration: every port, whether lit or not, and the loopback's address."""
    lines = [
        f'log "{folder}/bird.log" all;',
        f"router id {node.ipv4};",
        "protocol device {",
        f"  scan time {_SCAN_S};",
        "}",
        "protocol kernel {",
        f"  scan time {_SCAN_S};",
        # The default may lose netlink messages when many links move at once.
        "  netlink rx buffer 4194304;",
        "  ipv4 { export where source = RTS_OSPF; };",
        "}",
        "protocol ospf v2 {",
        "  ecmp yes limit 4;",
        "  area 0 {",
        # Once for the node: otherwise every port would announce the address that all borrow.
        f"    stubnet {node.ipv4}/32 {{ cost 0; }};",
    ]
    for kind in dict.fromkeys(port.kind for port in node.ports):
        lines += [
            f'    interface "{kind}*" {{',
            "      type ptp;",
            f"      cost {routing.isl_cost if kind == 'isl' else routing.gsl_cost};",
            f"      hello {routing.hello_s};",
            f"      dead {routing.dead_s};",
            "    };",
        ]
    return "\n".join([*lines, "  };", "}"]) + "\n"


def command(folder: Path) -> list[str]:
    """Return the command line of a BIRD that stays in the foreground."""
    return [str(BIRD), "-f", "-c", str(folder / "bird.conf"), "-s", str(folder / "bird.ctl")]


class BirdOspf(Daemons):
    """Starts, watches and stops the BIRDs of all nodes."""

    speaker = "bird"
    footprint = Footprint(processes=1, node_mb=2.5, route_kb=1.5)

    @staticmethod
    def missing() -> str:
        """Return '' where BIRD is installed, else what lacks."""
        return "" if BIRD.exists() else f"{BIRD} not found: apt-get install bird2"

    @staticmethod
    def version() -> str:
        """Return what BIRD says of itself."""
        said = subprocess.run([BIRD, "--version"], capture_output=True, text=True, check=True)
        return "BIRD " + said.stderr.split()[-1]

    def start(self) -> None:
        """Start all at once; each opens its control socket before it reads its configuration."""
        for name, handle in self.nodes.items():
            folder = handle.state_dir
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "bird.conf").write_text(bird_conf(handle.node, self.routing, folder))
            self.spawn(name, "bird", command(folder))
        self.await_sockets("bird", lambda handle: handle.state_dir / "bird.ctl")


def ask(folder: Path, question: str) -> list[str]:
    """Ask the BIRD of a node's folder over its control socket (birdc's protocol) for its lines.

    Raises DaemonError where BIRD does not answer or does not know the command.
    """
    path = folder / "bird.ctl"
    try:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5.0)
            control.connect(str(path))
            with control.makefile("rw", encoding="utf-8", errors="replace") as lines:
                _answer(lines)  # the greeting
                print(question, file=lines, flush=True)
                return _answer(lines)
    except (OSError, ValueError) as error:
        raise DaemonError(f"bird at {path} did not answer {question!r}: {error}") from None


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
