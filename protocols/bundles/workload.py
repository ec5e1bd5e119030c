"""``[[workload]] kind = "bundles"``: a bundle node in every satellite and station, and sources."""

import signal
from typing import TYPE_CHECKING, Any

from emulator.clock import Clock
from emulator.errors import RunError
from emulator.linkplan import LinkPlan
from emulator.reboots import reboots
from emulator.workloads import BundlesWorkload
from protocols.base import Nodes, Record
from protocols.bundles import agent
from protocols.bundles.shared import Network

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

_LOOK_S = 0.5
_DOWN_S = 1.0
"""How long a node that was killed stays down, unless its satellite does."""


class Bundles:
    """Starts the bundle nodes, and starts again those that are killed."""

    def __init__(self, spec: BundlesWorkload, plan: LinkPlan) -> None:
        self.spec = spec
        self.shared = Network.of(spec, plan)

    def run(self, nodes: Nodes, clock: Clock, start: float, record: Record) -> None:
        """Run all nodes to the scenario's end. Raises RunError naming one that failed.

        A node that is down at the end is started then, to tell what it has.
        """

        def work(handle: "NodeHandle") -> None:
            agent.work(self.shared, handle, clock, start, record)

        log = f"bundles-{self.shared.number}.out"
        plan = self.shared.plan
        end = start + plan.scenario.scenario.duration_s
        names = [node.name for node in plan.network.nodes]
        down = [(start + a, min(start + b, end), names[node]) for a, b, node in reboots(plan)]
        starts: dict[str, float] = {}
        running: dict[str, Any] = {
            name: handle.fork(work, handle.state_dir / log) for name, handle in nodes.items()
        }
        if (late_s := clock.now() - start) > 0:  # in real time, on a machine that is slow to fork
            what = {"what": "bundle nodes", "late_s": round(late_s, 3)}
            record({"event": "late start", "t_s": round(late_s, 6), **what})
        try:
            while running or starts:
                for name in [each for each, when in starts.items() if when <= clock.now()]:
                    del starts[name]
                    running[name] = nodes[name].fork(work, nodes[name].state_dir / log)
                due = [*starts.values(), *(when for when, *_ in down[:1])]
                clock.wait_until(min([clock.now() + _LOOK_S, *due]))
                while down and down[0][0] <= clock.now():
                    _, until, name = down.pop(0)
                    if process := running.pop(name, None):
                        process.kill()
                        process.wait()
                        starts[name] = until
                    elif name in starts:
                        starts[name] = max(starts[name], until)
                for name, process in list(running.items()):
                    code = process.poll()
                    if code is None:
                        continue
                    del running[name]
                    if code == -signal.SIGKILL:
                        starts[name] = clock.now() + _DOWN_S
                    elif code:
                        said = process.log.read_text().strip()
                        raise RunError(f"the bundle node of {name} failed:\n{said}")
        finally:
            for process in running.values():
                process.kill()
                process.wait()
