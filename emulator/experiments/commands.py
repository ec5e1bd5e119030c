"""`lasermesh experiment` on the command line."""

import sys
from pathlib import Path

import click


@click.group()
def experiment() -> None:
    """Claims about constellations: predicted by formula, emulated, and judged."""


@experiment.command("list")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def experiment_list(form: str) -> None:
    """List the experiments: name, claim, and what one takes."""
    from emulator.experiments import show

    show.listing(form)


@experiment.command("run")
@click.argument("names", metavar="NAME[,NAME]...|all")
@click.option("--clock", type=click.Choice(["auto", "real", "virtual"]), default="auto")
@click.option("--at-once", type=click.IntRange(1, 256), help="Runs side by side. Default: cores.")
@click.option(
    "--fibre-route",
    type=click.FloatRange(1.0, 10.0),
    default=1.5,
    show_default=True,
    help="How much longer than the great circle a fibre is.",
)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
def experiment_run(
    names: str, clock: str, at_once: int | None, fibre_route: float, runs: Path
) -> None:
    """Run experiments: claim, set-up, predicted beside measured, verdict, report.

    Exit code 1 where a prediction does not come true within its tolerance. What becomes of the
    claim does not count: one that does not hold is a result like another.
    """
    from emulator.experiments import show

    sys.exit(show.run(names, clock, at_once, fibre_route, runs))
