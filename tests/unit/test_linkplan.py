"""LinkPlan: symmetric, quantised once, a pure value of its scenario."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator import plan as front_door
from emulator.errors import PhysicsError
from emulator.linkplan import PORT_STATE, LinkPlan, moved
from emulator.scenario import Scenario

C_KM_NS = 299_792.458e-9
HALF_A_NANOSECOND = 0.5 + 1e-6
IP_PACKET_AND_ETHERNET_HEADER_BITS = 8 * (1500 + 14)
UINT32_MAX = 2**32 - 1


@pytest.fixture(scope="module")
def plan(three_body: Scenario) -> LinkPlan:
    return LinkPlan.of(three_body)


@pytest.fixture(scope="module")
def pair(walker_scenario: Callable) -> Callable[..., LinkPlan]:
    """Two satellites 5000 km apart, give or take, and one laser each."""

    def make(rate_gbps: float, buffer_packets: int = 1000, **run: Any) -> LinkPlan:
        laser = {"rate_gbps": rate_gbps, "max_range_km": 9000.0, "buffer_packets": buffer_packets}
        return LinkPlan.of(
            walker_scenario(
                "53:9/1/0",
                900.0,
                scenario=run,
                terminals={"laser": laser},
                isl=[{"pattern": "pairs", "pairs": [["sat-01-01", "sat-01-02"]]}],
            )
        )

    return make


def assert_sound(plan: LinkPlan, state: np.ndarray, step: int) -> None:
    """Check one state against the geometry and against itself."""
    network = plan.network
    lit = np.flatnonzero(state["peer"] >= 0)
    peer = state["peer"][lit]
    assert (state["peer"][peer] == lit).all()
    assert (network.port_node[peer] != network.port_node[lit]).all()
    for field in ("delay_ns", "rate_bps"):
        assert (state[field][peer] == state[field][lit]).all()

    position_km = plan.ephemeris.positions_km(np.array([step * plan.step_s]))[:, 0]
    ends_km = position_km[network.port_node[lit]], position_km[network.port_node[peer]]
    light_ns = np.linalg.norm(ends_km[0] - ends_km[1], axis=1) / C_KM_NS
    assert (np.abs(state["delay_ns"][lit] - light_ns) <= HALF_A_NANOSECOND).all()

    slower = np.minimum(network.port_rate_bps[lit], network.port_rate_bps[peer])
    assert (state["rate_bps"][lit] == slower).all()
    flying = slower * state["delay_ns"][lit] * 1e-9 / IP_PACKET_AND_ETHERNET_HEADER_BITS
    waiting = state["limit_packets"][lit] - network.port_buffer[peer]
    assert (waiting >= flying - 1e-6).all()
    assert (waiting < flying + 1 + 1e-6).all()

    dark = np.flatnonzero(state["peer"] < 0)
    assert (state["peer"][dark] == -1).all()
    assert (state["delay_ns"][dark] == 0).all()
    assert (state["rate_bps"] > 0).all(), "a netem without a rate may reorder"
    assert (state["rate_bps"] % 8 == 0).all(), "netem counts whole bytes"
    assert (state["loss_ppb"] == 0).all()


def test_the_preset_is_sound_at_every_step(plan: LinkPlan) -> None:
    states = list(plan)
    assert len(states) == plan.steps == plan.scenario.steps
    for step, state in enumerate(states):
        assert state.dtype == PORT_STATE
        assert_sound(plan, state, step)
    assert any((state["peer"] >= 0).any() for state in states)


@given(
    st.sampled_from(["53:24/4/1", "97.6:40/5/2", "0:6/1/0", "86.4:66/6/3"]),
    st.sampled_from(["grid", "ring", "nearest", "visible"]),
    st.floats(400, 3000),
    st.sampled_from([1.0, 1000.0]),
)
@settings(max_examples=30, deadline=None)
def test_any_plan_is_sound(
    walker_scenario: Callable, walker: str, pattern: str, altitude_km: float, scale: float
) -> None:
    plan = LinkPlan.of(
        walker_scenario(
            walker, altitude_km, scenario={"rate_scale": scale}, isl=[{"pattern": pattern}]
        )
    )
    for step, state in enumerate(plan):
        assert_sound(plan, state, step)


def test_integers_only() -> None:
    assert {PORT_STATE[name].kind for name in PORT_STATE.names} <= {"i", "u"}


def test_a_hundred_gigabits_unscaled(pair: Callable) -> None:
    # Above 34.36 Gbit/s a netem rate no longer fits 32 bits of bytes a second.
    plan = pair(100.0, rate_scale=1.0)
    state = plan.at(0)
    assert_sound(plan, state, 0)
    [link] = plan.links(0)
    assert link["rate_bps"] == state["rate_bps"][link["a"]] == 100_000_000_000
    expected = 100e9 * link["range_km"] / 299_792.458 / IP_PACKET_AND_ETHERNET_HEADER_BITS
    assert state["limit_packets"][link["a"]] == int(np.ceil(expected)) + 1000


def test_a_limit_beyond_32_bits_is_the_largest(walker_scenario: Callable) -> None:
    plan = LinkPlan.of(
        walker_scenario(
            "0:3/1/0",
            400_000.0,
            terminals={"laser": {"rate_gbps": 100_000.0, "max_range_km": 1e6}},
            isl=[{"pattern": "ring"}],
        )
    )
    lit = plan.at(0)[plan.at(0)["peer"] >= 0]
    assert len(lit) == 6
    assert (lit["limit_packets"] == UINT32_MAX).all()


@pytest.mark.parametrize("ends", [["sat-01-01", "fast-01-01"], ["fast-01-01", "sat-01-01"]])
def test_the_slower_end_sets_the_rate_and_the_sender_the_buffer(
    walker_table: Callable, ends: list[str]
) -> None:
    table = walker_table("53:9/1/0", isl=[{"pattern": "pairs", "pairs": [ends]}])
    table["terminals"] |= {
        "quick": {"rate_gbps": 40.0, "max_range_km": 9000.0, "buffer_packets": 7}
    }
    table["constellation"].append(
        table["constellation"][0]
        | {"name": "fast", "altitude_km": 1200.0, "isl": {"kind": "quick", "count": 1}}
    )
    plan = LinkPlan.of(Scenario.from_table(table))
    [link] = plan.links(0)
    state = plan.at(0)
    assert link["rate_bps"] == 10_000_000_000
    # What waits at the terminal of one end arrives at the port of the other.
    limits = [int(state["limit_packets"][link[end]]) for end in "ab"]
    buffers = [int(plan.network.port_buffer[link[end]]) for end in "ab"]
    assert sorted(buffers) == [7, 1000]
    assert limits[0] - limits[1] == buffers[1] - buffers[0]


def test_two_plans_of_one_scenario_are_byte_identical(three_body: Scenario, plan: LinkPlan) -> None:
    again = LinkPlan.of(Scenario.from_table(json.loads(three_body.to_json())))
    assert again.contacts.tobytes() == plan.contacts.tobytes()
    for mine, other in zip(plan, again, strict=True):
        assert mine.tobytes() == other.tobytes()
    assert again.digest() == plan.digest()


def test_other_scenarios_have_other_digests(three_body_table: dict, plan: LinkPlan) -> None:
    three_body_table["terminals"]["laser"]["buffer_packets"] += 1
    assert LinkPlan.of(Scenario.from_table(three_body_table)).digest() != plan.digest()


def test_fresh_interpreters_agree_on_the_digest(plan: LinkPlan) -> None:
    program = (
        "from emulator import Scenario, plan;print(plan(Scenario.load('three-body')).digest())"
    )
    digests = {plan.digest()}
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        argv = [sys.executable, "-W", "error", "-c", program]
        digests.add(subprocess.check_output(argv, env=environment, text=True).strip())
    assert len(digests) == 1


def test_the_order_of_asking_does_not_matter(plan: LinkPlan) -> None:
    late_first = [plan.at(step).tobytes() for step in reversed(range(plan.steps))]
    assert late_first[::-1] == [plan.at(step).tobytes() for step in range(plan.steps)]


def test_steps_cover_the_duration_and_no_more(walker_scenario: Callable) -> None:
    cases = ((60, 10, 6), (61, 10, 7), (10, 4, 3), (1, 60, 1), (2.1, 0.3, 7), (0.7, 0.1, 7))
    for duration_s, step_s, steps in cases:
        plan = LinkPlan.of(
            walker_scenario(scenario={"duration_s": float(duration_s), "step_s": float(step_s)})
        )
        assert plan.steps == steps, (duration_s, step_s)
        assert plan.step_of(0.0) == 0
        assert plan.step_of(duration_s - 1e-3) == steps - 1
        assert plan.step_of(1e9) == steps - 1
        assert plan.step_of(-1.0) == 0
        for step in range(steps):
            assert plan.step_of(round(step * step_s, 9)) == step


def test_the_graph_is_the_state(plan: LinkPlan) -> None:
    for step in (0, plan.steps // 2, plan.steps - 1):
        graph, state = plan.graph(step * plan.step_s), plan.at(step)
        assert graph.number_of_nodes() == len(plan.network.nodes)
        assert graph.number_of_edges() == (state["peer"] >= 0).sum() / 2 == len(plan.links(step))
        for a, b, edge in graph.edges(data=True):
            own, peer = (port_of(plan, node, edge["ports"][node]) for node in (a, b))
            assert (state["peer"][own], state["peer"][peer]) == (peer, own)
            assert edge["delay_s"] == state["delay_ns"][own] / 1e9
            assert edge["rate_bps"] == state["rate_bps"][own]
            light_ns = edge["range_km"] / C_KM_NS
            assert abs(state["delay_ns"][own] - light_ns) <= HALF_A_NANOSECOND


def port_of(plan: LinkPlan, node: str, name: str) -> int:
    return next(port.index for port in plan.network.node(node).ports if port.name == name)


def test_dark_is_every_port_without_light(plan: LinkPlan) -> None:
    dark = plan.dark()
    assert (dark["peer"] == -1).all()
    assert (dark["rate_bps"] == plan.network.port_rate_bps).all()
    assert (dark["limit_packets"] == plan.network.port_buffer).all()


def test_moved_names_what_differs(plan: LinkPlan) -> None:
    state = plan.at(0)
    other = state.copy()
    other["delay_ns"][3] += 1
    other["peer"][5] = -2
    assert moved(state, state).tolist() == []
    assert moved(state, other).tolist() == [3, 5]


def test_a_plan_is_frozen(plan: LinkPlan) -> None:
    with pytest.raises(FrozenInstanceError):
        plan.contacts = plan.contacts[:0]


def test_the_front_door_plans(three_body: Scenario, plan: LinkPlan) -> None:
    assert front_door(three_body).digest() == plan.digest()


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"eccentricity": 0.9999}, "semilatus rectum is less than zero"),
        ({"mean_motion_rev_day": 17.9}, "decayed"),
        ({"bstar": 1e300}, "eccentricity"),
        ({"mean_motion_rev_day": 1e-9}, "eccentricity"),
        ({"epoch": "1999-01-01T00:00:00Z", "bstar": 0.01}, "decayed|eccentricity"),
    ],
)
def test_orbits_that_sgp4_rejects_are_named(
    three_body_table: dict, figures: dict[str, Any], words: str
) -> None:
    satellites = three_body_table["constellation"][0]["satellite"]
    satellites[6] |= figures
    scenario = Scenario.from_table(three_body_table)
    with pytest.raises(PhysicsError, match=words) as caught:
        LinkPlan.of(scenario)
    assert "scs-01-g" in str(caught.value)
    assert "2026-08-22T" in str(caught.value)
