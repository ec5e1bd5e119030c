"""The player on a clock that jumps and a fabric that records: exact, in no time."""

import json
from pathlib import Path

import numpy as np
import pytest

from emulator.clock import ManualClock
from emulator.kernel.recording import RecordingFabric
from emulator.linkplan import LinkPlan
from emulator.player import Player, Step
from emulator.scenario import Scenario


def scenario(*events: dict[str, object]) -> Scenario:
    """The three-body preset, 60 steps, with events."""
    table = json.loads(Scenario.load("three-body").to_json())
    table["scenario"]["duration_s"] = 60.0
    table["event"] = list(events)
    return Scenario.from_table(table, Path("toy.toml"))


def played(made: Scenario) -> tuple[LinkPlan, RecordingFabric, list[Step]]:
    """Play a scenario to its end."""
    plan, fabric, steps = LinkPlan.of(made), RecordingFabric(), []
    fabric.build(plan.dark())
    clock = ManualClock()
    Player(plan, fabric, clock).play(100.0, steps.append)
    assert clock.now() == 160.0
    return plan, fabric, steps


def test_every_step_is_shown_once_in_order_and_on_time() -> None:
    plan, fabric, steps = played(scenario())
    assert [step.step for step in steps] == list(range(60))
    assert all(step.lag_ms == 0 for step in steps)
    for step, state in enumerate(fabric.applied):
        assert np.array_equal(state, plan.at(step))
    assert steps[0].changes == (plan.at(0) != plan.dark()).sum()
    assert steps[16].changes == (plan.at(16) != plan.at(15)).sum()


def test_a_late_step_is_played_and_its_lag_recorded() -> None:
    plan, fabric, clock = LinkPlan.of(scenario()), RecordingFabric(), ManualClock()
    fabric.build(plan.dark())
    clock.time_s = 2.5
    steps: list[Step] = []
    Player(plan, fabric, clock).play(0.0, steps.append)
    assert [step.lag_ms for step in steps[:4]] == [2500, 1500, 500, 0]


def test_faults_darken_exactly_their_ports_for_exactly_their_time() -> None:
    plan, fabric, _ = played(
        scenario(
            {"at_s": 10.0, "action": "link down", "target": ["scs-01-a", "scs-01-f"]},
            {"at_s": 20.0, "action": "link up", "target": ["scs-01-f", "scs-01-a"]},
            {"at_s": 30.0, "action": "satellite down", "target": ["scs-01-h"]},
            {"at_s": 40.0, "action": "satellite up", "target": ["scs-01-h"]},
        )
    )
    node = plan.network.port_node
    a, f, h = (plan.network.node(f"scs-01-{x}").index for x in "afh")
    for step, state in enumerate(fabric.applied):
        wanted = plan.at(step)
        differs = {
            frozenset((int(node[p]), int(node[wanted["peer"][p]])))
            for p in np.flatnonzero(state != wanted)
        }
        if 10 <= step < 20:
            assert differs == {frozenset((a, f))}
        elif 30 <= step < 40:
            assert len(differs) == 3 and all(h in pair for pair in differs)
        else:
            assert not differs
        dark = state["peer"] < 0
        assert np.array_equal(state[dark], plan.dark()[dark])


@pytest.mark.parametrize("word", ["up", "down"])
def test_an_event_before_the_start_of_its_opposite_changes_nothing_else(word: str) -> None:
    _, fabric, _ = played(
        scenario({"at_s": 0.0, "action": f"link {word}", "target": ["scs-01-a", "scs-01-f"]})
    )
    lit = (fabric.applied[0]["peer"] >= 0).sum()
    assert lit == (24 if word == "up" else 22)
