"""Closed forms that experiments predict by. Nothing of the emulator's own orbits or links.

The Earth is a sphere of the equatorial radius where nothing else is said, orbits are circles.
Angles in degrees, lengths in kilometres, round trips in milliseconds.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from emulator.units import (
    C_KM_S,
    DAY_S,
    EARTH_FLATTENING,
    EARTH_MEAN_RADIUS_KM,
    EARTH_RADIUS_KM,
    FRAME_BYTES,
    J2,
    MU_KM3_S2,
    SEGMENT_BYTES,
)

FIBRE_INDEX = 1.468
"""Group index of standard single-mode fibre at 1550 nm (ITU-T G.652 products: 1.467 to 1.469)."""

PAYLOAD_SHARE = SEGMENT_BYTES / FRAME_BYTES
"""Of a full TCP segment with timestamps in an Ethernet frame: 1448 of 1514 bytes."""

EARTH_RATE_DEG_S = 360.98564736629 / DAY_S
"""Rotation of the Earth against the equinox (Aoki et al., A&A 105 (1982) 359)."""


def one_way_ms(range_km: float) -> float:
    """Time that light takes over ``range_km``."""
    return range_km / C_KM_S * 1e3


def fibre_rtt_ms(great_circle_km: float, route: float) -> float:
    """Round trip over a fibre ``route`` times as long as the great circle."""
    return 2 * route * FIBRE_INDEX * one_way_ms(great_circle_km)


def great_circle_km(a_deg: tuple[float, float], b_deg: tuple[float, float]) -> float:
    """Distance of two places (latitude, longitude) on the sphere of mean radius (haversine)."""
    (lat_a, lon_a), (lat_b, lon_b) = np.radians(a_deg), np.radians(b_deg)
    half = (
        math.sin((lat_b - lat_a) / 2) ** 2
        + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    )
    return 2 * EARTH_MEAN_RADIUS_KM * math.asin(math.sqrt(half))


def central_deg(a_deg: tuple[float, float], b_deg: tuple[float, float]) -> float:
    """Angle at the Earth's centre between two places (geocentric latitude, longitude)."""
    return math.degrees(great_circle_km(a_deg, b_deg) / EARTH_MEAN_RADIUS_KM)


def side_km(a_km: float, b_km: float, angle_deg: float) -> float:
    """Distance of two points so far from the Earth's centre, seen from there at an angle."""
    cosine = math.cos(math.radians(angle_deg))
    return math.sqrt(a_km**2 + b_km**2 - 2 * a_km * b_km * cosine)


def site_radius_km(latitude_deg: float) -> float:
    """Distance of a place at sea level from the Earth's centre (geodetic latitude, WGS-84)."""
    e2 = EARTH_FLATTENING * (2 - EARTH_FLATTENING)
    sin, cos = math.sin(math.radians(latitude_deg)), math.cos(math.radians(latitude_deg))
    normal_km = EARTH_RADIUS_KM / math.sqrt(1 - e2 * sin**2)
    return math.hypot(normal_km * cos, normal_km * (1 - e2) * sin)


def slant_range_km(
    altitude_km: float, elevation_deg: float, site_km: float = EARTH_RADIUS_KM
) -> float:
    """Range of a satellite seen at an elevation from a site so far from the Earth's centre."""
    radius_km = EARTH_RADIUS_KM + altitude_km
    across, up = (
        site_km * math.cos(math.radians(elevation_deg)),
        site_km * math.sin(math.radians(elevation_deg)),
    )
    return math.sqrt(radius_km**2 - across**2) - up


def half_angle_deg(
    altitude_km: float, elevation_deg: float, site_km: float = EARTH_RADIUS_KM
) -> float:
    """Angle at the Earth's centre between a site and a satellite that it sees at an elevation."""
    inside = site_km * math.cos(math.radians(elevation_deg)) / (EARTH_RADIUS_KM + altitude_km)
    return 90.0 - elevation_deg - math.degrees(math.asin(inside))


def sight_arc_deg(altitude_km: float, grazing_km: float) -> float:
    """Arc at which the line between two satellites grazes the height ``grazing_km``."""
    grazing = (EARTH_RADIUS_KM + grazing_km) / (EARTH_RADIUS_KM + altitude_km)
    return 2 * math.degrees(math.acos(grazing))


def chord_km(altitude_km: float, arc_deg: float) -> float:
    """Straight line between two points of a circular orbit."""
    return 2 * (EARTH_RADIUS_KM + altitude_km) * math.sin(math.radians(arc_deg) / 2)


def ring_pairs_in_sight(count: int, sight_deg: float) -> int:
    """Of ``count`` satellites evenly around an orbit, the pairs that see each other."""
    steps = range(1, count // 2 + 1)
    return sum(
        count // (2 if 2 * k == count else 1) for k in steps if 360.0 * k / count <= sight_deg
    )


def ring_mean_hops(count: int) -> float:
    """Mean over all pairs of the hops of the shorter way round a ring."""
    return sum(min(k, count - k) for k in range(1, count)) / (count - 1)


def mean_motion_deg_s(altitude_km: float) -> float:
    """Kepler's third law."""
    return math.degrees(math.sqrt(MU_KM3_S2 / (EARTH_RADIUS_KM + altitude_km) ** 3))


def period_s(altitude_km: float) -> float:
    """Time of one revolution (Kepler)."""
    return 360.0 / mean_motion_deg_s(altitude_km)


def node_rate_deg_s(altitude_km: float, inclination_deg: float) -> float:
    """Secular drift of the ascending node by J2 (Vallado, Fundamentals of Astrodynamics, 9-37)."""
    ratio = EARTH_RADIUS_KM / (EARTH_RADIUS_KM + altitude_km)
    cos = math.cos(math.radians(inclination_deg))
    return -1.5 * J2 * ratio**2 * mean_motion_deg_s(altitude_km) * cos


def share_in_view(inclination_deg: float, latitude_deg: float, half_deg: float) -> float:
    """Share of time that one satellite of an inclined circular orbit is within ``half_deg``.

    Of a place, the angle at the Earth's centre. A long time: then the satellite's latitude has the
    density cos / (π √(sin² i − sin²)), and all longitudes are alike. Geocentric latitude.
    """
    lean = math.radians(min(inclination_deg, 180.0 - inclination_deg))
    place, half = math.radians(latitude_deg), math.radians(half_deg)

    def width(u: float) -> float:
        """Share of longitudes at argument of latitude ``u`` that are near enough."""
        below = math.asin(math.sin(lean) * math.sin(u))
        need = math.cos(half) - math.sin(place) * math.sin(below)
        reach = math.cos(place) * math.cos(below)
        return math.acos(min(1.0, max(-1.0, need / reach))) / math.pi if reach > 1e-12 else 0.0

    share, _ = quad(width, -math.pi / 2, math.pi / 2, limit=400)
    return share / math.pi


def geocentric_deg(latitude_deg: float) -> float:
    """Geocentric latitude of a place at sea level by its geodetic one (WGS-84)."""
    flat = (1 - EARTH_FLATTENING) ** 2
    return math.degrees(math.atan(flat * math.tan(math.radians(latitude_deg))))


def share_above_latitude(inclination_deg: float, latitude_deg: float) -> float:
    """Share of a revolution that a satellite spends beyond a latitude, north or south."""
    sin_i = math.sin(math.radians(inclination_deg))
    inside = math.sin(math.radians(latitude_deg)) / sin_i
    return (90.0 - math.degrees(math.asin(inside))) / 90.0 if inside < 1 else 0.0


def node_over_deg(
    inclination_deg: float, place_deg: tuple[float, float], sidereal_deg: float
) -> tuple[float, float]:
    """Plane that passes over a place while Greenwich is at ``sidereal_deg``, flying north.

    Return (RAAN, argument of latitude over the place), degrees. The latitude is geocentric.
    """
    latitude, longitude_deg = math.radians(place_deg[0]), place_deg[1]
    lean = math.radians(inclination_deg)
    u = math.asin(math.sin(latitude) / math.sin(lean))
    ahead_deg = math.degrees(math.atan2(math.cos(lean) * math.sin(u), math.cos(u)))
    return (sidereal_deg + longitude_deg - ahead_deg) % 360.0, math.degrees(u)


def arc_rtt_ms(altitude_km: float, apart_km: float) -> float:
    """Round trip straight up, along the arc at a height, and straight down.

    ``apart_km``: great circle on the ground. Chords between satellites are a little shorter, and
    slanted legs cut the corners.
    """
    arc_km = apart_km * (EARTH_MEAN_RADIUS_KM + altitude_km) / EARTH_MEAN_RADIUS_KM
    return 2 * one_way_ms(arc_km + 2 * altitude_km)


def density_per_sr(count: int, inclination_deg: float, latitude_deg: float) -> float:
    """Satellites of a shell per steradian of sky of the Earth's centre, over a latitude.

    Mean over time, for latitudes below the inclination: N / (2π² √(sin² i - sin² φ)).
    """
    sin_i = math.sin(math.radians(inclination_deg))
    sin_lat = math.sin(math.radians(latitude_deg))
    return count / (2 * math.pi**2 * math.sqrt(sin_i**2 - sin_lat**2))


def nearest_km(
    shells: Sequence[tuple[int, float, float]], latitude_deg: float, share: float = 0.5
) -> float:
    """Range that the nearest satellite does not exceed for a ``share`` of the time.

    ``shells``: number, inclination and altitude of each. Within a shell satellites stand as evenly
    as a lattice, so one is within an angle with the chance area × density, up to 1; shells know
    nothing of each other.
    """

    def none_within(range_km: float) -> float:
        chance = 1.0
        for count, inclination_deg, altitude_km in shells:
            radius_km = EARTH_RADIUS_KM + altitude_km
            cosine = (EARTH_RADIUS_KM**2 + radius_km**2 - range_km**2) / (
                2 * EARTH_RADIUS_KM * radius_km
            )
            area = 2 * math.pi * (1 - min(1.0, cosine))
            density = density_per_sr(count, inclination_deg, latitude_deg)
            chance *= max(0.0, 1 - area * density)
        return chance

    lowest_km = min(altitude_km for _, _, altitude_km in shells)
    return float(brentq(lambda km: none_within(km) - (1 - share), lowest_km, 5000.0))
