"""Earth-fixed to TEME: where stations, at rest or under way, are in the frame of SGP4's satellites.

Satellites stay in TEME (ranges between them need no frame at all); stations are rotated into
it by GMST alone. Polar motion is left out (at most 10 m).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emulator.units import DAY_S, EARTH_FLATTENING, EARTH_RADIUS_KM
from emulator.visibility import length

_GMST_S_PER_CENTURY = 8640184.812866
_E2 = EARTH_FLATTENING * (2 - EARTH_FLATTENING)

EARTH_RATE_RAD_S = 2 * np.pi / DAY_S * (1 + _GMST_S_PER_CENTURY / 36525.0 / DAY_S)
"""How fast GMST grows; the terms left out change it by 6e-11 of itself a century (Aoki et al.)."""

Waypoint = tuple[float, float, float, float]
"""Seconds since the start, latitude and longitude in degrees, altitude in metres."""


def gmst_rad(jd_ut1: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Greenwich mean sidereal time of Julian date ``jd_ut1 + fraction``, radians in [0, 2π).

    Source: Aoki et al., A&A 105 (1982) 359, as SGP4 uses it. The date is given in two parts to
    keep microseconds.
    """
    day = jd_ut1 - 2451545.0
    t = (day + fraction) / 36525.0
    # The formula's 876600 h per century are one turn a day, taken from the day parts directly.
    slow_s = 67310.54841 + (_GMST_S_PER_CENTURY + (0.093104 - 6.2e-6 * t) * t) * t
    return 2 * np.pi * ((slow_s / DAY_S + day % 1.0 + fraction) % 1.0)


def rotate_z(vectors: np.ndarray, angle_rad: np.ndarray) -> np.ndarray:
    """Turn Earth-fixed ``vectors`` east by each angle ``(t,)``: shape ``(n, t, 3)``.

    ``vectors`` of shape ``(n, 3)`` are the same for all angles, ``(n, t, 3)`` have one each.
    """
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    x, y, z = (vectors.T if vectors.ndim == 3 else vectors.T[:, None]).swapaxes(1, 2)
    turned = np.empty((len(vectors), len(angle_rad), 3))
    turned[..., 0] = x * cos - y * sin
    turned[..., 1] = x * sin + y * cos
    turned[..., 2] = z
    return turned


def add_spin(velocity_km_s: np.ndarray, position_km: np.ndarray, rate_rad_s: float) -> None:
    """Add to velocities ``(..., 3)``, in place, what turning about the z axis makes of them."""
    velocity_km_s[..., 0] -= rate_rad_s * position_km[..., 1]
    velocity_km_s[..., 1] += rate_rad_s * position_km[..., 0]


def geodetic_to_itrs_km(
    latitude_deg: np.ndarray, longitude_deg: np.ndarray, altitude_km: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return position (km) and geodetic up (unit vector) in ITRS, both of shape ``(n, 3)``.

    WGS-84 ellipsoid; closed form of NIMA TR8350.2 eq. 4-14.
    """
    latitude, longitude = np.radians(latitude_deg), np.radians(longitude_deg)
    cos_lat, sin_lat = np.cos(latitude), np.sin(latitude)
    up = np.stack((cos_lat * np.cos(longitude), cos_lat * np.sin(longitude), sin_lat), axis=-1)
    normal_km = _normal_km(sin_lat)
    return (_along_axes(normal_km) + np.asarray(altitude_km)[..., None]) * up, up


def geodetic_up(itrs_km: np.ndarray) -> np.ndarray:
    """Return the ellipsoid's unit normal through positions: up, at the points below them.

    ``itrs_km`` and the result are ``(…, 3)``. The latitude by iteration (Hofmann-Wellenhof et al.,
    GPS Theory and Practice, section 10.2.1); each round gains two digits or more.
    """
    x, y, z = np.moveaxis(itrs_km, -1, 0)
    axis_km, longitude = np.hypot(x, y), np.arctan2(y, x)
    latitude = np.arctan2(z, axis_km * (1 - _E2))
    for _ in range(5):
        sin_lat = np.sin(latitude)
        latitude = np.arctan2(z + _E2 * _normal_km(sin_lat) * sin_lat, axis_km)
    cos_lat = np.cos(latitude)
    parts = cos_lat * np.cos(longitude), cos_lat * np.sin(longitude), np.sin(latitude)
    return np.stack(parts, axis=-1)


def _normal_km(sin_lat: np.ndarray) -> np.ndarray:
    """Radius of curvature in the prime vertical."""
    return EARTH_RADIUS_KM / np.sqrt(1 - _E2 * sin_lat**2)


def _along_axes(normal_km: np.ndarray) -> np.ndarray:
    return np.stack((normal_km, normal_km, normal_km * (1 - _E2)), axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Ships and aircraft: from waypoint to waypoint on great circles, at rest before and after.

    The geodetic up turns evenly from that of one waypoint to that of the next, the shorter way
    (n-vectors: K. Gade, J. Navigation 63 (2010) 395). So latitudes and longitudes follow a great
    circle as charts have it, neither poles nor the dateline are special, and speed over the
    ellipsoid is constant to 1 %, as its curvature is. Altitude is linear in time. Between
    opposite waypoints, where every great circle is as short, the way is due north.

    A row of each array is a leg, track after track; rests are legs that turn by nothing.
    """

    count: int
    key: np.ndarray
    """Complex: number of the track, and when the leg begins; complex numbers sort by both."""
    start_s: np.ndarray
    origin: np.ndarray
    """Up where the leg begins, shape ``(legs, 3)``."""
    heading: np.ndarray
    """Unit vector of the way there, shape ``(legs, 3)``."""
    turn_rad_s: np.ndarray
    altitude_km: np.ndarray
    climb_km_s: np.ndarray

    @classmethod
    def of(cls, tracks: Sequence[Sequence[Waypoint]]) -> "Tracks":
        """Take waypoints in order of time, at least one for each track."""
        legs = [_legs(number, np.array(points, float).T) for number, points in enumerate(tracks)]
        return cls(len(tracks), *map(np.concatenate, zip(*legs, strict=True)))

    def itrs(self, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return positions (km), geodetic up and velocities (km/s) over ground in ITRS.

        All of shape ``(tracks, times, 3)``; at a waypoint the velocity is that of the next leg.
        """
        up, altitude_km, leg, angle = self._along(t_s)
        veer = np.cos(angle) * self.heading[leg] - np.sin(angle) * self.origin[leg]
        veer *= self.turn_rad_s[leg][..., None]
        normal_km = _normal_km(up[..., 2])
        # The derivative of the closed form: dN/dt = e² N³/a² sin(φ) d sin(φ)/dt.
        growth = _E2 * normal_km**3 / EARTH_RADIUS_KM**2 * up[..., 2] * veer[..., 2]
        radii_km = _along_axes(normal_km) + altitude_km[..., None]
        radii_km_s = _along_axes(growth) + self.climb_km_s[leg][..., None]
        return radii_km * up, up, radii_km_s * up + radii_km * veer

    def geodetic(self, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return latitude and longitude (degrees, east in [-180, 180]) and altitude (km).

        All of shape ``(tracks, times)``, WGS-84.
        """
        up, altitude_km, _, _ = self._along(t_s)
        latitude = np.arctan2(up[..., 2], np.hypot(up[..., 0], up[..., 1]))
        return np.degrees(latitude), np.degrees(np.arctan2(up[..., 1], up[..., 0])), altitude_km

    def _along(self, t_s: np.ndarray) -> tuple[np.ndarray, ...]:
        """Up, altitude, leg, and the angle covered on it, the last as ``(tracks, times, 1)``."""
        when = np.empty((self.count, len(t_s)), dtype=complex)
        when.real, when.imag = np.arange(self.count)[:, None], t_s
        leg = np.searchsorted(self.key, when, side="right") - 1
        since_s = t_s - self.start_s[leg]
        angle = (self.turn_rad_s[leg] * since_s)[..., None]
        up = np.cos(angle) * self.origin[leg] + np.sin(angle) * self.heading[leg]
        return up, self.altitude_km[leg] + self.climb_km_s[leg] * since_s, leg, angle


def _legs(number: int, points: np.ndarray) -> tuple[np.ndarray, ...]:
    """Rows of a track for :class:`Tracks`: its rest, a leg from each waypoint, its last a rest."""
    time_s, latitude_deg, longitude_deg, altitude_m = points
    _, up = geodetic_to_itrs_km(latitude_deg, longitude_deg, altitude_m)
    _, north = geodetic_to_itrs_km(latitude_deg + 90.0, longitude_deg, altitude_m)
    cosine = (up[:-1] * up[1:]).sum(-1)
    aside = up[1:] - cosine[:, None] * up[:-1]
    sine = length(aside)
    # Of the same and of opposite waypoints this is noise: 1e-12 of the Earth are 6 micrometres.
    clear = sine > 1e-12
    sine[~clear] = 0.0
    heading = north.copy()
    heading[:-1][clear] = aside[clear] / sine[clear, None]
    lasts_s = np.diff(time_s)
    at_rest = np.zeros(1)
    turn_rad_s = np.arctan2(sine, cosine) / lasts_s
    climb_km_s = np.diff(altitude_m) / 1e3 / lasts_s
    origin = np.concatenate(([0], np.arange(len(time_s))))
    key = np.empty(len(origin), dtype=complex)
    key.real, key.imag = number, np.concatenate(([-np.inf], time_s))
    return (
        key,
        time_s[origin],
        up[origin],
        heading[origin],
        np.concatenate((at_rest, turn_rad_s, at_rest)),
        altitude_m[origin] / 1e3,
        np.concatenate((at_rest, climb_km_s, at_rest)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Sites:
    """The stations of a scenario in ITRS, fixed ones and moving ones."""

    fixed_km: np.ndarray
    """Shape ``(stations, 3)``; of a moving one its first waypoint."""
    fixed_up: np.ndarray
    moving: np.ndarray
    """Indices of the stations that have a track."""
    tracks: Tracks | None

    @classmethod
    def of(cls, stations: Sequence[Sequence[Waypoint]]) -> "Sites":
        """Take each station's waypoints; a single one is a place."""
        first = np.array([points[0] for points in stations], dtype=float).reshape(-1, 4)
        _, latitude_deg, longitude_deg, altitude_m = first.T
        fixed_km, fixed_up = geodetic_to_itrs_km(latitude_deg, longitude_deg, altitude_m / 1e3)
        moving = np.flatnonzero([len(points) > 1 for points in stations])
        tracks = Tracks.of([stations[index] for index in moving]) if len(moving) else None
        return cls(fixed_km, fixed_up, moving, tracks)

    def __len__(self) -> int:
        return len(self.fixed_km)

    def itrs(self, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return positions (km), geodetic up and velocities (km/s) over ground in ITRS.

        Shape ``(stations, times, 3)``; ``(stations, 1, 3)`` where no station moves.
        """
        at_rest = self.fixed_km[:, None], self.fixed_up[:, None], np.zeros((len(self), 1, 3))
        if self.tracks is None:
            return at_rest
        position_km, up, velocity_km_s = (each.repeat(len(t_s), axis=1) for each in at_rest)
        moving = self.moving
        position_km[moving], up[moving], velocity_km_s[moving] = self.tracks.itrs(t_s)
        return position_km, up, velocity_km_s
