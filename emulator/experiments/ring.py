"""The ring of twelve over stations in China: the sky that several experiments share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from emulator.experiments import scenes
from emulator.experiments.evidence import Run
from emulator.experiments.tracks import Tracks
from emulator.scenario import Scenario

COUNT = 12
WALKER = f"97.4:{COUNT}/1/0"
ALTITUDE_KM, INCLINATION_DEG = 500.0, 97.4
RAAN_DEG = 305.0
"""That of the twelve that fly, in August 2026."""
THREE = ("miyun", "kashi", "sanya")
FIVE = (*THREE, "lijiang", "mohe")
MASK_DEG = 5.0
X_BAND_GBPS = 1.2
SCALE = 1000.0
ONBOARD = {"tops": 744, "utilisation": 0.3}
GROUND = {"tops": 2000, "utilisation": 0.3}
DEFLECTION_S = 4.0
"""What the deflection of the vertical, up to 0.19 degrees, does to rise and set at that mask: a
satellite at 500 km rises by 0.05 to 0.06 degrees a second there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The stations of a sky and how fast satellites send to them."""

    places: Sequence[str] = THREE
    mask_deg: float = MASK_DEG
    rate_gbps: float = X_BAND_GBPS
    radios: int = 1
    """Of each satellite. As many as stations make passes of one station know nothing of others."""


def ring(
    label: str,
    about: str,
    duration_s: float,
    step_s: float,
    ground: Ground,
    start: datetime | None = None,
    **more: Any,
) -> Scenario:
    """Return twelve satellites around one orbit, two lasers each, over stations."""
    stations = [
        scenes.station(place, ground.mask_deg, COUNT, computer=GROUND) for place in ground.places
    ]
    shell = scenes.shell(
        "tb",
        WALKER,
        ALTITUDE_KM,
        raan_start_deg=RAAN_DEG,
        isl={"kind": "laser", "count": 2},
        gsl={"kind": "beam", "count": ground.radios},
        computer=ONBOARD,
    )
    run = {"step_s": step_s, "rate_scale": SCALE}
    if start:
        run["start"] = start.isoformat()
    return scenes.sky(
        label,
        about,
        duration_s,
        [shell],
        stations,
        more.pop("workload", []),
        terminals={
            "laser": scenes.ideal(100.0, 5000),
            "beam": scenes.ideal(ground.rate_gbps),
            "dish": scenes.ideal(ground.rate_gbps),
        },
        scenario=run | more.pop("scenario", {}),
        **more,
    )


def name(number: int) -> str:
    """Name of a satellite, counted from 0."""
    return f"tb-01-{number + 1:02d}"


def tracks(scenario: Scenario) -> Tracks:
    """Return the closed form of the first constellation."""
    pattern = scenario.constellation[0].walker_pattern()
    assert pattern is not None
    return Tracks(
        altitude_km=pattern.altitude_km,
        inclination_deg=pattern.inclination_deg,
        node_deg=pattern.raan_deg(),
        u_deg=pattern.argument_of_latitude_deg(),
        sidereal_deg=scenes.sidereal_deg(scenario.scenario.start),
    )


def predicted(scenario: Scenario, t_s: np.ndarray) -> np.ndarray:
    """Who sees whom by closed form: ``(satellites, stations, times)``."""
    orbits = tracks(scenario)
    rows = [
        orbits.seen((each.latitude_deg, each.longitude_deg), each.min_elevation_deg, t_s)
        for each in scenario.ground.station
    ]
    return np.stack(rows, axis=1)


def planned(run: Run) -> np.ndarray:
    """Who is linked to whom by the plan: ``(satellites, stations, steps)``."""
    plan = run.plan
    node, size = plan.network.port_node, len(plan.network.satellites)
    seen = np.zeros((size, len(plan.network.stations), plan.steps), dtype=bool)
    for row in plan.contacts:
        low, high = sorted((int(node[row["a"]]), int(node[row["b"]])))
        if low < size <= high:
            seen[low, high - size, row["start"] : row["end"]] = True
    return seen


@cache
def soon_in_contact(
    capture_s: float, least_s: float = 30.0, most_s: float = 180.0
) -> tuple[datetime, int, float]:
    """A start at which an image is taken soon before a contact: that, the satellite, the wait.

    The first, hour by hour, at which some satellite waits for so long.
    """
    t_s = np.arange(capture_s, capture_s + most_s, 0.25)
    for hour in range(24):
        start = datetime.fromisoformat(scenes.START) + timedelta(hours=hour)
        seen = predicted(ring("ring", "", 1, 1.0, Ground(), start), t_s).any(axis=1)
        waits_s = np.where(seen.any(axis=1), seen.argmax(axis=1) * 0.25, np.inf)
        waits_s[waits_s < least_s] = np.inf
        if np.isfinite(waits_s).any():
            return start, int(waits_s.argmin()), float(waits_s.min())
    raise AssertionError("a ring of twelve passes over China within a day")


def image(number: int, capture_s: float, /, **more: Any) -> Mapping[str, Any]:
    """An offload of a small image, by a satellite counted from 0."""
    return {
        "kind": "offload",
        "source": name(number),
        "capture_s": capture_s,
        "object_bytes": 100_000_000,
        "result_bytes": 1_000_000,
        "operations": 8e13,
    } | more
