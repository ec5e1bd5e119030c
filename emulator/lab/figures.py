"""What a comparison compares: each figure, what it means, and how a run's metrics give it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from emulator.lab.metrics import Metrics
from emulator.lab.spent import SILENT


@dataclass(frozen=True, slots=True)
class Figure:
    """One column of the table."""

    key: str
    """Its name in CSV and JSON."""
    heading: str
    """What people read, unit included."""
    meaning: str
    of: Callable[[Metrics], float | None]
    """None where the run does not tell."""


@dataclass(frozen=True, slots=True)
class Group:
    """Figures that belong together: as many as go into the width of a page."""

    title: str
    figures: tuple[Figure, ...]


def _count(value: int | None) -> float | None:
    return None if value is None else float(value)


SETTLING = Group(
    "How fast routes follow",
    (
        Figure(
            "converged_s",
            "converged s",
            "seconds until every node has its routes, from a dark sky",
            lambda m: m.converged_s,
        ),
        Figure(
            "planned_s",
            "planned s",
            "mean time from a change of links that the plan tells to the last change of a route; "
            "of schemes that move routes with the geometry, as static, it says little",
            lambda m: m.routes and m.routes.planned_s,
        ),
        Figure(
            "failure_s",
            "failure s",
            "the same after failures and repairs",
            lambda m: m.routes and m.routes.unplanned_s,
        ),
        Figure(
            "changes", "changes", "changes of all nodes' routes", lambda m: _count(m.route_changes)
        ),
    ),
)
PAIRS = Group(
    "All pairs of nodes, by their routes",
    (
        Figure(
            "unreached_percent",
            "unreached %",
            "share of pairs joined by light whose packets would not have arrived, over time",
            lambda m: m.routes and 100 * (1 - m.routes.reached),
        ),
        Figure(
            "loops_s",
            "loops s",
            "pair-seconds in forwarding loops",
            lambda m: m.routes and m.routes.looped_s,
        ),
        Figure(
            "holes_s",
            "holes s",
            "pair-seconds without a route, or with one into the dark",
            lambda m: m.routes and m.routes.lost_s,
        ),
        Figure(
            "stretch",
            "stretch",
            "mean delay along the routes over that of the quickest path",
            lambda m: m.routes and m.routes.stretch,
        ),
    ),
)
PROBES = Group(
    "The scenario's probes",
    (
        Figure(
            "lost_percent",
            "lost %",
            "share of probes lost",
            lambda m: None if m.loss is None else 100 * m.loss,
        ),
        Figure(
            "outage_max_s",
            "outage max s",
            "longest gap in the answers of a pair of probes",
            lambda m: m.worst_outage_s if m.probes else None,
        ),
        Figure("rtt_ms", "rtt ms", "mean round trip of the probes answered", lambda m: m.rtt_ms),
    ),
)
CPU = Figure(
    "cpu_percent",
    "CPU %",
    "share of one core that a node's daemons took, mean over nodes",
    lambda m: m.spent and m.spent.cpu_percent,
)
_COSTS = (
    Figure(
        "control_bytes_s",
        "control B/s",
        "bytes of control traffic a second in one direction of a lit link, frames and all",
        lambda m: m.spent and m.spent.total.bytes_s,
    ),
    Figure(
        "control_packets_s",
        "control pkt/s",
        "packets of the same",
        lambda m: m.spent and m.spent.total.packets_s,
    ),
    Figure(
        "memory_mb",
        "memory MB",
        "resident memory of a node's daemons at its greatest, mean over nodes; pages that they "
        "share count for each",
        lambda m: m.spent and m.spent.node_mb,
    ),
    CPU,
    Figure(
        "queue_drops",
        "queue drops",
        "packets that found a queue full; where links also lose by chance, at most so many",
        lambda m: m.spent and _count(m.spent.queue_drops),
    ),
    Figure(
        "other_drops",
        "other drops",
        "packets lost by chance, in fades, in silent failures and in the dark",
        lambda m: m.spent and _count(m.spent.other_drops),
    ),
)


SAID = {
    "ospf": "OSPF",
    "isis": "IS-IS and OpenFabric",
    "bgp": "BGP",
    "bfd": "BFD",
    "babel": "Babel",
    "membership": "IGMP and MLD, which the kernels speak",
    "nd": "IPv6 neighbour discovery, router advertisements included",
    "own": "protocols of one's own, as they declare it",
}
"""What is counted apart: the classes of emulator.kernel.counters, in their order."""


def groups(runs: Sequence[Metrics]) -> list[Group]:
    """Return what can be told of ``runs``, a column for each protocol that any of them spoke.

    The processor's time is left out where no run could tell it.
    """
    told = CPU.of in {each.of for each in _COSTS if any(each.of(m) is not None for m in runs)}
    costs = tuple(each for each in _COSTS if each is not CPU or told)
    found = [SETTLING, PAIRS, PROBES, Group("What it costs", costs)]
    names = spoken(runs)
    if names:
        octets = tuple(
            Figure(f"{name}_bytes_s", name, SAID[name], lambda m, n=name: _bytes_s(m, n))
            for name in names
        )
        packets = tuple(
            Figure(f"{name}_packets_s", name, SAID[name], lambda m, n=name: _packets_s(m, n))
            for name in names
        )
        found.append(Group("Control bytes a second and direction, by protocol", octets))
        found.append(Group("Control packets a second and direction, by protocol", packets))
    return found


def spoken(runs: Iterable[Metrics]) -> list[str]:
    """Return the protocols of SAID whose traffic was counted in any of ``runs``."""
    found = {name for each in runs if each.spent for name in each.spent.control}
    return [name for name in SAID if name in found]


def _bytes_s(run: Metrics, name: str) -> float | None:
    return run.spent and run.spent.control.get(name, SILENT).bytes_s


def _packets_s(run: Metrics, name: str) -> float | None:
    return run.spent and run.spent.control.get(name, SILENT).packets_s
