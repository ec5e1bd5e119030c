"""Rain, cloud and scintillation on a slant path, by ITU-R P.838-3, P.618-13 and P.840-8.

Attenuations are *exceedances*: the dB that are exceeded ``p_percent`` of an average year. A site's
weather as a process in time is one standard normal number z per site that changes slowly:
``weather.rain_exceedance_percent`` turns it into the share of time that a z so high is exceeded,
and :func:`rain_exceeded_db` of that share is the attenuation now. Over a long run it has P.618's
own distribution, whatever the process behind z, and all satellites over a site see the same rain.

Everything broadcasts. A polarisation's tilt is measured from the horizontal; 45 degrees stands for
circular polarisation (P.838-3).
"""

from dataclasses import dataclass

import numpy as np

from emulator.physics.gas import MIN_ELEVATION_DEG, air_mass, require_frequency_ghz

RAIN_PERCENT = (0.001, 5.0)
"""Shares of time that P.618-13 section 2.2.1.1 is made for. Rarer than the first, its value is
kept; above the second no rain is on the path."""

EFFECTIVE_EARTH_RADIUS_KM = 8500.0
"""P.618-13 section 2.2.1.1: straight rays over this radius bend as real ones over the Earth's."""

# P.838-3 tables 1 to 4: rows are a, b, c of each Gaussian; then slope m and constant c.
_LOG_K_H = np.array(
    [
        (-5.33980, -0.35351, -0.23789, -0.94158),
        (-0.10008, 1.26970, 0.86036, 0.64552),
        (1.13098, 0.45400, 0.15354, 0.16817),
    ]
)
_LOG_K_V = np.array(
    [
        (-3.80595, -3.44965, -0.39902, 0.50167),
        (0.56934, -0.22911, 0.73042, 1.07319),
        (0.81061, 0.51059, 0.11899, 0.27195),
    ]
)
_ALPHA_H = np.array(
    [
        (-0.14318, 0.29591, 0.32177, -5.37610, 16.1721),
        (1.82442, 0.77564, 0.63773, -0.96230, -3.29980),
        (-0.55187, 0.19822, 0.13164, 1.47828, 3.43990),
    ]
)
_ALPHA_V = np.array(
    [
        (-0.07771, 0.56727, -0.20238, -48.2991, 48.5833),
        (2.33840, 0.95545, 1.14520, 0.791669, 0.791459),
        (-0.76284, 0.54039, 0.26809, 0.116226, 0.116479),
    ]
)


@dataclass(frozen=True)
class RainSite:
    """What P.618 asks of a place. Numbers, or arrays that broadcast with the elevations.

    ``rain_rate_001_mm_h`` is exceeded 0.01 % of an average year (ITU-R P.837-7);
    ``rain_height_km``, over sea level, is 0.36 km above the mean zero isotherm (P.839-4).
    """

    latitude_deg: np.ndarray
    altitude_km: np.ndarray
    rain_rate_001_mm_h: np.ndarray
    rain_height_km: np.ndarray

    def at(self, index: np.ndarray) -> "RainSite":
        """The sites of ``index``, as for pairs (station, satellite); fields must be arrays."""
        return RainSite(
            self.latitude_deg[index],
            self.altitude_km[index],
            self.rain_rate_001_mm_h[index],
            self.rain_height_km[index],
        )


def rain_coefficients(
    frequency_ghz: np.ndarray, elevation_deg: np.ndarray, tilt_deg: np.ndarray = 45.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return k and alpha of P.838-3, equations 2 to 5, for 1 to 1000 GHz."""
    require_frequency_ghz(frequency_ghz, 1, 1000, "specific attenuation of rain by ITU-R P.838-3")
    log_f = np.log10(frequency_ghz)
    k_h = 10 ** (_gaussians(log_f, _LOG_K_H) - 0.18961 * log_f + 0.71147)
    k_v = 10 ** (_gaussians(log_f, _LOG_K_V) - 0.16398 * log_f + 0.63297)
    ka_h = k_h * (_gaussians(log_f, _ALPHA_H) + 0.67849 * log_f - 1.95537)
    ka_v = k_v * (_gaussians(log_f, _ALPHA_V) - 0.053739 * log_f + 0.83433)
    turned = np.cos(np.radians(elevation_deg)) ** 2 * np.cos(2 * np.radians(tilt_deg))
    k = (k_h + k_v + (k_h - k_v) * turned) / 2
    return k, (ka_h + ka_v + (ka_h - ka_v) * turned) / (2 * k)


def _gaussians(log_f: np.ndarray, table: np.ndarray) -> np.ndarray:
    a, b, c = table
    return (a * np.exp(-(((np.asarray(log_f)[..., None] - b) / c) ** 2))).sum(axis=-1)


def rain_specific_db_km(
    rain_rate_mm_h: np.ndarray,
    frequency_ghz: np.ndarray,
    elevation_deg: np.ndarray,
    tilt_deg: np.ndarray = 45.0,
) -> np.ndarray:
    """Specific attenuation of rain, k R^alpha (P.838-3, equation 1)."""
    k, alpha = rain_coefficients(frequency_ghz, elevation_deg, tilt_deg)
    return k * np.asarray(rain_rate_mm_h) ** alpha


def rain_001_db(
    elevation_deg: np.ndarray,
    frequency_ghz: np.ndarray,
    site: RainSite,
    tilt_deg: np.ndarray = 45.0,
) -> np.ndarray:
    """Rain attenuation exceeded 0.01 % of the time (P.618-13 section 2.2.1.1, steps 1 to 9).

    For 1 to 55 GHz. An elevation below the horizon counts as 0 degrees. No rain falls on a path
    that begins above the rain height.
    """
    require_frequency_ghz(frequency_ghz, 1, 55, "rain attenuation by ITU-R P.618-13")
    elevation_deg = np.clip(elevation_deg, 0.0, 90.0)
    elevation = np.radians(elevation_deg)
    sine, cosine = np.sin(elevation), np.cos(elevation)
    height = np.maximum(np.asarray(site.rain_height_km) - site.altitude_km, 0.0)

    low = np.sqrt(sine**2 + 2 * height / EFFECTIVE_EARTH_RADIUS_KM) + sine
    upright = height / np.maximum(sine, 1e-9)
    slant = np.where(elevation_deg >= 5, upright, 2 * height / np.maximum(low, 1e-9))
    across = slant * cosine
    gamma = rain_specific_db_km(site.rain_rate_001_mm_h, frequency_ghz, elevation_deg, tilt_deg)

    shrink = np.sqrt(across * gamma / frequency_ghz)
    horizontal = 1 / (1 + 0.78 * shrink - 0.38 * -np.expm1(-2 * across))
    zeta = np.arctan2(height, across * horizontal)
    rainy = np.where(zeta > elevation, slant * horizontal, upright)
    chi = np.maximum(36 - np.abs(site.latitude_deg), 0.0)
    cells = 31 * -np.expm1(-elevation_deg / (1 + chi)) * np.sqrt(rainy * gamma)
    vertical = 1 / (1 + np.sqrt(sine) * (cells / np.square(frequency_ghz) - 0.45))
    return gamma * rainy * vertical


def rain_at_percent_db(
    attenuation_001_db: np.ndarray,
    p_percent: np.ndarray,
    elevation_deg: np.ndarray,
    latitude_deg: np.ndarray,
) -> np.ndarray:
    """Scale what is exceeded 0.01 % of the time to ``p_percent`` (P.618-13 2.2.1.1, step 10).

    Zero where ``p_percent`` is above 5; below 0.001 the value at 0.001 is kept. In the tropics
    the published formula falls again towards its rarest times: from 19 dB up, by a few percent.
    """
    p = np.clip(p_percent, *RAIN_PERCENT)
    wet = (np.asarray(p_percent) <= RAIN_PERCENT[1]) & (np.asarray(attenuation_001_db) > 0)
    a001 = np.where(wet, attenuation_001_db, 1.0)
    sine = np.sin(np.radians(np.clip(elevation_deg, 0.0, 90.0)))
    tropical = 0.005 * (36 - np.abs(latitude_deg))
    slanted = np.where(np.asarray(elevation_deg) >= 25, 0.0, 1.8 - 4.25 * sine)
    beta = np.where((p < 1) & (tropical > 0), tropical + slanted, 0.0)
    log_p = np.log(p)
    power = 0.655 + 0.033 * log_p - 0.045 * np.log(a001) - beta * (1 - p) * sine
    return np.where(wet, a001 * np.exp(-power * (log_p - np.log(0.01))), 0.0)


def rain_exceeded_db(
    p_percent: np.ndarray,
    elevation_deg: np.ndarray,
    frequency_ghz: np.ndarray,
    site: RainSite,
    tilt_deg: np.ndarray = 45.0,
) -> np.ndarray:
    """Rain attenuation exceeded ``p_percent`` of an average year (P.618-13 section 2.2.1.1).

    For many pairs pass arrays of shape ``(pairs,)`` and ``sites.at(station)``. A frequency and a
    tilt that all share are best left plain numbers: their Gaussians are then worked out once.
    """
    at_001_db = rain_001_db(elevation_deg, frequency_ghz, site, tilt_deg)
    return rain_at_percent_db(at_001_db, p_percent, elevation_deg, site.latitude_deg)


def scintillation_exceeded_db(
    p_percent: np.ndarray,
    elevation_deg: np.ndarray,
    frequency_ghz: np.ndarray,
    wet_refractivity: np.ndarray,
    antenna_m: np.ndarray,
    antenna_efficiency: np.ndarray,
    turbulence_m: float = 1000.0,
) -> np.ndarray:
    """Fade by tropospheric scintillation exceeded ``p_percent`` of the time (P.618-13, 2.4.1).

    ``wet_refractivity`` is the site's median N_wet in N-units (ITU-R P.453), ``antenna_m`` the
    diameter of its dish, ``turbulence_m`` the height of the turbulent layer. For 4 to 55 GHz. The
    text speaks of 0.01 to 50 % of the time, the ITU's own examples go down to 0.001 %, and so does
    this; beyond, and below 5 degrees, the nearest value is kept.
    """
    require_frequency_ghz(frequency_ghz, 4, 55, "scintillation by ITU-R P.618-13 section 2.4.1")
    sine = np.sin(np.radians(np.clip(elevation_deg, MIN_ELEVATION_DEG, 90.0)))
    path_m = 2 * turbulence_m / (np.sqrt(sine**2 + 2.35e-4) + sine)
    x = 1.22 * np.square(antenna_m) * antenna_efficiency * frequency_ghz / path_m
    swing = 3.86 * (x * x + 1) ** (11 / 12) * np.sin(11 / 6 * np.arctan2(1.0, x))
    # A dish so wide that this would be negative averages all of it away.
    averaging = np.sqrt(np.maximum(swing - 7.08 * x ** (5 / 6), 0.0))
    sigma_ref = 3.6e-3 + 1e-4 * np.asarray(wet_refractivity)
    sigma = sigma_ref * np.asarray(frequency_ghz) ** (7 / 12) * averaging / sine**1.2
    log_p = np.log10(np.clip(p_percent, RAIN_PERCENT[0], 50.0))
    return sigma * (3.0 + log_p * (-1.71 + log_p * (0.072 - 0.061 * log_p)))


def cloud_coefficient_db_m2_kg(frequency_ghz: np.ndarray) -> np.ndarray:
    """Attenuation of a column of liquid cloud water, dB per kg/m2 (P.840-8 annex 1, K_l at 0 C).

    Rayleigh absorption with the double-Debye permittivity of water, for 1 to 200 GHz.
    """
    require_frequency_ghz(frequency_ghz, 1, 200, "cloud attenuation by ITU-R P.840-8")
    f = np.asarray(frequency_ghz, dtype=float)
    colder = 300 / 273.15 - 1
    static = 77.66 + 103.3 * colder
    middle, optical = 0.0671 * static, 3.52
    first = 20.20 - 146 * colder + 316 * colder**2
    second = 39.8 * first
    principal = (static - middle) / (1 + (f / first) ** 2)
    secondary = (middle - optical) / (1 + (f / second) ** 2)
    real = principal + secondary + optical
    imaginary = f / first * principal + f / second * secondary
    return 0.819 * f / (imaginary * (1 + ((2 + real) / imaginary) ** 2))


def cloud_db(
    frequency_ghz: np.ndarray, elevation_deg: np.ndarray, liquid_kg_m2: np.ndarray
) -> np.ndarray:
    """Attenuation by cloud of ``liquid_kg_m2`` straight up, reduced to 0 C (P.840-8)."""
    return cloud_coefficient_db_m2_kg(frequency_ghz) * liquid_kg_m2 * air_mass(elevation_deg)


def total_db(
    gas_db: np.ndarray, rain_db: np.ndarray, cloud_db: np.ndarray, scintillation_db: np.ndarray
) -> np.ndarray:
    """All of it together for one share of time (P.618-13 section 2.5).

    Below 1 % of the time P.618 takes gas and cloud at 1 %: what they would add is in its rain.
    """
    return gas_db + np.hypot(np.asarray(rain_db) + cloud_db, scintillation_db)
