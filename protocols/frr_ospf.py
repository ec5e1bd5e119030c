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
import time
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np

from emulator.errors import DaemonError
from emulator.linkplan import LinkPlan
from emulator.network import Node
from emulator.sections import Routing as RoutingSection
from protocols.base import Nodes
from protocols.static import next_hops

FRR_DIR = Path("/usr/lib/frr")
FRR_RUN = Path("/run/frr")
CRASH_DIR = Path("/var/tmp/frr")
_START_DEADLINE_S = 30.0
_POLL_S = 0.1


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


class FrrOspf:
    """Starts, watches and stops the daemons of all nodes."""

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        self.plan = plan
        self.nodes = nodes
        self.routing = plan.scenario.routing
        self.daemons: dict[tuple[str, str], Popen[bytes]] = {}
        self.stopping = False

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
            self._spawn(name, "zebra")
        self._await_sockets("zserv.api", "zebra")
        for name in self.nodes:
            self._spawn(name, "ospfd")
        self._await_sockets("ospfd.vty", "ospfd")

    def _spawn(self, name: str, daemon: str) -> None:
        handle = self.nodes[name]
        argv = command(daemon, handle.namespace, handle.state_dir)
        log = handle.state_dir / f"{daemon}.out"
        process = handle.spawn(argv, log)
        handle.own(CRASH_DIR / f"{daemon}.{process.pid}")
        self.daemons[name, daemon] = process

    def _await_sockets(self, file: str, daemon: str) -> None:
        end = time.monotonic() + _START_DEADLINE_S
        waiting = dict(self.nodes)
        while waiting:
            for name, handle in list(waiting.items()):
                if (FRR_RUN / handle.namespace / file).exists():
                    del waiting[name]
            self.check()
            if waiting and time.monotonic() > end:
                first = next(iter(waiting))
                raise DaemonError(
                    f"{daemon} of {', '.join(waiting)} did not open {file} within "
                    f"{_START_DEADLINE_S:.0f} s.\n{self._last_lines(first, daemon)}"
                )
            time.sleep(0.02)

    def step(self, state: np.ndarray) -> None:
        """OSPF sees the links for itself."""

    def converge(self, state: np.ndarray, deadline_s: float) -> None:
        """Wait until every node's kernel has a route to every node it can reach in ``state``.

        The kernel's tables are asked, not the daemons: those may believe in routes that the
        kernel refused. Raises DaemonError naming who lacks what after ``deadline_s``.
        """
        hops = next_hops(self.plan.network, state)
        address = [node.ipv4 for node in self.plan.network.nodes]
        wanted = {
            node.name: {address[other] for other in np.flatnonzero(hops[node.index] >= 0)}
            for node in self.plan.network.nodes
        }
        end = time.monotonic() + deadline_s
        while True:
            self.check()
            for name in list(wanted):
                if wanted[name] <= self.nodes[name].routes().keys():
                    del wanted[name]
            if not wanted:
                return
            if time.monotonic() > end:
                raise DaemonError(self._not_converged(wanted, deadline_s))
            time.sleep(_POLL_S)

    def _not_converged(self, wanted: dict[str, set[str]], deadline_s: float) -> str:
        lines = [f"OSPF did not converge within {deadline_s:.0f} s:"]
        for name, routes in wanted.items():
            lacking = sorted(routes - self.nodes[name].routes().keys())
            lines.append(f"  {name} has no route to {', '.join(lacking[:5])}")
        return "\n".join([*lines, self._last_lines(next(iter(wanted)), "ospfd")])

    def check(self) -> None:
        """Raise DaemonError if a daemon has died, with its exit code and last log lines."""
        if self.stopping:
            return
        for (name, daemon), process in self.daemons.items():
            code = process.poll()
            if code is not None:
                raise DaemonError(
                    f"{daemon} of {name} ended with exit code {code}.\n"
                    f"{self._last_lines(name, daemon)}"
                )

    def _last_lines(self, name: str, daemon: str, count: int = 8) -> str:
        folder = self.nodes[name].state_dir
        lines: list[str] = []
        for suffix in ("log", "out"):  # the second is all there is of a daemon that never began
            with suppress(OSError):
                lines = lines or (folder / f"{daemon}.{suffix}").read_text().splitlines()
        shown = "\n".join(f"    {line}" for line in lines[-count:]) or "    (nothing)"
        return f"Last lines of {daemon} of {name}:\n{shown}"

    def stop(self) -> None:
        """End all daemons by pid: politely, then by force."""
        self.stopping = True
        for process in self.daemons.values():
            process.terminate()
        end = time.monotonic() + 3.0
        for process in self.daemons.values():
            with suppress(Exception):
                process.wait(max(0.05, end - time.monotonic()))
            if process.poll() is None:
                process.kill()
                process.wait()


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
