"""An hour of real constellations, planned second by second, against Skyfield."""

import json
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load

from emulator.causes import Cause
from emulator.ephemeris import satrec
from emulator.linkplan import LinkPlan
from emulator.passes import passes
from emulator.scenario import Scenario
from emulator.units import EARTH_RADIUS_KM
from emulator.visibility import lowest_radius_km, range_km
from tests.unit.toys import Table

HOUR_S = 3600.0
ONE_SECOND = 1.0
FIND_EVENTS_S = 0.5
"""How exact Skyfield's search is."""

RADIO = {"rate_gbps": 1.0, "max_range_km": 6000.0}
STATIONS = [
    {"name": "miyun", "latitude_deg": 40.45, "longitude_deg": 116.86},
    {"name": "kashi", "latitude_deg": 39.50, "longitude_deg": 75.93},
    {"name": "sanya", "latitude_deg": 18.31, "longitude_deg": 109.31},
]


def an_hour(preset: str) -> Table:
    """A preset over an hour, with more antennas and beams than there are passes."""
    table = json.loads(Scenario.load(preset).to_json())
    table["scenario"] |= {"duration_s": HOUR_S, "step_s": 1.0}
    table["workload"], table["terminals"]["everywhere"] = [], RADIO
    for shell in table["constellation"]:
        shell["gsl"] = {"kind": "everywhere", "count": 3}
        shell["platform"] = None
    antennas = {"kind": "everywhere", "count": 24}
    table["ground"] = {
        "station": [s | {"min_elevation_deg": 10.0, "antennas": antennas} for s in STATIONS]
    }
    return table


def spans_by_pair(plan: LinkPlan) -> dict[tuple[str, str], list[tuple[float, float]]]:
    node, found = plan.network.port_node, defaultdict(list)
    for row in plan.contacts:
        names = tuple(plan.network.nodes[node[row[end]]].name for end in ("a", "b"))
        found[names].append((row["start"] * plan.step_s, row["end"] * plan.step_s))
    return found


@pytest.mark.parametrize("preset", ["three-body", "guowang-star", "iridium-next"])
def test_aos_and_los_of_an_hour_are_skyfields(preset: str) -> None:
    plan = LinkPlan.of(Scenario.from_table(an_hour(preset)))
    spans, seen = spans_by_pair(plan), 0
    start = plan.scenario.scenario.start
    for each in passes(plan.scenario):
        aos_s = (each.aos - start).total_seconds() if each.aos else 0.0
        los_s = (each.los - start).total_seconds() if each.los else HOUR_S
        if los_s - aos_s <= 2 * ONE_SECOND:
            continue  # between two steps there may be no contact
        own = spans[each.satellite, each.station]
        rise_s, set_s = min(own, key=lambda span: abs(span[0] - aos_s))
        assert -FIND_EVENTS_S <= rise_s - aos_s <= ONE_SECOND + FIND_EVENTS_S
        assert -FIND_EVENTS_S <= set_s - los_s <= ONE_SECOND + FIND_EVENTS_S
        seen += 1
    on_the_ground = [key for key in spans if key[1] in {s["name"] for s in STATIONS}]
    assert seen == sum(len(spans[key]) for key in on_the_ground)
    assert seen > 5


def test_what_ends_a_pass_is_the_mask() -> None:
    plan = LinkPlan.of(Scenario.from_table(an_hour("guowang-star")))
    ground = plan.contacts[~plan.network.port_medium[plan.contacts["a"]]]
    ended = set(ground["ended"][ground["end"] < plan.steps].tolist())
    assert ended == {Cause.BELOW_MASK}


def test_lasers_of_the_real_twelve_see_each_other_when_skyfield_says_so() -> None:
    plan = LinkPlan.of(Scenario.from_table(an_hour("three-body")))
    spans = spans_by_pair(plan)
    orbits = {s.name: satrec(s) for c in plan.scenario.constellation for s in c.satellite}
    timescale = load.timescale(builtin=True)
    seconds = np.arange(plan.steps) * plan.step_s
    start = timescale.from_datetime(plan.scenario.scenario.start)
    times = timescale.tt_jd(start.whole, start.tt_fraction + seconds / 86400.0)
    at: dict[str, Any] = {
        name: EarthSatellite.from_satrec(orbit, timescale).at(times).position.km.T
        for name, orbit in orbits.items()
    }
    grazing_km = EARTH_RADIUS_KM + plan.scenario.scenario.grazing_height_km
    lasers = {tuple(plan.planner.lasers.static[i, :2]) for i in range(12)}
    assert len(lasers) == 12
    for a, b in lasers:
        names = plan.network.nodes[a].name, plan.network.nodes[b].name
        seen = lowest_radius_km(at[names[0]], at[names[1]]) >= grazing_km
        seen &= range_km(at[names[0]], at[names[1]]) <= 5000.0
        lit = np.zeros(plan.steps, dtype=bool)
        for begin, end in spans[names]:
            lit[int(begin) : int(end)] = True
        assert not (lit & ~seen).any()
        dark_but_seen = int((seen & ~lit).sum())
        sunrises = int((np.diff(seen.astype(int)) > 0).sum())
        # Each time they come into sight again, acquisition takes 15 s.
        assert abs(dark_but_seen - 15 * sunrises) <= 2 * sunrises


def test_polar_links_are_off_where_the_reference_says() -> None:
    """A 70 degree cut at 86.5 degrees: 4 (90 - asin(sin 70 / sin 86.5)) / 360 of an orbit."""
    table = an_hour("guowang-star")
    table["scenario"] |= {"duration_s": 6523.0, "step_s": 1.0}  # one revolution at 1,168 km
    table["ground"] = {}
    [grid] = table["isl"]
    grid["latitude_cut_deg"] = 70.0
    table["terminals"]["laser"] |= {"max_range_km": 12_000.0, "optical": None, "pointing": None}
    plan = LinkPlan.of(Scenario.from_table(table))
    outages = plan.timeline.outages
    off = outages[outages["cause"] == Cause.LATITUDE]
    across = {tuple(sorted(pair)) for pair in zip(off["a"], off["b"], strict=True)}
    assert len(across) == 50  # five gaps between six planes, ten links each
    cut = np.degrees(np.arcsin(np.sin(np.radians(70)) / np.sin(np.radians(86.5))))
    expected = 4 * (90 - cut) / 360
    assert expected == pytest.approx(0.219, abs=5e-4)
    two_tenths_of_a_percent = 0.002
    for pair in across:
        mine = off[(np.sort(np.column_stack((off["a"], off["b"])), axis=1) == pair).all(axis=1)]
        share = (mine["end"] - mine["start"]).sum() / plan.steps
        assert share == pytest.approx(expected, abs=two_tenths_of_a_percent)
