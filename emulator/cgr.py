"""Contact-graph routing: by which contacts, all known beforehand, data arrive first. Pure.

The core of Schedule-Aware Bundle Routing (CCSDS 734.3-B-1; Fraire, De Jonckère,
Burleigh, Routing in the Space Internet: a contact graph routing tutorial, J. Network and Computer
Applications 174, 2021). A node keeps what it has until a contact begins, so data that are at the
contact's tail at t leave it at max(t, start) and are at its head one transmission and one
one-way light time later, if the contact lasts so long. Whoever comes earlier never arrives
later, so Dijkstra's algorithm with the time of arrival for its distance is exact.

Not here: lists of alternative routes, priorities. Booked volumes and queues are for those who
forward (protocols/bundles/forwarding.py): to this search, a contact on which something is booked is
one that begins later.
"""

from collections.abc import Collection
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from emulator.linkplan import LinkPlan
from emulator.units import C_KM_S
from emulator.visibility import range_km

HOP = np.dtype(
    [
        ("tail", "<i4"),
        ("head", "<i4"),
        ("start_s", "<f8"),
        ("end_s", "<f8"),
        ("delay_s", "<f8"),
        ("rate_bps", "<f8"),
    ]
)
"""A contact in one direction: ``tail`` can send to ``head`` from ``start_s`` until ``end_s``."""

NONE = -1
_FIRST_BATCH = 256
_CHUNK_ELEMENTS = 100_000


@dataclass(frozen=True, slots=True)
class Route:
    """Contacts, by index, that lead from a node to another."""

    hops: tuple[int, ...]
    arrival_s: float
    """When the last bit is there."""
    until_s: float
    """When the first of its contacts ends: the route is good for nothing after that."""


def hops_of(plan: LinkPlan) -> np.ndarray:
    """Return every contact of a plan, first all from a to b, then all from b to a: dtype HOP.

    The light time is that of a contact's first step; the rate is that of the slower terminal.
    """
    contacts, network = plan.contacts, plan.network
    a, b = network.port_node[contacts["a"]], network.port_node[contacts["b"]]
    hops = np.zeros(2 * len(contacts), dtype=HOP)
    hops["tail"], hops["head"] = np.concatenate((a, b)), np.concatenate((b, a))
    for name, edge in (("start_s", "start"), ("end_s", "end")):
        hops[name] = np.tile(contacts[edge] * plan.step_s, 2)
    rate_bps = network.port_rate_bps
    hops["rate_bps"] = np.tile(np.minimum(rate_bps[contacts["a"]], rate_bps[contacts["b"]]), 2)
    delay_s = np.empty(len(contacts))
    steps, step = np.unique(contacts["start"], return_inverse=True)
    chunk = max(1, _CHUNK_ELEMENTS // network.size)
    for low in range(0, len(steps), chunk):
        position_km = plan.ephemeris.positions_km(steps[low : low + chunk] * plan.step_s)
        own = np.flatnonzero((low <= step) & (step < low + chunk))
        at = step[own] - low
        delay_s[own] = range_km(position_km[a[own], at], position_km[b[own], at]) / C_KM_S
    hops["delay_s"] = np.tile(delay_s, 2)
    return hops


def passage_s(hops: np.ndarray, at_s: np.ndarray | float, size_bytes: float = 0.0) -> np.ndarray:
    """Return when what is at each tail at ``at_s`` is at its head, infinite where it cannot be.

    ``hops``: dtype HOP; broadcasts against ``at_s``. All ``size_bytes`` must have left before the
    contact ends.
    """
    sending_s = 8 * size_bytes / hops["rate_bps"] if size_bytes else 0.0
    begin_s = np.maximum(at_s, hops["start_s"])
    able = (begin_s < hops["end_s"]) & (begin_s + sending_s <= hops["end_s"])
    return np.where(able, begin_s + sending_s + hops["delay_s"], np.inf)


def find_route(
    hops: np.ndarray,
    source: int,
    destination: int | Collection[int],
    at_s: float,
    size_bytes: float = 0.0,
) -> Route | None:
    """Return the route by which ``size_bytes`` at ``source`` at ``at_s`` arrive first, or None.

    With several destinations, that to whichever they reach first.
    """
    wanted = {destination} if isinstance(destination, int) else destination
    order = np.argsort(hops["tail"], kind="stable")
    tails = hops["tail"][order]
    arrival_s, came_by, done = {source: at_s}, {source: NONE}, set()
    waiting = [(at_s, source)]
    while waiting:
        now_s, node = heappop(waiting)
        if node in wanted:
            return _traced(hops, came_by, node, now_s)
        if node in done:
            continue
        done.add(node)
        own = order[slice(*np.searchsorted(tails, [node, node + 1]))]
        for hop, there_s in zip(own.tolist(), passage_s(hops[own], now_s, size_bytes), strict=True):
            head = int(hops["head"][hop])
            if there_s < arrival_s.get(head, np.inf):
                arrival_s[head], came_by[head] = float(there_s), hop
                heappush(waiting, (float(there_s), head))
    return None


def _traced(hops: np.ndarray, came_by: dict[int, int], node: int, arrival_s: float) -> Route:
    taken: list[int] = []
    while came_by[node] != NONE:
        taken.append(came_by[node])
        node = int(hops["tail"][taken[-1]])
    ends_s = hops["end_s"][taken]
    return Route(tuple(taken[::-1]), arrival_s, float(ends_s.min(initial=np.inf)))


def all_first_hops(hops: np.ndarray, nodes: int, at_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for all pairs the first contact of the best route at ``at_s``, and when it arrives.

    Both ``(nodes, nodes)``: index into ``hops`` (NONE: there is no route, or one is there), and
    seconds (infinite: no route). For data of no size. Exact as :func:`find_route`, but for all
    sources at once: contacts are taken up in the order in which they begin, and labels corrected
    until no contact brings anything earlier.
    """
    arrival_s = np.full((nodes, nodes), np.inf)
    np.fill_diagonal(arrival_s, at_s)
    first = np.full((nodes, nodes), NONE, dtype=np.int64)
    useful = np.flatnonzero(hops["end_s"] > at_s)
    useful = useful[np.argsort(hops["start_s"][useful], kind="stable")]
    starts_s = hops["start_s"][useful]
    taken, upto = 0, int(np.searchsorted(starts_s, at_s, side="right"))
    while True:
        _correct(hops, useful[:upto], arrival_s, first)
        # What begins after the last arrival cannot make any arrival earlier.
        needed = int(np.searchsorted(starts_s, arrival_s.max()))
        taken = upto
        upto = min(max(2 * taken, _FIRST_BATCH), max(needed, taken))
        if upto == taken:
            return first, arrival_s


def _correct(hops: np.ndarray, which: np.ndarray, arrival_s: np.ndarray, first: np.ndarray) -> None:
    """Let the contacts ``which`` bring arrivals forward until none does."""
    order = which[np.argsort(hops["head"][which], kind="stable")]
    if not len(order):
        return
    chosen = hops[order]
    heads, begins = np.unique(chosen["head"], return_index=True)
    groups = np.split(np.arange(len(order)), begins[1:])
    stale = np.ones(len(arrival_s), dtype=bool)
    while stale.any():
        there_s = passage_s(chosen, arrival_s[:, chosen["tail"]])
        changed = np.zeros_like(stale)
        for head, group in zip(heads.tolist(), groups, strict=True):
            fresh = stale[chosen["tail"][group]]
            if not fresh.any():
                continue
            best = group[np.argmin(there_s[:, group], axis=1)]
            best_s = there_s[np.arange(len(there_s)), best]
            better = np.flatnonzero(best_s < arrival_s[:, head])
            if len(better):
                arrival_s[better, head] = best_s[better]
                tail = chosen["tail"][best[better]]
                own = tail == better
                first[better, head] = np.where(own, order[best[better]], first[better, tail])
                changed[head] = True
        stale = changed
