"""One scenario under several routing protocols: run, measure alike, and put side by side."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

from emulator.lab import metrics
from emulator.lab.jobs import Job, Outcome, prepare, run
from emulator.lab.metrics import Metrics
from emulator.scenario import Scenario

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds and the half width of its 95 % confidence interval (Student's t)."""

    mean: float
    half_width: float | None
    """None with a single run: it says nothing of how others would come out."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """Estimate from at least one value."""
        if len(values) < 2:
            return cls(values[0], None)
        quantile = float(student.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
        return cls(fmean(values), quantile * stdev(values) / len(values) ** 0.5)


FIGURES: dict[str, tuple[str, Callable[[Metrics], float | None]]] = {
    "converged s": ("seconds to routes everywhere, from a dark sky", lambda m: m.converged_s),
    "unreached %": (
        "share of pairs joined by light that do not reach each other, over time, by all tables",
        lambda m: m.routes and 100 * (1 - m.routes.reached),
    ),
    "planned s": (
        "mean time from a planned change to the last change of a route",
        lambda m: m.routes and m.routes.planned_s,
    ),
    "failure s": (
        "the same after failures and repairs",
        lambda m: m.routes and m.routes.unplanned_s,
    ),
    "loops s": ("pair-seconds in forwarding loops", lambda m: m.routes and m.routes.looped_s),
    "holes s": ("pair-seconds without a way", lambda m: m.routes and m.routes.lost_s),
    "stretch": (
        "mean delay along the routes over that of the quickest path",
        lambda m: m.routes and m.routes.stretch,
    ),
    "lost %": ("share of probes lost", lambda m: None if m.loss is None else 100 * m.loss),
    "outage max s": ("longest gap in the answers of a pair", lambda m: m.worst_outage_s),
    "rtt ms": ("mean round trip of the probes", lambda m: m.rtt_ms),
    "changes": ("changes of all nodes' routes", lambda m: _float(m.route_changes)),
}
"""What is compared: a heading, what it means, and how a run's metrics give it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All runs of one comparison, in the order asked for."""

    scenario: str
    outcomes: tuple[Outcome, ...]
    found: dict[Job, Metrics]

    @property
    def routings(self) -> list[str]:
        """The protocols, in the order asked for."""
        return list(dict.fromkeys(outcome.job.routing for outcome in self.outcomes))

    def runs(self, routing: str) -> list[Metrics]:
        """Metrics of the runs of one protocol that came to their end."""
        return [m for job, m in self.found.items() if job.routing == routing]

    def row(self, routing: str) -> dict[str, Any]:
        """One protocol's figures: estimates by heading, and how many runs they are from."""
        runs = self.runs(routing)
        row: dict[str, Any] = {"routing": routing, "runs": len(runs)}
        for heading, (_, figure) in FIGURES.items():
            values = [value for each in runs if (value := figure(each)) is not None]
            row[heading] = Estimate.of(values) if values else None
        row["failed"] = sum(bool(o.failure) for o in self.outcomes if o.job.routing == routing)
        return row

    def rows(self) -> list[dict[str, Any]]:
        """Every protocol's figures."""
        return [self.row(routing) for routing in self.routings]


def compare(
    scenario: Scenario,
    routings: Sequence[str],
    repeat: int,
    folder: Path,
    clock: str,
    at_once: int | None,
    tell: Callable[[Outcome], None],
) -> Comparison:
    """Run ``scenario`` under each of ``routings`` with ``repeat`` seeds, below ``folder``.

    A run that fails is told and left out of the figures; the others go on. Raises ScenarioError
    where a protocol is unknown.
    """
    jobs = prepare(scenario, routings, repeat, folder)
    outcomes = tuple(run(jobs, clock, at_once, tell))
    found = {
        outcome.job: metrics.read(outcome.job.run_dir)
        for outcome in outcomes
        if not outcome.failure and outcome.job.run_dir
    }
    comparison = Comparison(scenario.scenario.name, outcomes, found)
    write(comparison, folder)
    return comparison


def write(comparison: Comparison, folder: Path) -> None:
    """Write the table as JSON, CSV and Markdown, and the figures."""
    from emulator.lab.plots import draw

    (folder / "compare.json").write_text(to_json(comparison))
    (folder / "compare.csv").write_text(to_csv(comparison))
    (folder / "compare.md").write_text(to_markdown(comparison))
    draw(comparison, folder)


def to_json(comparison: Comparison) -> str:
    """Everything, run by run: what a notebook starts from. Holds nothing of the wall clock."""
    runs = []
    for outcome in comparison.outcomes:
        job, each = outcome.job, comparison.found.get(outcome.job)
        runs.append(
            {
                "routing": job.routing,
                "seed": job.seed,
                "failure": outcome.failure,
                "figures": each and {name: get(each) for name, (_, get) in FIGURES.items()},
                "probe_outages_s": each and [round(gap, 6) for gap in each.outages_s],
                "reached": each and each.routes and each.routes.timeline,
                "outages_s": each and each.routes and [round(x, 6) for x in each.routes.outages_s],
            }
        )
    meanings = {heading: meaning for heading, (meaning, _) in FIGURES.items()}
    told = {"scenario": comparison.scenario, "figures": meanings, "runs": runs}
    return json.dumps(told, indent=1) + "\n"


def to_csv(comparison: Comparison) -> str:
    """One row a protocol: means and half widths of their confidence intervals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    headings = [part for name in FIGURES for part in (name, f"{name} ±")]
    writer.writerow(["routing", "runs", "failed", *headings])
    for row in comparison.rows():
        estimates = (row[name] for name in FIGURES)
        cells = [(e.mean, e.half_width) if e else (None, None) for e in estimates]
        flat = ("" if cell is None else f"{cell:.6g}" for pair in cells for cell in pair)
        writer.writerow([row["routing"], row["runs"], row["failed"], *flat])
    return out.getvalue()


def to_markdown(comparison: Comparison) -> str:
    """The table for a paper's draft, and what the headings mean."""
    rows = [["routing", "runs", *FIGURES], ["---"] * (2 + len(FIGURES))]
    rows += [[row["routing"], _runs(row), *map(text, _estimates(row))] for row in comparison.rows()]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    legend = [f"* **{heading}**: {meaning}" for heading, (meaning, _) in FIGURES.items()]
    title = f"# {comparison.scenario}: {', '.join(comparison.routings)}"
    note = "Means over seeds; ± is the 95 % confidence interval (Student's t)."
    return "\n".join([title, "", *lines, "", note, "", *legend]) + "\n"


def cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text for a terminal."""
    rows = [[row["routing"], _runs(row), *map(text, _estimates(row))] for row in comparison.rows()]
    return ["routing", "runs", *FIGURES], rows


def text(estimate: Estimate | None) -> str:
    """An estimate as people write it."""
    if estimate is None:
        return "–"
    mean = f"{estimate.mean:.3g}"
    return mean if estimate.half_width is None else f"{mean} ± {estimate.half_width:.2g}"


def _runs(row: dict[str, Any]) -> str:
    return f"{row['runs']}" + (f" ({row['failed']} failed)" if row["failed"] else "")


def _estimates(row: dict[str, Any]) -> Iterable[Estimate | None]:
    return (row[heading] for heading in FIGURES)


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)
