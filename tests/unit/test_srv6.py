"""Segment lists on paths: corners of the grid, and ways without a circle."""

import numpy as np

from emulator.kernel import segments
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols.srv6 import corners, waypoints
from protocols.static import NO_ROUTE, next_hops, shortest_path_routes
from tests.unit.toys import walker_table


def test_the_corner_has_the_plane_of_one_and_the_slot_of_the_other() -> None:
    table = walker_table("86.4:66/6/3", 780.0, "star")
    table["isl"] = [{"pattern": "grid", "seam": "open", "latitude_cut_deg": 70.0}]
    plan = LinkPlan.of(Scenario.from_table(table))
    corner, state = corners(plan), plan.at(0)
    routes, hops = shortest_path_routes(plan.network, state), next_hops(plan.network, state)
    found = waypoints(corner, routes)
    names = [node.name for node in plan.network.nodes]
    for a, b in np.argwhere(found >= 0):
        (_, plane_a, slot_a), (_, plane_b, slot_b) = names[a].split("-"), names[b].split("-")
        assert names[found[a, b]] == f"sat-{plane_b}-{slot_a}"
        assert plane_a != plane_b and slot_a != slot_b
    assert (found >= 0).sum() == 66 * 5 * 10
    # a corner without light is none
    routes[:, 7] = routes[7] = NO_ROUTE
    assert not (waypoints(corner, routes) == 7).any() and (hops[0, 7] >= 0)


def test_other_skies_have_lists_of_one() -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    assert (corners(plan) == -1).all()


def test_segments_are_in_the_order_of_the_header() -> None:
    """RFC 8754, section 2: the last segment comes first; lengths are those of all that follows."""
    lists = np.stack(
        [
            segments.sids(np.array([4]), segments.END),
            segments.sids(np.array([6]), segments.END_DX4),
        ],
        axis=1,
    )
    to = np.array([0x0A000007], dtype=">u4")
    [row] = segments.headend_routes(to, lists, np.array([10]), to)
    data = row.tobytes()
    assert len(data) == row["length"] == 28 + 4 * 8 + 8 + 4 + 8 + 32
    assert data[-32:-16].hex() == "fd4c6d01000700000000000000000002"
    assert data[-16:].hex() == "fd4c6d01000500000000000000000001"
    assert data[-40:-32].hex() == "0004040101000000"
    assert row["encap_head"] & 0xFFFF == 4 + 4 + 4 + 8 + 32
