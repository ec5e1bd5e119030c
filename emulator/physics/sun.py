"""Where the Sun stands, what it lights, and how long orbits are dark. All of it broadcasts.

The direction is an almanac's, good to 0.01 degree from 1957 to 2056 (held against JPL DE421 and,
after 2053, against ERFA's epv00), so no ephemeris file is needed. The Sun's rays are taken as
parallel: its parallax displaces the edge of the shadow by 0.3 km at 550 km altitude and 2 km at
the geostationary ring.
"""

import numpy as np

from emulator.units import EARTH_RADIUS_KM

_J2000_JD = 2451545.0
_CENTURY_DAYS = 36525.0
_ABERRATION_DEG = -0.00569
"""Of the Sun as seen from the moving Earth: the shadow points away from where it appears."""


def sun_direction(jd_whole: np.ndarray, jd_fraction: np.ndarray) -> np.ndarray:
    """Return unit vectors towards the Sun in TEME, shape ``(..., 3)``, at Julian dates (UTC).

    The date comes in two parts, as ``ephemeris.julian_date`` gives it. Source: J. Meeus,
    Astronomical Algorithms, 2nd ed., chapter 25, low accuracy, with the Sun's apparent longitude
    but mean equinox and obliquity (22.2). Neglected: nutation, which tilts the equator of TEME
    by at most 0.003 degree; UTC in the place of TT, 0.001 degree; the Sun's latitude; the pull
    of Moon and planets on the Earth, most of the 0.01 degree.
    """
    days = (np.asarray(jd_whole) - _J2000_JD) + jd_fraction
    t = days / _CENTURY_DAYS
    mean_longitude_deg = 280.46646 + (36000.76983 + 0.0003032 * t) * t
    anomaly = np.radians(357.52911 + (35999.05029 - 0.0001537 * t) * t)
    centre_deg = (
        (1.914602 - (0.004817 + 0.000014 * t) * t) * np.sin(anomaly)
        + (0.019993 - 0.000101 * t) * np.sin(2 * anomaly)
        + 0.000289 * np.sin(3 * anomaly)
    )
    longitude = np.radians(mean_longitude_deg + centre_deg + _ABERRATION_DEG)
    obliquity = np.radians(23.4392911 - 0.0130042 * t)
    across = np.sin(longitude)
    return np.stack(
        (np.cos(longitude), np.cos(obliquity) * across, np.sin(obliquity) * across), axis=-1
    )


def sunlit(position_km: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """True where the Earth, a sphere, does not hide the centre of the Sun, shape ``(...)``.

    ``position_km`` is ``(..., 3)``, ``sun`` unit vectors towards the Sun in the same frame.
    """
    towards_km = (position_km * sun).sum(-1)
    from_axis2_km2 = (position_km * position_km).sum(-1) - towards_km**2
    return (towards_km >= 0) | (from_axis2_km2 > EARTH_RADIUS_KM**2)


def beta_angle_deg(orbit_normal: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """Angle of the Sun above the orbit's plane, degrees in [-90, 90], shape ``(...)``.

    ``orbit_normal`` is the angular momentum, position cross velocity, of any length.
    """
    length = np.maximum(np.linalg.norm(orbit_normal, axis=-1), 1e-300)
    sine = (orbit_normal * sun).sum(-1) / length
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))


def eclipse_fraction(altitude_km: np.ndarray, beta_deg: np.ndarray) -> np.ndarray:
    """Dark share of a circular orbit, 0 to 0.5, shape ``(...)``.

    Closed form for the cylinder of shadow behind a sphere: within the orbit's plane the shadow
    is entered where cos u = sqrt(h² + 2 R h) / ((R + h) cos beta), u counted from midnight.
    """
    radius_km = EARTH_RADIUS_KM + np.asarray(altitude_km, dtype=np.float64)
    distance_km = np.sqrt(radius_km**2 - EARTH_RADIUS_KM**2)
    reach_km = radius_km * np.cos(np.radians(beta_deg))
    edge = np.minimum(distance_km / np.maximum(reach_km, 1e-12), 1.0)
    return np.arccos(edge) / np.pi


def separation_rad(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle between directions ``(..., 3)`` of any length, radians in [0, π], shape ``(...)``.

    By atan2(2 |a - b|, |a + b|) of half the angle between unit vectors (W. Kahan): an arccosine
    loses angles below 1e-8 radian.
    """
    unit_a = a / np.maximum(np.linalg.norm(a, axis=-1, keepdims=True), 1e-300)
    unit_b = b / np.maximum(np.linalg.norm(b, axis=-1, keepdims=True), 1e-300)
    apart = np.linalg.norm(unit_a - unit_b, axis=-1)
    return 2 * np.arctan2(apart, np.linalg.norm(unit_a + unit_b, axis=-1))
