"""RunRecord → links: when each was in contact, when a fault took it, and its planned delay."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emulator.faults import Faults
from emulator.report.record import RunRecord, Span
from emulator.units import NS_PER_S

Pair = tuple[str, str]


@dataclass(frozen=True)
class Link:
    """Two neighbours, the spans in which they are in contact, and the faults within those."""

    a: str
    b: str
    medium: str
    contacts: tuple[Span, ...]
    faults: tuple[Span, ...] = ()

    @property
    def pair(self) -> Pair:
        """The two names in a fixed order: how probes and delays are looked up."""
        return pair_of(self.a, self.b)


@dataclass
class Delay:
    """Planned one-way delay of a pair at sampled steps; NaN between two contacts."""

    t_s: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)


def pair_of(a: str, b: str) -> Pair:
    """Return two names in a fixed order."""
    return (a, b) if a <= b else (b, a)


def links(record: RunRecord) -> list[Link]:
    """Return every link of the run: lasers by name, then ground links by station and time."""
    network, step_s = record.plan.network, record.plan.step_s
    spans: dict[tuple[int, int, str], list[Span]] = {}
    for row in record.plan.contacts:
        ports = [network.ports[row["a"]], network.ports[row["b"]]]
        key = (*sorted(port.node for port in ports), ports[0].kind)
        spans.setdefault(key, []).append((float(row["start"]) * step_s, float(row["end"]) * step_s))
    down = _down(record)
    broken: dict[tuple[int, int, str], list[Span]] = {}
    for index, *span in Faults.of(record.plan).breaks(record.plan.contacts, step_s):
        ports = [network.ports[record.plan.contacts[index][end]] for end in ("a", "b")]
        key = (*sorted(port.node for port in ports), ports[0].kind)
        broken.setdefault(key, []).append((span[0] * step_s, span[1] * step_s))
    found = []
    for (a, b, medium), contacts in spans.items():
        names = network.nodes[a].name, network.nodes[b].name
        reported = [span for key in (pair_of(*names), *names) for span in down.get(key, ())]
        reported += broken.get((a, b, medium), [])
        faults = _within(reported, contacts, step_s)
        found.append(Link(*names, medium, tuple(sorted(contacts)), faults))
    order = {node.name: node.index for node in network.nodes}
    lasers = sorted((x for x in found if x.medium == "isl"), key=lambda x: _natural(x.a, x.b))
    ground = sorted(
        (x for x in found if x.medium != "isl"),
        key=lambda x: (order[x.b], x.contacts[0], _natural(x.a)),
    )
    return lasers + ground


def delays(record: RunRecord, samples: int = 240) -> dict[str, dict[Pair, Delay]]:
    """Return the planned delay of every pair by medium, at no more than ``samples`` steps."""
    plan, network = record.plan, record.plan.network
    every = max(1, -(-plan.steps // samples))
    found: dict[str, dict[Pair, Delay]] = {"isl": {}, "gsl": {}}
    begun: dict[Pair, int] = {}
    for step in range(0, plan.steps, every):
        for contact, row in zip(plan.joined(step), plan.links(step), strict=True):
            a, b = network.ports[row["a"]], network.ports[row["b"]]
            pair = pair_of(network.nodes[a.node].name, network.nodes[b.node].name)
            line = found[a.kind].setdefault(pair, Delay())
            if begun.setdefault(pair, int(contact["start"])) != contact["start"]:
                begun[pair] = int(contact["start"])
                line.t_s.append(step * plan.step_s)
                line.ms.append(np.nan)
            line.t_s.append(step * plan.step_s)
            line.ms.append(float(row["delay_ns"]) / NS_PER_S * 1e3)
    return found


def unforeseen(record: RunRecord, known: Iterable[Link]) -> list[dict[str, Any]]:
    """Return the events but for links that came or went where their contact begins or ends."""
    step_s, nodes = record.plan.step_s, {node.name for node in record.plan.network.nodes}
    edges: dict[tuple[str, Pair], list[float]] = {}
    for link in known:
        edges["link up", link.pair] = [start for start, _ in link.contacts]
        edges["link down", link.pair] = [end for _, end in link.contacts]

    def expected(event: dict[str, Any]) -> bool:
        names = names_in(event, nodes)
        if len(names) != 2 or event["t_s"] is None:
            return False
        planned = edges.get((event["event"], pair_of(*names)), ())
        return any(abs(event["t_s"] - t_s) <= step_s for t_s in planned)

    return [event for event in record.events if not expected(event)]


def names_in(event: dict[str, Any], nodes: set[str]) -> tuple[str, ...]:
    """Return the nodes that an event speaks of, in order, under whatever keys it does."""
    said: list[str] = []
    for key, value in event.items():
        if key not in ("t_s", "event"):
            said.extend(str(each) for each in (value if isinstance(value, list) else [value]))
    found = (word.partition(":")[0] for word in said)
    return tuple(dict.fromkeys(word for word in found if word in nodes))


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return ``spans`` in order, those that touch joined into one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def _down(record: RunRecord) -> dict[str | Pair, list[Span]]:
    """When each pair or satellite was told down by the run's own log."""
    told: list[tuple[float, str, str | Pair]] = []
    nodes = {node.name for node in record.plan.network.nodes}
    for event in record.events:
        action = str(event.get("action", event["event"]))
        kind, _, change = action.partition(" ")
        names = names_in(event, nodes)
        if change not in ("down", "up") or event["t_s"] is None:
            continue
        if len(names) == {"link": 2, "satellite": 1}.get(kind):
            told.append((event["t_s"], change, pair_of(*names) if len(names) == 2 else names[0]))
    since: dict[str | Pair, float] = {}
    found: dict[str | Pair, list[Span]] = {}
    for t_s, change, target in sorted(told, key=lambda row: row[0]):
        if change == "down":
            since.setdefault(target, t_s)
        elif target in since:
            found.setdefault(target, []).append((since.pop(target), t_s))
    for target, t_s in since.items():
        found.setdefault(target, []).append((t_s, record.end_s))
    return found


def _within(down: list[Span], contacts: list[Span], step_s: float) -> tuple[Span, ...]:
    """Return the parts of ``down`` in which the plan has a contact: those were faults.

    A link also goes down when its contact ends, and the log of a late step may overlap the
    next contact a little: what is shorter than a step is no fault.
    """
    parts = (
        (max(start, first), min(end, last))
        for start, end in merged(down)
        for first, last in contacts
    )
    return tuple(sorted(part for part in parts if part[1] - part[0] > 0.99 * step_s))


def _natural(*names: str) -> list[tuple[int, int | str]]:
    """Sort key under which s2 comes before s10."""
    words = re.findall(r"\d+|\D+", " ".join(names))
    return [(0, int(word)) if word.isdigit() else (1, word) for word in words]
