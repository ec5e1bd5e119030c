"""Patterns over time: seams, poles, nearest neighbours, relays and other shells."""

from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from emulator.causes import Cause
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.visibility import in_sight, range_km
from tests.unit.toys import walker_table

ORBIT_1500_KM_S = 6959.0
A_STEP_OF_AN_ORBIT = 10.0 / ORBIT_1500_KM_S
Spans = dict[tuple[int, int], list[tuple[int, int]]]


def plan_of(
    walker: str, altitude_km: float, form: str, isl: dict[str, Any], **sections: Any
) -> LinkPlan:
    shell = sections.pop("shell", {})
    reach_km = sections.pop("reach_km", 9000.0)
    table = walker_table(
        walker,
        altitude_km,
        form,
        scenario={"duration_s": ORBIT_1500_KM_S, "step_s": 10.0} | sections.pop("scenario", {}),
        terminals={"laser": {"rate_gbps": 1.0, "max_range_km": reach_km}},
        isl=[isl],
        **sections,
    )
    table["constellation"][0] |= {"gsl": None} | shell
    return LinkPlan.of(Scenario.from_table(table))


def spans(plan: LinkPlan) -> Spans:
    """Contacts of each pair of nodes, in order."""
    found: Spans = defaultdict(list)
    node = plan.network.port_node
    for contact in plan.contacts:
        a, b = sorted((int(node[contact["a"]]), int(node[contact["b"]])))
        found[a, b].append((int(contact["start"]), int(contact["end"])))
    return {pair: sorted(each) for pair, each in found.items()}


def positions_km(plan: LinkPlan) -> np.ndarray:
    return plan.ephemeris.satellites_km(np.arange(plan.steps) * plan.step_s)


def lit(plan: LinkPlan, pair: tuple[int, int]) -> np.ndarray:
    steps = np.zeros(plan.steps, dtype=bool)
    for start, end in spans(plan).get(pair, []):
        steps[start:end] = True
    return steps


# Poles and seams.


@pytest.mark.parametrize("cut_deg", [60.0, 70.0])
def test_links_across_planes_are_off_near_the_poles_for_the_share_of_geometry(
    cut_deg: float,
) -> None:
    plan = plan_of(
        "86.5:40/5/0",
        1500.0,
        "star",
        {"pattern": "grid", "latitude_cut_deg": cut_deg},
        scenario={"duration_s": 2 * ORBIT_1500_KM_S},
    )
    # Above the cut while the argument of latitude is: sin(latitude) = sin(i) sin(u).
    share = 4 * (90 - np.degrees(np.arcsin(np.sin(np.radians(cut_deg)) / np.sin(np.radians(86.5)))))
    share /= 360
    if cut_deg == 70.0:
        assert share == pytest.approx(0.219, abs=0.0005)
    off = defaultdict(int)
    for a, b, start, end, cause in plan.timeline.outages.tolist():
        assert cause == Cause.LATITUDE
        off[a, b] += end - start
    assert len(off) == 32
    assert all(b - a == 8 for a, b in off)
    for steps in off.values():
        # Four edges an orbit, each at a step.
        assert steps / plan.steps == pytest.approx(share, abs=4 * A_STEP_OF_AN_ORBIT)


def test_links_in_a_plane_know_no_poles() -> None:
    plan = plan_of("90:16/2/0", 1500.0, "star", {"pattern": "grid", "latitude_cut_deg": 10.0})
    assert all((start, end) == (0, plan.steps) for start, end in spans(plan)[0, 1])


def seamed(seam: str | None, form: str = "star") -> LinkPlan:
    isl = {"pattern": "grid"} | ({"seam": seam} if seam else {})
    return plan_of("86.5:32/4/0", 1500.0, form, isl, reach_km=4000.0)


def is_seam(pair: tuple[int, int]) -> bool:
    return pair[0] < 8 and pair[1] >= 24


@pytest.mark.parametrize(
    ("form", "seam", "closed"),
    [
        ("star", None, False),
        ("star", "open", False),
        ("star", "closed", True),
        ("delta", None, True),
        ("delta", "open", False),
    ],
)
def test_seams_are_closed_where_that_is_said_or_the_form_has_none(
    form: str, seam: str | None, closed: bool
) -> None:
    plan = seamed(seam, form)
    wanted = {tuple(sorted(pair)) for pair in plan.planner.lasers.static[:, :2].tolist()}
    assert sum(map(is_seam, wanted)) == (8 if closed else 0)
    assert any(map(is_seam, spans(plan))) == closed


def test_a_closed_seam_links_those_that_meet_while_they_are_in_reach() -> None:
    plan = seamed("closed")
    where_km, met = positions_km(plan), 0
    for pair in [(n, 24 + n) for n in range(8)]:
        ends = where_km[pair[0]], where_km[pair[1]]
        reach = (range_km(*ends) <= 4000.0) & in_sight(*ends, 80.0)
        assert np.array_equal(lit(plan, pair), reach)
        # They fly against each other and meet twice a revolution, not for long.
        met += len(spans(plan)[pair])
        assert 0.05 < reach.mean() < 0.3
    assert met >= 8 * 2


# Nearest neighbours.

A_MINUTE_S = 60.0


def nearest(k: int, hysteresis: float) -> Spans:
    isl = {"pattern": "nearest", "k": k, "hysteresis": hysteresis}
    return spans(
        plan_of("53:66/6/1", 780.0, "delta", isl, reach_km=6000.0, scenario={"duration_s": 6000.0})
    )


def returns_within_a_minute(found: Spans) -> int:
    """How often a pair is given up for another one and taken again."""
    return sum(
        (start - end) * 10.0 < A_MINUTE_S
        for each in found.values()
        for (_, end), (start, _) in pairwise(each)
    )


@pytest.mark.parametrize("k", [2, 4])
def test_hysteresis_keeps_pairs_from_flapping(k: int) -> None:
    plain, kept = nearest(k, 0.0), nearest(k, 0.2)
    assert returns_within_a_minute(plain) > 10
    assert returns_within_a_minute(kept) == 0
    for pair, each in kept.items():
        assert len(each) <= len(plain.get(pair, []))
    assert sum(map(len, kept.values())) < sum(map(len, plain.values()))


def test_each_step_without_hysteresis_is_chosen_by_itself() -> None:
    # Four terminals a satellite are enough for two neighbours that it asks and two that ask it.
    plan = plan_of(
        "53:12/1/0",
        3000.0,
        "delta",
        {"pattern": "nearest", "k": 2, "hysteresis": 0.0},
        scenario={"duration_s": 600.0},
    )
    ring = {tuple(sorted((n, (n + 1) % 12))): [(0, plan.steps)] for n in range(12)}
    assert spans(plan) == ring


def two_shells(isl: dict[str, Any], upper: dict[str, Any], **laser: Any) -> LinkPlan:
    """Ten satellites of a low shell and some of another, each with its own terminals."""
    table = walker_table(
        "53:10/2/1",
        600.0,
        scenario={"duration_s": 6000.0, "step_s": 20.0},
        terminals={"laser": {"rate_gbps": 1.0, "max_range_km": 6000.0} | laser},
        isl=[isl],
    )
    low = table["constellation"][0] | {"name": "low", "gsl": None}
    low["isl"] = {"kind": "laser", "count": 2}
    table["constellation"] = [low, {**low, "name": "upper", **upper}]
    return LinkPlan.of(Scenario.from_table(table))


def links_at_once(plan: LinkPlan) -> np.ndarray:
    """How many links each node has at each step, ``(nodes, steps)``."""
    found = np.zeros((plan.network.size, plan.steps), dtype=int)
    for pair, each in spans(plan).items():
        for start, end in each:
            found[list(pair), start:end] += 1
    return found


def test_shells_link_with_each_other_and_not_among_themselves() -> None:
    isl = {"pattern": "nearest", "constellations": ["low"], "to": ["upper"], "k": 2}
    plan = two_shells(isl, {"walker": "70:15/3/1", "altitude_km": 1200.0})
    found = spans(plan)
    assert len(found) > 30
    assert all(a < 10 <= b for a, b in found)
    assert links_at_once(plan).max() == 2
    where_km = positions_km(plan)
    for (a, b), each in found.items():
        away_km = range_km(where_km[a], where_km[b])
        assert all((away_km[start:end] <= 6000.0).all() for start, end in each)


@pytest.mark.parametrize("terminals", [1, 3])
def test_a_relay_serves_as_many_as_it_has_terminals(terminals: int) -> None:
    isl = {"pattern": "nearest", "constellations": ["low"], "to": ["upper"], "k": 1}
    upper = {
        "walker": "0:3/1/0",
        "altitude_km": 35786.0,
        "isl": {"kind": "laser", "count": terminals},
    }
    plan = two_shells(isl, upper, max_range_km=45000.0)
    found = spans(plan)
    assert all(a < 10 <= b for a, b in found)
    at_once = links_at_once(plan)
    assert at_once[10:].max() == terminals
    # Each asks one relay only, whatever terminals it has left.
    assert at_once[:10].max() == 1
    # All relays are about as far, so one is kept for another or until it sets.
    ended = plan.contacts["ended"][plan.contacts["end"] < plan.steps]
    assert set(ended.tolist()) <= {Cause.NOT_CHOSEN, Cause.EARTH}
    where_km = positions_km(plan)
    away_km = range_km(where_km[:10, None], where_km[None, 10:])
    for (a, b), each in found.items():
        for start, end in each:
            others = np.delete(away_km[a, :, start:end], b - 10, axis=0)
            assert (away_km[a, b - 10, start:end] <= 1.2 * others.min(axis=0) + 1e-6).all()


def test_what_ends_a_neighbours_contact_is_told() -> None:
    isl = {"pattern": "nearest", "constellations": ["low"], "to": ["upper"], "k": 15}
    plan = two_shells(isl, {"walker": "70:15/3/1", "altitude_km": 1200.0}, max_range_km=3000.0)
    where_km, node = positions_km(plan), plan.network.port_node
    ended = plan.contacts[plan.contacts["end"] < plan.steps]
    gone = ended[ended["ended"] == Cause.RANGE]
    assert len(gone) > 10
    for contact in gone:
        a, b = node[contact["a"]], node[contact["b"]]
        away_km = range_km(where_km[a], where_km[b])
        assert away_km[contact["end"] - 1] <= 3000.0 < away_km[contact["end"]]


# Several patterns.


def test_a_pair_that_two_patterns_ask_for_is_one_pair() -> None:
    table = walker_table(
        "86.5:24/3/0",
        1500.0,
        "star",
        scenario={"duration_s": 2000.0},
        isl=[{"pattern": "ring"}, {"pattern": "grid", "latitude_cut_deg": 30.0}],
    )
    both = LinkPlan.of(Scenario.from_table(table))
    table["isl"] = table["isl"][1:]
    grid = LinkPlan.of(Scenario.from_table(table))
    assert np.array_equal(both.contacts, grid.contacts)
    assert np.array_equal(both.timeline.outages, grid.timeline.outages)
    assert (both.timeline.outages["cause"] == Cause.LATITUDE).any()


def test_of_two_cuts_of_a_pair_the_wider_holds() -> None:
    table = walker_table(
        "86.5:24/3/0",
        1500.0,
        "star",
        scenario={"duration_s": 2000.0},
        isl=[{"pattern": "grid", "latitude_cut_deg": cut} for cut in (20.0, 60.0)],
    )
    both = LinkPlan.of(Scenario.from_table(table))
    table["isl"] = table["isl"][1:]
    assert np.array_equal(both.contacts, LinkPlan.of(Scenario.from_table(table)).contacts)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_terminals_than_a_grid_wants_go_to_the_plane_first(count: int) -> None:
    plan = plan_of(
        "53:48/6/1",
        1500.0,
        "delta",
        {"pattern": "grid"},
        shell={"isl": {"kind": "laser", "count": count}},
        scenario={"duration_s": 20.0},
    )
    at_once = links_at_once(plan)
    assert at_once.max() == count
    within = [pair for pair in spans(plan) if pair[0] // 8 == pair[1] // 8]
    assert len(within) == (48 if count > 1 else 24)
    dark = plan.timeline.outages
    assert set(dark["cause"].tolist()) == {Cause.NO_TERMINAL}
    assert len(dark) + len(plan.contacts) == 96
