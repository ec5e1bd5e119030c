"""Batteries over a scenario: against plain sums, Skyfield's eclipses, and what contacts do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skyfield.api import Distance, Velocity, load
from skyfield.positionlib import Geocentric
from skyfield.sgp4lib import TEME

from emulator.causes import Cause
from emulator.contacts import Planner
from emulator.energy import MOST_SAMPLES, Energy, changes, powered, sample_steps
from emulator.ephemeris import Ephemeris, mean_motion_rad_s
from emulator.linkplan import LinkPlan
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sky import skies
from emulator.units import DAY_S
from tests.unit.toys import walker_table

ONE_WATT = 1.0
ROUNDING_WH = 1e-6
"""Of some thousand sums of numbers below 1e5."""

EQUINOX = "2026-03-20T14:46:00Z"
PANELS = {"solar_area_m2": 4.0, "solar_efficiency": 0.3, "solar_degradation": 0.9}
PANELS_W = 1361.0 * 4.0 * 0.3 * 0.9
DARK = {"solar_area_m2": 1e-30}
NO_PORTS = np.empty(0, dtype=np.int32)


def scenario(
    platform: dict[str, Any] | None,
    walker: str = "90:1/1/0",
    altitude_km: float = 550.0,
    **more: Any,
) -> Scenario:
    """A shell whose satellites have this platform, from the equinox on."""
    timing = {"start": EQUINOX, "step_s": 10.0, "duration_s": 6000.0} | more.pop("scenario", {})
    table = walker_table(walker, altitude_km, scenario=timing, **more)
    table["constellation"][0]["platform"] = {"battery_wh": 1000.0, "bus_w": 0.0} | platform
    return Scenario.from_table(table)


@dataclass
class Flown:
    """A planner that has gone through all steps, and what it wrote down."""

    scenario: Scenario

    def __post_init__(self) -> None:
        network, ephemeris = Network.of(self.scenario), Ephemeris.of(self.scenario)
        planner = Planner(self.scenario, network, ephemeris)
        self.start_wh = planner.energy.energy_wh
        for sky in skies(ephemeris, np.arange(self.scenario.steps) * self.scenario.scenario.step_s):
            planner.step(sky)
        self.end_wh = planner.energy.energy_wh
        self.timeline = planner.finish(self.scenario.steps)
        self.network, self.ephemeris = network, ephemeris
        self.shed = [tuple(row) for row in self.timeline.shed.tolist()]

    def contacts(self) -> list[tuple[int, int, int, int, Cause]]:
        """Return (satellite, other node, start, end, ended) of all contacts."""
        node = self.network.port_node
        return [
            (*sorted((int(node[row["a"]]), int(node[row["b"]]))), *row.tolist()[2:4], row["ended"])
            for row in self.timeline.contacts
        ]


def test_a_polar_orbit_at_the_equinox_generates_923_watts_on_average() -> None:
    polar = scenario({**PANELS, "battery_wh": 1e5, "charge": 0.5}, scenario={"step_s": 1.0})
    period_s = 2 * np.pi / mean_motion_rad_s(polar.constellation[0].walker_pattern())
    energy = Energy(polar, Network.of(polar))
    for sky in skies(Ephemeris.of(polar), np.arange(0.0, period_s, 1.0)):
        energy.follow(sky, NO_PORTS)
    generated_wh = float(energy.energy_wh[0]) - 5e4
    assert generated_wh * 3600 / period_s == pytest.approx(923.0, abs=ONE_WATT)


def skyfields_light(bodies: Any, flown: Flown) -> np.ndarray:
    """Whether Skyfield sees each satellite in sunlight, ``(satellites, steps)``."""
    run = flown.scenario.scenario
    t_s = np.arange(flown.scenario.steps) * run.step_s
    first = load.timescale(builtin=True).from_datetime(run.start)
    times = first.ts.tt_jd(np.full(len(t_s), first.whole), first.tt_fraction + t_s / DAY_S)
    lit = []
    for place_km in flown.ephemeris.satellites_km(t_s):
        xyz, still = Distance(km=place_km.T), Velocity(km_per_s=np.zeros_like(place_km.T))
        place = Geocentric.from_time_and_frame_vectors(times, TEME, xyz, still)
        lit.append(place.is_sunlit(bodies))
    return np.array(lit)


def added_up(lit: np.ndarray, step_s: float, platform: dict[str, Any]) -> tuple[list[float], int]:
    """One battery, step by step: (charge at the beginning of each step, steps without computer)."""
    capacity_wh = platform["battery_wh"]
    held_wh, computes, history, rested = capacity_wh, True, [], 0
    for now in lit.tolist():
        history.append(held_wh / capacity_wh)
        rested += not computes
        spent_w = platform["bus_w"] + (platform["compute_w"] * 0.5 if computes else 0.0)
        held_wh += ((PANELS_W if now else 0.0) - spent_w) * step_s / 3600
        held_wh = min(held_wh, capacity_wh)
        if held_wh <= 0.6 * capacity_wh:
            computes = False
        elif held_wh >= 0.65 * capacity_wh:
            computes = True
    return history, rested


def test_five_orbits_of_charge_are_what_adding_up_by_skyfields_eclipses_gives(bodies: Any) -> None:
    # Four planes, one of them in full light. 15 minutes of shadow bring the others to the floor.
    platform = {**PANELS, "battery_wh": 1000.0, "bus_w": 500.0, "compute_w": 800.0}
    platform |= {"compute_duty": 0.5, "floor": 0.6, "resume": 0.65, "shed": "compute"}
    timing = {"duration_s": 5 * 5740.0, "step_s": 5.0}
    flown = Flown(scenario(platform, "70:4/4/0", scenario=timing))
    light = skyfields_light(bodies, flown)
    every = sample_steps(flown.scenario)
    # At each edge of each eclipse ours and theirs may be a step apart.
    edges = int(np.diff(light, axis=1).sum(1).max())
    apart = (edges + 1) * PANELS_W * 5.0 / 3600 / 1000.0
    assert apart < 0.03
    shed_steps = np.zeros(4)
    for node, start, end, lasers in flown.shed:
        assert not lasers
        shed_steps[node] += end - start
    for index, lit in enumerate(light):
        history, rested = added_up(lit, 5.0, platform)
        assert np.abs(flown.timeline.charge[:, index] - history[::every]).max() < apart
        assert abs(shed_steps[index] - rested) <= 2 * (edges + 1)
    assert (shed_steps > 0).sum() >= 2
    assert light.all(axis=1).any()


def test_what_was_generated_is_what_was_used_or_stored() -> None:
    # Batteries too large to fill or empty. Lasers draw power in contact, the computer unless shed.
    platform = {**PANELS, "battery_wh": 1e4, "charge": 0.51, "floor": 0.5, "resume": 0.505}
    platform |= {"bus_w": 400.0, "compute_w": 500.0, "compute_duty": 0.7}
    lasers = {"laser": {"rate_gbps": 1.0, "max_range_km": 9000.0, "power_w": 90.0}}
    flown = Flown(
        scenario(platform, "53:8/1/0", 1500.0, terminals=lasers, isl=[{"pattern": "ring"}])
    )
    steps, step_h = flown.scenario.steps, 10.0 / 3600
    computing, linked = np.full(8, steps), np.zeros(8)
    for node, start, end, _ in flown.shed:
        computing[node] -= end - start
    for a, b, start, end, _ in flown.contacts():
        linked[[a, b]] += end - start
    t_s = np.arange(steps) * 10.0
    lit = np.zeros(8)
    for sky in skies(flown.ephemeris, t_s):
        towards_km = sky.position_km @ sky.sun
        beside_km = np.linalg.norm(sky.position_km - towards_km[:, None] * sky.sun, axis=1)
        lit += (towards_km > 0) | (beside_km > 6378.137)
    generated_wh = lit * PANELS_W * step_h
    used_wh = (400.0 * steps + 350.0 * computing + 90.0 * linked) * step_h
    assert linked.tolist() == [2 * steps] * 8
    assert 0 < computing.min() < steps
    stored_wh = flown.end_wh - flown.start_wh
    assert stored_wh == pytest.approx(generated_wh - used_wh, abs=ROUNDING_WH)


@pytest.mark.parametrize(
    ("shed", "rows"),
    [
        # 60 Wh at 1 Wh a step, then 40 Wh at the bus's half. An empty battery has both off.
        ("compute", [(0, 60, 300, False), (0, 140, 300, True)]),
        # No laser points at anything, so that it saves nothing to switch them off.
        ("lasers", [(0, 60, 300, True), (0, 100, 300, False)]),
    ],
)
def test_the_floor_is_reached_when_arithmetic_says(shed: str, rows: list[tuple]) -> None:
    platform = {**DARK, "battery_wh": 100.0, "bus_w": 180.0, "compute_w": 180.0}
    platform |= {"floor": 0.4, "resume": 0.5, "shed": shed}
    flown = Flown(scenario(platform, scenario={"duration_s": 3000.0}))
    assert flown.shed == rows
    level = flown.timeline.charge[[30, 60, 80], 0]
    assert level == pytest.approx([0.7, 0.4, 0.3 if shed == "compute" else 0.2])
    # The bus is never shed.
    assert flown.end_wh.tolist() == [0.0]


def test_who_starts_at_the_floor_starts_without() -> None:
    platform = {**DARK, "floor": 0.3, "charge": 0.3, "shed": "lasers"}
    flown = Flown(scenario(platform, "0:8/1/0", 1500.0, isl=[{"pattern": "ring"}]))
    assert flown.shed == [(node, 0, 600, True) for node in range(8)]
    assert flown.contacts() == []
    assert set(flown.timeline.outages["cause"]) == {Cause.POWER}


LASERS_SHED = {
    **PANELS,
    "battery_wh": 300.0,
    "bus_w": 100.0,
    "floor": 0.5,
    "resume": 0.8,
    "shed": "lasers",
}


@pytest.fixture(scope="module")
def ring() -> Flown:
    """Eight satellites in full sight of each other whose lasers drain them in every eclipse."""
    terminals = {
        "laser": {
            "rate_gbps": 1.0,
            "max_range_km": 9000.0,
            "power_w": 350.0,
            "pointing": {"acquisition_s": 25.0},
        }
    }
    station = {"name": "midnight", "latitude_deg": 0, "longitude_deg": 130}
    station["antennas"] = {"kind": "radio", "count": 8}
    return Flown(
        scenario(
            LASERS_SHED,
            "90:8/1/0",
            1500.0,
            scenario={"duration_s": 14000.0},
            terminals=terminals,
            isl=[{"pattern": "ring"}],
            ground={"station": [station]},
        )
    )


def off_by_step(ring: Flown) -> np.ndarray:
    """Which satellites are without lasers, ``(8, steps)``."""
    off = np.zeros((8, ring.scenario.steps), dtype=bool)
    for node, start, end, lasers in ring.shed:
        assert lasers
        off[node, start:end] = True
    return off


def test_contacts_end_when_lasers_go_off_and_return_when_the_battery_has_charged(
    ring: Flown,
) -> None:
    off, steps = off_by_step(ring), ring.scenario.steps
    due, lit = np.zeros((8, steps), dtype=bool), np.zeros((8, steps), dtype=bool)
    for pair, dark in enumerate(off | np.roll(off, -1, axis=0)):
        edges = np.flatnonzero(np.diff(dark, prepend=True, append=True)).tolist()
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            # Step 0 counts as acquired, later it takes 25 s by steps of 10 s.
            due[pair, start + 3 * (start > 0) : end] = True
    for a, b, start, end, ended in ring.contacts():
        if b < 8:
            lit[7 if (a, b) == (0, 7) else a, start:end] = True
            assert ended == (Cause.END if end == steps else Cause.POWER)
    assert np.array_equal(lit, due)
    assert not lit.all()
    assert (off[:, :-1] & ~off[:, 1:]).any(axis=1).sum() >= 4


def test_radios_go_off_with_the_lasers(ring: Flown) -> None:
    off = off_by_step(ring)
    ground = [row for row in ring.contacts() if row[1] == 8]
    for satellite, _, start, end, ended in ground:
        assert not off[satellite, start:end].any()
        assert (ended == Cause.POWER) == (end < off.shape[1] and off[satellite, end])
    assert Cause.POWER in [row[4] for row in ground]


def test_outages_by_power_are_the_spans_without_power(ring: Flown) -> None:
    off = off_by_step(ring)
    dark, outages = np.zeros_like(off), ring.timeline.outages
    for a, b, start, end, _ in outages[outages["cause"] == Cause.POWER].tolist():
        dark[7 if {a, b} == {0, 7} else min(a, b), start:end] = True
    assert np.array_equal(dark, off | np.roll(off, -1, axis=0))


def test_between_floor_and_resume_there_is_the_hysteresis_to_charge(ring: Flown) -> None:
    every, most_wh = sample_steps(ring.scenario), (PANELS_W - 100.0) * 10.0 / 3600
    most_used_wh = (100.0 + 2 * 350.0) * 10.0 / 3600
    back = [row for row in ring.shed if row[2] < ring.scenario.steps]
    assert len(back) >= 4
    for node, start, end, _ in back:
        assert end - start >= (0.8 - 0.5) * 300.0 / most_wh - 1
        # Sunk by no more than one step's use below the floor.
        sunk = ring.timeline.charge[-(-start // every), node]
        assert 0.5 - every * most_used_wh / 300.0 < sunk <= 0.5 + (every - 1) * most_wh / 300.0


def test_a_link_that_the_earth_hides_is_not_said_to_lack_power() -> None:
    platform = {**DARK, "floor": 0.3, "charge": 0.1, "shed": "lasers"}
    flown = Flown(scenario(platform, "53:4/1/0", 550.0, isl=[{"pattern": "ring"}]))
    assert set(flown.timeline.outages["cause"]) == {Cause.EARTH}


def test_a_station_takes_another_satellite_where_the_best_has_no_power() -> None:
    pole = {"name": "pole", "latitude_deg": 90, "longitude_deg": 0, "min_elevation_deg": 0}
    pole["antennas"] = {"kind": "radio", "count": 1}
    table = walker_table("90:40/1/0", ground={"station": [pole]})
    [best] = {row[0] for row in Flown(Scenario.from_table(table)).contacts()}
    # The same satellites twice, the first ones without power.
    shell = table["constellation"][0]
    empty = {**DARK, "battery_wh": 10.0, "charge": 0.0, "bus_w": 0.0, "shed": "lasers"}
    table["constellation"] = [{**shell, "platform": empty}, {**shell, "name": "spare"}]
    assert {row[0] for row in Flown(Scenario.from_table(table)).contacts()} == {40 + best}


def test_satellites_without_platform_are_as_they_were_and_those_with_enough_too() -> None:
    sections = {
        "scenario": {"duration_s": 7200.0, "step_s": 30.0, "start": EQUINOX},
        "isl": [{"pattern": "ring"}],
    }
    table = walker_table("53:8/1/0", 1500.0, **sections)
    table["constellation"].append(table["constellation"][0] | {"name": "b", "altitude_km": 1600.0})
    without = LinkPlan.of(Scenario.from_table(table))
    assert len(without.timeline.shed) == 0
    assert without.timeline.charge.shape == (0, 0)
    plenty = {**PANELS, "battery_wh": 2000.0, "bus_w": 100.0, "shed": "lasers"}
    table["constellation"][0]["platform"] = plenty
    assert LinkPlan.of(Scenario.from_table(table)).digest() == without.digest()
    table["constellation"][0]["platform"] = plenty | {"battery_wh": 1.0}
    scarce = LinkPlan.of(Scenario.from_table(table))
    assert powered(scarce.scenario)[0].tolist() == list(range(8))
    assert set(scarce.timeline.shed["node"]) <= set(range(8))
    theirs = scarce.network.port_node[scarce.contacts["a"]] >= 8
    before = without.network.port_node[without.contacts["a"]] >= 8
    assert np.array_equal(scarce.contacts[theirs], without.contacts[before])
    assert len(scarce.contacts) > len(without.contacts)


@given(st.integers(1, 999_999))
@settings(max_examples=50, deadline=None)
def test_charge_is_written_down_as_often_as_there_is_room_for(steps: int) -> None:
    long = scenario(PANELS, scenario={"step_s": 1.0, "duration_s": float(steps)})
    samples = -(-steps // sample_steps(long))
    assert min(steps, MOST_SAMPLES / 2) <= samples <= MOST_SAMPLES


def test_what_is_written_down_grows_with_events_and_samples_only() -> None:
    rows = []
    for orbits in (1, 4):
        timing = {"duration_s": 5740.0 * orbits, "step_s": 20.0}
        flown = Flown(scenario(LASERS_SHED | {"bus_w": 500.0}, scenario=timing))
        rows.append((len(flown.timeline.charge), len(flown.shed)))
    assert rows == [(287, 1), (574, 4)]


def test_changes_are_told_at_the_step_at_which_they_happen(ring: Flown) -> None:
    told: dict[int, list[tuple[int, int]]] = {node: [] for node in range(8)}
    for step in range(ring.scenario.steps):
        for event, what, nodes in changes(ring.timeline.shed, step):
            assert what == "lasers"
            for node in nodes:
                if event == "shed":
                    told[node].append((step, ring.scenario.steps))
                else:
                    told[node][-1] = told[node][-1][0], step
    spans = [(node, *span, True) for node, own in told.items() for span in own]
    assert sorted(spans) == sorted(ring.shed)
