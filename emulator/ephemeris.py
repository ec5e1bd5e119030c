"""Scenario → Ephemeris: where every node is and how it moves, as arrays in TEME kilometres.

Catalogued satellites are propagated by SGP4 (WGS-72, Vallado et al. 2006); Walker shells by J2
secular rates with Kozai mean motion, which stays within 20 km of SGP4 for a day. Stations ride
on the rotating Earth, some of them along a track. Arrays have nodes before times, but lie in memory
time by time: all nodes at one time are contiguous.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from sgp4.api import SGP4_ERRORS, WGS72, Satrec, SatrecArray

from emulator.constellations import Constellation, Satellite
from emulator.errors import PhysicsError
from emulator.frames import EARTH_RATE_RAD_S, Sites, add_spin, gmst_rad, rotate_z
from emulator.scenario import Scenario
from emulator.units import DAY_S, EARTH_RADIUS_KM, J2, MU_KM3_S2
from topologies.walker import Walker

_SGP4_EPOCH = datetime(1949, 12, 31, tzinfo=UTC)
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_J2000_JD = 2451545.0
_CACHED_ELEMENTS = 50_000
"""Intermediate arrays of no more floats than this stay in a processor's cache."""


def julian_date(start: datetime, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Julian date (UTC) of ``start`` + ``t_s`` as (whole days from noon, fraction)."""
    since = start - _J2000
    seconds = since.seconds + since.microseconds * 1e-6 + np.atleast_1d(t_s)
    whole = np.floor(seconds / DAY_S)
    return _J2000_JD + since.days + whole, (seconds - whole * DAY_S) / DAY_S


@dataclass(frozen=True)
class Ephemeris:
    """States of all nodes of a scenario as a function of seconds since its start."""

    start: datetime
    ut1_utc_s: float
    catalogued: tuple[tuple[slice, SatrecArray, tuple[str, ...]], ...]
    walkers: tuple[tuple[slice, "Shell"], ...]
    sites: Sites
    satellites: int

    @classmethod
    def of(cls, scenario: Scenario) -> "Ephemeris":
        """Gather the orbits and sites of ``scenario``."""
        catalogued, walkers, first = [], [], 0
        for each in scenario.constellation:
            pattern = each.walker_pattern()
            where = slice(first, first + each.size)
            first += each.size
            if pattern:
                walkers.append((where, Shell.of(pattern, members(each))))
            else:
                orbits = SatrecArray([satrec(satellite) for satellite in each.catalogued()])
                catalogued.append((where, orbits, tuple(each.node_names())))
        return cls(
            start=scenario.scenario.start,
            ut1_utc_s=scenario.scenario.ut1_utc_s,
            catalogued=tuple(catalogued),
            walkers=tuple(walkers),
            sites=Sites.of([station.waypoints for station in scenario.ground.station]),
            satellites=first,
        )

    @property
    def stations(self) -> int:
        """Number of stations, which are the nodes after the satellites."""
        return len(self.sites)

    def states(self, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """TEME positions (km) and velocities (km/s) of all nodes, each ``(nodes, times, 3)``.

        Satellites first. A station moves with the Earth and by itself. Raises PhysicsError as
        ``satellites_km``.
        """
        t_s = _times(t_s)
        position_km, velocity_km_s = np.empty((2, len(t_s), self.satellites + self.stations, 3))
        orbits, sites = slice(self.satellites), slice(self.satellites, None)
        self._fly(t_s, position_km[:, orbits], velocity_km_s[:, orbits])
        if self.stations:
            sidereal = self.gmst_rad(t_s)
            itrs_km, _, itrs_km_s = self.sites.itrs(t_s)
            position_km[:, sites] = rotate_z(itrs_km, sidereal).swapaxes(0, 1)
            velocity_km_s[:, sites] = rotate_z(itrs_km_s, sidereal).swapaxes(0, 1)
            add_spin(velocity_km_s[:, sites], position_km[:, sites], EARTH_RATE_RAD_S)
        return position_km.swapaxes(0, 1), velocity_km_s.swapaxes(0, 1)

    def positions_km(self, t_s: np.ndarray) -> np.ndarray:
        """TEME positions of all nodes, satellites first, shape ``(nodes, times, 3)``."""
        t_s = _times(t_s)
        position_km = np.empty((len(t_s), self.satellites + self.stations, 3))
        self._fly(t_s, position_km[:, : self.satellites])
        if self.stations:
            itrs_km = self.sites.itrs(t_s)[0]
            site_km = rotate_z(itrs_km, self.gmst_rad(t_s))
            position_km[:, self.satellites :] = site_km.swapaxes(0, 1)
        return position_km.swapaxes(0, 1)

    def satellites_km(self, t_s: np.ndarray) -> np.ndarray:
        """TEME positions of the satellites at ``t_s`` seconds, shape ``(satellites, times, 3)``.

        Raises PhysicsError naming the satellite that SGP4 cannot propagate (decayed, say).
        """
        t_s = _times(t_s)
        position_km = np.empty((len(t_s), self.satellites, 3))
        self._fly(t_s, position_km)
        return position_km.swapaxes(0, 1)

    def stations_km(self, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """TEME positions and geodetic up of the stations, both ``(stations, times, 3)``."""
        t_s = _times(t_s)
        sidereal = self.gmst_rad(t_s)
        itrs_km, up, _ = self.sites.itrs(t_s)
        return rotate_z(itrs_km, sidereal), rotate_z(up, sidereal)

    def gmst_rad(self, t_s: np.ndarray) -> np.ndarray:
        """By which angle the Earth is turned from TEME at each of ``t_s``, in [0, 2π)."""
        jd, fraction = julian_date(self.start, t_s)
        return gmst_rad(jd, fraction + self.ut1_utc_s / DAY_S)

    def _fly(
        self, t_s: np.ndarray, position_km: np.ndarray, velocity_km_s: np.ndarray | None = None
    ) -> None:
        """Write the satellites' states into arrays of shape ``(times, satellites, 3)``."""
        for where, orbits, names in self.catalogued:
            code, at_km, at_km_s = orbits.sgp4(*julian_date(self.start, t_s))
            if code.any():
                index, time = np.argwhere(code)[0]
                moment = self.start + timedelta(seconds=float(t_s[time]))
                reason = SGP4_ERRORS[int(code[index, time])]
                raise PhysicsError(
                    f"cannot propagate {names[index]} to {moment:%Y-%m-%dT%H:%M:%SZ}: {reason}. "
                    "Use elements whose epoch is near the scenario's start."
                )
            position_km[:, where] = at_km.swapaxes(0, 1)
            if velocity_km_s is not None:
                velocity_km_s[:, where] = at_km_s.swapaxes(0, 1)
        for where, shell in self.walkers:
            moving = None if velocity_km_s is None else velocity_km_s[:, where]
            shell.fly(t_s, position_km[:, where], moving)

    def along_track_rad(self, members: np.ndarray) -> np.ndarray:
        """Angle of each of ``members`` at the start in their common plane, in flight direction.

        The common plane is normal to the sum of their angular momenta; zero is an arbitrary
        direction in it, so that equatorial orbits, which have no node, need no special case.
        """
        now, soon = self.satellites_km(np.array([0.0, 1.0]))[members].transpose(1, 0, 2)
        pole = np.cross(now, soon).sum(axis=0)
        pole /= max(math.hypot(*pole), 1e-12)
        zero = np.cross(pole, np.eye(3)[np.argmin(np.abs(pole))])
        # Sums, not @: what a BLAS makes of the last bit depends on its environment variables.
        across, along = ((now * axis).sum(-1) for axis in (np.cross(pole, zero), zero))
        return np.arctan2(across, along)


def members(constellation: Constellation) -> slice | np.ndarray:
    """Return which satellites of its pattern a constellation has."""
    return slice(None) if constellation.only is None else np.array(constellation.only)


def mean_motion_rad_s(pattern: Walker) -> float:
    """Kozai mean motion of a Walker shell (Kepler's third law)."""
    return float(np.sqrt(MU_KM3_S2 / (EARTH_RADIUS_KM + pattern.altitude_km) ** 3))


@dataclass(frozen=True, slots=True, eq=False)
class Shell:
    """A Walker shell, or part of one, as the angles of its satellites at the epoch.

    Circular orbits with the secular J2 rates of node and perigee (Vallado, Fundamentals of
    Astrodynamics, eq. 9-37 and 9-39). The mean motion is Kozai's, as SGP4's is, so it already
    holds the J2 drift of the mean anomaly and no such term is added.
    """

    radius_km: float
    inclination_rad: float
    mean_motion_rad_s: float
    node_rate_rad_s: float
    latitude_rate_rad_s: float
    node_rad: np.ndarray
    """Right ascension of the ascending node of each plane, shape ``(planes, 1)``."""
    latitude_rad: np.ndarray
    """Argument of latitude, shape ``(planes, satellites of a plane)``."""

    @classmethod
    def of(cls, pattern: Walker, members: slice | np.ndarray = slice(None)) -> "Shell":
        """Take ``members`` of a pattern; of fewer than all, each counts as a plane of its own."""
        radius_km = EARTH_RADIUS_KM + pattern.altitude_km
        mean_motion = mean_motion_rad_s(pattern)
        inclination = float(np.radians(pattern.inclination_deg))
        rate = 1.5 * mean_motion * J2 * (EARTH_RADIUS_KM / radius_km) ** 2
        perigee_rate = rate * (2 - 2.5 * np.sin(inclination) ** 2)
        latitude = np.radians(pattern.argument_of_latitude_deg()[members])
        planes = pattern.planes if len(latitude) == pattern.total else len(latitude)
        latitude = latitude.reshape(planes, -1)
        return cls(
            radius_km=radius_km,
            inclination_rad=inclination,
            mean_motion_rad_s=mean_motion,
            node_rate_rad_s=float(-rate * np.cos(inclination)),
            latitude_rate_rad_s=float(mean_motion + perigee_rate),
            node_rad=np.radians(pattern.raan_deg()[members]).reshape(latitude.shape)[:, :1],
            latitude_rad=latitude,
        )

    def one(self, index: int) -> "Shell":
        """Return a single satellite."""
        plane, slot = divmod(index, self.latitude_rad.shape[1])
        place = slice(plane, plane + 1), slice(slot, slot + 1)
        return replace(
            self, node_rad=self.node_rad[place[0]], latitude_rad=self.latitude_rad[place]
        )

    def km(self, t_s: np.ndarray) -> np.ndarray:
        """Return TEME positions ``t_s`` after the epoch, shape ``(satellites, times, 3)``."""
        position_km = np.empty((len(t_s), self.latitude_rad.size, 3))
        self.fly(t_s, position_km)
        return position_km.swapaxes(0, 1)

    def fly(
        self, t_s: np.ndarray, position_km: np.ndarray, velocity_km_s: np.ndarray | None = None
    ) -> None:
        """Write TEME states ``t_s`` after the epoch into arrays ``(times, satellites, 3)``."""
        block = max(1, _CACHED_ELEMENTS // self.latitude_rad.size)
        for first in range(0, len(t_s), block):
            now = slice(first, first + block)
            moving = None if velocity_km_s is None else velocity_km_s[now]
            self._fly(t_s[now, None, None], position_km[now], moving)

    def _fly(
        self, t_s: np.ndarray, position_km: np.ndarray, velocity_km_s: np.ndarray | None
    ) -> None:
        node = self.node_rad + self.node_rate_rad_s * t_s
        latitude = self.latitude_rad + self.latitude_rate_rad_s * t_s
        node, (cos_u, sin_u) = (np.cos(node), np.sin(node)), (np.cos(latitude), np.sin(latitude))
        self._turn(node, cos_u, sin_u, self.radius_km, position_km)
        if velocity_km_s is not None:
            speed_km_s = self.radius_km * self.latitude_rate_rad_s
            self._turn(node, -sin_u, cos_u, speed_km_s, velocity_km_s)
            add_spin(velocity_km_s, position_km, self.node_rate_rad_s)

    def _turn(
        self,
        node: tuple[np.ndarray, np.ndarray],
        along: np.ndarray,
        across: np.ndarray,
        scale: float,
        out: np.ndarray,
    ) -> None:
        """Write ``scale`` times vectors in orbital planes, from the node, as vectors in TEME."""
        cos_node, sin_node = node
        cos_i, sin_i = np.cos(self.inclination_rad), np.sin(self.inclination_rad)
        x, y, z = np.moveaxis(out.reshape(*along.shape, 3), -1, 0)
        np.multiply(cos_node * along - sin_node * across * cos_i, scale, out=x)
        np.multiply(sin_node * along + cos_node * across * cos_i, scale, out=y)
        np.multiply(across * sin_i, scale, out=z)


def walker_km(pattern: Walker, t_s: np.ndarray, members: slice = slice(None)) -> np.ndarray:
    """TEME positions of a Walker shell's ``members`` ``t_s`` after its epoch, ``(n, times, 3)``."""
    return Shell.of(pattern, members).km(t_s)


def _times(t_s: np.ndarray) -> np.ndarray:
    return np.atleast_1d(np.asarray(t_s, dtype=np.float64))


def satrec(satellite: Satellite) -> Satrec:
    """Return the SGP4 orbit of a catalogued satellite."""
    orbit = Satrec()
    epoch_days = (satellite.epoch - _SGP4_EPOCH) / timedelta(days=1)
    orbit.sgp4init(
        WGS72,
        "i",
        satellite.catalogue % 100_000,
        epoch_days,
        satellite.bstar,
        0.0,
        0.0,
        satellite.eccentricity,
        np.radians(satellite.arg_perigee_deg),
        np.radians(satellite.inclination_deg),
        np.radians(satellite.mean_anomaly_deg),
        satellite.mean_motion_rev_day * 2 * np.pi / 1440.0,
        np.radians(satellite.raan_deg),
    )
    return orbit
