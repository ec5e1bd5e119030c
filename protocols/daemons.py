"""What schemes with a routing daemon in every node share: spawning, watching, waiting, ending.

Sized for thousands of nodes: daemons start side by side, and while routes are awaited one node is
asked at a time, so that a table is dumped about once and not at every look.
"""

import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, TextIO

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from emulator.errors import DaemonError
from emulator.linkplan import LinkPlan, carrying
from emulator.network import Family, Network
from protocols.base import Nodes, Process

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

_START_DEADLINE_S = 30.0
_STOP_DEADLINE_S = 3.0
_LOOK_S = 0.05
_POLL_S = 0.1
_NAMED = 10
"""How many nodes without routes an error names."""


def islands(network: Network, state: np.ndarray, family: Family = 4) -> list[set[str]]:
    """Return, per node, the addresses of all nodes that light joins to it, its own included.

    ``state`` is PORT_STATE. Nodes of one island share one set.
    """
    count = len(network.nodes)
    lit = carrying(state)
    ends = network.port_node[state["peer"][lit]], network.port_node[lit]
    graph = coo_array((np.ones(len(lit)), ends), shape=(count, count))
    number, label = connected_components(graph, directed=False)
    found: list[set[str]] = [set() for _ in range(number)]
    for node in network.nodes:
        found[label[node.index]].add(node.address(family))
    return [found[each] for each in label]


def facing(network: Network, state: np.ndarray) -> np.ndarray:
    """Return the node before each port by index, -1 where no light is, of a PORT_STATE."""
    peer = state["peer"]
    return np.where(peer >= 0, network.port_node[peer], -1)


def converse(
    daemon: str, path: Path, question: str, answer: Callable[[TextIO], list[str]]
) -> list[str]:
    """Ask a daemon that greets and answers in lines over its UNIX socket; ``answer`` reads one.

    Raises DaemonError where it does not answer, or refuses (ValueError of ``answer``).
    """
    try:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5.0)
            control.connect(str(path))
            with control.makefile("rw", encoding="utf-8", errors="replace") as lines:
                answer(lines)  # the greeting
                print(question, file=lines, flush=True)
                return answer(lines)
    except (OSError, ValueError) as error:
        raise DaemonError(f"{daemon} at {path} did not answer {question!r}: {error}") from None


def _exit(code: int) -> str:
    """How a process ended, by its exit code or, negative, the signal that ended it."""
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"


class Daemons:
    """Base of such schemes. In a node's folder a daemon logs to NAME.log and prints to NAME.out."""

    floods = True
    family: Family = 4
    protocol = "OSPF"
    """What errors call the protocol."""
    speaker = ""
    """Name of the daemon that speaks the protocol: the one to ask where routes are missing."""
    timer_slack_ns: int | None = None
    """How late the daemons' timers may be, where that is not the kernel's default."""

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        self.plan = plan
        self.nodes = nodes
        self.routing = plan.scenario.routing
        self.daemons: dict[tuple[str, str], Process] = {}
        self.stopping = False

    def spawn(self, name: str, daemon: str, argv: Sequence[str]) -> Process:
        """Start a daemon of a node and watch it from now on."""
        handle = self.nodes[name]
        log = handle.state_dir / f"{daemon}.out"
        process = handle.spawn(argv, log, self.timer_slack_ns)
        self.daemons[name, daemon] = process
        return process

    def await_sockets(self, daemon: str, path: Callable[["NodeHandle"], Path]) -> None:
        """Wait until ``daemon`` of every node has opened its socket ``path``. Raises DaemonError.

        The time allowed is each daemon's own, counted from when the one before it was up.
        """
        for name, handle in self.nodes.items():
            end = time.monotonic() + _START_DEADLINE_S
            while not path(handle).exists():
                self.check()
                if time.monotonic() > end:
                    raise DaemonError(
                        f"{daemon} of {name} did not open {path(handle)} within "
                        f"{_START_DEADLINE_S:.0f} s.\n{self._last_lines(name, daemon)}",
                        name,
                        daemon,
                    )
                time.sleep(_LOOK_S)

    def step(self, state: np.ndarray) -> None:
        """The daemons see the links for themselves."""

    def cost_out(self, ports: frozenset[int]) -> None:
        """Do nothing: not every protocol can have a link avoided."""

    def converge(self, state: np.ndarray, deadline_s: float) -> None:
        """Wait until every node's kernel has a route to every node it can reach in ``state``.

        The kernel's tables are asked, not the daemons: those may believe in routes that the
        kernel refused. Raises DaemonError naming who lacks what after ``deadline_s``.
        """
        all_islands = islands(self.plan.network, state, self.family)
        island = dict(zip(self.nodes, all_islands, strict=True))
        end = time.monotonic() + deadline_s
        self.check()
        for name in self.nodes:
            while self._lacking(name, island[name]):
                if time.monotonic() > end:
                    raise DaemonError(self._not_converged(name, island, deadline_s))
                self.check()
                time.sleep(_POLL_S)

    def _lacking(self, name: str, island: set[str]) -> set[str]:
        handle = self.nodes[name]
        return island - handle.routes(self.family).keys() - {handle.node.address(self.family)}

    def _not_converged(self, first: str, island: dict[str, set[str]], deadline_s: float) -> str:
        lines = [f"{self.protocol} did not converge within {deadline_s:.0f} s:"]
        names = list(self.nodes)
        for name in names[names.index(first) :]:
            if lacking := sorted(self._lacking(name, island[name])):
                lines.append(f"  {name} has no route to {', '.join(lacking[:5])}")
            if len(lines) > _NAMED:
                lines.append("  and perhaps others")
                break
        return "\n".join([*lines, self._last_lines(first, self.speaker)])

    def check(self) -> None:
        """Raise DaemonError if a daemon has died, with its exit code and last log lines."""
        if self.stopping:
            return
        for (name, daemon), process in self.daemons.items():
            code = process.poll()
            if code is not None:
                raise DaemonError(
                    f"{daemon} of {name} ended with {_exit(code)}.\n"
                    f"{self._last_lines(name, daemon)}",
                    name,
                    daemon,
                )

    @contextmanager
    def asking(self, name: str, daemon: str) -> Iterator[None]:
        """Name the node of a DaemonError within; that a daemon has died says more than silence."""
        try:
            yield
        except DaemonError as error:
            self.check()
            error.node, error.daemon = name, daemon
            raise

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
        end = time.monotonic() + _STOP_DEADLINE_S
        for process in self.daemons.values():
            with suppress(TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
        for process in self.daemons.values():
            process.kill()
        for process in self.daemons.values():
            process.wait()
