"""Closed forms of experiments, against published tables, Skyfield and other ways to the figure."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, wgs84

from emulator.constellations import Satellite
from emulator.ephemeris import satrec
from emulator.experiments import formulas, scenes
from emulator.experiments.lattice import Lattice
from emulator.experiments.tracks import Tracks, Waits, pass_lengths_s, streets_cover
from emulator.units import EARTH_RADIUS_KM

ROUNDED_MS = 0.006
"""Half of the last digit of the table, which has two decimals, and a little."""


@pytest.mark.parametrize(
    ("altitude_km", "delays_ms", "sight_deg", "sight_km"),
    [
        (500, {90: 1.67, 40: 2.47, 25: 3.44, 10: 5.65, 5: 6.93}, 40.3, 4733),
        (550, {90: 1.83, 40: 2.71, 25: 3.75, 10: 6.06, 5: 7.36}, 42.5, 5017),
        (1149, {90: 3.83, 40: 5.42, 25: 7.09, 10: 10.14, 5: 11.61}, 61.8, 7733),
        (8000, {90: 26.69, 40: 31.43, 25: 34.92, 10: 39.45, 5: 41.17}, 126.6, 25692),
        (35786, {90: 119.37, 40: 126.02, 25: 130.33, 10: 135.38, 5: 137.18}, 162.4, 83333),
    ],
)
def test_ranges_are_those_of_the_usual_table(
    altitude_km: float, delays_ms: dict[int, float], sight_deg: float, sight_km: float
) -> None:
    for elevation_deg, delay_ms in delays_ms.items():
        slant_km = formulas.slant_range_km(altitude_km, elevation_deg)
        assert formulas.one_way_ms(slant_km) == pytest.approx(delay_ms, abs=ROUNDED_MS)
    arc_deg = formulas.sight_arc_deg(altitude_km, 80.0)
    assert arc_deg == pytest.approx(sight_deg, abs=0.06)
    assert formulas.chord_km(altitude_km, arc_deg) == pytest.approx(sight_km, abs=1)


def test_slant_and_half_angle_make_one_triangle() -> None:
    for altitude_km, elevation_deg, site_km in ((550, 25, EARTH_RADIUS_KM), (1149, 10, 6357.0)):
        half = math.radians(formulas.half_angle_deg(altitude_km, elevation_deg, site_km))
        radius_km = EARTH_RADIUS_KM + altitude_km
        law_of_cosines_km = math.sqrt(
            site_km**2 + radius_km**2 - 2 * site_km * radius_km * math.cos(half)
        )
        slant_km = formulas.slant_range_km(altitude_km, elevation_deg, site_km)
        assert slant_km == pytest.approx(law_of_cosines_km, rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "fibre_ms"),
    [
        ("london", "new-york", 82),
        ("beijing", "frankfurt", 114),
        ("singapore", "london", 159),
        ("johannesburg", "london", 133),
        ("sydney", "london", 250),
        ("shanghai", "sao-paulo", 273),
    ],
)
def test_fibre_takes_what_it_is_said_to(a: str, b: str, fibre_ms: float) -> None:
    apart_km = formulas.great_circle_km(scenes.CITIES[a], scenes.CITIES[b])
    assert formulas.fibre_rtt_ms(apart_km, 1.5) == pytest.approx(fibre_ms, abs=0.6)


def test_where_fibre_takes_a_tenth_of_a_second() -> None:
    assert formulas.fibre_rtt_ms(6807, 1.5) == pytest.approx(100, abs=0.01)
    assert formulas.fibre_rtt_ms(20420, 1.5) == pytest.approx(300, abs=0.03)


def test_a_ring_of_twelve() -> None:
    sight_deg = formulas.sight_arc_deg(500, 80)
    assert formulas.ring_pairs_in_sight(12, sight_deg) == 12
    assert formulas.ring_pairs_in_sight(12, 180) == 66
    assert formulas.ring_mean_hops(12) == pytest.approx(3.27, abs=0.005)
    hop_ms = formulas.one_way_ms(formulas.chord_km(500, 30))
    assert [hop_ms, 6 * hop_ms, 11 * hop_ms] == pytest.approx([11.88, 71.3, 130.6], abs=0.06)


@pytest.mark.parametrize(
    ("altitude_km", "minutes"), [(500, 94.62), (1068, 106.58), (8000, 285.97), (35786, 1436.07)]
)
def test_periods_are_keplers(altitude_km: float, minutes: float) -> None:
    assert formulas.period_s(altitude_km) / 60 == pytest.approx(minutes, abs=0.006)


def test_a_sun_synchronous_node_goes_round_once_a_year() -> None:
    a_day = formulas.node_rate_deg_s(500, 97.4) * 86400
    assert a_day == pytest.approx(360 / 365.2422, rel=0.005)


def test_the_distance_to_the_earths_centre_is_skyfields() -> None:
    for latitude_deg in (0.0, 39.9, -75.0, 90.0):
        centre_km = np.linalg.norm(wgs84.latlon(latitude_deg, 20.0).itrs_xyz.km)
        assert formulas.site_radius_km(latitude_deg) == pytest.approx(centre_km, abs=1e-3)
        x, _, z = wgs84.latlon(latitude_deg, 0.0).itrs_xyz.km
        geocentric_deg = math.degrees(math.atan2(z, x))
        assert formulas.geocentric_deg(latitude_deg) == pytest.approx(geocentric_deg, abs=1e-9)


@pytest.mark.parametrize(
    ("station", "minutes"),
    [("miyun", 29.0), ("kashi", 28.6), ("sanya", 22.9), ("lijiang", 24.5), ("mohe", 37.5)],
)
def test_time_in_view_is_that_of_three_days_counted(station: str, minutes: float) -> None:
    latitude_deg = scenes.CITIES[station][0]
    share = formulas.share_in_view(97.4, latitude_deg, formulas.half_angle_deg(500, 5))
    # Three days hold some dozen passes: 3 % is a pass of middling length more or less.
    assert share * 1440 == pytest.approx(minutes, rel=0.03)


@pytest.mark.parametrize(("inclination_deg", "latitude_deg"), [(97.4, 40.0), (53.0, 0), (55, 60)])
def test_time_in_view_is_a_share_of_all_moments(
    inclination_deg: float, latitude_deg: float
) -> None:
    drawn = np.random.default_rng(1)
    u, longitude = drawn.uniform(0, 2 * np.pi, (2, 1_000_000))
    below = np.arcsin(np.sin(np.radians(inclination_deg)) * np.sin(u))
    place = np.radians(latitude_deg)
    cosine = np.sin(place) * np.sin(below) + np.cos(place) * np.cos(below) * np.cos(longitude)
    counted = (cosine >= np.cos(np.radians(23.4))).mean()
    share = formulas.share_in_view(inclination_deg, latitude_deg, 23.4)
    assert share == pytest.approx(counted, abs=4 * math.sqrt(counted / len(u)))


def test_a_polar_star_is_dark_for_a_fifth_of_each_revolution() -> None:
    assert formulas.share_above_latitude(86.5, 70) == pytest.approx(0.219, abs=5e-4)
    assert formulas.share_above_latitude(60, 70) == 0
    u = np.linspace(0, 2 * np.pi, 100_001)
    counted = (np.abs(np.sin(np.radians(50)) * np.sin(u)) > np.sin(np.radians(30))).mean()
    assert formulas.share_above_latitude(50, 30) == pytest.approx(counted, abs=1e-4)


@pytest.mark.parametrize("inclination_deg", [53.0, 97.8])
def test_a_plane_passes_over_the_city_that_it_is_made_for(inclination_deg: float) -> None:
    latitude_deg, longitude_deg, sidereal_deg = 31.2, 121.5, 77.0
    node_deg, u_deg = formulas.node_over_deg(
        inclination_deg, (latitude_deg, longitude_deg), sidereal_deg
    )
    node, u, lean = np.radians([node_deg, u_deg, inclination_deg])
    at = [
        np.cos(node) * np.cos(u) - np.sin(node) * np.sin(u) * np.cos(lean),
        np.sin(node) * np.cos(u) + np.cos(node) * np.sin(u) * np.cos(lean),
        np.sin(u) * np.sin(lean),
    ]
    assert np.degrees(np.arcsin(at[2])) == pytest.approx(latitude_deg)
    east_deg = np.degrees(np.arctan2(at[1], at[0])) - sidereal_deg
    assert (east_deg - longitude_deg + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)


SHELL = Lattice(altitude_km=550, inclination_deg=53, planes=72, per_plane=22, phasing=17)


def test_hops_of_a_shell() -> None:
    assert formulas.one_way_ms(SHELL.along_km) == pytest.approx(6.58, abs=0.006)
    for u_deg in (0.0, 33.0, 90.0, 200.0):
        for sign in (1, -1):
            apart_km = np.linalg.norm(_at_km(u_deg, 0) - _at_km(u_deg, sign))
            assert SHELL.across_km(np.array([u_deg]), sign)[0] == pytest.approx(apart_km)


def _at_km(u_deg: float, plane: int) -> np.ndarray:
    """A satellite of the shell by turning about axes."""
    u, lean = np.radians(u_deg + plane * 360 * 17 / 1584), np.radians(53)
    node = np.radians(plane * 5.0)
    flat = np.array([np.cos(u), np.sin(u) * np.cos(lean), np.sin(u) * np.sin(lean)])
    turn = np.array([[np.cos(node), -np.sin(node), 0], [np.sin(node), np.cos(node), 0], [0, 0, 1]])
    return turn @ flat * (EARTH_RADIUS_KM + 550)


def test_a_path_over_the_grid_is_longer_than_the_straight_one_and_nearly_symmetric() -> None:
    a, b = scenes.CITIES["beijing"], scenes.CITIES["frankfurt"]
    there_ms, back_ms = SHELL.rtt_ms(a, b, 25), SHELL.rtt_ms(b, a, 25)
    assert there_ms == pytest.approx(back_ms, rel=0.01)
    chord_km = 2 * EARTH_RADIUS_KM * math.sin(formulas.great_circle_km(a, b) / 2 / EARTH_RADIUS_KM)
    assert there_ms > 2 * formulas.one_way_ms(chord_km)
    # A zigzag of 1.2 is what studies of such grids find: 78 ms; the straight arc takes 64.
    assert 0.9 * 64 < there_ms < 78


def test_tracks_stand_where_skyfield_has_them() -> None:
    # A single satellite by SGP4 without drag and eccentricity: a quarter of a degree off in hours
    # is what periodic J2 terms make (Vallado, section 9.6.3).
    start = datetime(2026, 8, 22, tzinfo=UTC)
    tracks = Tracks(
        altitude_km=550.0,
        inclination_deg=53.0,
        node_deg=np.array([40.0]),
        u_deg=np.array([10.0]),
        sidereal_deg=scenes.sidereal_deg(start),
    )
    motion = formulas.mean_motion_deg_s(550.0) * 86400 / 360
    satellite = Satellite(
        name="one",
        epoch=start,
        mean_motion_rev_day=motion,
        eccentricity=0.0,
        inclination_deg=53.0,
        raan_deg=40.0,
        arg_perigee_deg=0.0,
        mean_anomaly_deg=10.0,
    )
    scale = load.timescale(builtin=True)
    t_s = np.array([0.0, 600.0, 3600.0, 7200.0])
    when = scale.utc(2026, 8, 22, 0, 0, t_s)
    below = wgs84.geographic_position_of(
        EarthSatellite.from_satrec(satrec(satellite), scale).at(when)
    )
    sin, longitude = tracks.below(t_s)
    geocentric = [formulas.geocentric_deg(each) for each in below.latitude.degrees]
    assert np.degrees(np.arcsin(sin[0])) == pytest.approx(geocentric, abs=0.25)
    east_deg = np.degrees(longitude[0]) - below.longitude.degrees
    assert (east_deg + 180) % 360 - 180 == pytest.approx(0, abs=0.3)


def test_waits_are_gaps_squared_over_twice_the_time() -> None:
    seen = np.zeros(1000, dtype=bool)
    seen[[0, 100, 400, 999]] = True
    gaps_s = np.array([100, 300, 599]) * 60.0
    waits = Waits.of(seen, 60.0)
    # From any moment in a gap of n steps the wait is n - k steps: their mean is (n - 1) / 2.
    steps = gaps_s / 60
    assert waits.mean == pytest.approx((steps * (steps - 1) / 2).sum() / 1000)
    assert waits.longest == 598
    assert pass_lengths_s(np.array([0, 1, 1, 0, 1, 1, 1, 0, 1], dtype=bool), 10.0).tolist() == [
        20,
        30,
    ]


def test_streets_of_coverage() -> None:
    assert streets_cover(1168, 10, 10, 30.3, 28.5)  # the preset, all the Earth above 10 degrees
    assert not streets_cover(1168, 25, 10, 30.3, 28.5)
    # Iridium is designed for 8.2 degrees, to the digits of its published figures.
    assert streets_cover(780, 8.0, 11, 31.6, 22.0)
    assert not streets_cover(780, 8.5, 11, 31.6, 22.0)
    assert not streets_cover(500, 5, 5, 30.0, 30.0)  # neighbours in the plane do not even meet


def test_sides_of_triangles_at_the_earths_centre() -> None:
    assert formulas.side_km(7000, 42164, 0) == pytest.approx(35164)
    assert formulas.side_km(3, 4, 90) == pytest.approx(5)
    assert formulas.central_deg((0, 10), (0, 100)) == pytest.approx(90)
    # Both ends of a line that just grazes the Earth: 20.1 and 81.2 degrees from where it does.
    graze = [
        math.degrees(math.acos((EARTH_RADIUS_KM + 80) / (EARTH_RADIUS_KM + h)))
        for h in (500, 35786)
    ]
    legs_km = [
        formulas.side_km(EARTH_RADIUS_KM + 80, EARTH_RADIUS_KM + h, g)
        for h, g in zip((500, 35786), graze, strict=True)
    ]
    whole_km = formulas.side_km(EARTH_RADIUS_KM + 500, EARTH_RADIUS_KM + 35786, sum(graze))
    assert whole_km == pytest.approx(sum(legs_km), rel=1e-9)


def test_density_of_a_shell_is_a_share_of_time() -> None:
    # A small circle's share of time is its area times the density of one satellite.
    share = formulas.share_in_view(53.0, 20.0, 1.0)
    area_sr = 2 * math.pi * (1 - math.cos(math.radians(1.0)))
    assert formulas.density_per_sr(1, 53.0, 20.0) * area_sr == pytest.approx(share, rel=2e-3)


def test_the_nearest_of_a_shell_stands_in_the_middle_of_its_cell() -> None:
    # Half of a lattice's cell is within the circle of half its area.
    range_km = formulas.nearest_km([(1584, 53.0, 550.0)], 0.0)
    half = math.acos(1 - 0.5 / formulas.density_per_sr(1584, 53.0, 0.0) / (2 * math.pi))
    chord_km = formulas.side_km(EARTH_RADIUS_KM, EARTH_RADIUS_KM + 550, math.degrees(half))
    assert range_km == pytest.approx(chord_km, rel=1e-9)
    # 4.1 ms: the median of a day counted for this shell and Nairobi.
    assert 2 * formulas.one_way_ms(range_km) == pytest.approx(4.1, rel=0.03)
