"""`lasermesh compare` on a terminal."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from emulator import tables
from emulator.emulation import interruptible
from emulator.errors import RunError
from emulator.lab import compare as lab
from emulator.lab import forms
from emulator.lab.compare import Comparison
from emulator.lab.jobs import Outcome
from emulator.part import emulated
from emulator.scenario import Scenario
from emulator.session import choose_kernel


def compare(
    reference: str,
    routings: str,
    repeat: int,
    clock: str,
    at_once: int | None,
    runs: Path,
    form: str,
) -> int:
    """Compare, telling of each run as it ends; return the exit code: 1 if any run failed."""
    scenario = emulated(Scenario.load(reference), reference)
    names = [name.strip() for name in routings.split(",") if name.strip()]
    if len({Path(name).name for name in names}) < len(names):
        raise RunError(f"--routing {routings} names a protocol twice; --repeat runs it again")
    chosen = choose_kernel("auto", clock)
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder = runs / f"compare-{scenario.scenario.name}-{stamp}"
    out = tables.console()
    out.print(
        f"{scenario.scenario.name}: {len(names)} protocols × {repeat} runs in "
        f"{'virtual' if chosen == 'virtual' else 'real'} time, below {folder}"
    )

    def tell(outcome: Outcome) -> None:
        job, failure = outcome.job, outcome.failure
        if failure is None:
            out.print(f"{job.routing}, seed {job.seed}: done", markup=False)
            return
        out.print(forms.failed(job, failure), markup=False)
        for line in failure.said.splitlines():
            out.print(f"    {line}", markup=False, soft_wrap=True)

    clock = "virtual" if chosen == "virtual" else "real"
    with interruptible():
        comparison = lab.compare(scenario, names, repeat, folder, clock, at_once, tell)
    if form == "table":
        _print(out, comparison)
    else:
        texts = {"json": forms.to_json, "csv": forms.to_csv, "markdown": forms.to_markdown}
        print(texts[form](comparison), end="")
    written = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_file()))
    out.print(f"\n{folder}  ({written})", soft_wrap=True)
    return int(bool(comparison.failures))


def _print(out: Console, comparison: Comparison) -> None:
    """The table in parts of a terminal's width, and what it does not say."""
    for group in comparison.groups:
        headings, rows = forms.cells(comparison, group)
        table = tables.plain_table()
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="right" if place else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        out.print(f"\n[bold]{group.title}[/]")
        out.print(table)
    out.print("")
    for note in (forms.spread(comparison), *comparison.notes()):
        out.print(note)
    for job, failure in comparison.failures:
        out.print(forms.failed(job, failure), markup=False)
