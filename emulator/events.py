"""Scenario → faults: events, random failures, storms as what breaks, from when to when. Pure.

A random time or choice belongs to the seed, to names and to a number, not to an order of calls:
what is added to a scenario leaves the fate of everything else as it was.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal

import numpy as np

from emulator.lasers import pair_key
from emulator.linkplan import LinkPlan
from emulator.regions import MICROSECOND, Region, spans_inside
from emulator.sections import Event, Storm

_HOUR_S = 3600.0

Target = tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """Something that is broken from ``at_s`` until ``until_s`` (infinite: to the end)."""

    at_s: float
    until_s: float
    kind: Literal["link", "satellite", "terminal"]
    target: Target
    """Two nodes; one satellite; a node and its port."""
    direction: Literal["both", "a-to-b"] = "both"
    silent: bool = False
    """Carriers stay, and all packets are lost."""
    origin: Literal["event", "failures", "storm"] = "event"


def expanded(plan: LinkPlan) -> tuple[Fault, ...]:
    """Return all that breaks under ``plan``, in order of time; equal whatever order files have."""
    scenario = plan.scenario
    unnoticed = scenario.scenario.light_lost == "silent"

    def silent(own: bool | None) -> bool:
        return unnoticed if own is None else own

    drawn = [replace(each, silent=silent(scenario.failures.silent)) for each in _failures(plan)]
    for storm in scenario.storm:
        struck = _struck(storm, plan)
        drawn += [replace(each, silent=silent(storm.silent)) for each in struck]
    found: dict[tuple[str, frozenset[str] | Target], list[Fault]] = {}
    for each in drawn:
        found.setdefault(_key(each.kind, each.target), []).append(each)
    for event in sorted(scenario.event, key=lambda event: event.at_s):
        kind, change = event.action.split()
        known = found.setdefault(_key(kind, event.target), [])
        if change == "up":
            known[:] = [part for each in known for part in _ended(each, event)]
        else:
            until_s = round(event.at_s + (event.for_s or math.inf), MICROSECOND)
            what = event.direction, silent(event.silent)
            known.append(Fault(event.at_s, until_s, kind, event.target, *what))
    return tuple(sorted(each for faults in found.values() for each in faults))


def _key(kind: str, target: Target) -> tuple[str, frozenset[str] | Target]:
    return kind, frozenset(target) if kind == "link" else target


def _ended(fault: Fault, event: Event) -> Iterator[Fault]:
    """What an ``up`` of the same target leaves of a fault."""
    begun = fault.at_s < event.at_s or (fault.at_s == event.at_s and fault.origin == "event")
    opposite = fault.direction == event.direction == "a-to-b" and fault.target != event.target
    if not begun or fault.until_s <= event.at_s or opposite:
        yield fault
        return
    until, one_way = replace(fault, until_s=event.at_s), event.direction == "a-to-b"
    if fault.at_s < event.at_s:
        yield replace(until, target=event.target, direction="a-to-b") if one_way else until
    if one_way and fault.direction == "both":
        yield replace(fault, target=event.target[::-1], direction="a-to-b")


def chance(seed: int, *who: object) -> float:
    """Return a number in [0, 1) that is always the same for the same seed, names and numbers."""
    digest = blake2b(repr((seed, *who)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53


def _failures(plan: LinkPlan) -> Iterator[Fault]:
    """Random failures of satellites and of links that have contacts."""
    rule, names = plan.scenario.failures, [node.name for node in plan.network.nodes]
    if rule.satellites_per_hour:
        for index in plan.network.satellites.tolist():
            target = (names[index],)
            for span in _renewals(plan, rule.satellites_per_hour, "satellite", *target):
                yield Fault(*span, "satellite", target, origin="failures")
    if not rule.links_per_hour:
        return
    contacts = plan.contacts
    near, far = (plan.network.port_node[contacts[end]] for end in ("a", "b"))
    _, pair = np.unique(pair_key(near, far), return_inverse=True)
    order = np.argsort(pair, kind="stable")
    edges = np.flatnonzero(np.diff(pair[order])) + 1
    for rows in np.split(order, edges) if len(order) else ():
        target = tuple(names[end] for end in sorted((int(near[rows[0]]), int(far[rows[0]]))))
        start_s, end_s = contacts["start"][rows] * plan.step_s, contacts["end"][rows] * plan.step_s
        for at_s, until_s in _renewals(plan, rule.links_per_hour, "link", *sorted(target)):
            if ((start_s < until_s) & (at_s < end_s)).any():
                yield Fault(at_s, until_s, "link", target, origin="failures")


def _renewals(plan: LinkPlan, per_hour: float, *who: str) -> Iterator[tuple[float, float]]:
    """When one thing is broken: a time to failure, a time to repair, and so on, in seconds."""
    run, rule = plan.scenario.scenario, plan.scenario.failures
    number, now_s = 0, 0.0
    while True:
        now_s -= math.log1p(-chance(run.seed, *who, number)) / per_hour * _HOUR_S
        if now_s >= run.duration_s:
            return
        lasts_s = math.inf if rule.repair_s is None else rule.repair_s
        if rule.repair == "exponential":
            lasts_s *= -math.log1p(-chance(run.seed, *who, number + 1)) or 1e-6
        yield round(now_s, MICROSECOND), round(now_s + lasts_s, MICROSECOND)
        number, now_s = number + 2, now_s + lasts_s


def _struck(storm: Storm, plan: LinkPlan) -> Iterator[Fault]:
    """What a storm takes down, for as long as it is in the region and some time after."""
    run = plan.scenario.scenario
    end_s = min(storm.at_s + storm.duration_s, run.duration_s)
    who = "storm", storm.at_s, storm.latitude_deg, storm.centre_deg, storm.radius_km
    region = Region(storm.latitude_deg, None, storm.centre_deg, storm.radius_km)
    inside = spans_inside(region, plan.ephemeris, storm.at_s, end_s)
    for index, spans in enumerate(inside):
        node = plan.network.nodes[index]
        kind, targets = "satellite", [(node.name,)]
        if storm.strikes == "lasers":
            ports = [port.name for port in node.ports if port.kind == "isl"]
            kind, targets = "terminal", [(node.name, port) for port in ports]
        for target in targets if spans else ():
            if chance(run.seed, *who, *target) < storm.probability:
                for at_s, until_s in _lengthened(spans, storm.recover_s):
                    yield Fault(at_s, until_s, kind, target, origin="storm")


def _lengthened(spans: Iterable[tuple[float, float]], by_s: float) -> list[tuple[float, float]]:
    """Spans with ends so much later, those that then touch joined into one."""
    found: list[tuple[float, float]] = []
    for start_s, end_s in spans:
        joins = bool(found) and start_s <= found[-1][1]
        begin_s = found.pop()[0] if joins else start_s
        found.append((begin_s, round(end_s + by_s, MICROSECOND)))
    return found
