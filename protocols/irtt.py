"""Round trips and one-way delays by IRTT, where it is installed: its client in one node, its server
in the other, its JSON read afterwards.

All nodes share one clock, so that IRTT's one-way delays are as good as its round trips.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.clock import Clock
from emulator.linkplan import LinkPlan
from emulator.workloads import IrttWorkload
from protocols.base import Nodes, Record, family

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

_PORT = 2112
_LOOK_S = 0.05
_LATE_S = 8.0
"""How long after its time a client may still wait for replies: IRTT gives up after four seconds."""


class Irtt:
    """Runs IRTT between pairs of nodes."""

    def __init__(self, spec: IrttWorkload, plan: LinkPlan) -> None:
        self.spec = spec
        self.family = family(plan.scenario)
        self.number = next((n for n, each in enumerate(plan.scenario.workload) if each is spec), 0)
        left_s = plan.scenario.scenario.duration_s - spec.start_s
        self.duration_s = min(spec.duration_s or left_s, left_s)

    @staticmethod
    def missing() -> str:
        """Return '' where IRTT is installed, else how to get it."""
        return "" if shutil.which("irtt") else "irtt is not installed: apt-get install irtt"

    def run(self, nodes: Nodes, clock: Clock, start: float, record: Record) -> None:
        """Run servers and clients; record every probe when its client has ended."""
        port, epoch_s = _PORT + self.number, time.time() - (clock.now() - start)
        with ExitStack() as undo:
            for name in sorted({b for _, b in self.spec.pairs}):
                server = nodes[name]
                argv = ["irtt", "server", "-b", self._endpoint(server, port)]
                log = server.state_dir / f"irtt-server-{self.number}.log"
                undo.callback(_end, server.spawn(argv, log))
            clock.wait_until(start + self.spec.start_s)
            clients = []
            for n, (a, b) in enumerate(self.spec.pairs):
                found = nodes[a].state_dir / f"irtt-{self.number}-{n}.json"
                argv = self.client(self._endpoint(nodes[b], port), found)
                client = nodes[a].spawn(argv, found.with_suffix(".log"))
                undo.callback(_end, client)
                clients.append((client, found, a, b))
            until = clock.now() + self.duration_s + _LATE_S
            while clock.now() < until and any(each.poll() is None for each, *_ in clients):
                time.sleep(_LOOK_S)
            for client, found, a, b in clients:
                ended = client.poll() == 0 and found.exists()
                for row in parse(json.loads(found.read_text()), epoch_s) if ended else ():
                    record({"a": a, "b": b, **row})
                if not ended:
                    said = found.with_suffix(".log").read_text().strip()
                    record({"event": "irtt failed", "a": a, "b": b, "said": said})

    def _endpoint(self, handle: "NodeHandle", port: int) -> str:
        address = handle.node.address(self.family)
        return f"{address}:{port}" if self.family == 4 else f"[{address}]:{port}"

    def client(self, address: str, found: Path) -> list[str]:
        """Return the client's command line."""
        interval, duration = (
            f"{round(each * 1e6)}us" for each in (self.spec.interval_s, self.duration_s)
        )
        argv = ["irtt", "client", "-Q", "-i", interval, "-d", duration]
        return [*argv, "-l", str(self.spec.length_bytes), "-o", str(found), address]


def parse(found: dict[str, Any], epoch_s: float) -> Iterator[dict[str, Any]]:
    """Yield a row a probe from IRTT's JSON (format 1); delays are None of those that were lost.

    ``epoch_s``: the time of day at scenario second 0.
    """
    for trip in found["round_trips"]:
        delay = trip["delay"] if trip["lost"] == "false" else {}
        ms = {key: delay[key] / 1e6 if key in delay else None for key in ("rtt", "send", "receive")}
        yield {
            "irtt": trip["seqno"],
            "t_s": round(trip["timestamps"]["client"]["send"]["wall"] / 1e9 - epoch_s, 6),
            "rtt_ms": ms["rtt"],
            "there_ms": ms["send"],
            "back_ms": ms["receive"],
            "lost": trip["lost"],
        }


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
