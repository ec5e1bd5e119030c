"""What Lasermesh costs and how exact it is, measured on this machine and told as ratios.

``retune`` and ``build`` compare with other tools on the same kernel in real time, the others run
in virtual time. Each takes its numbers from one run, side by side, since machines
are shared and noisy.
"""

import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from emulator.bench import plan as planning
from emulator.bench.skies import pairs_by_hops, shell
from emulator.errors import RunError
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.session import Session, choose_kernel
from protocols import base

Row = dict[str, Any]

_SPEED_RUNS = ((12, "bird-ospf"), (12, "frr-ospf"), (66, "bird-ospf"), (66, "frr-ospf"))
_SPEED_RUNS += ((288, "bird-ospf"), (1584, "static"))
_HOPS, _PAIRS = (1, 3, 8), 4


def retune() -> Iterator[Row]:
    """A full retune of 1,000 ports: ours, IPRoute.tc(), a forked tc."""
    yield from _inside("real", "emulator.bench.retune")


def build() -> Iterator[Row]:
    """Building 66 satellites with four ports each: ours, and Mininet where it is installed."""
    yield from _inside("real", "emulator.bench.build")


def speed() -> Iterator[Row]:
    """Virtual seconds a wall second, idle but for the routing daemons, links standing still."""
    for satellites, routing in _SPEED_RUNS:
        if lacking := base.load("lasermesh.routing", routing).missing():
            yield {"satellites": satellites, "routing": routing, "skipped": lacking}
            continue
        still = {"duration_s": 60.0, "step_s": 60.0 if routing != "static" else 1.0}
        machine = _run(shell(satellites, routing, scenario=still))[0]
        wall_s = machine["wall_s"]
        yield {
            "satellites": satellites,
            "routing": routing,
            "links built s": wall_s["build"],
            "daemons started s": wall_s["routing start"],
            "converged s": wall_s["converging"],
            "virtual s a s": machine["speed"],
        }


def delay() -> Iterator[Row]:
    """Round trips against 2 × (range/c + serialisation), over moving links, every probe."""
    fine = {"duration_s": 5.0, "step_s": 0.01}
    pairs = pairs_by_hops(LinkPlan.of(shell(66, scenario=fine)), _HOPS, _PAIRS)
    for hops, named in pairs.items():
        ping = {"kind": "ping", "interval_s": 0.1, "pairs": [tuple(pair) for pair in named]}
        _, probes = _run(shell(66, "static", scenario=fine, workload=(ping,)))
        error_us = [1e3 * (rtt - due) for rtt, due in probes if rtt is not None]
        yield {
            "hops": hops,
            "probes": len(probes),
            "lost": len(probes) - len(error_us),
            "expected ms": probes[0][1],
            "error us, least": min(error_us),
            "error us, most": max(error_us),
        }


def transfer() -> Iterator[Row]:
    """Objects of up to 10 GB over one laser of 100 Gbit/s and 1,500 km, beside what theory says."""
    yield from _inside("virtual", "emulator.bench.transfer")


def plan() -> Iterator[Row]:
    """CPU time of one core to plan an epoch of up to 51,600 satellites. Needs no kernel."""
    yield from planning.rows()


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "plan": plan,
    "retune": retune,
    "build": build,
    "speed": speed,
    "delay": delay,
    "transfer": transfer,
}


def _inside(clock: str, module: str) -> Iterator[Row]:
    """Run a module on a kernel with that clock; each line it prints is a row. Raises RunError."""
    argv = [sys.executable, "-m", "emulator.kernel.inside", "--clock", clock]
    with subprocess.Popen([*argv, sys.executable, "-m", module], stdout=subprocess.PIPE) as process:
        for line in process.stdout or ():
            yield json.loads(line)
    if process.returncode:
        raise RunError(f"{module} ended with exit code {process.returncode}")


def _run(scenario: Scenario) -> tuple[Row, list[tuple[float | None, float]]]:
    """Run in virtual time; return machine.json and (RTT, expected RTT) of every probe, in ms."""
    with tempfile.TemporaryDirectory(prefix="lasermesh-bench-") as folder:
        kernel = choose_kernel("auto", "virtual")
        session = Session(scenario, Path("scenario"), kernel, Path(folder), hold=False)
        session.run(lambda event: None)
        with closing(sqlite3.connect(session.run_dir / "run.sqlite")) as database:
            probes = database.execute("SELECT rtt_ms, expected_ms FROM probes ORDER BY t_s")
            return session.machine, probes.fetchall()
