"""The report of an experiment: claim, set-up, predicted beside measured, verdict, figures."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from emulator.experiments.base import Finding
from emulator.report.page import figure, heading, page, paragraph, table, tiles

if TYPE_CHECKING:
    from emulator.experiments.running import Result

_HEAD = ["What", "Predicted", "Measured", "Tolerance", "Unit", "Agrees"]


def number(value: float | None) -> str:
    """A figure with four significant digits, and whole where it is that large."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    return f"{value:.2e}" if "e" in text else text


def row(each: Finding) -> list[str]:
    """One finding as cells, in the order of the report's table."""
    told = each.prediction
    return [
        told.what,
        number(told.value),
        number(each.measured),
        number(told.tolerance),
        told.unit,
        "yes" if each.agrees else "no",
    ]


def report(result: "Result") -> str:
    """Return the whole page."""
    experiment = result.experiment
    return page(f"{experiment.name}: {experiment.claim}", _parts(result))


def _parts(result: "Result") -> Iterator[str]:
    experiment, findings = result.experiment, list(result.findings.values())
    yield f"<h1>{experiment.name}</h1>"
    yield paragraph(f"{experiment.claim} ({experiment.source})", "facts")
    yield paragraph(result.verdict.sentence, "answer")
    agreeing = sum(each.agrees for each in findings)
    runs = [each for each in result.runs.values() if each.folder]
    yield tiles(
        [
            (f"{agreeing} of {len(findings)}", "predictions that came true"),
            (str(len(runs)), "scenes emulated, with real packets"),
            (str(len(result.runs) - len(runs)), "scenes only planned"),
        ]
    )
    for label in result.unsound:
        yield paragraph(
            f"Light did not take its time in {label}: nothing measured there counts.", "warning"
        )
    yield heading("Set-up")
    yield paragraph(experiment.setup)
    yield heading("Predicted and measured")
    yield table(_HEAD, map(row, findings))
    yield from _apart(findings)
    for note in experiment.notes:
        yield paragraph(note, "note")
    for drawing in result.drawings:
        yield figure(drawing.svg, drawing.caption)
    yield heading("Where the figures come from")
    cells = ([f.prediction.what, f.prediction.formula, f.prediction.allows] for f in findings)
    yield table(["What", "Prediction", "What the tolerance stands for"], cells)
    yield heading("Scenes")
    yield table(["Scene", "What it is", "Played", "Hop error, ms"], _scenes(result))


def _apart(findings: Iterable[Finding]) -> Iterator[str]:
    for each in findings:
        if not each.agrees:
            told = each.prediction
            yield paragraph(
                f"{told.what}: predicted {number(told.value)}, measured {number(each.measured)} "
                f"{told.unit}, which is not within {number(told.tolerance)} ({told.allows}).",
                "warning",
            )


def _scenes(result: "Result") -> Iterator[list[str]]:
    for label, each in result.runs.items():
        played = "emulated" if each.folder else "planned"
        worst = each.worst_error_ms() if each.folder else None
        yield [label, each.scenario.scenario.description, played, number(worst)]
