"""Time and Earth-fixed positions, against Vallado's book, Skyfield and the calendar."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skyfield.api import load, wgs84
from skyfield.sgp4lib import theta_GMST1982

from emulator.ephemeris import julian_date
from emulator.frames import EARTH_RATE_RAD_S, add_spin, geodetic_to_itrs_km, gmst_rad, rotate_z
from emulator.units import EARTH_RADIUS_KM

ONE_MILLIMETRE_KM = 1e-6
ONE_MICROSECOND_DAYS = 1e-6 / 86400
FORTY_MICROSECONDS_DEG = 40e-6 / 86400 * 360
ONE_IN_TEN_BILLION = 1e-10
ONE_MILLIMETRE_AT_EQUATOR_RAD = ONE_MILLIMETRE_KM / EARTH_RADIUS_KM


def test_gmst_of_vallados_example_3_5() -> None:
    # 1992-08-20 12:14:00 UT1: 152.578787810 degrees, computed there from one float's date.
    gmst = gmst_rad(np.array([2448855.0]), np.array([14 / 1440]))
    assert np.degrees(gmst) == pytest.approx(152.578787810, abs=FORTY_MICROSECONDS_DEG)


@given(st.integers(2435000, 2472000), st.floats(-0.5, 0.5))
def test_gmst_is_skyfields(day: int, fraction: float) -> None:
    ours = gmst_rad(np.array([float(day)]), np.array([fraction]))[0]
    theirs, _ = theta_GMST1982(float(day), fraction)
    apart = (ours - theirs + np.pi) % (2 * np.pi) - np.pi
    assert abs(apart) < ONE_MILLIMETRE_AT_EQUATOR_RAD
    assert 0 <= ours < 2 * np.pi


@given(st.floats(-90, 90), st.floats(-180, 360), st.floats(-0.5, 10))
def test_station_positions_are_skyfields(latitude: float, longitude: float, height: float) -> None:
    [ours], [up] = geodetic_to_itrs_km(*np.array([[latitude], [longitude], [height]]))
    theirs = wgs84.latlon(latitude, longitude, elevation_m=height * 1e3).itrs_xyz.km
    assert np.linalg.norm(ours - theirs) < ONE_MILLIMETRE_KM
    higher = wgs84.latlon(latitude, longitude, elevation_m=height * 1e3 + 1e6).itrs_xyz.km
    assert np.linalg.norm(up - (higher - theirs) / 1e3) < ONE_MILLIMETRE_KM


def test_julian_date_of_the_epoch_j2000() -> None:
    whole, fraction = julian_date(datetime(2000, 1, 1, 12, tzinfo=UTC), np.array([0.0]))
    assert (whole[0], fraction[0]) == (2451545.0, 0.0)


@given(
    st.datetimes(datetime(1958, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),
    st.floats(-3e6, 3e6),
)
def test_julian_date_keeps_microseconds(start: datetime, t_s: float) -> None:
    whole, fraction = julian_date(start, np.array([t_s]))
    # Skyfield counts the calendar's days by itself; its UTC date is one float, good to 40 us.
    noon = load.timescale(builtin=True).utc(start.year, start.month, start.day).tai
    since_midnight_s = start.hour * 3600 + start.minute * 60 + start.second
    since_midnight_s += start.microsecond * 1e-6 + t_s
    expected = round(2 * noon) / 2
    days = (whole[0] - expected) + fraction[0] - since_midnight_s / 86400
    assert abs(days) < ONE_MICROSECOND_DAYS
    assert 0 <= fraction[0] < 1
    assert whole[0] == int(whole[0])


def test_the_earth_turns_eastward() -> None:
    greenwich = np.array([[1.0, 0.0, 0.5]])
    turned = rotate_z(greenwich, np.array([0.0, np.pi / 2]))
    assert turned.shape == (1, 2, 3)
    assert turned[0] == pytest.approx(np.array([[1, 0, 0.5], [0, 1, 0.5]]))


def test_each_time_may_have_vectors_of_its_own() -> None:
    vectors = np.random.default_rng(3).normal(size=(4, 5, 3))
    angles_rad = np.linspace(-3, 3, 5)
    turned = rotate_z(vectors, angles_rad)
    for time, angle_rad in enumerate(angles_rad):
        alone = rotate_z(vectors[:, time], np.array([angle_rad]))
        assert np.array_equal(turned[:, time], alone[:, 0])


@pytest.mark.parametrize("jd", [2435000.5, 2451545.0, 2472000.5])
def test_the_earth_turns_as_fast_as_skyfields(jd: float) -> None:
    _, rad_day = theta_GMST1982(jd, 0.0)
    assert abs(EARTH_RATE_RAD_S * 86400 / rad_day - 1) < ONE_IN_TEN_BILLION


def test_spin_is_the_cross_product_with_the_axis() -> None:
    position_km, velocity_km_s = np.random.default_rng(4).normal(size=(2, 6, 2, 3))
    expected = velocity_km_s + np.cross([0.0, 0.0, 0.7], position_km)
    add_spin(velocity_km_s, position_km, 0.7)
    assert velocity_km_s == pytest.approx(expected)
