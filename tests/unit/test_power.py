"""Solar panels and batteries against sums and conservation of energy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emulator.physics.power import charge, latch, solar_w
from emulator.physics.sun import eclipse_fraction

ONE_WATT = 1.0
ROUNDING_WH = 1e-9
"""Of some hundred sums of numbers below 1e5."""

watts = arrays(float, (40, 3), elements=st.floats(0, 2000))


def test_solar_power_in_light_and_over_an_orbit() -> None:
    lit_w = solar_w(4.0, 0.30, 0.9)
    assert lit_w == pytest.approx(1470.0, abs=ONE_WATT)
    mean_w = lit_w * (1 - eclipse_fraction(550.0, 0.0))
    assert mean_w == pytest.approx(923.0, abs=ONE_WATT)


def test_charge_fills_curtails_and_empties() -> None:
    # Half an hour, batteries of 100 Wh: within bounds, 20 Wh too many, 30 Wh too few.
    energy_wh = charge(
        np.array([50.0, 90.0, 10.0]),
        np.array([100.0, 100.0, 0.0]),
        np.array([60.0, 40.0, 80.0]),
        1800.0,
        100.0,
    )
    assert energy_wh.tolist() == [70.0, 100.0, 0.0]


@given(watts, watts, st.floats(1, 4000))
def test_energy_is_conserved_between_empty_and_full(
    generated_w: np.ndarray, used_w: np.ndarray, dt_s: float
) -> None:
    capacity_wh = np.array([1e2, 1e3, 1e5])
    energy_wh = start_wh = np.array([0.0, 640.0, 5e4])
    surplus_wh, clipped = (generated_w - used_w) * dt_s / 3600, np.zeros(3, dtype=bool)
    for now_wh, generated, used in zip(surplus_wh, generated_w, used_w, strict=True):
        before_wh = energy_wh
        energy_wh = charge(energy_wh, generated, used, dt_s, capacity_wh)
        assert (energy_wh >= 0).all()
        assert (energy_wh <= capacity_wh).all()
        # Never more stored, and never more taken, than the powers allow.
        gained_wh = energy_wh - before_wh
        assert (np.abs(gained_wh) <= np.abs(now_wh) + ROUNDING_WH).all()
        clipped |= np.abs(gained_wh - now_wh) > ROUNDING_WH
    kept_wh = start_wh + surplus_wh.sum(0)
    assert energy_wh[~clipped] == pytest.approx(kept_wh[~clipped], abs=100 * ROUNDING_WH)


def test_a_latch_holds_between_its_two_edges() -> None:
    level, on, seen = [5, 3, 2, 4, 6, 7, 4, 2], np.array([False]), []
    for now in level:
        on = latch(on, np.array([now <= 2]), np.array([now >= 7]))
        seen.append(bool(on[0]))
    assert seen == [False, False, True, True, True, False, False, True]
