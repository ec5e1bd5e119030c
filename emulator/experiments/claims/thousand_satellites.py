"""A thousand computing satellites: how many does a city see, and how near is the nearest?"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from emulator.experiments import formulas, scenes
from emulator.experiments.base import (
    Drawing,
    Experiment,
    Findings,
    Prediction,
    Runs,
    Scene,
    Scenes,
    Settings,
    Verdict,
)
from emulator.experiments.drawing import MEASURED, PLANNED, bars
from emulator.experiments.evidence import Run
from emulator.linkplan import LinkPlan
from emulator.part import emulated
from emulator.sections import Station

_PRESET = "star-compute-1000"
_HOURS_S, _STEP_S, _RUN_S = 6 * 3600.0, 30.0, 10.0
_INFERENCE = 0.95
_NO_GAPS = np.pi
_CITIES = ("chengdu", "beijing", "singapore")


def _scenes() -> Scenes:
    hours = scenes.preset(
        _PRESET,
        scenario={"name": "hours", "duration_s": _HOURS_S, "step_s": _STEP_S},
        workload=None,
        emulate=None,
    )
    pairs = [[city, satellite] for city in _CITIES for satellite in _first_links()[city]]
    packets = scenes.preset(
        _PRESET,
        scenario={"name": "packets", "duration_s": _RUN_S, "rate_scale": 1.0},
        workload=[{"kind": "ping", "pairs": pairs, "interval_s": 1.0}],
    )
    return {"hours": Scene(scenario=hours, emulated=False), "packets": Scene(scenario=packets)}


@cache
def _first_links() -> Mapping[str, tuple[str, ...]]:
    """The satellites that each city's antennas begin with, of the part that is emulated."""
    plan = LinkPlan.of(emulated(scenes.preset(_PRESET, workload=None), _PRESET))
    network = plan.network
    found: dict[str, list[str]] = {}
    for row in plan.joined(0):
        low, high = sorted(int(network.port_node[row[end]]) for end in ("a", "b"))
        if low < len(network.satellites) <= high:
            found.setdefault(network.nodes[high].name, []).append(network.nodes[low].name)
    return {city: tuple(names) for city, names in found.items()}


def _shells(scenario: scenes.Scenario) -> list[tuple[int, float, float]]:
    patterns = [each.walker_pattern() for each in scenario.constellation]
    return [(each.total, each.inclination_deg, each.altitude_km) for each in patterns]


def _points_in_circle(shells: Sequence[tuple[int, float, float]], station: Station) -> float:
    """Satellites of the denser shell in the circle that a station sees, were they a lattice."""
    latitude_deg = formulas.geocentric_deg(station.latitude_deg)
    return max(
        2
        * np.pi
        * (1 - np.cos(np.radians(formulas.half_angle_deg(height_km, station.min_elevation_deg))))
        * formulas.density_per_sr(count, lean_deg, latitude_deg)
        for count, lean_deg, height_km in shells
    )


def _predict(scenes_: Scenes, _: Settings) -> Mapping[str, Prediction]:
    scenario = scenes_["hours"].scenario
    shells = _shells(scenario)
    found = {}
    for station in scenario.ground.station:
        city, latitude_deg = station.name, formulas.geocentric_deg(station.latitude_deg)
        site_km = formulas.site_radius_km(station.latitude_deg) + station.altitude_m / 1e3
        number = sum(
            count
            * formulas.share_in_view(
                lean_deg,
                latitude_deg,
                formulas.half_angle_deg(height_km, station.min_elevation_deg, site_km),
            )
            for count, lean_deg, height_km in shells
        )
        found[f"{city} seen"] = Prediction(
            what=f"{city}: satellites in sight, on average",
            value=number,
            unit="satellites",
            tolerance=0.06 * number,
            allows="six hours are a quarter of a turn below the planes: which of them pass by",
            formula="Σ number × share of time that one is within ψ",
        )
        rtt_ms = 2 * formulas.one_way_ms(formulas.nearest_km(shells, latitude_deg))
        found[f"{city} nearest"] = Prediction(
            what=f"{city}: the nearest, median RTT",
            value=rtt_ms,
            unit="ms",
            tolerance=0.08 * rtt_ms,
            allows="a lattice that is sheared is less even than the formula has it",
            formula="chance to have one within a range = area × density over the latitude",
        )
    number = min(found[f"{s.name} seen"].value for s in scenario.ground.station)
    points = min(_points_in_circle(shells, station) for station in scenario.ground.station)
    found["covered"] = Prediction(
        what="moments at which every city sees one",
        value=100.0 if points >= _NO_GAPS else 0.0,
        unit="%",
        tolerance=0.0,
        allows="nothing: a lattice so dense has no gaps",
        formula=f"a city's circle holds {points:.1f} points of one shell's lattice; a square "
        "lattice has no gaps from π/2 on, one sheared by half from twice that",
    )
    found["inference"] = Prediction(
        what="moments at which the nearest does inference, 950 of 1,000 by lot",
        value=100 * _INFERENCE,
        unit="%",
        tolerance=2.0,
        allows="some 500 different satellites are the nearest: √(0.95 × 0.05 / 500) is 1 %",
        formula="the share of those that do",
    )
    found["none"] = Prediction(
        what="moments at which none in sight does",
        value=100 * (1 - _INFERENCE) ** number,
        unit="%",
        tolerance=0.1,
        allows="at some moments two are in sight instead of four: 0.25 %",
        formula="0.05 to the power of the number in sight",
    )
    site_km = formulas.site_radius_km(30.0)
    low_ms = 2 * formulas.one_way_ms(min(height_km for *_, height_km in shells))
    high_ms = 2 * formulas.one_way_ms(
        formulas.slant_range_km(max(height_km for *_, height_km in shells), 25, site_km)
    )
    found["packets"] = Prediction(
        what="the satellites that serve three cities, mean RTT of packets",
        value=(low_ms + high_ms) / 2,
        unit="ms",
        tolerance=(high_ms - low_ms) / 2,
        allows="where they stand: between the zenith at 600 km and 25° at 800 km",
        formula="2 d / c",
    )
    return found


@cache
def _ranges_km(run: Run) -> np.ndarray:
    """Ranges where the elevation is above the mask, else inf: ``(cities, satellites, steps)``."""
    plan, stations = run.plan, run.scenario.ground.station
    t_s = np.arange(plan.steps) * plan.step_s
    place_km, up = plan.ephemeris.stations_km(t_s)
    found = np.empty((len(stations), plan.ephemeris.satellites, len(t_s)))
    for first in range(0, len(t_s), 100):
        some = slice(first, first + 100)
        at_km = plan.ephemeris.satellites_km(t_s[some])
        for number, station in enumerate(stations):
            away_km = at_km - place_km[number, some]
            range_km = np.linalg.norm(away_km, axis=-1)
            sine = (away_km * up[number, some]).sum(-1) / range_km
            mask = np.sin(np.radians(station.min_elevation_deg))
            found[number, :, some] = np.where(sine >= mask, range_km, np.inf)
    return found


def _measure(runs: Runs) -> Mapping[str, float | None]:
    range_km = _ranges_km(runs["hours"])
    seen = np.isfinite(range_km)
    found: dict[str, float | None] = {}
    for number, station in enumerate(runs["hours"].scenario.ground.station):
        found[f"{station.name} seen"] = float(seen[number].sum(axis=0).mean())
        nearest_km = float(np.median(range_km[number].min(axis=0)))
        found[f"{station.name} nearest"] = 2 * formulas.one_way_ms(nearest_km)
    found["covered"] = 100 * float(seen.any(axis=1).all(axis=0).mean())
    lots = np.random.default_rng(runs["hours"].scenario.scenario.seed).permutation(len(range_km[0]))
    does = lots < round(_INFERENCE * len(lots))
    found["inference"] = 100 * float(does[range_km.argmin(axis=1)].mean())
    found["none"] = 100 * float(1 - (seen & does[:, None]).any(axis=1).mean())
    [(rtt_ms,)] = runs["packets"].query("SELECT avg(rtt_ms) FROM probes")
    found["packets"] = rtt_ms
    return found


def _verdict(found: Findings, _: Settings) -> Verdict:
    nearest = [each.measured for key, each in found.items() if key.endswith("nearest")]
    number = [each.measured for key, each in found.items() if key.endswith("seen")]
    return Verdict(
        answer="holds",
        because=f"cities see {min(number):.0f} to {max(number):.0f} of them at a time, the nearest "
        f"{min(nearest):.1f} to {max(nearest):.1f} ms away; where 5 % do other work, "
        f"{found['none'].measured:.2f} % of moments have none in sight that does inference, so no "
        "hop to another is needed.",
    )


def _draw(found: Findings, runs: Runs, __: Settings) -> Iterator[Drawing]:
    cities = [station.name for station in runs["hours"].scenario.ground.station]
    for key, axis in (("seen", "satellites in sight"), ("nearest", "median round trip, ms")):
        told = [found[f"{city} {key}"] for city in cities]
        shown = {
            "predicted": ([each.prediction.value for each in told], PLANNED),
            "measured": ([each.measured for each in told], MEASURED),
        }
        svg = bars(f"thousand-{key}", axis, cities, shown, axis)
        yield Drawing(svg=svg, caption=f"By city: {axis}.")


EXPERIMENT = Experiment(
    name="thousand-satellites",
    claim="A thousand satellites, over 95 % of them for inference, serve any city at once",
    source="press on Star Compute",
    setup="The preset star-compute-1000: 600 satellites at 800 km and 45°, 400 at 600 km and "
    "97.8°; four cities see them above 25°. Six hours of the whole are planned; of the part "
    "around three of the cities, which the preset emulates, the serving satellites are pinged.",
    takes="a plan of 6 h with 1,000 satellites, a run of 10 s with a part of them",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
)
