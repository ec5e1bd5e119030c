"""Closed form of the way over a Walker delta's grid: how long a path from city to city must be.

Satellites are taken to be wherever one would like them, so hops count in fractions: planes to cross
by the longitudes of the nodes, slots to go by what phasing leaves of the arguments of latitude.
Degrees, kilometres, milliseconds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emulator.experiments.formulas import chord_km, half_angle_deg, one_way_ms
from emulator.units import EARTH_RADIUS_KM

_RINGS, _SPOKES = 6, 24
"""Where a city may find its satellite: so many circles around the zenith, so many on each."""
_GRID = 180
"""Arguments of latitude at which a hop to the next plane is worked out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """A Walker delta i:T/P/F with lasers along and across its planes."""

    altitude_km: float
    inclination_deg: float
    planes: int
    per_plane: int
    phasing: float

    @property
    def slot_deg(self) -> float:
        """From one satellite of a plane to the next."""
        return 360.0 / self.per_plane

    @property
    def phase_deg(self) -> float:
        """By which a satellite is ahead of that of the plane to the west."""
        return self.slot_deg * self.phasing / self.planes

    @property
    def along_km(self) -> float:
        """A hop in the plane."""
        return chord_km(self.altitude_km, self.slot_deg)

    def across_km(self, u_deg: np.ndarray, sign: float) -> np.ndarray:
        """A hop to the next plane, east (sign 1) or west (-1), from arguments of latitude."""
        here, there = np.radians(u_deg), np.radians(u_deg + sign * self.phase_deg)
        lean, turn = math.radians(self.inclination_deg), math.radians(sign * 360.0 / self.planes)
        x = math.cos(turn) * np.cos(here) * np.cos(there)
        y = math.sin(turn) * math.cos(lean) * np.sin(here - there)
        z = math.sin(lean) ** 2 + math.cos(lean) ** 2 * math.cos(turn)
        cosine = np.clip(x + y + z * np.sin(here) * np.sin(there), -1.0, 1.0)
        return 2 * (EARTH_RADIUS_KM + self.altitude_km) * np.sin(np.arccos(cosine) / 2)

    def rtt_ms(
        self, a_deg: tuple[float, float], b_deg: tuple[float, float], mask_deg: float
    ) -> float:
        """Round trip between two cities (latitude, longitude) that see satellites above a mask."""
        ends = [self._seen(place_deg, mask_deg) for place_deg in (a_deg, b_deg)]
        (u_a, node_a, leg_a), (u_b, node_b, leg_b) = ends
        legs_km = leg_a[:, None] + leg_b[None]
        east = (node_b[None] - node_a[:, None]) % 360.0
        best_km = math.inf
        for sign, turn in ((1.0, east), (-1.0, 360.0 - east)):
            crossed = turn / 360.0 * self.planes
            ahead = (u_b[None] - u_a[:, None] - sign * crossed * self.phase_deg) % 360.0
            across = self._mean_across(sign)
            for way, left in ((1, ahead), (-1, 360.0 - ahead)):
                hop_km = across(u_a[:, None], way * left)
                total_km = legs_km + crossed * hop_km + left / self.slot_deg * self.along_km
                best_km = min(best_km, float(total_km.min()))
        return 2 * one_way_ms(best_km)

    def _mean_across(self, sign: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Return a function: the mean hop across, all along from ``u`` to ``u + swing`` degrees."""
        step = 360.0 / _GRID
        hops_km = self.across_km(np.arange(2 * _GRID) * step, sign)
        before_km = np.concatenate(([0.0], np.cumsum(hops_km)))

        def mean_km(u_deg: np.ndarray, swing_deg: np.ndarray) -> np.ndarray:
            begin = np.where(swing_deg < 0, u_deg + swing_deg, u_deg) % 360.0
            first = np.floor(begin / step).astype(int)
            count = np.maximum(1, np.round(np.abs(swing_deg) / step).astype(int))
            return (before_km[first + count] - before_km[first]) / count

        return mean_km

    def _seen(
        self, place_deg: tuple[float, float], mask_deg: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Arguments of latitude, longitudes of nodes and ranges of places for a satellite.

        All over the circle that a city sees, of satellites that fly north and that fly south.
        """
        latitude, longitude_deg = math.radians(place_deg[0]), place_deg[1]
        half = math.radians(half_angle_deg(self.altitude_km, mask_deg))
        off = np.repeat(np.linspace(0.0, 1.0, _RINGS) * half, _SPOKES)
        bearing = np.tile(np.linspace(0.0, 2 * np.pi, _SPOKES, endpoint=False), _RINGS)
        sin = np.sin(latitude) * np.cos(off) + np.cos(latitude) * np.sin(off) * np.cos(bearing)
        east = np.arctan2(
            np.sin(bearing) * np.sin(off) * np.cos(latitude), np.cos(off) - np.sin(latitude) * sin
        )
        lean = math.radians(self.inclination_deg)
        there = np.abs(sin) <= math.sin(lean)
        sin, east, off = sin[there], east[there], off[there]
        up = np.arcsin(sin / math.sin(lean))
        radius_km = EARTH_RADIUS_KM + self.altitude_km
        leg_km = np.sqrt(
            EARTH_RADIUS_KM**2 + radius_km**2 - 2 * EARTH_RADIUS_KM * radius_km * np.cos(off)
        )
        u = np.concatenate((up, np.pi - up))
        ahead = np.degrees(np.arctan2(math.cos(lean) * np.sin(u), np.cos(u)))
        node_deg = longitude_deg + np.degrees(np.tile(east, 2)) - ahead
        return np.degrees(u), node_deg, np.tile(leg_km, 2)
