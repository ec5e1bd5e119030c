"""What records of agents come to: states, custody, parts, energy, passes."""

import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from emulator.lab.offload import Results, write_tables
from emulator.ledger import line_ns
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from tests.unit.toys import walker_table

SECOND = 10**9
SIZE, RATE_BPS = 1_448_000, 8 * 1_514_000
"""Of an image, and of a line that takes it in a second."""


@pytest.fixture(scope="module")
def sky() -> LinkPlan:
    table = walker_table("0:12/1/0", 1500.0)
    table["scenario"] |= {"duration_s": 600.0}
    table["terminals"]["laser"]["power_w"], table["terminals"]["radio"]["power_w"] = 50.0, 20.0
    table["constellation"][0]["computer"] = {"tops": 1.0, "power_w": 300.0}
    table["isl"] = [{"pattern": "ring"}]
    site = {"name": "pad", "latitude_deg": 0.0, "longitude_deg": 0.0, "computer": {"tops": 1.0}}
    table["ground"] = {"station": [site | {"antennas": {"kind": "radio", "count": 2}}]}
    work = {"kind": "offload", "source": "sat-01-01", "every_s": 300.0, "first_s": 10.0}
    work |= {"object_bytes": SIZE, "result_bytes": 100, "operations": 1e12, "deadline_s": 5.0}
    table["workload"] = [work | {"strategies": ["raw", "onboard"]}]
    return LinkPlan.of(Scenario.from_table(table))


def results(plan: LinkPlan, records: list[dict[str, Any]]) -> Results:
    database = sqlite3.connect(":memory:")
    write_tables(database, records)
    found = Results(database, plan)
    database.close()
    return found


def state(job: int, name: str, t_s: float, node: str = "sat-01-01", **what: Any) -> dict[str, Any]:
    about = {"offload": name, "job": job, "state": name, "node": node}
    return about | {"t_ns": round(t_s * SECOND), **what}


def sending(job: int, from_s: float, to_s: float, **what: Any) -> dict[str, Any]:
    known = {"sending": job, "leg": 0, "node": "sat-01-01", "goal": "pad", "size": SIZE}
    known |= {"held": 0, "whole": True, "rate_bps": RATE_BPS, "delay_ns": 0, "retransmitted": 0}
    known |= {"path": ["sat-01-01", "pad"]}
    times = {"from_ns": round(from_s * SECOND), "to_ns": round(to_s * SECOND)}
    return known | times | what


def left(job: int, leg: int, node: str, doubt: bool = False, name: str = "held") -> dict[str, Any]:
    row = {"left": job, "leg": leg, "node": node, "state": name, "bytes": SIZE, "doubt": doubt}
    return row | {"job": job}


def test_a_broken_attempt_brought_what_the_next_one_found(sky: LinkPlan) -> None:
    records = [
        state(0, "captured", 10.0, expected_s=12.0),
        sending(0, 10.0, 11.0, whole=False),
        sending(0, 11.0, 13.0, held=SIZE // 2),
        state(0, "answered", 13.0, "pad", path=["sat-01-01", "pad"]),
    ]
    row = results(sky, records).rows()[0]
    parts = row["parts_ns"]
    assert parts["transmit"] == line_ns(SIZE // 2, RATE_BPS) * 2 == SECOND
    assert parts["retransmit"] == SECOND // 2, "the rest of the broken one"
    assert parts["other"] == 3 * SECOND // 2 and sum(parts.values()) == row["latency_ns"]
    assert row["latency_s"] == 3.0 and row["expected_s"] == 2.0 and not row["late"]
    # The satellite's radio for as long as bytes went.
    assert row["energy_j"] == pytest.approx(20.0)


def test_a_sender_that_was_killed_is_understood_by_its_successor(sky: LinkPlan) -> None:
    records = [
        state(0, "captured", 10.0),
        sending(0, 10.0, 11.0, held=-1, whole=False),
        sending(0, 12.0, 13.0, held=SIZE // 4),
        state(0, "answered", 13.0, "pad", path=[]),
    ]
    parts = results(sky, records).rows()[0]["parts_ns"]
    assert parts["transmit"] == SECOND and parts["other"] == SECOND + SECOND // 4
    silent = [state(0, "captured", 10.0), sending(0, 10.0, 11.0, held=-1, whole=False)]
    silent += [sending(0, 11.0, 13.0), state(0, "answered", 13.0, "pad", path=[])]
    assert results(sky, silent).rows()[0]["parts_ns"]["transmit"] == SECOND


def test_every_image_is_answered_stored_dropped_or_said_to_be_lost(sky: LinkPlan) -> None:
    records = [
        state(0, "captured", 10.0),
        left(0, 0, "sat-01-01", doubt=True),
        left(0, 1, "sat-01-02"),
        state(1, "captured", 10.0),
        state(1, "expired", 40.0, bytes=SIZE),
        state(2, "captured", 310.0),
    ]
    rows = results(sky, records).rows()
    assert [row["state"] for row in rows] == ["stored", "expired", "lost", "missed"]
    # Who is in doubt does not count where the next has it.
    assert rows[0]["held_by"] == [{"node": "sat-01-02", "bytes": SIZE}] and rows[0]["copies"] == 1
    assert rows[1]["copies"] == 0
    [raw, board] = results(sky, records).totals(rows)
    assert (raw["jobs"], raw["stored"], raw["lost"], raw["late"]) == (2, 1, 1, 2)
    assert (board["expired"], board["missed"], raw["stored_bytes"]) == (1, 1, SIZE)


def test_an_image_shortly_before_the_end_is_not_late(sky: LinkPlan) -> None:
    [work] = sky.scenario.workload
    patient = work.model_copy(update={"deadline_s": 400.0})
    scenario = sky.scenario.model_copy(update={"workload": (patient,)})
    rows = results(replace(sky, scenario=scenario), []).rows()
    assert [(row["captured_s"], row["late"]) for row in rows[::2]] == [(10.0, True), (310.0, False)]


def test_two_copies_are_seen(sky: LinkPlan) -> None:
    records = [state(0, "captured", 10.0), left(0, 0, "sat-01-01"), left(0, 3, "sat-01-02")]
    assert results(sky, records).rows()[0]["copies"] == 2


def test_energy_is_computing_and_terminals_at_both_ends_of_a_laser(sky: LinkPlan) -> None:
    records = [
        state(1, "captured", 10.0),
        {"computed": 1, "node": "sat-01-01", "seconds": 2.0},
        {"computed": 1, "node": "pad", "seconds": 9.0},
        sending(1, 12.0, 13.0, goal="sat-01-02", path=["sat-01-01", "sat-01-02"]),
        sending(1, 13.0, 14.0, leg=1, node="sat-01-02", path=["sat-01-02", "pad"]),
        state(1, "answered", 14.0, "pad", path=[]),
    ]
    row = results(sky, records).rows()[1]
    assert row["energy_j"] == pytest.approx(2 * 300 + 2 * 50 + 20)


def test_a_pass_is_credited_with_what_came_down_in_it(sky: LinkPlan) -> None:
    nodes, node = sky.network.nodes, sky.network.port_node
    [row, *_] = [c for c in sky.contacts if node[c["a"]] >= 12 or node[c["b"]] >= 12]
    name = nodes[min(node[row["a"]], node[row["b"]])].name
    start_s, end_s = (float(row[edge]) * sky.step_s for edge in ("start", "end"))
    sent = sending(0, start_s, start_s + 1, node=name, path=[name, "pad"])
    found = results(sky, [state(0, "captured", 10.0), sent]).passes()
    assert found["used"] == 1 and found["bytes"] == SIZE and found["passes"] >= 1
    assert found["goodput_bps"]["mean"] == pytest.approx(8 * SIZE / (end_s - start_s))
