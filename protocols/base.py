"""The two interfaces of this package, and how names in a scenario become protocols."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emulator.clock import Clock
from emulator.errors import CapabilityError
from emulator.linkplan import LinkPlan
from emulator.network import Family
from emulator.scenario import Scenario
from emulator.scenario_checks import own_class

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

Nodes = Mapping[str, "NodeHandle"]
Record = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bounds of what a routing scheme takes: processes and memory of a node, memory of a route."""

    processes: int = 0
    node_mb: float = 0.8
    route_kb: float = 0.6
    bfd_processes: int = 0
    """More of each node where the scenario wants BFD."""
    bfd_mb: float = 0.0


class Process(Protocol):
    """A daemon as its scheme watches it: a program, or a Python function forked into a node."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired after ``timeout`` seconds."""
        ...

    def terminate(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


@dataclass(frozen=True, slots=True)
class Counted:
    """What a protocol's own packets are known by, so that they are counted apart from data.

    Ports count whether they are the sender's or the receiver's; of a packet in fragments, only the
    first one has any.
    """

    udp: tuple[int, ...] = ()
    tcp: tuple[int, ...] = ()
    ip: tuple[int, ...] = ()
    """Protocol numbers of IPv4, next headers of IPv6."""
    ethertype: tuple[int, ...] = ()
    """Of Ethernet frames without IP; 0x88B5 and 0x88B6 are free for experiments (IEEE 802)."""

    def __post_init__(self) -> None:
        allowed = {"udp": (1, 0xFFFF), "tcp": (1, 0xFFFF), "ip": (0, 0xFF)}
        allowed["ethertype"] = 0x0600, 0xFFFF
        for name, (least, most) in allowed.items():
            for number in getattr(self, name):
                if not isinstance(number, int) or not least <= number <= most:
                    raise ValueError(f"Counted: {name} {number!r} is not from {least} to {most}")
        if data := {0x0800, 0x86DD}.intersection(self.ethertype):
            raise ValueError(f"Counted: ethertype {min(data):#06x} is IP's, and that of all data")


class Routing(Protocol):
    """A routing protocol or scheme over a whole emulation. Made with the plan it will run under."""

    footprint: Footprint
    """What :class:`emulator.needs.Needs` reckons with."""

    floods: bool
    """Whether nodes tell each other what they know: then links come up in stages at the start."""

    has_bfd: bool = False
    """Whether it heeds ``bfd_ms`` of the scenario."""

    hop_by_hop: bool = True
    """Whether the main tables of nodes alone say where packets go: then they can be walked."""

    family: Family = 4
    """Of the addresses that it routes: what is recorded, and what workloads send by."""

    counted: Counted = Counted()
    """What is counted as its own beside the protocols that are told apart anyway. Optional."""

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None: ...

    @staticmethod
    def missing() -> str:
        """Return '' where this machine can run it, else what it lacks and how to get it."""
        ...

    @staticmethod
    def version() -> str:
        """Return what machine.json says was run, '' where there is no program."""
        ...

    def start(self) -> None:
        """Start daemons, if any. Raises DaemonError naming the node whose daemon is not up."""
        ...

    def foresee(self, step: int) -> None:
        """The next :meth:`step` is for this step of the plan; those before the run are for 0.

        Optional: a scheme without it is not told.
        """

    def step(self, state: np.ndarray) -> None:
        """The fabric now holds ``state`` (PORT_STATE)."""
        ...

    def converge(self, state: np.ndarray, deadline_s: float) -> None:
        """Wait until the routes for ``state`` stand. Raises DaemonError after ``deadline_s``."""
        ...

    def cost_out(self, ports: frozenset[int]) -> None:
        """Avoid the links of ``ports``, by index: the plan is about to cut them. And no others.

        Called after :meth:`step` where the scenario sets ``cost_out_s``. Optional: a scheme
        without it is not asked.
        """

    def check(self) -> None:
        """Raise DaemonError if a daemon has died."""
        ...

    def stop(self) -> None:
        """Stop daemons; never raises."""
        ...


class Programless:
    """Base of schemes that run no program of the machine's."""

    @staticmethod
    def missing() -> str:
        """Nothing is needed."""
        return ""

    @staticmethod
    def version() -> str:
        """Return what machine.json says was run: nothing."""
        return ""


class Workload(Protocol):
    """Traffic over an emulation; runs in a process of its own beside the player."""

    def __init__(self, spec: Any, plan: LinkPlan) -> None: ...

    def missing(self) -> str:
        """Return '' where this machine can run it, else what it lacks and how to get it.

        Optional: a workload without it needs nothing.
        """

    def run(self, nodes: Nodes, clock: Clock, start: float, record: Record) -> None:
        """Work from clock time ``start`` (scenario second 0) to the scenario's end.

        Hands every finding to ``record`` as soon as it is known: the process may be ended at any
        moment.
        """
        ...


def load(group: str, name: str) -> Any:
    """Return the class registered as ``name`` in an entry-point group, or what FILE.py:Class is.

    Raises KeyError, and CapabilityError where the file cannot be run.
    """
    own = own_class(name)
    return _of_file(*own) if own else entry_points(group=group)[name].load()


def family(scenario: Scenario) -> Family:
    """Return the family of the addresses that a scenario's protocol routes."""
    return getattr(load("lasermesh.routing", scenario.routing.protocol), "family", 4)


@cache
def _of_file(path: Path, name: str) -> Any:
    module = f"own_protocol_{path.stem}"
    spec = spec_from_file_location(module, path)
    assert spec and spec.loader
    found = module_from_spec(spec)
    sys.modules[module] = found  # where dataclasses look for the names in annotations
    try:
        spec.loader.exec_module(found)
        return getattr(found, name)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise CapabilityError(f"cannot load the protocol {name} from {path}: {reason}") from error
