"""A scenario brought to life on this kernel: fabric, routing, workloads, player, in that order.

Everything that is started is undone by the same ExitStack, also on errors, and on signals within
:func:`interruptible`. Where this code runs (the host, or inside the user-mode kernel) makes no
difference to it.
"""

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from emulator.clock import Clock, RealClock, VirtualClock
from emulator.coldstart import stages
from emulator.costout import CostOut
from emulator.energy import changes
from emulator.errors import CapabilityError, DaemonError, KernelError, RunError
from emulator.kernel import ownership
from emulator.kernel.fabric import Fabric
from emulator.kernel.forked import Forked
from emulator.kernel.node import NodeHandle
from emulator.kernel.probe import this_kernel
from emulator.kernel.routewatch import RouteWatch
from emulator.kernel.tap import Taps
from emulator.kernel.usermode import KERNEL_MARK
from emulator.kernel.workers import Worker
from emulator.lab import costs
from emulator.lab.costs import Costs
from emulator.linkplan import LinkPlan
from emulator.part import emulated
from emulator.player import Player, Step
from emulator.record import ROUTES
from emulator.scenario import Scenario
from emulator.sizing import agents
from protocols import base

Notify = Callable[[dict[str, Any]], None]

_CARRIER_S, _CARRIERS_PER_S, _CARRIER_LOOK_S = 60.0, 50, 0.1
_LEAD_S = 0.5
"""Between the last preparation and the first step, so that the workloads are ready for it."""
_AGENT_LEAD_S = 0.4
"""In real time so much more for each agent: they are forked one after the other, and two busy cores
took as long in the user-mode kernel."""
_PHASES = {
    "starting": "{:g} s after routing was started",
    "converging": "{:g} s after all daemons were up",
    "playing": "At second {:g}",
}
"""When a daemon was found to have failed. While the run plays, that is looked at once a step."""


class Emulation:
    """A running emulation; use as a context manager.

    Entering builds the nodes and links in the state of step 0, starts routing and waits until it
    has converged. ``play`` then retunes the sky in real time.

        with Emulation(Scenario.load("three-body")) as emulation:
            emulation["scs-01-a"].spawn(["iperf3", "-s"], log)
            emulation.play()

    Raises CapabilityError where this kernel lacks what the fabric needs.
    """

    def __init__(
        self,
        scenario: Scenario,
        run_id: str | None = None,
        run_dir: Path | None = None,
        notify: Notify = lambda event: None,
        clock: Clock | None = None,
        pcap: Sequence[str] = (),
    ) -> None:
        self.scenario = emulated(scenario)
        self.plan = LinkPlan.of(self.scenario)
        self.notify = notify
        self.clock = clock or kernel_clock()
        self.run_id = run_id
        self.run_dir = run_dir
        self.pcap = pcap
        self.records: list[dict[str, Any]] = []
        self._stack = ExitStack()

    def __enter__(self) -> "Emulation":
        if lacks := this_kernel().lacks:
            raise CapabilityError(
                f"this kernel cannot carry an emulation: {lacks}. See `lasermesh doctor`."
            )
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:  # a socket a node, and one more for each workload
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._load()
        self.clock.begin(self.scenario.scenario.start.timestamp())
        with ExitStack() as undo:
            self._claim(undo)
            self._build(undo)
            self._start_routing(undo)
            self._stack = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __getitem__(self, name: str) -> NodeHandle:
        """Return the handle of a node by name."""
        return self.fabric.nodes[name]

    @property
    def nodes(self) -> dict[str, NodeHandle]:
        """All node handles by name."""
        return self.fabric.nodes

    def _load(self) -> None:
        """Import what the scenario names: later, looking for files would take virtual time."""
        self._scheme = base.load("lasermesh.routing", self.scenario.routing.protocol)
        self._workloads: list[base.Workload] = [
            base.load("lasermesh.workload", spec.kind)(spec, self.plan)
            for spec in self.scenario.workload
        ]
        for spec, work in zip(self.scenario.workload, self._workloads, strict=True):
            # Optional: what needs nothing of the machine has no such method.
            if lacking := getattr(work, "missing", str)():
                raise CapabilityError(f"workload {spec.kind!r} cannot run here: {lacking}")

    def _claim(self, undo: ExitStack) -> None:
        run_dir = self.run_dir or Path(tempfile.gettempdir())
        name = self.scenario.scenario.name
        self.run = ownership.claim(name, run_dir, "host", self.run_id)
        undo.callback(ownership.discard, self.run)
        if self.run_dir:
            undo.callback(_keep_logs, self.run.state_dir, self.run_dir / "logs")

    def _build(self, undo: ExitStack) -> None:
        network = self.plan.network
        silent = self.scenario.scenario.light_lost == "silent"
        self.fabric = Fabric(network, self.run.namespace, self.run.state_dir, silent)
        undo.callback(self.fabric.close)
        undo.callback(ownership.sweep, self.run)
        self.player = Player(self.plan, self.fabric, self.clock)
        self.tell("building")
        seconds = self.fabric.build(self.player.dark)
        self.tell("built", nodes=len(network.nodes), ports=len(network.ports), seconds=seconds)
        began = self.clock.now()
        self.player.show(0)
        self._verify()
        allowed_s = _CARRIER_S + 2 * len(network.ports) / _CARRIERS_PER_S
        if not ownership.wait_for(self.fabric.noticed, allowed_s, _CARRIER_LOOK_S):
            raise RunError(f"nodes did not see the light of their links within {allowed_s:.0f} s")
        self._save_desired()
        self.tell("lit", seconds=self.clock.now() - began)

    def _verify(self) -> None:
        """Prove by read-back that the kernel holds what it was told. Raises RunError."""
        held = self.fabric.observe()
        wrong = np.flatnonzero(held != self.player.state)
        if len(wrong):
            port = int(wrong[0])
            raise RunError(
                f"the kernel does not hold what it was told at {len(wrong)} ports; first "
                f"{self.plan.network.port_label(port)}: told {self.player.state[port]}, "
                f"holds {held[port]}"
            )

    def _start_routing(self, undo: ExitStack) -> None:
        word = self.scenario.routing.protocol
        if lacking := self._scheme.missing():
            raise CapabilityError(f"routing {word!r} cannot run here: {lacking}")
        self.routing: base.Routing = self._scheme(self.plan, self.nodes)
        if (bfd_ms := self.scenario.routing.bfd_ms) and not getattr(self.routing, "has_bfd", False):
            reason = f"routing {word!r} has no BFD: bfd_ms = {bfd_ms} changes nothing"
            self.tell("setting not used", key="routing.bfd_ms", reason=reason)
        self._cost_out = self._announcement()
        undo.callback(self.routing.stop)
        self._watch_routes(undo)
        self._count()
        self._capture(undo)
        state, dark = self.player.state, self.player.dark
        steps = stages(self.plan.network, state, dark) if self.routing.floods else [state]
        if len(steps) > 1:
            # Carriers stay: the kernel notices only a hundred changes a second.
            self.fabric.apply(dark, silent=True)
        began = self.clock.now()
        with self._dated("starting", began):
            self.routing.start()
        seconds = self.clock.now() - began
        version = self.routing.version()
        self.tell("routing started", protocol=word, version=version, seconds=seconds)
        began = self.clock.now()
        with self._dated("converging", began):
            self.routing.step(state)
            for step in steps:
                self.fabric.apply(step, silent=True)
                self.routing.converge(step, self.scenario.routing.converge_s)
        self.tell("converged", protocol=word, seconds=self.clock.now() - began)

    @contextmanager
    def _dated(self, phase: str, began: float) -> Iterator[None]:
        """Say when a daemon was found to have failed, in seconds since ``began``."""
        try:
            yield
        except DaemonError as error:
            t_s = round(self.clock.now() - began, 3)
            error.when = _PHASES[phase].format(t_s)
            who = {"node": error.node or None, "daemon": error.daemon or None}
            self.tell("daemon failed", phase=phase, t_s=t_s, **who)
            raise

    def _announcement(self) -> CostOut | None:
        """Which cuts routing is told of, where the scenario wants that and the scheme can."""
        section, plan = self.scenario.routing, self.plan
        if not section.cost_out_s or not hasattr(self.routing, "cost_out"):
            return None
        return CostOut(plan.contacts, plan.steps, plan.step_s, section.cost_out_s, section.dead_s)

    def _watch_routes(self, undo: ExitStack) -> None:
        """Record what becomes of the routes, where that is wanted and there is a place for it."""
        self._routes: RouteWatch | None = None
        if self.run_dir and self.scenario.routing.recorded(len(self.nodes)):
            family, path = base.family(self.scenario), self.run_dir / ROUTES
            self._routes = RouteWatch(self.nodes, self.clock, path, family)
            undo.callback(self._routes.end)
            self._unrecorded(self._routes.begin())

    def _unrecorded(self, reason: str) -> None:
        if reason:
            self._routes = None
            self.tell("routes not recorded", reason=reason)

    def _count(self) -> None:
        """Count control traffic and losses, where that is wanted and there is a place for it."""
        self._costs: Costs | None = None
        self._count_s = self.scenario.routing.counted_every_s(len(self.nodes))
        if not self.run_dir or not self._count_s:
            return
        network, path = self.plan.network, self.run_dir / costs.FILE
        labels = [network.port_label(port.index) for port in network.ports]
        virtual = isinstance(self.clock, VirtualClock)
        try:
            counters = self.fabric.counters(getattr(self.routing, "counted", None))
            self._costs = Costs(counters, labels, path, virtual)
        except KernelError as error:
            self.tell("control not counted", reason=str(error))

    def _capture(self, undo: ExitStack) -> None:
        """Capture what crosses the ports of ``pcap``, each as ``node:port``, into the run's folder.

        Raises RunError where that cannot be: it was asked for.
        """
        self._taps: Taps | None = None
        if not self.pcap or not self.run_dir:
            return
        ports = {}
        for label in self.pcap:
            node, port = self.plan.network.port_named(label)
            ports[self.run_dir / f"{node}-{port}.pcap"] = self.nodes[node], port
        self._taps = Taps(ports, self.run.state_dir / "captures.jsonl")
        undo.callback(self._taps.end)
        if reason := self._taps.begin():
            raise RunError(f"cannot capture {', '.join(self.pcap)}: {reason}")

    def _read_costs(self, t_s: float) -> None:
        if not self._costs:
            return
        daemons = getattr(self.routing, "daemons", {})
        try:
            pids = {who: process.pid for who, process in daemons.items()}
            forked = {who for who, process in daemons.items() if isinstance(process, Forked)}
            self._costs.read(t_s, pids, forked)
        except (KernelError, OSError) as error:
            self._costs = None
            self.tell("control not counted", t_s=t_s, reason=str(error))

    def tell(self, event: str, **what: Any) -> None:
        """Hand an event to whoever watches."""
        self.notify({"event": event, **what})

    def play(self) -> None:
        """Run the workloads and step through the whole plan. Raises DaemonError, RunError."""
        forks_s = 0.0 if isinstance(self.clock, VirtualClock) else _AGENT_LEAD_S
        start = self.clock.now() + _LEAD_S + forks_s * agents(self.scenario)
        self.clock.call(start, self.scenario.scenario.start.timestamp())
        with self._working(start) as workers:
            self.tell("started", steps=self.plan.steps, step_s=self.plan.step_s)
            with self._dated("playing", start):
                self.player.play(start, lambda step: self._on_step(step, workers))
                self.routing.check()
            for worker in workers:
                worker.finish()
                self.records += worker.collect()
        seconds = self.clock.now() - start
        self._read_costs(self.plan.steps * self.plan.step_s)
        self._verify()
        if self._routes:
            self._unrecorded(self._routes.finish(start))
        for capture in self._taps.finish() if self._taps else ():
            self.tell("packets captured", **capture)
        self.tell("finished", seconds=seconds)

    def _on_step(self, step: Step, workers: list[Worker]) -> None:
        self.routing.check()
        if hasattr(self.routing, "foresee"):
            self.routing.foresee(step.step)
        self.routing.step(self.player.state)
        if self._cost_out:
            self.routing.cost_out(self._cost_out.at(step.step))
        for fault in self.player.faults.told(step.t_s - self.plan.step_s, step.t_s):
            self.tell("fault", **fault)
        for event, load, satellites in changes(self.plan.timeline.shed, step.step):
            names = [self.plan.network.nodes[each].name for each in satellites]
            self.tell(event, t_s=step.t_s, load=load, count=len(names), nodes=names)
        if step.changes:
            self._save_desired()
        self.tell(
            "step",
            step=step.step,
            t_s=step.t_s,
            lag_ms=round(step.lag_ms, 3),
            apply_ms=round(step.apply_ms, 3),
            changes=step.changes,
        )
        if self._costs and step.t_s >= self._costs.read_s + self._count_s:
            self._read_costs(step.t_s)
        for worker in workers:
            worker.check()
            for record in worker.collect():
                self.records.append(record)
                if "event" in record:
                    self.notify(record)

    @contextmanager
    def _working(self, start: float) -> Iterator[list[Worker]]:
        """Start every workload in a process of its own; end them however the block ends."""
        with ExitStack() as stack:
            workers = []
            for number, (spec, work) in enumerate(
                zip(self.scenario.workload, self._workloads, strict=True)
            ):
                path = self.run.state_dir / f"workload-{number}.jsonl"
                worker = Worker(f"{spec.kind}-{number}", path)
                stack.callback(worker.end)
                worker.start(
                    lambda record, work=work: work.run(self.nodes, self.clock, start, record)
                )
                workers.append(worker)
            yield workers

    def _save_desired(self) -> None:
        """Leave what the fabric was told for `lasermesh inspect`, whole or not at all."""
        draft = self.run.state_dir / "desired.new.npy"
        np.save(draft, self.player.state)
        draft.rename(self.run.state_dir / "desired.npy")


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, so that ``finally`` and ExitStack run."""

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, _: object) -> None:
        for kind in kinds:  # an impatient second one must not cut the undoing short
            signal.signal(kind, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {kind: signal.signal(kind, interrupt) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _keep_logs(state_dir: Path, logs: Path) -> None:
    """Copy configurations and logs of every node out of the state folder before it goes."""
    for path in state_dir.glob("*/*"):
        if path.suffix in (".conf", ".log", ".out") and path.stat().st_size:
            target = logs / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def kernel_clock() -> Clock:
    """The clock of the kernel under us."""
    return VirtualClock() if os.environ.get(KERNEL_MARK) == "virtual" else RealClock()


def machine_facts() -> dict[str, Any]:
    """What this kernel says of itself: release and load averages."""
    return {"release": os.uname().release, "load": [round(x, 2) for x in os.getloadavg()]}
