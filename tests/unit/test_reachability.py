"""Runs made by hand, followed: outages to the moment, shares, stretch."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from emulator.lab.course import Course
from emulator.lab.fib import Tables
from emulator.lab.reachability import Reachability, follow
from emulator.lab.walking import Outcome
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols.static import NO_ROUTE, next_hops, shortest_path_routes, unpack, walk
from tests.unit.toys import walker_table

CUT_S, JOIN_S, END_S = 20.0, 40.0, 60.0
LATE_S = 0.5
PAIRS = 8 * 7


def ring(*events: tuple[float, str, list[str]], light_lost: str = "carrier") -> LinkPlan:
    """A ring of eight with steps of ten seconds, and what happens to it."""
    table = walker_table("53:8/1/0", 1500.0, isl=[{"pattern": "ring"}])
    table["scenario"]["light_lost"] = light_lost
    table["event"] = [{"at_s": at, "action": act, "target": who} for at, act, who in events]
    return LinkPlan.of(Scenario.from_table(table))


FIRST, SECOND = "sat-01-01", "sat-01-02"
CUT = ((CUT_S, "link down", [FIRST, SECOND]), (JOIN_S, "link up", [FIRST, SECOND]))


def announced(course: Course, late_s: float) -> Iterator[tuple]:
    """Changes of the quickest paths' routes, each ``late_s`` after its step."""
    network = course.plan.network
    nodes, size = network.nodes, network.size
    held = np.full((size, size), NO_ROUTE)
    for step in range(course.plan.steps):
        wanted = shortest_path_routes(network, course.state(step))
        t_s = step * course.plan.step_s + (late_s if step else -1.0)
        for a, b in np.argwhere(wanted != held).tolist():
            gone = wanted[a, b] == NO_ROUTE
            action = "delete" if gone else "add" if held[a, b] == NO_ROUTE else "replace"
            port = nodes[a].ports[int(unpack((held if gone else wanted)[a, b])[1])].name
            yield t_s, nodes[a].name, action, nodes[b].name, port, "lasermesh"
        held = wanted


def followed(plan: LinkPlan, late_s: float = LATE_S) -> Reachability:
    """Follow a run in which all nodes learn of changes ``late_s`` after them."""
    course = Course.of(plan)
    return follow(course, Tables.of(plan.network, announced(course, late_s)))


@pytest.mark.parametrize(
    ("light_lost", "outcome"), [("carrier", Outcome.NO_ROUTE), ("silent", Outcome.BLACK_HOLE)]
)
def test_a_cut_is_an_outage_until_routes_follow(light_lost: str, outcome: Outcome) -> None:
    plan = ring(*CUT, light_lost=light_lost)
    hops = next_hops(plan.network, plan.at(0))
    cut = {plan.network.node(name).index for name in (FIRST, SECOND)}
    over = {
        (a, b)
        for a, b in itertools.permutations(range(8), 2)
        if any(set(link) == cut for link in itertools.pairwise(walk(hops, a, b)))
    }
    assert 10 <= len(over) < PAIRS
    found = followed(plan)
    assert {(o["a"], o["b"]) for o in found.outages} == over and len(found.outages) == len(over)
    for name, value in (("start_s", CUT_S), ("end_s", CUT_S + LATE_S), ("outcome", outcome)):
        assert (found.outages[name] == value).all()
    assert found.lengths_s.tolist() == [LATE_S] * len(over)
    assert found.share.min() == 1 - len(over) / PAIRS
    assert found.pair_seconds() == {
        **dict.fromkeys(("no_route", "black_hole", "loop", "apart"), 0.0),
        outcome.name.lower(): pytest.approx(LATE_S * len(over)),
        "reached": pytest.approx(PAIRS * END_S - LATE_S * len(over)),
    }


def test_quickest_routes_have_no_stretch_and_the_long_way_round_has() -> None:
    """While the link is back and routes still go round by the other side, and not otherwise."""
    found = followed(ring(*CUT), late_s=5.0)
    assert found.sample_s[:2] == pytest.approx([1.0, 2.0], abs=0.002) and len(found.sample_s) == 60
    longest = np.nanmax(found.hop_stretch, axis=(1, 2))
    late = (found.sample_s > JOIN_S) & (found.sample_s < JOIN_S + 5.0)
    assert late.sum() == 5 and longest[late].tolist() == [7.0] * 5
    assert longest[~late].tolist() == [1.0] * 55
    assert np.nanmax(found.stretch[~late]) == pytest.approx(1.0, abs=1e-6)
    assert np.nanmax(found.stretch[late]) == pytest.approx(7.0, rel=0.01)
    assert np.isnan(found.stretch[:, range(8), range(8)]).all()


def test_who_has_no_light_is_apart_and_counts_for_nothing() -> None:
    found = followed(ring((CUT_S, "satellite down", [FIRST])), late_s=0.0)
    assert len(found.outages) == 0 and (found.share == 1.0).all()
    after = found.t_s >= CUT_S
    assert found.pairs[after, Outcome.APART].tolist() == [2 * 7] * int(after.sum())
    assert (found.pairs[:, Outcome.APART][~after] == 0).all()
    assert np.isfinite(found.stretch[-1]).sum() == 7 * 6


def test_an_outage_has_the_worst_outcome_and_may_last_to_the_end() -> None:
    """Two neighbours send to each other for a second; then one of them has no route at all."""
    plan = ring()
    course = Course.of(plan)
    rows = list(announced(course, 0.0))
    port = {(row[1], row[3]): row[4] for row in rows}
    third = "sat-01-03"
    back = port[SECOND, FIRST]
    rows += [
        (31.0, SECOND, "replace", third, back, "x"),
        (32.0, SECOND, "delete", third, back, "x"),
    ]
    found = follow(course, Tables.of(plan.network, rows))
    a, b, c = (plan.network.node(name).index for name in (FIRST, SECOND, third))
    by_pair = {(o["a"], o["b"]): o for o in found.outages}
    assert {(a, c), (b, c)} <= set(by_pair) and {to for _, to in by_pair} == {c}
    for each in by_pair.values():
        assert (each["start_s"], each["end_s"]) == (31.0, END_S)
        assert each["outcome"] == Outcome.LOOP
    at = found.t_s.searchsorted([30.5, 31.0, 32.0], side="right") - 1
    assert found.pairs[at, Outcome.LOOP].tolist() == [0, len(by_pair), 0]
    assert found.pairs[at, Outcome.NO_ROUTE].tolist() == [0, 0, len(by_pair)]


def test_without_any_routes_nobody_is_reached() -> None:
    plan = ring()
    found = follow(Course.of(plan), Tables.of(plan.network, []))
    assert len(found.outages) == PAIRS and (found.lengths_s == END_S).all()
    assert (found.share == 0).all() and np.isnan(found.stretch).all()


def test_late_steps_of_a_busy_machine_are_in_force_from_when_they_were_shown() -> None:
    plan = ring(*CUT)
    lag_ms = np.array([0.0, 0.0, 250.0, 0.0, 0.0, 0.0])
    course = Course.of(plan, lag_ms)
    assert [course.step_of(t) for t in (-1.0, 0.0, 20.0, 20.25, 30.0)] == [0, 0, 1, 2, 3]
    found = follow(course, Tables.of(plan.network, announced(course, LATE_S)))
    assert (found.lengths_s == LATE_S - 0.25).all() and len(found.outages)
