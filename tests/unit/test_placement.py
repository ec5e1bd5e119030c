"""Where jobs are computed and when their answers are there: against sums done by hand."""

from typing import Any

import numpy as np
import pytest

from emulator.linkplan import LinkPlan
from emulator.placement import ANY, GROUND, OWN, Placement
from emulator.scenario import Scenario
from emulator.units import C_KM_S
from emulator.workloads import OffloadWorkload, Split
from tests.unit.toys import walker_table

LASER_BPS, RADIO_BPS = (rate_bps * 1448 / 1514 for rate_bps in (10e9, 1e9))
"""What the lines carry of payload, in full frames of Ethernet."""
SITE = {"name": "pad", "latitude_deg": 0.0, "longitude_deg": 0.0, "altitude_m": 0.0}
ANTENNAS = {"antennas": {"kind": "radio", "count": 4}, "computer": {"tops": 2.0}}


def spec(*strategies: str, **keys: Any) -> OffloadWorkload:
    sizes = {"object_bytes": 10**9, "result_bytes": 10**6, "operations": 1e12}
    return OffloadWorkload(
        kind="offload", source="sat-01-01", strategies=strategies or ("raw",), **{**sizes, **keys}
    )


def plan(duration_s: float = 6000.0, **sections: Any) -> LinkPlan:
    """Twelve satellites in a ring over the equator and one station, which sees one at a time."""
    table = walker_table("0:12/1/0", 1500.0)
    table["scenario"] |= {"duration_s": duration_s, "step_s": 10.0}
    table["constellation"][0]["computer"] = {"tops": 1.0}
    table["isl"] = [{"pattern": "ring"}]
    table["ground"] = {"station": [SITE | ANTENNAS]}
    return LinkPlan.of(Scenario.from_table(table | sections))


def placed(plan: LinkPlan, *strategies: str, **keys: Any) -> Placement:
    return Placement(spec(*strategies, **keys), plan)


def own_contacts(placement: Placement, node: int) -> list[tuple[float, float]]:
    rows = placement.hops[placement.among(OWN, node)]
    return [(float(row["start_s"]), float(row["end_s"])) for row in rows]


@pytest.fixture(scope="module")
def sky() -> LinkPlan:
    return plan()


def unseen(placement: Placement, at_s: float = 0.0) -> int:
    """A satellite that has contact later but not now, and no neighbour that has."""
    for node in range(12):
        near = {(node - 1) % 12, node, (node + 1) % 12}
        later = own_contacts(placement, node)
        if later and all(
            start > at_s + 60 for n in near for start, _ in own_contacts(placement, n)
        ):
            return node
    raise AssertionError("no such satellite")


def test_raw_waits_then_sends_then_computes(sky: LinkPlan) -> None:
    placement = placed(sky)
    node = unseen(placement)
    [option] = placement.options("raw", node, 5.0)
    opens_s = own_contacts(placement, node)[0][0]
    down_s = 8e9 / RADIO_BPS
    assert option.tasks[0].node == GROUND
    assert option.finish_s == pytest.approx(opens_s + down_s + 0.5, abs=0.03)
    assert option.finish_s > opens_s + down_s + 0.5  # and light


def test_what_would_be_there_after_the_end_is_not_expected(sky: LinkPlan) -> None:
    [option] = placed(sky, operations=1e18).options("raw", unseen(placed(sky)), 5.0)
    assert option.finish_s == np.inf  # eleven days of computing


def test_on_board_the_computing_is_hidden_in_the_wait(sky: LinkPlan) -> None:
    placement = placed(sky)
    node = unseen(placement)
    [option] = placement.options("onboard", node, 5.0)
    opens_s = own_contacts(placement, node)[0][0]
    assert option.finish_s == pytest.approx(opens_s + 8e6 / RADIO_BPS, abs=0.03)


def test_by_laser_it_goes_to_who_has_contact_now(sky: LinkPlan) -> None:
    placement = placed(sky)
    node = unseen(placement)
    [option] = placement.options("laser", node, 5.0)
    hops, arrival_s = placement.route(ANY, node, GROUND, 5.0, 10**9)
    assert len(hops) > 2 and hops["start_s"].max() <= 5.0
    # Through all lasers in one go, then from the store of the last.
    line_s = 8e9 / LASER_BPS + 8e9 / RADIO_BPS
    # Twelve in a ring at 1500 km are 2 R sin 15° apart.
    light_s = (len(hops) - 1) * 2 * 7878.137 * np.sin(np.pi / 12) / C_KM_S
    assert arrival_s == pytest.approx(5.0 + line_s + light_s, abs=0.02)
    assert option.finish_s == pytest.approx(arrival_s + 0.5)


def test_split_does_a_share_on_board_and_sends_less(sky: LinkPlan) -> None:
    placement = placed(sky, "split", split=Split(share=0.25, ratio=0.1))
    node = unseen(placement)
    [option] = placement.options("split", node, 5.0)
    opens_s = own_contacts(placement, node)[0][0]
    assert [task.node for task in option.tasks] == [node, GROUND]
    assert [option.size_bytes(stage) for stage in range(3)] == [10**9, 10**8, 10**6]
    assert option.finish_s == pytest.approx(opens_s + 8e8 / RADIO_BPS + 0.75 / 2, abs=0.03)


def test_neighbour_is_the_one_that_finishes_soonest(sky: LinkPlan) -> None:
    placement = placed(sky, "neighbour")
    node = unseen(placement)
    options = placement.options("neighbour", node, 5.0)
    assert {option.tasks[0].node for option in options} == {(node - 1) % 12, (node + 1) % 12}
    best, other = options
    assert best.finish_s <= other.finish_s
    way, there_s = placement.route(ANY, node, best.tasks[0].node, 5.0, 10**9)
    assert len(way) == 1 and there_s == pytest.approx(5.0 + 8e9 / LASER_BPS, abs=0.02)
    down = placement.route(ANY, best.tasks[0].node, GROUND, there_s + 1.0, 10**6)
    assert best.finish_s == pytest.approx(down[1])


def test_next_in_contact_is_in_contact_and_nearest(sky: LinkPlan) -> None:
    placement = placed(sky, "next-contact")
    node = unseen(placement)
    [chosen] = placement.next_in_contact(node, 5.0)
    seen = [n for n in range(12) if any(a <= 5.0 < b for a, b in own_contacts(placement, n))]
    ahead = [min((n - node) % 12, (node - n) % 12) for n in seen]
    assert chosen == seen[int(np.argmin(ahead))]
    start_s = own_contacts(placement, chosen)[0][0]
    assert placement.next_in_contact(chosen, max(start_s, 5.0)) == [chosen], "itself, if as good"


def test_without_a_computer_or_with_too_small_a_one_nobody_is_chosen(sky: LinkPlan) -> None:
    shell = walker_table("0:12/1/0", 1500.0)["constellation"][0]
    bare = plan(constellation=[shell])
    assert placed(bare, "neighbour").options("neighbour", 0, 5.0) == []
    small = plan(constellation=[shell | {"computer": {"tops": 1.0, "memory_gb": 8.0}}])
    assert placed(small, memory_gb=8.0).able(0) and not placed(small, memory_gb=9.0).able(0)


def test_what_is_larger_than_a_contact_goes_on_in_the_next() -> None:
    long = plan(40_000.0)
    size = 2 * 10**11  # 1,600 s of line; a pass lasts some minutes
    placement = placed(long, object_bytes=size)
    node = unseen(placement)
    _, arrival_s = placement.route(OWN, node, GROUND, 0.0, size)
    left_s = 8 * size / RADIO_BPS
    for start_s, end_s in own_contacts(placement, node):
        if left_s <= end_s - start_s:
            break
        left_s -= end_s - start_s
    assert arrival_s == pytest.approx(start_s + left_s, abs=0.05)
    short = placed(plan(), object_bytes=size)
    [never] = short.options("raw", unseen(short), 0.0)
    assert never.finish_s == np.inf


def test_a_relay_is_the_only_one_to_pass_down() -> None:
    table = walker_table("0:12/1/0", 1500.0)
    shell = table["constellation"][0] | {"computer": {"tops": 1.0}}
    geo = {"name": "geo", "walker": "0:3/1/0", "altitude_km": 35786.0, "isl": shell["isl"]}
    geo |= {"gsl": shell["gsl"]}
    lasers = {"rate_gbps": 10.0, "max_range_km": 90_000.0}
    sky = plan(
        constellation=[shell, geo],
        isl=[{"pattern": "ring", "constellations": ["sat"]},
             {"pattern": "nearest", "constellations": ["sat"], "to": ["geo"], "k": 1}],
        terminals={"laser": lasers, "radio": {"rate_gbps": 1.0, "max_range_km": 90_000.0}},
    )  # fmt: skip
    placement = placed(sky, "relay", relay=("geo",))
    found = [placement.route("relay", node, GROUND, 5.0) for node in range(12)]
    ways = [way[0] for way in found if way]
    assert ways and all(12 <= way["tail"][-1] < 15 for way in ways)
    [option] = placement.options("relay", 0, 5.0)
    assert option.way == "relay" and option.tasks[0].node == GROUND
