"""The Sun's direction and the Earth's shadow, against JPL DE421 by Skyfield and closed forms."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skyfield.api import Distance, Velocity, load
from skyfield.positionlib import Geocentric
from skyfield.sgp4lib import TEME
from skyfield.timelib import Time

from emulator.ephemeris import julian_date, mean_motion_rad_s, walker_km
from emulator.physics.sun import (
    beta_angle_deg,
    eclipse_fraction,
    separation_rad,
    sun_direction,
    sunlit,
)
from emulator.units import DAY_S, EARTH_RADIUS_KM
from topologies.walker import Walker

A_HUNDREDTH_OF_A_DEGREE = 0.01
TWO_SECONDS = 2.0
A_THOUSANDTH_OF_AN_ORBIT = 1e-3
SIX_DIGITS = 1e-6
DE421_ENDS = datetime(2053, 10, 8, tzinfo=UTC)

START = datetime(2026, 8, 11, 6, tzinfo=UTC)
unit_floats = st.floats(-1, 1).filter(lambda x: x == 0 or abs(x) > 1e-6)
directions = arrays(float, 3, elements=unit_floats).filter(lambda v: np.linalg.norm(v) > 0.1)


def walker(inclination_deg: float, altitude_km: float, total: int, planes: int) -> Walker:
    return Walker(
        inclination_deg=inclination_deg,
        total=total,
        planes=planes,
        phasing=1.0,
        altitude_km=altitude_km,
        raan_start_deg=10.0,
        raan_spacing_deg=360.0 / planes,
    )


def skyfield_times(start: datetime, t_s: np.ndarray) -> Time:
    first = load.timescale(builtin=True).from_datetime(start)
    return first.ts.tt_jd(np.full(len(t_s), first.whole), first.tt_fraction + t_s / DAY_S)


def test_sun_direction_is_de421s_apparent_sun(bodies: Any) -> None:
    # Every 8.6 days or so from Sputnik to the end of DE421, so that no season is left out.
    start = datetime(1957, 10, 4, tzinfo=UTC)
    t_s = np.linspace(0.0, (DE421_ENDS - start).total_seconds() - DAY_S, 4001)
    ours = sun_direction(*julian_date(start, t_s))
    apparent = bodies["earth"].at(skyfield_times(start, t_s)).observe(bodies["sun"]).apparent()
    apart = separation_rad(ours, apparent.frame_xyz(TEME).km.T)
    assert np.degrees(apart).max() < A_HUNDREDTH_OF_A_DEGREE
    assert np.linalg.norm(ours, axis=-1) == pytest.approx(1.0, abs=SIX_DIGITS)


def test_equinoxes_and_solstices_of_2026() -> None:
    # UTC to the minute, from the almanacs: 20 Mar 14:46, 21 Jun 08:24, 23 Sep 00:05, 21 Dec 20:50.
    moments = [(3, 20, 14, 46), (6, 21, 8, 24), (9, 23, 0, 5), (12, 21, 20, 50)]
    dates = [julian_date(datetime(2026, *each, tzinfo=UTC), np.zeros(1)) for each in moments]
    suns = sun_direction(*np.array(dates).squeeze(-1).T)
    tilt = np.radians(23.436)
    low, high = np.cos(tilt), np.sin(tilt)
    expected = np.array([[1, 0, 0], [0, low, high], [-1, 0, 0], [0, -low, -high]])
    apart = separation_rad(suns, expected)
    assert np.degrees(apart).max() < A_HUNDREDTH_OF_A_DEGREE


def test_sun_direction_broadcasts() -> None:
    whole, fraction = np.full((2, 1), 2460000.0), np.linspace(0, 1, 5)
    suns = sun_direction(whole, fraction)
    assert suns.shape == (2, 5, 3)
    assert np.array_equal(suns[1, 3], sun_direction(whole[1], fraction[3:4])[0])


@pytest.mark.parametrize("altitude_km", [350.0, 550.0, 1200.0])
def test_sunlit_is_skyfields_but_at_the_terminator(bodies: Any, altitude_km: float) -> None:
    pattern = walker(53.0, altitude_km, 12, 6)
    t_s = np.arange(0.0, 7200.0, 1.0)
    position_km = walker_km(pattern, t_s)
    ours = sunlit(position_km, sun_direction(*julian_date(START, t_s)))
    times = skyfield_times(START, t_s)
    edges = 0
    for place_km, lit in zip(position_km, ours, strict=True):
        xyz = Distance(km=place_km.T)
        still = Velocity(km_per_s=np.zeros_like(place_km.T))
        place = Geocentric.from_time_and_frame_vectors(times, TEME, xyz, still)
        theirs = np.asarray(place.is_sunlit(bodies))
        edges_s = np.append(t_s[1:][np.diff(theirs)], np.inf)
        differ_s = t_s[lit != theirs]
        assert (np.abs(differ_s[:, None] - edges_s).min(1) <= TWO_SECONDS).all()
        edges += len(edges_s) - 1
    assert edges >= len(position_km)


def test_the_shadow_is_a_cylinder_behind_the_earth() -> None:
    sun = np.array([1.0, 0.0, 0.0])
    inside, outside = EARTH_RADIUS_KM - 1e-6, EARTH_RADIUS_KM + 1e-6
    places = [(-7e3, 0, inside), (-7e3, 0, outside), (7e3, 0, 0), (-7e3, 0, 0), (0, 7e3, 0)]
    assert sunlit(np.array(places), sun).tolist() == [False, True, True, False, True]


def test_v16_eclipse_fraction() -> None:
    shares = eclipse_fraction(np.array([550.0, 550.0, 1200.0]), np.array([0.0, 60.0, 60.0]))
    assert shares == pytest.approx(np.array([0.372311, 0.214735, 0.0]), abs=SIX_DIGITS)


def test_eclipses_end_at_the_critical_beta() -> None:
    # 550 km: none above 67.02 degrees; 1200 km: above 57.31.
    critical_deg = np.degrees(np.arcsin(EARTH_RADIUS_KM / (EARTH_RADIUS_KM + 550.0)))
    assert critical_deg == pytest.approx(67.02, abs=0.005)
    share = eclipse_fraction(550.0, critical_deg + np.array([-0.01, 0.01, 90 - critical_deg]))
    assert share[0] > 0
    assert share[1:].tolist() == [0.0, 0.0]
    assert eclipse_fraction(550.0, -30.0) == eclipse_fraction(550.0, 30.0)


@pytest.mark.parametrize("altitude_km", [550.0, 1200.0])
def test_counted_eclipses_are_the_closed_forms(altitude_km: float) -> None:
    # The Sun is held for one revolution. Six planes: six beta angles, some without eclipse.
    pattern = walker(87.0, altitude_km, 6, 6)
    sun = sun_direction(*julian_date(START, np.zeros(1)))
    t_s = np.linspace(0.0, 2 * np.pi / mean_motion_rad_s(pattern), 20_001)[:-1]
    position_km = walker_km(pattern, t_s)
    counted = 1 - sunlit(position_km, sun).mean(axis=1)
    beta = beta_angle_deg(np.cross(position_km[:, 0], position_km[:, 1]), sun)
    assert np.abs(counted - eclipse_fraction(altitude_km, beta)).max() < A_THOUSANDTH_OF_AN_ORBIT
    assert counted.max() > 0.25
    assert np.ptp(np.abs(beta)) > 30.0


@given(directions, directions)
def test_separation_is_between_0_and_pi_and_symmetric(a: np.ndarray, b: np.ndarray) -> None:
    apart = separation_rad(a, b)
    assert 0 <= apart <= np.pi
    assert apart == separation_rad(b, a)
    assert apart + separation_rad(a, -b) == pytest.approx(np.pi)


def test_separation_keeps_nanoradians() -> None:
    a = np.array([1.0, 0.0, 0.0])
    angles = np.array([0.0, 1e-9, 0.5, np.pi / 2, np.pi])
    b = 7.0 * np.stack((np.cos(angles), np.sin(angles), np.zeros(5)), axis=-1)
    assert separation_rad(a, b) == pytest.approx(angles, rel=SIX_DIGITS)
