"""The states of a link: every transition, and a link that goes through all of them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.causes import PASSING, Cause
from emulator.linkplan import LinkPlan
from emulator.pointing import CAUSE, NEXT, Event, State, after
from emulator.scenario import Scenario
from tests.unit.toys import walker_table

ARROWS = {
    (State.IDLE, Event.ASSIGNED): State.SLEW,
    (State.SLEW, Event.DONE): State.SCAN,
    (State.SCAN, Event.DONE): State.LOCK,
    (State.LOCK, Event.DONE): State.UP,
    (State.LOCK, Event.FAILED): State.SCAN,
    (State.UP, Event.BLOCKED): State.COAST,
    (State.COAST, Event.DONE): State.IDLE,
    (State.COAST, Event.CLEAR): State.REACQUIRE,
    (State.REACQUIRE, Event.DONE): State.UP,
    (State.REACQUIRE, Event.BLOCKED): State.COAST,
}
"""All that changes a state, as drawn; an acquisition that fails begins again."""


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_transition_is_the_one_drawn(state: State, event: Event) -> None:
    [found] = after(np.array([state]), event)
    assert found == ARROWS.get((state, event), state)


def test_transitions_are_of_whole_arrays() -> None:
    states = np.array([State.UP, State.REACQUIRE, State.SLEW, State.IDLE])
    blocked = [State.COAST, State.COAST, State.SLEW, State.IDLE]
    assert after(states, Event.BLOCKED).tolist() == blocked
    assert NEXT.shape == (len(State), len(Event))


@given(st.lists(st.sampled_from(Event), max_size=40))
def test_light_comes_after_turning_finding_and_locking(events: list[Event]) -> None:
    states = [State.IDLE]
    for event in events:
        states.append(State(int(NEXT[states[-1], event])))
    for index, state in enumerate(states):
        if state is State.UP:
            own = states[max(k for k in range(index) if states[k] is State.IDLE) : index]
            passed = [state for state in dict.fromkeys(own) if state < State.UP]
            assert passed == [State.IDLE, State.SLEW, State.SCAN, State.LOCK]


def test_only_a_link_that_is_up_is_lit() -> None:
    assert (CAUSE == Cause.LINKED).nonzero()[0].tolist() == [State.UP]


# Two rings that fly against each other over the equator, on the day of an equinox, and one pair of
# satellites that meets. The Sun is in their plane; what is dark for 6 steps is near to it.
EQUINOX = "2026-03-20T14:46:00Z"


def meeting(pointing: dict[str, Any], **run: Any) -> LinkPlan:
    table = walker_table(
        "0:1/1/0",
        600.0,
        scenario={"start": EQUINOX, "duration_s": 6000.0, "step_s": 1.0} | run,
        terminals={
            "laser": {"rate_gbps": 1.0, "max_range_km": 3000.0, "pointing": pointing},
        },
        isl=[{"pattern": "pairs", "pairs": [["east-01-01", "west-01-01"]]}],
    )
    east = table["constellation"][0] | {"name": "east"}
    west = east | {"name": "west", "walker": "180:1/1/0", "raan_start_deg": 180.0}
    west |= {"altitude_km": 650.0}
    return LinkPlan.of(Scenario.from_table(table | {"constellation": [east, west]}))


def outages(plan: LinkPlan) -> list[tuple[int, int, Cause]]:
    return [
        (int(row["start"]), int(row["end"]), Cause(int(row["cause"])))
        for row in plan.timeline.outages
    ]


def test_a_link_goes_through_all_states_to_the_second() -> None:
    ideal = meeting({"acquisition_s": 0.0})
    plan = meeting({"acquisition_s": 7.0, "repeat_s": 2.0, "lock_s": 3.0, "slew_deg_s": 1.0})
    assert len(ideal.contacts) == len(plan.contacts) == 2
    looked = None
    for wished, got in zip(ideal.contacts, plan.contacts, strict=True):
        assert (got["end"], got["ended"]) == (wished["end"], Cause.RANGE)
        comes = int(wished["start"])
        # Who has looked at nobody yet looks where it has to; then, where the peer has gone.
        turn_deg = 0.0 if looked is None else turned_deg(plan, looked, comes)
        phases = [(Cause.SLEWING, np.ceil(turn_deg)), (Cause.ACQUIRING, 2.0), (Cause.LOCKING, 3.0)]
        if looked is None:
            phases = [(Cause.ACQUIRING, 7.0), phases[-1]]
        dark = [row for row in outages(plan) if comes <= row[0] < got["start"]]
        assert [(cause, end - start) for start, end, cause in dark] == phases
        assert got["start"] == dark[-1][1]
        looked = int(got["end"])
    assert turn_deg > 150


def turned_deg(plan: LinkPlan, gone: int, comes: int) -> float:
    """By how much the farther of two terminals turns between two steps, in its own frame."""
    angles = []
    for own, peer in ((0, 1), (1, 0)):
        seen = [in_frame(plan, step, own, peer) for step in (gone, comes)]
        angles.append(np.degrees(np.arccos(np.clip(seen[0] @ seen[1], -1, 1))))
    return max(angles)


def in_frame(plan: LinkPlan, step: int, own: int, peer: int) -> np.ndarray:
    position_km, velocity_km_s = (
        each[:, 0] for each in plan.ephemeris.states(np.array([step * plan.step_s]))
    )
    up = position_km[own] / np.linalg.norm(position_km[own])
    left = np.cross(up, velocity_km_s[own])
    left /= np.linalg.norm(left)
    line = position_km[peer] - position_km[own]
    return np.array([line @ np.cross(left, up), line @ left, line @ up]) / np.linalg.norm(line)


def test_what_ends_a_contact_is_the_first_cause_of_the_dark() -> None:
    plan = meeting({"acquisition_s": 5.0, "sun_exclusion_deg": 12.0})
    begins = {start: cause for start, _, cause in outages(plan)}
    ended = plan.contacts[plan.contacts["end"] < plan.steps]
    assert len(ended) >= 2
    for contact in ended:
        assert begins[int(contact["end"])] == contact["ended"]
    assert set(PASSING) & set(ended["ended"].tolist()), "the Sun came between"
