"""What all bundle nodes of a workload know alike: the plan, its contacts, and what is sent."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from emulator.faults import Faults
from emulator.linkplan import LinkPlan
from emulator.workloads import BundlesWorkload
from protocols.bundles import carriers
from protocols.bundles.bundle import EPOCH, Bundle, Primary, bundle_of
from protocols.bundles.eid import Eid
from protocols.bundles.forwarding import contacts_of

_SERVICE = "bundles"


def endpoint(node: str) -> Eid:
    """Return where a node's application receives and sends."""
    return Eid.parse(f"dtn://{node}/{_SERVICE}")


def content(seed: int, source: str, number: int, size: int) -> bytes:
    """Return the payload of a source's bundle of that number: always the same, incompressible."""
    key = hashlib.sha256(f"{seed}/{source}/{number}".encode()).digest()
    return np.random.Generator(np.random.SFC64(list(key))).bytes(size)


@dataclass(frozen=True)
class Network:
    """What all nodes of a workload know: the plan, its contacts, and what is sent."""

    spec: BundlesWorkload
    number: int
    """Of the workload."""
    plan: LinkPlan
    hops: np.ndarray
    ports: np.ndarray
    """The port by which each of ``hops`` leaves."""
    faults: Faults

    @classmethod
    def of(cls, spec: BundlesWorkload, plan: LinkPlan) -> "Network":
        """Work out what ``spec`` needs of ``plan``."""
        number = next((n for n, each in enumerate(plan.scenario.workload) if each is spec), 0)
        return cls(spec, number, plan, *contacts_of(plan), Faults.of(plan))

    @property
    def payload_bytes(self) -> int:
        """Of a bundle, scaled as rates are."""
        return max(1, round(self.spec.bundle_bytes / self.plan.scenario.scenario.rate_scale))

    @property
    def carrier(self) -> carriers.Carrier:
        """The convergence layer, at a port of this workload's own."""
        layer = carriers.CARRIERS[self.spec.convergence]
        return replace(layer, port=layer.port + self.number)

    @property
    def epoch_ms(self) -> int:
        """DTN time of scenario second 0."""
        return round((self.plan.scenario.scenario.start - EPOCH).total_seconds() * 1000)

    def due_s(self, number: int) -> float:
        """When each source makes its bundle of that number; infinite after the last."""
        spec, end_s = self.spec, self.plan.scenario.scenario.duration_s
        due_s = spec.start_s + number * spec.every_s
        none = due_s >= end_s or (spec.count is not None and number >= spec.count)
        return float("inf") if none else due_s

    def made(self, source: str, number: int) -> Bundle:
        """Return a source's bundle of that number."""
        primary = Primary(
            destination=endpoint(self.spec.destination),
            source=endpoint(source),
            created_ms=self.epoch_ms + round(self.due_s(number) * 1000),
            sequence=number,
            lifetime_ms=round(self.spec.lifetime_s * 1000),
        )
        seed = self.plan.scenario.scenario.seed
        return bundle_of(primary, content(seed, source, number, self.payload_bytes))

    def line_rate_bps(self, port: int, t_s: float) -> int:
        """Rate of the channel that leaves by ``port``; in the dark, the port's own."""
        wanted = self.plan.at(self.plan.step_of(t_s))
        state = self.faults.without(wanted, self.plan.dark(), t_s)
        peer = int(state["peer"][port])
        return int(state["rate_bps"][peer] if peer >= 0 else self.plan.network.port_rate_bps[port])
