"""A run's directory, read and followed."""

import json
from pathlib import Path

import pytest

from emulator import record
from emulator.lab.course import Course
from emulator.lab.measure import measure
from tests.unit.test_reachability import CUT, CUT_S, LATE_S, announced, ring


@pytest.mark.parametrize("lag_ms", [0.0, 100.0])
def test_routes_and_lag_are_read_from_the_run(tmp_path: Path, lag_ms: float) -> None:
    plan = ring(*CUT)
    (tmp_path / "scenario.json").write_text(plan.scenario.to_json())
    changes = [{"at": row[0], "changes": [row[1:]]} for row in announced(Course.of(plan), LATE_S)]
    lines = [json.dumps(each) + "\n" for each in [*changes, {"start": 0.0}]]
    (tmp_path / record.ROUTES).write_text("".join(lines))
    steps = [
        {"step": k, "t_s": 10.0 * k, "lag_ms": lag_ms, "apply_ms": 0.0, "changes": 0}
        for k in range(plan.steps)
    ]
    record.write_tables(tmp_path, steps, [])
    found = measure(tmp_path)
    assert found.reachability.lengths_s == pytest.approx(LATE_S - lag_ms / 1e3)
    assert found.settled_s(planned=False).tolist() == [LATE_S, LATE_S]
    assert found.convergence[0].event.t_s == CUT_S


def test_a_run_without_recorded_routes_tells_nothing(tmp_path: Path) -> None:
    record.write_tables(tmp_path, [], [])
    assert measure(tmp_path) is None
