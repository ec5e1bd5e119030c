"""What the subcommands do with a terminal: progress, tables, exit codes. ``print`` lives here."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from emulator import record, tables
from emulator.errors import CapabilityError, RunError
from emulator.kernel import image, namespaces, ownership
from emulator.kernel.attach import attach
from emulator.part import emulated, part_of, part_text
from emulator.scenario import Scenario, locate
from emulator.scenario_checks import whole

_UP_DEADLINE_S = 180.0
_KERNELS = {
    "host": "the host's",
    "usermode": "Debian's user-mode kernel",
    "virtual": "user-mode with virtual time",
}


_out = tables.console()


def _load(reference: str, routing: str | None = None, hours: float | None = None) -> Scenario:
    scenario = Scenario.load(reference)
    if routing is None and hours is None:
        return scenario
    table = json.loads(scenario.to_json())
    if routing is not None:
        table["routing"]["protocol"] = whole(routing, Path())
    if hours is not None:
        table["scenario"]["duration_s"] = hours * 3600.0
    return Scenario.from_table(table, locate(reference))


def run(
    reference: str,
    clock: str,
    kernel: str,
    routing: str | None,
    runs: Path,
    pcap: Sequence[str] = (),
) -> None:
    """Prepare, emulate with a progress bar, and print what came of it."""
    from emulator.session import Session, choose_kernel

    scenario = emulated(_load(reference, routing), reference)
    chosen = choose_kernel(kernel, clock)
    _sweep_dead()
    session = Session(scenario, locate(reference), chosen, runs, hold=False, pcap=pcap)
    _introduce(session)
    with _Watch(session.plan.steps) as watch:
        summary = session.run(watch.take)
    tables.print_summary(_out, summary)
    _out.print(tables.pace_text(session.machine))
    _out.print(f"\n{session.run_dir}  (report.html, summary.json)")


def packets(capture: Path, form: str) -> None:
    """Print the routing messages of a capture."""
    from emulator.lab.capture import COLUMNS, rows

    found = rows(capture)
    if form == "json":
        json.dump(list(found), sys.stdout, indent=1)
        print()
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    else:
        _out.print(tables.table(found, COLUMNS))


def _introduce(session: Any) -> None:
    plan, run = session.plan, session.scenario.scenario
    network = plan.network
    _out.print(f"[bold]{run.name}[/]  {run.description}")
    _out.print(
        f"{len(network.satellites)} satellites, {len(network.stations)} stations, "
        f"{len(network.ports)} ports; {run.start:%Y-%m-%d %H:%M:%S} UTC + {run.duration_s:g} s; "
        f"rates and object sizes / {run.rate_scale:g}"
    )
    if part := part_text(part_of(session.scenario)):
        _out.print(part, soft_wrap=True)
    if len(network.ports) and not len(plan.contacts):
        _out.print(
            "[yellow]no link comes up at any time:[/] `lasermesh plan SCENARIO --explain A B` "
            "tells of any two nodes why",
            soft_wrap=True,
        )
    kernel, clock = _KERNELS[session.kernel], record.clock_of(session.kernel)
    _out.print(f"kernel: {kernel}; clock: {clock}; routing: {session.scenario.routing.protocol}")
    bounds = session.needs
    _out.print(f"needs at most {bounds.memory_mb} MB of memory, {bounds.processes} processes")


class _Watch:
    """A progress bar on a terminal, plain lines elsewhere; no thread, since workers are forked."""

    _LINE_EVERY = 30

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.live = _out.is_terminal
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=_out,
            auto_refresh=False,
        )

    def __enter__(self) -> "_Watch":
        if self.live:
            self.progress.start()
        self.task = self.progress.add_task("starting", total=self.steps, note="")
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.progress.stop()

    def take(self, event: dict[str, Any]) -> None:
        """Show an event."""
        if event.get("event") == "step":
            note = f"lag {event['lag_ms']:.1f} ms, {event['changes']} ports retuned"
            done = event["step"] + 1
            self.progress.update(self.task, completed=done, description="playing", note=note)
            self._show()
            if not self.live and (done % self._LINE_EVERY == 0 or done == self.steps):
                print(f"step {done}/{self.steps}: {note}", flush=True)
        elif text := tables.event_text(event):
            if event["event"] == "up":
                ours = [run.run_id for run in ownership.runs() if run.pid == os.getpid()]
                text = f"up: run {', '.join(ours)}"
            self.progress.update(self.task, description=event["event"])
            self._show()
            _out.print(text)

    def _show(self) -> None:
        if self.live:
            self.progress.refresh()


def _sweep_dead() -> None:
    for dead in ownership.sweep_dead():
        _out.print(f"removed what the dead run {dead.run_id} ({dead.scenario}) had left")


def doctor() -> int:
    """Print the findings; 0 if a run can start, 3 otherwise."""
    from emulator.doctor import examine

    findings, kernel = examine()
    for each in findings:
        mark = "[yellow]no[/]" if each.trouble else "[green]ok[/]"
        _out.print(f"{mark}  {each.subject}: {each.trouble or each.good}")
        if each.trouble:
            _out.print(f"      → {each.remedy}")
    if not kernel:
        _out.print("\n[red]A run cannot start here.[/] Get a kernel: lasermesh kernel build")
        return 3
    _out.print(
        f"\n`lasermesh run` will use this kernel: {_KERNELS[kernel]}; "
        f"clock: {record.clock_of(kernel)}."
    )
    return 0


def bench(parts: Sequence[str]) -> None:
    """Run benchmarks and print a table each, a row as soon as it is known."""
    from emulator.bench import PARTS

    if unknown := [part for part in parts if part not in PARTS]:
        raise RunError(f"no benchmark {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for part in parts or PARTS:
        measure = PARTS[part]
        _out.print(f"\n[bold]{part}[/]: {(measure.__doc__ or '').strip()}")
        for row in measure():
            _out.print("  " + "  ".join(f"{name} {tables.short(row[name])}" for name in row))


def kernel_build() -> None:
    """Build the virtual-time kernel, showing how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_out, auto_refresh=False) as progress:
        task = progress.add_task("starting", total=1.0)
        said = ""

        def show(what: str, done: float) -> None:
            nonlocal said
            progress.update(task, description=what, completed=done)
            if _out.is_terminal:
                progress.refresh()
            elif what != said:
                said = what
                print(what, flush=True)

        path = image.build(show)
        progress.update(task, description="built", completed=1.0)
    _out.print(str(path), soft_wrap=True)


def kernel_info() -> int:
    """Print what is built and what a build lacks; 0 if a kernel is there, 3 otherwise."""
    found = image.find()
    for path in sorted(image.cache_dir().glob("linux-*")):
        used = "used by runs" if path == found else "of another recipe or an older source"
        _out.print(f"{path}  {path.stat().st_size / 1e6:.1f} MB, {used}", soft_wrap=True)
    if found is None:
        _out.print("not built. Build it: lasermesh kernel build")
    if lacking := image.packages_missing():
        _out.print(f"a build lacks these Debian packages: {' '.join(lacking)}")
    else:
        version = image.source_version()
        _out.print(f"source to build from: {image.TARBALL}, version {version}")
    return 0 if found else CapabilityError.exit_code


def kernel_path() -> int:
    """Print the kernel's path; 3 where there is none."""
    found = image.find()
    print(found or f"no virtual-time kernel: {image.missing()}", file=None if found else sys.stderr)
    return 0 if found else CapabilityError.exit_code


def kernel_clean() -> None:
    """Remove all kernels built."""
    for path in image.clean():
        print(f"removed {path}")


def up(
    reference: str, kernel: str, routing: str | None, hours: float | None, detach: bool, runs: Path
) -> None:
    """Bring a scenario up and hold it."""
    from emulator.session import Session, choose_kernel

    scenario = emulated(_load(reference, routing, hours), reference)
    chosen = choose_kernel(kernel)
    _sweep_dead()
    if detach:
        _detach(reference, kernel, routing, hours, runs)
        return
    session = Session(scenario, locate(reference), chosen, runs, hold=True)
    _introduce(session)
    with _Watch(session.plan.steps) as watch:
        session.run(watch.take)
    _out.print(f"down; {session.run_dir}")


def _detach(
    reference: str, kernel: str, routing: str | None, hours: float | None, runs: Path
) -> None:
    """Start `up` in a session of its own and return when the emulation answers."""
    argv = [sys.executable, "-m", "emulator", "up", reference, "--kernel", kernel]
    argv += ["--runs", str(runs)]
    argv += ["--routing", routing] if routing else []
    argv += ["--for", str(hours)] if hours else []
    runs.mkdir(parents=True, exist_ok=True)
    log = runs / "up.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )

    def ready() -> bool:
        if child.poll() is not None:
            raise RunError(f"it did not come up:\n{log.read_text()}")
        own = next((run for run in ownership.runs() if run.pid == child.pid), None)
        return own is not None and record.has_event(Path(own.run_dir), "up")

    try:
        up_in_time = ownership.wait_for(ready, _UP_DEADLINE_S)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    if not up_in_time:
        child.terminate()
        raise RunError(f"it was not up within {_UP_DEADLINE_S:.0f} s; see {log}")
    run = next((run for run in ownership.runs() if run.pid == child.pid), None)
    if run is None:
        raise RunError(f"it was up and has ended; see {log}")
    _out.print(f"run {run.run_id} ({run.scenario}) is up. Take it down: lasermesh down")


def execute(run_id: str | None, node: str, command: Sequence[str], prompt: bool = False) -> int:
    """Run a command in a node, here or inside the run's user-mode kernel; return its exit code."""
    run = ownership.find(run_id)
    if run.kernel != "host":
        inner = ["lasermesh", *(["shell", node] if prompt else ["exec", node, "--", *command])]
        return attach(run.state_dir / "tunnel.sock", inner)
    known = [
        name.removeprefix(f"{run.namespace}-") for name in namespaces.names(f"{run.namespace}-")
    ]
    if node not in known:
        raise RunError(f"run {run.run_id} has no node {node!r}; it has {', '.join(known)}")
    namespaces.enter(f"{run.namespace}-{node}")
    if prompt:
        os.environ["PS1"] = f"[{node}] \\w # "
    try:
        os.execvp(command[0], list(command))
    except OSError as error:
        print(f"cannot run {command[0]!r} in {node}: {error.strerror}", file=sys.stderr)
        return 127


def inspect(run_id: str | None, form: str) -> int:
    """Print desired and held state of every port; 1 if any differ."""
    run = ownership.find(run_id)
    if run.kernel != "host":
        return attach(run.state_dir / "tunnel.sock", ["lasermesh", "inspect", "--format", form])
    from emulator.inspection import inspect as look

    found = look(run)
    if form == "json":
        print(json.dumps(found.rows(), indent=1))
    else:
        _out.print(tables.inspection_table(found.rows()))
        _out.print(f"{len(found.drifted)} of {len(found.desired)} ports differ")
    return 1 if len(found.drifted) else 0


def down(run_ids: Sequence[str]) -> int:
    """Take down runs; 0 also where there is nothing, 1 if a named one is unknown."""
    found = {run.run_id: run for run in ownership.runs()}
    unknown = [run_id for run_id in run_ids if run_id not in found]
    for run_id in run_ids or found:
        if run_id in found:
            ownership.take_down(found[run_id])
            print(f"{run_id} ({found[run_id].scenario}): down")
    for run_id in unknown:
        print(f"{run_id}: no such run", file=sys.stderr)
    if not found and not run_ids:
        print("nothing is up")
    return 1 if unknown else 0
