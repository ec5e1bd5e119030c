"""Where satellites of circular orbits stand over a turning sphere: the closed form of visibility.

Secular J2 rates only, the Earth a sphere whose places have their geocentric latitude. Nothing of
the emulator's own ephemeris, frames or contacts, so that those can be held against it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emulator.experiments.formulas import (
    EARTH_RATE_DEG_S,
    geocentric_deg,
    half_angle_deg,
    mean_motion_deg_s,
    node_rate_deg_s,
    site_radius_km,
)
from emulator.units import EARTH_RADIUS_KM, J2


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """Satellites of one height and inclination by their angles at the start, in degrees."""

    altitude_km: float
    inclination_deg: float
    node_deg: np.ndarray
    u_deg: np.ndarray
    """Arguments of latitude."""
    sidereal_deg: float
    """Where Greenwich is at the start."""

    @property
    def u_rate_deg_s(self) -> float:
        """Of the argument of latitude, with the drift of the perigee by J2 (Vallado 9-39)."""
        motion = mean_motion_deg_s(self.altitude_km)
        ratio = EARTH_RADIUS_KM / (EARTH_RADIUS_KM + self.altitude_km)
        lean = math.sin(math.radians(self.inclination_deg)) ** 2
        return motion * (1 + 0.75 * J2 * ratio**2 * (4 - 5 * lean))

    def below(self, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sine of the latitude and longitude (radians) below each, both ``(satellites, times)``."""
        u = np.radians(self.u_deg[:, None] + self.u_rate_deg_s * t_s)
        drift_deg_s = node_rate_deg_s(self.altitude_km, self.inclination_deg) - EARTH_RATE_DEG_S
        node = np.radians(self.node_deg[:, None] - self.sidereal_deg + drift_deg_s * t_s)
        lean = math.radians(self.inclination_deg)
        return np.sin(u) * math.sin(lean), node + np.arctan2(np.cos(lean) * np.sin(u), np.cos(u))

    def seen(
        self, place_deg: tuple[float, float], mask_deg: float, t_s: np.ndarray, height_km: float = 0
    ) -> np.ndarray:
        """Whether a place (latitude, longitude) sees each satellite, ``(satellites, times)``."""
        sin, longitude = self.below(t_s)
        latitude = math.radians(geocentric_deg(place_deg[0]))
        site_km = site_radius_km(place_deg[0]) + height_km
        half = math.radians(half_angle_deg(self.altitude_km, mask_deg, site_km))
        away = np.cos(longitude - math.radians(place_deg[1]))
        cosine = math.sin(latitude) * sin + math.cos(latitude) * np.sqrt(1 - sin**2) * away
        return cosine >= math.cos(half)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long one waits for the next contact, from a moment taken at random, in minutes."""

    mean: float
    median: float
    p95: float
    longest: float

    @classmethod
    def of(cls, seen: Sequence[np.ndarray] | np.ndarray, step_s: float) -> "Waits":
        """Take rows of moments, ``step_s`` apart, at which there is contact; all rows together.

        Moments after a row's last contact do not count: when the next one comes is not known.
        """
        waits = [_waits_s(row, step_s) for row in np.atleast_2d(seen)]
        minutes = np.concatenate(waits) / 60
        return cls(
            mean=float(minutes.mean()),
            median=float(np.median(minutes)),
            p95=float(np.percentile(minutes, 95)),
            longest=float(minutes.max()),
        )


def _waits_s(seen: np.ndarray, step_s: float) -> np.ndarray:
    at = np.arange(len(seen))
    following = np.where(seen, at, len(seen))
    next_one = np.minimum.accumulate(following[::-1])[::-1]
    return (next_one - at)[next_one < len(seen)] * step_s


def pass_lengths_s(seen: np.ndarray, step_s: float) -> np.ndarray:
    """Lengths of the whole passes in rows of moments: those that begin and end inside."""
    lengths = []
    for row in np.atleast_2d(seen).astype(np.int8):
        edges = np.diff(row)
        rises, sets = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        sets = sets[sets > rises[0]] if len(rises) else sets[:0]
        lengths.append((sets - rises[: len(sets)]) * step_s)
    return np.concatenate(lengths)


def streets_cover(
    altitude_km: float, mask_deg: float, per_plane: int, planes_apart_deg: float, seam_deg: float
) -> bool:
    """Whether a polar star covers the whole Earth, by streets of coverage.

    The satellites of a plane cover a street of half width c, cos c = cos ψ / cos(π/S). Planes that
    fly the same way may be c + ψ apart, those at the seam 2 c (Beste, IEEE Transactions on
    Aerospace and Electronic Systems 14 (1978) 466).
    """
    half = math.radians(half_angle_deg(altitude_km, mask_deg))
    inside = math.cos(half) / math.cos(math.pi / per_plane)
    if inside > 1:
        return False
    street_deg = math.degrees(math.acos(inside))
    return planes_apart_deg <= street_deg + math.degrees(half) and seam_deg <= 2 * street_deg
