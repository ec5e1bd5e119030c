"""How long links take: as declared, seeded by who and when, and slower of two ends."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from emulator.acquiring import Durations
from emulator.causes import Cause
from emulator.errors import ScenarioError
from emulator.linkplan import LinkPlan
from emulator.network import Network
from emulator.pointing import Event, State
from emulator.scenario import Scenario
from tests.unit.toys import walker_table

PAIRS = 4000
FIVE_SIGMA = 5 / math.sqrt(PAIRS)
"""Five standard errors of a mean in units of its standard deviation."""


def durations(seed: int = 0, **kinds: dict[str, Any]) -> Durations:
    """Two satellites of each kind of terminal, by its ``pointing``, and as many as are asked for.

    Kinds are numbered in the order given.
    """
    table = walker_table("53:8000/80/1", 550.0, scenario={"seed": seed})
    table["terminals"] = {
        name: {"rate_gbps": 1.0, "max_range_km": 1000.0, "pointing": pointing}
        for name, pointing in kinds.items()
    }
    first = next(iter(kinds))
    table["constellation"][0] |= {"isl": {"kind": first, "count": 1}, "gsl": None}
    return Durations.of(Network.of(Scenario.from_table(table)), seed)


def scans(known: bool = False, seed: int = 0, **pointing: Any) -> tuple[np.ndarray, np.ndarray]:
    """Times, and whether they end well, of one acquisition of each of many pairs."""
    every = durations(seed, laser=pointing)
    found = [every.entering(State.SCAN, (0, 0), (n, n + PAIRS), 60.0, known) for n in range(PAIRS)]
    return (
        np.array([seconds for seconds, _ in found]),
        np.array([event is Event.DONE for _, event in found]),
    )


@pytest.mark.parametrize(("known", "scale"), [(False, 1.0), (True, 0.2)])
def test_lognormal_times_have_the_median_and_the_spread_declared(known: bool, scale: float) -> None:
    seconds, well = scans(known, acquisition_s=15.0, acquisition_p95_s=45.0, repeat_s=3.0)
    assert well.all()
    logs = np.log(seconds / (15.0 * scale))
    # A share's standard error is that of a coin; 95 % are within three times the median.
    assert np.mean(logs <= 0) == pytest.approx(0.5, abs=0.5 * FIVE_SIGMA)
    assert np.mean(logs <= math.log(3)) == pytest.approx(0.95, abs=math.sqrt(0.0475) * FIVE_SIGMA)
    sigma = math.log(3) / 1.6448536
    assert logs.std() == pytest.approx(sigma, rel=FIVE_SIGMA / math.sqrt(2))


def test_without_a_spread_it_is_always_the_same_time() -> None:
    for known, expected_s in ((False, 15.0), (True, 3.0)):
        seconds, well = scans(known, acquisition_s=15.0, repeat_s=3.0)
        assert well.all()
        assert (seconds == expected_s).all()


def test_spirals_take_their_mean_time() -> None:
    scan = {"uncertainty_urad": 150.0, "beam_urad": 15.0, "overlap": 0.15, "dwell_s": 0.002}
    seconds, _ = scans(scan=scan)
    mean_s = 0.553633  # 2 ms / 0.85² · 2 · (150 / 15)²
    # Exponential: its standard deviation is its mean.
    assert seconds.mean() == pytest.approx(mean_s, rel=FIVE_SIGMA)
    assert seconds.std() == pytest.approx(mean_s, rel=2 * FIVE_SIGMA)


def test_the_declared_share_of_acquisitions_finds_its_peer() -> None:
    _, well = scans(acquisition_s=10.0, success=0.93)
    assert well.mean() == pytest.approx(0.93, abs=math.sqrt(0.93 * 0.07) * FIVE_SIGMA)


def test_times_of_neighbours_and_of_moments_are_not_alike() -> None:
    seconds, _ = scans(acquisition_s=15.0, acquisition_p95_s=45.0)
    logs = np.log(seconds)
    # No more alike than drawn ones: a correlation's standard error is 1/√n.
    assert abs(np.corrcoef(logs[1:], logs[:-1])[0, 1]) < FIVE_SIGMA
    every = durations(laser={"acquisition_s": 15.0, "acquisition_p95_s": 45.0})
    moments = [every.entering(State.SCAN, (0, 0), (0, 1), t, False)[0] for t in np.arange(2000.0)]
    logs = np.log(moments)
    assert abs(np.corrcoef(logs[1:], logs[:-1])[0, 1]) < 5 / math.sqrt(2000)


def test_draws_hang_on_seed_pair_and_moment_and_on_nothing_else() -> None:
    pointing = {"acquisition_s": 15.0, "acquisition_p95_s": 45.0}

    def drawn(seed: int, pair: tuple[int, int], t_s: float, fresh: bool = False) -> float:
        every = durations(seed, laser=pointing)
        if not fresh:
            every.entering(State.SCAN, (0, 0), (5, 6), 1.0, False)
        return every.entering(State.SCAN, (0, 0), pair, t_s, False)[0]

    same_s = drawn(1, (7, 9), 60.0)
    assert drawn(1, (9, 7), 60.0) == same_s
    assert drawn(1, (7, 9), 60.0, fresh=True) == same_s
    others = [drawn(2, (7, 9), 60.0), drawn(1, (7, 8), 60.0), drawn(1, (7, 9), 60.000001)]
    assert len({same_s, *others}) == 4


def test_the_slower_end_decides_and_the_shorter_patience() -> None:
    quick = {"acquisition_s": 2.0, "lock_s": 5.0, "coast_s": 9.0, "reacquisition_s": 0.1}
    slow = {"acquisition_s": 8.0, "lock_s": 1.0, "coast_s": 4.0, "reacquisition_s": 0.7}
    every = durations(quick=quick, slow=slow)
    for kinds in ((0, 1), (1, 0)):
        lasts = {
            state: every.entering(state, kinds, (0, 1), 0.0, False)
            for state in (State.SCAN, State.LOCK, State.COAST, State.REACQUIRE, State.UP)
        }
        assert lasts == {
            State.SCAN: (8.0, Event.DONE),
            State.LOCK: (5.0, Event.DONE),
            State.COAST: (4.0, Event.DONE),
            State.REACQUIRE: (0.7, Event.DONE),
            State.UP: (math.inf, Event.DONE),
        }


def test_who_says_nothing_of_its_pointing_is_there_at_once() -> None:
    table = walker_table("53:4/2/1")
    every = Durations.of(Network.of(Scenario.from_table(table)), 0)
    assert every.slew_s(0, math.pi) == 0
    for state in (State.SCAN, State.LOCK, State.COAST, State.REACQUIRE):
        assert every.entering(state, (0, 1), (0, 1), 0.0, False) == (0.0, Event.DONE)


def test_turning() -> None:
    every = durations(
        free={}, rate={"slew_deg_s": 1.5}, both={"slew_deg_s": 1.5, "slew_deg_s2": 0.01}
    )
    half_a_turn = math.pi
    assert every.slew_s(0, half_a_turn) == 0
    assert every.slew_s(1, half_a_turn) == pytest.approx(120)
    assert every.slew_s(2, half_a_turn) == pytest.approx(2 * math.sqrt(180 / 0.01))


@pytest.mark.parametrize(
    ("pointing", "reason"),
    [
        ({"acquisition_s": 5.0, "acquisition_p95_s": 4.0}, "at least acquisition_s"),
        ({"acquisition_s": 0.0, "acquisition_p95_s": 4.0}, "above 0"),
        ({"acquisition_s": 0.0, "success": 0.5}, "success below 1 takes time"),
        ({"repeat_s": 0.0, "success": 0.5}, "success below 1 takes time"),
    ],
)
def test_times_that_cannot_be_are_refused(pointing: dict[str, Any], reason: str) -> None:
    with pytest.raises(ScenarioError, match=reason):
        durations(laser=pointing)


def test_a_model_of_the_catalogue_can_be_told_to_acquire_at_once() -> None:
    """Its 95th percentile stands in the catalogue and can only be overwritten, not removed."""
    every = durations(laser={"acquisition_s": 0.0, "acquisition_p95_s": 0.0, "repeat_s": 3.0})
    assert every.entering(State.SCAN, (0, 0), (0, 1), 60.0, known=False) == (0.0, Event.DONE)
    assert every.entering(State.SCAN, (0, 0), (0, 1), 60.0, known=True) == (3.0, Event.DONE)


# Sixty pairs of satellites that fly against each other over the equator and meet twice a
# revolution, out of reach of all others in between.
STEP_S = 5.0


def meetings(seed: int = 0, other: dict[str, Any] | None = None, **pointing: Any) -> LinkPlan:
    table = walker_table(
        "0:60/1/0",
        600.0,
        scenario={"seed": seed, "duration_s": 6000.0, "step_s": STEP_S},
        terminals={"laser": {"rate_gbps": 1.0, "max_range_km": 3000.0, "pointing": pointing}},
        isl=[
            {
                "pattern": "pairs",
                "pairs": [[f"east-01-{n:02d}", f"west-01-{n:02d}"] for n in range(1, 61)],
            }
        ],
    )
    east = table["constellation"][0] | {"name": "east", "gsl": None}
    west = east | {"name": "west", "walker": "180:60/1/0", "altitude_km": 650.0}
    both = [east, west]
    if other:
        both.insert(1, east | {"name": "aside"} | other)
    return LinkPlan.of(Scenario.from_table(table | {"constellation": both}))


def acquiring_s(plan: LinkPlan) -> list[float]:
    """How long each acquisition took that came to an end."""
    rows = plan.timeline.outages
    lit = {(int(c["start"])) for c in plan.contacts}
    return [
        float(row["end"] - row["start"]) * STEP_S
        for row in rows[rows["cause"] == Cause.ACQUIRING]
        if int(row["end"]) in lit
    ]


def by_name(plan: LinkPlan) -> list[tuple[str, str, int, int]]:
    label = plan.network.port_label
    return sorted(
        (label(int(c["a"])), label(int(c["b"])), int(c["start"]), int(c["end"]))
        for c in plan.contacts
    )


RANDOM = {"acquisition_s": 15.0, "acquisition_p95_s": 45.0}


def test_one_seed_one_plan() -> None:
    plan, same, other = meetings(1, **RANDOM), meetings(1, **RANDOM), meetings(2, **RANDOM)
    assert np.array_equal(plan.contacts, same.contacts)
    assert np.array_equal(plan.timeline.outages, same.timeline.outages)
    assert len(plan.contacts) > 100
    assert by_name(plan) != by_name(other)


def test_a_constellation_elsewhere_changes_no_draw() -> None:
    plan = meetings(1, **RANDOM)
    wider = meetings(1, {"walker": "30:50/1/0", "altitude_km": 900.0}, **RANDOM)
    assert by_name(plan) == by_name(wider)


def test_acquisitions_that_fail_begin_again() -> None:
    took_s = np.array(acquiring_s(meetings(acquisition_s=10.0, success=0.4)))
    assert len(took_s) > 100
    tries = took_s / 10.0
    assert (tries == np.round(tries)).all()
    # Geometric: mean 1/p, standard deviation √(1 - p)/p; the reach of 300 s ends a few early.
    error = 5 * math.sqrt(0.6) / 0.4 / math.sqrt(len(tries))
    assert tries.mean() == pytest.approx(2.5, abs=error)
    for more, most in pairwise((1, 2, 3)):
        assert (tries == more).sum() > (tries == most).sum()


def test_light_comes_at_the_first_step_after_what_was_drawn() -> None:
    plan = meetings(3, **RANDOM)
    every = Durations.of(plan.network, 3)
    rows = plan.timeline.outages
    seen = set()
    for row in rows[rows["cause"] == Cause.ACQUIRING].tolist():
        a, b, start, end, _ = row
        drawn_s, _ = every.entering(State.SCAN, (0, 0), (a, b), start * STEP_S, False)
        assert end - start == math.ceil(drawn_s / STEP_S) or end == plan.steps
        seen.add((a, b))
    assert len(seen) == 60


def test_a_peer_that_is_known_is_found_sooner() -> None:
    plan = meetings(acquisition_s=30.0, repeat_s=10.0)
    rows = plan.timeline.outages
    rows = rows[(rows["cause"] == Cause.ACQUIRING) & (rows["end"] < plan.steps)]
    linked = {frozenset(pair) for pair in pairs_at_start(plan)}
    for a, b, start, end, _ in rows.tolist():
        known = frozenset((a, b)) in linked
        assert (end - start) * STEP_S == (10.0 if known else 30.0)
        linked.add(frozenset((a, b)))
    assert len(linked) == 60


def pairs_at_start(plan: LinkPlan) -> list[tuple[int, int]]:
    joined, node = plan.joined(0), plan.network.port_node
    return list(zip(node[joined["a"]].tolist(), node[joined["b"]].tolist(), strict=True))
