"""Turbulence against Gamma functions, numeric spectra, tables of HV 5/7 and drawn fades."""

from timeit import repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad, trapezoid
from scipy.special import gamma, gammainc, j1

from emulator.physics.turbulence import (
    Air,
    clear_air_transmission,
    fade_margin_db,
    fried_parameter_m,
    hufnagel_valley,
    rytov_variance,
    scintillation_index,
)

C_BAND_M = 1550e-9
LAST_DIGIT = 6e-5
LAST_DIGIT_CM = 6e-3
ONE_PER_MILLE = 1e-3
SIX_DIGITS = 1e-6
SOFT_FOR_HARD_EDGE = 0.15
"""How far the index of a Gaussian aperture is from a hard one's of the same diameter."""
ONE_MILLISECOND_S = 1e-3

HV57 = Air.hufnagel_valley()


def moment(
    power: float, wind_m_s: float = 21.0, ground_cn2: float = 1.7e-14, top_m: float = np.inf
) -> float:
    """Integral of HV's Cn² h^power up to ``top_m``, by Gamma functions."""
    jet = 0.00594 * (wind_m_s / 27) ** 2 * 1e-50 * below(top_m, 11 + power, 1000.0)
    free = 2.7e-16 * below(top_m, 1 + power, 1500.0)
    return jet + free + ground_cn2 * below(top_m, 1 + power, 100.0)


def below(top_m: float, power: float, scale_m: float) -> float:
    """Integral of h^(power - 1) exp(-h / scale_m) up to ``top_m``."""
    return scale_m**power * gamma(power) * gammainc(power, top_m / scale_m)


def spectral_index(elevation_deg: float, aperture_m: float, soft: bool) -> float:
    """Weak-fluctuation index from the Kolmogorov spectrum itself, integrated by scipy."""
    secant = 1 / np.sin(np.radians(elevation_deg))
    wave_number = 2 * np.pi / C_BAND_M

    def layer(log_height: float) -> float:
        height_m = np.exp(log_height)
        fresnel2_m2 = height_m * secant / wave_number
        kappa = np.linspace(np.log(1e-2), np.log(1e4), 6001)
        k2 = np.exp(2 * kappa)
        x = np.exp(kappa) * aperture_m / 2
        keep = np.exp(-(x**2) / 4) if soft else (2 * j1(x) / x) ** 2
        wave = 2 * np.sin(np.minimum(k2 * fresnel2_m2, 1e9) / 2) ** 2
        power = 0.033 * np.exp(kappa) ** (-11 / 3) * k2 * wave * keep
        return hufnagel_valley(height_m) * trapezoid(power, kappa) * height_m

    total, _ = quad(layer, np.log(0.1), np.log(4e4), epsrel=1e-5, limit=200)
    return 8 * np.pi**2 * wave_number**2 * secant * total


ELEVATION_DEG = np.array([90.0, 60.0, 45.0, 30.0, 20.0])
TABLE_TOP_M = 20_000.0
"""Where the integrals of the tables end: the air above adds 1.1 % of scintillation."""
AIR_ABOVE_20_KM = 0.012


def test_v26_and_the_table_of_rytov_variances() -> None:
    table = np.array([0.0621, 0.0809, 0.1173, 0.2215, 0.4443])
    ours = rytov_variance(C_BAND_M, ELEVATION_DEG, HV57)
    assert ours == pytest.approx(table, rel=AIR_ABOVE_20_KM)
    up_to_there = moment(5 / 6, top_m=TABLE_TOP_M) / moment(5 / 6)
    assert ours * up_to_there == pytest.approx(table, abs=LAST_DIGIT)


def test_v26_and_the_table_of_fried_parameters() -> None:
    table_cm = np.array([19.29, 17.69, 15.67, 12.73, 10.13])
    ours_cm = 100 * fried_parameter_m(C_BAND_M, ELEVATION_DEG, HV57)
    assert ours_cm == pytest.approx(table_cm, rel=ONE_PER_MILLE)
    up_to_there = (moment(0, top_m=TABLE_TOP_M) / moment(0)) ** -0.6
    assert ours_cm * up_to_there == pytest.approx(table_cm, abs=LAST_DIGIT_CM)
    # The profile is named after it: 5 cm, and 7 urad of isoplanatic angle, at 500 nm.
    assert 100 * fried_parameter_m(500e-9, 90.0, HV57) == pytest.approx(4.96, abs=LAST_DIGIT_CM)


@pytest.mark.parametrize(("wind_m_s", "ground_cn2"), [(21.0, 1.7e-14), (10.0, 1e-13), (30.0, 0.0)])
def test_integrals_are_the_gamma_functions(wind_m_s: float, ground_cn2: float) -> None:
    air = Air.hufnagel_valley(wind_m_s, ground_cn2)
    shape = (wind_m_s, ground_cn2)
    assert air.cn2_m == pytest.approx(moment(0, *shape), rel=SIX_DIGITS, abs=0)
    assert air.cn2_h56_m == pytest.approx(moment(5 / 6, *shape), rel=SIX_DIGITS, abs=0)


def test_a_mountain_has_less_air_above_it() -> None:
    mountain = Air.hufnagel_valley(site_altitude_m=2400.0)
    # The ground's layer comes along; of the free atmosphere exp(-2400/1500) is left.
    jet_and_ground = moment(0, ground_cn2=0.0) - 2.7e-16 * 1500 + 1.7e-14 * 100
    left = jet_and_ground + 2.7e-16 * 1500 * np.exp(-1.6)
    # The jet stream, centred at 10 km, is cut only in its lowest skirt.
    assert mountain.cn2_m == pytest.approx(left, rel=ONE_PER_MILLE, abs=0)


@pytest.mark.parametrize("elevation_deg", [90.0, 20.0])
@pytest.mark.parametrize("aperture_m", [0.02, 0.1, 0.4, 1.0])
def test_the_index_is_the_spectrums(elevation_deg: float, aperture_m: float) -> None:
    ours = scintillation_index(C_BAND_M, elevation_deg, aperture_m, HV57)
    soft = spectral_index(elevation_deg, aperture_m, soft=True)
    hard = spectral_index(elevation_deg, aperture_m, soft=False)
    assert ours == pytest.approx(soft, rel=2 * ONE_PER_MILLE)
    assert ours == pytest.approx(hard, rel=SOFT_FOR_HARD_EDGE)


def test_a_point_scintillates_as_rytov_says() -> None:
    elevation_deg = np.array([10.0, 40.0, 90.0])
    point = scintillation_index(C_BAND_M, elevation_deg, 0.0, HV57)
    assert point == pytest.approx(rytov_variance(C_BAND_M, elevation_deg, HV57), rel=ONE_PER_MILLE)


def test_large_telescopes_follow_the_law_of_astronomy() -> None:
    # D. Dravins et al., PASP 109 (1997) 173: 17.34 D^(-7/3) sec^3 ∫ Cn² h² dh, of any colour.
    elevation_deg, aperture_m = np.array([90.0, 45.0, 30.0]), 4.0
    secant = 1 / np.sin(np.radians(elevation_deg))
    law = 17.34 * aperture_m ** (-7 / 3) * secant**3 * moment(2)
    for wavelength_m in (500e-9, C_BAND_M):
        index = scintillation_index(wavelength_m, elevation_deg, aperture_m, HV57)
        assert index == pytest.approx(law, rel=SOFT_FOR_HARD_EDGE)


@given(st.floats(1, 89), st.floats(0.001, 5), st.floats(1.01, 3))
def test_larger_telescopes_and_higher_satellites_scintillate_less(
    elevation_deg: float, aperture_m: float, factor: float
) -> None:
    index = scintillation_index(C_BAND_M, elevation_deg, aperture_m, HV57)
    assert scintillation_index(C_BAND_M, elevation_deg, factor * aperture_m, HV57) < index
    assert scintillation_index(C_BAND_M, elevation_deg + 1, aperture_m, HV57) < index


@pytest.mark.parametrize("index", [0.02, 0.2, 0.8])
def test_the_margin_holds_against_drawn_fades(index: float) -> None:
    variance, outage, draws = np.log1p(index), 1e-3, 1_000_000
    normal = np.random.default_rng(5).normal(size=draws)
    power = np.exp(np.sqrt(variance) * normal - variance / 2)
    assert power.mean() == pytest.approx(1.0, abs=4 * np.sqrt(index / draws))
    below = (10 * np.log10(power) < -fade_margin_db(index, outage)).sum()
    four_sigma = 4 * np.sqrt(draws * outage)
    assert below == pytest.approx(draws * outage, abs=four_sigma)


def test_still_air_needs_no_margin() -> None:
    assert fade_margin_db(np.array([0.0, 0.1]), 1e-4)[0] == 0.0


def test_clear_air_transmission() -> None:
    # Two air masses at 30 degrees; below one degree nothing thickens further.
    shares = clear_air_transmission(0.9, np.array([90.0, 30.0, 1.0, 0.0, -5.0]))
    assert shares[:2] == pytest.approx(np.array([0.9, 0.81]))
    assert shares[2] == shares[3] == shares[4] > 0


def test_ten_thousand_elevations_take_less_than_a_millisecond() -> None:
    elevation_deg = np.linspace(5.0, 90.0, 10_000)
    functions = (
        lambda: fried_parameter_m(C_BAND_M, elevation_deg, HV57),
        lambda: scintillation_index(C_BAND_M, elevation_deg, 0.4, HV57),
        lambda: clear_air_transmission(0.9, elevation_deg),
    )
    for each in functions:
        assert min(repeat(each, number=1, repeat=50)) < ONE_MILLISECOND_S
