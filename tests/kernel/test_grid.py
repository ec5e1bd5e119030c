"""Grid routing on a real fabric: the kernels' routes, whole, with a dead link, and whole again."""

import numpy as np

from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from protocols.grid import Grid
from tests.kernel.toys import NOTICED_S, Build, walker
from tests.unit.test_grid import fewest, hop_counts


def next_nodes(fabric: Fabric, plan: LinkPlan, state: np.ndarray) -> np.ndarray:
    """The next node from each to each other by the kernels' tables, -1: none."""
    number = {node.ipv4: node.index for node in plan.network.nodes}
    hops = np.full((len(number),) * 2, -1)
    for handle in fabric.nodes.values():
        for to, offsets in handle.routes().items():
            [offset] = offsets
            peer = state["peer"][handle.node.ports[offset].index]
            hops[handle.node.index, number[to]] = plan.network.port_node[peer] if peer >= 0 else -1
    return hops


def test_kernels_hold_the_fewest_hops_and_pass_round_a_dead_link(build: Build) -> None:
    plan = LinkPlan.of(walker(total=12, planes=3).model_copy(update=WIDE))
    fabric, whole, dark = build(plan), plan.at(0), plan.dark()
    routing = Grid(plan, fabric.nodes)
    neighbours = routing.places.neighbours()
    best = fewest(neighbours, neighbours >= 0)
    broken = whole.copy()
    port = plan.network.nodes[5].ports[0].index
    ends = [port, int(whole["peer"][port])]
    broken[ends] = dark[ends]
    for state in (whole, broken, whole):
        fabric.apply(state)
        assert wait_for(fabric.noticed, NOTICED_S)
        routing.step(state)
        taken = hop_counts(next_nodes(fabric, plan, state))
        if state is whole:
            assert np.array_equal(taken, best)
        else:
            assert (taken <= best + 2).all() and (taken > best).any()


HIGH = walker(total=12, planes=3).constellation[0].model_copy(update={"altitude_km": 20000.0})
WIDE = {"constellation": (HIGH,)}
"""Four in a plane see each other only from high above."""
