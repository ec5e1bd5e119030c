"""One run from command to result: choose a kernel, emulate there, write down what came of it.

    lasermesh run ──> prepare ──> emulate here (host kernel) ─────────────┐
                          └─────> user-mode kernel ──> emulate in there ──┴─> summary, report

Events flow one way, from the emulation to ``Recorder`` and whoever watches; inside a user-mode
kernel they are JSON lines on standard output. Of the two user-mode kernels one has virtual time:
there everything but the wall clock's readings in machine.json repeats to the byte.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from emulator import record
from emulator.errors import CapabilityError, LasermeshError, RunError
from emulator.kernel import image, ownership, probe
from emulator.kernel.parentage import set_timer_slack
from emulator.kernel.tunnel import Kind
from emulator.kernel.usermode import UserModeKernel, Virtual
from emulator.linkplan import LinkPlan
from emulator.needs import Needs
from emulator.part import emulated
from emulator.scenario import Scenario
from emulator.units import NS_PER_S

Kernel = Literal["host", "usermode", "virtual"]
Watch = Callable[[dict[str, Any]], None]

_FAILED = "failed"
_FINDINGS = "findings.jsonl"
_INNER_RUN = "000000"
"""Id of a run inside a user-mode kernel, where it is the only one: nothing there may differ."""


def choose_kernel(wanted: str, clock: str = "real") -> Kernel:
    """Return the kernel for ``wanted`` (auto, host, usermode) and ``clock`` (auto, real, virtual).

    Raises CapabilityError naming what lacks and how to get it.
    """
    if clock == "virtual" and wanted == "host":
        raise CapabilityError("virtual time needs a kernel of its own: leave out --kernel host")
    if clock != "real" and wanted != "host":
        unbuilt = image.missing()
        if not unbuilt and (clock == "virtual" or wanted == "auto"):
            return "virtual"
        if clock == "virtual":
            raise CapabilityError(f"no virtual-time kernel: {unbuilt}")
    host = "" if wanted == "usermode" else probe.this_kernel().lacks
    if wanted != "usermode" and not host:
        return "host"
    if wanted == "host":
        raise CapabilityError(f"the host's kernel cannot carry an emulation: {host}")
    missing = probe.user_mode_kernel()
    if not missing:
        return "usermode"
    tried = f"the host's kernel: {host}; " if host else ""
    raise CapabilityError(
        f"no kernel can carry an emulation: {tried}the user-mode kernel: {missing}; "
        f"the virtual-time kernel: {image.missing()}.\n"
        "On Debian: sudo apt-get install user-mode-linux, or lasermesh kernel build. Elsewhere "
        "run as root with sch_netem loaded. `lasermesh doctor` tells more."
    )


class Session:
    """A prepared run: its directory exists, nothing in any kernel does yet."""

    def __init__(
        self,
        scenario: Scenario,
        source: Path,
        kernel: Kernel,
        runs_root: Path,
        hold: bool,
        pcap: Sequence[str] = (),
    ) -> None:
        self.scenario = scenario = emulated(scenario, source)
        self.kernel = kernel
        self.hold = hold
        self.plan = LinkPlan.of(scenario)
        self.pcap = pcap
        for label in pcap:
            self.plan.network.port_named(label)
        self.needs = Needs.of(scenario, self.plan.network)
        self.needs.check(in_user_mode=kernel != "host")
        self.began = datetime.now(UTC)
        self.run_dir = record.create(scenario, source, runs_root, self.began).resolve()
        self.recorder = record.Recorder(self.run_dir)
        self.pace = Pace()
        self.machine: dict[str, Any] = {}
        """What went into machine.json, once the emulation has ended."""

    def run(self, watch: Watch) -> dict[str, Any]:
        """Emulate, then write tables, summary, machine facts and report; return the summary.

        Raises whatever stopped the emulation, after everything of it has been removed.
        """

        def take(event: dict[str, Any]) -> None:
            self.pace.take(event)
            self.recorder.take(event)
            watch(event)

        record.write_plan(self.plan, self.run_dir / "plan.npz")
        load_before = os.getloadavg()
        try:
            if self.kernel == "host":
                emulate(self.scenario, self.run_dir, None, self.hold, take, self.pcap)
            else:
                self._in_user_mode(take)
        finally:
            self.recorder.close()
            self._write_machine(load_before)
        return self.finish()

    def finish(self) -> dict[str, Any]:
        """Write what is derived from a finished run; return the summary."""
        records = read_records(self.run_dir / _FINDINGS)
        record.write_tables(self.run_dir, self.recorder.named("step"), records)
        add_expectations(self.plan, self.run_dir)
        record.write_plan_tables(self.run_dir, self.plan)
        (self.run_dir / _FINDINGS).unlink(missing_ok=True)  # it all stands in the tables now
        summary = record.summarise(self.run_dir, self.recorder, self.plan, self.kernel)
        from emulator.report import write_report

        write_report(self.run_dir)
        return summary

    def _write_machine(self, load_before: tuple[float, float, float]) -> None:
        facts = self.recorder.named("machine")
        routing = self.recorder.named("routing started")
        self.machine = record.write_machine(
            self.run_dir,
            {
                "kernel_release": facts[-1]["release"] if facts else None,
                "routing": routing[-1]["version"] if routing else None,
                "clock": record.clock_of(self.kernel),
                **self.pace.facts(),
                "began": self.began.isoformat(timespec="seconds"),
                "ended": datetime.now(UTC).isoformat(timespec="seconds"),
                "cores": os.cpu_count(),
                "load_before": [round(x, 2) for x in load_before],
                "load_after": [round(x, 2) for x in os.getloadavg()],
            },
        )

    def _in_user_mode(self, take: Watch) -> None:
        run = ownership.claim(self.scenario.scenario.name, self.run_dir, self.kernel)
        failure: list[str] = []
        lines = _Lines(lambda line: self._event(line, take, failure))
        errors = _Lines(lambda line: print(line, file=sys.stderr))
        argv = ["lasermesh", "emulate", str(self.run_dir), _INNER_RUN]
        argv += ["--hold"] if self.hold else []
        argv += [f"--pcap={label}" for label in self.pcap]
        try:
            with UserModeKernel(
                run.state_dir,
                self.needs.memory_mb,
                argv,
                lambda kind, data: (lines if kind is Kind.STDOUT else errors).feed(data),
                self._virtual() if self.kernel == "virtual" else None,
            ) as kernel:
                assert kernel.process is not None
                run = ownership.has_guest(run, kernel.process.pid)
                kernel.serve()
                code = kernel.run()
        finally:
            ownership.discard(run)
        if failure:
            raise _rebuilt(json.loads(failure[0]))
        if code == 128 + signal.SIGINT:
            raise KeyboardInterrupt
        if code:
            raise RunError(f"the emulation inside the user-mode kernel ended with code {code}")

    def _virtual(self) -> Virtual:
        found, about = image.find(), self.scenario.scenario
        if found is None:
            raise CapabilityError(f"no virtual-time kernel: {image.missing()}")
        # 0 would mean the host's randomness.
        return Virtual(found, round(about.start.timestamp()) * NS_PER_S, about.seed + 1)

    @staticmethod
    def _event(line: str, take: Watch, failure: list[str]) -> None:
        event = json.loads(line)
        if event["event"] == _FAILED:
            failure.append(line)
        else:
            take(event)


_LANDMARKS = {
    "building": "boot",
    "built": "build",
    "lit": "light",
    "routing started": "routing start",
    "converged": "converging",
    "started": "ready",
    "finished": "playing",
}


class Pace:
    """How the wall clock and the run's own clock went, from one landmark of a run to the next."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.wall_s: dict[str, float] = {}
        self.clock_s: dict[str, float] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Note the moment of a landmark; ``seconds`` of an event are of the run's own clock."""
        if phase := _LANDMARKS.get(event["event"]):
            now = time.monotonic()
            self.wall_s[phase] = round(now - self._last, 3)
            self._last = now
            if "seconds" in event:
                self.clock_s[phase] = round(event["seconds"], 6)

    def facts(self) -> dict[str, Any]:
        """Return seconds by phase on both clocks, and how fast the run's went while playing."""
        playing = self.wall_s.get("playing")
        speed = self.clock_s["playing"] / playing if playing else None
        return {"wall_s": self.wall_s, "clock_s": self.clock_s, "speed": speed}


class _Lines:
    """Cuts a byte stream into lines."""

    def __init__(self, each: Callable[[str], None]) -> None:
        self._each = each
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take in ``data`` and hand on the lines that it completes."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._each(line.decode(errors="replace"))


def emulate(
    scenario: Scenario,
    run_dir: Path,
    run_id: str | None,
    hold: bool,
    notify: Watch,
    pcap: Sequence[str] = (),
) -> None:
    """Emulate on the kernel under us, writing findings and logs into ``run_dir``.

    ``hold``: stay up after the plan's end, until interrupted.
    """
    from emulator.emulation import Emulation, interruptible, machine_facts

    set_timer_slack(1)  # steps and probes are due to the microsecond, not to the kernel's 50
    with interruptible():
        emulation = Emulation(scenario, run_id, run_dir, notify, pcap=pcap)
        try:
            with emulation:
                notify({"event": "up"})
                emulation.play()
                notify({"event": "machine", **machine_facts()})
                if hold:
                    notify({"event": "holding"})
                while hold:
                    time.sleep(3600)
        except KeyboardInterrupt:
            if not hold:
                raise
        finally:
            with (run_dir / _FINDINGS).open("w") as findings:
                findings.writelines(json.dumps(each) + "\n" for each in emulation.records)


def emulate_inside(run_dir: Path, run_id: str, hold: bool, pcap: Sequence[str] = ()) -> int:
    """Be the half of a run inside the user-mode kernel: JSON lines out; return the exit code."""
    # The stream is the protocol: whatever a library prints must not get into it.
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    scenario = Scenario.load(run_dir / "scenario.json")

    def notify(event: dict[str, Any]) -> None:
        print(json.dumps(event), file=events)
        if event["event"] in _LANDMARKS:
            time.sleep(1e-9)  # let PID 1 pass it on now: the host's clock is to see the moment

    try:
        emulate(scenario, run_dir, run_id, hold, notify, pcap)
    except LasermeshError as error:
        failed = {"event": _FAILED, "kind": type(error).__name__, "message": str(error)}
        print(json.dumps(failed), file=events)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _rebuilt(failed: dict[str, str]) -> LasermeshError:
    from emulator import errors

    kind = getattr(errors, failed["kind"], LasermeshError)
    return kind(failed["message"]) if kind is not errors.ScenarioError else RunError(str(failed))


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the findings of the workloads."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def add_expectations(plan: LinkPlan, run_dir: Path) -> None:
    """Give every probe of run.sqlite the round trip that geometry predicts for its moment.

    Both over the quickest path and, where routes were recorded, over those.
    """
    from emulator.lab.fib import Tables
    from protocols.ping import Expectation

    routes = record.read_routes(run_dir)
    expected = Expectation(plan, Tables.of(plan.network, routes) if routes else None)
    rows = []
    for rowid, t_s, *names in record.read_probes(run_dir):
        a, b = (plan.network.node(name).index for name in names)
        rows.append((expected.rtt_ms(a, b, t_s), expected.path_ms(a, b, t_s), rowid))
    record.write_expectations(run_dir, rows)
