"""Sight, slant ranges and delays against closed forms and published tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.ephemeris import mean_motion_rad_s, walker_km
from emulator.units import C_KM_S, EARTH_RADIUS_KM
from emulator.visibility import elevation_deg, in_sight, lowest_radius_km, range_km
from topologies.walker import Walker

ONE_METRE_KM = 1e-3
TEN_METRES_KM = 1e-2
TEN_NANOSECONDS_MS = 1e-5
GRAZING_KM = 80.0

# Altitude km; period min; one-way ms at elevations 90, 40, 25, 10, 5; line-of-sight limit as
# degrees of arc and km, 80 km above the ground. Spherical Earth of 6378.137 km, J2 left out.
GEOMETRY = [
    (340, 91.33, (1.13, 1.71, 2.43, 4.25, 5.42), 32.0, 3702),
    (390, 92.36, (1.30, 1.95, 2.75, 4.71, 5.92), 34.8, 4050),
    (500, 94.62, (1.67, 2.47, 3.44, 5.65, 6.93), 40.3, 4733),
    (550, 95.65, (1.83, 2.71, 3.75, 6.06, 7.36), 42.5, 5017),
    (650, 97.73, (2.17, 3.18, 4.34, 6.82, 8.17), 46.5, 5545),
    (780, 100.45, (2.60, 3.77, 5.09, 7.76, 9.14), 51.1, 6175),
    (1068, 106.58, (3.56, 5.07, 6.66, 9.64, 11.10), 59.7, 7413),
    (1149, 108.32, (3.83, 5.42, 7.09, 10.14, 11.61), 61.8, 7733),
    (1200, 109.42, (4.00, 5.65, 7.35, 10.45, 11.92), 63.1, 7930),
    (8000, 285.97, (26.69, 31.43, 34.92, 39.45, 41.17), 126.6, 25692),
    (21528, 773.23, (71.81, 77.97, 82.07, 87.00, 88.79), 153.2, 54297),
    (35786, 1436.07, (119.37, 126.02, 130.33, 135.38, 137.18), 162.4, 83333),
]
ELEVATIONS_DEG = (90, 40, 25, 10, 5)


def at(radius_km: float, angle_rad: float) -> np.ndarray:
    return radius_km * np.array([np.cos(angle_rad), np.sin(angle_rad), 0.0])


def pair_apart(radius_a_km: float, radius_b_km: float, apart_km: float) -> tuple:
    """Two positions at these radii whose distance is ``apart_km`` (law of cosines)."""
    cosine = (radius_a_km**2 + radius_b_km**2 - apart_km**2) / (2 * radius_a_km * radius_b_km)
    return at(radius_a_km, 0.0), at(radius_b_km, np.arccos(cosine))


def shell(altitude_km: float, satellites: int) -> Walker:
    return Walker(
        inclination_deg=53.0,
        total=satellites,
        planes=1,
        phasing=0,
        altitude_km=altitude_km,
        raan_start_deg=0.0,
        raan_spacing_deg=360.0,
    )


def overhead(altitude_km: float, elevation: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Site, its up, and a satellite at that elevation over a spherical Earth."""
    dip = np.radians(elevation)
    radius_km = EARTH_RADIUS_KM + altitude_km
    arc = np.arccos(EARTH_RADIUS_KM * np.cos(dip) / radius_km) - dip
    return at(EARTH_RADIUS_KM, 0.0), at(1.0, 0.0), at(radius_km, arc)


@pytest.mark.parametrize(
    ("height_a_km", "height_b_km", "grazing_km", "longest_km"),
    [
        (550, 550, 80, 5016.59),
        (550, 550, 100, 4912.36),
        (350, 350, 80, 3773.75),
        (1200, 1200, 80, 7929.85),
        (550, 1200, 80, 6473.22),
        (550, 42164 - EARTH_RADIUS_KM, 80, 44174.77),
    ],
)
def test_longest_laser_link(
    height_a_km: float, height_b_km: float, grazing_km: float, longest_km: float
) -> None:
    radii = EARTH_RADIUS_KM + height_a_km, EARTH_RADIUS_KM + height_b_km
    assert in_sight(*pair_apart(*radii, longest_km - TEN_METRES_KM), grazing_km)
    assert not in_sight(*pair_apart(*radii, longest_km + TEN_METRES_KM), grazing_km)


@pytest.mark.parametrize(
    ("elevation", "slant_km"),
    [(5, 2205.895), (10, 1815.652), (25, 1123.418), (40, 812.107), (90, 550.0)],
)
def test_slant_range_at_550_km(elevation: float, slant_km: float) -> None:
    site, up, satellite = overhead(550.0, elevation)
    assert elevation_deg(site, up, satellite) == pytest.approx(elevation, abs=1e-6)
    assert range_km(site, satellite) == pytest.approx(slant_km, abs=ONE_METRE_KM)


def test_slant_delay_at_550_km_and_25_degrees() -> None:
    site, _, satellite = overhead(550.0, 25.0)
    delay_ms = range_km(site, satellite) / C_KM_S * 1e3
    assert delay_ms == pytest.approx(3.74732, abs=TEN_NANOSECONDS_MS)


def test_neighbours_of_22_in_a_plane_at_550_km() -> None:
    first, second = walker_km(shell(550.0, 22), np.array([0.0]))[:2, 0]
    assert range_km(first, second) == pytest.approx(1971.9534, abs=ONE_METRE_KM)
    delay_ms = range_km(first, second) / C_KM_S * 1e3
    assert delay_ms == pytest.approx(6.57773, abs=TEN_NANOSECONDS_MS)


def test_delay_of_45000_km() -> None:
    delay_ms = 45000 / C_KM_S * 1e3
    assert delay_ms == pytest.approx(150.10384, abs=TEN_NANOSECONDS_MS)


@pytest.mark.parametrize(
    ("altitude_km", "period_min", "delays_ms", "arc_deg", "sight_km"), GEOMETRY
)
def test_geometry_table(
    altitude_km: float, period_min: float, delays_ms: tuple, arc_deg: float, sight_km: float
) -> None:
    half_digit = 0.5
    period = 2 * np.pi / mean_motion_rad_s(shell(altitude_km, 1)) / 60
    assert period == pytest.approx(period_min, abs=half_digit * 0.0101)
    for elevation, delay_ms in zip(ELEVATIONS_DEG, delays_ms, strict=True):
        site, up, satellite = overhead(altitude_km, elevation)
        assert elevation_deg(site, up, satellite) == pytest.approx(elevation, abs=1e-6)
        delay = range_km(site, satellite) / C_KM_S * 1e3
        assert delay == pytest.approx(delay_ms, abs=half_digit * 0.0101)
    radius_km = EARTH_RADIUS_KM + altitude_km
    for sign, seen in ((-1, True), (1, False)):
        by_arc = at(radius_km, 0.0), at(radius_km, np.radians(arc_deg + sign * half_digit * 0.101))
        by_range = pair_apart(radius_km, radius_km, sight_km + sign * half_digit * 1.01)
        assert in_sight(*by_arc, GRAZING_KM) == seen
        assert in_sight(*by_range, GRAZING_KM) == seen


def test_the_segment_counts_and_not_the_line() -> None:
    # A radial pair: the infinite line runs through the Earth, the segment does not.
    low, high = np.array([7000.0, 0, 0]), np.array([9000.0, 0, 0])
    assert in_sight(low, high, GRAZING_KM)
    assert lowest_radius_km(low, high) == 7000.0


coordinates = st.tuples(*[st.floats(-5e4, 5e4, width=32)] * 3).map(np.array)


@given(coordinates, coordinates)
def test_sight_and_range_are_symmetric(a_km: np.ndarray, b_km: np.ndarray) -> None:
    assert range_km(a_km, b_km) == range_km(b_km, a_km)
    assert lowest_radius_km(a_km, b_km) == pytest.approx(
        lowest_radius_km(b_km, a_km), abs=ONE_METRE_KM
    )


@given(coordinates, coordinates)
def test_lowest_point_is_that_of_a_walk_along_the_segment(
    a_km: np.ndarray, b_km: np.ndarray
) -> None:
    walk = a_km + np.linspace(0, 1, 2001)[:, None] * (b_km - a_km)
    least_km = np.linalg.norm(walk, axis=1).min()
    stride_km = np.linalg.norm(b_km - a_km) / 2000
    found_km = lowest_radius_km(a_km, b_km)
    assert found_km <= least_km + ONE_METRE_KM
    assert found_km >= least_km - stride_km


def test_a_satellite_at_the_site_itself_has_an_elevation() -> None:
    site = np.array([EARTH_RADIUS_KM, 0.0, 0.0])
    assert elevation_deg(site, at(1.0, 0.0), site) == 0.0


def test_shapes_broadcast() -> None:
    sites, satellites = np.ones((3, 1, 5, 3)), 2 * np.ones((1, 4, 5, 3))
    assert range_km(sites, satellites).shape == (3, 4, 5)
    assert elevation_deg(sites, sites, satellites).shape == (3, 4, 5)
    assert in_sight(sites, satellites, 0.0).shape == (3, 4, 5)
