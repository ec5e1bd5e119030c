"""Routes that leave a link before it is cut and enter it when it is steady: on paths, no kernel."""

import numpy as np
import pytest

from emulator.linkplan import ALL_LOST_PPB, LinkPlan
from emulator.scenario import Scenario
from protocols.oracle import Oracle, steadied
from protocols.static import NO_ROUTE, shortest_path_routes, unpack
from tests.unit.toys import walker_table


@pytest.fixture(scope="module")
def plan() -> LinkPlan:
    """A star whose links across planes come and go with latitude."""
    table = walker_table("86.4:66/6/3", 780.0, "star")
    table["isl"] = [{"pattern": "grid", "seam": "open", "latitude_cut_deg": 60.0}]
    table["scenario"]["duration_s"] = 600.0
    return LinkPlan.of(Scenario.from_table(table))


class Played(Oracle):
    """The oracle without nodes to write to."""

    def __init__(self, plan: LinkPlan) -> None:
        super().__init__(plan, {})
        self.written = np.full((len(plan.network.nodes),) * 2, NO_ROUTE, dtype=np.int32)
        self.swaps: list[int] = []

    def write(self, wanted: np.ndarray) -> None:
        self.swaps.append(self._step)
        self.written = wanted


def used_ports(plan: LinkPlan, routes: np.ndarray) -> np.ndarray:
    """Whether any route leaves by each port."""
    first = np.array([node.ports[0].index for node in plan.network.nodes])
    _, offset = unpack(routes)
    used = np.zeros(len(plan.network.ports), dtype=bool)
    used[(first[:, None] + offset)[routes != NO_ROUTE]] = True
    return used


def test_no_route_takes_a_link_in_its_last_step_or_its_first(plan: LinkPlan) -> None:
    oracle, gone, come, still = Played(plan), 0, 0, 0
    oracle.step(plan.at(0))
    for step in range(plan.steps):
        oracle.foresee(step)
        oracle.step(plan.at(step))
        used = used_ports(plan, oracle.written)
        assert (oracle.written != NO_ROUTE).sum() == 66 * 65
        peers = [plan.at(s)["peer"] for s in (max(step - 1, 0), step, min(step + 1, 59))]
        leaving, fresh = peers[1] != peers[2], peers[1] != peers[0]
        assert not used[leaving | fresh | (peers[1] < 0)].any()
        gone, come = gone + int(leaving.sum()), come + int(fresh.sum())
        recent = [plan.at(s)["peer"] for s in range(max(step - 2, 0), min(step + 2, 60))]
        if step and all(np.array_equal(recent[0], each) for each in recent):
            still += 1
            assert step not in oracle.swaps
    assert gone > 20 and come > 20 and still > 5


def test_in_a_sky_at_rest_it_is_static(plan: LinkPlan) -> None:
    state = plan.at(0)
    assert np.array_equal(steadied(state, state, state), state)
    oracle = Played(plan)
    oracle.plan = type("Still", (), {"at": lambda _, step: state, "steps": 2})()
    oracle.plan.network = plan.network
    for step in (0, 0, 1):
        oracle.foresee(step)
        oracle.step(state)
    assert oracle.swaps == [0]
    assert np.array_equal(oracle.written, shortest_path_routes(plan.network, state))


def test_the_only_way_is_used_to_the_last(plan: LinkPlan) -> None:
    now, after = plan.at(0), plan.at(0)
    node = plan.network.nodes[7]
    lit = [port.index for port in node.ports if now["peer"][port.index] >= 0]
    for port in lit:
        after["peer"][[port, now["peer"][port]]] = -1
    routes = shortest_path_routes(plan.network, steadied(now, now, after))
    assert (np.delete(routes[7], 7) != NO_ROUTE).all()
    # ... and by nobody who goes elsewhere
    others = np.delete(np.arange(66), 7)
    via, _ = unpack(routes[np.ix_(others, others)])
    assert not (via[routes[np.ix_(others, others)] != NO_ROUTE] == 7).any()


def test_a_failure_that_nobody_planned_is_passed_round_at_once(plan: LinkPlan) -> None:
    oracle, state = Played(plan), plan.at(0)
    oracle.step(state)
    port = int(np.flatnonzero(used_ports(plan, oracle.written))[0])
    broken = state.copy()
    broken["peer"][[port, state["peer"][port]]] = -1
    oracle.step(broken)
    assert not used_ports(plan, oracle.written)[port]
    assert (oracle.written != NO_ROUTE).sum() == 66 * 65


def test_a_silent_failure_is_passed_round_at_once_as_static_does(plan: LinkPlan) -> None:
    oracle, state = Played(plan), plan.at(0)
    oracle.step(state)
    port = int(np.flatnonzero(used_ports(plan, oracle.written))[0])
    silent = state.copy()
    silent["loss_ppb"][[port, state["peer"][port]]] = ALL_LOST_PPB
    oracle.step(silent)
    assert not used_ports(plan, oracle.written)[port]
