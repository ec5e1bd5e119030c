"""Ships and aircraft: great circles against closed forms, places and looks against Skyfield's."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from skyfield.api import EarthSatellite, load, wgs84

from emulator.ephemeris import Ephemeris, satrec
from emulator.frames import Sites, Tracks, Waypoint
from emulator.scenario import Scenario
from emulator.units import DAY_S
from emulator.visibility import elevation_deg, range_km

ONE_MILLIMETRE_KM = 1e-6
ONE_METRE_KM = 1e-3
TEN_MICROMETRES_PER_SECOND_KM_S = 1e-8
A_MILLIMETRE_AT_SEA_RAD = 1.6e-10
A_TEN_THOUSANDTH_OF_A_DEGREE = 1e-4
FLATTEST_TO_ROUNDEST = 6399.593625758 / 6335.439327083
"""Radii of curvature of WGS-84: a²/b at the poles, b²/a along the meridian at the equator."""

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 360)
altitudes = st.floats(-500, 30_000)


def central_rad(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Central angle of two places in degrees: Vincenty's formula for a sphere, good everywhere."""
    (lat_a, lon_a), (lat_b, lon_b) = np.radians(a), np.radians(b)
    east = lon_b - lon_a
    across = np.cos(lat_b) * np.sin(east)
    along = np.cos(lat_a) * np.sin(lat_b) - np.sin(lat_a) * np.cos(lat_b) * np.cos(east)
    cosine = np.sin(lat_a) * np.sin(lat_b) + np.cos(lat_a) * np.cos(lat_b) * np.cos(east)
    return float(np.arctan2(np.hypot(across, along), cosine))


def between_deg(
    a: tuple[float, float], b: tuple[float, float], share: float
) -> tuple[float, float]:
    """Place on the great circle from a to b, by E. Williams' Aviation Formulary."""
    (lat_a, lon_a), (lat_b, lon_b) = np.radians(a), np.radians(b)
    whole = central_rad(a, b)
    of_a, of_b = np.sin((1 - share) * whole) / np.sin(whole), np.sin(share * whole) / np.sin(whole)
    x = of_a * np.cos(lat_a) * np.cos(lon_a) + of_b * np.cos(lat_b) * np.cos(lon_b)
    y = of_a * np.cos(lat_a) * np.sin(lon_a) + of_b * np.cos(lat_b) * np.sin(lon_b)
    z = of_a * np.sin(lat_a) + of_b * np.sin(lat_b)
    latitude, longitude = np.degrees([np.arctan2(z, np.hypot(x, y)), np.arctan2(y, x)])
    return float(latitude), float(longitude)


def turned_rad(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle between unit vectors."""
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1))


def itrs_km(latitude_deg: float, longitude_deg: float, altitude_m: float = 0.0) -> np.ndarray:
    return wgs84.latlon(latitude_deg, longitude_deg, altitude_m).itrs_xyz.km


def follow(*waypoints: Waypoint) -> Tracks:
    return Tracks.of([waypoints])


@given(latitudes, longitudes, latitudes, longitudes, st.floats(0, 1), altitudes, altitudes)
def test_evenly_along_the_great_circle(
    lat_a: float,
    lon_a: float,
    lat_b: float,
    lon_b: float,
    share: float,
    start_m: float,
    end_m: float,
) -> None:
    a, b = (lat_a, lon_a), (lat_b, lon_b)
    whole = central_rad(a, b)
    track = follow((100.0, *a, start_m), (1100.0, *b, end_m))
    [[first, now, last]] = track.itrs(np.array([100.0, 100.0 + 1000 * share, 1100.0]))[1]
    assert turned_rad(first, now) == pytest.approx(share * whole, abs=A_MILLIMETRE_AT_SEA_RAD)
    assert turned_rad(now, last) == pytest.approx((1 - share) * whole, abs=A_MILLIMETRE_AT_SEA_RAD)
    _, _, altitude_km = track.geodetic(np.array([100.0 + 1000 * share]))
    expected_km = (start_m + share * (end_m - start_m)) / 1e3
    assert altitude_km[0, 0] == pytest.approx(expected_km, abs=ONE_MILLIMETRE_KM)


@given(
    st.lists(st.tuples(st.floats(1, 9e4), latitudes, longitudes, altitudes), min_size=1, max_size=6)
)
def test_every_waypoint_is_met_in_time(legs: list[Waypoint]) -> None:
    time_s = np.cumsum([leg[0] for leg in legs])
    track = follow(*[(float(t), *leg[1:]) for t, leg in zip(time_s, legs, strict=True)])
    for moments_s in (time_s, np.nextafter(time_s, -np.inf)):
        [position_km], _, _ = track.itrs(moments_s)
        for found_km, (_, *place) in zip(position_km, legs, strict=True):
            assert np.linalg.norm(found_km - itrs_km(*place)) < ONE_MILLIMETRE_KM


@given(latitudes, longitudes, latitudes, longitudes, altitudes)
def test_geodetic_gives_positions_back(
    lat_a: float, lon_a: float, lat_b: float, lon_b: float, altitude_m: float
) -> None:
    t_s = np.array([-1.0, 0.0, 300.0, 1000.0, 2000.0])
    track = follow((0.0, lat_a, lon_a, altitude_m), (1000.0, lat_b, lon_b, 0.0))
    [position_km], [up], _ = track.itrs(t_s)
    for at_km, over, latitude_deg, longitude_deg, altitude_km in zip(
        position_km, up, *(each[0] for each in track.geodetic(t_s)), strict=True
    ):
        assert -180 <= longitude_deg <= 180
        here_km = itrs_km(latitude_deg, longitude_deg, altitude_km * 1e3)
        assert np.linalg.norm(at_km - here_km) < ONE_MILLIMETRE_KM
        above_km = itrs_km(latitude_deg, longitude_deg, altitude_km * 1e3 + 1e6)
        assert np.linalg.norm(over - (above_km - here_km) / 1e3) < ONE_MILLIMETRE_KM


@given(latitudes, longitudes, latitudes, longitudes, st.floats(0.05, 0.95), altitudes)
def test_velocity_over_ground_is_what_positions_do(
    lat_a: float, lon_a: float, lat_b: float, lon_b: float, share: float, altitude_m: float
) -> None:
    # Half round the Earth in 1e5 s at most: the third derivative makes 3 micrometres a second.
    track = follow((0.0, lat_a, lon_a, altitude_m), (1e5, lat_b, lon_b, 5000.0))
    t_s = 1e5 * share + np.array([-10.0, 0.0, 10.0])
    [(before_km, _, after_km)], _, [(_, now_km_s, _)] = track.itrs(t_s)
    apart_km_s = np.linalg.norm((after_km - before_km) / 20 - now_km_s)
    assert apart_km_s < TEN_MICROMETRES_PER_SECOND_KM_S


def test_at_rest_before_and_after() -> None:
    track = follow((10.0, 50.0, 5.0, 100.0), (20.0, 51.0, 6.0, 9000.0))
    [position_km], _, [velocity_km_s] = track.itrs(np.array([-1e6, 0.0, 9.999, 20.0, 1e7]))
    assert (velocity_km_s == 0).all()
    for found_km in position_km[:3]:
        assert np.linalg.norm(found_km - itrs_km(50.0, 5.0, 100.0)) < ONE_MILLIMETRE_KM
    for found_km in position_km[3:]:
        assert np.linalg.norm(found_km - itrs_km(51.0, 6.0, 9000.0)) < ONE_MILLIMETRE_KM


def test_a_waypoint_twice_is_a_stop() -> None:
    track = follow((0, 10, 10, 0), (100, 11, 10, 0), (200, 11, 10, 0), (300, 11, 12, 0))
    latitude, longitude, _ = track.geodetic(np.array([50.0, 100.0, 150.0, 199.0, 250.0]))
    assert latitude[0, :4] == pytest.approx([10.5, 11, 11, 11])
    assert longitude[0] == pytest.approx([10, 10, 10, 10, 11])
    assert (track.itrs(np.array([150.0]))[2] == 0).all()


@pytest.mark.parametrize("east_deg", [-170.0, 190.0])
def test_across_the_dateline_the_short_way(east_deg: float) -> None:
    track = follow((0, 0, 170, 0), (1000, 0, east_deg, 0))
    latitude, longitude, _ = track.geodetic(np.array([250.0, 499.0, 501.0, 750.0]))
    assert latitude[0] == pytest.approx(0, abs=1e-9)
    assert longitude[0] == pytest.approx([175, 179.98, -179.98, -175])


def test_over_the_pole() -> None:
    track = follow((0, 80, 30, 11e3), (1000, 80, -150, 11e3))
    latitude, longitude, _ = track.geodetic(np.array([250.0, 500.0, 750.0]))
    assert latitude[0] == pytest.approx([85, 90, 85])
    assert longitude[0, ::2] == pytest.approx([30, -150])
    [position_km], [up], [velocity_km_s] = track.itrs(np.array([500.0]))
    assert position_km[0] == pytest.approx([0, 0, 6356.752314245 + 11], abs=ONE_MILLIMETRE_KM)
    assert up[0] == pytest.approx([0, 0, 1])
    # There the radius of curvature is a²/b = 6399.593625758 km, both ways.
    along = -np.array([np.cos(np.radians(30)), np.sin(np.radians(30)), 0])
    speed_km_s = np.radians(20) / 1000 * (6399.593625758 + 11)
    assert velocity_km_s[0] == pytest.approx(along * speed_km_s, abs=1e-9)


@pytest.mark.parametrize(
    ("start", "end", "a_quarter"),
    [
        ((0, 0), (0, 180), (45, 0)),
        ((-30, 20), (30, -160), (15, 20)),
        ((-90, 20), (90, 0), (-45, 20)),
        ((90, 0), (-90, 0), (45, 180)),
    ],
)
def test_between_antipodes_the_way_is_north(
    start: tuple[float, float], end: tuple[float, float], a_quarter: tuple[float, float]
) -> None:
    track = follow((0, *start, 0), (1000, *end, 0))
    [early_km, last_km] = track.itrs(np.array([250.0, 1000.0]))[0][0]
    assert np.linalg.norm(early_km - itrs_km(*a_quarter)) < ONE_MILLIMETRE_KM
    assert np.linalg.norm(last_km - itrs_km(*end)) < ONE_MILLIMETRE_KM


def test_from_valparaiso_to_shanghai() -> None:
    # The worked example of Wikipedia's "Great-circle navigation": 168.56 degrees, half way at
    # 6.81 S 159.18 W.
    track = follow((0, -33, -71.6, 0), (1000, 31.4, 121.8, 0))
    [up] = track.itrs(np.array([0.0, 1000.0]))[1]
    assert np.degrees(turned_rad(*up)) == pytest.approx(168.56, abs=0.005)
    latitude, longitude, _ = track.geodetic(np.array([500.0]))
    assert latitude[0, 0] == pytest.approx(-6.81, abs=0.005)
    assert longitude[0, 0] == pytest.approx(-159.18, abs=0.005)


@given(latitudes, longitudes, latitudes, longitudes)
def test_speed_over_the_ellipsoid_is_as_even_as_its_curvature(
    lat_a: float, lon_a: float, lat_b: float, lon_b: float
) -> None:
    assume(central_rad((lat_a, lon_a), (lat_b, lon_b)) > 1e-6)
    track = follow((0, lat_a, lon_a, 0), (1000, lat_b, lon_b, 0))
    [velocity_km_s] = track.itrs(np.linspace(0, 999.9, 50))[2]
    speed_km_s = np.linalg.norm(velocity_km_s, axis=-1)
    assert speed_km_s.max() < speed_km_s.min() * FLATTEST_TO_ROUNDEST * (1 + 1e-9)


def test_tracks_do_not_mind_each_other() -> None:
    generator = np.random.default_rng(5)
    tracks = []
    for count in (1, 2, 40, 3, 7):
        time_s = np.cumsum(generator.uniform(1, 1000, count)) - 3000
        place = generator.uniform([-90, -180, -500], [90, 360, 30_000], (count, 3))
        tracks.append([(float(t), *each) for t, each in zip(time_s, place.tolist(), strict=True)])
    t_s = np.sort(generator.uniform(-4000, 25_000, 200))
    together = Tracks.of(tracks)
    for number, track in enumerate(tracks):
        alone = follow(*track)
        for ours, theirs in ((alone.itrs, together.itrs), (alone.geodetic, together.geodetic)):
            for one, all_of_them in zip(ours(t_s), theirs(t_s), strict=True):
                assert np.array_equal(one[0], all_of_them[number])


def test_sites_keep_their_order() -> None:
    fixed = [(0.0, 10.0, 20.0, 30.0)], [(0.0, -10.0, 50.0, 0.0)]
    moving = [(0.0, 0.0, 0.0, 0.0), (10.0, 1.0, 1.0, 100.0)], [(5.0, 3.0, 0.0, 0.0)]
    sites = Sites.of([fixed[0], moving[0], fixed[1], moving[1]])
    assert len(sites) == 4
    t_s = np.array([0.0, 5.0, 10.0])
    position_km, up, velocity_km_s = sites.itrs(t_s)
    assert position_km.shape == up.shape == velocity_km_s.shape == (4, 3, 3)
    assert np.array_equal(position_km[1], follow(*moving[0]).itrs(t_s)[0][0])
    assert (velocity_km_s[[0, 2, 3]] == 0).all()
    assert (velocity_km_s[1, :2] != 0).any(axis=-1).all()
    still_km, still_up, still_km_s = Sites.of([fixed[0], fixed[1], moving[1]]).itrs(t_s)
    assert still_km.shape == still_up.shape == still_km_s.shape == (3, 1, 3)
    assert (position_km[[0, 2, 3]] == still_km).all()
    assert (up[[0, 2, 3]] == still_up).all()


def test_no_site_at_all() -> None:
    assert [each.shape for each in Sites.of([]).itrs(np.array([0.0]))] == [(0, 1, 3)] * 3


def test_one_waypoint_is_a_place(walker_table: Callable) -> None:
    station = {"name": "s", "antennas": {"kind": "radio", "count": 1}}
    tables = (
        {"latitude_deg": 48.0, "longitude_deg": 11.0, "altitude_m": 500.0},
        {"track": [[77.0, 48.0, 11.0, 500.0]]},
    )
    place, track = (
        Ephemeris.of(
            Scenario.from_table(walker_table(ground={"station": [station | table]}))
        ).stations_km(np.array([0.0, 77.0, 500.0]))
        for table in tables
    )
    for ours, theirs in zip(place, track, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((55.0, -30.0, 11e3), (62.0, 40.0, 9e3)),
        ((20.0, 170.0, 0.0), (30.0, -170.0, 0.0)),
        ((84.0, 10.0, 12e3), (80.0, -160.0, 12e3)),
    ],
)
def test_looks_from_under_way_are_skyfields(
    three_body: Scenario, start: tuple[float, float, float], end: tuple[float, float, float]
) -> None:
    leg_s = 6 * 3600.0
    [antennas] = {station.antennas for station in three_body.ground.station[:1]}
    craft = three_body.ground.station[0].model_validate(
        {"name": "craft", "track": ((0.0, *start), (leg_s, *end)), "antennas": antennas}
    )
    ground = three_body.ground.model_copy(update={"station": (craft,)})
    ephemeris = Ephemeris.of(three_body.model_copy(update={"ground": ground}))
    timescale = load.timescale(builtin=True)
    first = timescale.from_datetime(three_body.scenario.start)
    orbits = [
        EarthSatellite.from_satrec(satrec(each), timescale)
        for each in three_body.constellation[0].satellite
    ]
    for share in np.linspace(0.02, 0.98, 25):
        t_s = np.array([leg_s * share])
        [[site_km]], [[up]] = ephemeris.stations_km(t_s)
        latitude_deg, longitude_deg = between_deg(start[:2], end[:2], float(share))
        altitude_m = start[2] + share * (end[2] - start[2])
        site = wgs84.latlon(latitude_deg, longitude_deg, altitude_m)
        moment = timescale.tt_jd(first.whole, first.tt_fraction + t_s[0] / DAY_S)
        for orbit, [satellite_km] in zip(orbits, ephemeris.satellites_km(t_s), strict=True):
            altitude, _, distance = (orbit - site).at(moment).altaz()
            assert abs(range_km(site_km, satellite_km) - distance.km) < ONE_METRE_KM
            apart_deg = elevation_deg(site_km, up, satellite_km) - altitude.degrees
            assert abs(apart_deg) < A_TEN_THOUSANDTH_OF_A_DEGREE
