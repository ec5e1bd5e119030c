"""`lasermesh experiment` on a terminal."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from emulator import tables
from emulator.emulation import interruptible
from emulator.errors import RunError
from emulator.experiments.base import Experiment, Settings
from emulator.experiments.claims import named, registry
from emulator.experiments.page import row
from emulator.experiments.running import REPORT, RESULT, Result, perform
from emulator.lab.jobs import Outcome
from emulator.session import choose_kernel


def listing(form: str) -> None:
    """Print the experiments: name, claim, and what one takes."""
    found = [
        {"name": each.name, "claim": each.claim, "takes": each.takes}
        for each in registry().values()
    ]
    if form == "json":
        print(json.dumps(found, indent=1))
        return
    out, table = tables.console(), tables.plain_table()
    table.add_column("name", no_wrap=True)
    table.add_column("claim")
    table.add_column("takes")
    for each in found:
        table.add_row(*each.values())
    out.print(table)


def run(names: str, clock: str, at_once: int | None, fibre_route: float, runs: Path) -> int:
    """Run experiments one after the other; return 1 if any prediction or run fails, else 0.

    One whose runs fail is told, and the others go on.
    """
    chosen = choose_kernel("auto", clock)
    clock = "virtual" if chosen == "virtual" else "real"
    settings = Settings(fibre_route=fibre_route)
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    results = [_one(each, settings, clock, at_once, runs, stamp) for each in named(names)]
    if len(results) > 1:
        _overview([each for each in results if each])
    return int(not all(each and each.agrees for each in results))


def _one(
    experiment: Experiment,
    settings: Settings,
    clock: str,
    at_once: int | None,
    runs: Path,
    stamp: str,
) -> Result | None:
    out = tables.console()
    folder = runs / f"experiment-{experiment.name}-{stamp}"
    out.print(f"[bold]{experiment.name}[/]  {experiment.claim}\n  source: {experiment.source}")
    out.print(f"  set-up: {experiment.setup}\n  takes: {experiment.takes}, in {clock} time")

    def tell(outcome: Outcome) -> None:
        said = f"failed: {outcome.failure.said}" if outcome.failure else "done"
        out.print(f"  {outcome.job.folder.name}: {said}", markup=False)

    began_s = time.monotonic()
    try:
        with interruptible():
            result = perform(experiment, settings, folder, clock, at_once, tell)
    except RunError as error:
        out.print(f"{experiment.name}: {error}\n", markup=False)
        return None
    _print(result)
    out.print(f"\n{folder}  ({REPORT}, {RESULT}); {time.monotonic() - began_s:.0f} s\n")
    return result


def _print(result: Result) -> None:
    out = tables.console()
    table = tables.plain_table()
    table.add_column("what")
    for heading in ("predicted", "measured", "tolerance"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("agrees", no_wrap=True)
    for each in result.findings.values():
        table.add_row(*row(each))
    out.print(table)
    for label in result.unsound:
        out.print(f"light did not take its time in {label}: nothing measured there counts")
    out.print(result.verdict.sentence, style="bold", markup=False)
    for note in result.experiment.notes:
        out.print(f"  {note}", markup=False)


def _overview(results: Sequence[Result]) -> None:
    out = tables.console()
    table = tables.plain_table("experiment", "predictions", "the claim")
    for each in results:
        came = sum(finding.agrees for finding in each.findings.values())
        table.add_row(each.experiment.name, f"{came} of {len(each.findings)}", each.verdict.answer)
    out.print(table)
