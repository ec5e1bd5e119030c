"""Link budgets against published sums, error rates against quantum limits and exact statistics."""

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
from scipy.constants import c, h
from scipy.optimize import brentq, minimize_scalar
from scipy.special import j1
from scipy.stats import ncx2

from emulator.physics import optics
from emulator.physics.fading import beam_half_angle_rad

MILLI_DB = 1e-3
TWO_MILLI_DB = 2e-3
A_TENTH_OF_A_PHOTON = 0.1
NM_1064, NM_1550 = 1064e-9, 1550e-9
URAD = 1e-6


# Independent sums of Friis's equation, rounded to 0.001 dB.
@pytest.mark.parametrize(
    ("diameter_m", "wavelength_m", "expected_db"),
    [
        (0.135, NM_1064, 112.011),  # V1
        (0.125, NM_1064, 111.342),
        (0.080, NM_1550, 104.198),
        (0.100, NM_1550, 106.136),
        (0.300, NM_1550, 115.679),
    ],
)
def test_gain_of_an_aperture(diameter_m: float, wavelength_m: float, expected_db: float) -> None:
    assert optics.aperture_gain_db(diameter_m, wavelength_m) == pytest.approx(
        expected_db, abs=MILLI_DB
    )


def test_gain_of_a_divergence_is_half_of_a_gaussian_beams() -> None:
    half_angle_rad = 7.5 * URAD
    # Total power over π w²/2 of solid angle is the peak of exp(−2θ²/w²).
    peak = 4 * math.pi / (math.pi * half_angle_rad**2 / 2)
    gain_db = optics.divergence_gain_db(2 * half_angle_rad)
    assert gain_db == pytest.approx(10 * math.log10(peak / 2), abs=MILLI_DB)
    assert gain_db == pytest.approx(108.519, abs=MILLI_DB)


@pytest.mark.parametrize(
    ("range_km", "wavelength_m", "expected_db"),
    [
        (5000, NM_1550, 272.157),  # V2
        (45000, NM_1064, 294.510),  # V2
        (1000, NM_1550, 258.178),
        (2600, NM_1550, 266.477),
        (8000, NM_1550, 276.239),
    ],
)
def test_free_space_loss(range_km: float, wavelength_m: float, expected_db: float) -> None:
    assert optics.free_space_loss_db(range_km, wavelength_m) == pytest.approx(
        expected_db, abs=MILLI_DB
    )


def symmetric_budget(
    power_w: float,
    diameter_m: float,
    wavelength_m: float,
    range_km: float,
    efficiencies: tuple[float, float],
    errors_urad: tuple[float, float],
) -> float:
    gain_db = optics.aperture_gain_db(diameter_m, wavelength_m)
    return optics.received_dbm(
        power_w,
        transmit_gain_db=gain_db,
        receive_gain_db=gain_db,
        range_km=range_km,
        wavelength_m=wavelength_m,
        transmit_efficiency=efficiencies[0],
        receive_efficiency=efficiencies[1],
        loss_db=optics.pointing_loss_db(gain_db, np.multiply(errors_urad, URAD)).sum(),
    )


SCOT80 = (1.0, 0.080, NM_1550, 8000, (0.8, 0.8), (1, 1))
EDRS = (2.2, 0.135, NM_1064, 45000, (0.7, 0.7), (1, 0))
SDA = (1.0, 0.080, NM_1550, 5500, (0.7, 0.6), (2, 2))


@pytest.mark.parametrize(
    ("budget", "rate_bps", "expected_dbm", "expected_photons"),
    [
        (SCOT80, 10e9, -40.010, 77.86),  # V3
        (EDRS, 1.8e9, -40.852, 244.58),  # V4
        (SDA, 2.5e9, -39.269, 369.3),
    ],
)
def test_worked_budgets(
    budget: tuple, rate_bps: float, expected_dbm: float, expected_photons: float
) -> None:
    received_dbm = symmetric_budget(*budget)
    assert received_dbm == pytest.approx(expected_dbm, abs=TWO_MILLI_DB)
    # Photons, not decibels: 0.002 dB are 5e-4.
    photons = optics.photons_per_bit(received_dbm, budget[2], rate_bps)
    assert photons == pytest.approx(expected_photons, rel=5e-4)


def test_a_budget_by_divergence() -> None:
    # Liang et al.'s terminals at 5000 km: 15 µrad, 80 mm, 1 µrad of error at either end.
    beam_db = optics.divergence_gain_db(15 * URAD)
    telescope_db = optics.aperture_gain_db(0.080, NM_1550)
    pointing_db = optics.pointing_loss_db([beam_db, telescope_db], URAD)
    assert pointing_db == pytest.approx([0.309, 0.114], abs=MILLI_DB)
    received_dbm = optics.received_dbm(
        1.0,
        transmit_gain_db=beam_db,
        receive_gain_db=telescope_db,
        range_km=5000,
        wavelength_m=NM_1550,
        transmit_efficiency=0.8,
        receive_efficiency=0.8,
        loss_db=pointing_db.sum(),
    )
    assert received_dbm == pytest.approx(-31.801, abs=TWO_MILLI_DB)


def test_a_tenth_of_a_watt_over_42000_km_reaches_the_homodyne_limit() -> None:
    # What TESAT reports of Alphasat and Sentinel-1A, with 9 photons a bit for homodyne BPSK.
    received_dbm = symmetric_budget(0.1, 0.135, NM_1064, 42000, (0.7, 0.7), (1, 0))
    photons = optics.photons_per_bit(received_dbm, NM_1064, 2.8125e9)
    assert photons == pytest.approx(8.2, abs=A_TENTH_OF_A_PHOTON)


def test_pointing_loss_is_a_gaussian_beams_of_the_half_angle_that_fading_uses() -> None:
    gain_db, error_rad = 104.198, np.array([0.0, 1.0, 5.0]) * URAD
    shape = np.exp(-2 * np.square(error_rad / beam_half_angle_rad(gain_db)))
    assert optics.pointing_loss_db(gain_db, error_rad) == pytest.approx(-10 * np.log10(shape))


def test_pointing_loss_is_four_times_that_of_diffraction() -> None:
    """The Airy pattern of the aperture near its axis: what the convention is careful against."""
    error_rad = 1 * URAD
    v = math.pi * 0.080 / NM_1550 * error_rad
    airy_db = -20 * math.log10(2 * j1(v) / v)
    gain_db = optics.aperture_gain_db(0.080, NM_1550)
    assert optics.pointing_loss_db(gain_db, error_rad) == pytest.approx(4 * airy_db, rel=1e-2)


def test_sensitivities() -> None:  # V5
    required_dbm = optics.required_dbm(
        [9, 90, 100], [NM_1064, NM_1550, NM_1550], [1.8e9, 2.5e9, 10e9]
    )
    assert required_dbm == pytest.approx([-55.193, -45.401, -38.923], abs=MILLI_DB)


def test_photons_and_sensitivity_are_each_others_inverse() -> None:
    rates_bps = np.array([1e6, 2.5e9, 4e11])
    required_dbm = optics.required_dbm(40.0, NM_1550, rates_bps)
    assert optics.photons_per_bit(required_dbm, NM_1550, rates_bps) == pytest.approx(40.0)
    assert optics.photon_energy_j(NM_1550) == pytest.approx(h * c / NM_1550, rel=1e-12)


def test_error_rates_of_a_q_factor() -> None:  # V6
    rates = optics.bit_error_rate_of_q([6, 7])
    assert rates == pytest.approx([9.865876e-10, 1.279813e-12], rel=1e-5)
    # Q² in dB at the limits of codes before correction.
    q = 10 ** (np.array([9.80, 8.53, 8.34, 7.01, 6.25]) / 20)
    limits = [1e-3, 3.8e-3, 4.5e-3, 1.25e-2, 2e-2]
    assert optics.bit_error_rate_of_q(q) == pytest.approx(limits, rel=1e-2)


@pytest.mark.parametrize(
    ("modulation", "limit"),  # photons a bit at 1e-9, as textbooks round them
    [
        ("homodyne-bpsk", 9),
        ("heterodyne-bpsk", 18),
        ("preamplified-dpsk", 20),
        ("photon-counting-ook", 10),
        ("preamplified-ook", 42),
    ],
)
def test_quantum_limits(modulation: str, limit: float) -> None:
    needed = brentq(lambda photons: optics.bit_error_rate(modulation, photons) - 1e-9, 1, 100)
    assert needed == pytest.approx(limit, abs=0.05 + A_TENTH_OF_A_PHOTON / 2)


def test_homodyne_at_its_limit() -> None:  # V6
    assert optics.bit_error_rate("homodyne-bpsk", 9) == pytest.approx(9.865876e-10, rel=1e-5)


def exact_preamplified_ook(photons: float) -> float:
    """Error rate with the energy's own statistics: χ² of one mode, best threshold."""

    def errors(threshold: float) -> float:
        zero = math.exp(-threshold)
        one = ncx2.cdf(2 * threshold, df=2, nc=4 * photons)
        return 0.5 * (zero + one)

    return minimize_scalar(errors, bounds=(1, 2 * photons), method="bounded").fun


def test_preamplified_ook_is_careful_by_less_than_half_a_decibel() -> None:
    """38.4 photons a bit is the exact limit (Winzer, Electronics Letters 37, 2001, 582)."""
    exact = brentq(lambda n: math.log10(exact_preamplified_ook(n)) + 9, 30, 50)
    assert exact == pytest.approx(38.4, abs=A_TENTH_OF_A_PHOTON)
    ours = brentq(lambda n: optics.bit_error_rate("preamplified-ook", n) - 1e-9, 30, 50)
    assert 0 < 10 * math.log10(ours / exact) < 0.5


@pytest.mark.parametrize("modulation", optics.MODULATIONS)
def test_without_light_every_other_bit_is_wrong(modulation: str) -> None:
    rates = optics.bit_error_rate(modulation, [0.0, 1.0, 10.0, 1e6])
    assert rates[0] == 0.5 and rates[-1] == 0.0
    assert np.all(np.diff(rates) < 0)


def test_an_unknown_modulation_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'qpsk': choose from homodyne-bpsk, .*photon-counting"):
        optics.bit_error_rate("qpsk", 10)


def test_loss_of_uncoded_packets() -> None:  # V7
    rates = np.array([[1e-6], [1e-8], [1e-9], [1e-12]])
    expected = [
        [5.1187e-4, 1.192829e-2, 6.94691e-2],
        [5.1200e-6, 1.19993e-4, 7.19741e-4],
        [5.1200e-7, 1.1999928e-5, 7.19974e-5],
        [5.12e-10, 1.19999999e-8, 7.2e-8],
    ]
    assert optics.packet_loss_uncoded(rates, [64, 1500, 9000]) == pytest.approx(
        np.array(expected), rel=1e-5
    )


@pytest.mark.parametrize("rate", ["1e-6", "1e-12", "1e-18"])
def test_loss_of_uncoded_packets_is_exact_where_floats_cancel(rate: str) -> None:
    getcontext().prec = 60
    exact = 1 - (1 - Decimal(rate)) ** 12_000
    assert optics.packet_loss_uncoded(float(rate), 1500) == pytest.approx(float(exact), rel=1e-12)


def test_codes_fall_off_a_cliff() -> None:
    # Standard normal tail at −∞, −3, 0, 1, 2, 3 and 7 sigma (Abramowitz and Stegun, table 26.1).
    margins_db = 0.3 * np.array([-np.inf, -3, 0, 1, 2, 3, 7])
    tail = [1.0, 0.99865010, 0.5, 0.15865525, 0.02275013, 1.349898e-3, 1.279813e-12]
    assert optics.frame_loss(margins_db) == pytest.approx(tail, rel=1e-6)
    assert optics.frame_loss(0.3, sharpness_db=0.1) == pytest.approx(tail[5], rel=1e-6)


def test_codes_have_a_floor() -> None:
    assert list(optics.frame_loss([3.0, 100.0, np.inf])) == [1e-12] * 3
    assert optics.frame_loss(3.0, floor=0.0) == pytest.approx(7.62e-24, rel=1e-3)


def test_a_packet_is_lost_with_any_of_its_frames() -> None:
    """SDA's frames of 8416 bits: 3 for 1500 bytes, 2 for 64."""
    margins_db = np.array([[-1.0], [0.0], [0.3], [0.9]])
    expected = 1 - (1 - optics.frame_loss(margins_db)) ** np.array([2, 3])
    lost = optics.packet_loss_coded(margins_db, [64, 1500], 8416)
    assert lost == pytest.approx(expected, rel=1e-9)


def test_coded_loss_is_exact_at_both_ends() -> None:
    lost = optics.packet_loss_coded([-np.inf, -100.0, 2.1, np.inf], 1500, 8416)
    assert list(lost[:2]) == [1.0, 1.0]
    assert lost[2:] == pytest.approx([3 * 1.279813e-12, 3e-12], rel=1e-6)
    assert optics.packet_loss_coded(np.inf, 1500, 8416, floor=0.0) == 0.0


def test_doppler_and_point_ahead() -> None:  # V15
    shift_hz = optics.doppler_hz([-10.0, 10.0, 0.0], NM_1550)
    assert shift_hz == pytest.approx([6.4516129e9, -6.4516129e9, 0.0], rel=1e-6)
    assert optics.point_ahead_rad(7.6) == pytest.approx(50.7017 * URAD, rel=1e-4)


def test_doppler_is_the_exact_shift_to_first_order() -> None:
    speed = 10e3 / c
    exact_hz = c / NM_1550 * (math.sqrt((1 + speed) / (1 - speed)) - 1)
    tenth_of_a_mhz = 0.11e6
    assert optics.doppler_hz(-10.0, NM_1550) == pytest.approx(exact_hz, abs=tenth_of_a_mhz)


def test_rate_goes_with_the_square_of_the_range() -> None:  # V28
    assert optics.adaptive_rate_bps(10e9, 8000, 4000) == pytest.approx(40e9)
    assert optics.adaptive_rate_bps(10e9, 8000, 2529.8) == pytest.approx(100e9, rel=1e-4)


def test_adapting_the_rate_keeps_the_photons_of_a_bit() -> None:
    ranges_km = np.array([1000.0, 8000.0, 45000.0])
    rates_bps = optics.adaptive_rate_bps(10e9, 8000, ranges_km)
    received_dbm = [symmetric_budget(*SCOT80[:3], each, *SCOT80[4:]) for each in ranges_km]
    photons = optics.photons_per_bit(received_dbm, NM_1550, rates_bps)
    assert photons == pytest.approx(np.full(3, 77.86), rel=5e-4)


def test_shapes_broadcast() -> None:
    links, steps = np.full((4, 1), 0.08), np.linspace(1000.0, 5000.0, 7)
    gain_db = optics.aperture_gain_db(links, NM_1550)
    received_dbm = optics.received_dbm(
        1.0,
        transmit_gain_db=gain_db,
        receive_gain_db=gain_db,
        range_km=steps,
        wavelength_m=NM_1550,
        loss_db=optics.pointing_loss_db(gain_db, np.full(7, URAD)),
    )
    photons = optics.photons_per_bit(received_dbm, NM_1550, 10e9)
    margin_db = received_dbm - optics.required_dbm(90, NM_1550, 10e9)
    assert received_dbm.shape == photons.shape == margin_db.shape == (4, 7)
    assert optics.bit_error_rate("preamplified-ook", photons).shape == (4, 7)
    assert optics.packet_loss_coded(margin_db, 1500, 8416).shape == (4, 7)
    assert np.ndim(optics.packet_loss_coded(1.0, 1500, 8416)) == 0
