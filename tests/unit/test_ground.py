"""Ground links: rules, slots and handovers against references worked out pair by pair."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.causes import Cause
from emulator.contacts import Planner
from emulator.ephemeris import Ephemeris, julian_date
from emulator.frames import gmst_rad
from emulator.ground import GroundSegment, slot_begins
from emulator.lasers import pair_key
from emulator.linkplan import LinkPlan
from emulator.network import Network
from emulator.remaining import AHEAD_S, Remaining
from emulator.scenario import Scenario
from emulator.sky import Sky, skies

RULES = ("highest-elevation", "longest-remaining", "fewest-switches")
A_TENTH_OF_A_SECOND = 0.1
MASK_DEG = 10.0


def place(name: str = "g", latitude_deg: float = 50.0, **keys: Any) -> dict[str, Any]:
    antennas = {"kind": "radio", "count": keys.pop("antennas", 1)}
    where = {} if "track" in keys else {"latitude_deg": latitude_deg, "longitude_deg": 30.0}
    return {"name": name, "min_elevation_deg": MASK_DEG, "antennas": antennas, **where, **keys}


@pytest.fixture(scope="module")
def plan_of(walker_table: Callable) -> Callable[..., LinkPlan]:
    """Make a plan for the stations given; ``pointing`` is that of their radios."""

    def make(
        *stations: dict[str, Any],
        walker: str = "53:120/10/3",
        altitude_km: float = 550.0,
        duration_s: float = 3000.0,
        step_s: float = 5.0,
        beams: int = 1,
        pointing: dict[str, float] | None = None,
        **ground: Any,
    ) -> LinkPlan:
        table = walker_table(
            walker,
            altitude_km,
            scenario={"duration_s": duration_s, "step_s": step_s},
            ground={**ground, "station": list(stations or [place()])},
        )
        table["terminals"]["radio"]["max_range_km"] = 60_000.0
        if pointing:
            table["terminals"]["radio"]["pointing"] = pointing
        table["constellation"][0]["gsl"]["count"] = beams
        return LinkPlan.of(Scenario.from_table(table))

    return make


def heights_deg(ephemeris: Ephemeris, t_s: np.ndarray) -> np.ndarray:
    """Elevation of every satellite over every station, ``(satellites, stations, times)``."""
    satellite_km = ephemeris.satellites_km(t_s)[:, None]
    station_km, up = ephemeris.stations_km(t_s)
    line = satellite_km - station_km
    sine = (line * up).sum(-1) / np.sqrt((line**2).sum(-1))
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))


def ends_s(
    ephemeris: Ephemeris, until_s: float, mask_deg: float = MASK_DEG, station: int = 0
) -> np.ndarray:
    """When each satellite that is up next sinks below the mask, at each second, ``(sats, t)``.

    Crossings of the mask are interpolated between seconds; infinite if half an hour away.
    """
    t_s = np.arange(0.0, until_s + AHEAD_S + 2)
    above = heights_deg(ephemeris, t_s)[:, station] - mask_deg
    found = np.full(above.shape, np.inf)
    for satellite, row in enumerate(above):
        for last in np.flatnonzero((row[:-1] >= 0) & (row[1:] < 0))[::-1]:
            found[satellite, : last + 1] = last + row[last] / (row[last] - row[last + 1])
    found[found - t_s > AHEAD_S] = np.inf
    return found[:, : int(until_s) + 1]


def lit(plan: LinkPlan) -> list[set[tuple[int, int]]]:
    """The pairs (satellite, station) that have light at each step."""
    node = plan.network.port_node
    found: list[set[tuple[int, int]]] = [set() for _ in range(plan.steps)]
    for a, b, start, end, _ in plan.contacts.tolist():
        for step in range(start, end):
            found[step].add((int(node[a]), int(node[b])))
    return found


@dataclass
class Reference:
    """What one station with one antenna does by a rule, worked out step by step in plain words."""

    plan: LinkPlan
    rule: str
    slot_s: float = 0.0
    phase_s: float = 0.0

    def served(self) -> list[int | None]:
        """Which satellite is chosen at each step."""
        plan = self.plan
        t_s = np.arange(plan.steps) * plan.step_s
        height = heights_deg(plan.ephemeris, t_s)[:, 0]
        until = ends_s(plan.ephemeris, float(t_s[-1]))[:, t_s.astype(int)]
        until = np.where(np.isinf(until), 1e12, until)
        chosen: list[int | None] = []
        now: int | None = None
        for step, t in enumerate(t_s):
            up = np.flatnonzero(height[:, step] >= MASK_DEG)
            if now is not None and now not in up:
                now = None
            slot = (t - self.phase_s) // self.slot_s if self.slot_s else step
            slot_before = (t - plan.step_s - self.phase_s) // self.slot_s if self.slot_s else -1
            fresh = step == 0 or slot != slot_before
            lost = bool(chosen) and chosen[-1] is not None and now is None
            waits = bool(self.slot_s) and not fresh and not lost and now is None
            holds = now is not None and (self.rule == "fewest-switches" or not fresh)
            if len(up) and not holds and not waits:
                score = height if self.rule == "highest-elevation" else until
                now = int(max(up, key=lambda s: score[s, step]))
            chosen.append(now)
        return chosen


def seen(chosen: list[int | None]) -> list[int | None]:
    """What has light where ``chosen`` is served by ideal terminals: a step later, but for none."""
    lights = chosen[:1]
    for before, now in pairwise(chosen):
        lights.append(now if before in (None, now) else None)
    return lights


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("slot_s", "phase_s"), [(0.0, 0.0), (15.0, 0.0), (60.0, 25.0)])
def test_one_antenna_follows_its_rule(
    plan_of: Callable, rule: str, slot_s: float, phase_s: float
) -> None:
    plan = plan_of(selection=rule, slot_s=slot_s, slot_phase_s=phase_s)
    chosen = Reference(plan, rule, slot_s, phase_s).served()
    wanted = [set() if each is None else {(each, 120)} for each in seen(chosen)]
    assert lit(plan) == wanted
    assert len({each for each in chosen if each is not None}) > 5


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_antennas_and_beams_are_integers(plan_of: Callable, data: st.DataObject) -> None:
    """A reference for any number of each: the highest pairs first, as long as both ends have one.

    A pair that is chosen twice in a row has light at the second step at the latest.
    """
    latitudes = data.draw(st.lists(st.integers(-60, 60), min_size=1, max_size=5))
    stations = [
        place(f"g-{i}", float(latitude), antennas=data.draw(st.integers(1, 4)))
        for i, latitude in enumerate(latitudes)
    ]
    beams = data.draw(st.integers(1, 3))
    shell = data.draw(st.sampled_from([("53:24/4/1", 1500.0), ("60:60/6/2", 780.0)]))
    plan = plan_of(
        *stations, walker=shell[0], altitude_km=shell[1], duration_s=200.0, step_s=10.0, beams=beams
    )
    height = heights_deg(plan.ephemeris, np.arange(plan.steps) * plan.step_s)
    satellites = len(height)
    before: set[tuple[int, int]] = set()
    for step, lights in enumerate(lit(plan)):
        left = np.array([beams] * satellites + [s["antennas"]["count"] for s in stations])
        rank = -np.round(height[..., step], 9)
        chosen = set()
        for each in np.argsort(rank, axis=None, kind="stable"):
            satellite, station = np.unravel_index(each, rank.shape)
            pair = int(satellite), satellites + int(station)
            if height[satellite, station, step] >= MASK_DEG and left[list(pair)].min() > 0:
                left[list(pair)] -= 1
                chosen.add(pair)
        assert lights <= chosen
        assert chosen & before <= lights
        assert step > 0 or lights == chosen
        before = chosen


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("slot_s", [0.0, 15.0])
@pytest.mark.parametrize("acquisition_s", [0.0, 12.0])
def test_make_before_break_leaves_nobody_in_the_dark(
    plan_of: Callable, rule: str, slot_s: float, acquisition_s: float
) -> None:
    keys = {"selection": rule, "slot_s": slot_s, "slot_phase_s": 7.0, "step_s": 4.0}
    keys["pointing"] = {"acquisition_s": acquisition_s}
    plan = plan_of(place(antennas=2), handover="make-before-break", duration_s=2000.0, **keys)
    height = heights_deg(plan.ephemeris, np.arange(plan.steps) * plan.step_s)[:, 0]
    needs = int(np.ceil((acquisition_s + slot_s) / plan.step_s)) + 1
    lights = lit(plan)
    for step in range(needs, plan.steps):
        well_up = (height[:, step - needs : step + 1] >= MASK_DEG).all(axis=1)
        # Of two that have been up for as long as it takes one at least has light.
        assert lights[step] or well_up.sum() < 2
    assert max(map(len, lights)) == 2
    ordered = np.sort(plan.contacts, order="start")
    overlapping = [new["start"] < old["end"] for old, new in pairwise(ordered)]
    assert len(overlapping) > 5
    assert np.mean(overlapping) > 0.9


@pytest.mark.parametrize("rule", RULES)
def test_whoever_has_one_antenna_breaks_first(plan_of: Callable, rule: str) -> None:
    made, broken = (
        plan_of(selection=rule, handover=each, duration_s=1200.0)
        for each in ("make-before-break", "break-before-make")
    )
    assert len(made.contacts) > 1
    assert (made.contacts == broken.contacts).all()
    assert not all(lit(made))


@pytest.mark.parametrize("gap_s", [0.0, 0.05, 5.0, 12.0])
@pytest.mark.parametrize("acquisition_s", [0.0, 4.0, 11.0])
def test_break_before_make_is_dark_for_the_gap_that_is_stated(
    plan_of: Callable, gap_s: float, acquisition_s: float
) -> None:
    plan = plan_of(gap_s=gap_s, pointing={"acquisition_s": acquisition_s}, duration_s=2500.0)
    dark = max(1, int(np.ceil(gap_s / plan.step_s)), int(np.ceil(acquisition_s / plan.step_s)))
    height = heights_deg(plan.ephemeris, np.arange(plan.steps) * plan.step_s)[:, 0]
    handovers = 0
    for old, new in pairwise(np.sort(plan.contacts, order="start")):
        satellite = int(plan.network.port_node[new["a"]])
        best = height[:, old["end"]].argmax()
        if satellite == best and height[best, old["end"]] >= MASK_DEG:
            assert new["start"] - old["end"] == dark
            handovers += 1
    assert handovers > 5


@pytest.mark.parametrize(("beams", "waits"), [(1, 3), (2, 0)])
def test_a_beam_that_has_rested_shines_at_once(
    walker_table: Callable, beams: int, waits: int
) -> None:
    # The satellite sets at one station a step before it rises at the next, which has slept so far.
    def plan(mask_deg: float) -> LinkPlan:
        west, east = (
            place(name, 0.0, longitude_deg=longitude_deg, min_elevation_deg=least_deg)
            for name, longitude_deg, least_deg in (("w", 20.0, mask_deg), ("e", 50.0, 10.0))
        )
        table = walker_table(
            "0:1/1/0",
            1500.0,
            scenario={"duration_s": 7500.0, "step_s": 5.0},
            ground={"station": [west, east], "gap_s": 20.0},
        )
        table["constellation"][0]["gsl"]["count"] = beams
        return LinkPlan.of(Scenario.from_table(table))

    known = plan(1.0)
    height = heights_deg(known.ephemeris, np.arange(known.steps) * 5.0)[0]
    rises = int(np.flatnonzero(np.diff((height[1] >= 10.0).astype(int)) == 1)[0]) + 1
    assert height[0, rises - 2] > height[0, rises - 1] > 10.0
    links = plan(float(height[0, rises - 2 : rises].mean())).contacts
    assert (links["end"] == rises - 1).sum() == 1
    [taken] = links[links["start"] >= rises][:1]
    assert taken["start"] == rises + waits


def test_fewest_switches_has_the_fewest(plan_of: Callable) -> None:
    duration_s = 4 * 3600.0
    contacts = {
        rule: len(plan_of(selection=rule, duration_s=duration_s, step_s=10.0).contacts)
        for rule in RULES
    }
    assert contacts["fewest-switches"] < contacts["highest-elevation"]
    assert contacts["fewest-switches"] < contacts["longest-remaining"]
    # No rule can do with less than one pass of the longest kind after the other.
    assert contacts["fewest-switches"] >= duration_s / longest_pass_s(550.0)


def longest_pass_s(altitude_km: float) -> float:
    """The longest pass over a mask, on a sphere, over a station that does not turn."""
    radius_km = 6378.137 + altitude_km
    mask = np.radians(MASK_DEG)
    half_rad = np.arccos(6378.137 / radius_km * np.cos(mask)) - mask
    turning = np.sqrt(398600.4418 / radius_km**3) - 7.292e-5
    return float(2 * half_rad / turning)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("antennas", [1, 3])
def test_within_a_slot_nothing_changes_unless_a_pass_ends(
    plan_of: Callable, rule: str, antennas: int
) -> None:
    slot_s, phase_s = 15.0, 12.0
    keys = {"slot_s": slot_s, "slot_phase_s": phase_s, "step_s": 1.0, "duration_s": 900.0}
    plan = plan_of(place(antennas=antennas), selection=rule, **keys)
    # A light of step k was decided at k, or at k - 1 by an antenna that was in use.
    begins = set(range(12, 900, 15))
    losses = {int(row["end"]) for row in plan.contacts if row["ended"] == Cause.NOT_CHOSEN} - begins
    height = heights_deg(plan.ephemeris, np.arange(plan.steps) * 1.0)[:, 0]
    node = plan.network.port_node
    sets = {
        int(row["end"])
        for row in plan.contacts
        if row["end"] < 900 and height[node[row["a"]], row["end"]] < MASK_DEG
    }
    assert losses <= sets, "given up within a slot, though still up"
    for row in plan.contacts[plan.contacts["start"] > 0]:
        start = int(row["start"])
        slot = begins & set(range(start - 14, start + 1))
        ended = [end for end in sets if max(slot, default=0) < end <= start]
        assert {start, start - 1} & begins or ended
    if rule != "fewest-switches" and antennas == 1:
        assert len(begins & set(plan.contacts["end"].tolist())) > 1


def test_slots_begin_once_each_whatever_the_step() -> None:
    for step_s, slot_s, phase_s in [(0.1, 15.0, 12.3), (0.07, 1.1, 0.3), (1 / 3, 15.0, 0.1)]:
        steps = int(300 * slot_s / step_s)
        begins = [slot_begins(step * step_s, step_s, slot_s, phase_s) for step in range(1, steps)]
        at_s = (np.flatnonzero(begins) + 1) * step_s
        boundary_s = phase_s + slot_s * np.arange(-1, 301)
        boundary_s = boundary_s[(boundary_s > 1e-6) & (boundary_s <= (steps - 1) * step_s + 1e-6)]
        assert len(at_s) == len(boundary_s)
        assert (at_s - boundary_s > -1e-6).all()
        assert (at_s - boundary_s < step_s).all()
    assert all(slot_begins(k * 20.0, 20.0, 15.0) for k in range(10)), "slots shorter than a step"
    assert all(slot_begins(k * 1.0, 1.0, 0.0) for k in range(10)), "no slots"


def geostationary(walker_table: Callable, selection: str, **sections: Any) -> LinkPlan:
    """Three satellites over the equator that neither rise nor set, and one that does."""
    table = walker_table(
        scenario={"duration_s": 4 * 3600.0, "step_s": 20.0},
        terminals={"radio": {"rate_gbps": 1.0, "max_range_km": 50_000.0}},
        ground={"selection": selection, "station": [place(latitude_deg=5.0, antennas=1)]},
        **sections,
    )
    start = datetime.fromisoformat(table["scenario"]["start"])
    sidereal_deg = float(np.degrees(gmst_rad(*julian_date(start, np.array([0.0])))[0]))
    table["constellation"] = [
        {
            "name": name,
            "walker": "0:1/1/0",
            "altitude_km": altitude_km,
            "raan_start_deg": (sidereal_deg + 30.0 + east_deg) % 360,
            "gsl": {"kind": "radio", "count": 1},
        }
        for name, altitude_km, east_deg in (
            ("west", 35786.0, -40.0),
            ("east", 35786.0, 30.0),
            ("far", 35786.0, 55.0),
            ("low", 9000.0, -60.0),
        )
    ]
    return LinkPlan.of(Scenario.from_table(table))


@pytest.mark.parametrize("rule", ["longest-remaining", "fewest-switches"])
def test_satellites_that_stay_do_not_take_turns(walker_table: Callable, rule: str) -> None:
    plan = geostationary(walker_table, rule)
    names = [plan.network.nodes[n].name for n in plan.network.port_node[plan.contacts["a"]]]
    assert names in (["east-01-01"], ["low-01-01", "east-01-01"])


class TestAboveMask:
    """The quick look must find exactly those that the slow one finds."""

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_whatever_the_sky(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, 60))
        seed = data.draw(st.integers(0, 2**32 - 1))
        rng = np.random.default_rng(seed)
        radius_km = 6378.137 + rng.choice([120.0, 550.0, 1200.0, 20_200.0, 390_000.0], (count, 1))
        way = rng.standard_normal((count, 3))
        satellite_km = radius_km * way / np.sqrt((way**2).sum(1, keepdims=True))
        stations = [
            place(
                f"g-{i}",
                data.draw(st.sampled_from([-90.0, -45.0, 0.0, 30.0, 90.0])),
                altitude_m=data.draw(st.sampled_from([-400.0, 0.0, 30_000.0])),
                min_elevation_deg=data.draw(st.sampled_from([0.0, 0.1, 10.0, 25.0, 60.0, 89.9])),
            )
            for i in range(data.draw(st.integers(1, 6)))
        ]
        self.check(stations, satellite_km)

    @pytest.mark.parametrize("nudge", [-1, 0, 1])
    def test_the_mask_itself_is_above(self, nudge: int) -> None:
        rng = np.random.default_rng(5)
        _, sky = self.segment([place(min_elevation_deg=0.0)], np.ones((40, 3)))
        satellite_km = sky.position_km[40] * 1.1 + rng.standard_normal((40, 3)) * 200
        segment, sky = self.segment([place(min_elevation_deg=0.0)], satellite_km)
        satellite, _, height_deg = segment.above_mask(sky)
        assert len(satellite) > 30
        median = np.argsort(height_deg)[len(height_deg) // 2]
        mask_deg = float(height_deg[median])
        if nudge:
            mask_deg = float(np.nextafter(mask_deg, mask_deg + nudge))
        segment, sky = self.segment([place(min_elevation_deg=mask_deg)], satellite_km)
        found = segment.above_mask(sky)[0].tolist()
        assert (satellite[median] in found) == (nudge <= 0)
        assert len(found) == (height_deg >= mask_deg).sum()

    def check(self, stations: list[dict], satellite_km: np.ndarray) -> None:
        segment, sky = self.segment(stations, satellite_km)
        satellite, station, height_deg = segment.above_mask(sky)
        site_km = sky.position_km[len(satellite_km) :]
        line = satellite_km[:, None] - site_km
        sine = (line * sky.station_up).sum(-1) / np.sqrt((line**2).sum(-1))
        every_deg = np.degrees(np.arcsin(np.clip(sine, -1, 1)))
        mask_deg = np.array([each["min_elevation_deg"] for each in stations])
        clear = np.abs(every_deg - mask_deg) > 1e-9
        found = np.zeros(every_deg.shape, dtype=bool)
        found[satellite, station - len(satellite_km)] = True
        assert (found == (every_deg >= mask_deg))[clear].all()
        assert height_deg == pytest.approx(every_deg[found], abs=1e-7)
        assert (np.diff(pair_key(satellite, station)) > 0).all()

    def segment(self, stations: list[dict], satellite_km: np.ndarray) -> tuple[GroundSegment, Sky]:
        table = {
            "scenario": {"name": "mask", "start": "2026-08-22T12:00:00Z", "duration_s": 10.0},
            "terminals": {"radio": {"rate_gbps": 1.0, "max_range_km": 1e6}},
            "constellation": [
                {
                    "name": "s",
                    "walker": f"53:{len(satellite_km)}/1/0",
                    "altitude_km": 550.0,
                    "gsl": {"kind": "radio", "count": 1},
                }
            ],
            "ground": {"station": stations},
        }
        planner, ephemeris = planner_of(Scenario.from_table(table))
        [sky] = skies(ephemeris, np.array([0.0]))
        sky.position_km[: len(satellite_km)] = satellite_km
        return planner.ground, sky


def planner_of(scenario: Scenario) -> tuple[Planner, Ephemeris]:
    network, ephemeris = Network.of(scenario), Ephemeris.of(scenario)
    return Planner(scenario, network, ephemeris), ephemeris


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("handover", ["make-before-break", "break-before-make"])
@pytest.mark.parametrize(("antennas", "beams"), [(0, 1), (1, 0), (None, 1)])
def test_nobody_to_link(
    walker_table: Callable, rule: str, handover: str, antennas: int | None, beams: int
) -> None:
    stations = [] if antennas is None else [place(antennas=antennas)]
    table = walker_table(
        ground={"selection": rule, "handover": handover, "slot_s": 15.0, "station": stations}
    )
    table["constellation"][0]["gsl"]["count"] = beams
    scenario = Scenario.from_table(table)
    assert len(LinkPlan.of(scenario).contacts) == 0
    planner, ephemeris = planner_of(scenario)
    for sky in skies(ephemeris, np.array([0.0, 10.0])):
        for each in planner.ground.above_mask(sky):
            assert each.shape == (0,)
        wanted = planner.ground.wanted(sky, planner.panels["gsl"].held)
        assert wanted.rows.shape == (0, 4)


@pytest.fixture(scope="module")
def scenario(walker_table: Callable) -> Scenario:
    table = walker_table(
        "53:40/5/1",
        780.0,
        scenario={"duration_s": 9000.0},
        ground={"station": [place(), place("low", -20.0, min_elevation_deg=35.0)]},
    )
    shell = {"walker": "55:3/3/1", "altitude_km": 20_200.0, "name": "high"}
    table["constellation"].append(table["constellation"][0] | shell)
    table["terminals"]["radio"]["max_range_km"] = 60_000.0
    return Scenario.from_table(table)


class TestRemaining:
    """When passes end, against the crossings of the mask found second by second."""

    def answers(
        self, scenario: Scenario, times_s: list[float]
    ) -> Iterator[tuple[Sky, np.ndarray, np.ndarray, np.ndarray]]:
        planner, ephemeris = planner_of(scenario)
        mask_deg = np.array([s.min_elevation_deg for s in scenario.ground.station])
        remaining = Remaining(ephemeris, planner.limits["gsl"], mask_deg)
        for sky in skies(ephemeris, np.array(times_s)):
            satellite, station, _ = planner.ground.above_mask(sky)
            keys = pair_key(satellite, station)
            site = station - ephemeris.satellites
            yield sky, satellite, site, remaining.until_s(sky, satellite, station, keys)

    @pytest.mark.parametrize("step_s", [1.0, 37.0, 400.0, 2500.0])
    def test_ends(self, scenario: Scenario, step_s: float) -> None:
        ephemeris = Ephemeris.of(scenario)
        most_s = min(8000.0, 120 * step_s)
        truth = [
            ends_s(ephemeris, most_s, each.min_elevation_deg, index)
            for index, each in enumerate(scenario.ground.station)
        ]
        finite = infinite = 0
        for sky, satellite, site, until_s in self.answers(
            scenario, np.arange(0.0, most_s, step_s).tolist()
        ):
            expected = np.stack(truth)[site, satellite, int(sky.t_s)]
            # Within a minute or so of the horizon of half an hour it may be one or the other.
            far = expected - sky.t_s > AHEAD_S - 100
            assert (until_s[far] > sky.t_s + AHEAD_S - 100 - 60).all()
            error_s = np.abs(until_s[~far] - expected[~far])
            assert (error_s < A_TENTH_OF_A_SECOND).all()
            finite, infinite = finite + (~far).sum(), infinite + np.isinf(until_s).sum()
        assert finite > 5
        assert infinite > 0

    def test_the_end_of_reach(self, scenario: Scenario) -> None:
        reach_km = 1500.0
        table = scenario.model_dump()
        table["terminals"]["radio"]["max_range_km"] = reach_km
        ephemeris = Ephemeris.of(scenario)
        short = Scenario.model_validate(table)
        seconds = np.arange(0.0, 4000.0)
        satellite_km = ephemeris.satellites_km(seconds)[:, None]
        away_km = np.sqrt(((satellite_km - ephemeris.stations_km(seconds)[0]) ** 2).sum(-1))
        left = out = 0
        for sky, satellite, site, until_s in self.answers(short, list(range(0, 2000, 20))):
            now = int(sky.t_s)
            near = away_km[satellite, site, now] <= reach_km
            assert (until_s[~near] == sky.t_s).all()
            beyond = away_km[satellite, site, now:] > reach_km
            leaves_s = now + beyond.argmax(axis=1)
            above = ends_s_at(short, satellite, site, now)
            first_s = np.minimum(leaves_s, np.where(np.isnan(above), np.inf, above))
            assert np.abs(until_s - first_s)[near].max(initial=0) < 1 + A_TENTH_OF_A_SECOND
            left, out = left + near.sum(), out + (~near).sum()
        assert left > 20
        assert out > 20

    def test_an_earlier_sky_than_before(self, scenario: Scenario) -> None:
        times_s = [4000.0, 10.0, 4000.0]
        first, _, again = [until_s for *_, until_s in self.answers(scenario, times_s)]
        assert again == pytest.approx(first, abs=1e-6)


def ends_s_at(scenario: Scenario, satellite: np.ndarray, site: np.ndarray, now: int) -> np.ndarray:
    """When these pairs sink below their masks, to a second; nan: not in half an hour."""
    ahead_s = np.arange(now, now + AHEAD_S)
    height = heights_deg(Ephemeris.of(scenario), ahead_s)[satellite, site]
    mask_deg = np.array([each.min_elevation_deg for each in scenario.ground.station])[site]
    below = height < mask_deg[:, None]
    return np.where(below.any(axis=1), ahead_s[below.argmax(axis=1)], np.nan)


CRUISE_KM_S = 0.25
LONDON_TO_NEW_YORK_KM = 5570.0


def test_an_aircraft_hands_over_from_satellite_to_satellite(plan_of: Callable) -> None:
    flight_s = LONDON_TO_NEW_YORK_KM / CRUISE_KM_S
    track = [[0.0, 51.47, -0.45, 11_000.0], [flight_s, 40.64, -73.78, 11_000.0]]
    plane = place("plane", track=track, min_elevation_deg=25.0)
    plan = plan_of(plane, walker="53:1584/72/39", duration_s=1500.0, step_s=15.0)
    t_s = np.arange(plan.steps) * plan.step_s
    height = heights_deg(plan.ephemeris, t_s)[:, 0]
    node = plan.network.port_node
    assert len({int(node[row["a"]]) for row in plan.contacts}) > 5
    for row in plan.contacts:
        assert (height[node[row["a"]], row["start"] : row["end"]] >= 25.0).all()
    station_km, _ = plan.ephemeris.stations_km(np.array([0.0, 1500.0]))
    turned_km = 2 * np.pi / 86164.1 * 1500.0 * 6389.0 * np.cos(np.radians(50.0))
    flown_km = np.sqrt(((station_km[0, 1] - station_km[0, 0]) ** 2).sum())
    # It flies west, against the Earth's turning.
    assert flown_km < turned_km - 0.5 * CRUISE_KM_S * 1500.0
    # Where it started others would have been chosen in the end.
    stays = plan_of(
        place("plane", track=track[:1], min_elevation_deg=25.0),
        walker="53:1584/72/39",
        duration_s=1500.0,
        step_s=15.0,
    )
    assert lit(stays)[0] == lit(plan)[0]
    assert lit(stays) != lit(plan)


@pytest.mark.parametrize("rule", RULES)
def test_a_ship_at_anchor_is_a_station(plan_of: Callable, rule: str) -> None:
    keys = {"selection": rule, "duration_s": 1500.0}
    fixed = plan_of(place(altitude_m=20.0), **keys)
    points = [[0.0, 50.0, 30.0, 20.0], [3000.0, 50.0, 30.0, 20.0]]
    for track in (points, points[:1]):
        anchored = plan_of(place(track=track), **keys)
        assert (anchored.contacts == fixed.contacts).all()
        for step in range(0, fixed.steps, 90):
            delay_ns = [plan.links(step)["delay_ns"].astype(int) for plan in (anchored, fixed)]
            assert np.abs(delay_ns[0] - delay_ns[1]).max(initial=0) <= 1
