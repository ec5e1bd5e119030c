"""A comparison as text: JSON, CSV, Markdown, and tables for a terminal."""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.lab.compare import Comparison, Estimate
    from emulator.lab.figures import Group
    from emulator.lab.jobs import Failure, Job
    from emulator.lab.metrics import Metrics

MEANS = (
    "Means over seeds; ± is the 95 % confidence interval of the mean (Student's t), "
    "0 where it is less than the last digit shown."
)
ONE_SEED = "One seed each; --repeat N adds confidence intervals."

CAPTIONS = {
    "": "As SVG and PDF. Bands and whiskers are 95 % confidence intervals, with several seeds.",
    "outages": "of all outages of pairs of nodes that light joins, the share no longer than so "
    "long; by routes, or by probes where the legend says so",
    "reachability": "the share of these pairs that routes leave unreached, over time; only of "
    "protocols whose routes are followed",
    "overhead": "control traffic by protocol, memory, and changes of routes",
}
"""What plots.draw writes."""


def write(comparison: "Comparison", folder: Path) -> None:
    """Write compare.json, compare.csv and compare.md."""
    (folder / "compare.json").write_text(to_json(comparison))
    (folder / "compare.csv").write_text(to_csv(comparison))
    (folder / "compare.md").write_text(to_markdown(comparison))


def to_json(comparison: "Comparison") -> str:
    """Everything, run by run: what a notebook starts from. Holds nothing of the wall clock."""
    told = {
        "scenario": comparison.scenario,
        "figures": {f.key: f.meaning for group in comparison.groups for f in group.figures},
        "table": [_row(comparison, routing) for routing in comparison.routings],
        "notes": comparison.notes(),
        "runs": [
            {
                "routing": outcome.job.routing,
                "seed": outcome.job.seed,
                "failure": outcome.failure and asdict(outcome.failure),
                **_run(comparison, comparison.found.get(outcome.job)),
            }
            for outcome in comparison.outcomes
        ],
    }
    return json.dumps(told, indent=1) + "\n"


def _row(comparison: "Comparison", routing: str) -> dict[str, Any]:
    row: dict[str, Any] = {"routing": routing, "runs": len(comparison.runs(routing))}
    row["failed"] = comparison.failed(routing)
    for group in comparison.groups:
        for figure in group.figures:
            found = comparison.estimate(routing, figure)
            row[figure.key] = found and {"mean": found.mean, "ci95": found.half_width}
    return row


def _run(comparison: "Comparison", run: "Metrics | None") -> dict[str, Any]:
    if run is None:
        return {"figures": None}
    routes = run.routes
    return {
        "figures": {f.key: f.of(run) for group in comparison.groups for f in group.figures},
        "daemons_mb": run.spent and run.spent.memory_mb,
        "probe_outages_s": [round(gap, 6) for gap in run.outages_s],
        "reached": routes and routes.timeline,
        "outages_s": routes and [round(gap, 6) for gap in routes.outages_s],
    }


def to_csv(comparison: "Comparison") -> str:
    """One row a protocol: means, and half widths of their 95 % confidence intervals (_ci95)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    keys = [figure.key for group in comparison.groups for figure in group.figures]
    headings = [part for key in keys for part in (key, f"{key}_ci95")]
    writer.writerow(["routing", "runs", "failed", *headings])
    for row in (_row(comparison, routing) for routing in comparison.routings):
        found = ((row[key]["mean"], row[key]["ci95"]) if row[key] else (None, None) for key in keys)
        flat = ("" if each is None else f"{each:.6g}" for pair in found for each in pair)
        writer.writerow([row["routing"], row["runs"], row["failed"], *flat])
    return out.getvalue()


def to_markdown(comparison: "Comparison") -> str:
    """The table in parts that fit a page, what the headings mean, and what is missing."""
    lines = [f"# {comparison.scenario}: {', '.join(comparison.routings)}", "", spread(comparison)]
    for group in comparison.groups:
        headings, rows = cells(comparison, group)
        ruled = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
        lines += ["", f"## {group.title}", ""]
        lines += ["| " + " | ".join(row) + " |" for row in ruled]
        lines += ["", *(f"* **{f.heading}**: {f.meaning}" for f in group.figures)]
    if comparison.found:
        lines += ["", "## Figures", "", CAPTIONS[""], ""]
        walked = any(m.routes for m in comparison.found.values())
        drawn = [name for name in CAPTIONS if name and (walked or name != "reachability")]
        lines += [f"* [{name}.svg]({name}.svg): {CAPTIONS[name]}" for name in drawn]
    if notes := comparison.notes():
        lines += ["", "## Notes", "", *(f"* {note}" for note in notes)]
    if comparison.failures:
        lines += ["", "## Runs that failed", ""]
        for job, failure in comparison.failures:
            lines += [failed(job, failure), ""]
            lines += [*(f"    {line}" for line in failure.said.splitlines()), ""]
    return "\n".join(lines).rstrip() + "\n"


def cells(comparison: "Comparison", group: "Group") -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text of one part of the table."""
    rows = []
    for routing in comparison.routings:
        found = (comparison.estimate(routing, figure) for figure in group.figures)
        rows.append([routing, _runs(comparison, routing), *map(text, found)])
    return ["routing", "runs", *(figure.heading for figure in group.figures)], rows


def spread(comparison: "Comparison") -> str:
    """What the figures of the table are, in a sentence."""
    most = max((len(comparison.runs(routing)) for routing in comparison.routings), default=0)
    return MEANS if most > 1 else ONE_SEED


def failed(job: "Job", failure: "Failure") -> str:
    """Which run failed, and of which daemon, where and when, if it was one."""
    run = f"{job.routing}, seed {job.seed}"
    return f"{run}: {failure.where}" if failure.where else f"{run} failed"


def text(estimate: "Estimate | None") -> str:
    """An estimate as people write it."""
    if estimate is None:
        return "–"
    if estimate.half_width is None:
        return number(estimate.mean)
    # Below the last digit of the mean it would be read as more than it is.
    seen = estimate.half_width >= 0.0005 * abs(estimate.mean)
    return f"{number(estimate.mean)} ± {number(estimate.half_width, 2) if seen else '0'}"


def number(value: float, digits: int = 3) -> str:
    """A figure of so many digits, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def _runs(comparison: "Comparison", routing: str) -> str:
    failed = comparison.failed(routing)
    return f"{len(comparison.runs(routing))}" + (f" ({failed} failed)" if failed else "")
