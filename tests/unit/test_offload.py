"""What offload takes from the plan: when a computer is off, and how fast each channel is."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.bench.transfer import path_between
from emulator.computers import pauses
from emulator.faults import Faults
from emulator.linkplan import LinkPlan
from emulator.network import Node
from emulator.scenario import Scenario
from protocols.offload import Offload
from protocols.offload.paths import Paths, Reach
from tests.unit.toys import walker_table

OFF = [(10.0, 20.0), (25.0, 26.0), (100.0, 1000.0)]


@pytest.mark.parametrize(
    ("begin_s", "work_s", "rests"),
    [
        (0.0, 9.0, []),  # done before
        (0.0, 10.0, []),  # done at the very moment
        (5.0, 6.0, OFF[:1]),
        (5.0, 10.5, OFF[:2]),  # 5 s, then 5 of the 5.5 left, and the rest after the second
        (12.0, 1.0, [(12.0, 20.0)]),  # begun while it is off
        (20.0, 5.0, []),  # begun as it comes on again
        (25.5, 1.0, [(25.5, 26.0)]),
        (0.0, 100.0, OFF),
        (2000.0, 1e6, []),
    ],
)
def test_computing_stands_still_while_the_computer_is_off(
    begin_s: float, work_s: float, rests: list[tuple[float, float]]
) -> None:
    assert pauses(begin_s, work_s, OFF) == rests
    assert pauses(begin_s, work_s, []) == []


@given(st.integers(0, 300), st.integers(1, 300), st.lists(st.integers(0, 300), unique=True))
def test_computing_counted_second_by_second(begin: int, work: int, edges: list[int]) -> None:
    edges = sorted(edges[: len(edges) // 2 * 2])
    off = list(zip(edges[::2], edges[1::2], strict=True))
    left, asleep, now = work, [], begin
    while left:
        rests = any(start <= now < end for start, end in off)
        asleep += [now] * rests
        left, now = left - (not rests), now + 1
    found = pauses(begin, work, off)
    assert [second for start, end in found for second in range(int(start), end)] == asleep


def offload(plan: LinkPlan, **changes: Any) -> Offload:
    """The three-body preset's image on another plan."""
    image = Scenario.load("three-body").workload[1]
    source = plan.network.nodes[0].name
    work = image.model_copy(update={"source": source} | changes)
    return Offload(
        work, replace(plan, scenario=plan.scenario.model_copy(update={"workload": (work,)}))
    )


def powered(platform: dict[str, float], **timing: float) -> LinkPlan:
    """Satellites whose panels give nothing."""
    table = walker_table(scenario=timing)
    table["constellation"][0]["platform"] = {"battery_wh": 100.0, "solar_area_m2": 1e-30} | platform
    return LinkPlan.of(Scenario.from_table(table))


def test_a_computer_is_off_while_the_plan_has_it_shed() -> None:
    # 60 Wh at 1 Wh a step down to the floor; at 140 the lasers go as well, which is not meant.
    figures = {"floor": 0.4, "resume": 0.5, "bus_w": 180.0, "compute_w": 180.0}
    plan = powered(figures, duration_s=3000.0)
    assert plan.timeline.shed["lasers"].any()
    assert offload(plan).computer_off(3) == [(600.0, 3000.0)]
    assert offload(asymmetric()).computer_off(0) == []


def test_offloads_of_a_scenario_share_agents_and_number_their_jobs_together() -> None:
    preset = Scenario.load("three-body")
    first = preset.workload[1]
    other = first.model_copy(update={"source": "scs-01-l", "strategies": ("raw",), "priority": 3})
    plan = LinkPlan.of(preset.model_copy(update={"workload": (first, other)}))
    work = Offload(other, plan)
    assert [(job.number, job.workload, job.strategy) for job in work.jobs] == [
        (0, 0, "raw"),
        (1, 0, "onboard"),
        (2, 0, "laser"),
        (3, 1, "raw"),
    ]
    assert [work.priority(job) for job in range(4)] == [0, 0, 0, 3]
    assert work.crew == list(range(15)), "a laser may lead anywhere"
    direct = first.model_copy(update={"strategies": ("raw", "onboard")})
    alone = LinkPlan.of(preset.model_copy(update={"workload": (direct,)}))
    names = [alone.network.nodes[node].name for node in Offload(direct, alone).crew]
    assert names == ["scs-01-f", "miyun", "kashi", "sanya"]


def asymmetric() -> LinkPlan:
    """Two satellites in a row: one with plenty of power, one with so little that it goes slowly."""
    table = walker_table("0:2/2/0", isl=[{"pattern": "pairs", "pairs": [["a-01-01", "b-01-01"]]}])
    optical = {"aperture_m": 0.08, "photons_per_bit": 90.0, "ladder_gbps": [0.1, 1.0, 2.5]}
    for name, tx_power_w in (("strong", 2.0), ("weak", 0.02)):
        kind = {"rate_gbps": 10.0, "max_range_km": 9000.0}
        table["terminals"][name] = kind | {"optical": optical | {"tx_power_w": tx_power_w}}
    shell = table["constellation"][0] | {"walker": "0:1/1/0"}
    table["constellation"] = [
        shell | {"name": "a", "isl": {"kind": "weak", "count": 1}},
        shell | {"name": "b", "isl": {"kind": "strong", "count": 1}, "raan_start_deg": 30.0},
    ]
    return LinkPlan.of(Scenario.from_table(table))


class Routeless:
    """Stands for a node's handle: it has no routes."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def next_port(self, address: str) -> None:
        return None

    def anew(self, node: Node) -> "Routeless":
        return Routeless(node)


def test_a_sender_is_paced_to_the_channel_that_it_sends_by() -> None:
    plan = asymmetric()
    [link] = plan.links(0)
    assert link["rate_bps"] < link["return_bps"]
    ports = plan.network.ports
    for near, far, rate in (("a", "b", "rate_bps"), ("b", "a", "return_bps")):
        sender, receiver = ports[link[near]], ports[link[far]]
        paths = Paths(plan, Faults.of(plan), Routeless(plan.network.nodes[sender.node]))
        by_laser = Reach(receiver.node, sender.index)
        assert paths.line_rate_bps(by_laser, 0.0) == link[rate]
        path = paths.walked(by_laser, 0.0)
        assert path == [sender.node, receiver.node]
        assert paths.slowest_bps(path, 0.0) == link[rate]
        assert paths.delay_ns(path, 0.0) == link["delay_ns"]
        # Where no route leads: the fastest terminal's, and the quickest path of the plan.
        lost = Reach(receiver.node)
        fastest = max(plan.network.port_rate_bps[p.index] for p in plan.network.nodes[0].ports)
        assert paths.line_rate_bps(lost, 0.0) == fastest
        assert paths.walked(lost, 0.0) == path


def test_a_path_has_the_rates_of_its_own_direction() -> None:
    plan = asymmetric()
    [link] = plan.links(0)
    [there], [back] = path_between(plan, 0, 1), path_between(plan, 1, 0)
    assert (there.rate_bps, there.return_bps) == (link["rate_bps"], link["return_bps"])
    assert (back.rate_bps, back.return_bps) == (link["return_bps"], link["rate_bps"])
    assert there.delay_s == back.delay_s == pytest.approx(link["delay_ns"] * 1e-9)
