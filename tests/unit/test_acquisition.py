"""Times to turn, search and lock, against closed forms and drawn targets."""

import math

import numpy as np
import pytest
from scipy.special import ndtri

from emulator.physics.acquisition import (
    lognormal_parameters,
    lognormal_s,
    slew_s,
    spiral_coverage,
    spiral_max_s,
    spiral_mean_s,
)

DEG = math.pi / 180
URAD = 1e-6
SCAN = {"sigma_rad": 150 * URAD, "beam_rad": 15 * URAD, "overlap": 0.15, "dwell_s": 0.002}


def test_slewing_at_a_rate() -> None:
    assert slew_s(45 * DEG, 1.5 * DEG) == pytest.approx(30.0)
    assert slew_s(-45 * DEG, 1.5 * DEG) == pytest.approx(30.0)
    assert slew_s(0.0, 1.5 * DEG, 1.0) == 0.0


def test_small_angles_are_limited_by_acceleration() -> None:
    # Half of 2° with 0.5°/s² from rest takes 2 s, and stopping as long: never above 1 °/s.
    assert slew_s(2 * DEG, 1.5 * DEG, 0.5 * DEG) == pytest.approx(4.0)
    assert slew_s(90 * DEG, 1.5 * DEG, 0.5 * DEG) == pytest.approx(60.0)


def test_both_limits_together_cost_at_most_the_time_to_the_top_rate() -> None:
    rate, accel = 1.5 * DEG, 0.5 * DEG
    angles = np.linspace(0.1, 180, 500) * DEG
    triangle, trapezium = 2 * np.sqrt(angles / accel), angles / rate + rate / accel
    true_s = np.where(angles < rate**2 / accel, triangle, trapezium)
    short_s = true_s - slew_s(angles, rate, accel)
    assert np.all(short_s >= -1e-9) and np.all(short_s <= rate / accel + 1e-9)


def test_spiral_scan() -> None:  # V27
    assert spiral_mean_s(**SCAN) == pytest.approx(0.553633, rel=1e-5)
    assert spiral_max_s(**SCAN) == pytest.approx(2.491349, rel=1e-5)


def test_a_spiral_scan_finds_drawn_targets_in_its_mean_time() -> None:
    """Targets drawn on two axes, each found when the area within its radius has been swept."""
    rng = np.random.default_rng(4)
    radius_rad = np.hypot(*rng.normal(scale=SCAN["sigma_rad"], size=(2, 200_000)))
    dwell_area = math.pi * (SCAN["beam_rad"] * (1 - SCAN["overlap"])) ** 2
    found_s = SCAN["dwell_s"] * math.pi * radius_rad**2 / dwell_area
    five_standard_errors = 5 / math.sqrt(200_000)
    assert spiral_mean_s(**SCAN) == pytest.approx(found_s.mean(), rel=five_standard_errors)
    for sigmas in (1.0, 2.0, 3.0):
        share = np.mean(found_s <= spiral_max_s(**SCAN, sigmas=sigmas))
        assert spiral_coverage(sigmas) == pytest.approx(share, abs=0.5 * five_standard_errors)


def test_coverage_is_rayleighs() -> None:
    # 1, 2, 3 sigma of a circular Gaussian: 39.35 %, 86.47 %, 98.89 %.
    assert spiral_coverage([0, 1, 2, 3]) == pytest.approx([0, 0.3935, 0.8647, 0.9889], abs=5e-5)


def test_times_have_the_percentiles_asked_for() -> None:
    normals = ndtri([0.5, 0.95, 0.05])
    assert lognormal_s(15.0, 45.0, normals) == pytest.approx([15.0, 45.0, 5.0])
    assert lognormal_s(3.0, 3.0, np.array([-3.0, 0.0, 3.0])) == pytest.approx(3.0)


def test_parameters_are_those_that_numpy_draws_by() -> None:
    mu, sigma = lognormal_parameters(15.0, 45.0)
    rng, same = np.random.default_rng(7), np.random.default_rng(7)
    drawn_s = lognormal_s(15.0, 45.0, rng.standard_normal(20_000))
    assert drawn_s == pytest.approx(same.lognormal(mu, sigma, 20_000), rel=1e-12)
    # A quantile's standard error is about 1 % here.
    assert np.quantile(drawn_s, [0.5, 0.95]) == pytest.approx([15.0, 45.0], rel=0.05)


def test_shapes_broadcast() -> None:
    medians_s, normals = np.array([[15.0], [3.0]]), np.zeros(5)
    assert lognormal_s(medians_s, 45.0, normals).shape == (2, 5)
    assert slew_s(np.ones((3, 1)), np.ones(4), 0.1).shape == (3, 4)
    assert spiral_mean_s(np.ones((2, 1)), np.full(3, 0.1), 0.1, 1e-3).shape == (2, 3)
    assert np.ndim(slew_s(1.0, 1.0)) == np.ndim(spiral_max_s(**SCAN)) == 0
