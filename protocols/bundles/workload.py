"""``[[workload]] kind = "bundles"``: a bundle node in every satellite and station, and sources."""

import signal
from typing import TYPE_CHECKING, Any

from emulator.clock import Clock
from emulator.errors import RunError
from emulator.linkplan import LinkPlan
from emulator.workloads import BundlesWorkload
from protocols.base import Nodes, Record
from protocols.bundles import agent
from protocols.bundles.shared import Network

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

_LOOK_S = 0.5
_DOWN_S = 1.0
"""How long a node that was killed stays down."""


class Bundles:
    """Starts the bundle nodes, and starts again those that are killed."""

    def __init__(self, spec: BundlesWorkload, plan: LinkPlan) -> None:
        self.spec = spec
        self.shared = Network.of(spec, plan)

    def run(self, nodes: Nodes, clock: Clock, start: float, record: Record) -> None:
        """Run all nodes to the scenario's end. Raises RunError naming one that failed."""

        def work(handle: "NodeHandle") -> None:
            agent.work(self.shared, handle, clock, start, record)

        log = f"bundles-{self.shared.number}.out"
        running: dict[str, Any] = {
            name: handle.fork(work, handle.state_dir / log) for name, handle in nodes.items()
        }
        try:
            while running:
                clock.wait_until(clock.now() + _LOOK_S)
                for name, process in list(running.items()):
                    code = process.poll()
                    if code == -signal.SIGKILL:
                        clock.wait_until(clock.now() + _DOWN_S)
                        running[name] = nodes[name].fork(work, process.log)
                    elif code:
                        said = process.log.read_text().strip()
                        raise RunError(f"the bundle node of {name} failed:\n{said}")
                    elif code == 0:
                        del running[name]
        finally:
            for process in running.values():
                process.kill()
                process.wait()
