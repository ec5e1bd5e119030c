"""Process in orbit or bring the raw data down: images, and their answers on the ground.

    captures ──> placement ──> agents: store, compute, hand on ──> records ──> ledger, insights

Every node that may take part has an agent, a process of its own in its namespace, with a store on
disk. An object is in the custody of one node at a time; whoever holds it asks the contact graph for
the quickest way, sends it as far along it as there is light now (routing carries it there), and
forgets it when the next custodian has acknowledged its hash. So what has no path waits where it is.
TCP carries it, or QUIC where a workload says so. The bytes are real (scaled as the rates are) and
verified at each stop. Computing is a timed wait of operations / (TOPS × utilisation), not scaled;
while its battery has a satellite's computer off, nothing is computed there.

All offloads of a scenario are run by the first one's process, so that they share agents, computers
and queues. An agent that is killed is started again and goes on from its store.
"""

import importlib
import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.captures import Job, jobs, offloads
from emulator.clock import Clock
from emulator.faults import Faults
from emulator.linkplan import LinkPlan
from emulator.placement import Placement, cut
from emulator.sizing import ALONE
from emulator.units import NS_PER_S
from emulator.workloads import OffloadWorkload
from protocols.base import Nodes, Record, family
from protocols.objects import PORT
from protocols.offload.crew import Crew

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

_MOST_TOLD = 60
"""With more jobs than this their every move is not told, only recorded."""
_TOLD = ("answered", "expired", "refused", "missed", "throttled", "waits", "no contact")
_GIGA = 1e9


class Offload:
    """All offloads of a scenario: jobs, placement, and what agents need to know."""

    port = PORT
    """Of TCP, and of UDP for QUIC."""

    def __init__(self, spec: OffloadWorkload, plan: LinkPlan) -> None:
        self.spec = spec
        self.plan = plan
        self.network = plan.network
        self.faults = Faults.of(plan)
        self.family = family(plan.scenario)
        self.specs = offloads(plan)
        self.jobs = jobs(plan)
        self.seed = plan.scenario.scenario.seed
        self.end_s = plan.scenario.scenario.duration_s
        self.by_quic = any(spec.transport == "quic" for spec in self.specs)

    def missing(self) -> str:
        """Return '' where all that is needed is installed, and import it; else how to get it.

        Agents then share what was imported, and none of them looks for files in virtual time.
        """
        if self.by_quic:
            try:
                importlib.import_module("protocols.quic")
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] != "aioquic":
                    raise
                return "QUIC needs aioquic, which is not installed: pip install 'lasermesh[quic]'"
        return ""

    def run(self, nodes: Nodes, clock: Clock, start: float, record: Record) -> None:
        """Run the agents of all offloads, record what they did, and at the end who holds what."""
        if self.specs[0] is self.spec:
            Crew(self, nodes, clock, start, record).run()

    @cached_property
    def placements(self) -> list[Placement]:
        """The placement of each offload; all go by the same contacts."""
        hops = cut(self.plan)
        return [Placement(spec, self.plan, hops) for spec in self.specs]

    def jobs_of(self, node: int) -> list[Job]:
        """Return the jobs whose images ``node`` takes."""
        return [job for job in self.jobs if job.image.source == node]

    @cached_property
    def crew(self) -> list[int]:
        """Return the nodes that need an agent: sources, stations, and who may pass things on."""
        found = {job.image.source for job in self.jobs} | set(self.network.stations.tolist())
        if any(strategy not in ALONE for spec in self.specs for strategy in spec.strategies):
            found |= {int(each) for each in self.network.satellites}
        return sorted(found)

    def placement(self, job: int) -> Placement:
        """Return the placement of a job."""
        return self.placements[self.jobs[job].workload]

    def expires_s(self, job: int) -> float:
        """Return when what is left of a job is dropped."""
        spec, image = self.specs[self.jobs[job].workload], self.jobs[job].image
        return image.at_s + (math.inf if spec.expires_s is None else spec.expires_s)

    def priority(self, job: int) -> int:
        """Return how much a job matters."""
        return self.specs[self.jobs[job].workload].priority

    def folder(self, handle: "NodeHandle") -> Path:
        """Return the store of a node; all stations have one."""
        ground = handle.node.kind == "station"
        return handle.state_dir.parent / "ground" if ground else handle.state_dir / "store"

    @cached_property
    def _capacities_bytes(self) -> list[float]:
        scale, scenario = self.plan.scenario.scenario.rate_scale, self.plan.scenario
        found: list[float] = []
        for each in scenario.constellation:
            most = math.inf if each.storage_gb is None else each.storage_gb * _GIGA / scale
            found += [most] * each.size
        return found + [math.inf] * len(scenario.ground.station)

    def congestion(self, job: int) -> str:
        """Return the congestion control under which a job's image and answer are sent."""
        return self.specs[self.jobs[job].workload].congestion

    def transport(self, job: int) -> str:
        """Return what carries a job's image and answer."""
        return self.specs[self.jobs[job].workload].transport

    def capacity_bytes(self, node: int) -> float:
        """Return how much a node can keep, scaled."""
        return self._capacities_bytes[node]

    def computer_off(self, satellite: int) -> list[tuple[float, float]]:
        """When a satellite's battery has its computer off: (from, to) in seconds, in order."""
        rows = self.plan.timeline.shed
        own = rows[(rows["node"] == satellite) & ~rows["lasers"]]
        step_s = self.plan.step_s
        return [(start * step_s, end * step_s) for _, start, end, _ in own.tolist()]

    def announce(
        self, record: Record, state: str, job: Job, node: str, t_ns: int, what: dict[str, Any]
    ) -> None:
        """Tell whoever watches, where that are not too many words."""
        if len(self.jobs) > _MOST_TOLD:
            return
        spec, source = self.specs[job.workload], self.network.nodes[job.image.source].name
        told: dict[str, Any] = {"event": state, "t_s": round(t_ns / NS_PER_S, 6)}
        if state == "captured" and job.strategy == spec.strategies[0]:
            record({**told, "node": node, "object_bytes": spec.object_bytes})
        elif state == "answered":
            about = {"source": source, "captured_s": job.image.at_s, "delivered_to": node}
            about["latency_s"] = t_ns / NS_PER_S - job.image.at_s
            record({**told, "strategy": job.strategy, **about, **what})
        elif state in _TOLD:
            record({**told, "strategy": job.strategy, "node": node, **what})
