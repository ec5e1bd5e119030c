"""Modems: down at once, up with something to spare and after the dwell, never to and fro."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.budget import IDEAL_DB, Budgets
from emulator.modems import Modems
from emulator.network import Network
from emulator.scenario import Scenario
from tests.unit.toys import walker_table

LASER = {"tx_power_w": 1.0, "aperture_m": 0.08, "photons_per_bit": 100.0}
LADDER_GBPS = (1.0, 2.5, 5.0)
TOP_GBPS = 10.0
NEED_DB = 10 * np.log10(np.array([*LADDER_GBPS, TOP_GBPS]) * 1e9)
MIN_DB, HYSTERESIS_DB = 1.5, 1.0
SENDER, RECEIVER = np.array([0]), np.array([5])
NOW_AND_THEN = st.lists(st.floats(85.0, 105.0), min_size=2, max_size=60)


def modems(step_s: float = 1.0, dwell_s: float = 3.0, **optical: Any) -> Modems:
    """Modems of twelve satellites with four lasers and, as every fifth port, a radio each."""
    figures = {**LASER, "ladder_gbps": LADDER_GBPS, "dwell_s": dwell_s, **optical}
    table = walker_table(
        terminals={
            "laser": {"rate_gbps": TOP_GBPS, "max_range_km": 9000.0, "optical": figures},
            "radio": {"rate_gbps": 1.0, "max_range_km": 9000.0},
        }
    )
    network = Network.of(Scenario.from_table(table))
    return Modems(network, Budgets.of(network), step_s)


def followed(levels_db: list[float | None], **figures: Any) -> tuple[list[int | None], np.ndarray]:
    """Rungs of one channel at each of these levels (None: it is dark), and what is written down."""
    each = modems(**figures)
    rungs: list[int | None] = []
    for step, level_db in enumerate(levels_db):
        if level_db is not None:
            each.follow(step, SENDER, RECEIVER, np.array([level_db]))
        rungs.append(None if level_db is None else int(each.rung[RECEIVER[0]]))
    return rungs, each.finish()


def level_for(rung: int, spare_db: float = 0.0) -> float:
    """The level that gives a rung its least margin, and something to spare."""
    return float(NEED_DB[rung] + MIN_DB + spare_db)


def test_the_first_rung_is_the_highest_with_its_margin_and_needs_no_dwell() -> None:
    for rung in range(4):
        assert followed([level_for(rung, 0.001)])[0] == [rung]
        assert followed([level_for(rung, -0.001)])[0] == [max(rung - 1, 0)]


def test_below_all_rungs_it_stays_on_the_lowest() -> None:
    assert followed([level_for(0, -1.0), level_for(0, -2.0)])[0] == [0, 0]


def test_down_at_once_and_as_far_as_it_takes() -> None:
    rungs, rows = followed([level_for(3, 5.0), level_for(3, -0.01), level_for(0, 0.01)])
    assert rungs == [3, 2, 0]
    assert rows["start"].tolist() == [0, 1, 2]
    assert rows["changed"].tolist() == [False, True, True]


def test_up_only_with_hysteresis_to_spare() -> None:
    below, above = level_for(2, HYSTERESIS_DB - 0.01), level_for(2, HYSTERESIS_DB + 0.01)
    rungs, _ = followed([level_for(1), *[below] * 20, *[above] * 2])
    assert rungs == [1] * 21 + [2, 2]


@pytest.mark.parametrize(
    ("step_s", "dwell_s", "steps"), [(1.0, 3.0, 3), (0.1, 0.3, 3), (2.0, 3.0, 2), (10.0, 3.0, 1)]
)
def test_no_step_up_before_the_dwell(step_s: float, dwell_s: float, steps: int) -> None:
    high = level_for(3, 9.0)
    rungs, _ = followed([level_for(0), *[high] * 6], step_s=step_s, dwell_s=dwell_s)
    assert rungs == [0] * steps + [3] * (7 - steps)


def test_a_step_down_begins_a_dwell() -> None:
    high, low = level_for(3, 9.0), level_for(1, 0.1)
    rungs, _ = followed([high, high, low, high, high, high], dwell_s=3.0)
    assert rungs == [3, 3, 1, 1, 1, 3]


def test_without_dwell_the_next_step_is_soon_enough() -> None:
    high, low = level_for(3, 9.0), level_for(1, 0.1)
    assert followed([low, high, low, high], dwell_s=0.0)[0] == [1, 3, 1, 3]


def test_a_slow_swing_within_the_hysteresis_changes_nothing() -> None:
    """Range that swings by 5 % swings the level by 0.85 dB: once down, and then quiet."""
    for rung in range(1, 4):
        phase = np.arange(500) / 20
        swing_db = -20 * np.log10(1 + 0.05 * np.sin(phase))
        assert np.ptp(swing_db) < HYSTERESIS_DB
        rungs, rows = followed((level_for(rung) + swing_db).tolist(), dwell_s=0.0)
        assert len(rows) <= 2
        assert set(rungs[40:]) == {rung - 1}


@given(NOW_AND_THEN, st.integers(0, 8))
def test_whatever_the_level_does(levels_db: list[float], dwell: int) -> None:
    rungs, rows = followed(levels_db, dwell_s=float(dwell))
    changed_at = 0
    for step in range(1, len(rungs)):
        before, now, level_db = rungs[step - 1], rungs[step], levels_db[step]
        margin_db = level_db - NEED_DB[now]
        assert now == 0 or margin_db >= MIN_DB
        reachable = np.flatnonzero(level_db - NEED_DB >= MIN_DB + HYSTERESIS_DB)
        if now > before:
            assert margin_db >= MIN_DB + HYSTERESIS_DB
            assert step - changed_at >= dwell
        elif now == before:
            could = reachable.max(initial=-1) > before
            assert not could or step - changed_at < dwell
        else:
            assert level_db - NEED_DB[now + 1] < MIN_DB, "no further down than it must"
        changed_at = step if now != before else changed_at
    # What is written down is what was followed.
    last = np.searchsorted(rows["start"], np.arange(len(rungs)), side="right") - 1
    assert rows["rung"][last].tolist() == rungs
    assert (rows["port"] == RECEIVER[0]).all()


@given(st.lists(st.one_of(st.none(), st.floats(85.0, 105.0)), min_size=1, max_size=40))
def test_after_the_dark_it_begins_anew(levels_db: list[float | None]) -> None:
    rungs, rows = followed(levels_db, dwell_s=5.0)
    for step, level_db in enumerate(levels_db):
        if level_db is None or (step and levels_db[step - 1] is not None):
            continue
        highest = int((level_db - NEED_DB >= MIN_DB).sum()) - 1
        assert rungs[step] == max(highest, 0)
        [row] = rows[rows["start"] == step]
        assert not row["changed"], "nobody was on another rung just before"


def test_channels_are_followed_each_by_itself() -> None:
    each = modems(dwell_s=2.0)
    draw = np.random.default_rng(1)
    levels_db = draw.uniform(85, 105, (40, 20))
    sender, receiver = np.flatnonzero(each.network.port_medium)[:40].reshape(2, 20)
    for step, now_db in enumerate(levels_db):
        each.follow(step, sender, receiver, now_db)
    together = each.finish()
    for channel in range(20):
        _, alone = followed(levels_db[:, channel].tolist(), dwell_s=2.0)
        own = together[together["port"] == receiver[channel]]
        for name in ("start", "rung", "changed"):
            assert (own[name] == alone[name]).all()


def test_who_has_no_budget_has_no_modem() -> None:
    each = modems()
    radio = each.network.nodes[0].ports[4].index
    each.follow(0, np.array([radio]), np.array([radio + 5]), np.array([IDEAL_DB]))
    each.follow(1, SENDER, RECEIVER, np.array([IDEAL_DB - 99.0]))
    assert not len(each.finish())
