"""Small scenarios for the kernel tests."""

import os
from collections.abc import Callable
from datetime import UTC, datetime

from emulator.kernel.fabric import Fabric
from emulator.kernel.usermode import KERNEL_MARK
from emulator.scenario import Scenario

VIRTUAL = os.environ.get(KERNEL_MARK) == "virtual"
TOLERANCE_S = 1e-6 if VIRTUAL else 1e-3
"""How far a packet's flight may be from the plan: a few looks at the clock, of 256 ns each, in
virtual time; in real time what a busy machine does to it."""
NOTICED_S = 60.0
"""Allowed until nodes have noticed the light of their ports."""

Build = Callable[..., Fabric]


def walker(total: int = 6, planes: int = 1, **run: object) -> Scenario:
    """A small Walker scenario whose every ISL is in sight: neighbours of a ring or grid."""
    table = {
        "scenario": {
            "name": "toy",
            "start": datetime(2026, 1, 1, tzinfo=UTC),
            "duration_s": 20.0,
            "rate_scale": 1000.0,
            **run,
        },
        "terminals": {"laser": {"rate_gbps": 100.0, "max_range_km": 60000.0}},
        "constellation": (
            {
                "name": "toy",
                "walker": f"53:{total}/{planes}/{min(1, planes - 1)}",
                "altitude_km": 1200.0 if total > 12 else 20000.0,
                "isl": {"kind": "laser", "count": 4},
            },
        ),
        "isl": ({"pattern": "grid" if planes > 1 else "ring"},),
        "routing": {"protocol": "none"},
    }
    return Scenario.from_table(table)
