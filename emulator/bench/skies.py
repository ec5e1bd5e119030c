"""The constellations that benchmarks run on: +Grid shells of a Walker delta."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols.static import next_hops, walk

SHELLS = {12: 3, 66: 6, 288: 12, 1584: 72}
"""Planes of the shells that are timed, by number of satellites."""


def shell(satellites: int, routing: str = "none", **sections: Any) -> Scenario:
    """A +Grid shell with four lasers of 100 Gbit/s a satellite at rate scale 1."""
    planes = SHELLS.get(satellites) or max(
        p for p in range(1, satellites + 1) if satellites % p == 0 and p * p <= satellites
    )
    table: dict[str, Any] = {
        "scenario": {
            "name": f"shell-{satellites}",
            "start": datetime(2026, 1, 1, tzinfo=UTC),
            "duration_s": 60.0,
            **sections.pop("scenario", {}),
        },
        "terminals": {"laser": {"rate_gbps": 100.0, "max_range_km": 20000.0}},
        "constellation": (
            {
                "name": "sat",
                "walker": f"53:{satellites}/{planes}/{min(1, planes - 1)}",
                "altitude_km": 1200.0,
                "isl": {"kind": "laser", "count": 4},
            },
        ),
        "isl": ({"pattern": "grid"},),
        "routing": {"protocol": routing, "converge_s": 600.0},
        **sections,
    }
    return Scenario.from_table(table)


def pairs_by_hops(plan: LinkPlan, hops: tuple[int, ...], each: int) -> dict[int, list[list[str]]]:
    """Return ``each`` pairs of node names for every number of hops, the farthest apart first.

    A path with the longest way is one across planes, whose links move.
    """
    state = plan.at(0)
    towards, names = next_hops(plan.network, state), [n.name for n in plan.network.nodes]
    at_km = plan.ephemeris.positions_km(np.array([0.0]))[:, 0]
    found: dict[int, list[tuple[float, list[str]]]] = {count: [] for count in hops}
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            path = walk(towards, a, b)
            if len(path) - 1 in found:
                length_km = float(np.linalg.norm(np.diff(at_km[path], axis=0), axis=1).sum())
                found[len(path) - 1].append((length_km, [names[a], names[b]]))
    return {
        count: [pair for _, pair in sorted(ways, reverse=True)[:each]]
        for count, ways in found.items()
    }
