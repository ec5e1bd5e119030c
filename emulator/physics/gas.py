"""Gases of the air: what oxygen and water vapour take of a radio wave, by ITU-R P.676-12.

Specific attenuation is summed over the spectral lines (annex 1), times an equivalent height
(annex 2). Pressures are in hectopascals, temperatures in kelvin, vapour densities in g/m3. P.676
speaks of the pressure of dry air; the ITU's own examples insert the standard atmosphere's total
instead, which adds a few percent to oxygen's part.
"""

import numpy as np

from emulator.errors import PhysicsError

MIN_ELEVATION_DEG = 5.0
"""P.676, P.840 and P.618 section 2.4.1 give plain formulas from here up only."""

# P.676-12 table 1: frequency in GHz, a1, a2, a3, a5, a6; a4 is zero for every line.
_OXYGEN_LINES = np.array(
    [
        (50.474214, 0.975, 9.651, 6.69, 2.566, 6.85),
        (50.987745, 2.529, 8.653, 7.17, 2.246, 6.8),
        (51.50336, 6.193, 7.709, 7.64, 1.947, 6.729),
        (52.021429, 14.32, 6.819, 8.11, 1.667, 6.64),
        (52.542418, 31.24, 5.983, 8.58, 1.388, 6.526),
        (53.066934, 64.29, 5.201, 9.06, 1.349, 6.206),
        (53.595775, 124.6, 4.474, 9.55, 2.227, 5.085),
        (54.130025, 227.3, 3.8, 9.96, 3.17, 3.75),
        (54.67118, 389.7, 3.182, 10.37, 3.558, 2.654),
        (55.221384, 627.1, 2.618, 10.89, 2.56, 2.952),
        (55.783815, 945.3, 2.109, 11.34, -1.172, 6.135),
        (56.264774, 543.4, 0.014, 17.03, 3.525, -0.978),
        (56.363399, 1331.8, 1.654, 11.89, -2.378, 6.547),
        (56.968211, 1746.6, 1.255, 12.23, -3.545, 6.451),
        (57.612486, 2120.1, 0.91, 12.62, -5.416, 6.056),
        (58.323877, 2363.7, 0.621, 12.95, -1.932, 0.436),
        (58.446588, 1442.1, 0.083, 14.91, 6.768, -1.273),
        (59.164204, 2379.9, 0.387, 13.53, -6.561, 2.309),
        (59.590983, 2090.7, 0.207, 14.08, 6.957, -0.776),
        (60.306056, 2103.4, 0.207, 14.15, -6.395, 0.699),
        (60.434778, 2438, 0.386, 13.39, 6.342, -2.825),
        (61.150562, 2479.5, 0.621, 12.92, 1.014, -0.584),
        (61.800158, 2275.9, 0.91, 12.63, 5.014, -6.619),
        (62.41122, 1915.4, 1.255, 12.17, 3.029, -6.759),
        (62.486253, 1503, 0.083, 15.13, -4.499, 0.844),
        (62.997984, 1490.2, 1.654, 11.74, 1.856, -6.675),
        (63.568526, 1078, 2.108, 11.34, 0.658, -6.139),
        (64.127775, 728.7, 2.617, 10.88, -3.036, -2.895),
        (64.67891, 461.3, 3.181, 10.38, -3.968, -2.59),
        (65.224078, 274, 3.8, 9.96, -3.528, -3.68),
        (65.764779, 153, 4.473, 9.55, -2.548, -5.002),
        (66.302096, 80.4, 5.2, 9.06, -1.66, -6.091),
        (66.836834, 39.8, 5.982, 8.58, -1.68, -6.393),
        (67.369601, 18.56, 6.818, 8.11, -1.956, -6.475),
        (67.900868, 8.172, 7.708, 7.64, -2.216, -6.545),
        (68.431006, 3.397, 8.652, 7.17, -2.492, -6.6),
        (68.960312, 1.334, 9.65, 6.69, -2.773, -6.65),
        (118.750334, 940.3, 0.01, 16.64, -0.439, 0.079),
        (368.498246, 67.4, 0.048, 16.4, 0, 0),
        (424.76302, 637.7, 0.044, 16.4, 0, 0),
        (487.249273, 237.4, 0.049, 16, 0, 0),
        (715.392902, 98.1, 0.145, 16, 0, 0),
        (773.83949, 572.3, 0.141, 16.2, 0, 0),
        (834.145546, 183.1, 0.145, 14.7, 0, 0),
    ]
).T

# P.676-12 table 2: frequency in GHz, b1 to b6. The last stands for all lines further up.
_VAPOUR_LINES = np.array(
    [
        (22.23508, 0.1079, 2.144, 26.38, 0.76, 5.087, 1),
        (67.80396, 0.0011, 8.732, 28.58, 0.69, 4.93, 0.82),
        (119.99594, 0.0007, 8.353, 29.48, 0.7, 4.78, 0.79),
        (183.310087, 2.273, 0.668, 29.06, 0.77, 5.022, 0.85),
        (321.22563, 0.047, 6.179, 24.04, 0.67, 4.398, 0.54),
        (325.152888, 1.514, 1.541, 28.23, 0.64, 4.893, 0.74),
        (336.227764, 0.001, 9.825, 26.93, 0.69, 4.74, 0.61),
        (380.197353, 11.67, 1.048, 28.11, 0.54, 5.063, 0.89),
        (390.134508, 0.0045, 7.347, 21.52, 0.63, 4.81, 0.55),
        (437.346667, 0.0632, 5.048, 18.45, 0.6, 4.23, 0.48),
        (439.150807, 0.9098, 3.595, 20.07, 0.63, 4.483, 0.52),
        (443.018343, 0.192, 5.048, 15.55, 0.6, 5.083, 0.5),
        (448.001085, 10.41, 1.405, 25.64, 0.66, 5.028, 0.67),
        (470.888999, 0.3254, 3.597, 21.34, 0.66, 4.506, 0.65),
        (474.689092, 1.26, 2.379, 23.2, 0.65, 4.804, 0.64),
        (488.490108, 0.2529, 2.852, 25.86, 0.69, 5.201, 0.72),
        (503.568532, 0.0372, 6.731, 16.12, 0.61, 3.98, 0.43),
        (504.482692, 0.0124, 6.731, 16.12, 0.61, 4.01, 0.45),
        (547.67644, 0.9785, 0.158, 26, 0.7, 4.5, 1),
        (552.02096, 0.184, 0.158, 26, 0.7, 4.5, 1),
        (556.935985, 497, 0.159, 30.86, 0.69, 4.552, 1),
        (620.700807, 5.015, 2.391, 24.38, 0.71, 4.856, 0.68),
        (645.766085, 0.0067, 8.633, 18, 0.6, 4, 0.5),
        (658.00528, 0.2732, 7.816, 32.1, 0.69, 4.14, 1),
        (752.033113, 243.4, 0.396, 30.86, 0.68, 4.352, 0.84),
        (841.051732, 0.0134, 8.177, 15.9, 0.33, 5.76, 0.45),
        (859.965698, 0.1325, 8.055, 30.6, 0.68, 4.09, 0.84),
        (899.303175, 0.0547, 7.914, 29.85, 0.68, 4.53, 0.9),
        (902.611085, 0.0386, 8.429, 28.65, 0.7, 5.1, 0.95),
        (906.205957, 0.1836, 5.11, 24.08, 0.7, 4.7, 0.53),
        (916.171582, 8.4, 1.441, 26.73, 0.7, 5.15, 0.78),
        (923.112692, 0.0079, 10.293, 29, 0.7, 5, 0.8),
        (970.315022, 9.009, 1.919, 25.5, 0.64, 4.94, 0.67),
        (987.926764, 134.6, 0.257, 29.85, 0.68, 4.55, 0.9),
        (1780.0, 17506, 0.952, 196.3, 2, 24.15, 5),
    ]
).T

# P.676-12 annex 2: strengths and frequencies in GHz of what lifts oxygen's height.
_OXYGEN_HEIGHT_LINES = np.array(
    [
        (0.1597, 118.750334),
        (0.1066, 368.498246),
        (0.1325, 424.763020),
        (0.1242, 487.249273),
        (0.0938, 715.392902),
        (0.1448, 773.839490),
        (0.1374, 834.145546),
    ]
).T

# P.676-12 annex 2, table 4: frequency in GHz, a, b.
_VAPOUR_HEIGHT_LINES = np.array(
    [
        (22.235080, 1.52, 2.56),
        (183.310087, 7.62, 10.2),
        (325.152888, 1.56, 2.70),
        (380.197353, 4.15, 5.70),
        (439.150807, 0.20, 0.91),
        (448.001085, 1.63, 2.46),
        (474.689092, 0.76, 2.22),
        (488.490108, 0.26, 2.49),
        (556.935985, 7.81, 10.0),
        (620.700870, 1.25, 2.35),
        (752.033113, 16.2, 20.0),
        (916.171582, 1.47, 2.58),
        (970.315022, 1.36, 2.44),
        (987.926764, 1.60, 1.86),
    ]
).T


def require_frequency_ghz(frequency_ghz: np.ndarray, low: float, high: float, model: str) -> None:
    """Raise PhysicsError where a frequency lies outside what ``model`` was made for."""
    frequency_ghz = np.asarray(frequency_ghz)
    outside = ~((frequency_ghz >= low) & (frequency_ghz <= high))
    if outside.any():
        raise PhysicsError(
            f"{model} at {frequency_ghz[outside].flat[0]:g} GHz: it holds from {low:g} to "
            f"{high:g} GHz. Give the frequency in GHz, within these."
        )


def air_mass(elevation_deg: np.ndarray) -> np.ndarray:
    """Length of a slant path through the air in zenith paths: 1 / sin (P.676-12 annex 2).

    Below 5 degrees, where the layers' curvature counts and the ITU asks for ray tracing, the value
    at 5 degrees is kept. That is too little there: by a factor of 2 at 2 degrees.
    """
    return 1 / np.sin(np.radians(np.clip(elevation_deg, MIN_ELEVATION_DEG, 90.0)))


def oxygen_db_km(
    frequency_ghz: np.ndarray,
    dry_pressure_hpa: np.ndarray,
    temperature_k: np.ndarray,
    vapour_g_m3: np.ndarray,
) -> np.ndarray:
    """Specific attenuation of dry air (P.676-12 annex 1, section 1). Broadcasts."""
    f, p, theta, e = _line_axis(frequency_ghz, dry_pressure_hpa, temperature_k, vapour_g_m3)
    line, a1, a2, a3, a5, a6 = _OXYGEN_LINES
    width = np.hypot(a3 * 1e-4 * (p * theta**0.8 + 1.1 * e * theta), 1.5e-3)
    overlap = (a5 + a6 * theta) * 1e-4 * (p + e) * theta**0.8
    strength = a1 * 1e-7 * p * theta**3 * np.exp(a2 * (1 - theta))
    absorbed = (strength * _line_shape(f, line, width, overlap)).sum(axis=-1)
    f, p, theta, e = f[..., 0], p[..., 0], theta[..., 0], e[..., 0]
    debye = 5.6e-4 * (p + e) * theta**0.8
    nitrogen = 1.4e-12 * p * theta**1.5 / (1 + 1.9e-5 * f**1.5)
    continuum = f * p * theta**2 * (6.14e-5 / (debye * (1 + (f / debye) ** 2)) + nitrogen)
    return 0.1820 * f * (absorbed + continuum)


def vapour_db_km(
    frequency_ghz: np.ndarray,
    dry_pressure_hpa: np.ndarray,
    temperature_k: np.ndarray,
    vapour_g_m3: np.ndarray,
) -> np.ndarray:
    """Specific attenuation of water vapour (P.676-12 annex 1, section 1). Broadcasts."""
    f, p, theta, e = _line_axis(frequency_ghz, dry_pressure_hpa, temperature_k, vapour_g_m3)
    line, b1, b2, b3, b4, b5, b6 = _VAPOUR_LINES
    pressure_width = b3 * 1e-4 * (p * theta**b4 + b5 * e * theta**b6)
    doppler = 2.1316e-12 * line**2 / theta
    width = 0.535 * pressure_width + np.sqrt(0.217 * pressure_width**2 + doppler)
    strength = b1 * 1e-1 * e * theta**3.5 * np.exp(b2 * (1 - theta))
    absorbed = (strength * _line_shape(f, line, width, 0.0)).sum(axis=-1)
    return 0.1820 * f[..., 0] * absorbed


def _line_axis(
    frequency_ghz: np.ndarray,
    dry_pressure_hpa: np.ndarray,
    temperature_k: np.ndarray,
    vapour_g_m3: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Frequency, pressure, 300 K / temperature and vapour pressure, each of shape (..., 1)."""
    given = (frequency_ghz, dry_pressure_hpa, temperature_k, vapour_g_m3)
    f, p, t, rho = (each[..., None] for each in np.broadcast_arrays(*given))
    return f, p, 300 / t, rho * t / 216.7


def _line_shape(
    f: np.ndarray, line: np.ndarray, width: np.ndarray, overlap: np.ndarray
) -> np.ndarray:
    below = (width - overlap * (line - f)) / ((line - f) ** 2 + width**2)
    above = (width - overlap * (line + f)) / ((line + f) ** 2 + width**2)
    return f / line * (below + above)


def oxygen_height_km(
    frequency_ghz: np.ndarray,
    dry_pressure_hpa: np.ndarray,
    temperature_k: np.ndarray,
    vapour_g_m3: np.ndarray,
) -> np.ndarray:
    """Equivalent height of oxygen over sea level (P.676-12 annex 2, h_o)."""
    f = np.asarray(frequency_ghz, dtype=float)
    e = np.asarray(vapour_g_m3) * temperature_k / 216.7
    rp = (dry_pressure_hpa + e) / 1013.25
    band = np.exp(-(((f - 59.7) / (2.87 + 12.4 * np.exp(-7.9 * rp))) ** 2))
    t1 = 5.1040 / (1 + 0.066 * rp**-2.3) * band
    strength, line = _OXYGEN_HEIGHT_LINES
    off_line = (f[..., None] - line) ** 2 + 0.025 * np.exp(2.2 * np.asarray(rp)[..., None])
    t2 = np.exp(2.12 * rp) * (strength / off_line).sum(axis=-1)
    wings = (15.02 * f**2 - 1353 * f + 5.333e4) / (f**3 - 151.3 * f**2 + 9629 * f - 6803)
    t3 = 0.0114 * f / (1 + 0.14 * rp**-2.6) * wings
    warmth = 0.7832 + 0.00709 * (temperature_k - 273.15)
    height = 6.1 * warmth / (1 + 0.17 * rp**-1.1) * (1 + t1 + t2 + t3)
    return np.where(f < 70, np.minimum(height, 10.7 * rp**0.3), height)


def vapour_height_km(
    frequency_ghz: np.ndarray,
    dry_pressure_hpa: np.ndarray,
    temperature_k: np.ndarray,
    vapour_g_m3: np.ndarray,
) -> np.ndarray:
    """Equivalent height of water vapour (P.676-12 annex 2, h_w)."""
    f = np.asarray(frequency_ghz, dtype=float)
    celsius = np.asarray(temperature_k) - 273.15
    rp = (dry_pressure_hpa + np.asarray(vapour_g_m3) * temperature_k / 216.7) / 1013.25
    sigma = np.asarray(1.013 / (1 + np.exp(-8.6 * (rp - 0.57))))[..., None]
    line, a, b = _VAPOUR_HEIGHT_LINES
    lines = (a * sigma / ((f[..., None] - line) ** 2 + b * sigma)).sum(axis=-1)
    floor = 1.9298 - 0.04166 * celsius + 0.0517 * vapour_g_m3
    return floor + (1.1674 - 0.00622 * celsius + 0.0063 * vapour_g_m3) * lines


def zenith_gas_db(
    frequency_ghz: np.ndarray,
    dry_pressure_hpa: np.ndarray,
    temperature_k: np.ndarray,
    vapour_g_m3: np.ndarray,
) -> np.ndarray:
    """Attenuation straight up from a site with this air (P.676-12 annex 2). All broadcast."""
    require_frequency_ghz(frequency_ghz, 1, 350, "gaseous attenuation by ITU-R P.676-12 annex 2")
    air = (frequency_ghz, dry_pressure_hpa, temperature_k, vapour_g_m3)
    oxygen_db = oxygen_db_km(*air) * oxygen_height_km(*air)
    return oxygen_db + vapour_db_km(*air) * vapour_height_km(*air)


def zenith_vapour_db(
    frequency_ghz: np.ndarray, vapour_kg_m2: np.ndarray, altitude_km: np.ndarray
) -> np.ndarray:
    """Water vapour's part from its total column instead (P.676-12 annex 2).

    For sites whose integrated vapour is known (ITU-R P.836), which is better than the density at
    the ground.
    """
    require_frequency_ghz(frequency_ghz, 1, 350, "vapour attenuation by ITU-R P.676-12 annex 2")
    f, column = np.asarray(frequency_ghz, dtype=float), np.asarray(vapour_kg_m2, dtype=float)
    density, kelvin = column / 2.38, 14 * np.log(0.22 * column / 2.38) + 3 + 273.15
    shape = vapour_db_km(f, 845.0, kelvin, density) / vapour_db_km(20.6, 845.0, kelvin, density)
    a = 0.2048 * np.exp(-(((f - 22.43) / 3.097) ** 2))
    a = a + 0.2326 * np.exp(-(((f - 183.5) / 4.096) ** 2))
    a = a + 0.2073 * np.exp(-(((f - 325) / 3.651) ** 2)) - 0.1113
    b = 8.741e4 * np.exp(-0.587 * f) + 312.2 * f**-2.38 + 0.723
    height = np.where(f < 20, 1.0, a * np.clip(altitude_km, 0, 4) ** b + 1)
    return 0.0176 * column * shape * height
