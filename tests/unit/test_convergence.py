"""What happens to the sky, and which changes of routes are put down to it."""

import numpy as np
import pytest

from emulator.lab.convergence import Convergence, convergence, events
from emulator.lab.course import Course
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from tests.unit.test_reachability import CUT, CUT_S, FIRST, JOIN_S, SECOND, ring

LINK = (f"{FIRST}:isl0 {SECOND}:isl1",)


def change(t_s: float, node: str = FIRST) -> tuple:
    return t_s, node, "replace", SECOND, "isl1", "ospf"


def test_faults_and_repairs_are_not_planned() -> None:
    first, second = events(Course.of(ring(*CUT)))
    assert (first.t_s, first.faults, first.cuts, first.links) == (CUT_S, 1, 0, LINK)
    assert (second.t_s, second.repairs, second.joins, second.links) == (JOIN_S, 1, 0, LINK)
    assert not first.planned and not second.planned


def test_a_fault_counts_from_the_step_that_shows_it() -> None:
    [only] = events(Course.of(ring((CUT_S + 0.1, "satellite down", [FIRST]))))
    assert (only.t_s, only.faults, len(only.links)) == (CUT_S + 10.0, 2, 2)


class Deafened(Course):
    """A course in which one channel, at whose end carriers stay, loses all for one step."""

    def state(self, step: int) -> np.ndarray:
        state = super().state(step)
        if step == 3:
            state = state.copy()
            state["loss_ppb"][self.plan.network.node(SECOND).ports[1].index] = 10**9
        return state


def test_a_channel_that_loses_all_in_silence_is_a_fault() -> None:
    first, second = events(Deafened.of(ring()))
    assert (first.t_s, first.faults, first.links) == (30.0, 1, LINK)
    assert (second.t_s, second.repairs, second.links) == (40.0, 1, LINK)


def test_planned_events_are_the_contacts() -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    found = events(Course.of(plan))
    ends = plan.contacts["end"][plan.contacts["end"] < plan.steps]
    starts = plan.contacts["start"][plan.contacts["start"] > 0]
    assert len(ends) and len(starts)
    assert sum(each.cuts for each in found) == len(ends)
    assert sum(each.joins for each in found) == len(starts)
    moments = np.unique(np.concatenate([ends, starts])) * plan.step_s
    assert [each.t_s for each in found] == moments.tolist()
    assert all(each.planned for each in found)


def test_changes_belong_to_the_event_before_them_until_all_is_quiet() -> None:
    rows = [change(t_s) for t_s in (1.0, 20.4, 21.5, 27.0, 36.0)]  # the last nine seconds later
    rows += [change(41.0, SECOND), change(41.0), (41.5, FIRST, "lost", None, None, None)]
    first, second = convergence(Course.of(ring(*CUT)), rows)
    assert first == Convergence(
        event=first.event, first_s=0.4, last_s=7.0, changes=3, nodes=1, cut_short=False
    )
    assert second == Convergence(
        event=second.event, first_s=1.0, last_s=1.0, changes=2, nodes=2, cut_short=False
    )


def test_routes_that_move_until_the_next_event_are_said_to() -> None:
    rows = [change(t_s) for t_s in (21.0, 28.0, 35.0)]
    first, second = convergence(Course.of(ring(*CUT)), rows)
    assert (first.last_s, first.cut_short) == (15.0, True)
    assert (second.first_s, second.changes, second.cut_short) == (None, 0, False)


def test_what_a_protocol_notices_late_is_put_down_to_the_event_and_what_comes_too_late_not() -> (
    None
):
    course = Course.of(ring(*CUT))
    first, _ = convergence(course, [change(31.0), change(32.0)])
    assert (first.first_s, first.last_s, first.changes, first.nodes) == (11.0, 12.0, 2, 1)
    assert not first.cut_short
    first, _ = convergence(course, [change(31.0)], noticed_s=10.0)
    assert (first.first_s, first.last_s, first.changes, first.nodes) == (None, None, 0, 0)


@pytest.mark.parametrize("lead_s", [0.0, 2.0])
def test_routing_may_be_ahead_of_planned_events_and_of_no_others(lead_s: float) -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    course = Course.of(plan)
    rows = [change(each.t_s - 1.5, plan.network.nodes[0].name) for each in events(course)]
    firsts = [each.first_s for each in convergence(course, rows, 1.0, 1.0, lead_s)]
    assert set(firsts) == ({-1.5} if lead_s else {None})
    unplanned = Course.of(ring(*CUT))
    rows = [change(CUT_S - 1.0)]
    assert [each.first_s for each in convergence(unplanned, rows, lead_s=lead_s)] == [None, None]
