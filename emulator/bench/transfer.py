"""What time an object takes over lasers at rate scale 1, beside what theory says it must.

    python -m emulator.kernel.inside --clock virtual python -m emulator.bench.transfer [BYTES...]

The sizes given over one laser, or else all CASES; a JSON object is printed for each. Time must be
virtual where this runs: in real time, it is the machine that would be measured.
"""

import asyncio
import itertools
import json
import math
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.units import C_KM_S, EARTH_RADIUS_KM, NS_PER_S
from protocols.objects import Content, Receiver, send_object
from protocols.static import Static, next_hops, walk
from protocols.transfer_time import Hop, expected_s, ideal_s

CASES = ((10**6, 1), (10**9, 1), (10**9, 4), (10**10, 1))
"""Bytes, and over how many lasers."""
RANGE_KM, RATE_GBPS = 1500.0, 100.0
_APART_DEG = 12.0
_NOTICED_S = 60.0


def in_a_row(lasers: int = 1, range_km: float = RANGE_KM, rate_gbps: float = RATE_GBPS) -> Scenario:
    """Satellites that follow each other over the equator, ``range_km`` apart all the time."""
    satellites = lasers + 1
    names = [f"sat-{number:02d}-01" for number in range(1, satellites + 1)]
    altitude_km = range_km / 2 / math.sin(math.radians(_APART_DEG / 2)) - EARTH_RADIUS_KM
    table: dict[str, Any] = {
        "scenario": {
            "name": "in-a-row",
            "start": datetime(2026, 1, 1, tzinfo=UTC),
            "duration_s": 10.0,
        },
        "terminals": {"laser": {"rate_gbps": rate_gbps, "max_range_km": 1.1 * range_km}},
        "constellation": (
            {
                "name": "sat",
                "walker": f"0:{satellites}/{satellites}/0",
                "altitude_km": altitude_km,
                "raan_spacing_deg": _APART_DEG,
                "isl": {"kind": "laser", "count": 2},
            },
        ),
        "isl": ({"pattern": "pairs", "pairs": tuple(itertools.pairwise(names))},),
        "routing": {"protocol": "static"},
    }
    return Scenario.from_table(table)


def light(fabric: Fabric, plan: LinkPlan) -> None:
    """Give ``fabric``, which is built, the links and routes of the plan's first step."""
    fabric.apply(plan.at(0))
    if not wait_for(fabric.noticed, _NOTICED_S):
        raise TimeoutError("nodes did not see the light of their links")
    Static(plan, fabric.nodes).step(plan.at(0))


def path_between(plan: LinkPlan, a: int, b: int, step: int = 0) -> list[Hop]:
    """Return the links of the quickest path between two nodes at one of the plan's steps."""
    node, state, found = plan.network.port_node, plan.at(step), []
    for near, far in itertools.pairwise(walk(next_hops(plan.network, state), a, b)):
        there = np.flatnonzero((node == far) & (state["peer"] >= 0))
        there = there[node[state["peer"][there]] == near]
        port = int(there[np.argmin(state["delay_ns"][there])])
        back_bps = state["rate_bps"][state["peer"][port]]
        hop = state[port]
        found.append(
            Hop(hop["delay_ns"] / NS_PER_S, float(hop["rate_bps"]), return_bps=float(back_bps))
        )
    return found


def measure(fabric: Fabric, plan: LinkPlan, size: int) -> dict[str, Any]:
    """Send ``size`` bytes from the first to the last node, return the row."""
    return asyncio.run(_measure(fabric, plan, size))


async def _measure(fabric: Fabric, plan: LinkPlan, size: int) -> dict[str, Any]:
    source, *_, destination = fabric.nodes.values()
    path = path_between(plan, source.node.index, destination.node.index)
    receiver = Receiver(destination.socket, time.monotonic)
    serving = asyncio.create_task(receiver.serve())
    content, began = Content(1, f"{size}", size), time.monotonic()
    tcp = await send_object(
        source.socket,
        destination.node.ipv4,
        "object",
        content,
        line_rate_bps=int(path[0].rate_bps),
    )
    arrived = await receiver.expect("object")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    receiver.close()
    measured_s = arrived.last_byte_s - began
    due_s = expected_s(size, path)
    return {
        "bytes": size,
        "lasers": len(path),
        "km": C_KM_S * sum(hop.delay_s for hop in path),
        "ideal s": ideal_s(size, path),
        "with slow start s": due_s,
        "measured s": measured_s,
        "off %": 100 * (measured_s / due_s - 1),
        "hash": "equal" if arrived.verified else "differs",
        **tcp,
    }


def main(sizes: list[int]) -> None:
    """Build the satellites for each case anew, and print a row."""
    for size, lasers in [(size, 1) for size in sizes] or CASES:
        plan = LinkPlan.of(in_a_row(lasers))
        with tempfile.TemporaryDirectory() as folder:
            fabric = Fabric(plan.network, "lm-bench0", Path(folder), silent=False)
            try:
                fabric.build(plan.dark())
                light(fabric, plan)
                print(json.dumps(measure(fabric, plan, size)), flush=True)
            finally:
                fabric.close()


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]])
