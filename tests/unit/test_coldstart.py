"""The order in which links come up: whole at the end, block by block before."""

import itertools

import numpy as np

from emulator.coldstart import FIRST_BLOCK, stages
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from tests.unit.toys import walker_table


def shell(planes: int, slots: int) -> LinkPlan:
    table = walker_table(f"53:{planes * slots}/{planes}/1", isl=[{"pattern": "grid"}])
    return LinkPlan.of(Scenario.from_table(table))


def test_a_small_sky_comes_up_at_once() -> None:
    plan = shell(6, 11)
    (only,) = stages(plan.network, plan.at(0), plan.dark())
    assert np.array_equal(only, plan.at(0))


def test_stages_grow_and_end_with_every_link() -> None:
    plan = shell(12, 24)
    state, dark = plan.at(0), plan.dark()
    found = stages(plan.network, state, dark)
    assert len(found) > 2 and np.array_equal(found[-1], state)
    lit = [set(np.flatnonzero(stage["peer"] >= 0)) for stage in found]
    assert all(before < after for before, after in itertools.pairwise(lit))
    for stage in found:
        on = stage["peer"] >= 0
        assert np.array_equal(stage[on], state[on]) and np.array_equal(stage[~on], dark[~on])
        # a link is two ports: both come up with the same stage
        assert np.array_equal(stage["peer"][stage["peer"][on]], np.flatnonzero(on))
    first = found[0]
    near = plan.network.port_node[first["peer"] >= 0]
    far = plan.network.port_node[first["peer"][first["peer"] >= 0]]
    assert np.array_equal(near // FIRST_BLOCK, far // FIRST_BLOCK)
