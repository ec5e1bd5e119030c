"""Parts of constellations: what `lasermesh run` emulates of what `lasermesh plan` plans."""

import json

import numpy as np
import pytest

from emulator.ephemeris import Ephemeris
from emulator.errors import RunError, ScenarioError
from emulator.linkplan import LinkPlan
from emulator.network import Network
from emulator.part import emulated, part_of, part_text
from emulator.scenario import Scenario
from protocols.as_numbers import as_numbers
from tests.unit.toys import Table, walker_table

BEIJING = {"name": "beijing", "latitude_deg": 39.91, "longitude_deg": 116.40}
BEIJING |= {"antennas": {"kind": "radio", "count": 2}}
SOME = {"satellites": ["sat-0[2-4]-*"]}
SINGLE_PRECISION_KM = 1e-6


def whole(emulate: Table, **sections: object) -> Scenario:
    """Sixty satellites with a grid of lasers, of which a part is to be emulated."""
    table = walker_table(
        "53:60/6/1",
        1200.0,
        isl=[{"pattern": "grid"}],
        ground={"station": [BEIJING]},
        emulate=emulate,
        **sections,
    )
    return Scenario.from_table(table)


def contacts(plan: LinkPlan, medium: str = "isl") -> set[tuple[str, str, int, int]]:
    """Contacts by their ports' names, both nodes in order, and their steps."""
    found = set()
    for row in plan.contacts:
        if bool(plan.network.port_medium[row["a"]]) == (medium == "isl"):
            ends = sorted(plan.network.port_label(int(row[end])) for end in "ab")
            found.add((*ends, int(row["start"]), int(row["end"])))
    return found


def test_a_part_has_the_orbits_and_lasers_of_the_whole() -> None:
    scenario = whole(SOME)
    part = emulated(scenario)
    names = [f"sat-{plane:02d}-{slot:02d}" for plane in (2, 3, 4) for slot in range(1, 11)]
    assert [n.name for n in Network.of(part).nodes] == [*names, "beijing"]
    t_s = np.arange(0.0, 60.0, 10.0)
    everything = Ephemeris.of(scenario).satellites_km(t_s)
    own = Ephemeris.of(part).satellites_km(t_s)
    assert own == pytest.approx(everything[10:40], abs=SINGLE_PRECISION_KM)
    kept = {c for c in contacts(LinkPlan.of(scenario)) if {c[0][:9], c[1][:9]} <= set(names)}
    assert contacts(LinkPlan.of(part)) == kept
    assert len(kept) >= 50


def test_antennas_of_a_part_choose_within_it() -> None:
    scenario = whole({"satellites": ["sat-01-0*", "sat-05-*"]})
    served = {c[1][:6] for c in contacts(LinkPlan.of(emulated(scenario)), "gsl")}
    assert served <= {"sat-01", "sat-05"}


def test_around_a_station_are_those_whose_ground_point_is_near() -> None:
    scenario = whole({"around": {"stations": ["beijing"], "radius_km": 3000.0}})
    part = emulated(scenario)
    position_km = Ephemeris.of(scenario).positions_km(np.zeros(1))[:, 0]
    away = position_km / np.linalg.norm(position_km, axis=1)[:, None]
    ground_km = 6371.0088 * np.arccos(away[:-1] @ away[-1])
    names = scenario.constellation[0].node_names()
    near = {name for name, km in zip(names, ground_km, strict=True) if km <= 3000.0}
    assert {n.name for n in Network.of(part).nodes[:-1]} == near
    assert 2 < len(near) < 20


def test_a_part_of_catalogued_satellites(three_body_table: Table) -> None:
    three_body_table["emulate"] = {"satellites": ["scs-01-[aceflk]"]}
    three_body_table["workload"] = []
    scenario = Scenario.from_table(three_body_table)
    part = emulated(scenario)
    assert [n.name[-1] for n in Network.of(part).nodes[:6]] == list("acefkl")
    assert part_of(part) == {"satellites": 6, "of": 12, "which": "scs-01-[aceflk]"}
    assert len(LinkPlan.of(part).contacts)


def test_a_constellation_that_is_left_out_takes_its_lasers_along() -> None:
    table = walker_table("53:12/3/1", 1200.0, emulate={"satellites": ["far-*"]})
    table["constellation"].append({**table["constellation"][0], "name": "far"})
    table["isl"] = [
        {"pattern": "grid", "constellations": ["sat"]},
        {"pattern": "nearest", "constellations": ["far"], "to": ["sat"], "k": 1},
        {"pattern": "grid", "constellations": ["far"]},
    ]
    part = emulated(Scenario.from_table(table))
    assert [each.name for each in part.constellation] == ["far"]
    assert [each.pattern for each in part.isl] == ["grid"]


def test_a_part_is_told_and_survives_the_way_through_json() -> None:
    part = emulated(whole(SOME))
    again = Scenario.from_table(json.loads(part.to_json()))
    assert again == part == emulated(again)
    text = part_text(part_of(again))
    assert text.startswith("emulated: 30 of 60 satellites, sat-0[2-4]-*; to the others")
    assert part_of(whole(SOME)) is None and part_text(None) == ""


def test_each_plane_of_a_part_is_an_autonomous_system_of_its_own() -> None:
    scenario = whole({"satellites": ["sat-02-0[1-3]", "sat-04-*"]}, routing={"bgp_as": "plane"})
    numbers = as_numbers(emulated(scenario))
    assert np.unique(numbers, return_counts=True)[1].tolist() == [3, 10, 1]


def test_what_is_planned_only_says_what_to_do_instead() -> None:
    with pytest.raises(RunError, match=r"60 satellites and is for planning only: use `lasermesh"):
        emulated(whole({"planned_only": True}))


@pytest.mark.parametrize(
    ("emulate", "sections", "words"),
    [
        ({"satellites": ["sat-07-*"]}, {}, "'sat-07-\\*': is no satellite"),
        (
            SOME,
            {"workload": [{"kind": "ping", "pairs": [("sat-01-01", "beijing")]}]},
            "'sat-01-01': is no node",
        ),
        (SOME, {"routing": {"protocol": "grid"}}, "no whole Walker pattern"),
        (
            {"around": {"stations": ["beijing"], "radius_km": 100.0}},
            {},
            "has no satellite at the start",
        ),
    ],
)
def test_a_part_that_cannot_run_is_explained(emulate: Table, sections: Table, words: str) -> None:
    scenario = whole(emulate, **sections)
    with pytest.raises(ScenarioError, match=words):
        emulated(scenario)


@pytest.mark.parametrize(
    ("emulate", "words"),
    [
        ({}, "needs satellites or around"),
        ({"planned_only": True, "satellites": ["sat-01-*"]}, "not both"),
        ({"around": {"stations": ["peking"], "radius_km": 1000.0}}, "'peking': is no station"),
    ],
)
def test_a_part_that_cannot_be_is_explained(emulate: Table, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        whole(emulate)
