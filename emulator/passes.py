"""Scenario → passes and sunlight, by Skyfield: when satellites rise, culminate, set and are lit.

One search serves all: catalogued satellites are Skyfield's ``EarthSatellite``, and a satellite of
a Walker shell is one whose positions come from our ephemeris, so that its passes agree with the
plan. Elevations are geometric, without refraction. Events are good to half a second, the limit
of ``find_events``. Import this module where it is used: Skyfield takes its time to load.
"""

import warnings
from collections.abc import Iterator
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

from emulator.ephemeris import Ephemeris, mean_motion_rad_s, satrec, walker_km
from emulator.scenario import Scenario
from emulator.units import DAY_S
from topologies.walker import Walker

_CULMINATES, _SETS = 1, 2


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
    # Skyfield goes on with what SGP4 rejects; this raises and names the satellite.
    Ephemeris.of(scenario).satellites_km(np.array([0.0, window.duration_s]))
    found: list[tuple[float, Pass]] = []
    with _sun_and_earth() as bodies:
        for name, satellite in _satellites(scenario, window):
            for station in scenario.ground.station:
                mask_deg = station.min_elevation_deg if min_elevation is None else min_elevation
                site = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.altitude_m)
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


def _sightings(
    satellite: EarthSatellite, site: Any, mask_deg: float, window: _Window
) -> Iterator[tuple[tuple[float, float, float], float]]:
    """Yield ((rise_s, highest_s, set_s), highest elevation in degrees) of each pass."""

    def elevation_deg(t_s: list[float]) -> np.ndarray:
        return (satellite - site).at(window.times(t_s)).altaz()[0].degrees

    ends_s = [0.0, window.duration_s]
    time, event = satellite.find_events(site, *map(window.times, ends_s), mask_deg)
    event_s = (time - window.first) * DAY_S
    crossings_s = event_s[event != _CULMINATES].tolist()
    first = event[event != _CULMINATES][:1]
    up_at_start = first[0] == _SETS if len(first) else elevation_deg(ends_s[:1])[0] >= mask_deg
    bounds_s = ends_s[: int(up_at_start)] + crossings_s
    bounds_s += ends_s[1:] * (len(bounds_s) % 2)
    for rise_s, set_s in zip(bounds_s[::2], bounds_s[1::2], strict=True):
        within = (event == _CULMINATES) & (rise_s <= event_s) & (event_s <= set_s)
        moments_s = [*event_s[within].tolist(), rise_s, set_s]
        heights_deg = elevation_deg(moments_s)
        best = int(np.argmax(heights_deg))
        yield (rise_s, moments_s[best], set_s), float(heights_deg[best])


def _satellites(scenario: Scenario, window: _Window) -> Iterator[tuple[str, EarthSatellite]]:
    for each in scenario.constellation:
        pattern = each.walker_pattern()
        if pattern:
            for index, name in enumerate(each.node_names()):
                yield name, _WalkerSatellite(pattern, index, window.first)
        for satellite in each.satellite:
            yield satellite.name, EarthSatellite.from_satrec(satrec(satellite), window.first.ts)


class _WalkerSatellite(EarthSatellite):
    """One satellite of a Walker shell in the place of a catalogued one."""

    def __init__(self, pattern: Walker, index: int, start: Time) -> None:
        self.pattern = pattern
        self.members = slice(index, index + 1)
        self.name = None
        self.epoch = start
        self.target = -100_000 - index
        # The one figure of an SGP4 orbit that the search asks for, in radians a minute.
        self.model = SimpleNamespace(satnum=index, no_kozai=60 * mean_motion_rad_s(pattern))

    def _position_and_velocity_TEME_km(self, t: Time) -> tuple[np.ndarray, np.ndarray, None]:
        t_s = np.asarray((t - self.epoch) * DAY_S)
        position_km = walker_km(self.pattern, t_s.ravel(), self.members)[0].T
        position_km = position_km.reshape(3, *t_s.shape)
        return position_km, np.zeros_like(position_km), None


def _sun_and_earth() -> Any:
    """Open JPL's DE421, which ships with skyfield-data: nothing is downloaded."""
    with warnings.catch_warnings():
        # Another file of that package expires within months; this one is good until 2053.
        warnings.simplefilter("ignore", RuntimeWarning)
        folder = get_skyfield_data_path()
    return closing(load_file(Path(folder, "de421.bsp")))
