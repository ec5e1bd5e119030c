"""What one full retune costs: ours, IPRoute.tc() and a forked tc, side by side in one run.

    scripts/bench retune [PORTS]

Prints milliseconds for retuning PORTS (default 1000) netem qdiscs, median of several rounds for
ours and of a sample for the slow ones, and the ratios. Runs inside whichever kernel has netem.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

from emulator.kernel import namespaces
from emulator.kernel.fabric import Fabric
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario

ROUNDS = 9
PYROUTE2_SAMPLE, FORK_SAMPLE = 200, 40


def shell(ports: int) -> LinkPlan:
    """A +Grid whose satellites carry ``ports`` lasers in all."""
    satellites = ports // 4
    planes = max(p for p in range(3, 40) if satellites % p == 0)
    table = {
        "scenario": {
            "name": "bench",
            "start": datetime(2026, 1, 1, tzinfo=UTC),
            "duration_s": 60.0,
            "rate_scale": 1000.0,
        },
        "terminals": {"laser": {"rate_gbps": 100.0, "max_range_km": 9000.0}},
        "constellation": (
            {
                "name": "bench",
                "walker": f"53:{satellites}/{planes}/1",
                "altitude_km": 1200.0,
                "isl": {"kind": "laser", "count": 4},
            },
        ),
        "isl": ({"pattern": "grid"},),
        "routing": {"protocol": "none"},
    }
    return LinkPlan.of(Scenario.from_table(table))


def timed(work: Callable[[], None]) -> float:
    """Milliseconds that ``work`` takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def main(ports: int) -> None:
    """Build the fabric and print the table."""
    plan = shell(ports)
    with tempfile.TemporaryDirectory() as folder:
        fabric = Fabric(plan.network, "lm-bench0", Path(folder), silent=False)
        try:
            built_s = fabric.build(plan.dark())
            print(f"built {len(plan.network.nodes)} nodes, {ports} ports in {built_s:.2f} s")
            compare(fabric, plan, ports)
        finally:
            fabric.close()


def compare(fabric: Fabric, plan: LinkPlan, ports: int) -> None:
    """Time the three ways on the same qdiscs."""
    base = plan.at(0)
    fabric.apply(base)
    states = []
    for number in range(ROUNDS):
        state = base.copy()
        state["delay_ns"] += 1000 * (number + 1)
        states.append(state)
    ours = median(timed(lambda s=state: fabric.apply(s)) for state in states)
    assert np.array_equal(fabric.observe(), states[-1]), "the kernel does not hold what was sent"
    with namespaces.entered(fabric.namespace):
        pyroute2 = by_pyroute2(min(PYROUTE2_SAMPLE, ports)) * ports
        forked = by_tc(min(FORK_SAMPLE, ports)) * ports
    print(f"retune of {ports} ports: ours {ours:.2f} ms ({ours / ports * 1e3:.2f} us a port)")
    print(f"  IPRoute.tc()  {pyroute2:10.1f} ms  {pyroute2 / ours:8.0f} times ours")
    print(f"  forked tc     {forked:10.1f} ms  {forked / ours:8.0f} times ours")


def by_pyroute2(count: int) -> float:
    """Milliseconds a change by pyroute2's public call (delay only: it cannot say the rest)."""
    from pyroute2 import IPRoute

    with IPRoute() as route:

        def change() -> None:
            for index in range(1000, 1000 + count):
                route.tc("change", "netem", index, 0x10000, delay=5000, limit=1000)

        return timed(change) / count


def by_tc(count: int) -> float:
    """Milliseconds a change by a process of its own."""

    def change() -> None:
        for index in range(count):
            command = ["tc", "qdisc", "change", "dev", f"p{index}", "root", "handle", "1:"]
            subprocess.run([*command, "netem", "delay", "6ms", "rate", "100mbit"], check=True)

    return timed(change) / count


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
