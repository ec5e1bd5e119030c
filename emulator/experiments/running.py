"""An experiment → its runs, side by side on the cores, its findings, and what is written of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emulator.errors import RunError
from emulator.experiments.base import Drawing, Experiment, Finding, Runs, Scenes, Settings, Verdict
from emulator.experiments.evidence import Run
from emulator.lab.jobs import Job, Outcome, run

RESULT = "experiment.json"
REPORT = "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of an experiment."""

    experiment: Experiment
    settings: Settings
    findings: Mapping[str, Finding]
    verdict: Verdict
    drawings: tuple[Drawing, ...]
    runs: Runs

    @property
    def unsound(self) -> list[str]:
        """Runs in which light did not take the time that geometry gives it."""
        return [label for label, each in self.runs.items() if not each.sound]

    @property
    def agrees(self) -> bool:
        """Whether every prediction came true within its tolerance, in runs that are sound."""
        return not self.unsound and all(each.agrees for each in self.findings.values())


def perform(
    experiment: Experiment,
    settings: Settings,
    folder: Path,
    clock: str,
    at_once: int | None,
    tell: Callable[[Outcome], None],
) -> Result:
    """Emulate and plan what the experiment asks for, below ``folder``, and compare.

    Raises RunError where a run fails.
    """
    from emulator.experiments.page import report

    folder.mkdir(parents=True)
    scenes = experiment.scenes()
    runs = _emulate(scenes, folder, clock, at_once, tell)
    findings = experiment.findings(scenes, runs, settings)
    result = Result(
        experiment=experiment,
        settings=settings,
        findings=findings,
        verdict=experiment.verdict(findings, settings),
        drawings=tuple(experiment.draw(findings, runs, settings)),
        runs=runs,
    )
    (folder / RESULT).write_text(json.dumps(told(result), indent=1) + "\n")
    (folder / REPORT).write_text(report(result))
    return result


def _emulate(
    scenes: Scenes,
    folder: Path,
    clock: str,
    at_once: int | None,
    tell: Callable[[Outcome], None],
) -> dict[str, Run]:
    jobs = {}
    for label, scene in scenes.items():
        if not scene.emulated:
            continue
        each = scene.scenario
        jobs[label] = job = Job(each.routing.protocol, each.scenario.seed, folder / label)
        job.folder.mkdir()
        job.scenario.write_text(each.to_json())
    for outcome in run(list(jobs.values()), clock, at_once, tell):
        if outcome.failure:
            raise RunError(f"the run in {outcome.job.folder} failed, {outcome.failure.said}")
    return {
        label: Run(label, scene.scenario, jobs[label].run_dir if label in jobs else None)
        for label, scene in scenes.items()
    }


def told(result: Result) -> dict[str, Any]:
    """Everything as plain figures: holds nothing of the wall clock."""
    experiment = result.experiment
    return {
        "experiment": experiment.name,
        "claim": experiment.claim,
        "source": experiment.source,
        "setup": experiment.setup,
        "settings": asdict(result.settings),
        "findings": [
            {
                "key": key,
                **asdict(each.prediction),
                "measured": each.measured,
                "agrees": each.agrees,
            }
            for key, each in result.findings.items()
        ],
        "agrees": result.agrees,
        "unsound": result.unsound,
        "verdict": asdict(result.verdict),
        "notes": list(experiment.notes),
        "runs": {
            label: {
                "scenario": each.scenario.scenario.name,
                "description": each.scenario.scenario.description,
                "emulated": each.folder is not None,
                "hop_error_ms": each.worst_error_ms() if each.folder else None,
            }
            for label, each in result.runs.items()
        },
    }
