"""Where a job is computed and by which contacts it gets there, with what is expected of it. Pure.

strategy        computed                        goes
raw             on the ground                   down by the source's own contacts
onboard         by the source                   the answer down by its own contacts
split           in part by the source           the rest down by its own contacts
laser           on the ground                   down by whichever satellite is quickest
onboard-laser   by the source                   the answer by whichever satellite is quickest
neighbour       by the laser neighbour          there, and the answer by whichever is quickest
                that would finish soonest
next-contact    by the satellite in reach by    there, and the answer down
                laser with ground contact next
relay           on the ground                   down through the relay's constellations
onboard-relay   by the source                   the answer down through them

Ways are those of a contact graph (cgr.py) over all contacts of the plan, those cut out that faults
take: who places jobs knows all that will come, but not what else will be queued where. What is
larger than a contact goes on in the next one.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from emulator.cgr import HOP, Route, find_route, hops_of
from emulator.computers import Computer
from emulator.faults import Faults
from emulator.linkplan import LinkPlan
from emulator.units import FRAME_BYTES, SEGMENT_BYTES
from emulator.workloads import OffloadWorkload

GROUND = -1
"""For a node: whichever station a thing comes down to. All stations are one place."""

OWN, ANY, RELAY = "own", "any", "relay"
"""Ways to the ground: by one's own contacts, by any satellite, through the relay's satellites."""

_WAY = {"raw": OWN, "onboard": OWN, "split": OWN, "relay": RELAY, "onboard-relay": RELAY}
_AS_GOOD_AS_S = 1e-9
_ON_LINE = FRAME_BYTES / SEGMENT_BYTES
"""Bytes on the line a byte of payload, in full frames."""


@dataclass(frozen=True, slots=True)
class Task:
    """A part of a job's work: so many operations at a node, which leave so many bytes."""

    node: int
    """GROUND: where it comes down."""
    operations: float
    leaves_bytes: int


@dataclass(frozen=True, slots=True)
class Option:
    """One way of doing a job, and when its answer would be on the ground if nothing else went."""

    strategy: str
    way: str
    image_bytes: int
    tasks: tuple[Task, ...]
    finish_s: float = np.inf
    """Seconds after the start; infinite: not in this scenario."""

    def size_bytes(self, stage: int) -> int:
        """Return what is there after so many tasks."""
        return self.tasks[stage - 1].leaves_bytes if stage else self.image_bytes


def cut(plan: LinkPlan) -> np.ndarray:
    """Return the contacts of a plan in both directions, dtype HOP, without what faults take."""
    hops, faults = hops_of(plan), Faults.of(plan)
    half = len(plan.contacts)
    breaks: dict[int, list[tuple[float, float]]] = {}
    for index, first, last in faults.breaks(plan.contacts, plan.step_s):
        breaks.setdefault(index, []).append((first * plan.step_s, last * plan.step_s))
    if not breaks:
        return hops
    whole = [row for row in range(len(hops)) if row % half not in breaks]
    parts = [hops[whole]]
    for index, gone in sorted(breaks.items()):
        for row in (index, index + half):
            for start_s, end_s in _left(hops["start_s"][row], hops["end_s"][row], gone):
                piece = hops[row : row + 1].copy()
                piece["start_s"], piece["end_s"] = start_s, end_s
                parts.append(piece)
    return np.concatenate(parts)


def _left(
    start_s: float, end_s: float, gone: Collection[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Return what spans, in order, leave of another."""
    pieces = []
    for first_s, last_s in (*gone, (end_s, end_s)):
        if start_s < first_s:
            pieces.append((start_s, first_s))
        start_s = max(start_s, last_s)
    return pieces


def computers(plan: LinkPlan) -> list[Computer | None]:
    """Return the computer of each node."""
    scenario = plan.scenario
    shells = [[each.computer] * each.size for each in scenario.constellation]
    return [*chain(*shells), *(each.computer for each in scenario.ground.station)]


class Placement:
    """Ways and options of the jobs of one workload."""

    def __init__(
        self, spec: OffloadWorkload, plan: LinkPlan, contacts: np.ndarray | None = None
    ) -> None:
        """``contacts``: what :func:`cut` has returned, where that is known already."""
        self.spec = spec
        self.plan = plan
        self.network = plan.network
        scale = plan.scenario.scenario.rate_scale
        self.image_bytes = max(1, round(spec.object_bytes / scale))
        self.answer_bytes = max(1, round(spec.answer_bytes / scale))
        self.computers = computers(plan)
        self.stations = frozenset(plan.network.stations.tolist())
        hops = cut(plan) if contacts is None else contacts
        hops = hops[hops["tail"] < len(self.network.satellites)]
        self.hops = np.sort(hops, order=["start_s", "end_s", "tail", "head"])
        """All contacts whose sender is a satellite, by start, dtype HOP."""

    @cached_property
    def _down(self) -> np.ndarray:
        return self.hops["head"] >= len(self.network.satellites)

    @cached_property
    def _relaying(self) -> np.ndarray:
        """All lasers, and those contacts that lead down from the relay's constellations."""
        relay = np.zeros(self.network.size, dtype=bool)
        first = 0
        for each in self.plan.scenario.constellation:
            relay[first : first + each.size] = each.name in self.spec.relay
            first += each.size
        return relay[self.hops["tail"]] | ~self._down

    def among(self, way: str, node: int) -> np.ndarray:
        """Return which contacts a way from ``node`` may take."""
        if way == OWN:
            return self._down & (self.hops["tail"] == node)
        return self._relaying if way == RELAY else np.ones(len(self.hops), dtype=bool)

    def route(
        self, way: str, node: int, target: int, at_s: float, size_bytes: float = 0.0
    ) -> tuple[np.ndarray, float] | None:
        """Return the contacts by which a thing goes first, dtype HOP, and when all of it is there.

        ``target`` may be GROUND. Contacts are sought as if each node stored all of it before it
        sends (find_route); when it is there is told as agents send. Where no contacts can take it
        whole, those by which its first bytes arrive first, and the time that it takes with the
        breaks between those.
        """
        size_bytes *= _ON_LINE
        # Towards a satellite that computes every laser will do.
        kind = way if target == GROUND else ANY
        able = self.among(kind, node) & (self.hops["end_s"] > at_s + _AS_GOOD_AS_S)
        hops = self.hops[able]
        wanted = self.stations if target == GROUND else {target}
        found = find_route(hops, node, wanted, at_s, size_bytes)
        if found:
            taken = hops[list(found.hops)]
            return taken, min(found.arrival_s, self._straight_s(taken, at_s, size_bytes))
        found = find_route(hops, node, wanted, at_s)
        if not found:
            return None
        taken = hops[list(found.hops)]
        return taken, self._piecemeal(kind, node, target, at_s, size_bytes, taken)

    def _straight_s(self, taken: np.ndarray, at_s: float, size_bytes: float) -> float:
        """When a thing is there that is stored only where it must be; inf if light ends before.

        As agents send: through satellites as far as there is light now, at the rate of the slowest
        channel. The last one before the ground stores it.
        """
        first = 0
        while first < len(taken):
            begin_s, last = max(at_s, float(taken["start_s"][first])), first + 1
            if int(taken["head"][first]) not in self.stations:
                while (
                    last < len(taken)
                    and int(taken["head"][last]) not in self.stations
                    and taken["start_s"][last] <= begin_s + _AS_GOOD_AS_S
                ):
                    last += 1
            leg = taken[first:last]
            sent_s = begin_s + 8 * size_bytes / float(leg["rate_bps"].min())
            if sent_s > float(leg["end_s"].min()):
                return np.inf
            at_s, first = sent_s + float(leg["delay_s"].sum()), last
        return at_s

    def _piecemeal(
        self, way: str, node: int, target: int, at_s: float, size_bytes: float, taken: np.ndarray
    ) -> float:
        """When a thing is there of which each contact takes a piece, inf where they are too few."""
        now_s, left_bytes = at_s, size_bytes
        while True:
            slowest = taken[np.argmin(taken["rate_bps"])]
            begin_s = max(now_s, float(taken["start_s"].max(initial=now_s)))
            until_s, rate_bps = float(taken["end_s"].min()), float(slowest["rate_bps"])
            room_bytes = max(0.0, until_s - begin_s) * rate_bps / 8
            if left_bytes <= room_bytes:
                return begin_s + 8 * left_bytes / rate_bps + float(taken["delay_s"].sum())
            left_bytes, now_s = left_bytes - room_bytes, max(until_s, begin_s)
            able = self.among(way, node) & (self.hops["end_s"] > now_s + _AS_GOOD_AS_S)
            hops = self.hops[able]
            wanted = self.stations if target == GROUND else {target}
            found = find_route(hops, node, wanted, now_s)
            if not found or not found.hops:
                return np.inf
            taken = hops[list(found.hops)]

    def options(self, strategy: str, source: int, at_s: float) -> list[Option]:
        """Return the options of a strategy for an image that is complete now, the best first."""
        spec, way = self.spec, _WAY.get(strategy, ANY)
        if strategy in ("neighbour", "next-contact"):
            places = self.neighbours(source, at_s)
            if strategy == "next-contact":
                places = self.next_in_contact(source, at_s)
        else:
            places = [source if strategy.startswith("onboard") else GROUND]
        found = []
        for place in places:
            tasks = (Task(place, spec.work, self.answer_bytes),)
            if spec.split and strategy == "split":
                some, rest = spec.work * spec.split.share, spec.work * (1 - spec.split.share)
                left_bytes = max(1, round(self.image_bytes * spec.split.ratio))
                tasks = Task(source, some, left_bytes), Task(GROUND, rest, self.answer_bytes)
            option = Option(strategy, way, self.image_bytes, tasks)
            finish_s = self.finish_s(option, source, at_s)
            found.append(Option(strategy, way, self.image_bytes, tasks, finish_s))
        return sorted(found, key=lambda each: (each.finish_s, each.tasks[0].node))

    def finish_s(self, option: Option, node: int, at_s: float, stage: int = 0) -> float:
        """Return when an answer would be on the ground, of what is at ``node`` after ``stage``.

        Infinite where that is not before the scenario's end.
        """
        for index in range(stage, len(option.tasks) + 1):
            last = index == len(option.tasks)
            target = GROUND if last else option.tasks[index].node
            there = node in self.stations if target == GROUND else node == target
            if not there:
                way = self.route(option.way, node, target, at_s, option.size_bytes(index))
                if way is None or not np.isfinite(way[1]):
                    return np.inf
                at_s, node = way[1], int(way[0]["head"][-1])
            if not last:
                at_s += self.compute_s(node, option.tasks[index].operations)
        return at_s if at_s <= self.plan.scenario.scenario.duration_s else np.inf

    def compute_s(self, node: int, operations: float) -> float:
        """How long the computer of ``node`` takes, its pauses and its queue not counted."""
        computer = self.computers[node]
        return computer.seconds(operations) if computer else np.inf

    def able(self, node: int) -> bool:
        """Whether ``node`` has a computer that holds the model."""
        computer = self.computers[node]
        return computer is not None and computer.holds(self.spec.memory_gb)

    def _lasers(self, at_s: float) -> np.ndarray:
        hops = self.hops
        now = (hops["start_s"] <= at_s + _AS_GOOD_AS_S) & (at_s + _AS_GOOD_AS_S < hops["end_s"])
        return hops[now & ~self._down]

    def neighbours(self, source: int, at_s: float) -> list[int]:
        """Return the satellites with a computer that a laser joins to ``source`` now."""
        hops = self._lasers(at_s)
        heads = np.unique(hops["head"][hops["tail"] == source]).tolist()
        return [node for node in heads if self.able(node)]

    def next_in_contact(self, source: int, at_s: float) -> list[int]:
        """Return the satellite in reach by laser now that computes and has ground contact first.

        Of those equally soon the nearest, by time of light; ``source`` itself if it is as good.
        """
        lasers, opens_s = self._lasers(at_s), self._opens_s(at_s)
        best: tuple[float, float, int] | None = None
        for node in range(len(self.network.satellites)):
            if not self.able(node) or not np.isfinite(opens_s[node]):
                continue
            found = Route((), at_s, np.inf)
            if node != source:
                reached = find_route(lasers, source, node, at_s)
                if reached is None:
                    continue
                found = reached
            rank = float(opens_s[node]), found.arrival_s - at_s, node
            best = rank if best is None or rank < best else best
        return [best[2]] if best else []

    def _opens_s(self, at_s: float) -> np.ndarray:
        """When each satellite next has ground contact, ``at_s`` where it has, inf: never."""
        hops = self.hops[self._down & (self.hops["end_s"] > at_s + _AS_GOOD_AS_S)]
        opens_s = np.full(len(self.network.satellites), np.inf)
        np.minimum.at(opens_s, hops["tail"], np.maximum(hops["start_s"], at_s))
        return opens_s


__all__ = ["ANY", "GROUND", "HOP", "OWN", "RELAY", "Option", "Placement", "Task", "cut"]
