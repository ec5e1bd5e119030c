"""An experiment as a user runs it: from the command to the report and the exit code."""

import json
from pathlib import Path

from tests.e2e.conftest import Command


def test_a_quick_experiment_comes_out_as_predicted(lasermesh: Command, tmp_path: Path) -> None:
    done = lasermesh("experiment", "run", "meshed-twelve", timeout_s=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The claim does not hold" in done.stdout
    [folder] = (tmp_path / "runs").glob("experiment-meshed-twelve-*")
    told = json.loads((folder / "experiment.json").read_text())
    assert told["agrees"] is True and told["unsound"] == []
    found = {each["key"]: each for each in told["findings"]}
    assert found["pairs"]["measured"] == 12
    # A ring of twelve at 500 km: 11.88 ms a hop, 71.3 across, 130.6 the long way round.
    for key, one_way_ms in (("hop", 11.88), ("diameter", 71.3), ("long way", 130.6)):
        assert abs(found[key]["measured"] - one_way_ms) < 0.1, found[key]
    assert all(run["emulated"] for label, run in told["runs"].items() if label != "sight")
    page = (folder / "report.html").read_text()
    assert "<svg" in page and "Predicted" in page and "The claim does not hold" in page
