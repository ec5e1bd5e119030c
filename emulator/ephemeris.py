"""Scenario → Ephemeris: where every node is, as arrays in TEME kilometres.

Catalogued satellites are propagated by SGP4 (WGS-72, Vallado et al. 2006); Walker shells by J2
secular rates with Kozai mean motion, which stays within 20 km of SGP4 for a day. Stations ride
on the rotating Earth.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sgp4.api import SGP4_ERRORS, WGS72, Satrec, SatrecArray

from emulator.errors import PhysicsError
from emulator.frames import geodetic_to_itrs_km, gmst_rad, rotate_z
from emulator.scenario import Scenario
from emulator.sections import Satellite
from emulator.units import DAY_S, EARTH_RADIUS_KM, J2, MU_KM3_S2
from topologies.walker import Walker

_SGP4_EPOCH = datetime(1949, 12, 31, tzinfo=UTC)
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_J2000_JD = 2451545.0


def julian_date(start: datetime, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Julian date (UTC) of ``start`` + ``t_s`` as (whole days from noon, fraction)."""
    since = start - _J2000
    seconds = since.seconds + since.microseconds * 1e-6 + np.atleast_1d(t_s)
    whole = np.floor(seconds / DAY_S)
    return _J2000_JD + since.days + whole, (seconds - whole * DAY_S) / DAY_S


@dataclass(frozen=True)
class Ephemeris:
    """Positions of all nodes of a scenario as a function of seconds since its start."""

    start: datetime
    ut1_utc_s: float
    catalogued: tuple[tuple[slice, SatrecArray, tuple[str, ...]], ...]
    walkers: tuple[tuple[slice, Walker], ...]
    station_km: np.ndarray
    """ITRS, shape ``(stations, 3)``."""
    station_up: np.ndarray
    satellites: int

    @classmethod
    def of(cls, scenario: Scenario) -> "Ephemeris":
        """Gather the orbits and sites of ``scenario``."""
        catalogued, walkers, first = [], [], 0
        for each in scenario.constellation:
            pattern = each.walker_pattern()
            count = pattern.total if pattern else len(each.satellite)
            where = slice(first, first + count)
            first += count
            if pattern:
                walkers.append((where, pattern))
            else:
                orbits = SatrecArray([satrec(satellite) for satellite in each.satellite])
                catalogued.append((where, orbits, tuple(each.node_names())))
        sites = np.array(
            [(s.latitude_deg, s.longitude_deg, s.altitude_m / 1e3) for s in scenario.ground.station]
        ).reshape(-1, 3)
        station_km, station_up = geodetic_to_itrs_km(*sites.T)
        return cls(
            start=scenario.scenario.start,
            ut1_utc_s=scenario.scenario.ut1_utc_s,
            catalogued=tuple(catalogued),
            walkers=tuple(walkers),
            station_km=station_km,
            station_up=station_up,
            satellites=first,
        )

    def satellites_km(self, t_s: np.ndarray) -> np.ndarray:
        """TEME positions of the satellites at ``t_s`` seconds, shape ``(satellites, times, 3)``.

        Raises PhysicsError naming the satellite that SGP4 cannot propagate (decayed, say).
        """
        t_s = np.atleast_1d(np.asarray(t_s, dtype=np.float64))
        position_km = np.empty((self.satellites, len(t_s), 3))
        jd, fraction = julian_date(self.start, t_s)
        for where, orbits, names in self.catalogued:
            code, position_km[where], _ = orbits.sgp4(jd, fraction)
            if code.any():
                index, time = np.argwhere(code)[0]
                moment = self.start + timedelta(seconds=float(t_s[time]))
                reason = SGP4_ERRORS[int(code[index, time])]
                raise PhysicsError(
                    f"cannot propagate {names[index]} to {moment:%Y-%m-%dT%H:%M:%SZ}: {reason}. "
                    "Use elements whose epoch is near the scenario's start."
                )
        for where, pattern in self.walkers:
            position_km[where] = walker_km(pattern, t_s)
        return position_km

    def stations_km(self, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """TEME positions and geodetic up of the stations, both ``(stations, times, 3)``."""
        jd, fraction = julian_date(self.start, np.atleast_1d(t_s))
        gmst = gmst_rad(jd, fraction + self.ut1_utc_s / DAY_S)
        return rotate_z(self.station_km, gmst), rotate_z(self.station_up, gmst)

    def positions_km(self, t_s: np.ndarray) -> np.ndarray:
        """TEME positions of all nodes, satellites first, shape ``(nodes, times, 3)``."""
        return np.concatenate((self.satellites_km(t_s), self.stations_km(t_s)[0]))

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


def mean_motion_rad_s(pattern: Walker) -> float:
    """Kozai mean motion of a Walker shell (Kepler's third law)."""
    return float(np.sqrt(MU_KM3_S2 / (EARTH_RADIUS_KM + pattern.altitude_km) ** 3))


def walker_km(pattern: Walker, t_s: np.ndarray, members: slice = slice(None)) -> np.ndarray:
    """TEME positions of ``members`` of a Walker shell ``t_s`` after its epoch, ``(n, times, 3)``.

    Circular orbits with the secular J2 rates of node and perigee (Vallado, Fundamentals of
    Astrodynamics, eq. 9-37 and 9-39). The mean motion is Kozai's, as SGP4's is, so it already
    holds the J2 drift of the mean anomaly and no such term is added.
    """
    radius_km = EARTH_RADIUS_KM + pattern.altitude_km
    mean_motion = mean_motion_rad_s(pattern)
    inclination = np.radians(pattern.inclination_deg)
    rate = 1.5 * mean_motion * J2 * (EARTH_RADIUS_KM / radius_km) ** 2
    raan_rate = -rate * np.cos(inclination)
    perigee_rate = rate * (2 - 2.5 * np.sin(inclination) ** 2)
    raan = np.radians(pattern.raan_deg()[members])[:, None] + raan_rate * t_s
    latitude = np.radians(pattern.argument_of_latitude_deg()[members])[:, None]
    latitude = latitude + (mean_motion + perigee_rate) * t_s
    cos_u, sin_u = np.cos(latitude), np.sin(latitude)
    cos_raan, sin_raan = np.cos(raan), np.sin(raan)
    x = cos_raan * cos_u - sin_raan * sin_u * np.cos(inclination)
    y = sin_raan * cos_u + cos_raan * sin_u * np.cos(inclination)
    return radius_km * np.stack((x, y, sin_u * np.sin(inclination)), axis=-1)


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
