"""Contact-graph routing on a real fabric: the kernels hold the first hops, through a handover."""

import numpy as np

from emulator.emulation import Emulation
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols.cgr import Cgr
from protocols.static import NO_ROUTE
from tests.kernel.toys import Build


def test_kernels_hold_the_first_hops_of_earliest_arrival(build: Build) -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    fabric = build(plan)
    routing = Cgr(plan, fabric.nodes)
    before: np.ndarray | None = None
    for step in (0, 80, 200):
        fabric.apply(plan.at(step))
        routing.foresee(step)
        routing.step(plan.at(step))
        assert before is None or not np.array_equal(before, routing.written)
        before = routing.written
        for handle in fabric.nodes.values():
            reached = np.flatnonzero(routing.written[handle.node.index] != NO_ROUTE)
            assert set(handle.routes()) == {plan.network.nodes[n].ipv4 for n in reached}


def test_a_run_tells_the_scheme_which_step_it_is() -> None:
    scenario = Scenario.load("three-body")
    scenario = scenario.model_copy(
        update={
            "scenario": scenario.scenario.model_copy(update={"duration_s": 3.0}),
            "routing": scenario.routing.model_copy(update={"protocol": "cgr"}),
            "workload": (),
            "event": (),
        }
    )
    told: list[int] = []
    with Emulation(scenario) as emulation:
        routing = emulation.routing
        foresee = routing.foresee
        routing.foresee = lambda step: (told.append(step), foresee(step))
        emulation.play()
        last = emulation.plan.steps - 1
        assert told == list(range(last + 1))
        assert (routing.written != NO_ROUTE).any()
