"""Earth-fixed to TEME: where stations are in the frame in which SGP4 gives satellites.

Satellites stay in TEME (ranges between them need no frame at all); stations are rotated into
it by GMST alone. Polar motion is left out (at most 10 m).
"""

import numpy as np

from emulator.units import DAY_S, EARTH_FLATTENING, EARTH_RADIUS_KM


def gmst_rad(jd_ut1: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Greenwich mean sidereal time of Julian date ``jd_ut1 + fraction``, radians in [0, 2π).

    Source: Aoki et al., A&A 105 (1982) 359, as SGP4 uses it. The date is given in two parts to
    keep microseconds.
    """
    day = jd_ut1 - 2451545.0
    t = (day + fraction) / 36525.0
    # The formula's 876600 h per century are one turn a day, taken from the day parts directly.
    slow_s = 67310.54841 + (8640184.812866 + (0.093104 - 6.2e-6 * t) * t) * t
    return 2 * np.pi * ((slow_s / DAY_S + day % 1.0 + fraction) % 1.0)


def geodetic_to_itrs_km(
    latitude_deg: np.ndarray, longitude_deg: np.ndarray, altitude_km: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return position (km) and geodetic up (unit vector) in ITRS, both of shape ``(n, 3)``.

    WGS-84 ellipsoid; closed form of NIMA TR8350.2 eq. 4-14.
    """
    latitude, longitude = np.radians(latitude_deg), np.radians(longitude_deg)
    cos_lat, sin_lat = np.cos(latitude), np.sin(latitude)
    up = np.stack((cos_lat * np.cos(longitude), cos_lat * np.sin(longitude), sin_lat), axis=-1)
    e2 = EARTH_FLATTENING * (2 - EARTH_FLATTENING)
    normal_km = EARTH_RADIUS_KM / np.sqrt(1 - e2 * sin_lat**2)
    scale = np.stack((normal_km, normal_km, normal_km * (1 - e2)), axis=-1)
    return (scale + np.asarray(altitude_km)[..., None]) * up, up


def rotate_z(vectors: np.ndarray, angle_rad: np.ndarray) -> np.ndarray:
    """Turn Earth-fixed ``vectors`` ``(n, 3)`` east by each angle ``(t,)``: shape ``(n, t, 3)``."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    x, y, z = (vectors[:, axis, None] for axis in range(3))
    return np.stack((x * cos - y * sin, x * sin + y * cos, z + 0 * cos), axis=-1)
