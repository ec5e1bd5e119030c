"""How long planning takes on one core: one epoch of constellations of growing size.

An epoch: positions, who sees whom, terminals, budgets and rates, and what every port is told.
"""

import copy
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from emulator.contacts import Planner
from emulator.ephemeris import Ephemeris
from emulator.linkplan import LinkPlan
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sky import skies

_SIZES = ((1584, 72, 100), (12_672, 144, 100), (51_600, 172, 0))
"""Satellites, planes and stations. 51,600: Project Sunrise's number."""
_EPOCHS = 20


def rows() -> Iterator[dict[str, Any]]:
    """One row a constellation: the first epoch from nothing, the median of 20, and memory."""
    for satellites, planes, stations in _SIZES:
        for budgets in (False, True):
            scenario = _scenario(satellites, planes, stations, budgets)
            first_ms = _elapsed_ms(lambda s=scenario: _Epochs(s).step())
            epochs = _Epochs(scenario)
            sky_ms, links_ms = zip(*[epochs.step() for _ in range(_EPOCHS)], strict=True)
            state_ms = epochs.state_ms()
            yield {
                "satellites": satellites,
                "stations": stations,
                "budgets": "yes" if budgets else "no",
                "links": epochs.links,
                "from nothing ms": first_ms,
                "positions ms": statistics.median(sky_ms),
                "links ms": statistics.median(links_ms),
                "state ms": state_ms,
                "memory MB": _peak_mb(lambda s=scenario: _Epochs(s).step()),
            }


class _Epochs:
    """A planner that goes from epoch to epoch."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.network, self.ephemeris = Network.of(scenario), Ephemeris.of(scenario)
        self.planner = Planner(scenario, self.network, self.ephemeris)
        self.now = 0

    def step(self) -> tuple[float, float]:
        """Go through an epoch; return how long positions and links took, in milliseconds."""
        began = time.process_time()
        [sky] = skies(self.ephemeris, np.array([float(self.now)]), self.now)
        placed = time.process_time()
        self.planner.step(sky)
        self.now += 1
        return (placed - began) * 1e3, (time.process_time() - placed) * 1e3

    def state_ms(self) -> float:
        """How long it takes to say what every port is told at an epoch of the plan so far."""
        timeline = copy.deepcopy(self.planner).finish(self.now)
        plan = LinkPlan(self.scenario, self.network, self.ephemeris, timeline)
        plan.at(0)
        return statistics.median(_elapsed_ms(lambda k=k: plan.at(k)) for k in range(1, self.now))

    @property
    def links(self) -> int:
        """Links of the last epoch."""
        return sum(len(panel.links) for panel in self.planner.panels.values())


def _scenario(satellites: int, planes: int, stations: int, budgets: bool) -> Scenario:
    """A +Grid shell with two radios a satellite, and stations spread evenly over the shell."""
    laser: dict[str, Any] = {"rate_gbps": 100.0, "max_range_km": 5000.0}
    radio: dict[str, Any] = {"rate_gbps": 2.5, "max_range_km": 3000.0}
    if budgets:
        laser["optical"] = {
            "tx_power_w": 2.0,
            "aperture_m": 0.1,
            "photons_per_bit": 20.0,
            "jitter_urad": 0.5,
            "ladder_gbps": (10.0, 25.0, 50.0),
        }
        radio["radio"] = {
            "frequency_ghz": 20.0,
            "symbol_rate_mbaud": 400.0,
            "eirp_dbw": 40.0,
            "g_over_t_db_k": 26.0,
        }
    golden_deg = 180 * (3 - 5**0.5)
    sites = [
        {
            "name": f"g-{index}",
            "latitude_deg": 55.0 * (2 * (index + 0.5) / stations - 1),
            "longitude_deg": (golden_deg * index + 180) % 360 - 180,
            "min_elevation_deg": 25.0,
            "antennas": {"kind": "radio", "count": 2},
            "climate": {"rain_mm_h": 30.0} if budgets else {},
        }
        for index in range(stations)
    ]
    shell = {
        "name": "s",
        "walker": f"53:{satellites}/{planes}/1",
        "altitude_km": 550.0,
        "isl": {"kind": "laser", "count": 4},
        "gsl": {"kind": "radio", "count": 2},
    }
    table = {
        "scenario": {
            "name": f"plan-{satellites}",
            "start": datetime(2026, 1, 1, tzinfo=UTC),
            "duration_s": 600.0,
        },
        "terminals": {"laser": laser, "radio": radio},
        "constellation": (shell,),
        "isl": ({"pattern": "grid"},),
        "ground": {"station": tuple(sites)},
    }
    return Scenario.from_table(table)


def _elapsed_ms(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3


def _peak_mb(work: Callable[[], Any]) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
