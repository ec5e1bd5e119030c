"""From a scenario's events, random failures and storms to what breaks, from when to when."""

import math
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from skyfield.api import wgs84

from emulator.ephemeris import Ephemeris
from emulator.events import Fault, chance, expanded
from emulator.frames import geodetic_to_itrs_km, geodetic_up
from emulator.linkplan import LinkPlan
from emulator.regions import Region, spans_inside
from emulator.scenario import Scenario
from tests.unit.test_skyfield_oracle import skyfield_satellite, timescale_with
from tests.unit.toys import walker_table

HOUR_S = 3600.0
SIGMAS = 4.0
"""One draw in 16,000 is further from its mean; the draws of these tests are always the same."""
A_TENTH_OF_A_SECOND = 0.1
A_MICRORADIAN = 1e-6


def plan(walker: str = "53:12/3/1", **sections: Any) -> LinkPlan:
    """A small grid at 3000 km, so that all of its links are in sight."""
    known = {"isl": [{"pattern": "grid"}], **sections}
    return LinkPlan.of(Scenario.from_table(walker_table(walker, 3000.0, **known)))


def event(at_s: float, action: str, *target: str, **more: Any) -> dict[str, Any]:
    return {"at_s": at_s, "action": action, "target": list(target), **more}


def by_events(*events: dict[str, Any], **run: Any) -> list[Fault]:
    return list(expanded(plan(event=list(events), scenario=run)))


A, B, C = "sat-01-01", "sat-01-02", "sat-01-03"
FOREVER = math.inf


def test_each_kind_of_event_and_its_end() -> None:
    assert by_events(
        event(5.0, "terminal down", A, "isl2"),
        event(1.0, "link down", A, B, for_s=2.5),
        event(2.0, "satellite down", C),
        event(20.0, "satellite up", C),
        event(30.0, "link up", A, B),  # has come back by itself already
        event(50.0, "terminal up", A, "isl1"),  # another one
    ) == [
        Fault(1.0, 3.5, "link", (A, B)),
        Fault(2.0, 20.0, "satellite", (C,)),
        Fault(5.0, FOREVER, "terminal", (A, "isl2")),
    ]


def test_silence_is_the_scenarios_unless_the_event_says_so() -> None:
    events = event(1.0, "link down", A, B), event(2.0, "link down", B, C, silent=True)
    assert [each.silent for each in by_events(*events)] == [False, True]
    assert [each.silent for each in by_events(*events, light_lost="silent")] == [True, True]


def test_one_direction_ends_with_either_or_leaves_the_other() -> None:
    there, back = {"direction": "a-to-b"}, (B, A)
    down = event(1.0, "link down", A, B)
    assert by_events(down, event(9.0, "link up", *back)) == [Fault(1.0, 9.0, "link", (A, B))]
    one = by_events(
        down | there, event(5.0, "link up", *back, **there), event(9.0, "link up", A, B)
    )
    assert one == [Fault(1.0, 9.0, "link", (A, B), "a-to-b")]
    half = by_events(down, event(5.0, "link up", *back, **there))
    assert half == [
        Fault(1.0, 5.0, "link", back, "a-to-b"),
        Fault(1.0, FOREVER, "link", (A, B), "a-to-b"),
    ]


def test_down_and_up_at_one_moment_go_by_the_order_of_the_file() -> None:
    down, up = event(3.0, "satellite down", A), event(3.0, "satellite up", A)
    assert by_events(down, up) == []
    assert by_events(up, down) == [Fault(3.0, FOREVER, "satellite", (A,))]


def test_the_order_of_the_file_says_nothing_else() -> None:
    events = [
        event(5.0, "link down", A, B),
        event(7.0, "link down", A, B, silent=True, for_s=9.0),
        event(9.0, "link up", B, A),
        event(6.0, "satellite down", C, for_s=1.0),
        event(6.0, "terminal down", A, "isl0"),
    ]
    found = by_events(*events)
    assert len(found) == 4
    assert by_events(*events[::-1]) == by_events(*events[2:], *events[:2]) == found


def failing(walker: str = "53:1000/20/1", hours: float = 10.0, **failures: Any) -> list[Fault]:
    run = {"duration_s": hours * HOUR_S, "step_s": HOUR_S}
    return list(expanded(plan(walker, scenario=run, failures=failures, isl=[{"pattern": "ring"}])))


def test_satellites_fail_at_their_rate() -> None:
    found = failing(satellites_per_hour=0.05)
    assert all(each.kind == "satellite" and each.until_s == FOREVER for each in found)
    # Without repair each fails once: an exponential time to failure, cut at ten hours.
    expected = 1000 * -math.expm1(-0.05 * 10)
    assert len({each.target for each in found}) == len(found)
    assert abs(len(found) - expected) < SIGMAS * math.sqrt(expected * math.exp(-0.5))
    # Of those that fail, half do so before the median of that cut distribution.
    median_s = -math.log1p(-expected / 2000) / 0.05 * HOUR_S
    early = sum(each.at_s < median_s for each in found)
    assert abs(early - len(found) / 2) < SIGMAS * math.sqrt(len(found)) / 2


@pytest.mark.parametrize("repair", ["exponential", "fixed"])
def test_repairs_last_as_long_as_they_should(repair: str) -> None:
    found = failing(satellites_per_hour=0.5, repair_s=600.0, repair=repair)
    lasts_s = np.array([each.until_s - each.at_s for each in found])
    # A cycle is two hours up and ten minutes down, and the first begins with the former.
    cycles = 1000 * 10 / (2 + 1 / 6)
    assert abs(len(found) - cycles) < SIGMAS * math.sqrt(cycles) + 1000 / 6 / 2
    if repair == "fixed":
        assert lasts_s == pytest.approx(600.0, abs=A_TENTH_OF_A_SECOND)
    else:
        spread_s = 600.0 / math.sqrt(len(found))
        assert abs(lasts_s.mean() - 600.0) < SIGMAS * spread_s
        assert abs((lasts_s > 600.0).mean() - math.exp(-1)) < SIGMAS * 0.5 / math.sqrt(len(found))


def test_links_fail_while_they_are_there() -> None:
    run = {"duration_s": 6 * HOUR_S, "step_s": 60.0}
    site = {"name": "pole", "latitude_deg": 60.0, "longitude_deg": 0.0}
    ground = {"station": [site | {"antennas": {"kind": "radio", "count": 2}}]}
    failures = {"links_per_hour": 2.0, "repair_s": 300.0}
    built = plan("53:24/3/1", scenario=run, ground=ground, failures=failures)
    found = expanded(built)
    assert {each.kind for each in found} == {"link"}
    lit: dict[frozenset[str], list[tuple[float, float]]] = {}
    names = np.array([node.name for node in built.network.nodes])
    node = built.network.port_node
    for row in built.contacts:
        pair = frozenset(names[node[[row["a"], row["b"]]]].tolist())
        lit.setdefault(pair, []).append((row["start"] * 60.0, row["end"] * 60.0))
    assert any("pole" in each.target for each in found)
    hours, inside = 0.0, 0
    for pair, spans in lit.items():
        hours += sum(end - start for start, end in spans) / HOUR_S
        for each in found:
            if frozenset(each.target) == pair:
                assert any(start < each.until_s and each.at_s < end for start, end in spans)
                inside += any(start <= each.at_s < end for start, end in spans)
    # While five minutes in 35 go by in repair, nothing fails.
    expected = hours * 2.0 * 30 / 35
    assert abs(inside - expected) < SIGMAS * math.sqrt(expected)


def test_others_change_nothing_for_those_that_were_there() -> None:
    failures = {"satellites_per_hour": 2.0, "links_per_hour": 2.0, "repair_s": 60.0}
    run = {"duration_s": 2 * HOUR_S, "step_s": 60.0}
    shell = walker_table("53:12/3/1", 3000.0)["constellation"][0]
    other = shell | {"name": "other", "walker": "80:6/2/1"}
    storm = [{"at_s": 600.0, "duration_s": 3000.0, "latitude_deg": [20.0, 50.0]}]
    storm[0] |= {"strikes": "lasers", "probability": 0.5}
    made = []
    for shells in ([shell], [shell, other], [other, shell]):
        rows = {"constellation": shells, "failures": failures, "storm": storm, "scenario": run}
        found = expanded(plan(**rows))
        # A pair's names stand in the order of the scenario; between other nodes nothing is linked.
        made.append({each for each in found if each.target[0].startswith("sat")})
        assert len({each.origin for each in made[-1]}) == 2
    assert made[0] == made[1] == made[2]


def test_another_seed_is_another_fate_and_the_same_one_the_same() -> None:
    def found(seed: int) -> tuple[Fault, ...]:
        run = {"duration_s": 4 * HOUR_S, "step_s": HOUR_S, "seed": seed}
        return expanded(plan(scenario=run, failures={"satellites_per_hour": 1.0}))

    assert found(1) == found(1)
    assert not set(found(1)) & set(found(2))


def test_an_up_ends_what_was_drawn_too() -> None:
    run = {"duration_s": 4 * HOUR_S, "step_s": HOUR_S}
    failures = {"satellites_per_hour": 1.0}
    first = expanded(plan(scenario=run, failures=failures))[0]
    up = event(first.at_s + 1.0, "satellite up", *first.target)
    assert expanded(plan(scenario=run, failures=failures, event=[up]))[0].until_s == up["at_s"]


def test_chances_are_even() -> None:
    drawn = np.array([chance(1, "satellite", f"s{n}", k) for n in range(500) for k in range(20)])
    assert drawn.min() >= 0 and drawn.max() < 1
    counts = np.bincount((drawn * 20).astype(int), minlength=20)
    chi2 = float(((counts - 500) ** 2 / 500).sum())
    assert 19 - SIGMAS * math.sqrt(38) < chi2 < 19 + SIGMAS * math.sqrt(38)


def test_up_is_the_ellipsoids_normal() -> None:
    draw = np.random.default_rng(3)
    latitude_deg, longitude_deg = draw.uniform(-90, 90, 300), draw.uniform(-180, 180, 300)
    at_km, up = geodetic_to_itrs_km(latitude_deg, longitude_deg, draw.uniform(-1, 40_000, 300))
    assert np.abs(geodetic_up(at_km) - up).max() < A_MICRORADIAN / 1e3


REGIONS = [
    {"latitude_deg": (35.0, 90.0)},
    {"latitude_deg": (-12.0, -5.0)},
    {"centre_deg": (-40.0, 275.0), "radius_km": 2500.0},
    {"centre_deg": (-45.0, -170.0), "radius_km": 6000.0},
    {"latitude_deg": (10.0, 40.0), "longitude_deg": (70.0, 130.0)},
    {"latitude_deg": (-60.0, 60.0), "longitude_deg": (160.0, -60.0)},  # across the dateline
]


@pytest.mark.parametrize("region", REGIONS)
def test_satellites_are_in_a_region_when_skyfield_has_them_there(
    region: dict[str, Any], three_body: Scenario
) -> None:
    spans = spans_inside(Region(**region), Ephemeris.of(three_body), 100.0, 6100.0)
    assert sum(map(len, spans)) > 3
    timescale = timescale_with(three_body.scenario.ut1_utc_s)
    [shell] = three_body.constellation
    for own, figures in zip(spans, shell.satellite, strict=True):
        orbit = skyfield_satellite(figures, timescale)

        def depth(t_s: float, orbit: Any = orbit) -> float:
            moment = three_body.scenario.start + timedelta(seconds=t_s)
            place = wgs84.subpoint_of(orbit.at(timescale.from_datetime(moment)))
            latitude_deg, longitude_deg = place.latitude.degrees, place.longitude.degrees
            return depth_of(region, latitude_deg, longitude_deg)

        # A turn is 94 minutes; the middle of a stay is inside, and its ends are at the edge.
        for start_s, end_s in own:
            assert depth((start_s + end_s) / 2) > 0
            for edge_s in (start_s, end_s):
                if 100.0 < edge_s < 6100.0:
                    before, after = (
                        depth(edge_s + d) for d in (-A_TENTH_OF_A_SECOND, A_TENTH_OF_A_SECOND)
                    )
                    assert (before > 0) != (after > 0), edge_s
        outside = [100.0, *(edge_s for span in own for edge_s in span), 6100.0]
        for start_s, end_s in zip(outside[::2], outside[1::2], strict=True):
            assert start_s == end_s or depth((start_s + end_s) / 2) < 0


def depth_of(region: dict[str, Any], latitude_deg: float, longitude_deg: float) -> float:
    """How far inside a region a place is, in degrees: the haversine formula for circles."""
    if "latitude_deg" in region:
        south, north = region["latitude_deg"]
        west, east = region.get("longitude_deg", (-180.0, 180.0))
        east += 360.0 * (east < west)
        eastward_deg = min((longitude_deg + turn * 360.0 - west for turn in (0, 1)), key=abs)
        if eastward_deg < 0:
            eastward_deg += 360.0 * (east > 180.0)
        across_deg = min(eastward_deg, east - west - eastward_deg)
        inward_deg = min(latitude_deg - south, north - latitude_deg)
        return min(inward_deg, across_deg) if "longitude_deg" in region else inward_deg
    there, here = np.radians(region["centre_deg"]), np.radians([latitude_deg, longitude_deg])
    half = np.sin((there - here) / 2) ** 2
    angle = 2 * np.arcsin(np.sqrt(half[0] + np.cos(there[0]) * np.cos(here[0]) * half[1]))
    return float(np.degrees(region["radius_km"] / 6371.0088 - angle))


def struck(**storm: Any) -> tuple[LinkPlan, tuple[Fault, ...]]:
    run = {"duration_s": 7200.0, "step_s": 60.0}
    storm = {"at_s": 600.0, "duration_s": 3000.0, "latitude_deg": [30.0, 60.0]} | storm
    built = plan("53:200/10/1", scenario=run, storm=[storm])
    return built, expanded(built)


def test_a_storm_strikes_those_inside_and_only_while_they_are() -> None:
    built, found = struck()
    [storm] = built.scenario.storm
    spans = spans_inside(Region(storm.latitude_deg), built.ephemeris, 600.0, 3600.0)
    assert sum(map(len, spans)) == len(found) > 50
    for each in found:
        assert (each.kind, each.origin) == ("satellite", "storm")
        assert (each.at_s, each.until_s) in spans[built.network.node(each.target[0]).index]
    assert {each.at_s for each in found} >= {600.0}
    assert max(each.until_s for each in found) == 3600.0


def test_what_recovers_slowly_is_down_longer_and_once() -> None:
    (_, quick), (_, slow) = struck(), struck(recover_s=4000.0)
    ends: dict[tuple[str, ...], list[Fault]] = {}
    for each in quick:
        ends.setdefault(each.target, []).append(each)
    # The storm has passed before the first could come back: one stay each.
    assert {each.target for each in slow} == set(ends) and len(slow) == len(ends)
    for each in slow:
        own = ends[each.target]
        assert (each.at_s, each.until_s) == (own[0].at_s, pytest.approx(own[-1].until_s + 4000.0))


@pytest.mark.parametrize("strikes", ["satellites", "lasers"])
def test_a_storm_strikes_by_chance(strikes: str) -> None:
    (_, all_of_them), (_, some) = (struck(strikes=strikes, probability=p) for p in (1.0, 0.3))
    assert set(some) < set(all_of_them)
    there, hit = ({each.target for each in found} for found in (all_of_them, some))
    expected = 0.3 * len(there)
    assert abs(len(hit) - expected) < SIGMAS * math.sqrt(0.7 * expected)
    if strikes == "lasers":
        assert {port for _, port in there} == {f"isl{n}" for n in range(4)}
        assert {each.kind for each in some} == {"terminal"}


def test_no_faults_without_any_table(three_body: Scenario) -> None:
    assert expanded(LinkPlan.of(three_body)) == ()


def test_events_are_listed(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from emulator.cli import main

    table = walker_table("53:12/3/1", 3000.0)
    table["event"] = [event(5.0, "link down", A, B, silent=True, direction="a-to-b")]
    table["event"] += [event(7.0, "terminal down", C, "gsl0", for_s=3.0)]
    path = tmp_path / "toy.json"
    path.write_text(Scenario.from_table(table).to_json())
    assert main(["plan", str(path), "--events", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "at_s,until_s,what,target,direction,noticed,origin",
        f"5.0,,link,{A} {B},a-to-b,no,event",
        f"7.0,10.0,terminal,{C} gsl0,both,carrier,event",
    ]
