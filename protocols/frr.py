"""What all of FRR's protocols share: a zebra and a speaker in every node, asked over their sockets.

Every interface borrows the node's loopback /32, so re-patching a port never renumbers. Traps
avoided, each with a test: kernel next-hop objects (FRR 8.4 loses routes after link flaps),
descriptor tables sized from RLIMIT_NOFILE, the integrated configuration and the TCP vty, and
starting a speaker before zebra listens.
"""

import json
import os
import shutil
import socket
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulator.errors import DaemonError
from emulator.linkplan import LinkPlan
from emulator.network import Node, Port
from protocols.base import Footprint, Nodes
from protocols.daemons import Daemons

FRR_DIR = Path("/usr/lib/frr")
FRR_RUN = Path("/run/frr")
CRASH_DIR = Path("/var/tmp/frr")

BFD_PROFILE = "sky"
BFD_MULTIPLIER = 3
"""Packets missed in a row that are a loss."""


def zebra_conf(node: Node) -> str:
    """Render zebra's configuration."""
    return f"hostname {node.name}\nno zebra nexthop kernel enable\n"


def bfdd_conf(node: Node, bfd_ms: int) -> str:
    """Render bfdd's configuration: the profile that sessions of the other daemons name."""
    return (
        f"hostname {node.name}\nbfd\n profile {BFD_PROFILE}\n"
        f"  detect-multiplier {BFD_MULTIPLIER}\n"
        f"  receive-interval {bfd_ms}\n  transmit-interval {bfd_ms}\n"
    )


def command(daemon: str, pathspace: str, folder: Path) -> list[str]:
    """Return the command line of a daemon that stays in the foreground and listens to no TCP."""
    argv = [
        str(FRR_DIR / daemon),
        *("-N", pathspace),
        *("-f", str(folder / f"{daemon}.conf")),
        *("-i", str(folder / f"{daemon}.pid")),
        *("-A", "127.0.0.1", "-P", "0"),
        *("--limit-fds", "256"),
        *("--log", f"file:{folder / daemon}.log", "--log-level", "info"),
    ]
    # Below 4 MiB zebra warns and may lose netlink messages when many links move at once.
    # Without the other it takes an IPv6 route away before it writes another in its place.
    return [*argv, "-s", "4194304", "--v6-rr-semantics"] if daemon == "zebra" else argv


class Frr(Daemons):
    """Starts, watches and stops the daemons of all nodes: zebra and a ``speaker``."""

    has_bfd = True
    footprint = Footprint(processes=2, node_mb=20.0, route_kb=4.0, bfd_processes=1, bfd_mb=8.0)
    # FRR polls in vain for up to a millisecond before each of its timers; where computing takes
    # no time that is hundreds of system calls, and four of these rests instead.
    timer_slack_ns = 250_000
    machine_files: tuple[str, ...] = ()
    """Files below FRR_RUN that the speaker keeps for all of its kind on the machine, despite -N."""

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        super().__init__(plan, nodes)
        bfd = ("bfdd",) if self.routing.bfd_ms else ()
        self.programs = ("zebra", *bfd, self.speaker)
        """The daemons of every node, in the order of their start."""
        self.costly: frozenset[int] = frozenset()
        """Ports whose cost is raised."""

    def config(self, daemon: str, node: Node) -> str:
        """Return the configuration of a node's daemon."""
        if daemon == "zebra":
            return zebra_conf(node)
        return bfdd_conf(node, self.routing.bfd_ms) if daemon == "bfdd" else self.speaker_conf(node)

    def speaker_conf(self, node: Node) -> str:
        """Return the configuration of a node's speaker."""
        raise NotImplementedError

    def cost_lines(self, port: Port, costly: bool) -> list[str]:
        """Return the configuration that gives a port its usual cost, or the highest."""
        raise NotImplementedError

    @classmethod
    def missing(cls) -> str:
        """Return '' where FRR is installed, else what lacks."""
        programs = ("zebra", "bfdd", cls.speaker)
        lacking = [name for name in programs if not (FRR_DIR / name).exists()]
        if not lacking:
            return ""
        return f"FRR's {' and '.join(lacking)} not found in {FRR_DIR}: apt-get install frr"

    @staticmethod
    def version() -> str:
        """Return what zebra says of itself."""
        said = subprocess.run([FRR_DIR / "zebra", "-v"], capture_output=True, text=True, check=True)
        return "FRR " + said.stdout.split("\n", 1)[0].rpartition(" ")[2]

    def start(self) -> None:
        """Start all zebras, wait until each listens, then all speakers."""
        shared = [FRR_RUN / name for name in self.machine_files]
        ours = [path for path in shared if not path.exists()]
        for handle in self.nodes.values():
            for path in ours:
                handle.own(path)
            folder = handle.state_dir
            folder.mkdir(parents=True, exist_ok=True)
            for daemon in self.programs:
                (folder / f"{daemon}.conf").write_text(self.config(daemon, handle.node))
            for path in (folder, *folder.glob("*.conf")):  # whatever the umask: frr must read them
                path.chmod(0o755 if path.is_dir() else 0o644)
            sockets = FRR_RUN / handle.namespace
            handle.own(sockets)
            sockets.mkdir(parents=True, exist_ok=True)
            for path in (folder, sockets):
                _give_to_frr(path)
        for daemon in self.programs:
            for name in self.nodes:
                self._start(name, daemon)
            opened = "zserv.api" if daemon == "zebra" else f"{daemon}.vty"
            self.await_sockets(daemon, lambda handle, f=opened: FRR_RUN / handle.namespace / f)

    def cost_out(self, ports: frozenset[int]) -> None:
        """Let the links of ``ports``, and no others, cost the most. Raises DaemonError."""
        lines = defaultdict(list)
        for index in sorted(ports ^ self.costly):
            port = self.plan.network.ports[index]
            lines[self.plan.network.nodes[port.node].name] += self.cost_lines(port, index in ports)
        self.costly = ports
        for name, told in lines.items():
            with self.asking(name, self.speaker):
                configure(self.nodes[name].namespace, self.speaker, told)

    def _start(self, name: str, daemon: str) -> None:
        handle = self.nodes[name]
        process = self.spawn(name, daemon, command(daemon, handle.namespace, handle.state_dir))
        handle.own(CRASH_DIR / f"{daemon}.{process.pid}")


def ask(pathspace: str, daemon: str, question: str) -> Any:
    """Ask a daemon over its own UNIX socket (vtysh's protocol) and return the parsed JSON answer.

    Raises DaemonError where the daemon does not answer or does not know the command.
    """
    try:
        return json.loads(_converse(pathspace, daemon, ["enable", question]) or "{}")
    except ValueError as error:
        raise DaemonError(f"{daemon} of {pathspace} to {question!r}: {error}") from None


def configure(pathspace: str, daemon: str, lines: Sequence[str]) -> None:
    """Change a daemon's running configuration over its own UNIX socket, in about a millisecond.

    Raises DaemonError naming the line that the daemon refused.
    """
    _converse(pathspace, daemon, ["enable", "configure terminal", *lines, "end"])


def _converse(pathspace: str, daemon: str, lines: Sequence[str]) -> str:
    """Send commands one by one and return the last one's answer."""
    path, line, answer = FRR_RUN / pathspace / f"{daemon}.vty", "", ""
    try:
        with socket.socket(socket.AF_UNIX) as vty:
            vty.settimeout(5.0)
            vty.connect(str(path))
            for line in lines:
                answer = _command(vty, line)
    except (OSError, ValueError) as error:
        raise DaemonError(f"{daemon} at {path} did not answer {line!r}: {error}") from None
    return answer


def _command(vty: socket.socket, line: str) -> str:
    """Send one command; the answer ends with three NULs and a status byte, 0 for success."""
    vty.sendall(line.encode() + b"\0")
    answer = b""
    while len(answer) < 4 or answer[-4:-1] != b"\0\0\0":
        data = vty.recv(65536)
        if not data:
            raise OSError("connection closed")
        answer += data
    if answer[-1]:
        said = answer[:-4].decode(errors="replace").strip()
        raise ValueError(f"status {answer[-1]} {said}".rstrip())
    return answer[:-4].decode()


def _give_to_frr(path: Path) -> None:
    """FRR's daemons drop root for user frr before they write logs and sockets."""
    if os.geteuid() == 0:
        with suppress(LookupError):
            shutil.chown(path, "frr", "frr")
