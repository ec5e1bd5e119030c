"""`lasermesh compare` on a terminal."""

from datetime import UTC, datetime
from pathlib import Path

from emulator import tables
from emulator.emulation import interruptible
from emulator.errors import RunError
from emulator.lab import compare as lab
from emulator.lab.jobs import Outcome
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
    scenario = Scenario.load(reference)
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
        job = outcome.job
        said = f"failed: {outcome.failure}" if outcome.failure else "done"
        out.print(f"{job.routing}, seed {job.seed}: {said}", markup=False)

    clock = "virtual" if chosen == "virtual" else "real"
    with interruptible():
        comparison = lab.compare(scenario, names, repeat, folder, clock, at_once, tell)
    if form == "table":
        headings, rows = lab.cells(comparison)
        table = tables.plain_table(*headings)
        for row in rows:
            table.add_row(*row)
        out.print(table)
    else:
        texts = {"json": lab.to_json, "csv": lab.to_csv, "markdown": lab.to_markdown}
        print(texts[form](comparison), end="")
    out.print(f"\n{folder}  (compare.json, .csv, .md, outages.svg, overhead.svg)")
    return int(any(outcome.failure for outcome in comparison.outcomes))
