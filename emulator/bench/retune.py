"""What one full retune costs: ours, IPRoute.tc() and a forked tc, side by side in one run.

Prints a JSON object for each: milliseconds to retune all ports, median of several rounds for
ours, a sample scaled up for the slow ones. Time must be real where this runs.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from emulator.bench.skies import shell
from emulator.errors import RunError
from emulator.kernel import namespaces
from emulator.kernel.fabric import Fabric
from emulator.linkplan import LinkPlan

PORTS, ROUNDS = 1000, 9
PYROUTE2_SAMPLE, FORK_SAMPLE = 200, 40


def timed(work: Callable[[], None]) -> float:
    """Milliseconds that ``work`` takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    """Build a fabric and print the rows."""
    plan = LinkPlan.of(shell(PORTS // 4))
    with tempfile.TemporaryDirectory() as folder:
        fabric = Fabric(plan.network, "lm-bench0", Path(folder), silent=False)
        try:
            fabric.build(plan.dark())
            compare(fabric, plan)
        finally:
            fabric.close()


def compare(fabric: Fabric, plan: LinkPlan) -> None:
    """Time the three ways on the same qdiscs."""
    base = plan.at(0)
    fabric.apply(base)
    states = []
    for number in range(ROUNDS):
        state = base.copy()
        state["delay_ns"] += 1000 * (number + 1)
        states.append(state)
    ours = median(timed(lambda s=state: fabric.apply(s)) for state in states)
    if not np.array_equal(fabric.observe(), states[-1]):
        raise RunError("the kernel does not hold what was sent")
    with namespaces.entered(fabric.namespace):
        pyroute2 = by_pyroute2(PYROUTE2_SAMPLE) * PORTS
        forked = by_tc(FORK_SAMPLE) * PORTS
    for way, cost in (("ours", ours), ("IPRoute.tc()", pyroute2), ("forked tc", forked)):
        row = {"way": way, "ports": PORTS, "ms": cost, "times ours": cost / ours}
        print(json.dumps(row), flush=True)


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
    main()
