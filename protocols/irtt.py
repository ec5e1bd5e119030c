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
_AGAIN_S = 1.0
"""Least time between the starts of two clients of one pair."""
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
            pairs = [_Pair(self, nodes[a], nodes[b], n) for n, (a, b) in enumerate(self.spec.pairs)]
            for each in pairs:
                undo.callback(each.stop)
            until_s = self.spec.start_s + self.duration_s
            while any(each.goes_on(clock.now() - start, until_s) for each in pairs):
                time.sleep(_LOOK_S)
            for each in pairs:
                each.tell(record, epoch_s)

    def _endpoint(self, handle: "NodeHandle", port: int) -> str:
        address = handle.node.address(self.family)
        return f"{address}:{port}" if self.family == 4 else f"[{address}]:{port}"

    def client(self, handle: "NodeHandle", duration_s: float, found: Path) -> list[str]:
        """Return the command line of a client of the server in node ``handle``."""
        address = self._endpoint(handle, _PORT + self.number)
        interval, duration = (
            f"{round(each * 1e6)}us" for each in (self.spec.interval_s, duration_s)
        )
        argv = ["irtt", "client", "-Q", "-i", interval, "-d", duration]
        return [*argv, "-l", str(self.spec.length_bytes), "-o", str(found), address]


class _Pair:
    """One pair: a client that gives up, as IRTT's does without a route, is followed by another.

    Its first probe would come too late for the last second, so that is left.
    """

    def __init__(self, work: Irtt, a: "NodeHandle", b: "NodeHandle", number: int) -> None:
        self.work = work
        self.ends = a, b
        self.name = f"irtt-{work.number}-{number}"
        self.found: list[Path] = []
        self.client: subprocess.Popen[bytes] | None = None
        self.begun_s = -_AGAIN_S

    def goes_on(self, now_s: float, until_s: float) -> bool:
        """Start what is to be started; return whether a client runs, or may have to."""
        if self.client and self.client.poll() is None:
            if now_s < until_s + _LATE_S:
                return True
            self.stop()
        left_s = until_s - now_s
        if self.found and left_s < _AGAIN_S:
            return False
        if now_s < self.begun_s + _AGAIN_S:
            return True
        self.begun_s = now_s
        a, b = self.ends
        self.found.append(a.state_dir / f"{self.name}-{len(self.found)}.json")
        argv = self.work.client(b, left_s, self.found[-1])
        self.client = a.spawn(argv, a.state_dir / f"{self.name}.log")
        return True

    def stop(self) -> None:
        """End the client if it runs."""
        if self.client:
            _end(self.client)

    def tell(self, record: Record, epoch_s: float) -> None:
        """Record every probe of all clients in order, and how the pair fared."""
        a, b = (each.name for each in self.ends)
        number = 0
        for found in filter(Path.exists, self.found):
            for row in parse(json.loads(found.read_text()), epoch_s):
                record({"a": a, "b": b, **row, "irtt": number})
                number += 1
        said = (self.ends[0].state_dir / f"{self.name}.log").read_text().strip().splitlines()
        again = len(self.found) - 1
        outcome = (
            f"started again {again} times: {said[-1] if said else ''}" if again else "finished"
        )
        record({"irtt_pair": [a, b], "a": a, "b": b, "outcome": outcome})


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
