"""Tables of constellations as written → as figures: files, clusters and local times replaced.

What stands in a scenario file may name a file or hang on the scenario's start; what it comes to
is written into the table, so that the effective scenario is self-contained.
"""

import dataclasses
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulator import sunsync
from emulator.constellations import WALKER_KEYS, Cluster, Constellation
from emulator.errors import Problem
from emulator.units import DAY_S, EARTH_RADIUS_KM, MU_KM3_S2
from topologies.cluster import cluster
from topologies.elements import ElementSet, parse


def with_figures(
    table: dict[str, Any], path: Path, problems: list[Problem], reason: Callable[[Exception], str]
) -> dict[str, Any]:
    """Return ``table`` with each constellation in figures; what cannot be read is a problem."""
    constellations = table.get("constellation")
    if not isinstance(constellations, tuple):
        return table
    run = table.get("scenario")
    start = _moment(run.get("start") if isinstance(run, dict) else None)
    replaced = []
    for index, written in enumerate(constellations):
        entry = written
        try:
            entry = _with_satellites(written, path.parent)
        except (OSError, ValueError) as error:
            key, named = f"constellation[{index}].elements_file", repr(written["elements_file"])
            remedy = "Name a TLE file, or OMM as .json, .csv or .xml, relative to this file"
            problems.append(Problem(path.name, key, named, reason(error), remedy))
        if start is not None and isinstance(entry, dict):
            entry = _with_cluster(_with_node(entry, start), start)
        replaced.append(entry)
    return {**table, "constellation": tuple(replaced)}


def _moment(value: Any) -> datetime | None:
    """The scenario's start, None where it is none: which is told elsewhere."""
    try:
        value = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else None


def _with_satellites(entry: Any, folder: Path) -> Any:
    named = entry.get("elements_file") if isinstance(entry, dict) else None
    if not isinstance(named, str) or entry.get("satellite"):
        return entry
    file = folder / named
    sets = parse(file.read_text(encoding="utf-8"), file.suffix)
    rest = {key: value for key, value in entry.items() if key != "elements_file"}
    return {**rest, "satellite": tuple(dataclasses.asdict(each) for each in sets)}


def _with_node(entry: dict[str, Any], start: datetime) -> dict[str, Any]:
    """Replace ``ltan_h`` by the node that it is at the start; what is no hour is told elsewhere."""
    hour = entry.get("ltan_h")
    if not isinstance(hour, int | float) or not 0 <= hour <= 24 or "raan_start_deg" in entry:
        return entry
    rest = {key: value for key, value in entry.items() if key != "ltan_h"}
    return {**rest, "raan_start_deg": sunsync.node_deg(start, float(hour))}


def _with_cluster(entry: dict[str, Any], start: datetime) -> dict[str, Any]:
    """Replace a sound ``cluster`` around one satellite by the satellites that it is."""
    if entry.get("cluster") is None:
        return entry
    try:
        each = Constellation.model_validate(entry)
    except ValueError:
        return entry
    pattern, about = each.walker_pattern(), each.cluster
    if pattern is None or not isinstance(about, Cluster):
        return entry
    radius_km = EARTH_RADIUS_KM + pattern.altitude_km
    mean_motion_rad_s = math.sqrt(MU_KM3_S2 / radius_km**3)
    chief = ElementSet(
        name=each.name,
        catalogue=0,
        epoch=start,
        mean_motion_rev_day=mean_motion_rad_s * DAY_S / (2 * math.pi),
        eccentricity=0.0,
        inclination_deg=pattern.inclination_deg,
        raan_deg=float(pattern.raan_deg()[0]),
        arg_perigee_deg=0.0,
        mean_anomaly_deg=float(pattern.argument_of_latitude_deg()[0]),
        bstar=0.0,
    )
    sets = cluster(chief, about.count, about.spacing_m, radius_km)
    rest = {key: value for key, value in entry.items() if key not in WALKER_KEYS}
    return {**rest, "satellite": tuple(dataclasses.asdict(each) for each in sets)}
