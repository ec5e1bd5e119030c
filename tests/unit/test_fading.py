"""Fades by jitter against closed forms, published figures and simulated pointing."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from emulator.physics.fading import (
    beam_half_angle_rad,
    combined_fade_probability,
    combined_fade_rate_hz,
    combined_mean_loss_db,
    fade_margin_db,
    fade_probability,
    fade_radius_rad,
    fade_rate_hz,
    gilbert_elliott,
    mean_fade_s,
    mean_loss_db,
    pointing_beta,
    slow_fades,
)

URAD = 1e-6
NEPER_DB = 10 / math.log(10)
YEAR_S = 365.25 * 86_400
BETA, MARGIN_DB, JITTER_HZ = 6.25, 3.0, 50.0  # V8, V9: 7.5 µrad, 1.5 µrad


@pytest.mark.parametrize(
    ("half_angle", "jitter", "beta", "loss_db", "probability", "margin_db"),
    [
        (7.5, 1.0, 14.0625, 0.298, 6.0430e-5, 2.844),
        (7.5, 1.5, 6.25, 0.64458, 1.33352e-2, 6.40),  # V8
        (15.0, 1.5, 25.0, 0.170, 3.1623e-8, 1.60),
    ],
)
def test_depth_of_fades(
    half_angle: float,
    jitter: float,
    beta: float,
    loss_db: float,
    probability: float,
    margin_db: float,
) -> None:
    assert pointing_beta(half_angle * URAD, jitter * URAD) == pytest.approx(beta)
    assert mean_loss_db(beta) == pytest.approx(loss_db, abs=5e-4)
    assert fade_probability(beta, 3.0) == pytest.approx(probability, rel=1e-4)
    assert fade_margin_db(beta, 1e-4) == pytest.approx(margin_db, abs=5e-4)


def test_rate_and_length_of_fades() -> None:  # V9
    rate_hz = fade_rate_hz(BETA, MARGIN_DB, JITTER_HZ)
    assert fade_radius_rad(7.5 * URAD, MARGIN_DB) == pytest.approx(4.4077275 * URAD, rel=1e-5)
    assert rate_hz == pytest.approx(4.9111525, rel=1e-5)
    length_s = mean_fade_s(fade_probability(BETA, MARGIN_DB), rate_hz)
    assert length_s == pytest.approx(2.7152923e-3, rel=1e-5)


def test_half_angle_of_a_gain() -> None:
    # 80 mm at 1550 nm: √2 λ / (π D).
    expected_rad = math.sqrt(2) * 1550e-9 / (math.pi * 0.080)
    assert beam_half_angle_rad(104.198) == pytest.approx(expected_rad, rel=1e-4)


def test_margin_and_probability_are_each_others_inverse() -> None:
    probabilities = np.array([1e-12, 1e-4, 0.5, 1.0])
    margins_db = fade_margin_db(BETA, probabilities)
    assert fade_probability(BETA, margins_db) == pytest.approx(probabilities)


def test_moments_and_tail_are_those_of_a_gaussian_beam_and_rayleigh_errors() -> None:
    """By integrating over the error's radius, without β at all."""

    def density(radius: float) -> float:
        return radius / 1.5**2 * math.exp(-(radius**2) / (2 * 1.5**2))

    mean = quad(lambda r: density(r) * math.exp(-2 * r**2 / 7.5**2), 0, 30)[0]
    assert mean_loss_db(BETA) == pytest.approx(-10 * math.log10(mean), rel=1e-6)
    radius_urad = float(fade_radius_rad(7.5, MARGIN_DB))
    tail = quad(density, radius_urad, 30)[0]
    assert fade_probability(BETA, MARGIN_DB) == pytest.approx(tail, rel=1e-6)


def test_no_jitter_never_fades() -> None:
    beta = pointing_beta(7.5 * URAD, [0.0, 1.5 * URAD])
    assert list(np.isinf(beta)) == [True, False]
    assert mean_loss_db(beta)[0] == combined_mean_loss_db(beta, math.inf)[0] == 0.0
    assert fade_margin_db(math.inf, 1e-4) == 0.0
    for steady in (fade_probability(math.inf, 0.001), fade_rate_hz(math.inf, 0.001, 50.0)):
        assert steady == 0.0
    assert combined_fade_probability(math.inf, math.inf, 0.001) == 0.0
    assert combined_fade_rate_hz(math.inf, math.inf, 0.001, 50.0, 50.0) == 0.0
    assert mean_fade_s(0.0, 0.0) == 0.0


def test_without_margin_all_is_one_fade_and_with_any_margin_there_is_none() -> None:
    margins_db = [-math.inf, -1.0, 0.0, math.inf]
    for share in (
        fade_probability([[BETA], [math.inf]], margins_db),
        combined_fade_probability([[BETA], [math.inf], [3.0]], BETA, margins_db),
    ):
        assert np.all(share == [1.0, 1.0, 1.0, 0.0])
    for rate_hz in (
        fade_rate_hz(BETA, margins_db, JITTER_HZ),
        combined_fade_rate_hz(BETA, [[3.0], [BETA]], margins_db, JITTER_HZ, JITTER_HZ),
    ):
        assert np.all(rate_hz == 0.0)
    assert mean_fade_s(1.0, 0.0) == math.inf


@pytest.mark.parametrize("betas", [(6.25, 6.25), (6.25, 3.0), (2.0, 40.0)])
def test_both_ends_against_drawn_errors(betas: tuple[float, float]) -> None:
    """Beams of w = 1 at both ends, two Gaussian axes each."""
    count = 400_000
    sigma = 1 / np.sqrt(4 * np.array(betas))
    errors = np.random.default_rng(11).normal(size=(2, 2, count)) * sigma[:, None, None]
    gain = np.exp(-2 * np.square(errors).sum(axis=(0, 1)))
    mean_db = -10 * math.log10(gain.mean())
    assert combined_mean_loss_db(*betas) == pytest.approx(mean_db, abs=0.01)
    for margin_db in (1.0, 3.0, 6.0):
        share = np.mean(gain < 10 ** (-margin_db / 10))
        five_sigma = 5 * math.sqrt(max(share, 1e-4) / count)
        assert combined_fade_probability(*betas, margin_db) == pytest.approx(share, abs=five_sigma)


def test_both_ends_by_the_textbook_hypoexponential() -> None:
    x = MARGIN_DB / NEPER_DB
    a, b = 6.25, 3.0
    unequal = (b * math.exp(-a * x) - a * math.exp(-b * x)) / (b - a)
    assert combined_fade_probability(a, b, MARGIN_DB) == pytest.approx(unequal, rel=1e-12)
    equal = (1 + a * x) * math.exp(-a * x)
    for nearly in (a, a * (1 + 1e-15), a * (1 + 1e-9)):
        assert combined_fade_probability(a, nearly, MARGIN_DB) == pytest.approx(equal, rel=1e-8)


def test_both_ends_are_one_where_the_other_is_steady() -> None:
    betas = np.array([1.0, 6.25, 25.0])
    one = fade_probability(betas, MARGIN_DB)
    assert combined_fade_probability(betas, math.inf, MARGIN_DB) == pytest.approx(one)
    assert combined_fade_probability(math.inf, betas, MARGIN_DB) == pytest.approx(one)
    rate_hz = fade_rate_hz(betas, MARGIN_DB, JITTER_HZ)
    for ends in ((betas, math.inf), (math.inf, betas)):
        both_hz = combined_fade_rate_hz(*ends, MARGIN_DB, JITTER_HZ, JITTER_HZ)
        assert both_hz == pytest.approx(rate_hz)


def crossings_of_both_ends(a: float, b: float, neper: float, a_hz: float, b_hz: float) -> float:
    """Rice's integral by adaptive quadrature, over the part of the margin that end b uses up."""

    def rising(part: float) -> float:
        density = a * b * math.exp(-a * (neper - part) - b * part)
        return density * math.sqrt(
            4 * math.pi * (a_hz**2 * (neper - part) / a + b_hz**2 * part / b)
        )

    return quad(rising, 0, neper, limit=200, epsrel=1e-9)[0]


@pytest.mark.parametrize("hz", [(50.0, 50.0), (10.0, 200.0), (0.0, 50.0)])
@pytest.mark.parametrize("betas", [(6.25, 6.25), (6.25, 3.0), (2.0, 40.0), (14.0, 200.0)])
def test_fade_rate_of_both_ends_by_adaptive_quadrature(
    betas: tuple[float, float], hz: tuple[float, float]
) -> None:
    for ends, ends_hz in ((betas, hz), (betas[::-1], hz[::-1])):
        exact_hz = crossings_of_both_ends(*ends, MARGIN_DB / NEPER_DB, *ends_hz)
        rate_hz = combined_fade_rate_hz(*ends, MARGIN_DB, *ends_hz)
        assert rate_hz == pytest.approx(exact_hz, rel=1e-4)


def test_fade_rate_of_equal_ends_is_that_of_four_gaussian_axes() -> None:
    radius = math.sqrt(2 * BETA * MARGIN_DB / NEPER_DB)
    closed_hz = math.sqrt(2 * math.pi) * JITTER_HZ * radius**3 / 2 * math.exp(-(radius**2) / 2)
    rate_hz = combined_fade_rate_hz(BETA, BETA, MARGIN_DB, JITTER_HZ, JITTER_HZ)
    assert rate_hz == pytest.approx(closed_hz, rel=1e-9)


@pytest.mark.parametrize("jitter_hz", [10.0, 50.0, 200.0])
def test_a_fade_a_year_at_seven_percent_of_the_beam(jitter_hz: float) -> None:
    """Hayes: with 3 dB margin and equal ends, jitter below 7 % of the full beam width.

    Taken at half power; he does not say in his abstract at which frequency, which matters little.
    """
    full_width = 2 * math.sqrt(math.log(2) / 2)  # of a beam of w = 1
    for share, years in ((0.064, (0.0, 1.0)), (0.072, (1.0, 1e9))):
        beta = pointing_beta(1.0, share * full_width)
        yearly = YEAR_S * combined_fade_rate_hz(beta, beta, 3.0, jitter_hz, jitter_hz)
        assert years[0] < yearly < years[1]


def pointing_cost(rng: np.random.Generator, beta: float, rms_hz: float, count: int) -> np.ndarray:
    """−ln h, ``SAMPLES_HZ`` a second: both axes Gaussian with a flat spectrum up to √3 rms_hz."""
    frequency = np.abs(np.fft.fftfreq(count, 1 / SAMPLES_HZ))
    noise = np.fft.ifft(
        np.fft.fft(rng.normal(size=(count, 2)) @ (1, 1j)) * (frequency < 3**0.5 * rms_hz)
    )
    return np.square(np.abs(noise)) / np.mean(np.square(np.abs(noise))) / beta


SAMPLES_HZ = 4000.0


@pytest.mark.parametrize("ends", [((2.5, 50.0),), ((2.5, 50.0), (4.0, 25.0))])
def test_fades_of_simulated_jitter(ends: tuple[tuple[float, float], ...]) -> None:
    rng, count = np.random.default_rng(5), 1 << 20
    cost = sum(pointing_cost(rng, beta, hz, count) for beta, hz in ends)
    faded = cost > MARGIN_DB / NEPER_DB
    rate_hz = np.count_nonzero(faded[1:] & ~faded[:-1]) / (count / SAMPLES_HZ)
    if len(ends) == 1:
        share, expected_hz = fade_probability(2.5, MARGIN_DB), fade_rate_hz(2.5, MARGIN_DB, 50.0)
    else:
        share = combined_fade_probability(2.5, 4.0, MARGIN_DB)
        expected_hz = combined_fade_rate_hz(2.5, 4.0, MARGIN_DB, 50.0, 25.0)
    # Ten thousand fades that are not quite independent, and some are shorter than a sample.
    assert share == pytest.approx(faded.mean(), rel=0.03)
    assert expected_hz == pytest.approx(rate_hz, rel=0.03)
    assert mean_fade_s(share, expected_hz) == pytest.approx(faded.mean() / rate_hz, rel=0.03)


def test_gilbert_elliott() -> None:  # V10
    p, r = gilbert_elliott(4.9111525, 2.7152923e-3, 0.013335214, 10_000)
    assert p == pytest.approx(4.977526e-4, rel=1e-5)
    assert r == pytest.approx(3.682848e-2, rel=1e-5)


def test_packets_of_any_rate_find_the_share_of_bad_time() -> None:
    share = np.array([[1e-9], [0.0133], [0.5], [0.99]])
    fade_s, packets_s = 2.7e-3, np.array([1e-3, 1.0, 370.0, 1e4, 1e7])
    p, r = gilbert_elliott(share / fade_s, fade_s, share, packets_s)
    assert np.all((p >= 0) & (p <= 1) & (r >= 0) & (r <= 1))
    assert p / (p + r) == pytest.approx(np.broadcast_to(share, p.shape), rel=1e-9)
    # Sparse packets are independent; dense ones see fades of as many packets as there is time for.
    assert p[:, 0] == pytest.approx(share[:, 0], rel=1e-9)
    assert 1 / r[:, -1] == pytest.approx(fade_s * 1e7)


def test_gilbert_elliott_where_nothing_or_everything_is_bad() -> None:
    assert gilbert_elliott(0.0, 0.0, 0.0, 1e4) == (0.0, 1.0)
    assert gilbert_elliott(0.0, math.inf, 1.0, 1e4) == (1.0, 0.0)
    assert gilbert_elliott(2.0, 0.1, 0.2, 0.0) == pytest.approx((0.2, 0.8))


@pytest.mark.parametrize(("packets_s", "duration_s"), [(1.0, 40_000.0), (1000.0, 2000.0)])
def test_packets_through_drawn_fades_see_the_chain(packets_s: float, duration_s: float) -> None:
    rate_hz, length_s = 2.0, 0.1
    fades = slow_fades(np.random.default_rng(3), rate_hz, length_s, duration_s)
    sent_s = np.arange(0.0, duration_s, 1 / packets_s)
    bad = np.searchsorted(fades[:, 0], sent_s, "right") > np.searchsorted(fades[:, 1], sent_s)
    p, r = gilbert_elliott(rate_hz, length_s, 0.2, packets_s)
    # Some 4,000 changes of state at either rate: 5 % are three standard errors.
    assert np.mean(bad[1:][~bad[:-1]]) == pytest.approx(p, rel=0.05)
    assert np.mean(~bad[1:][bad[:-1]]) == pytest.approx(r, rel=0.05)


def test_slow_fades_alternate_exponentially() -> None:
    fades = slow_fades(np.random.default_rng(1), 0.1, 2.0, 100_000.0)
    assert np.all(np.diff(fades.ravel()) > 0)
    assert fades[0, 0] >= 0 and fades[-1, 1] <= 100_000.0
    lengths_s, gaps_s = fades[:, 1] - fades[:, 0], fades[1:, 0] - fades[:-1, 1]
    # Ten thousand of each: 1.63/√n is a distance that 1 % of samples exceed.
    for drawn_s, mean_s in ((lengths_s[:-1], 2.0), (gaps_s, 8.0)):
        assert kstest(drawn_s / mean_s, "expon").statistic < 1.63 / math.sqrt(len(drawn_s))


def test_time_zero_lies_within_a_slow_fade_as_often_as_any_other() -> None:
    first = [slow_fades(np.random.default_rng(seed), 0.1, 2.0, 5.0) for seed in range(2000)]
    faded = sum(len(fades) > 0 and fades[0, 0] == 0.0 for fades in first)
    five_sigma = 5 * math.sqrt(2000 * 0.2 * 0.8)
    assert faded == pytest.approx(400, abs=five_sigma)


def test_slow_fades_repeat_and_go_on() -> None:
    short, same, longer = (
        slow_fades(np.random.default_rng(9), 0.1, 2.0, duration_s) for duration_s in (1e3, 1e3, 1e4)
    )
    assert np.array_equal(short, same)
    begun = longer[longer[:, 0] < 1e3]
    assert np.array_equal(short, np.minimum(begun, 1e3))


def test_slow_fades_where_nothing_or_everything_is_faded() -> None:
    rng = np.random.default_rng(0)
    assert slow_fades(rng, 0.0, 0.0, 60.0).shape == (0, 2)
    assert slow_fades(rng, 1.0, 0.1, 0.0).shape == (0, 2)
    assert slow_fades(rng, 0.0, math.inf, 60.0).tolist() == [[0.0, 60.0]]


def test_shapes_broadcast() -> None:
    betas = pointing_beta(np.full((3, 1), 7.5), np.linspace(0.0, 2.0, 5))
    assert betas.shape == (3, 5)
    margins_db = np.linspace(-1.0, 6.0, 4)[:, None, None]
    shares = combined_fade_probability(betas, 6.25, margins_db)
    rates_hz = combined_fade_rate_hz(betas, 6.25, margins_db, 50.0, np.full(5, 20.0))
    lengths_s = mean_fade_s(shares, rates_hz)
    p, r = gilbert_elliott(rates_hz, lengths_s, shares, 1e4)
    for each in (shares, rates_hz, lengths_s, p, r, fade_probability(betas, margins_db)):
        assert each.shape == (4, 3, 5)
        assert not np.any(np.isnan(each))
    assert np.ndim(combined_fade_rate_hz(6.25, 6.25, 3.0, 50.0, 50.0)) == 0
    assert np.ndim(pointing_beta(7.5, 1.5)) == 0
