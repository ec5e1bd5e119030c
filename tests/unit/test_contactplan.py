"""Contacts as records: against closed form, Skyfield and the plan; their forms on disk."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from skyfield.api import EarthSatellite, load, wgs84

from emulator import contactplan, tvr
from emulator.causes import Cause
from emulator.cli import cli
from emulator.contactplan import COLUMNS, Contact, ContactPlan
from emulator.ephemeris import satrec
from emulator.errors import ScenarioError
from emulator.linkplan import LinkPlan
from emulator.planview import CONTACT_COLUMNS, contact_rows
from emulator.scenario import Scenario
from emulator.units import EARTH_RADIUS_KM
from tests.unit.conftest import ROOT

A_MILLIMETRE_KM = 1e-6
HALF_A_NANOSECOND = 0.5
C_KM_NS = 299_792.458e-9
GOLDEN = ROOT / "tests" / "golden"
START = datetime(2026, 8, 22, 12, tzinfo=UTC)


def contact(a: str, b: str, start_s: float, end_s: float, **other: Any) -> Contact:
    """A contact by hand, of 1000 to 1500 km and 8 Mbit/s."""
    fields = {
        "a": a,
        "b": b,
        "medium": a.partition(":")[2][:3],
        "start": START + timedelta(seconds=start_s),
        "end": START + timedelta(seconds=end_s),
        "start_s": start_s,
        "end_s": end_s,
        "duration_s": end_s - start_s,
        "range_start_km": 1000.0,
        "range_min_km": 1000.0,
        "range_max_km": 1500.5,
        "delay_min_ns": 3_335_641,
        "delay_max_ns": 5_005_129,
        "rate_min_bps": 8_000_000,
        "rate_mean_bps": 8_000_000,
        "return_min_bps": 8_000_000,
        "return_mean_bps": 8_000_000,
        "volume_bytes": int((end_s - start_s) * 1_000_000),
        "return_bytes": int((end_s - start_s) * 1_000_000),
    }
    return Contact(**(fields | other))


MADE = ContactPlan(
    scenario="toy",
    start=START,
    step_s=0.5,
    duration_s=90.0,
    rate_scale=1000.0,
    contacts=(
        contact("sat-1:isl0", "sat-2:isl1", 0.0, 90.0),
        contact(
            "sat-1:gsl0",
            "site:gsl0",
            10.5,
            40.5,
            return_min_bps=1_000_000,
            return_mean_bps=2_000_000,
            return_bytes=7_500_000,
            ended="below-mask",
        ),
        contact("sat-2:gsl0", "site:gsl0", 41.0, 90.0),
    ),
)
"""Two satellites and a station; the uplink of the second contact is slower."""


@pytest.fixture(scope="module")
def three_body_plan(three_body: Scenario) -> LinkPlan:
    return LinkPlan.of(three_body)


@pytest.fixture(scope="module")
def three_body_contacts(three_body_plan: LinkPlan) -> ContactPlan:
    return ContactPlan.of(three_body_plan)


@pytest.fixture(scope="module")
def adaptive_plan(three_body: Scenario) -> LinkPlan:
    """Radios whose rates follow the elevation, and a dish that hears better than it is heard."""
    table = json.loads(three_body.to_json())
    radio = {"frequency_ghz": 8.2, "symbol_rate_mbaud": 300.0, "eirp_dbw": 18.0}
    table["terminals"]["x-band"]["radio"] = radio | {"g_over_t_db_k": -5.0}
    dish = {**table["terminals"]["x-band"], "radio": radio | {"g_over_t_db_k": 25.0}}
    dish["radio"]["eirp_dbw"] = 45.0
    table["terminals"]["dish"] = dish
    for station in table["ground"]["station"]:
        station["antennas"]["kind"] = "dish"
    return LinkPlan.of(Scenario.from_table(table))


# What a contact says


def test_neighbours_in_a_ring_never_part(walker_scenario: Callable) -> None:
    scenario = walker_scenario(
        "53:8/1/0",
        1200.0,
        scenario={"duration_s": 3600.0, "rate_scale": 10.0},
        isl=[{"pattern": "ring"}],
    )
    found = ContactPlan.of(LinkPlan.of(scenario))
    names = [f"sat-01-0{number}" for number in range(1, 9)]
    pairs = {frozenset(pair) for pair in zip(names, [*names[1:], names[0]], strict=True)}
    assert {frozenset(each.nodes) for each in found.contacts} == pairs
    assert len(found.contacts) == 8
    chord_km = 2 * (EARTH_RADIUS_KM + 1200.0) * np.sin(np.pi / 8)
    for each in found.contacts:
        assert each.medium == "isl"
        assert (each.start_s, each.end_s, each.duration_s) == (0.0, 3600.0, 3600.0)
        assert (each.start, each.end) == (found.start, found.start + timedelta(hours=1))
        for km in (each.range_start_km, each.range_min_km, each.range_max_km):
            assert km == pytest.approx(chord_km, abs=A_MILLIMETRE_KM)
        for delay_ns in (each.delay_min_ns, each.delay_max_ns):
            assert abs(delay_ns - chord_km / C_KM_NS) <= HALF_A_NANOSECOND + 1e-3
        # 10 Gbit/s, a tenth of it emulated, for an hour.
        assert each.rate_min_bps == each.rate_mean_bps == 1_000_000_000
        assert each.return_min_bps == each.return_mean_bps == 1_000_000_000
        assert each.volume_bytes == each.return_bytes == 1_000_000_000 * 3600 // 8


def test_a_pass_is_skyfields_to_a_step(three_body_table: dict) -> None:
    three_body_table["scenario"] |= {"duration_s": 4 * 3600.0, "step_s": 5.0}
    three_body_table |= {"workload": [], "isl": []}
    station = three_body_table["ground"]["station"][2] | {
        "antennas": {"kind": "x-band", "count": 12}
    }
    three_body_table["ground"]["station"] = [station]
    scenario = Scenario.from_table(three_body_table)
    contacts = ContactPlan.of(LinkPlan.of(scenario)).select(over="sanya", medium="gsl").contacts
    whole = [each for each in contacts if each.start_s > 0 and each.end_s < 4 * 3600.0]
    assert len(whole) > 10
    orbits = {each.name: satrec(each) for each in scenario.constellation[0].satellite}
    timescale = load.timescale(builtin=True)
    site = wgs84.latlon(station["latitude_deg"], station["longitude_deg"], station["altitude_m"])
    for each in whole:
        orbit = EarthSatellite.from_satrec(orbits[each.nodes[0]], timescale)
        around = [
            timescale.from_datetime(each.start - timedelta(minutes=3)),
            timescale.from_datetime(each.end + timedelta(minutes=3)),
        ]
        times, events = orbit.find_events(site, *around, station["min_elevation_deg"])
        rises, _, sets = times.utc_datetime()
        assert events.tolist() == [0, 1, 2]
        assert timedelta(seconds=-1) < each.start - rises < timedelta(seconds=6)
        assert timedelta(seconds=-1) < each.end - sets < timedelta(seconds=6)


@pytest.mark.parametrize("which", ["three_body_plan", "adaptive_plan"])
def test_contacts_are_what_their_steps_are(which: str, request: pytest.FixtureRequest) -> None:
    plan: LinkPlan = request.getfixturevalue(which)
    found = ContactPlan.of(plan)
    steps: dict[tuple[str, str], list[np.void]] = {}
    for step in range(plan.steps):
        for link in plan.links(step):
            ends = plan.network.port_label(link["a"]), plan.network.port_label(link["b"])
            steps.setdefault(ends, []).append(link)
    assert len(steps) == len(found.contacts) > 15
    for each in found.contacts:
        links = np.array(steps[each.a, each.b])
        assert len(links) == each.duration_s / plan.step_s
        assert each.delay_min_ns == links["delay_ns"].min()
        assert each.delay_max_ns == links["delay_ns"].max()
        assert each.range_start_km == pytest.approx(links["range_km"][0], abs=A_MILLIMETRE_KM)
        assert each.range_min_km == pytest.approx(links["range_km"].min(), abs=A_MILLIMETRE_KM)
        assert each.range_max_km == pytest.approx(links["range_km"].max(), abs=A_MILLIMETRE_KM)
        assert each.rate_min_bps == links["rate_bps"].min()
        assert each.rate_mean_bps == round(links["rate_bps"].mean())
        assert each.return_min_bps == links["return_bps"].min()
        assert each.return_mean_bps == round(links["return_bps"].mean())
        assert each.volume_bytes == round(links["rate_bps"].sum() * plan.step_s / 8)
        assert each.return_bytes == round(links["return_bps"].sum() * plan.step_s / 8)


def test_modems_make_rates_of_a_contact_differ(adaptive_plan: LinkPlan) -> None:
    gsl = ContactPlan.of(adaptive_plan).select(medium="gsl").contacts
    assert any(each.rate_min_bps < each.rate_mean_bps for each in gsl)
    assert any(each.rate_mean_bps != each.return_mean_bps for each in gsl)


def test_contacts_say_why_they_ended(three_body: Scenario) -> None:
    table = json.loads(three_body.to_json())
    table["scenario"]["duration_s"], table["workload"] = 600.0, []
    plan = LinkPlan.of(Scenario.from_table(table))
    found = ContactPlan.of(plan).contacts
    for each, cause in zip(found, plan.contacts["ended"], strict=True):
        assert Cause[each.ended.upper().replace("-", "_")] == cause
        assert (each.ended == "end") == (each.end_s == 600.0)
    assert len({each.ended for each in found}) > 1


def test_rates_that_change_are_integrated(
    three_body_plan: LinkPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_ports = three_body_plan.contacts["a"]

    def rate_bps(_: object, sender: np.ndarray, __: object, step: np.ndarray) -> np.ndarray:
        return np.where(np.isin(sender, first_ports), 8000 + 80 * step, 1008)

    assert not np.isin(three_body_plan.contacts["b"], first_ports).any()
    monkeypatch.setattr(contactplan, "_rate_bps", rate_bps)
    for each in ContactPlan.of(three_body_plan).contacts:
        first, last = int(each.start_s), int(each.end_s) - 1
        count = last - first + 1
        # An arithmetic series: half of its ends' sum, times its length.
        assert each.rate_min_bps == 8000 + 80 * first
        assert each.rate_mean_bps == 8000 + 40 * (first + last)
        assert each.volume_bytes == (1000 + 5 * (first + last)) * count
        assert (each.return_min_bps, each.return_mean_bps) == (1008, 1008)
        assert each.return_bytes == 126 * count


def test_the_size_of_chunks_does_not_matter(
    three_body_plan: LinkPlan, three_body_contacts: ContactPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    for elements in (1, 7 * 15):
        monkeypatch.setattr(contactplan, "_CHUNK_ELEMENTS", elements)
        assert ContactPlan.of(three_body_plan) == three_body_contacts


def test_contacts_that_follow_each_other_on_one_port_do_not_overlap(
    three_body_contacts: ContactPlan,
) -> None:
    until: dict[str, float] = {}
    for each in three_body_contacts.contacts:
        for port in (each.a, each.b):
            assert each.start_s > until.get(port, -1.0)
            until[port] = each.end_s


# Selecting


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ({}, [0, 1, 2]),
        ({"medium": "isl"}, [0]),
        ({"medium": "gsl"}, [1, 2]),
        ({"between": ("sat-1", "site")}, [1]),
        ({"between": ("site", "sat-1")}, [1]),
        ({"between": ("sat-1", "sat-1")}, []),
        ({"over": "sat-1"}, [0, 1]),
        ({"over": "sat"}, []),
        ({"min_duration_s": 49.0}, [0, 2]),
        ({"min_duration_s": 49.5}, [0]),
        ({"over": "site", "min_duration_s": 40.0, "medium": "gsl"}, [2]),
        ({"over": "site", "medium": "isl"}, []),
    ],
)
def test_selections(wanted: dict, left: list[int]) -> None:
    chosen = MADE.select(**wanted)
    assert chosen.contacts == tuple(MADE.contacts[index] for index in left)
    assert replace(chosen, contacts=MADE.contacts) == MADE


# JSON and CSV


def test_json_comes_back_equal(three_body_contacts: ContactPlan) -> None:
    for plan in (MADE, three_body_contacts, MADE.select(over="nobody")):
        again = ContactPlan.from_json(plan.to_json())
        assert again == plan and hash(again) == hash(plan)
        assert again.to_json() == plan.to_json()
    assert ContactPlan.from_json(MADE.to_json()) != replace(MADE, rate_scale=1.0)


def test_json_is_the_documented_form() -> None:
    table = json.loads(MADE.to_json())
    header = ["scenario", "start", "step_s", "duration_s", "rate_scale", "contacts"]
    assert list(table) == header
    assert [list(each) for each in table["contacts"]] == [list(COLUMNS)] * 3
    assert MADE.to_json() == (GOLDEN / "contacts.json").read_text()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda t: t.pop("rate_scale"), "rate_scale"),
        (lambda t: t["contacts"][1].pop("b"), "contacts.1.b"),
        (lambda t: t["contacts"][1].update(start="noon"), "contacts.1.start"),
        (lambda t: t["contacts"][1].update(start="2026-08-22T12:00:00"), "contacts.1.start"),
        (lambda t: t["contacts"][2].update(volume_bytes=0.5), "contacts.2.volume_bytes"),
        (lambda t: t["contacts"][0].update(medium="wire"), "contacts.0.medium"),
        (lambda t: t["contacts"][0].update(colour="red"), "contacts.0.colour"),
        (lambda t: t.update(contacts=7), "contacts"),
    ],
)
def test_other_json_is_refused_by_name(damage: Callable, said: str) -> None:
    table = json.loads(MADE.to_json())
    damage(table)
    with pytest.raises(ScenarioError) as refused:
        ContactPlan.from_json(json.dumps(table))
    assert [each.key for each in refused.value.problems] == [said]


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError, match="contact plan: text"):
        ContactPlan.from_json(text)


def test_csv_has_the_columns_and_values_of_json() -> None:
    rows = list(csv.DictReader(io.StringIO(MADE.to_csv())))
    objects = json.loads(MADE.to_json())["contacts"]
    assert len(rows) == len(objects) == 3
    for row, each in zip(rows, objects, strict=True):
        assert list(row) == list(each) == list(COLUMNS)
        for name, value in each.items():
            assert type(value)(row[name]) == value


# The command


def lasermesh(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_every_format_tells_the_same_contacts(
    three_body_contacts: ContactPlan, tmp_path: Path
) -> None:
    gsl = three_body_contacts.select(medium="gsl")
    told = {}
    for form in ("table", "csv", "json", "tvr"):
        target = tmp_path / form
        asked = ("contacts", "three-body", "--medium", "gsl", "--format", form)
        done = lasermesh(*asked, "-o", str(target))
        assert (done.exit_code, done.output) == (0, "")
        told[form] = target.read_text()
        assert lasermesh(*asked).stdout == told[form]
    assert told["csv"] == gsl.to_csv()
    assert told["tvr"] == tvr.to_tvr(gsl)
    assert ContactPlan.from_json(told["json"]) == gsl
    lines = told["table"].splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [[each.a, each.b] for each in gsl.contacts]


def test_filters_of_the_command(three_body_contacts: ContactPlan) -> None:
    for arguments, wanted in (
        (("--between", "sanya", "scs-01-k"), {"between": ("sanya", "scs-01-k")}),
        (("--over", "scs-01-k"), {"over": "scs-01-k"}),
        (("--min-duration", "200"), {"min_duration_s": 200.0}),
        (("--over", "miyun", "--min-duration", "200"), {"over": "miyun", "min_duration_s": 200.0}),
    ):
        done = lasermesh("contacts", "three-body", *arguments, "--format", "json")
        expected = three_body_contacts.select(**wanted)
        assert 0 < len(expected.contacts) < len(three_body_contacts.contacts)
        assert ContactPlan.from_json(done.stdout) == expected


def test_the_table_of_a_plan_is_that_of_its_contacts() -> None:
    plan = lasermesh("plan", "three-body")
    assert plan.exit_code == 0
    assert plan.stdout == lasermesh("contacts", "three-body").stdout
    assert len(plan.stdout.splitlines()) > 15


def test_rates_that_differ_are_shown_both_ways() -> None:
    rows = list(contact_rows(MADE))
    assert all(tuple(row) == CONTACT_COLUMNS for row in rows)
    assert [row["rate_mbps"] for row in rows] == ["8", "8/2", "8"]
    assert [row["volume_mb"] for row in rows] == ["90", "30/7.5", "49"]
    assert rows[0]["range_km"] == "1000–1500"


@pytest.mark.parametrize("form", ["table", "csv", "json", "tvr"])
def test_nothing_found_is_said_and_is_no_failure(
    form: str, three_body_contacts: ContactPlan
) -> None:
    done = lasermesh("contacts", "three-body", "--min-duration", "1e6", "--format", form)
    assert done.exit_code == 0
    assert done.stderr == "three-body: there is no such contact\n"
    match form:
        case "table":
            assert done.stdout == ""
        case "csv":
            assert done.stdout == ",".join(COLUMNS) + "\n"
        case "json":
            assert ContactPlan.from_json(done.stdout).contacts == ()
        case "tvr":
            assert done.stdout == tvr.to_tvr(three_body_contacts.select(over="nobody"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--over", "sany"), ["--over = 'sany': is no node", "Did you mean 'sanya'"]),
        (("--between", "scs-01-k", "houston"), ["--between = 'houston'", "Known: scs-01-a"]),
        (("--between", "scs-1-k", "kash"), ["Did you mean 'scs-01-k'", "Did you mean 'kashi'"]),
        (("--between", "scs-01-k"), ["requires 2 arguments"]),
        (("--min-duration", "-1"), ["-1"]),
        (("--medium", "rf"), ["'isl', 'gsl', 'all'"]),
    ],
)
def test_wrong_questions_are_exit_code_2(arguments: tuple[str, ...], said: list[str]) -> None:
    done = lasermesh("contacts", "three-body", *arguments)
    assert done.exit_code == 2 and done.stdout == ""
    for each in said:
        assert each in done.stderr


def test_fields_are_plain_values(three_body_contacts: ContactPlan) -> None:
    # numpy's numbers would print and pickle otherwise.
    kinds = {
        type(value) for each in three_body_contacts.contacts for value in asdict(each).values()
    }
    assert kinds == {str, int, float, datetime}
