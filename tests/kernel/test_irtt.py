"""IRTT run in the nodes: its own figures are those of the plan."""

import pytest

from emulator import Emulation, Scenario
from emulator.bench.transfer import path_between
from emulator.linkplan import LinkPlan
from protocols.irtt import Irtt
from tests.kernel.toys import TOLERANCE_S, VIRTUAL, walker

PAIR = ("toy-01-01", "toy-01-02")
WIRE_BYTES = 14 + 20 + 8 + 100
"""Ethernet, IPv4 and UDP headers and the payload."""


@pytest.mark.skipif(not VIRTUAL, reason="in real time it is the machine that would be measured")
def test_one_way_delays_are_those_of_the_light() -> None:
    table = walker(duration_s=6.0).model_dump()
    table["routing"]["protocol"] = "static"
    work = {"kind": "irtt", "pairs": (PAIR,), "start_s": 1.0, "duration_s": 3.0}
    table["workload"] = ({**work, "length_bytes": 100},)
    scenario = Scenario.from_table(table)
    if lacking := Irtt(scenario.workload[0], LinkPlan.of(scenario)).missing():
        pytest.skip(lacking)
    with Emulation(scenario) as emulation:
        emulation.play()
    rows = [row for row in emulation.records if "irtt" in row]
    [hop] = path_between(emulation.plan, 0, 1)
    assert len(rows) == 30 and {(row["a"], row["b"], row["lost"]) for row in rows} == {
        (*PAIR, "false")
    }
    assert 1.0 <= rows[0]["t_s"] < 2.0
    for row in rows:
        due_ms = 1e3 * (hop.delay_s + hop.carries_s(WIRE_BYTES))
        assert row["there_ms"] == pytest.approx(due_ms, abs=1e3 * TOLERANCE_S)
        assert row["back_ms"] == pytest.approx(due_ms, abs=1e3 * TOLERANCE_S)


def test_a_dark_while_is_outlived() -> None:
    table = walker(duration_s=12.0).model_dump()
    table["routing"]["protocol"] = "static"
    table["workload"] = ({"kind": "irtt", "pairs": (PAIR,), "start_s": 1.0},)
    down = {"at_s": 3.0, "for_s": 3.0, "action": "satellite down", "target": (PAIR[1],)}
    table["event"] = (down,)
    scenario = Scenario.from_table(table)
    if lacking := Irtt(scenario.workload[0], LinkPlan.of(scenario)).missing():
        pytest.skip(lacking)
    with Emulation(scenario) as emulation:
        emulation.play()
    answered_s = [row["t_s"] for row in emulation.records if row.get("rtt_ms")]
    assert min(answered_s) < 2.0 and max(answered_s) > 11.0
    assert not [t_s for t_s in answered_s if 3.0 < t_s < 6.0]
    [pair] = [row for row in emulation.records if "irtt_pair" in row]
    assert pair["outcome"].startswith("started again")
