"""When which satellite has an image ready: by the clock, or by what it flies over. Pure."""

from dataclasses import dataclass
from itertools import product

from emulator.linkplan import LinkPlan
from emulator.regions import MICROSECOND, Region, spans_inside
from emulator.workloads import Area, OffloadWorkload


@dataclass(frozen=True, slots=True, order=True)
class Capture:
    """An image that is complete at ``at_s``."""

    at_s: float
    source: int
    """The satellite's node."""
    area: str = ""
    """Name of the area that it shows, where it was taken for that."""


@dataclass(frozen=True, slots=True)
class Job:
    """One image to be answered by one strategy."""

    number: int
    """Counted through all offloads of a scenario."""
    workload: int
    """Which of the offloads."""
    strategy: str
    image: Capture


def offloads(plan: LinkPlan) -> list[OffloadWorkload]:
    """Return the offloads of a scenario."""
    return [each for each in plan.scenario.workload if each.kind == "offload"]


def jobs(plan: LinkPlan) -> tuple[Job, ...]:
    """Return every image of every offload by each of its strategies."""
    found: list[Job] = []
    for index, spec in enumerate(offloads(plan)):
        for image, strategy in product(captures(spec, plan), spec.strategies):
            found.append(Job(len(found), index, strategy, image))
    return tuple(found)


def sources(spec: OffloadWorkload, plan: LinkPlan) -> list[int]:
    """Return the nodes of the satellites that take images, in the order of their names' mention."""
    of_name = {each.name: each.node_names() for each in plan.scenario.constellation}
    names = [name for given in spec.named for name in of_name.get(given, [given])]
    return list(dict.fromkeys(plan.network.node(name).index for name in names))


def captures(spec: OffloadWorkload, plan: LinkPlan) -> tuple[Capture, ...]:
    """Return all images of a workload before the scenario's end, by time and source.

    Over an area the first is complete when the point below the satellite enters it.
    """
    nodes, end_s = sources(spec, plan), plan.scenario.scenario.duration_s
    if spec.over:
        found = [each for area in spec.over for each in _over(area, spec, plan, nodes)]
        return tuple(sorted(found))
    if not spec.every_s:
        return tuple(sorted(Capture(spec.first_image_s, node) for node in nodes))
    found = []
    for index, node in enumerate(nodes):
        first_s = spec.first_image_s + (spec.every_s * index / len(nodes) if spec.stagger else 0.0)
        found += [Capture(at_s, node) for at_s in _each(first_s, end_s, spec.every_s)]
    return tuple(sorted(found))


def _over(area: Area, spec: OffloadWorkload, plan: LinkPlan, nodes: list[int]) -> list[Capture]:
    region = Region(area.latitude_deg, area.longitude_deg, area.centre_deg, area.radius_km)
    spans = spans_inside(region, plan.ephemeris, 0.0, plan.scenario.scenario.duration_s)
    return [
        Capture(at_s, node, area.name)
        for node in nodes
        for begin_s, over_s in spans[node]
        for at_s in _each(begin_s, over_s, spec.between_s)
    ]


def _each(first_s: float, end_s: float, every_s: float) -> list[float]:
    """Moments from ``first_s``, before ``end_s``."""
    found, number = [], 0
    while (at_s := round(first_s + number * every_s, MICROSECOND)) < end_s:
        found.append(at_s)
        number += 1
    return found
