"""Every preset that fits, or the part of it that does, is emulated for a moment and read back."""

import numpy as np
import pytest

from emulator import Emulation, Scenario
from emulator.part import emulated
from topologies import presets

BRIEFLY_STEPS = 3
MOST_SATELLITES = 250
"""More than any preset but the 1,584 of shell-72x22, which the benchmarks run."""


def fitting() -> list[str]:
    """Presets of which something is to be emulated."""
    found = []
    for name in presets():
        scenario = Scenario.load(name)
        if scenario.emulate is None or not scenario.emulate.planned_only:
            satellites = sum(each.size for each in emulated(scenario).constellation)
            found += [name] if satellites <= MOST_SATELLITES else []
    return found


@pytest.mark.parametrize("name", fitting())
def test_a_preset_is_emulated_briefly(name: str) -> None:
    scenario = Scenario.load(name)
    run = scenario.scenario
    steps = min(scenario.steps, BRIEFLY_STEPS)
    run = run.model_copy(update={"duration_s": steps * run.step_s})
    routing = scenario.routing.model_copy(update={"protocol": "static"})
    bare = {"scenario": run, "routing": routing, "workload": (), "event": ()}
    with Emulation(scenario.model_copy(update=bare)) as emulation:
        emulation.play()
        held, plan = emulation.fabric.observe(), emulation.plan
        assert np.array_equal(held, plan.at(steps - 1))
        assert (held["peer"] >= 0).sum() == 2 * len(plan.links(steps - 1))
