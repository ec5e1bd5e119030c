"""OSPFv2 by FRR: one zebra and one ospfd in every node, unnumbered, point-to-point.

Every interface borrows the node's loopback /32, so re-patching a port never renumbers. Configs
are rendered by pure functions. Traps avoided, each with a test: kernel next-hop objects (FRR
8.4 loses routes after link flaps), descriptor tables sized from RLIMIT_NOFILE, the integrated
configuration and the TCP vty, and starting ospfd before zebra listens.
"""

import json
import os
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulator.errors import DaemonError
from emulator.network import Node
from emulator.sections import Routing as RoutingSection
from protocols.base import Footprint
from protocols.daemons import Daemons

FRR_DIR = Path("/usr/lib/frr")
FRR_RUN = Path("/run/frr")
CRASH_DIR = Path("/var/tmp/frr")


def zebra_conf(node: Node) -> str:
    """Render zebra's configuration."""
    return f"hostname {node.name}\nno zebra nexthop kernel enable\n"


def ospfd_conf(node: Node, routing: RoutingSection) -> str:
    """Render ospfd's configuration: every port, whether lit or not, and the loopback passive."""
    lines = [f"hostname {node.name}"]
    for port in node.ports:
        cost = routing.isl_cost if port.kind == "isl" else routing.gsl_cost
        lines += [
            f"interface {port.name}",
            " ip ospf area 0",
            " ip ospf network point-to-point",
            f" ip ospf cost {cost}",
            f" ip ospf hello-interval {routing.hello_s}",
            f" ip ospf dead-interval {routing.dead_s}",
        ]
    lines += [
        "interface lo",
        " ip ospf area 0",
        " ip ospf passive",
        "router ospf",
        f" ospf router-id {node.ipv4}",
        " timers throttle spf 10 100 1000",
        " timers throttle lsa all 0",
        " timers lsa min-arrival 0",
        " maximum-paths 4",
        " log-adjacency-changes",
    ]
    return "\n".join(lines) + "\n"


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
    return [*argv, "-s", "4194304"] if daemon == "zebra" else argv


class FrrOspf(Daemons):
    """Starts, watches and stops the daemons of all nodes."""

    speaker = "ospfd"
    footprint = Footprint(processes=2, node_mb=20.0, route_kb=4.0)
    # FRR polls in vain for up to a millisecond before each of its timers; where computing takes
    # no time that is hundreds of system calls, and four of these rests instead.
    timer_slack_ns = 250_000

    @staticmethod
    def missing() -> str:
        """Return '' where FRR is installed, else what lacks."""
        lacking = [name for name in ("zebra", "ospfd") if not (FRR_DIR / name).exists()]
        if not lacking:
            return ""
        return f"FRR's {' and '.join(lacking)} not found in {FRR_DIR}: apt-get install frr"

    @staticmethod
    def version() -> str:
        """Return what zebra says of itself."""
        said = subprocess.run([FRR_DIR / "zebra", "-v"], capture_output=True, text=True, check=True)
        return "FRR " + said.stdout.split("\n", 1)[0].rpartition(" ")[2]

    def start(self) -> None:
        """Start all zebras, wait until each listens, then all ospfds."""
        restart_file = FRR_RUN / "ospfd-gr.json"  # one for all ospfds of the machine, whatever -N
        ours = not restart_file.exists()
        for name, handle in self.nodes.items():
            if ours:
                handle.own(restart_file)
            folder = handle.state_dir
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "zebra.conf").write_text(zebra_conf(handle.node))
            (folder / "ospfd.conf").write_text(ospfd_conf(handle.node, self.routing))
            for path in (folder, *folder.glob("*.conf")):  # whatever the umask: frr must read them
                path.chmod(0o755 if path.is_dir() else 0o644)
            sockets = FRR_RUN / handle.namespace
            handle.own(sockets)
            sockets.mkdir(parents=True, exist_ok=True)
            for path in (folder, sockets):
                _give_to_frr(path)
            self._start(name, "zebra")
        self.await_sockets("zebra", lambda handle: FRR_RUN / handle.namespace / "zserv.api")
        for name in self.nodes:
            self._start(name, "ospfd")
        self.await_sockets("ospfd", lambda handle: FRR_RUN / handle.namespace / "ospfd.vty")

    def _start(self, name: str, daemon: str) -> None:
        handle = self.nodes[name]
        process = self.spawn(name, daemon, command(daemon, handle.namespace, handle.state_dir))
        handle.own(CRASH_DIR / f"{daemon}.{process.pid}")


def ask(pathspace: str, daemon: str, question: str) -> Any:
    """Ask a daemon over its own UNIX socket (vtysh's protocol) and return the parsed JSON answer.

    Raises DaemonError where the daemon does not answer or does not know the command.
    """
    path = FRR_RUN / pathspace / f"{daemon}.vty"
    try:
        with socket.socket(socket.AF_UNIX) as vty:
            vty.settimeout(5.0)
            vty.connect(str(path))
            _command(vty, "enable")
            return json.loads(_command(vty, question) or "{}")
    except (OSError, ValueError) as error:
        raise DaemonError(f"{daemon} at {path} did not answer {question!r}: {error}") from None


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
        raise ValueError(f"status {answer[-1]}")
    return answer[:-4].decode()


def _give_to_frr(path: Path) -> None:
    """FRR's daemons drop root for user frr before they write logs and sockets."""
    if os.geteuid() == 0:
        with suppress(LookupError):
            shutil.chown(path, "frr", "frr")
