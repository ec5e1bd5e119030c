"""Experiments: the registry, what is predicted before anything runs, and what is written."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from emulator.cli import cli
from emulator.errors import RunError
from emulator.experiments import scenes
from emulator.experiments.base import (
    Experiment,
    Finding,
    Findings,
    Prediction,
    Runs,
    Scene,
    Scenes,
    Settings,
    Verdict,
)
from emulator.experiments.claims import named, registry
from emulator.experiments.running import perform

EXPERIMENTS = registry()


def predicted(value: float, tolerance: float) -> Prediction:
    return Prediction(
        what="hop", value=value, unit="ms", tolerance=tolerance, allows="a step", formula="d / c"
    )


def test_names_are_those_of_the_modules() -> None:
    home = Path(scenes.__file__).parent / "claims"
    files = {path.stem.replace("_", "-") for path in home.glob("[!_]*.py")}
    assert set(EXPERIMENTS) == files


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_predictions_need_no_run_and_are_whole(name: str) -> None:
    each = EXPERIMENTS[name]
    found = each.predict(each.scenes(), Settings())
    assert found
    for key, prediction in found.items():
        assert prediction.tolerance >= 0 and abs(prediction.value) < 1e12, key
        assert prediction.what and prediction.unit and prediction.allows and prediction.formula
    assert each.claim and each.source and each.setup and each.takes


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_scenes_are_made_alike_every_time(name: str) -> None:
    first, again = EXPERIMENTS[name].scenes(), EXPERIMENTS[name].scenes()
    assert [s.scenario.to_json() for s in first.values()] == [
        s.scenario.to_json() for s in again.values()
    ]


def test_a_finding_agrees_within_its_tolerance_and_not_beyond() -> None:
    for measured, agrees in (
        (10.0, True),
        (10.5, True),
        (9.5, True),
        (10.51, False),
        (None, False),
    ):
        finding = Finding(key="hop", prediction=predicted(10.0, 0.5), measured=measured)
        assert finding.agrees is agrees


def test_experiments_are_named_by_commas_or_all() -> None:
    some = sorted(EXPERIMENTS)[:2]
    assert [each.name for each in named(", ".join(some))] == some
    assert [each.name for each in named("all")] == sorted(EXPERIMENTS)
    with pytest.raises(RunError, match=r"no experiment warp; there are .*meshed-twelve"):
        named("warp")


def _toy_scenes() -> Scenes:
    pair = scenes.shell("toy", "97.4:12/1/0", 500, gsl=None)
    return {"ring": Scene(scenario=scenes.sky("toy", "A ring", 2, [pair], [], []), emulated=False)}


def _toy_predict(_: Scenes, settings: Settings) -> Mapping[str, Prediction]:
    return {"links": predicted(12.0 * settings.fibre_route, 0.0)}


def _toy_measure(runs: Runs) -> Mapping[str, float | None]:
    return {"links": float(len(runs["ring"].plan.links(0)))}


def _toy_verdict(found: Findings, _: Settings) -> Verdict:
    return Verdict(answer="holds", because=f"{found['links'].measured:g} < 20 & all.")


TOY = Experiment(
    name="toy",
    claim="A ring has as many lasers as satellites",
    source="geometry",
    setup="A ring of twelve",
    takes="a plan of 2 s",
    scenes=_toy_scenes,
    predict=_toy_predict,
    measure=_toy_measure,
    verdict=_toy_verdict,
    notes=("Counted.",),
)


def test_what_came_of_an_experiment_is_written_down(tmp_path: Path) -> None:
    result = perform(TOY, Settings(fibre_route=1.0), tmp_path / "a", "virtual", 1, print)
    assert result.agrees
    told = json.loads((tmp_path / "a/experiment.json").read_text())
    assert told["findings"][0]["value"] == told["findings"][0]["measured"] == 12
    assert told["agrees"] is True and told["verdict"]["answer"] == "holds"
    assert told["runs"]["ring"] == {
        "scenario": "toy",
        "description": "A ring",
        "emulated": False,
        "hop_error_ms": None,
    }
    page = (tmp_path / "a/report.html").read_text()
    assert "The claim holds: 12 &lt; 20 &amp; all." in page and "Counted." in page
    perform(TOY, Settings(fibre_route=1.0), tmp_path / "b", "virtual", 1, print)
    for name in ("experiment.json", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_prediction_that_fails_is_told(tmp_path: Path) -> None:
    result = perform(TOY, Settings(fibre_route=1.5), tmp_path / "a", "virtual", 1, print)
    assert not result.agrees
    assert "hop: predicted 18, measured 12 ms" in (tmp_path / "a/report.html").read_text()


def test_a_measurement_without_a_prediction_is_a_mistake(tmp_path: Path) -> None:
    stray = replace(TOY, measure=lambda _: {"stray": 1.0})
    with pytest.raises(KeyError, match="stray"):
        perform(stray, Settings(), tmp_path / "a", "virtual", 1, print)


def test_the_list_names_them_all() -> None:
    done = CliRunner().invoke(cli, ["experiment", "list", "--format", "json"])
    assert done.exit_code == 0
    listed = json.loads(done.output)
    assert [each["name"] for each in listed] == sorted(EXPERIMENTS)
    assert all(each["claim"] and each["takes"] for each in listed)


def test_an_unknown_experiment_is_told_before_anything_runs(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["experiment", "run", "warp", "--runs", str(tmp_path / "runs")])
    assert done.exit_code != 0 and "no experiment warp" in done.output
    assert not (tmp_path / "runs").exists()
