"""What a run writes down of its plan, and says of it at the end: light lost, power lacking."""

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator import record, tables
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from tests.unit.toys import walker_table


@pytest.fixture(scope="module")
def plan() -> LinkPlan:
    """A ring of eight; one satellite fails, the others' lasers go off after 30 s, for good."""
    event = {"at_s": 10.0, "action": "satellite down", "target": ["sat-01-01"]}
    timing = {"step_s": 10.0, "duration_s": 60.0}
    sections = {"scenario": timing, "isl": [{"pattern": "ring"}], "event": [event]}
    table = walker_table("53:8/1/0", 1500.0, **sections)
    table["constellation"][0]["platform"] = {
        **{"solar_area_m2": 1e-30, "battery_wh": 100.0, "floor": 0.7, "resume": 0.8},
        **{"bus_w": 3600.0, "shed": "lasers"},
    }
    return LinkPlan.of(Scenario.from_table(table))


@pytest.fixture(scope="module")
def summary(plan: LinkPlan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("run")
    record.write_tables(folder, [], [])
    recorder = record.Recorder(folder)
    recorder.close()
    return record.summarise(folder, recorder, plan, "usermode")


def test_every_contact_outage_and_load_shed_is_in_the_tables(
    plan: LinkPlan, tmp_path: Path
) -> None:
    record.write_tables(tmp_path, [], [])
    record.write_plan_tables(tmp_path, plan)
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as database:

        def rows(query: str) -> list[tuple]:
            return database.execute(query).fetchall()

        assert rows("SELECT ended, count(*), min(end_s) FROM contacts GROUP BY ended") == [
            ("power", 8, 30.0)
        ]
        assert rows("SELECT a, b, end_s FROM contacts ORDER BY a LIMIT 1") == [
            ("sat-01-01:isl0", "sat-01-02:isl1", 30.0)
        ]
        assert rows("SELECT * FROM outages WHERE cause = 'fault' ORDER BY a, b") == [
            ("sat-01-01", "sat-01-02", 10.0, 30.0, "fault"),
            ("sat-01-08", "sat-01-01", 10.0, 30.0, "fault"),
        ]
        assert rows("SELECT count(*), sum(end_s - start_s) FROM outages WHERE cause = 'power'") == [
            (8, 8 * 30.0)
        ]
        assert rows("SELECT * FROM shed ORDER BY node LIMIT 1") == [
            ("sat-01-01", "lasers", 30.0, 60.0)
        ]


def test_the_summary_tells_causes_and_batteries(summary: dict[str, Any]) -> None:
    summary = json.loads(json.dumps(summary))
    assert summary["light_lost"] == [
        {"cause": "power", "contacts_ended": 8, "outages": 8, "dark_s": 240.0},
        {"cause": "fault", "contacts_ended": 0, "outages": 2, "dark_s": 40.0},
    ]
    assert summary["batteries"] == {
        "satellites": 8,
        "lowest": {"charge": 0.5, "node": "sat-01-01", "t_s": 50.0},
        "shed": {
            "compute": {"times": 0, "satellites": 0, "total_s": 0.0},
            "lasers": {"times": 8, "satellites": 8, "total_s": 240.0},
        },
    }


PROBES = [("sat-01-01", "sat-01-02", t_s, 10.0 + t_s) for t_s in (1.0, 2.0, 3.0)]
PROBES += [("sat-01-01", "sat-01-05", t_s, 90.0) for t_s in (1.5, 2.5)]
DUE = [(10.0, 11.0), (11.0, 12.5), (12.0, None), (80.0, None), (81.0, None)]
"""(quickest path, path of the routes) of each."""


def rtt(folder: Path, routed: bool) -> list[dict[str, Any]]:
    """What summary.json says of these probes."""
    records = [
        {"probe": seq, "t_s": t_s, "a": a, "b": b, "rtt_ms": rtt_ms}
        for seq, (a, b, t_s, rtt_ms) in enumerate(PROBES)
    ]
    if routed:
        lines = [{"at": 1.0, "changes": [["sat-01-01", "add", "sat-01-02", "isl0", "x"]]}]
        text = "".join(json.dumps(line) + "\n" for line in [*lines, {"start": 0.0}])
        (folder / record.ROUTES).write_text(text)
    record.write_tables(folder, [], records)
    assert len(record.read_routes(folder)) == routed
    order = {(t_s, a, b): due for (a, b, t_s, _), due in zip(PROBES, DUE, strict=True)}
    rows = [(*order[t_s, a, b], rowid) for rowid, t_s, a, b in record.read_probes(folder)]
    record.write_expectations(folder, rows)
    return record._rtt(folder)


def test_round_trips_are_held_against_the_routes_where_those_are_known(tmp_path: Path) -> None:
    near, far = rtt(tmp_path, routed=True)
    assert (near["expected_ms"], near["measured_ms"], near["error_us"]) == (11.75, 11.5, -250.0)
    assert (far["expected_ms"], far["measured_ms"], far["error_us"]) == (80.5, 90.0, None)
    assert (near["sent"], near["lost"], far["sent"], far["lost"]) == (3, 0, 2, 0)


def test_round_trips_are_held_against_the_quickest_path_else(tmp_path: Path) -> None:
    near, far = rtt(tmp_path, routed=False)
    assert (near["expected_ms"], near["measured_ms"], near["error_us"]) == (11.0, 12.0, 1000.0)
    assert (far["expected_ms"], far["measured_ms"], far["error_us"]) == (80.5, 90.0, 9500.0)


def test_without_platforms_there_are_no_batteries(three_body: Scenario) -> None:
    assert record.batteries(LinkPlan.of(three_body)) is None


def test_the_plan_file_has_the_charge_of_named_satellites(plan: LinkPlan, tmp_path: Path) -> None:
    record.write_plan(plan, tmp_path / "plan.npz")
    with np.load(tmp_path / "plan.npz") as held:
        assert held["state"].shape == (6, len(plan.network.ports))
        assert held["charge"].shape == (6, 8)
        assert held["charge_t_s"].tolist() == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
        assert held["charge_nodes"][2] == "sat-01-03"


def test_a_run_ends_with_its_losses_in_words(summary: dict[str, Any]) -> None:
    text = io.StringIO()
    tables.print_summary(tables.console(text), summary)
    lines = text.getvalue().splitlines()
    assert [line.split() for line in lines if line.startswith(("a battery", "an event"))] == [
        [*["a", "battery", "has", "reached", "its", "floor"], "8", "8", "240"],
        [*["an", "event", "of", "the", "scenario"], "0", "2", "40"],
    ]
    batteries = "batteries of 8 satellites: lowest 50 % (sat-01-01, 50 s); "
    assert batteries + "lasers off 8 times on 8 satellites, 240 s in all" in lines


def test_a_run_without_losses_says_nothing_of_them(summary: dict[str, Any]) -> None:
    text = io.StringIO()
    idle = {**summary, "light_lost": [], "batteries": None}
    tables.print_summary(tables.console(text), idle)
    assert len(text.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {"event": "shed", "load": "compute", "nodes": ["a", "b"]},
            "   30.0 s  battery low, compute off: a b",
        ),
        (
            {"event": "resumed", "load": "lasers", "nodes": [f"n{k}" for k in range(9)]},
            "   30.0 s  battery charged, lasers on: 9 satellites",
        ),
        (
            {"event": "throttled", "strategy": "onboard", "node": "a", "until_s": 99.4},
            "   30.0 s  onboard: a computes on when its battery has charged, at 99 s",
        ),
    ],
)
def test_events_of_power_are_told_in_a_line(event: dict[str, Any], said: str) -> None:
    assert tables.event_text({"t_s": 30.0, **event}) == said
