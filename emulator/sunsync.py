"""Orbits whose plane keeps its angle to the Sun: their inclination, and where their node is."""

import math
from datetime import UTC, datetime, timedelta

from emulator.units import DAY_S, EARTH_RADIUS_KM, J2, MU_KM3_S2

_TROPICAL_YEAR_D = 365.24219
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_MEAN_SUN_DEG = 280.460
_MEAN_SUN_DEG_DAY = 0.9856474


def inclination_deg(altitude_km: float) -> float:
    """Inclination at which the node of a circular orbit turns once a tropical year, eastwards.

    Secular J2 rate (Vallado, Fundamentals of Astrodynamics, eq. 9-37). Raises ValueError where J2
    is too weak for that: above some 5,970 km.
    """
    radius_km = EARTH_RADIUS_KM + altitude_km
    mean_motion = math.sqrt(MU_KM3_S2 / radius_km**3)
    sun_rad_s = 2 * math.pi / (_TROPICAL_YEAR_D * DAY_S)
    cosine = -sun_rad_s / (1.5 * mean_motion * J2 * (EARTH_RADIUS_KM / radius_km) ** 2)
    if cosine < -1:
        raise ValueError(f"no orbit at {altitude_km:g} km is Sun-synchronous: stay below 5,970 km")
    return math.degrees(math.acos(cosine))


def node_deg(start: datetime, ltan_h: float) -> float:
    """Right ascension of an ascending node that is crossed at ``ltan_h``, local mean solar time.

    From the mean longitude of the Sun (Astronomical Almanac, section C), good to 0.01 degrees.
    """
    days = (start - _J2000) / timedelta(days=1)
    return (_MEAN_SUN_DEG + _MEAN_SUN_DEG_DAY * days + 15.0 * (ltan_h - 12.0)) % 360.0
