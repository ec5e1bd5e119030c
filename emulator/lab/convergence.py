"""How long nodes' routes moved after each change of the sky, and how many of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.lab.course import Course
from emulator.linkplan import ALL_LOST_PPB

QUIET_S = 8.0
"""Routes that have not moved for so long stand: BIRD and babeld pause for up to some seconds."""
NOTICED_S = 30.0
"""Within this a protocol notices what happened, if it does: dead intervals and holding times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Links that were cut or joined at one moment. Every link counts once, not by direction."""

    t_s: float
    cuts: int
    """By the plan."""
    joins: int
    faults: int
    """Cut by an event of the scenario, which no ephemeris tells."""
    repairs: int
    """Joined by one."""
    links: tuple[str, ...]
    """``node:port node:port`` of each, in the order of their ports."""

    @property
    def planned(self) -> bool:
        """Whether geometry alone made it, so that it could be foreseen."""
        return not self.faults and not self.repairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """What the routes did about an event. ``None`` where no route changed."""

    event: Event
    first_s: float | None
    """From the event to the first change of a route; negative where routing was ahead of it."""
    last_s: float | None
    """From the event to the last change before the first quiet time."""
    changes: int
    nodes: int
    """How many nodes changed routes."""
    cut_short: bool
    """The next event, or the end, came before routes had been quiet: ``last_s`` is a lower
    bound."""


def events(course: Course) -> list[Event]:
    """Return what was cut and joined at steps after the first, by time."""
    plan = course.plan
    found = []
    foreseen, played = _links(course, 0)
    for step in range(1, plan.steps):
        foreseen_before, played_before = foreseen, played
        foreseen, played = _links(course, step)
        cut, joined = played_before - played, played - played_before
        faults, repairs = cut & foreseen, joined & foreseen_before
        if cut or joined:
            label = plan.network.port_label
            found.append(
                Event(
                    t_s=step * plan.step_s,
                    cuts=len(cut - faults),
                    joins=len(joined - repairs),
                    faults=len(faults),
                    repairs=len(repairs),
                    links=tuple(f"{label(a)} {label(b)}" for a, b in sorted(cut | joined)),
                )
            )
    return found


def convergence(
    course: Course,
    rows: Iterable[tuple[Any, ...]],
    quiet_s: float = QUIET_S,
    noticed_s: float = NOTICED_S,
    lead_s: float | None = None,
) -> list[Convergence]:
    """Return what the routes did about each of the events.

    ``rows``: of the table ``routes``, (t_s, node, action, …). An event's changes are those from the
    first within ``noticed_s`` on until none came for ``quiet_s``, or until the next event; where
    routing may be ahead of planned events, from ``lead_s`` before them (default: the scenario's
    ``cost_out_s``).
    """
    if lead_s is None:
        lead_s = course.plan.scenario.routing.cost_out_s
    heard = sorted(((row[0], row[1]) for row in rows if row[2] != "lost"), key=lambda row: row[0])
    t_s, names = np.array([row[0] for row in heard]), [row[1] for row in heard]
    all_events = events(course)
    before_s = [-np.inf, *(each.t_s for each in all_events)]
    opens = [
        max(last_s, each.t_s - lead_s) if each.planned else each.t_s
        for last_s, each in zip(before_s, all_events, strict=False)
    ]
    found = []
    for event, begin_s, until_s in zip(all_events, opens, [*opens, course.end_s][1:], strict=True):
        first, last = np.searchsorted(t_s, (begin_s, until_s))
        pauses_s = noticed_s, quiet_s
        found.append(_settled(event, t_s[first:last], names[first:last], until_s, pauses_s))
    return found


def _links(course: Course, step: int) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Pairs of ports that light joins both ways: by the plan, and as played.

    A fault may leave a port its carrier and lose all that comes; fades of the plan are no cuts.
    """
    plan, state = course.plan.at(step), course.state(step)
    deaf = (state["loss_ppb"] >= ALL_LOST_PPB) & (plan["loss_ppb"] < ALL_LOST_PPB)
    return _joined(plan["peer"]), _joined(np.where(deaf, -1, state["peer"]))


def _joined(peer: np.ndarray) -> set[tuple[int, int]]:
    port = np.arange(len(peer))
    both = (peer > port) & (peer[np.maximum(peer, 0)] == port)
    return set(zip(port[both].tolist(), peer[both].tolist(), strict=True))


def _settled(
    event: Event, t_s: np.ndarray, names: list[str], until_s: float, pauses_s: tuple[float, float]
) -> Convergence:
    """Changes up to the first quiet time, from ``t_s`` and ``names`` of all before ``until_s``."""
    noticed_s, quiet_s = pauses_s
    moments = np.concatenate(([event.t_s], t_s))
    late = np.diff(moments) > np.where(np.arange(len(t_s)) == 0, noticed_s, quiet_s)
    count = int(late.argmax()) if late.any() else len(t_s)
    last_s = float(moments[count])
    return Convergence(
        event=event,
        first_s=round(float(t_s[0]) - event.t_s, 6) if count else None,
        last_s=round(last_s - event.t_s, 6) if count else None,
        changes=count,
        nodes=len(set(names[:count])),
        cut_short=count > 0 and last_s + quiet_s > until_s,
    )
