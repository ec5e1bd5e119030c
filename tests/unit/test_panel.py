"""The patch panel: who gets a terminal, how it turns to its peer, and what it does when blocked."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from emulator.acquiring import Durations
from emulator.causes import Cause
from emulator.contacts import Planner
from emulator.ephemeris import Ephemeris
from emulator.lasers import Wanted
from emulator.linkplan import LinkPlan
from emulator.network import Network
from emulator.panel import Panel
from emulator.scenario import Scenario
from emulator.sky import Sky, skies
from tests.unit.toys import walker_table

EQUINOX = "2026-03-20T14:46:00Z"


class Bench:
    """A panel of a ring's satellites, with one terminal each, which is told what is wanted."""

    def __init__(
        self, step_s: float = 1.0, dark_steps: int = 1, count: int = 1, **pointing: Any
    ) -> None:
        laser = {"rate_gbps": 1.0, "max_range_km": 9e3, "pointing": pointing}
        table = walker_table("0:12/1/0", 3000.0, terminals={"laser": laser})
        table["constellation"][0] |= {"isl": {"kind": "laser", "count": count}, "gsl": None}
        scenario = Scenario.from_table(table)
        self.network, self.ephemeris = Network.of(scenario), Ephemeris.of(scenario)
        limits = Planner(scenario, self.network, self.ephemeris).limits["isl"]
        self.panel = Panel(self.network, limits, Durations.of(self.network, 0), dark_steps)
        self.step_s, self.now = step_s, 0

    def step(self, *wanted: tuple[int, int], cause: Any = Cause.LINKED) -> list[Cause]:
        """Go one step on; return what keeps each of the pairs that are ``wanted`` from light."""
        [sky] = skies(self.ephemeris, np.array([self.now * self.step_s]))
        sky = Sky(self.now, *(getattr(sky, name) for name in list(Sky.__slots__)[1:]))
        rows = np.array([(*pair, -1, -1) for pair in wanted], dtype=np.int32).reshape(-1, 4)
        self.panel.elapse(sky)
        forbidden = np.broadcast_to(np.array(cause, dtype=np.uint8), len(rows))
        found = self.panel.point(sky, Wanted(rows, forbidden))
        self.now += 1
        return [Cause(each) for each in found.tolist()]

    def steps(self, count: int, *wanted: tuple[int, int], cause: Cause = Cause.LINKED) -> list:
        return [self.step(*wanted, cause=cause)[0] for _ in range(count)]

    def contacts(self) -> list[tuple[int, int, int, int, Cause]]:
        return [(*row[:4], Cause(row[4])) for row in self.panel.finish(self.now).tolist()]


LIT, SUN, WAIT = Cause.LINKED, Cause.SUN, Cause.NO_TERMINAL


def test_terminals_are_whole_and_go_to_who_comes_first() -> None:
    bench = Bench(acquisition_s=0.0)
    assert bench.step((0, 1), (1, 2), (2, 3)) == [LIT, WAIT, LIT]
    assert bench.step((1, 2), (0, 1), (2, 3)) == [Cause.SWITCHING, WAIT, WAIT]
    assert bench.step((1, 2), (0, 1), (0, 3)) == [LIT, WAIT, LIT]
    assert bench.contacts() == [
        (0, 1, 0, 1, Cause.NOT_CHOSEN),
        (2, 3, 0, 1, Cause.NOT_CHOSEN),
        (0, 3, 2, 3, Cause.END),
        (1, 2, 2, 3, Cause.END),
    ]


def test_a_pair_is_one_link_whoever_names_it() -> None:
    bench = Bench(acquisition_s=0.0)
    assert bench.step((0, 1), (1, 0)) == [LIT, LIT]
    assert bench.step((1, 0)) == [LIT]
    assert bench.contacts() == [(0, 1, 0, 2, Cause.END)]


def test_who_is_no_longer_named_is_given_up_whoever_else_is_named_twice() -> None:
    bench = Bench(acquisition_s=0.0)
    assert bench.step((0, 1), (2, 3)) == [LIT, LIT]
    assert bench.step((0, 1), (1, 0)) == [LIT, LIT]
    assert bench.contacts() == [
        (2, 3, 0, 1, Cause.BELOW_MASK),
        (0, 1, 0, 2, Cause.END),
    ]


def test_of_a_pair_that_is_named_twice_the_first_cause_is_told() -> None:
    bench = Bench(acquisition_s=0.0)
    bench.step((0, 1))
    assert bench.step((0, 1), (1, 0), cause=[Cause.LATITUDE, LIT]) == [LIT, LIT]
    bench.step((0, 1), (1, 0), cause=[Cause.LATITUDE, Cause.DOPPLER])
    assert bench.contacts() == [(0, 1, 0, 2, Cause.LATITUDE)]


@pytest.mark.parametrize("dark_steps", [1, 4])
def test_a_terminal_that_changes_peers_is_dark_for_so_long(dark_steps: int) -> None:
    bench = Bench(dark_steps=dark_steps, acquisition_s=0.0)
    assert bench.step((0, 1)) == [LIT]
    assert bench.steps(dark_steps, (0, 2)) == [Cause.SWITCHING] * dark_steps
    assert bench.step((0, 2)) == [LIT]


def test_a_terminal_that_has_been_dark_need_not_wait_again() -> None:
    bench = Bench(dark_steps=4, acquisition_s=30.0, repeat_s=0.0)
    assert bench.steps(2, (0, 1)) == [LIT, LIT]
    assert bench.steps(9, (0, 2)) == [Cause.ACQUIRING] * 9
    # It has looked for another one in vain, and its old peer is known.
    assert bench.step((0, 1)) == [LIT]


def test_a_link_that_is_given_up_on_its_way_was_never_there() -> None:
    bench = Bench(acquisition_s=5.0)
    bench.step((2, 3))
    assert bench.steps(5, (0, 1)) == [Cause.ACQUIRING] * 5
    assert bench.step((0, 1), cause=Cause.EARTH) == [Cause.EARTH]
    assert bench.contacts() == [(2, 3, 0, 1, Cause.BELOW_MASK)]


@pytest.mark.parametrize("cause", [Cause.EARTH, Cause.FIELD, Cause.POWER])
def test_what_does_not_pass_ends_a_link(cause: Cause) -> None:
    bench = Bench(acquisition_s=3.0, coast_s=60.0)
    assert bench.step((0, 1)) == [LIT]
    assert bench.step((0, 1), cause=cause) == [cause]
    assert bench.steps(4, (0, 1)) == [Cause.ACQUIRING] * 3 + [LIT]
    assert bench.contacts()[0] == (0, 1, 0, 1, cause)


@pytest.mark.parametrize("cause", [Cause.SUN, Cause.CLOUD, Cause.MARGIN])
def test_what_passes_in_time_only_interrupts(cause: Cause) -> None:
    bench = Bench(acquisition_s=30.0, coast_s=10.0, reacquisition_s=2.0)
    assert bench.step((0, 1)) == [LIT]
    assert bench.steps(8, (0, 1), cause=cause) == [cause] * 8
    assert bench.steps(3, (0, 1)) == [Cause.REACQUIRING] * 2 + [LIT]
    assert bench.contacts() == [(0, 1, 0, 1, cause), (0, 1, 11, 12, Cause.END)]


# Light goes at 5 s, with 12 s of patience, and returns at a step.
@pytest.mark.parametrize(
    ("step_s", "dark_steps", "held"),
    [(1.0, 11, True), (1.0, 12, True), (1.0, 13, False), (5.0, 2, True), (5.0, 3, False)],
)
def test_coasting_ends_to_the_second_and_not_to_the_step(
    step_s: float, dark_steps: int, held: bool
) -> None:
    bench = Bench(step_s, acquisition_s=40.0, coast_s=12.0, reacquisition_s=0.0)
    bench.steps(round(5 / step_s), (0, 1))
    assert bench.steps(dark_steps, (0, 1), cause=SUN) == [SUN] * dark_steps
    assert bench.step((0, 1)) == [LIT if held else Cause.ACQUIRING]


def test_a_loss_while_reacquiring_is_a_new_loss() -> None:
    bench = Bench(acquisition_s=30.0, coast_s=4.0, reacquisition_s=3.0)
    bench.step((0, 1))
    for _ in range(3):
        assert bench.steps(3, (0, 1), cause=SUN) == [SUN] * 3
        assert bench.steps(2, (0, 1)) == [Cause.REACQUIRING] * 2
    assert bench.steps(2, (0, 1)) == [Cause.REACQUIRING, LIT]


def test_who_coasts_keeps_its_terminals_and_then_gives_them_up() -> None:
    bench = Bench(acquisition_s=0.0, coast_s=3.5)
    bench.step((0, 1), (0, 2))
    for _ in range(4):
        bench.step((0, 1), cause=SUN)
        assert not bench.panel.free[:2].any()
    bench.step((0, 1), cause=SUN)
    assert bench.panel.free.all()
    # Nobody else could have had them meanwhile; now somebody can.
    assert bench.step((0, 2)) == [LIT]


def test_who_is_not_wanted_any_more_does_not_coast() -> None:
    bench = Bench(acquisition_s=0.0, coast_s=60.0)
    bench.step((0, 1))
    bench.step((0, 1), cause=SUN)
    assert bench.step((0, 2)) == [LIT]


# Plans.


def ring(sections: dict[str, Any] | None = None, count: int = 1, **pointing: Any) -> LinkPlan:
    """Eight satellites over the equator at an equinox, each with a choice of two neighbours.

    What they see ahead and behind, 45 degrees on, is 22.5 degrees below the flight direction.
    """
    table = walker_table(
        "0:8/1/0",
        1500.0,
        scenario={"start": EQUINOX, "duration_s": 1900.0, "step_s": 5.0},
        terminals={"laser": {"rate_gbps": 1.0, "max_range_km": 7e3, "pointing": pointing}},
        isl=[
            {"pattern": "pairs", "pairs": [["sat-01-01", "sat-01-02"], ["sat-01-01", "sat-01-08"]]}
        ],
        **(sections or {}),
    )
    table["constellation"][0] |= {
        "isl": {"kind": "laser", "count": count},
        "gsl": None,
        "raan_start_deg": 180.0,
    }
    return LinkPlan.of(Scenario.from_table(table))


def told(plan: LinkPlan, a: str, b: str) -> list[tuple[int, int, Cause]]:
    """What a pair had, in order: (start, end, cause) with LINKED for light."""
    node, ends = plan.network.port_node, {plan.network.node(name).index for name in (a, b)}
    lit = [
        (int(c["start"]), int(c["end"]), Cause.LINKED)
        for c in plan.contacts
        if {int(node[c["a"]]), int(node[c["b"]])} == ends
    ]
    dark = [
        (int(o["start"]), int(o["end"]), Cause(int(o["cause"])))
        for o in plan.timeline.outages
        if {int(o["a"]), int(o["b"])} == ends
    ]
    return sorted(lit + dark)


def causes(rows: Iterable[tuple[int, int, Cause]]) -> list[Cause]:
    return [cause for _, _, cause in rows]


AHEAD, BEHIND = ("sat-01-01", "sat-01-02"), ("sat-01-01", "sat-01-08")


@pytest.mark.parametrize(("rate_deg_s", "accel_deg_s2"), [(1.5, None), (3.0, None), (3.0, 0.05)])
def test_a_terminal_turns_from_where_it_looked_last(
    rate_deg_s: float, accel_deg_s2: float | None
) -> None:
    accel = {} if accel_deg_s2 is None else {"slew_deg_s2": accel_deg_s2}
    plan = ring(
        acquisition_s=0.0, coast_s=0.0, sun_exclusion_deg=10.0, slew_deg_s=rate_deg_s, **accel
    )
    ahead, behind = told(plan, *AHEAD), told(plan, *BEHIND)
    assert causes(ahead) == [LIT, SUN, Cause.SLEWING, LIT]
    assert causes(behind) == [WAIT, Cause.SLEWING, LIT, WAIT]
    # From 22.5 degrees below the flight direction to 22.5 degrees below where it comes from.
    turn_deg = 180.0 - 2 * 22.5
    turn_s = turn_deg / rate_deg_s
    if accel_deg_s2 is not None:
        turn_s = max(turn_s, 2 * np.sqrt(turn_deg / accel_deg_s2))
    for start, end, cause in ahead + behind:
        if cause is Cause.SLEWING:
            assert (end - start) * plan.step_s == np.ceil(turn_s / plan.step_s) * plan.step_s
    assert behind[1][0] == ahead[1][0] + 1
    # While the Sun is twice 10 degrees further: as many as a satellite turns in that time.
    turn_rate_deg_s = 360.0 / 6959.0
    blind_s = (ahead[1][1] - ahead[1][0]) * plan.step_s
    assert blind_s == pytest.approx(20.0 / turn_rate_deg_s, abs=2 * plan.step_s)


@pytest.mark.parametrize(("coast_s", "waits"), [(600.0, False), (100.0, True)])
def test_a_link_outlives_the_sun_if_its_patience_is_longer(coast_s: float, waits: bool) -> None:
    plan = ring(
        acquisition_s=60.0,
        repeat_s=30.0,
        coast_s=coast_s,
        reacquisition_s=15.0,
        sun_exclusion_deg=10.0,
        sun_acquisition_deg=12.0,
    )
    ahead, behind = told(plan, *AHEAD), told(plan, *BEHIND)
    last = [Cause.ACQUIRING, LIT] if waits else [Cause.REACQUIRING, LIT]
    assert causes(ahead) == [LIT, SUN, *last]
    assert (ahead[2][1] - ahead[2][0]) * plan.step_s == (30.0 if waits else 15.0)
    # Acquisition needs two degrees more, at 0.052 degrees/s.
    blind_s = (ahead[1][1] - ahead[1][0]) * plan.step_s
    turned_deg = 20.0 + 2.0 * waits
    assert blind_s == pytest.approx(turned_deg * 6959.0 / 360.0, abs=2 * plan.step_s)
    if waits:
        assert causes(behind) == [WAIT, Cause.ACQUIRING, LIT, WAIT]
        assert (behind[1][0] - ahead[1][0] - 1) * plan.step_s == coast_s
    else:
        assert causes(behind) == [WAIT], "its terminal looks on"


def test_the_kernel_sees_a_link_only_while_it_is_locked() -> None:
    plan = ring(
        count=2, acquisition_s=33.0, lock_s=9.0, coast_s=0.0, sun_exclusion_deg=10.0, slew_deg_s=2.0
    )
    node = plan.network.port_node
    lit = {pair: np.zeros(plan.steps, dtype=bool) for pair in (AHEAD, BEHIND)}
    for pair, steps in lit.items():
        for start, end, cause in told(plan, *pair):
            steps[start:end] = cause is LIT
    for step, state in enumerate(plan):
        ports = np.flatnonzero(state["peer"] >= 0)
        seen = {
            frozenset(pair) for pair in zip(node[ports], node[state["peer"][ports]], strict=True)
        }
        expected = {
            frozenset(plan.network.node(name).index for name in pair)
            for pair, steps in lit.items()
            if steps[step]
        }
        assert seen == expected
        dark = np.setdiff1d(np.arange(len(state)), ports)
        assert (state["delay_ns"][dark] == 0).all()


# Terminals and their fields of regard.


def train(mounts: tuple[str, ...], pattern: dict[str, Any], *places_deg: float) -> LinkPlan:
    """Satellites on one orbit, so many degrees on, whose terminals look 50 degrees to the side."""
    figures = {
        "epoch": "2026-08-22T12:00:00Z",
        "mean_motion_rev_day": 13.5,
        "eccentricity": 0.0,
        "inclination_deg": 53.0,
        "raan_deg": 0.0,
        "arg_perigee_deg": 0.0,
    }
    pointing = {"acquisition_s": 0.0, "field_of_regard_deg": 50.0}
    table = walker_table(
        terminals={"laser": {"rate_gbps": 1.0, "max_range_km": 6e3, "pointing": pointing}},
        isl=[pattern],
    )
    satellites = [
        figures | {"name": f"s-{n}", "mean_anomaly_deg": degrees % 360}
        for n, degrees in enumerate(places_deg)
    ]
    fit = {"kind": "laser", "count": len(mounts), "mounts": list(mounts)}
    table["constellation"] = [{"name": "s", "satellite": satellites, "isl": fit}]
    return LinkPlan.of(Scenario.from_table(table))


def linked(plan: LinkPlan, step: int) -> set[tuple[str, str]]:
    joined = plan.joined(step)
    return {
        tuple(sorted(plan.network.port_label(int(port)) for port in row))
        for row in joined[["a", "b"]].tolist()
    }


def test_who_is_near_but_on_the_wrong_side_leaves_the_terminal_to_others() -> None:
    # By range alone the first would be joined to the fourth, and had none left for the last.
    plan = train(("fore", "aft"), {"pattern": "visible"}, 0.0, 5.0, 8.0, 11.0, -20.0)
    chain = {
        ("s-0:isl0", "s-1:isl1"),
        ("s-1:isl0", "s-2:isl1"),
        ("s-2:isl0", "s-3:isl1"),
        ("s-0:isl1", "s-4:isl0"),
    }
    for step in range(plan.steps):
        assert linked(plan, step) == chain


def test_without_the_right_terminal_there_is_no_link() -> None:
    pairs = {"pattern": "pairs", "pairs": [["s-0", "s-1"], ["s-0", "s-2"], ["s-1", "s-2"]]}
    plan = train(("fore", "left"), pairs, 0.0, 10.0, 20.0)
    assert len(plan.contacts) == 0
    assert set(plan.timeline.outages["cause"].tolist()) == {Cause.FIELD}
    # Who looks both ways is free in between: the third finds a terminal, but not the first's.
    plan = train(("fore", "aft"), pairs, 0.0, 10.0, 20.0)
    assert linked(plan, 0) == {("s-0:isl0", "s-1:isl1"), ("s-1:isl0", "s-2:isl1")}
    dark = plan.timeline.outages
    assert [(row["a"], row["b"], Cause(row["cause"])) for row in dark] == [(0, 2, WAIT)]


def test_who_is_wanted_more_takes_the_terminal_that_another_has() -> None:
    # Both of the others are ahead, where one terminal of two looks.
    bench = Bench(count=2, acquisition_s=0.0, field_of_regard_deg=50.0)
    pairs = (0, 1), (0, 2)
    assert bench.step(*pairs, cause=[Cause.RANGE, LIT]) == [Cause.RANGE, LIT]
    assert bench.step(*pairs) == [Cause.SWITCHING, WAIT]
    assert bench.step(*pairs) == [LIT, WAIT]
    assert bench.step(*pairs, (11, 0)) == [LIT, WAIT, LIT]
    assert bench.contacts()[0] == (0, 5, 0, 1, Cause.NOT_CHOSEN)


def test_of_two_terminals_that_look_there_the_rested_one_is_taken() -> None:
    bench = Bench(count=8, dark_steps=3, acquisition_s=0.0, field_of_regard_deg=50.0)
    assert bench.step((0, 1)) == [LIT]
    # Terminals look fore, aft, left and right in turn: there are two that look ahead.
    assert bench.step((0, 2)) == [LIT]
    assert bench.step((0, 3)) == [Cause.SWITCHING]
    used = bench.panel.held
    assert used[0, :3].tolist() == [0, 3, 0]
