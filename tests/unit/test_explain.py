"""Every cause of a dark link, told in one line with the figures behind it."""

from collections.abc import Callable
from typing import Any

import pytest

from emulator.causes import TEXT, Cause
from emulator.errors import RunError
from emulator.explain import explain, history
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario


def plan(table: dict[str, Any], **terminal: Any) -> LinkPlan:
    table["terminals"]["laser"] |= terminal
    return LinkPlan.of(Scenario.from_table(table))


@pytest.fixture
def grid(walker_table: Callable) -> dict[str, Any]:
    """Three planes of eight at 1,500 km: neighbours in a plane are 6,030 km apart."""
    return walker_table("86:24/3/1", 1500.0, isl=[{"pattern": "grid"}])


def line(built: LinkPlan, a: str, b: str, t_s: float = 0.0) -> str:
    said = explain(built, a, b, t_s)
    assert "\n" not in said
    return said


def test_a_linked_pair_has_its_figures(grid: dict) -> None:
    said = line(plan(grid), "sat-01-01", "sat-01-02")
    assert "linked since 0 s by sat-01-01:isl0 – sat-01-02:isl1" in said
    assert "6029.7 km, 20.113 ms, 10 Gbit/s" in said  # 2 (Re + h) sin(pi / 8)
    assert said.endswith("to the end of the plan")


def test_the_margin_of_a_budget_is_told(grid: dict) -> None:
    optical = {"tx_power_w": 2.0, "aperture_m": 0.1, "photons_per_bit": 50.0}
    assert ", margin " in line(plan(grid, optical=optical), "sat-01-01", "sat-01-02")


def test_the_earth_is_in_the_way(grid: dict) -> None:
    said = line(plan(grid), "sat-01-01", "sat-01-05")
    assert TEXT[Cause.EARTH] in said
    assert "it would pass at -6378 km, 80 km are needed" in said


def test_out_of_range(grid: dict) -> None:
    said = line(plan(grid, max_range_km=5000.0), "sat-01-01", "sat-01-02")
    assert said.endswith("dark: out of range (6030 km, the terminals reach 5000 km)")


def test_too_near_to_a_pole(grid: dict) -> None:
    grid["isl"][0]["latitude_cut_deg"] = 10.0
    built = plan(grid, max_range_km=12_000.0)
    across = [line(built, f"sat-01-0{n}", f"sat-02-0{n}") for n in range(1, 9)]
    polar = [said for said in across if TEXT[Cause.LATITUDE] in said]
    assert polar
    assert all(float(said.split("latitude ")[1].split()[0]) > 10.0 for said in polar)


def test_no_margin_left(grid: dict) -> None:
    optical = {"tx_power_w": 0.001, "aperture_m": 0.02, "photons_per_bit": 500.0}
    said = line(plan(grid, optical=optical), "sat-01-01", "sat-01-02")
    assert TEXT[Cause.MARGIN] in said
    assert "dB less than a link needs to begin" in said


def test_decibels_that_lack_are_those_that_would_do(grid: dict) -> None:
    optical = {"aperture_m": 0.04, "photons_per_bit": 500.0, "tx_power_w": 0.1}
    said = line(plan(grid, optical=optical), "sat-01-01", "sat-01-02")
    lacking_db = float(said.split("(")[1].split()[0])
    for more_db, word in ((lacking_db - 0.06, "dark"), (lacking_db + 0.06, "linked")):
        brighter = optical | {"tx_power_w": 0.1 * 10 ** (more_db / 10)}
        assert f": {word}" in line(plan(grid, optical=brighter), "sat-01-01", "sat-01-02")


def test_without_power_there_is_no_light_whoever_asks(walker_table: Callable) -> None:
    site = {"name": "g", "latitude_deg": 0.0, "longitude_deg": 0.0}
    site |= {"min_elevation_deg": 0.0, "antennas": {"kind": "radio", "count": 1}}
    table = walker_table("0:12/1/0", 3000.0, ground={"station": [site]}, isl=[])
    table["isl"] = [{"pattern": "nearest"}]
    empty = {"solar_area_m2": 0.01, "battery_wh": 10.0, "bus_w": 10.0, "charge": 0.0}
    table["constellation"][0]["platform"] = empty
    built = plan(table)
    assert TEXT[Cause.POWER] + " (sat-01-01, sat-01-02)" in line(built, "sat-01-01", "sat-01-02")
    above = [line(built, f"sat-01-{n:02}", "g") for n in range(1, 13)]
    assert any(f"{TEXT[Cause.POWER]} (sat-01-" in said for said in above)


def test_terminals_that_are_acquiring_are_not_free(walker_table: Callable) -> None:
    """Empty batteries are full after a step in sunlight: then terminals begin to acquire."""
    table = walker_table("0:12/1/0", 3000.0, isl=[{"pattern": "visible"}])
    table["scenario"]["duration_s"] = 100.0
    table["constellation"][0]["isl"]["count"] = 1
    weak = {"solar_area_m2": 10.0, "battery_wh": 1.0, "bus_w": 1.0, "charge": 0.0}
    table["constellation"][0]["platform"] = weak
    built = plan(table, pointing={"acquisition_s": 45.0})
    assert "acquiring (light at " in line(built, "sat-01-02", "sat-01-03", 30.0)
    said = line(built, "sat-01-03", "sat-01-04", 30.0)
    assert "no terminal is free (sat-01-03 serves sat-01-02)" in said


def test_no_pattern_asks(walker_table: Callable) -> None:
    built = plan(walker_table("86:24/2/1", 2000.0, isl=[{"pattern": "ring"}]))
    assert line(built, "sat-01-01", "sat-01-03").endswith("(no pattern asks for this pair)")


def test_all_terminals_are_in_use(walker_table: Callable) -> None:
    table = walker_table("0:12/1/0", 3000.0, isl=[{"pattern": "visible"}])
    table["constellation"][0]["isl"]["count"] = 1
    said = line(plan(table), "sat-01-01", "sat-01-12")
    assert "no terminal is free (sat-01-01 serves sat-01-02)" in said


def test_below_the_mask_and_of_stations(walker_table: Callable) -> None:
    site = {"latitude_deg": 0.0, "longitude_deg": 0.0, "antennas": {"kind": "radio", "count": 1}}
    ground = {"station": [site | {"name": "a"}, site | {"name": "b"}]}
    built = plan(walker_table("53:24/3/1", 1500.0, ground=ground))
    low = [line(built, f"sat-01-0{n}", "a") for n in range(1, 9)]
    assert any("below the station's minimum elevation (elevation -" in said for said in low)
    assert line(built, "a", "b").endswith("stations have no links with each other")
    assert (
        line(built, "a", "sat-01-01")[:-1]
        == line(built, "sat-01-01", "a").replace("sat-01-01 – a", "a – sat-01-01")[:-1]
    )


def test_events_of_the_scenario(grid: dict) -> None:
    grid["event"] = [
        {"at_s": 20.0, "action": "link down", "target": ["sat-01-01", "sat-01-02"]},
        {"at_s": 40.0, "action": "satellite down", "target": ["sat-01-03"]},
    ]
    built = plan(grid)
    assert "linked" in line(built, "sat-01-02", "sat-01-01", 10.0)
    assert "has cut this link" in line(built, "sat-01-02", "sat-01-01", 20.0)
    assert "has silenced sat-01-03" in line(built, "sat-01-02", "sat-01-03", 40.0)
    spans = [(each.start_s, each.cause) for each in history(built, "sat-01-01", "sat-01-02")]
    assert spans == [(0.0, Cause.LINKED), (20.0, Cause.FAULT)]


def test_a_link_in_the_making_says_when_there_will_be_light(walker_table: Callable) -> None:
    table = walker_table(
        "86:24/3/1",
        1500.0,
        scenario={"duration_s": 4000.0},
        isl=[{"pattern": "grid", "latitude_cut_deg": 60.0}],
    )
    built = plan(table, max_range_km=12_000.0, pointing={"acquisition_s": 45.0})
    waits = built.timeline.outages[built.timeline.outages["cause"] == Cause.ACQUIRING]
    assert len(waits)
    a, b = (built.network.nodes[waits[0][end]].name for end in ("a", "b"))
    begins_s = float(waits[0]["start"]) * built.step_s
    said = line(built, a, b, begins_s)
    assert f"acquiring (light at {begins_s + 50:g} s)" in said  # 45 s, in steps of 10
    spans = history(built, a, b)
    assert {span.cause for span in spans} >= {Cause.LINKED, Cause.LATITUDE, Cause.ACQUIRING}
    assert [s.start_s for s in spans[1:]] == [s.end_s for s in spans[:-1]]


def test_an_unknown_node_is_named_with_what_is_close(grid: dict) -> None:
    with pytest.raises(RunError, match=r"'sat-01-99': no such node\. There are sat-01-0"):
        explain(plan(grid), "sat-01-99", "sat-01-01", 0.0)
