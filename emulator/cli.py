"""The command line: a table of subcommands, no logic."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from emulator import __version__
from emulator.errors import LasermeshError
from emulator.experiments.commands import experiment

_FORMATS = click.Choice(["table", "json", "csv", "npz"])


class _Commands(click.Group):
    """Prints our own errors without a traceback and turns them into exit codes."""

    def invoke(self, context: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(context)
        except LasermeshError as error:
            click.echo(str(error), err=True)
            context.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted; nothing of a run is left", err=True)
            context.exit(130)
        except BrokenPipeError:
            # Whoever read our output has gone; say nothing, also not when Python closes stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            context.exit(1)

    def list_commands(self, context: click.Context) -> list[str]:
        """Keep the order of definition: it is the order of use."""
        return list(self.commands)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lasermesh")
def cli() -> None:
    """Emulate laser-linked satellites and their ground network on one machine.

    SCENARIO is a preset (see `lasermesh scenarios`) or a TOML file.

    \b
    Start here:   lasermesh run three-body
    Look first:   lasermesh plan three-body
    Play around:  lasermesh up three-body -d;  lasermesh shell scs-01-a;  lasermesh down

    Exit codes: 0 done, 1 failed, 2 bad scenario or usage, 3 the machine lacks something,
    130 interrupted.
    """


@cli.command()
@click.argument("scenario")
@click.option("--clock", type=click.Choice(["auto", "real", "virtual"]), default="auto")
@click.option("--kernel", type=click.Choice(["auto", "host", "usermode"]), default="auto")
@click.option("--routing", help="Override routing.protocol of the scenario.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--pcap", multiple=True, metavar="NODE:PORT", help="Capture there; repeatable.")
def run(
    scenario: str, clock: str, kernel: str, routing: str | None, runs: Path, pcap: tuple[str, ...]
) -> None:
    """Emulate SCENARIO from start to end, measure, and report.

    Real network namespaces, lasers retuned from orbits, routing daemons, traffic.

    Virtual time (the default once `lasermesh kernel build` has been done): exact, repeatable to
    the byte, as fast as the machine can. Real time: needs root and a kernel with netem, or else
    Debian's user-mode-linux. Neither user-mode kernel needs root.

    --pcap writes NODE-PORT.pcap into the run's directory, for Wireshark and `lasermesh packets`.
    """
    from emulator import console

    console.run(scenario, clock, kernel, routing, runs, pcap)


@cli.command()
@click.argument("scenario")
@click.option("--at", help="One moment: seconds after the start, or a UTC time.")
@click.option("--format", "form", type=_FORMATS, default="table", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write here (npz needs it).")
@click.option("--passes", is_flag=True, help="Passes over each station and sunlight instead.")
@click.option("--events", is_flag=True, help="Events, random failures and storms instead.")
@click.option("--offload", is_flag=True, help="What is expected of each image instead.")
@click.option(
    "--explain",
    nargs=2,
    metavar="A B",
    help="Why the nodes A and B are linked, or why not: at --at in one line, else all along.",
)
def plan(
    scenario: str,
    at: str | None,
    form: str,
    output: Path | None,
    passes: bool,
    events: bool,
    offload: bool,
    explain: tuple[str, str] | None,
) -> None:
    """Print what SCENARIO's links will be. Needs no root.

    Without --at the table lists contacts, as `lasermesh contacts` does, and the other formats every
    link at every step.
    """
    from emulator import scenario_console

    wanted = {"--passes": passes, "--events": events, "--offload": offload}
    wanted |= {"--explain": bool(explain)}
    views = [option for option, given in wanted.items() if given]
    does_not_fit = {
        "--format": bool(explain) and form != "table",
        "--format npz": (passes or events or offload) and form == "npz",
        "-o": bool(explain) and output is not None,
        "--at": (passes or events or offload) and at is not None,
    }
    if len(views) > 1:
        raise click.UsageError(f"{' and '.join(views)} do not go together: choose one")
    for option in (option for option, given in does_not_fit.items() if given):
        raise click.UsageError(f"{option} does not go with {views[0]}: leave it out")
    if explain:
        scenario_console.explain(scenario, explain, at)
    else:
        scenario_console.plan(scenario, at, form, output, "".join(views).lstrip("-"))


@cli.command()
@click.argument("scenario")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "tvr"]),
    default="table",
    show_default=True,
)
@click.option(
    "--medium",
    type=click.Choice(["isl", "gsl", "all"]),
    default="all",
    show_default=True,
    help="Between satellites, with the ground, or both.",
)
@click.option("--between", nargs=2, metavar="A B", help="Only between these two nodes.")
@click.option("--over", metavar="NODE", help="Only contacts of this node.")
@click.option(
    "--min-duration",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="S",
    help="Only contacts of so many seconds or more.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write here.")
def contacts(
    scenario: str,
    form: str,
    medium: str,
    between: tuple[str, str] | None,
    over: str | None,
    min_duration: float,
    output: Path | None,
) -> None:
    """Print SCENARIO's contacts: who, when, how far, how fast, how much. Needs no root.

    Rates and volumes are as emulated: divided by rate_scale. tvr is the IETF's schedule of a
    time-variant topology (draft-ietf-tvr-schedule-yang) in JSON.
    """
    from emulator import scenario_console

    wanted = {"between": between, "over": over, "min_duration_s": min_duration}
    wanted["medium"] = None if medium == "all" else medium
    scenario_console.contacts(scenario, form, wanted, output)


@cli.command()
@click.argument("capture", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table")
def packets(capture: Path, form: str) -> None:
    """Print the routing messages in CAPTURE, which `lasermesh run --pcap` has written."""
    from emulator import console

    console.packets(capture, form)


@cli.command()
@click.argument("scenarios", nargs=-1, required=True)
def check(scenarios: tuple[str, ...]) -> None:
    """Check SCENARIOS and list every problem at once."""
    from emulator import scenario_console

    sys.exit(scenario_console.check(scenarios))


@cli.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from emulator.scenario import schema as scenario_schema

    click.echo(json.dumps(scenario_schema(), indent=2))


@cli.command()
@click.option("--measure", is_flag=True, help="Plan each: its laser links, and how long it takes.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def scenarios(measure: bool, form: str) -> None:
    """List the presets, and whether all of each is emulated, a part of it, or nothing.

    --measure plans them all, the largest of a million satellites: some 20 s and 2 GB of memory.
    """
    from emulator import scenario_console

    scenario_console.scenarios(form, measure)


@cli.command()
@click.argument("name", required=False)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def terminals(name: str | None, form: str) -> None:
    """List the laser terminals and radios that a scenario can name by `model`.

    The last column counts the figures that are assumed, for want of a source. With NAME, every
    figure of that one beside its source.
    """
    from emulator import scenario_console

    scenario_console.terminals(name, form)


@cli.command()
def doctor() -> None:
    """Say what this machine can do and what to install for the rest."""
    from emulator import console

    sys.exit(console.doctor())


@cli.command()
@click.argument("scenario")
@click.option("--kernel", type=click.Choice(["auto", "host", "usermode"]), default="auto")
@click.option("--routing", help="Override routing.protocol of the scenario.")
@click.option("--for", "hours", type=click.FloatRange(0.01, 744), help="Hours to plan ahead.")
@click.option("-d", "--detach", is_flag=True, help="Return as soon as it is up.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
def up(
    scenario: str, kernel: str, routing: str | None, hours: float | None, detach: bool, runs: Path
) -> None:
    """Bring SCENARIO up and keep it running until `lasermesh down` or Ctrl-C.

    The sky moves in real time as long as it is planned (default: the scenario's duration), then
    stands still. Workloads of the scenario run once.
    """
    from emulator import console

    console.up(scenario, kernel, routing, hours, detach, runs)


@cli.command("exec", context_settings={"ignore_unknown_options": True})
@click.option("--run", "run_id", help="Which run; default the newest.")
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(run_id: str | None, node: str, command: tuple[str, ...]) -> None:
    """Run COMMAND in NODE; its exit code is passed through.

    \b
    lasermesh exec scs-01-a -- ping -c 3 10.0.0.2
    """
    from emulator import console

    sys.exit(console.execute(run_id, node, command))


@cli.command()
@click.option("--run", "run_id", help="Which run; default the newest.")
@click.argument("node")
def shell(run_id: str | None, node: str) -> None:
    """Open a shell in NODE."""
    from emulator import console

    sys.exit(console.execute(run_id, node, ("bash", "--norc", "-i"), prompt=True))


@cli.command()
@click.option("--run", "run_id", help="Which run; default the newest.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def inspect(run_id: str | None, form: str) -> None:
    """Show nodes, ports, peers, and desired beside kernel state. Exit code 1 if they differ."""
    from emulator import console

    sys.exit(console.inspect(run_id, form))


@cli.command()
@click.argument("run_ids", nargs=-1)
def down(run_ids: tuple[str, ...]) -> None:
    """Take down all of your runs, or those named: exactly what they own, live or dead."""
    from emulator import console

    sys.exit(console.down(run_ids))


@cli.group()
def kernel() -> None:
    """The kernel with virtual time: build it once, and runs are exact and repeatable.

    It is a user-mode Linux made from Debian's kernel source: one file in your cache, no root.
    """


@kernel.command("build")
def kernel_build() -> None:
    """Build it, unless it is there: 3 to 8 minutes on two cores."""
    from emulator import console

    console.kernel_build()


@kernel.command("info")
def kernel_info() -> None:
    """Say what is built, and what a build would need."""
    from emulator import console

    sys.exit(console.kernel_info())


@kernel.command("path")
def kernel_path() -> None:
    """Print the file of the kernel that runs would use; exit code 3 where there is none."""
    from emulator import console

    sys.exit(console.kernel_path())


@kernel.command("clean")
def kernel_clean() -> None:
    """Remove all kernels built."""
    from emulator import console

    console.kernel_clean()


@cli.command()
@click.argument("parts", nargs=-1, metavar="[plan|retune|build|speed|delay|transfer]...")
def bench(parts: tuple[str, ...]) -> None:
    """Measure on this machine what Lasermesh costs and how exact it is, as ratios.

    Without arguments everything, which takes some twenty minutes.
    """
    from emulator import console

    console.bench(parts)


@cli.command()
@click.argument("scenario")
@click.option("--routing", "routings", required=True, help="Protocols, by commas: a,b,c.")
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, help="Runs of each, by seed.")
@click.option("--clock", type=click.Choice(["auto", "real", "virtual"]), default="auto")
@click.option("--at-once", type=click.IntRange(1, 256), help="Runs side by side. Default: cores.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "markdown"]),
    default="table",
    show_default=True,
)
def compare(scenario: str, **options: Any) -> None:
    """Run SCENARIO under several routing protocols and compare what became of its traffic.

    Every run is kept. A run that fails is told, and the others go on.

    \b
    lasermesh compare iridium-next --routing static,bird-ospf,frr-ospf --repeat 3
    """
    from emulator.lab import show

    sys.exit(show.compare(scenario, **options))


cli.add_command(experiment)


@cli.command(hidden=True)
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.argument("run_id")
@click.option("--hold", is_flag=True)
@click.option("--pcap", multiple=True)
def emulate(run_dir: Path, run_id: str, hold: bool, pcap: tuple[str, ...]) -> None:
    """Be the half of a run that is inside the user-mode kernel."""
    from emulator.session import emulate_inside

    sys.exit(emulate_inside(run_dir, run_id, hold, pcap))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: run the command line and return its exit code."""
    try:
        cli.main(args=None if argv is None else list(argv), prog_name="lasermesh")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0
