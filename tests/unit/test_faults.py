"""Faults laid over the plan: which channels go dark, which lose all, and what others make of it."""

from typing import Any

import numpy as np
import pytest

from emulator.explain import explain
from emulator.faults import Faults, all_outages
from emulator.lab.convergence import events
from emulator.lab.course import Course
from emulator.linkplan import ALL_LOST_PPB, LinkPlan, both_ways, carrying
from emulator.planview import moment
from emulator.scenario import Scenario
from emulator.workloads import PingWorkload
from protocols.daemons import islands
from protocols.ping import Expectation, Ping
from protocols.static import NO_ROUTE, next_hops, shortest_path_routes, walk
from tests.unit.test_events import event
from tests.unit.test_oracle import Played
from tests.unit.test_placement import placed
from tests.unit.toys import walker_table

A, B, C = "sat-01-01", "sat-01-02", "sat-01-03"
STEPS = 60


def ring(*events: dict[str, Any], **run: Any) -> LinkPlan:
    """Eight satellites in a ring at 1500 km for 60 seconds, in steps of one."""
    timing = {"step_s": 1.0, "duration_s": float(STEPS), **run}
    sections = {"scenario": timing, "isl": [{"pattern": "ring"}], "event": list(events)}
    return LinkPlan.of(Scenario.from_table(walker_table("53:8/1/0", 1500.0, **sections)))


def laid_over(plan: LinkPlan, t_s: float) -> tuple[np.ndarray, np.ndarray]:
    """The state that the plan wants at a time, and that with the faults."""
    wanted = plan.at(plan.step_of(t_s))
    return wanted, Faults.of(plan).lay_over(wanted, plan.dark(), t_s)


def towards(plan: LinkPlan, a: str, b: str) -> int:
    """The port at which the channel from a to b arrives."""
    near, far = (plan.network.node(name) for name in (a, b))
    peer, node = plan.at(0)["peer"], plan.network.port_node
    [port] = [
        p.index for p in far.ports if peer[p.index] >= 0 and node[peer[p.index]] == near.index
    ]
    return port


def changed(plan: LinkPlan, t_s: float) -> list[int]:
    wanted, state = laid_over(plan, t_s)
    return np.flatnonzero(wanted != state).tolist()


BOTH, ONE_WAY = {}, {"direction": "a-to-b"}


def test_one_direction_darkens_the_end_that_loses_its_light() -> None:
    plan = ring(event(10.0, "link down", A, B, **ONE_WAY))
    there, back = towards(plan, A, B), towards(plan, B, A)
    wanted, state = laid_over(plan, 10.0)
    assert np.flatnonzero(wanted != state).tolist() == [there]
    assert state[there] == plan.dark()[there]
    assert state["peer"][back] == there
    lit = np.flatnonzero(wanted["peer"] >= 0)
    assert set(lit.tolist()) - set(both_ways(state).tolist()) == {there, back}


@pytest.mark.parametrize("direction", [BOTH, ONE_WAY])
def test_silence_keeps_the_peer_and_loses_all(direction: dict[str, str]) -> None:
    plan = ring(event(10.0, "link down", A, B, silent=True, **direction))
    there, back = towards(plan, A, B), towards(plan, B, A)
    out = [there] if direction else sorted([there, back])
    wanted, state = laid_over(plan, 30.0)
    assert np.flatnonzero(wanted != state).tolist() == out
    assert state["loss_ppb"][out].tolist() == [ALL_LOST_PPB] * len(out)
    state["loss_ppb"][out] = 0
    assert np.array_equal(state, wanted)


def test_a_scenario_of_silence_says_nothing_of_its_faults() -> None:
    plan = ring(event(10.0, "satellite down", B), light_lost="silent")
    wanted, state = laid_over(plan, 10.0)
    assert np.array_equal(state["peer"], wanted["peer"])
    assert (state["loss_ppb"] == ALL_LOST_PPB).sum() == 4


def test_a_terminal_takes_its_own_link_only() -> None:
    there = towards(ring(), A, B)
    name = ring().network.ports[there].name
    plan = ring(event(10.0, "terminal down", B, name, for_s=5.0))
    assert changed(plan, 9.0) == changed(plan, 15.0) == []
    assert changed(plan, 10.0) == changed(plan, 14.0) == sorted([there, towards(plan, B, A)])
    idle = next(p.name for p in plan.network.node(B).ports if plan.at(0)["peer"][p.index] < 0)
    assert changed(ring(event(10.0, "terminal down", B, idle)), 20.0) == []


def test_what_drops_the_carrier_outdoes_silence() -> None:
    silent = event(10.0, "link down", A, B, silent=True)
    plan = ring(silent, event(20.0, "satellite down", A, for_s=5.0))
    there = towards(plan, A, B)
    peers = [int(laid_over(plan, t_s)[1]["peer"][there]) for t_s in (15.0, 22.0, 25.0)]
    assert peers == [towards(plan, B, A), -1, towards(plan, B, A)]
    assert laid_over(plan, 25.0)[1]["loss_ppb"][there] == ALL_LOST_PPB


def test_nothing_is_copied_where_nothing_is_broken() -> None:
    plan = ring(event(10.0, "link down", A, B, for_s=5.0))
    wanted, faults = plan.at(0), Faults.of(plan)
    for lay in (faults.lay_over, faults.without):
        assert lay(wanted, plan.dark(), 9.0) is wanted is lay(wanted, plan.dark(), 15.0)
        assert lay(wanted, plan.dark(), 10.0) is not wanted


def test_times_may_be_asked_for_in_any_order() -> None:
    events = [event(10.0 + k, "link down", A, B, for_s=0.5, silent=bool(k % 2)) for k in range(9)]
    plan = ring(*events, step_s=0.25)
    asked = np.random.default_rng(1).permutation(4 * STEPS) / 4.0
    faults = Faults.of(plan)
    for t_s in asked.tolist():
        wanted = plan.at(plan.step_of(t_s))
        once = Faults.of(plan).lay_over(wanted, plan.dark(), t_s)
        assert np.array_equal(faults.lay_over(wanted, plan.dark(), t_s), once)


@pytest.mark.parametrize("step_s", [0.1, 0.7])
def test_a_fault_is_told_once_at_the_step_that_first_shows_it(step_s: float) -> None:
    plan = ring(
        event(0.0, "satellite down", C),
        event(2.1, "link down", A, B, for_s=4.9),
        event(30.05, "terminal down", A, "isl2", silent=True),
        step_s=step_s,
    )
    faults, told = Faults.of(plan), []
    for step in range(plan.steps):
        t_s = step * step_s
        rows = faults.told(t_s - step_s, t_s)
        told += rows
        if step and (plan.contacts["start"] == 0).all():
            before, now = (changed(plan, k * step_s) for k in (step - 1, step))
            shown = [row for row in rows if row["target"] != [A, "isl2"]]
            assert (before != now) == bool(shown), t_s
    assert [(row["t_s"], row["action"]) for row in told] == [
        (0.0, "satellite down"),
        (2.1, "link down"),
        (7.0, "link up"),
        (30.05, "terminal down"),
    ]
    assert told[-1] == {
        "t_s": 30.05,
        "action": "terminal down",
        "target": [A, "isl2"],
        "direction": "both",
        "silent": True,
        "origin": "event",
    }


@pytest.mark.parametrize("silent", [False, True])
def test_a_link_without_one_direction_is_no_way_for_routes(silent: bool) -> None:
    plan = ring(event(10.0, "link down", A, B, silent=silent, **ONE_WAY))
    _, state = laid_over(plan, 10.0)
    hops, a, b = next_hops(plan.network, state), 0, 1
    for path in (walk(hops, a, b), walk(hops, b, a)):
        assert len(path) == 8  # the long way round
    routes = shortest_path_routes(plan.network, state)[:8, :8]
    towards_port = routes[routes != NO_ROUTE] & 0xFF
    assert set(np.unique(towards_port).tolist()) <= set(range(4))
    assert all(len(each) == 8 for each in islands(plan.network, state)[:8])


@pytest.mark.parametrize("silent", [False, True])
def test_those_who_know_everything_plan_around_it(silent: bool) -> None:
    plan = ring(event(10.0, "link down", A, B, silent=silent, **ONE_WAY))
    known = Faults.of(plan).without(plan.at(20), plan.dark(), 20.0)
    both = {towards(plan, A, B), towards(plan, B, A)}
    assert set(np.flatnonzero(known != plan.at(20)).tolist()) == both
    expected = Expectation(plan)
    direct_ms, around_ms = (expected.rtt_ms(0, 1, t_s) for t_s in (9.5, 10.5))
    assert around_ms > 6 * direct_ms
    placement = placed(plan)
    light_s = [placement.route("any", 0, 1, t_s)[1] - t_s for t_s in (9.5, 10.5)]
    assert light_s[1] > 6 * light_s[0]
    assert (0, 1) in Ping(PingWorkload(kind="ping"), plan).pairs(9.5)
    assert (0, 1) not in Ping(PingWorkload(kind="ping"), plan).pairs(10.5)


def test_what_is_silent_carries_nothing_though_it_is_joined() -> None:
    plan = ring(event(10.0, "satellite down", A, silent=True))
    _, state = laid_over(plan, 10.0)
    gone = set(both_ways(state).tolist()) - set(carrying(state).tolist())
    assert gone == {towards(plan, *pair) for pair in ((A, B), (B, A))} | {
        towards(plan, *pair) for pair in ((A, "sat-01-08"), ("sat-01-08", A))
    }
    assert islands(plan.network, state)[0] == {plan.network.node(A).ipv4}


def test_ground_contacts_lose_what_faults_take() -> None:
    site = {"latitude_deg": 0.0, "longitude_deg": 0.0, "antennas": {"kind": "radio", "count": 1}}
    events = [
        event(20.0, "terminal down", "pad", "gsl0", for_s=10.0, silent=True),
        event(40.0, "satellite down", A, for_s=5.0),
    ]
    sections = {"ground": {"station": [site | {"name": "pad"}]}, "event": events}
    sections["scenario"] = {"step_s": 1.0, "duration_s": 60.0}
    plan = LinkPlan.of(Scenario.from_table(walker_table("53:24/3/1", 1500.0, **sections)))
    placement = placed(plan)
    down = placement.hops[placement.hops["head"] >= len(plan.network.satellites)]
    found = [(float(c["start_s"]), float(c["end_s"])) for c in down]
    assert all(end <= 20.0 or start >= 30.0 for start, end in found)
    [contact] = [row for row in plan.contacts if plan.network.ports[row["b"]].kind == "gsl"][:1]
    assert contact["start"] == 0 and (0.0, 20.0) in found


def test_causes_name_what_broke_a_link_and_how() -> None:
    there = ring().network.ports[towards(ring(), B, C)]
    plan = ring(
        event(10.0, "link down", A, B, for_s=5.0, **ONE_WAY),
        event(20.0, "link down", A, B, for_s=5.0, silent=True, **ONE_WAY),
        event(22.0, "link down", B, A, for_s=3.0, **ONE_WAY),
        event(30.0, "terminal down", C, there.name),
        event(40.0, "satellite down", B, silent=True),
    )

    def said(a: str, b: str, text: str) -> str:
        return explain(plan, a, b, moment(plan, text)).split(": ", 1)[1]

    event_ = "an event of the scenario has"
    assert said(A, B, "9").startswith("linked")
    assert said(B, A, "10") == (
        f"dark from {A} to {B}: {event_} cut this link: {B} has no carrier and sends nothing"
    )
    one = f"dark from {A} to {B}: {event_} cut this link, unnoticed: carriers stay"
    assert said(A, B, "21") == one
    assert said(A, B, "23").startswith(f"{one}; dark from {B} to {A}")
    assert said(B, C, "30") == f"dark: {event_} taken down {C}:{there.name}"
    assert said(C, "sat-01-04", "30").startswith("linked")
    assert said(A, B, "40") == f"dark: {event_} silenced {B}, unnoticed: carriers stay"


def test_outages_hold_every_kind_and_both_directions_alike() -> None:
    name = ring().network.ports[towards(ring(), B, C)].name
    plan = ring(
        event(5.0, "link down", A, B, for_s=5.0, silent=True, **ONE_WAY),
        event(8.0, "link down", B, A, for_s=7.0, **ONE_WAY),
        event(20.0, "terminal down", C, name, for_s=0.5),
        event(30.5, "terminal down", C, name, for_s=0.2),  # between two steps
    )
    assert [tuple(row)[:4] for row in all_outages(plan).tolist()] == [(0, 1, 5, 15), (1, 2, 20, 21)]


def test_random_failures_and_storms_have_words_of_their_own() -> None:
    table = walker_table("53:8/1/0", 1500.0, isl=[{"pattern": "ring"}])
    table["storm"] = [{"at_s": 30.0, "duration_s": 9.0, "latitude_deg": [-60.0, 60.0]}]
    table["failures"] = {"links_per_hour": 60.0, "repair_s": 1.0}
    plan = LinkPlan.of(Scenario.from_table(table))
    [broken] = [each for each in Faults.of(plan).found if each.origin == "failures"][:1]
    assert "a random failure has cut this link" in explain(plan, *broken.target, broken.at_s)
    assert "a storm has silenced sat-01-0" in explain(plan, A, B, 35.0)


@pytest.mark.parametrize("silent", [False, True])
def test_the_laboratory_knows_what_is_broken_and_what_kernels_see(silent: bool) -> None:
    plan = ring(event(10.0, "link down", A, B, for_s=5.0, silent=silent, **ONE_WAY))
    course = Course.of(plan)
    told = [(each.t_s, each.faults, each.repairs) for each in events(course)]
    assert told == [(10.0, 1, 0), (15.0, 0, 1)]
    light = course.light(12)
    cell = [plan.network.ports[towards(plan, *pair)] for pair in ((B, A), (A, B))]
    offset = [port.index - plan.network.nodes[port.node].ports[0].index for port in cell]
    assert [bool(light.used[k, offset[k]]) for k in (0, 1)] == [True, silent]
    assert [int(light.to[k, offset[k]]) for k in (0, 1)] == [-1, 0 if silent else -1]


@pytest.mark.parametrize("silent", [False, True])
def test_the_oracle_learns_of_faults_when_they_happen(silent: bool) -> None:
    plan = ring(event(10.0, "link down", A, B, for_s=5.0, silent=silent, **ONE_WAY))
    oracle = Played(plan)
    # Like any link that its ends must notice first, a repaired one is taken in its second step.
    again = 15 if silent else 16
    for step in range(20):
        oracle.foresee(step)
        oracle.step(laid_over(plan, float(step))[1])
        around = oracle.written[0, 1] == oracle.written[0, 7]
        assert around == (10 <= step < again), step
