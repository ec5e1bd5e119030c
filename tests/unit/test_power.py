"""Solar power, batteries and heat against sums, closed forms and conservation of energy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emulator.physics.power import (
    SHEDS,
    Battery,
    PowerState,
    charge,
    radiated_w,
    solar_w,
    steady_temperature_k,
    step,
    throttled,
    warm,
)
from emulator.physics.sun import eclipse_fraction

ONE_WATT = 1.0
ROUNDING_WH = 1e-9
"""Of some hundred sums of numbers below 1e5."""
A_MILLIKELVIN = 1e-3
A_TENTH_OF_A_KELVIN = 0.1

NODE: dict[str, Any] = {"heat_capacity_j_k": 2e4, "area_m2": 1.0, "emissivity": 0.85}
SURFACE = {"area_m2": 1.0, "emissivity": 0.85}
watts = arrays(float, (40, 3), elements=st.floats(0, 2000))


def battery(mode: str = "compute", **changes: float) -> Battery:
    figures = {"capacity_wh": 1000.0, "floor_share": 0.6, "hysteresis_share": 0.1}
    return Battery(mode=mode, **(figures | changes))


def test_solar_power_in_light_and_over_an_orbit() -> None:
    lit_w, dark_w = solar_w(4.0, 0.30, 0.9, np.array([True, False]))
    assert lit_w == pytest.approx(1470.0, abs=ONE_WATT)
    assert dark_w == 0.0
    mean_w = lit_w * (1 - eclipse_fraction(550.0, 0.0))
    assert mean_w == pytest.approx(923.0, abs=ONE_WATT)


def test_panels_turned_from_the_sun_give_nothing() -> None:
    cosines = np.array([1.0, 0.5, 0.0, -0.5])
    power_w = solar_w(1.0, 1.0, 1.0, True, cosines)
    assert power_w.tolist() == [1361.0, 680.5, 0.0, 0.0]


def test_charge_fills_curtails_and_empties() -> None:
    # Half an hour, batteries of 100 Wh: within bounds, 20 Wh too many, 30 Wh too few.
    energy_wh, curtailed_wh, unmet_wh = charge(
        np.array([50.0, 90.0, 10.0]),
        np.array([100.0, 100.0, 0.0]),
        np.array([60.0, 40.0, 80.0]),
        1800.0,
        100.0,
    )
    assert energy_wh.tolist() == [70.0, 100.0, 0.0]
    assert curtailed_wh.tolist() == [0.0, 20.0, 0.0]
    assert unmet_wh.tolist() == [0.0, 0.0, 30.0]


@given(watts, watts, watts, watts, st.sampled_from(sorted(SHEDS)), st.floats(1, 4000))
def test_energy_is_conserved(
    generated_w: np.ndarray,
    bus_w: np.ndarray,
    compute_w: np.ndarray,
    lasers_w: np.ndarray,
    mode: str,
    dt_s: float,
) -> None:
    start_wh = np.array([0.0, 640.0, 1000.0])
    state, wanted_wh = PowerState.of(start_wh), 0.0
    for now in zip(generated_w, bus_w, compute_w, lasers_w, strict=True):
        state, compute_on, lasers_on = step(battery(mode), state, *now, dt_s)
        wanted_wh += (now[1] + now[2] * compute_on + now[3] * lasers_on) * dt_s / 3600
        assert (state.energy_wh >= 0).all()
        assert (state.energy_wh <= 1000.0).all()
    kept_wh = state.energy_wh - start_wh + state.used_wh + state.curtailed_wh
    assert kept_wh == pytest.approx(state.generated_wh, abs=ROUNDING_WH)
    assert state.used_wh + state.unmet_wh == pytest.approx(wanted_wh, abs=ROUNDING_WH)
    assert state.generated_wh == pytest.approx(generated_w.sum(0) * dt_s / 3600, abs=ROUNDING_WH)


@pytest.mark.parametrize("mode", sorted(SHEDS))
def test_the_floor_is_reached_when_arithmetic_says(mode: str) -> None:
    # From 1000 to 600 Wh at 300 W (100 bus, 120 compute, 80 lasers): 4800 s, then only 180 or 220.
    loads_w = (np.array([100.0]), np.array([120.0]), np.array([80.0]))
    state, dt_s = PowerState.of(np.array([1000.0])), 10.0
    shed_at_s, on = [], []
    for index in range(600):
        state, compute_on, lasers_on = step(battery(mode), state, np.zeros(1), *loads_w, dt_s)
        on.append((bool(compute_on[0]), bool(lasers_on[0])))
        shed_at_s.append(index * dt_s if state.shedding[0] else np.inf)
    # Rounding may leave a hair above the floor, and then it is a step later.
    assert min(shed_at_s) in (4800.0, 4810.0)
    assert set(on[:480]) == {(True, True)}
    assert set(on[481:]) == {tuple(not sheds for sheds in SHEDS[mode])}
    left_wh = 600.0 - (6000.0 - min(shed_at_s)) / 3600 * (180.0 if mode == "compute" else 220.0)
    left_wh -= (min(shed_at_s) - 4800.0) / 3600 * 300.0
    assert state.energy_wh[0] == pytest.approx(left_wh, abs=ROUNDING_WH)


def test_shedding_holds_until_the_hysteresis_is_climbed() -> None:
    # With compute 100 W are missing, without it 200 are left: flapping without hysteresis.
    state, generated_w = PowerState.of(np.array([605.0])), np.array([500.0])
    loads_w = (np.array([300.0]), np.array([300.0]), np.array([0.0]))
    masks, energies_wh = [], []
    for _ in range(2000):
        energies_wh.append(state.energy_wh[0])
        state, compute_on, lasers_on = step(battery(), state, generated_w, *loads_w, 10.0)
        masks.append(compute_on[0])
        assert lasers_on[0]
    changes = np.flatnonzero(np.diff(masks))
    # 100 Wh up at 200 W and down at 100 W are 1800 s and 3600 s, to a step or two at each end.
    spans = np.diff(changes)
    assert len(spans) >= 5
    assert np.isin(spans, [*range(179, 183), *range(359, 363)]).all()
    assert min(energies_wh) > 600.0 - 0.5
    assert max(energies_wh[int(changes[0]) :]) < 700.0 + 1.0


def test_satellites_do_not_touch_each_other() -> None:
    state = PowerState.of(np.array([1000.0, 500.0]))
    state, compute_on, lasers_on = step(
        battery("lasers"), state, np.zeros(2), np.full(2, 50.0), np.full(2, 10.0), 40.0, 3600.0
    )
    assert compute_on.tolist() == [True, True]
    assert lasers_on.tolist() == [True, False]
    assert state.energy_wh.tolist() == [900.0, 440.0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"mode": "bus"}, "no shedding mode 'bus': use one of compute, lasers"),
        ({"hysteresis_share": 0.0}, "cannot shed at a share of 0.6 and resume 0 above"),
        ({"hysteresis_share": 0.5}, "cannot shed at a share of 0.6 and resume 0.5 above"),
        ({"floor_share": -0.1}, "cannot shed at a share of -0.1"),
    ],
)
def test_batteries_that_make_no_sense_are_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        battery(**changes)


def test_a_square_metre_at_300_k_radiates_390_w() -> None:
    assert radiated_w(300.0, **SURFACE) == pytest.approx(390.0, abs=ONE_WATT)
    heat_w = radiated_w(np.array([250.0, 300.0]), **SURFACE)
    assert steady_temperature_k(heat_w, **SURFACE) == pytest.approx([250.0, 300.0])


@pytest.mark.parametrize("dt_s", [60.0, 3600.0, 1e9])
def test_nodes_settle_at_the_steady_state_without_overshoot(dt_s: float) -> None:
    heat_w = radiated_w(300.0, **SURFACE)
    series = [np.array([3.0, 200.0, 300.0, 400.0])]
    for _ in range(2000):
        series.append(warm(series[-1], heat_w, dt_s, **NODE))
    assert series[-1] == pytest.approx(300.0, abs=A_MILLIKELVIN)
    history = np.array(series)
    assert (history[:, :2] < 300.0 + A_MILLIKELVIN).all()
    assert (np.diff(history[:, :2], axis=0) > -A_MILLIKELVIN).all()
    assert (np.diff(history[:, 3]) < A_MILLIKELVIN).all()


def test_cooling_follows_the_closed_form() -> None:
    # Without heat 1/T³ grows linearly: 1/T³ = 1/T0³ + 3 eps sigma A t / C.
    temperature_k, dt_s = np.array([350.0]), 1.0
    for _ in range(5000):
        temperature_k = warm(temperature_k, 0.0, dt_s, **NODE)
    rate = 3 * radiated_w(1.0, **SURFACE) / NODE["heat_capacity_j_k"]
    expected_k = (350.0**-3 + rate * 5000.0) ** (-1 / 3)
    assert temperature_k[0] == pytest.approx(expected_k, abs=A_TENTH_OF_A_KELVIN)


def test_compute_rests_from_the_limit_until_it_has_cooled() -> None:
    # 300 W of bus keep the node cool, 400 more with compute bring it above 320 K.
    temperature_k, rests, history, resting = np.array([300.0]), np.array([False]), [], []
    for _ in range(3000):
        temperature_k = warm(temperature_k, 300.0 + 400.0 * ~rests, 10.0, **NODE)
        rests = throttled(rests, temperature_k, 320.0, 5.0)
        history.append(temperature_k[0])
        resting.append(rests[0])
    assert max(history) < 320.0 + 0.5
    changes = np.flatnonzero(np.diff(resting))
    assert len(changes) > 4
    assert min(history[changes[0] :]) > 315.0 - 0.5
    assert np.diff(changes).min() > 10
