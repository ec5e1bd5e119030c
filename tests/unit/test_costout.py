"""Which ports are avoided before a planned cut, to the step."""

import numpy as np
import pytest

from emulator.costout import CostOut
from emulator.linkplan import CONTACT, LinkPlan
from emulator.scenario import Scenario

STEPS = 100


def contacts(*rows: tuple[int, int, int, int]) -> np.ndarray:
    return np.array([(*row, 0) for row in rows], dtype=CONTACT)


def avoided(
    rows: np.ndarray, cost_out_s: float, step_s: float = 1.0, linger_s: float = 0.0
) -> dict[int, set[int]]:
    """Ports by step, without the steps at which there are none."""
    plan = CostOut(rows, STEPS, step_s, cost_out_s, linger_s)
    return {step: set(found) for step in range(STEPS) if (found := plan.at(step))}


@pytest.mark.parametrize(
    ("cost_out_s", "step_s", "first"),
    [(2.0, 1.0, 48), (1.5, 1.0, 48), (0.3, 0.1, 47), (0.5, 1.0, 49), (2.0, 10.0, 49)],
    ids=["whole", "rounded up", "no rounding error", "a step at least", "long steps"],
)
def test_both_ports_are_avoided_as_early_as_asked(cost_out_s, step_s, first) -> None:
    found = avoided(contacts((3, 8, 10, 50)), cost_out_s, step_s)
    assert found == {step: {3, 8} for step in range(first, 50)}


def test_the_end_of_the_plan_cuts_nothing() -> None:
    assert avoided(contacts((3, 8, 10, STEPS)), 5.0) == {}


def test_a_contact_that_has_not_begun_is_not_avoided() -> None:
    assert avoided(contacts((3, 8, 48, 50)), 5.0) == {48: {3, 8}, 49: {3, 8}}


def test_ports_stay_costly_until_they_are_forgotten_or_joined_anew() -> None:
    rows = contacts((3, 8, 10, 50), (3, 9, 52, STEPS))
    assert avoided(rows, 1.0, linger_s=4.0) == {
        49: {3, 8},
        50: {3, 8},
        51: {3, 8},
        52: {8},
        53: {8},
    }


def test_a_new_contact_that_is_itself_about_to_end_is_avoided() -> None:
    rows = contacts((3, 8, 10, 50), (3, 9, 50, 53))
    found = avoided(rows, 2.0, linger_s=4.0)
    assert found[50] == {8} and found[51] == {3, 8, 9} and found[56] == {3, 9}
    assert max(found) == 56


def test_of_a_real_sky_all_cuts_are_announced_and_nothing_else() -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    announced = CostOut(plan.contacts, plan.steps, plan.step_s, plan.step_s, 0.0)
    seen = set()
    for step in range(plan.steps - 1):
        cut = np.flatnonzero((plan.at(step)["peer"] >= 0) & (plan.at(step + 1)["peer"] < 0))
        assert set(cut.tolist()) <= announced.at(step)
        for port in announced.at(step):
            assert plan.at(step)["peer"][port] != plan.at(step + 1)["peer"][port]
        seen |= announced.at(step)
    assert seen
