"""Scenarios for experiments: a preset with other figures, or a small sky of one's own."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from emulator.ephemeris import julian_date
from emulator.experiments.formulas import node_over_deg, node_rate_deg_s
from emulator.frames import gmst_rad
from emulator.scenario import Scenario
from topologies import presets

CITIES = {
    "ashburn": (39.04, -77.49),
    "beijing": (39.91, 116.40),
    "frankfurt": (50.11, 8.68),
    "johannesburg": (-26.20, 28.05),
    "lagos": (6.52, 3.38),
    "london": (51.51, -0.13),
    "nairobi": (-1.29, 36.82),
    "new-york": (40.71, -74.01),
    "sao-paulo": (-23.55, -46.63),
    "shanghai": (31.22, 121.46),
    "singapore": (1.35, 103.82),
    "sydney": (-33.87, 151.21),
    "kashi": (39.50, 75.93),
    "lijiang": (26.70, 100.03),
    "miyun": (40.45, 116.86),
    "mohe": (52.97, 122.53),
    "sanya": (18.31, 109.31),
}
"""Latitude and longitude to about 0.05 degrees (6 km, 0.02 ms)."""

START = "2026-08-22T00:00:00Z"
TABLE = dict[str, Any]


def of(table: Mapping[str, Any]) -> Scenario:
    """Check a table and make a scenario of it. Raises ScenarioError."""
    return Scenario.from_table(dict(table), Path(f"{table['scenario']['name']}.toml"))


def preset(name: str, **changes: Any) -> Scenario:
    """Return a preset with other figures.

    ``scenario`` is laid over the preset's own table; every other section takes the place of it,
    and one that is None is left out.
    """
    path = presets()[name]
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    table["scenario"] |= changes.pop("scenario", {})
    table |= changes
    table = {key: value for key, value in table.items() if value is not None}
    return Scenario.from_table(table, path)


def altered(scenario: Scenario, **changes: Any) -> Scenario:
    """Return an effective scenario with other figures, as :func:`preset` does."""
    table = json.loads(scenario.to_json())
    table["scenario"] |= changes.pop("scenario", {})
    table |= changes
    return of(table)


def ideal(rate_gbps: float, max_range_km: float = 1e6) -> TABLE:
    """A terminal without a budget."""
    return {"rate_gbps": rate_gbps, "max_range_km": max_range_km}


def shell(name: str, walker: str, altitude_km: float, **more: Any) -> TABLE:
    """A Walker constellation with four ideal lasers and a ground terminal a satellite."""
    table = {
        "name": name,
        "walker": walker,
        "altitude_km": altitude_km,
        "isl": {"kind": "laser", "count": 4},
        "gsl": {"kind": "beam", "count": 4},
    }
    return table | more


def station(name: str, min_elevation_deg: float, antennas: int = 1, **more: Any) -> TABLE:
    """A station in one of :data:`CITIES`, at sea level."""
    latitude_deg, longitude_deg = CITIES[name]
    return {
        "name": name,
        "latitude_deg": latitude_deg,
        "longitude_deg": longitude_deg,
        "min_elevation_deg": min_elevation_deg,
        "antennas": {"kind": "dish", "count": antennas},
    } | more


def sky(
    name: str,
    description: str,
    duration_s: float,
    constellation: Sequence[TABLE],
    stations: Sequence[TABLE],
    workload: Sequence[TABLE],
    **more: Any,
) -> Scenario:
    """A scenario with ideal terminals, static routes, and nothing scaled.

    ``more``: ``scenario`` is laid over its table, other sections are taken as they are.
    """
    run = {
        "name": name,
        "description": description,
        "start": START,
        "duration_s": duration_s,
        "seed": 1,
    }
    table = {
        "scenario": run | more.pop("scenario", {}),
        "terminals": {"laser": ideal(100.0), "beam": ideal(2.0), "dish": ideal(2.0)},
        "constellation": list(constellation),
        "isl": [{"pattern": "ring"}],
        "ground": {"selection": "highest-elevation", "station": list(stations)},
        "routing": {"protocol": "static"},
        "workload": list(workload),
    }
    return of(table | more)


def plane_over(
    place: str, inclination_deg: float, altitude_km: float, at_s: float, start: str = START
) -> float:
    """RAAN at ``start`` of the plane that passes over a city ``at_s`` later, flying north."""
    over_deg = sidereal_deg(datetime.fromisoformat(start), at_s)
    node_deg, _ = node_over_deg(inclination_deg, CITIES[place], over_deg)
    return (node_deg - node_rate_deg_s(altitude_km, inclination_deg) * at_s) % 360.0


def sidereal_deg(start: datetime, at_s: float = 0.0) -> float:
    """By how much Greenwich is turned from the equinox ``at_s`` after a UTC moment."""
    jd, fraction = julian_date(start, np.array([at_s]))
    return float(np.degrees(gmst_rad(jd, fraction))[0])
