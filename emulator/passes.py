"""Scenario → passes and sunlight, by Skyfield: when satellites rise, culminate, set and are lit.

One search serves all: catalogued satellites are Skyfield's ``EarthSatellite``, and a satellite of
a Walker shell is one whose positions come from our ephemeris, so that its passes agree with the
plan. Elevations are geometric, without refraction. Events are good to half a second, the limit
of ``find_events``. For stations under way we look every half minute ourselves: ``find_events``
looks every twentieth of an orbit, in which an aircraft may turn. Import this module where it is
used: Skyfield takes its time to load.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from skyfield.api import Distance, EarthSatellite, Timescale, Velocity, load, load_file, wgs84
from skyfield.positionlib import Geocentric
from skyfield.sgp4lib import TEME
from skyfield.timelib import Time
from skyfield_data import get_skyfield_data_path

from emulator.ephemeris import Ephemeris, Shell, members, satrec
from emulator.frames import Tracks, rotate_z
from emulator.scenario import Scenario
from emulator.sections import Station
from emulator.units import DAY_S
from emulator.visibility import elevation_deg

_RISES, _CULMINATES, _SETS = 0, 1, 2
_SCAN_S = 30.0
_GOLDEN = (5**0.5 - 1) / 2
_HALVINGS = 16
_SECTIONS = 22
"""After which 30 s are half a millisecond, and 60 s are 2 ms."""

_Elevation = Callable[[Any], np.ndarray]
"""Seconds since the start, a sequence, to degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A satellite above a station's mask. Times are UTC, None where the window cuts them off."""

    station: str
    satellite: str
    aos: datetime | None
    tca: datetime | None
    los: datetime | None
    max_elevation_deg: float
    """The highest within the window: at TCA, or where the window cuts the pass before it."""
    sunlit: bool
    """Whether the satellite is in sunlight there."""


def passes(scenario: Scenario, min_elevation: float | None = None) -> list[Pass]:
    """Return every pass over every station within the scenario's window, in order of rising.

    ``min_elevation`` in degrees takes the place of each station's own mask. Raises PhysicsError
    where an orbit cannot be propagated.
    """
    window = _Window.of(scenario)
    ephemeris = Ephemeris.of(scenario)
    # Skyfield goes on with what SGP4 rejects; this raises and names the satellite.
    ephemeris.satellites_km(np.array([0.0, window.duration_s]))
    sites = [_site(station, ephemeris) for station in scenario.ground.station]
    found: list[tuple[float, Pass]] = []
    with _sun_and_earth() as bodies:
        for name, satellite in _satellites(scenario, window):
            for station, site in zip(scenario.ground.station, sites, strict=True):
                mask_deg = station.min_elevation_deg if min_elevation is None else min_elevation
                for bounds_s, height_deg in _sightings(satellite, site, mask_deg, window):
                    rise_s, highest_s, set_s = bounds_s
                    each = Pass(
                        station=station.name,
                        satellite=name,
                        aos=window.utc(rise_s),
                        tca=window.utc(highest_s),
                        los=window.utc(set_s),
                        max_elevation_deg=height_deg,
                        sunlit=bool(satellite.at(window.times(highest_s)).is_sunlit(bodies)),
                    )
                    found.append((rise_s, each))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def sunlit(scenario: Scenario, t_s: float) -> np.ndarray:
    """Return which satellites are lit ``t_s`` seconds after the start, bool ``(satellites,)``.

    A satellite is dark where the Earth, a sphere, hides the centre of the Sun (JPL DE421).
    """
    position_km = Ephemeris.of(scenario).satellites_km(np.array([t_s]))[:, 0].T
    place = Geocentric.from_time_and_frame_vectors(
        _Window.of(scenario).times(np.full(position_km.shape[1], t_s)),
        TEME,
        Distance(km=position_km),
        Velocity(km_per_s=np.zeros_like(position_km)),
    )
    with _sun_and_earth() as bodies:
        return np.asarray(place.is_sunlit(bodies))


@dataclass(frozen=True, slots=True)
class _Window:
    """The scenario's span of time, between its seconds and Skyfield's ``Time``."""

    start: datetime
    duration_s: float
    first: Time

    @classmethod
    def of(cls, scenario: Scenario) -> "_Window":
        """Take the leap seconds from Skyfield and UT1 from the scenario, as the plan does."""
        run = scenario.scenario
        start = load.timescale(builtin=True).from_datetime(run.start)
        tt_less_utc_s = start.delta_t + start.dut1
        timescale: Timescale = load.timescale(delta_t=tt_less_utc_s - run.ut1_utc_s)
        return cls(run.start, run.duration_s, timescale.from_datetime(run.start))

    def times(self, t_s: Any) -> Time:
        """Return ``t_s`` seconds after the start, a number or an array, as ``Time``."""
        fraction = self.first.tt_fraction + np.asarray(t_s) / DAY_S
        return self.first.ts.tt_jd(np.full(fraction.shape, self.first.whole)[()], fraction)

    def utc(self, t_s: float) -> datetime | None:
        """Return ``t_s`` as UTC, or None at either end of the window."""
        inside = 0 < t_s < self.duration_s
        return self.start + timedelta(seconds=float(t_s)) if inside else None


def _site(station: Station, ephemeris: Ephemeris) -> Any:
    """Return a place as Skyfield has it, or a track."""
    if len(station.waypoints) > 1:
        return _Underway(Tracks.of([station.waypoints]), ephemeris)
    [(_, latitude_deg, longitude_deg, altitude_m)] = station.waypoints
    return wgs84.latlon(latitude_deg, longitude_deg, altitude_m)


def _sightings(
    satellite: EarthSatellite, site: Any, mask_deg: float, window: _Window
) -> Iterator[tuple[tuple[float, float, float], float]]:
    """Yield ((rise_s, highest_s, set_s), highest elevation in degrees) of each pass."""
    ends_s = [0.0, window.duration_s]
    if isinstance(site, _Underway):
        elevation = site.elevation_of(satellite, window)
        event_s, event = _events(elevation, site.knots_s(window), mask_deg)
    else:

        def elevation(t_s: list[float]) -> np.ndarray:
            return (satellite - site).at(window.times(t_s)).altaz()[0].degrees

        time, event = satellite.find_events(site, *map(window.times, ends_s), mask_deg)
        event_s = (time - window.first) * DAY_S
    crossings_s = event_s[event != _CULMINATES].tolist()
    first = event[event != _CULMINATES][:1]
    up_at_start = first[0] == _SETS if len(first) else elevation(ends_s[:1])[0] >= mask_deg
    bounds_s = ends_s[: int(up_at_start)] + crossings_s
    bounds_s += ends_s[1:] * (len(bounds_s) % 2)
    for rise_s, set_s in zip(bounds_s[::2], bounds_s[1::2], strict=True):
        within = (event == _CULMINATES) & (rise_s <= event_s) & (event_s <= set_s)
        moments_s = [*event_s[within].tolist(), rise_s, set_s]
        heights_deg = elevation(moments_s)
        best = int(np.argmax(heights_deg))
        yield (rise_s, moments_s[best], set_s), float(heights_deg[best])


@dataclass(frozen=True, slots=True)
class _Underway:
    """A ship or an aircraft, in the place of a fixed site."""

    tracks: Tracks
    ephemeris: Ephemeris

    def knots_s(self, window: _Window) -> np.ndarray:
        """Return when to look: at even spacing, and wherever the course changes."""
        turns_s = np.clip(self.tracks.start_s, 0.0, window.duration_s)
        looks = math.ceil(window.duration_s / _SCAN_S) + 1
        return np.union1d(np.linspace(0.0, window.duration_s, looks), turns_s)

    def elevation_of(self, satellite: EarthSatellite, window: _Window) -> _Elevation:
        """Return the satellite's elevation as a function of time, after our own ephemeris."""

        def elevation(t_s: Any) -> np.ndarray:
            t_s = np.asarray(t_s)
            sidereal = self.ephemeris.gmst_rad(t_s)
            site_km, up, _ = (rotate_z(each, sidereal)[0] for each in self.tracks.itrs(t_s))
            satellite_km = satellite._position_and_velocity_TEME_km(window.times(t_s))[0].T
            return elevation_deg(site_km, up, satellite_km)

        return elevation


def _events(
    elevation: _Elevation, knots_s: np.ndarray, mask_deg: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return times and kinds of events as ``find_events`` does, good to some milliseconds.

    Culminations are bracketed by three knots and closed in on by golden sections; crossings of
    the mask lie between knots and culminations on different sides of it, found by halving. An end
    of the window from which elevation falls counts too, some milliseconds inside and so lower.
    """
    height_deg = elevation(knots_s)
    padded_deg = np.pad(height_deg, 1, constant_values=-np.inf)
    top = np.flatnonzero((padded_deg[:-2] < height_deg) & (height_deg >= padded_deg[2:]))
    before, after = np.maximum(top - 1, 0), np.minimum(top + 1, len(knots_s) - 1)
    peaks_s = _peaks_s(elevation, knots_s[before], knots_s[after])
    peaks_deg = elevation(peaks_s)
    looks_s = np.concatenate((knots_s, peaks_s))
    order = np.argsort(looks_s, kind="stable")
    looks_s, above = looks_s[order], np.concatenate((height_deg, peaks_deg))[order] >= mask_deg
    change = np.flatnonzero(above[1:] != above[:-1])
    rises = above[change + 1]
    crossings_s = _crossings_s(elevation, looks_s[change], looks_s[change + 1], mask_deg, rises)
    culminations_s = peaks_s[peaks_deg >= mask_deg]
    event_s = np.concatenate((crossings_s, culminations_s))
    event = np.concatenate(
        (np.where(rises, _RISES, _SETS), np.full(len(culminations_s), _CULMINATES))
    )
    order = np.argsort(event_s, kind="stable")
    return event_s[order], event[order]


def _peaks_s(elevation: _Elevation, first_s: np.ndarray, last_s: np.ndarray) -> np.ndarray:
    """Golden-section search for the highest point of each bracket (Kiefer, 1953)."""
    for _ in range(_SECTIONS):
        span_s = _GOLDEN * (last_s - first_s)
        early_s, late_s = last_s - span_s, first_s + span_s
        early_deg, late_deg = np.split(elevation(np.concatenate((early_s, late_s))), 2)
        falls = early_deg > late_deg
        first_s, last_s = np.where(falls, first_s, early_s), np.where(falls, late_s, last_s)
    return (first_s + last_s) / 2


def _crossings_s(
    elevation: _Elevation,
    first_s: np.ndarray,
    last_s: np.ndarray,
    mask_deg: float,
    rises: np.ndarray,
) -> np.ndarray:
    """Halve each interval around its crossing of the mask; return where it ends."""
    for _ in range(_HALVINGS):
        middle_s = (first_s + last_s) / 2
        later = (elevation(middle_s) >= mask_deg) != rises
        first_s, last_s = np.where(later, middle_s, first_s), np.where(later, last_s, middle_s)
    return last_s


def _satellites(scenario: Scenario, window: _Window) -> Iterator[tuple[str, EarthSatellite]]:
    for each in scenario.constellation:
        pattern = each.walker_pattern()
        if pattern:
            shell = Shell.of(pattern, members(each))
            for index, name in enumerate(each.node_names()):
                yield name, _WalkerSatellite(shell.one(index), index, window.first)
        for satellite in each.catalogued():
            yield satellite.name, EarthSatellite.from_satrec(satrec(satellite), window.first.ts)


class _WalkerSatellite(EarthSatellite):
    """One satellite of a Walker shell in the place of a catalogued one."""

    def __init__(self, shell: Shell, index: int, start: Time) -> None:
        self.shell = shell
        self.name = None
        self.epoch = start
        self.target = -100_000 - index
        # The one figure of an SGP4 orbit that the search asks for, in radians a minute.
        self.model = SimpleNamespace(satnum=index, no_kozai=60 * shell.mean_motion_rad_s)

    def _position_and_velocity_TEME_km(self, t: Time) -> tuple[np.ndarray, np.ndarray, None]:
        t_s = np.asarray((t - self.epoch) * DAY_S)
        position_km = self.shell.km(t_s.ravel())[0].T
        position_km = position_km.reshape(3, *t_s.shape)
        return position_km, np.zeros_like(position_km), None


def _sun_and_earth() -> Any:
    """Open JPL's DE421, which ships with skyfield-data: nothing is downloaded."""
    with warnings.catch_warnings():
        # Another file of that package expires within months; this one is good until 2053.
        warnings.simplefilter("ignore", RuntimeWarning)
        folder = get_skyfield_data_path()
    return closing(load_file(Path(folder, "de421.bsp")))
