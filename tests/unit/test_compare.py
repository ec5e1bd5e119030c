"""The routing laboratory: outages, estimates, tables; how jobs are made and how they fail."""

import csv
import io
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import t as student

from emulator import record
from emulator.errors import ScenarioError
from emulator.lab import costs, forms, jobs, metrics, plots
from emulator.lab.compare import Comparison, Estimate
from emulator.lab.jobs import Failure, Job, Outcome
from emulator.scenario import Scenario


def probe(t_s: float, rtt_ms: float | None, pair: str = "ab") -> dict[str, Any]:
    a, b = pair
    return {"probe": 1, "t_s": t_s, "a": a, "b": b, "rtt_ms": rtt_ms, "expected_ms": 10.0}


def finished(
    folder: Path, probes: list[dict[str, Any]], converged_s: float = 1.5, octets: int = 0
) -> Path:
    """A run's directory with these probes; OSPF sent ``octets`` over a link of 20 s, if any."""
    folder.mkdir(parents=True)
    if octets:
        reading = {
            "t_s": 20.0,
            "control": [["a:isl0", "ospf", 4, octets], ["a:isl0", "data", 1, 5000]],
            "drops": [["b:isl0", 10, 3, 0]],
            "daemons": [["a", "bird", 5000, None], ["b", "bird", 7000, None]],
        }
        (folder / costs.FILE).write_text(json.dumps(reading) + "\n")
    record.write_tables(folder, [], probes)
    ignored = {"event": "setting not used", "reason": "routing 'static' has no BFD"}
    (folder / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in (ignored,)))
    with closing(sqlite3.connect(folder / "run.sqlite")) as database, database:
        database.execute("CREATE TABLE contacts AS SELECT 'a:isl0' AS a, 'b:isl0' AS b, "
                         "0.0 AS start_s, 20.0 AS end_s")  # fmt: skip
    (folder / "summary.json").write_text(
        json.dumps({"routing": {"protocol": "static", "converged_s": converged_s}})
    )
    return folder


def test_an_outage_is_from_answer_to_answer(tmp_path: Path) -> None:
    answers = [(0.0, 10.5), (0.1, None), (0.2, None), (0.3, 11.5), (0.4, 11.0), (0.5, None)]
    found = metrics.read(finished(tmp_path / "run", [probe(*each) for each in answers]))
    assert found.outages_s == pytest.approx((0.3, 0.1))
    assert (found.probes, found.lost, found.worst_outage_s) == (6, 3, pytest.approx(0.3))
    assert found.loss == 0.5
    assert found.rtt_ms == pytest.approx(11.0)
    assert found.route_changes is None and found.routes is None


def test_pairs_have_their_own_outages(tmp_path: Path) -> None:
    probes = [probe(0.1 * n, None if n == 3 else 10.0, "ab") for n in range(6)]
    probes += [probe(0.1 * n + 0.05, 10.0, "cd") for n in range(6)]
    found = metrics.read(finished(tmp_path / "run", probes))
    assert found.outages_s == pytest.approx((0.2,))


def test_a_pair_never_answered_is_out_as_long_as_it_was_watched(tmp_path: Path) -> None:
    found = metrics.read(finished(tmp_path / "run", [probe(0.5 * n, None) for n in range(5)]))
    assert found.outages_s == (2.0,)
    assert found.rtt_ms is None


def test_an_estimate_has_students_interval() -> None:
    values = [1.0, 2.0, 4.0]
    estimate = Estimate.of(values)
    deviation = (((1 - 7 / 3) ** 2 + (2 - 7 / 3) ** 2 + (4 - 7 / 3) ** 2) / 2) ** 0.5
    assert estimate.mean == pytest.approx(7 / 3)
    assert estimate.half_width == pytest.approx(student.ppf(0.975, 2) * deviation / 3**0.5)
    assert Estimate.of([3.0]) == Estimate(3.0, None)


DIED = Failure("exit code 1:\nospfd of a ended", "a", "ospfd", "playing", 12.0)


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    """Two protocols with two seeds each, of which one run failed."""
    outcomes, found = [], {}
    for routing, seed, gaps in (("fast", 1, 1), ("fast", 2, 3), ("slow", 1, 20), ("slow", 2, 0)):
        job = Job(routing, seed, tmp_path / f"{routing}-{seed}")
        broken = not gaps
        outcomes.append(Outcome(job, DIED if broken else None))
        if not broken:
            probes = [probe(0.1 * n, None if 1 <= n <= gaps else 10.0) for n in range(40)]
            run_dir = finished(job.folder / "run", probes, octets=1000 * gaps)
            found[job] = metrics.read(run_dir)
    return Comparison("toy", tuple(outcomes), found)


def estimate(comparison: Comparison, routing: str, key: str) -> Estimate | None:
    [figure] = [f for group in comparison.groups for f in group.figures if f.key == key]
    return comparison.estimate(routing, figure)


def test_estimates_are_of_the_runs_that_ended(comparison: Comparison) -> None:
    assert [len(comparison.runs(name)) for name in comparison.routings] == [2, 1]
    assert [comparison.failed(name) for name in comparison.routings] == [0, 1]
    lost = estimate(comparison, "fast", "lost_percent")
    assert lost and lost.mean == pytest.approx(100 * 4 / 80)
    assert estimate(comparison, "slow", "outage_max_s") == Estimate(pytest.approx(2.1), None)
    assert estimate(comparison, "slow", "changes") is None


def test_what_routing_cost_is_beside_what_it_did(comparison: Comparison) -> None:
    """1,000 and 3,000 bytes over the two directions of a link that had light for 20 s."""
    half_width = student.ppf(0.975, 1) * (25.0**2 + 25.0**2) ** 0.5 / 2**0.5
    for key in ("control_bytes_s", "ospf_bytes_s"):
        found = estimate(comparison, "fast", key)
        assert found == Estimate(50.0, pytest.approx(half_width))
    assert estimate(comparison, "slow", "control_packets_s") == Estimate(0.1, None)
    assert estimate(comparison, "slow", "memory_mb") == Estimate(6.144, None)
    assert estimate(comparison, "slow", "queue_drops") == Estimate(0.0, None)
    assert estimate(comparison, "slow", "other_drops") == Estimate(3.0, None)
    keys = {figure.key for group in comparison.groups for figure in group.figures}
    assert "cpu_percent" not in keys and "data_bytes_s" not in keys
    assert any("virtual time" in note for note in comparison.notes())


def test_every_form_says_the_same(comparison: Comparison) -> None:
    told = json.loads(forms.to_json(comparison))
    assert [run["failure"] for run in told["runs"]][:3] == [None] * 3
    died = told["runs"][3]["failure"]
    assert (died["node"], died["daemon"], died["phase"], died["t_s"]) == (
        "a",
        "ospfd",
        "playing",
        12,
    )
    assert told["runs"][3]["figures"] is None
    assert told["runs"][0]["figures"]["lost_percent"] == pytest.approx(2.5)
    assert told["runs"][0]["daemons_mb"] == {"bird": 6.144}
    rows = list(csv.DictReader(io.StringIO(forms.to_csv(comparison))))
    assert float(rows[0]["lost_percent"]) == pytest.approx(5.0)
    assert rows[1]["lost_percent_ci95"] == ""
    assert told["table"][0]["lost_percent"]["mean"] == pytest.approx(5.0)
    assert set(rows[0]) == {"routing", "runs", "failed"} | {
        f"{key}{end}" for key in told["figures"] for end in ("", "_ci95")
    }
    table = forms.to_markdown(comparison)
    assert "| slow | 1 (1 failed) |" in table
    assert (
        "slow, seed 2: ospfd of a failed at second 12\n\n    exit code 1:\n    ospfd of a ended"
        in table
    )
    for group in comparison.groups:
        headings, cells = forms.cells(comparison, group)
        for line in (headings, *cells):
            assert "| " + " | ".join(line) + " |" in table


@pytest.mark.parametrize(
    ("mean", "half_width", "text"),
    [
        (12345.6, 78.9, "12,346 ± 79"),
        (36.2541, 0.0000024, "36.3 ± 0"),
        (0.0123456, 0.00456, "0.0123 ± 0.0046"),
        (0.0, 0.0, "0 ± 0"),
        (2.0, None, "2"),
    ],
)
def test_estimates_are_written_for_people(mean, half_width, text: str) -> None:
    assert forms.text(Estimate(mean, half_width)) == text


def test_settings_that_nobody_heeded_are_told_once(comparison: Comparison) -> None:
    assert comparison.notes().count("routing 'static' has no BFD.") == 1


def test_why_routes_are_not_told_is_told(comparison: Comparison) -> None:
    assert "fast has no figures of its routes: its routes were not recorded." in comparison.notes()


def test_what_is_written_is_the_same_to_the_byte(comparison: Comparison, tmp_path: Path) -> None:
    written = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        forms.write(comparison, tmp_path / name)
        plots.draw(comparison, tmp_path / name)
        written.append({p.name: p.read_bytes() for p in sorted((tmp_path / name).iterdir())})
    assert written[0] == written[1]
    assert set(written[0]) >= {
        "compare.json",
        "compare.csv",
        "compare.md",
        "outages.svg",
        "overhead.pdf",
    }
    linked = re.findall(r"\]\((.*?)\)", (tmp_path / "once/compare.md").read_text())
    assert linked and set(linked) <= written[0].keys()


def test_jobs_differ_in_routing_and_seed_only(
    walker_scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    scenario = walker_scenario(scenario={"seed": 5})
    made = jobs.prepare(scenario, ["static", "none"], 2, tmp_path / "lab")
    assert [(job.routing, job.seed) for job in made] == [
        ("static", 5), ("static", 6), ("none", 5), ("none", 6),
    ]  # fmt: skip
    loaded = [Scenario.load(job.scenario) for job in made]
    assert [each.routing.protocol for each in loaded] == ["static", "static", "none", "none"]
    assert loaded[0] == scenario.model_copy(update={"routing": loaded[0].routing})
    assert all(job.run_dir is None for job in made)


def test_an_unknown_protocol_stops_everything_beforehand(
    walker_scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError, match="routing protocol"):
        jobs.prepare(walker_scenario(), ["static", "magic"], 1, tmp_path / "lab")
    assert not (tmp_path / "lab").exists()


def test_a_run_that_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    made = [Job("static", number, tmp_path / f"static-{number}") for number in range(2)]
    for job in made:
        job.folder.mkdir()
        job.scenario.write_text("{}")
    told: list[Outcome] = []
    outcomes = list(jobs.run(made, "virtual", 2, told.append))
    assert [outcome.job for outcome in outcomes] == made
    assert sorted(outcome.job.seed for outcome in told) == [0, 1]
    for outcome in outcomes:
        assert outcome.failure and outcome.failure.said.startswith("exit code 2:")
        assert "constellation" in outcome.failure.said
        assert (
            forms.failed(outcome.job, outcome.failure) == f"static, seed {outcome.job.seed} failed"
        )
