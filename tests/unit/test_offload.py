"""What offload takes from the plan: when a computer is off, and how fast each channel is."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.bench.transfer import path_between
from emulator.clock import ManualClock
from emulator.computers import Computer
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols.offload import Offload, Timeline, _Attempt, pauses
from tests.unit.toys import walker_table

A_MICROSECOND_S = 1e-6
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
    work = Offload(image.model_copy(update={"source": source} | changes), plan)
    work.computers = [Computer(tops=744.0, utilisation=0.3)] * plan.network.size
    return work


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


@pytest.mark.parametrize("floor", [0.4, 0.0])
def test_the_pause_is_told_and_counted_as_computing(floor: float) -> None:
    # Off from the start for the three steps of the plan, or never. This clock stands still.
    figures = {"charge": 0.4, "floor": floor, "resume": 0.5, "bus_w": 0.0}
    work = offload(powered(figures, duration_s=0.03, step_s=0.01), operations=1e9)
    records: list[dict[str, Any]] = []
    timeline = Timeline()
    attempt = _Attempt(work, {}, ManualClock(), 0.0, records.append)
    asyncio.run(attempt.compute_on_board("onboard", 0, timeline))
    told = {"event": "throttled", "t_s": 0.0, "strategy": "onboard", "node": "sat-01-01"}
    assert records == ([told | {"until_s": 0.03}] if floor else [])
    off_s = 0.03 if floor else 0.0
    assert timeline.compute == pytest.approx(work.compute_s(0) + off_s, abs=A_MICROSECOND_S)
    latency_s = timeline.compute + 0.5
    assert sum(timeline.parts(latency_s).values()) == pytest.approx(latency_s, abs=1e-12)


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


def test_a_sender_is_paced_to_the_channel_that_it_sends_by() -> None:
    plan = asymmetric()
    [link] = plan.links(0)
    assert link["rate_bps"] < link["return_bps"]
    work = offload(plan)
    assert work.sending_rate_bps(int(link["a"]), 0.0) == link["rate_bps"]
    assert work.sending_rate_bps(int(link["b"]), 0.0) == link["return_bps"]
    [radio] = [port.index for port in plan.network.nodes[0].ports if port.kind == "gsl"]
    assert work.sending_rate_bps(radio, 0.0) == plan.network.port_rate_bps[radio]


def test_a_path_has_the_rates_of_its_own_direction() -> None:
    plan = asymmetric()
    [link] = plan.links(0)
    [there], [back] = path_between(plan, 0, 1), path_between(plan, 1, 0)
    assert (there.rate_bps, there.return_bps) == (link["rate_bps"], link["return_bps"])
    assert (back.rate_bps, back.return_bps) == (link["return_bps"], link["rate_bps"])
    assert there.delay_s == back.delay_s == pytest.approx(link["delay_ns"] * 1e-9)
