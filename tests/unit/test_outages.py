"""What light was lost by: faults cut out of contacts, and sums by cause."""

from typing import Any

import numpy as np
import pytest

from emulator.causes import TEXT, Cause
from emulator.faults import Faults, all_outages
from emulator.linkplan import LinkPlan
from emulator.outages import OUTAGE, lost
from emulator.panel import CONTACT
from emulator.scenario import Scenario
from tests.unit.toys import walker_table


def plan(
    events: list[dict[str, Any]], step_s: float = 0.7, altitude_km: float = 1500.0
) -> LinkPlan:
    """A ring of eight for 60 seconds."""
    timing = {"step_s": step_s, "duration_s": 60.0}
    sections = {"scenario": timing, "isl": [{"pattern": "ring"}], "event": events}
    return LinkPlan.of(Scenario.from_table(walker_table("53:8/1/0", altitude_km, **sections)))


def event(at_s: float, action: str, *target: str) -> dict[str, Any]:
    return {"at_s": at_s, "action": action, "target": list(target)}


EVENTS = [
    event(7.0, "link down", "sat-01-01", "sat-01-02"),  # 10 × 0.7 is 7.000000000000001 or 7
    event(14.1, "link up", "sat-01-02", "sat-01-01"),
    event(20.0, "satellite down", "sat-01-03"),
    event(30.0, "link down", "sat-01-04", "sat-01-03"),  # dark already
    event(40.0, "satellite up", "sat-01-03"),
    event(50.0, "link down", "sat-01-07", "sat-01-08"),
    event(55.0, "link down", "sat-01-05", "sat-01-06"),
]


@pytest.mark.parametrize("step_s", [0.1, 0.3, 0.7, 1.0, 7.0])
def test_outages_by_faults_are_where_the_player_takes_light_away(step_s: float) -> None:
    played = plan(EVENTS, step_s)
    faults, node = Faults.of(played), played.network.port_node
    dark = np.zeros((8, 8, played.steps), dtype=bool)
    for a, b, start, end, cause in faults.outages(played.contacts, step_s).tolist():
        assert cause == Cause.FAULT
        assert not dark[a, b, start:end].any(), "told twice"
        dark[a, b, start:end] = dark[b, a, start:end] = True
    for step, state in enumerate(played):
        shown = faults.lay_over(state, played.dark(), step * step_s)
        out = np.zeros((8, 8), dtype=bool)
        gone = np.flatnonzero((state["peer"] >= 0) & (shown["peer"] < 0))
        out[node[gone], node[state["peer"][gone]]] = True
        assert np.array_equal(dark[:, :, step], out), step


def test_a_fault_that_lasts_is_one_outage_whatever_else_happens() -> None:
    played = plan(EVENTS, 1.0)
    own = Faults.of(played).outages(played.contacts, 1.0)
    rows = sorted(tuple(row)[:4] for row in own.tolist())
    assert rows == [(0, 1, 7, 15), (1, 2, 20, 40), (2, 3, 20, 60), (4, 5, 55, 60), (6, 7, 50, 60)]
    assert np.array_equal(all_outages(played), np.sort(own, order=["start", "a", "b"]))


def test_faults_stand_beside_what_the_plan_foresaw() -> None:
    hidden = plan([event(0.0, "satellite down", "sat-01-01")], 10.0, altitude_km=500.0)
    assert len(hidden.contacts) == 0
    assert np.array_equal(all_outages(hidden), hidden.timeline.outages)
    [earth] = lost(hidden.contacts, all_outages(hidden), hidden.step_s)
    assert earth == (Cause.EARTH, 0, 8, 8 * 60.0)


def test_losses_are_added_up_by_cause_the_longest_first() -> None:
    contacts = np.array(
        [(0, 1, 0, 5, Cause.SUN), (0, 1, 7, 9, Cause.POWER), (2, 3, 0, 9, Cause.END)], dtype=CONTACT
    )
    outages = np.array(
        [(0, 1, 5, 7, Cause.SUN), (0, 1, 9, 20, Cause.POWER), (4, 5, 0, 20, Cause.EARTH)],
        dtype=OUTAGE,
    )
    rows = lost(contacts, outages, 0.5)
    assert rows == [(Cause.EARTH, 0, 1, 10.0), (Cause.POWER, 1, 1, 5.5), (Cause.SUN, 1, 1, 1.0)]
    assert lost(contacts[2:], outages[:0], 0.5) == []
    assert lost(contacts[:0], outages[:0], 0.5) == []


def test_every_cause_has_words_of_its_own() -> None:
    assert set(TEXT) == set(Cause)
    assert len(set(TEXT.values())) == len(Cause)
    assert Cause.BELOW_MASK.word == "below-mask"
    assert [Cause.of(cause.word) for cause in Cause] == list(Cause)
