"""Scenario → the part of it that is emulated, as ``[emulate]`` says: a scenario of its own.

A part keeps all stations and the names, orbits and terminals of its satellites. To satellites
outside of it there are no links; antennas and patterns that choose, choose within the part.
"""

import fnmatch
import re
from pathlib import Path
from typing import Any

import numpy as np

from emulator import scenario_checks
from emulator.ephemeris import Ephemeris
from emulator.errors import Problem, RunError, ScenarioError
from emulator.lasers import constellation_spans
from emulator.scenario import Scenario
from emulator.sections import Isl
from emulator.units import EARTH_MEAN_RADIUS_KM
from emulator.visibility import dot, length


def emulated(scenario: Scenario, source: str | Path = "scenario") -> Scenario:
    """Return what of ``scenario`` is to be emulated: itself, where it names no part.

    Raises RunError where it is for planning only, ScenarioError where workloads or events name
    satellites outside of the part; ``source`` names the scenario in these.
    """
    emulate = scenario.emulate
    if emulate is None or emulate.whole is not None:
        return scenario
    whole = sum(each.size for each in scenario.constellation)
    if emulate.planned_only:
        raise RunError(
            f"{scenario.scenario.name} has {whole:,} satellites and is for planning only: use "
            "`lasermesh plan`, or name a part of it in [emulate], as satellites = "
            f'["{scenario.constellation[0].node_names()[0]}", …], and leave out planned_only'
        )
    file = Path(source).name
    chosen = _chosen(scenario, file)
    kept = [
        (each, chosen[span] if each.only is None else np.array(each.only)[chosen[span]])
        for each, span in constellation_spans(scenario)
    ]
    part = tuple(
        each.model_copy(update={"only": tuple(np.flatnonzero(own).tolist())})
        if each.only is None
        else each.model_copy(update={"only": tuple(own.tolist())})
        for each, own in kept
        if own.any()
    )
    fields = {
        "constellation": part,
        "isl": tuple(_within(scenario, part)),
        "emulate": emulate.model_copy(update={"whole": whole}),
    }
    reduced = scenario.model_copy(update=fields)
    known = {field: getattr(reduced, field) for field in Scenario.model_fields}
    if problems := tuple(scenario_checks.cross_checks(known, file)):
        raise ScenarioError(problems)
    return reduced


def _chosen(scenario: Scenario, file: str) -> np.ndarray:
    """Whether each satellite is in the part, ``(satellites,)``. Raises ScenarioError."""
    emulate = scenario.emulate
    assert emulate is not None
    names = [name for each in scenario.constellation for name in each.node_names()]
    chosen = np.zeros(len(names), dtype=bool)
    problems = []
    for word in emulate.satellites:
        found = np.array([bool(re.match(fnmatch.translate(word), name)) for name in names])
        chosen |= found
        if not found.any():
            remedy = f"Known: {', '.join(names[:4])}, …; or a pattern of such names"
            problems.append(
                Problem(file, "emulate.satellites", repr(word), "is no satellite", remedy)
            )
    if emulate.around:
        chosen |= _around(scenario)
        if not chosen.any():
            remedy = "Give a greater radius_km, or other stations"
            reason = "has no satellite at the start"
            problems.append(Problem(file, "emulate.around", "", reason, remedy))
    if problems:
        raise ScenarioError(tuple(problems))
    return chosen


def _around(scenario: Scenario) -> np.ndarray:
    """Whether each satellite is above the ground around one of the stations at the start."""
    assert scenario.emulate is not None and scenario.emulate.around is not None
    around, ephemeris = scenario.emulate.around, Ephemeris.of(scenario)
    position_km = ephemeris.positions_km(np.zeros(1))[:, 0]
    away = position_km / length(position_km)[:, None]
    satellites = away[: ephemeris.satellites]
    near = np.zeros(len(satellites), dtype=bool)
    least = np.cos(min(around.radius_km / EARTH_MEAN_RADIUS_KM, np.pi))
    for index, station in enumerate(scenario.ground.station):
        if station.name in around.stations:
            near |= dot(satellites, away[ephemeris.satellites + index]) >= least
    return near


def _within(scenario: Scenario, part: tuple[Any, ...]) -> list[Isl]:
    """The patterns of lasers as far as their constellations and satellites are in the part."""
    left = {each.name for each in part}
    found = []
    for isl in scenario.isl:
        own = tuple(name for name in isl.constellations if name in left)
        to = tuple(name for name in isl.to if name in left)
        pairs = tuple(p for p in isl.pairs if all(_has(part, name) for name in p))
        gone = (isl.constellations and not own) or (isl.to and not to) or (isl.pairs and not pairs)
        if not gone:
            found.append(isl.model_copy(update={"constellations": own, "to": to, "pairs": pairs}))
    return found


def _has(part: tuple[Any, ...], name: str) -> bool:
    return any(each.index(name) is not None for each in part)


def part_of(scenario: Scenario) -> dict[str, Any] | None:
    """Return of how many satellites this scenario is a part, and which; None where it is whole."""
    emulate = scenario.emulate
    if emulate is None or emulate.whole is None:
        return None
    which = list(emulate.satellites)
    if emulate.around:
        stations = ", ".join(emulate.around.stations)
        which.append(f"within {emulate.around.radius_km:g} km of {stations}")
    satellites = sum(each.size for each in scenario.constellation)
    return {"satellites": satellites, "of": emulate.whole, "which": " and ".join(which)}


def part_text(part: dict[str, Any] | None) -> str:
    """Say what is emulated of a scenario, '' where all of it is."""
    if part is None:
        return ""
    return (
        f"emulated: {part['satellites']:,} of {part['of']:,} satellites, {part['which']}; "
        "to the others there are no links"
    )
