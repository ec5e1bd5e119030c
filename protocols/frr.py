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
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulator.errors import DaemonError
from emulator.network import Node
from protocols.daemons import Daemons

FRR_DIR = Path("/usr/lib/frr")
FRR_RUN = Path("/run/frr")
CRASH_DIR = Path("/var/tmp/frr")


def zebra_conf(node: Node) -> str:
    """Render zebra's configuration."""
    return f"hostname {node.name}\nno zebra nexthop kernel enable\n"


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


class Frr(Daemons):
    """Starts, watches and stops the daemons of all nodes: zebra and a ``speaker``."""

    # FRR polls in vain for up to a millisecond before each of its timers; where computing takes
    # no time that is hundreds of system calls, and four of these rests instead.
    timer_slack_ns = 250_000
    machine_files: tuple[str, ...] = ()
    """Files below FRR_RUN that the speaker keeps for all of its kind on the machine, despite -N."""

    @classmethod
    def programs(cls) -> tuple[str, ...]:
        """Return the daemons of every node, in the order of their start."""
        return ("zebra", cls.speaker)

    def config(self, daemon: str, node: Node) -> str:
        """Return the configuration of a node's daemon."""
        return zebra_conf(node) if daemon == "zebra" else self.speaker_conf(node)

    def speaker_conf(self, node: Node) -> str:
        """Return the configuration of a node's speaker."""
        raise NotImplementedError

    @classmethod
    def missing(cls) -> str:
        """Return '' where FRR is installed, else what lacks."""
        lacking = [name for name in cls.programs() if not (FRR_DIR / name).exists()]
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
            for daemon in self.programs():
                (folder / f"{daemon}.conf").write_text(self.config(daemon, handle.node))
            for path in (folder, *folder.glob("*.conf")):  # whatever the umask: frr must read them
                path.chmod(0o755 if path.is_dir() else 0o644)
            sockets = FRR_RUN / handle.namespace
            handle.own(sockets)
            sockets.mkdir(parents=True, exist_ok=True)
            for path in (folder, sockets):
                _give_to_frr(path)
        for daemon in self.programs():
            for name in self.nodes:
                self._start(name, daemon)
            opened = "zserv.api" if daemon == "zebra" else f"{daemon}.vty"
            self.await_sockets(daemon, lambda handle, f=opened: FRR_RUN / handle.namespace / f)

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
