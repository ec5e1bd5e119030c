"""Velocities: differences of positions, SGP4's own, Skyfield's of a site on the turning Earth."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sgp4.api import SatrecArray
from skyfield.api import load, wgs84
from skyfield.sgp4lib import TEME

from emulator.ephemeris import Ephemeris, Shell, julian_date, satrec
from emulator.errors import PhysicsError
from emulator.scenario import Scenario
from emulator.units import DAY_S, EARTH_RADIUS_KM, MU_KM3_S2
from tests.unit.toys import walker_table

ONE_MILLIMETRE_PER_SECOND_KM_S = 1e-6
ONE_DECIMETRE_PER_SECOND_KM_S = 1e-4
ONE_NANOMETRE_KM = 1e-12
TT_LESS_UTC_S = 32.184 + 37.0
HALF_A_DIFFERENCE_S = 0.1
"""Short enough that the third derivative of a low orbit is nanometres a second."""
ANTENNAS = {"antennas": {"kind": "radio", "count": 4}}
STATIONS = [
    {"name": "kiruna", "latitude_deg": 67.86, "longitude_deg": 20.96, "altitude_m": 400.0},
    {"name": "ship", "track": [[0.0, -5.0, 179.0, 0.0], [86400.0, 3.0, -176.0, 0.0]]},
    {"name": "flight", "track": [[0.0, 80.0, 0.0, 0.0], [7200.0, 75.0, 150.0, 12e3]]},
    {"name": "moored", "track": [[1e6, 30.0, 40.0, 0.0], [2e6, 30.0, 41.0, 0.0]]},
]


def with_stations(*walkers: tuple[str, float], ut1_utc_s: float = 0.0) -> Scenario:
    table = walker_table(scenario={"ut1_utc_s": ut1_utc_s})
    shell = table["constellation"][0]
    table["constellation"] = [
        shell | {"name": f"sat{index}", "walker": walker, "altitude_km": altitude_km}
        for index, (walker, altitude_km) in enumerate(walkers)
    ]
    table["ground"] = {"station": [station | ANTENNAS for station in STATIONS]}
    return Scenario.from_table(table)


def assert_velocity_is_what_positions_do(
    ephemeris: Ephemeris, t_s: np.ndarray, within_km_s: float = ONE_MILLIMETRE_PER_SECOND_KM_S
) -> None:
    before_km = ephemeris.positions_km(t_s - HALF_A_DIFFERENCE_S)
    after_km = ephemeris.positions_km(t_s + HALF_A_DIFFERENCE_S)
    difference_km_s = (after_km - before_km) / (2 * HALF_A_DIFFERENCE_S)
    _, velocity_km_s = ephemeris.states(t_s)
    assert velocity_km_s.shape == before_km.shape
    apart_km_s = np.linalg.norm(velocity_km_s - difference_km_s, axis=-1)
    assert apart_km_s.max() < within_km_s


@given(st.floats(0, 180), st.floats(300, 36000), st.floats(-0.9, 0.9), st.floats(1, 7000))
def test_of_a_shell_and_stations(
    inclination_deg: float, altitude_km: float, ut1_utc_s: float, t_s: float
) -> None:
    walkers = (f"{inclination_deg:.6f}:12/3/1", altitude_km), ("86.4:6/6/2.5", 780.0)
    ephemeris = Ephemeris.of(with_stations(*walkers, ut1_utc_s=ut1_utc_s))
    assert_velocity_is_what_positions_do(ephemeris, t_s + np.array([0.0, 7300.0, 70000.0]))


def test_of_catalogued_satellites(three_body: Scenario) -> None:
    # SGP4 leaves what is small of its perturbations out of its velocities.
    ephemeris = Ephemeris.of(three_body)
    t_s = np.linspace(0, DAY_S, 50)
    assert_velocity_is_what_positions_do(ephemeris, t_s, within_km_s=ONE_DECIMETRE_PER_SECOND_KM_S)


def test_sgp4_gives_its_own(three_body: Scenario) -> None:
    t_s = np.linspace(0, DAY_S, 20)
    position_km, velocity_km_s = Ephemeris.of(three_body).states(t_s)
    dates = julian_date(three_body.scenario.start, t_s)
    for index, satellite in enumerate(three_body.constellation[0].satellite):
        error, theirs_km, theirs_km_s = satrec(satellite).sgp4_array(*dates)
        assert not error.any()
        assert np.array_equal(position_km[index], theirs_km)
        assert np.array_equal(velocity_km_s[index], theirs_km_s)


def test_what_sgp4_rejects_is_named(three_body_table: dict) -> None:
    three_body_table["constellation"][0]["satellite"][3]["mean_motion_rev_day"] = 17.9
    with pytest.raises(PhysicsError, match="scs-01-d"):
        Ephemeris.of(Scenario.from_table(three_body_table)).states(np.array([0.0]))


@pytest.mark.parametrize("altitude_km", [550.0, 1200.0, 35786.0])
def test_a_circle_is_flown_upright_and_at_keplers_speed(
    walker_scenario: Callable, altitude_km: float
) -> None:
    scenario = walker_scenario("53:12/3/1", altitude_km)
    position_km, velocity_km_s = Ephemeris.of(scenario).states(np.array([0.0, 5000.0]))
    radius_km = EARTH_RADIUS_KM + altitude_km
    climb_km_s = (position_km * velocity_km_s).sum(-1) / radius_km
    assert np.abs(climb_km_s).max() < ONE_MILLIMETRE_PER_SECOND_KM_S
    # The Earth's oblateness turns node and perigee by at most two thousandths of the motion.
    speed_km_s = np.linalg.norm(velocity_km_s, axis=-1)
    assert speed_km_s == pytest.approx(np.sqrt(MU_KM3_S2 / radius_km), rel=2e-3)


@pytest.mark.parametrize("ut1_utc_s", [0.0, -0.4])
def test_of_a_fixed_site_is_skyfields(ut1_utc_s: float) -> None:
    scenario = with_stations(("53:12/3/1", 550.0), ut1_utc_s=ut1_utc_s)
    t_s = np.linspace(0, DAY_S, 25)
    _, velocity_km_s = Ephemeris.of(scenario).states(t_s)
    timescale = load.timescale(delta_t=TT_LESS_UTC_S - ut1_utc_s)
    start = timescale.from_datetime(scenario.scenario.start)
    moments = timescale.tt_jd(np.full(len(t_s), start.whole), start.tt_fraction + t_s / DAY_S)
    for node, (latitude_deg, longitude_deg, altitude_m) in (
        (12, (67.86, 20.96, 400.0)),
        (15, (30.0, 40.0, 0.0)),
    ):
        site = wgs84.latlon(latitude_deg, longitude_deg, altitude_m)
        theirs_km_s = np.einsum(
            "ijt,jt->ti", TEME.rotation_at(moments), site.at(moments).velocity.km_per_s
        )
        apart_km_s = np.linalg.norm(velocity_km_s[node] - theirs_km_s, axis=-1)
        assert apart_km_s.max() < ONE_MILLIMETRE_PER_SECOND_KM_S


def test_positions_are_the_same_wherever_asked_for() -> None:
    ephemeris = Ephemeris.of(with_stations(("53:12/3/1", 550.0), ("97.6:8/2/1", 600.0)))
    t_s = np.linspace(0, 7200, 7)
    position_km, _ = ephemeris.states(t_s)
    assert position_km.shape == (20 + 4, 7, 3)
    assert (ephemeris.satellites, ephemeris.stations) == (20, 4)
    assert np.array_equal(position_km, ephemeris.positions_km(t_s))
    assert np.array_equal(position_km[:20], ephemeris.satellites_km(t_s))
    assert np.array_equal(position_km[20:], ephemeris.stations_km(t_s)[0])
    for index, moment in enumerate(t_s):
        alone_km, alone_km_s = ephemeris.states(moment)
        assert np.abs(alone_km[:, 0] - position_km[:, index]).max() <= ONE_NANOMETRE_KM
        assert alone_km_s.shape == (24, 1, 3)


def test_all_nodes_at_one_time_are_contiguous() -> None:
    ephemeris = Ephemeris.of(with_stations(("53:12/3/1", 550.0)))
    for each in (*ephemeris.states(np.arange(3.0)), ephemeris.positions_km(np.arange(3.0))):
        assert all(each[:, time].flags.c_contiguous for time in range(3))


def test_long_spans_are_worked_out_in_blocks(walker_scenario: Callable) -> None:
    # 100 times of 1,584 satellites are four blocks.
    scenario = walker_scenario("53:1584/72/17")
    t_s = np.arange(100.0) * 37
    position_km, velocity_km_s = Ephemeris.of(scenario).states(t_s)
    pattern = scenario.constellation[0].walker_pattern()
    for index in (0, 21, 22, 1583):
        one = Shell.of(pattern).one(index)
        assert np.abs(one.km(t_s)[0] - position_km[index]).max() <= ONE_NANOMETRE_KM
    steps_km = np.diff(position_km, axis=1)
    mean_km_s = (velocity_km_s[:, 1:] + velocity_km_s[:, :-1]) / 2
    # A chord is shorter than its arc, and the mean of two tangents than either, by the angle's
    # square over 24 and over 8: 37 s are 0.041 rad.
    assert np.abs(steps_km / 37 - mean_km_s).max() < 7.6 * 0.041**2 / 12 * 1.01


def test_satellites_of_a_file_and_of_a_pattern_keep_their_order(three_body: Scenario) -> None:
    table = walker_table()
    mixed = three_body.model_copy(
        update={
            "constellation": (
                Scenario.from_table(table).constellation[0],
                three_body.constellation[0],
            )
        }
    )
    t_s = np.array([0.0, 600.0])
    position_km, velocity_km_s = Ephemeris.of(mixed).states(t_s)
    figures = three_body.constellation[0].satellite
    dates = julian_date(mixed.scenario.start, t_s)
    _, theirs_km, theirs_km_s = SatrecArray([satrec(each) for each in figures]).sgp4(*dates)
    assert np.array_equal(position_km[12:24], theirs_km)
    assert np.array_equal(velocity_km_s[12:24], theirs_km_s)
    shell = Shell.of(mixed.constellation[0].walker_pattern())
    assert np.array_equal(position_km[:12], shell.km(t_s))
