"""What keeps terminals apart: sight, reach, fields, rates and the Sun, against outside figures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load

from emulator.causes import Cause
from emulator.contacts import Planner
from emulator.ephemeris import Ephemeris, Shell, satrec
from emulator.limits import Limits
from emulator.linkplan import LinkPlan
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sky import Sky
from emulator.units import DAY_S, EARTH_RADIUS_KM
from emulator.visibility import lowest_radius_km, range_km, range_rate_km_s, tracking_rate_rad_s
from tests.unit.toys import walker_table
from topologies.walker import Walker

TEN_METRES_KM = 1e-2
GRAZING_KM = EARTH_RADIUS_KM + 80.0
A_TEN_THOUSANDTH_OF_A_DEGREE = 1e-4
TWO_HUNDREDTHS_OF_A_DEGREE = 0.02
J2_SHARE = 2e-3
"""The secular rates of J2 change angular rates by a thousandth; figures below do without."""
WAY_OFF_SUN = np.array([0.0, 0.0, 1.0])


def limits_of(**pointing: Any) -> Limits:
    """Limits of lasers of two satellites that reach everywhere."""
    laser = {"rate_gbps": 1.0, "max_range_km": 1e6, "pointing": pointing}
    scenario = Scenario.from_table(walker_table("0:2/1/0", terminals={"laser": laser}))
    planner = Planner(scenario, Network.of(scenario), Ephemeris.of(scenario))
    return planner.limits["isl"]


def sky_of(position_km: Any, velocity_km_s: Any = None, sun: Any = WAY_OFF_SUN) -> Sky:
    position_km = np.array(position_km, dtype=float)
    if velocity_km_s is None:
        velocity_km_s = np.cross([0, 0, 7.6], position_km / 7e3)
    sun = np.array(sun, dtype=float) / np.linalg.norm(sun)
    return Sky(1, 1.0, position_km, np.array(velocity_km_s, dtype=float), np.empty((0, 3)), sun)


def cause_of(limits: Limits, sky: Sky, held: tuple[int, int] = (-1, -1)) -> Cause:
    ends = (np.array([node]) for node in (0, 1))
    ports = (np.array([port]) for port in held)
    return Cause(int(limits.causes(sky, *ends, *ports)[0]))


def apart(radius_a_km: float, radius_b_km: float, apart_km: float) -> list[list[float]]:
    """Two positions over the equator at these radii and this distance (law of cosines)."""
    cosine = (radius_a_km**2 + radius_b_km**2 - apart_km**2) / (2 * radius_a_km * radius_b_km)
    sine = np.sqrt(1 - cosine**2)
    return [[radius_a_km, 0, 0], [radius_b_km * cosine, radius_b_km * sine, 0]]


@pytest.mark.parametrize(
    ("height_a_km", "height_b_km", "grazing_height_km", "longest_km"),
    [
        (550.0, 550.0, 80.0, 5016.59),
        (550.0, 550.0, 100.0, 4912.36),
        (550.0, 42164 - EARTH_RADIUS_KM, 80.0, 44174.77),
    ],
)
def test_the_earth_is_in_the_way_beyond_the_longest_line(  # V11
    height_a_km: float, height_b_km: float, grazing_height_km: float, longest_km: float
) -> None:
    limits = limits_of()
    limits.grazing_km = EARTH_RADIUS_KM + grazing_height_km
    radii = EARTH_RADIUS_KM + height_a_km, EARTH_RADIUS_KM + height_b_km
    for more_km, cause in ((-TEN_METRES_KM, Cause.LINKED), (TEN_METRES_KM, Cause.EARTH)):
        assert cause_of(limits, sky_of(apart(*radii, longest_km + more_km))) is cause


def test_of_a_radial_pair_the_earth_is_behind() -> None:  # V29
    assert cause_of(limits_of(), sky_of([[7000, 0, 0], [9000, 0, 0]])) is Cause.LINKED


FORBIDDEN = {
    Cause.RANGE: {},
    Cause.FIELD: {"field_of_regard_deg": 20.0},
    Cause.DOPPLER: {"max_range_rate_km_s": 5.0},
    Cause.TRACKING: {"max_tracking_deg_s": 0.05},
    Cause.SUN: {"sun_exclusion_deg": 30.0},
}


@pytest.mark.parametrize("first", FORBIDDEN)
def test_of_several_causes_the_first_is_told(first: Cause) -> None:
    # Two that pass each other, 45 degrees off every mount, one of them right under the Sun.
    position_km = [[7000, 0, 0], [7000, 1500, 1500]]
    velocity_km_s = [[0, 7.5, 0], [0, -7.5, 0]]
    sky = sky_of(position_km, velocity_km_s, sun=[0, 1, 1])
    rest = list(FORBIDDEN)[list(FORBIDDEN).index(first) :]
    pointing = {key: value for cause in rest for key, value in FORBIDDEN[cause].items()}
    limits = limits_of(**pointing)
    if first is Cause.RANGE:
        limits.reach_km[:] = 2000.0
    assert cause_of(limits, sky) is first
    if first is Cause.RANGE:
        assert cause_of(limits, sky_of(apart(7000, 7000, 10_000))) is Cause.EARTH


# Range, range rate and how fast the line of sight turns, of two satellites on circular orbits.
# Altitude km, inclination, difference of nodes and phase; nearest and farthest km, most km/s, most
# degrees/s among the stars, and in the turning frame of a satellite where that is known.
HALF_A_SLOT_OF_22 = 360 / 44
DYNAMICS = {
    "in plane": (550, 53, 0, 360 / 22, 1971.953, 1971.953, 0.0, 0.0627, 0.0),
    "next plane": (550, 53, 5, 39 * 360 / 1584, 1432, 1511, 0.087, 0.066, None),
    "same phase": (550, 53, 5, 0, 364, 604, 0.264, 0.104, None),
    "like Iridium": (780, 86.4, 31.6, 16.36, 2202, 4470, 2.365, 0.121, None),
    "like OneWeb": (1200, 87.9, 15.2, 3.7, 558, 2080, 1.456, 0.204, None),
    "seam": (550, 97.6, 175, HALF_A_SLOT_OF_22, 1784, 5017, 13.2, 0.49, None),
}


def states(altitude_km: float, inclination_deg: float, node_deg: float, phase_deg: float) -> tuple:
    """Positions and velocities of both ends each second of a revolution and a half."""
    t_s, found = np.arange(0.0, 9000.0), []
    for raan_deg, latitude_deg in ((0.0, 0.0), (node_deg, phase_deg)):
        one = Walker(
            inclination_deg=inclination_deg,
            total=1,
            planes=1,
            phasing=0,
            altitude_km=altitude_km,
            raan_start_deg=raan_deg,
            raan_spacing_deg=360.0,
        )
        orbit = replace(Shell.of(one), latitude_rad=np.radians([[latitude_deg]]))
        state = np.empty((2, len(t_s), 1, 3))
        orbit.fly(t_s, *state)
        found += list(state[:, :, 0])
    return tuple(found)


@pytest.mark.parametrize("name", DYNAMICS)
def test_link_dynamics(name: str) -> None:
    *orbits, nearest_km, farthest_km, most_km_s, most_deg_s, own_deg_s = DYNAMICS[name]
    a_km, a_km_s, b_km, b_km_s = states(*orbits)
    seen = lowest_radius_km(a_km, b_km) >= GRAZING_KM
    line_km, relative_km_s = (b_km - a_km)[seen], (b_km_s - a_km_s)[seen]
    away_km = range_km(a_km, b_km)[seen]
    half_a_km = 0.5 + J2_SHARE * 1500
    assert away_km.min() == pytest.approx(nearest_km, abs=half_a_km)
    assert away_km.max() == pytest.approx(farthest_km, abs=half_a_km)
    speed_km_s = np.abs(range_rate_km_s(line_km, relative_km_s)).max()
    assert speed_km_s == pytest.approx(most_km_s, rel=J2_SHARE, abs=5e-4)
    standing = np.zeros_like(a_km_s[seen])
    turns = np.degrees(tracking_rate_rad_s(line_km, relative_km_s, a_km[seen], standing))
    assert turns.max() == pytest.approx(most_deg_s, rel=1e-2)
    if own_deg_s is not None:
        own = np.degrees(tracking_rate_rad_s(line_km, relative_km_s, a_km[seen], a_km_s[seen]))
        assert own.max() == pytest.approx(own_deg_s, abs=A_TEN_THOUSANDTH_OF_A_DEGREE)


def test_a_range_rate_is_how_the_range_changes() -> None:
    a_km, a_km_s, b_km, b_km_s = states(780, 86.4, 31.6, 16.36)
    rate_km_s = range_rate_km_s(b_km - a_km, b_km_s - a_km_s)
    changes_km_s = (range_km(a_km, b_km)[2:] - range_km(a_km, b_km)[:-2]) / 2
    five_millimetres_a_second = 5e-6
    assert rate_km_s[1:-1] == pytest.approx(changes_km_s, abs=five_millimetres_a_second)


def test_a_tracking_rate_is_how_the_direction_changes_in_the_satellite() -> None:
    a_km, a_km_s, b_km, b_km_s = states(1200, 87.9, 15.2, 3.7)
    limits = limits_of()
    rate = tracking_rate_rad_s(b_km - a_km, b_km_s - a_km_s, a_km, a_km_s)
    seen = np.concatenate(
        [
            limits.direction(sky_of([a, b], [va, vb]), np.array([0]), np.array([1]))
            for a, va, b, vb in zip(a_km, a_km_s, b_km, b_km_s, strict=True)
        ]
    )
    changes = np.linalg.norm(seen[2:] - seen[:-2], axis=1) / 2
    precession_of_the_plane_rad_s = 1e-6
    assert rate[1:-1] == pytest.approx(changes, rel=1e-4, abs=precession_of_the_plane_rad_s)


def star(**changes: Any) -> LinkPlan:
    """Three planes of eight over the poles, their seam closed, for a revolution."""
    pointing = {"acquisition_s": 0.0, **changes}
    table = walker_table(
        "86.5:24/3/0",
        1500.0,
        "star",
        scenario={"duration_s": 6950.0, "step_s": 10.0},
        terminals={"laser": {"rate_gbps": 1.0, "max_range_km": 6500.0, "pointing": pointing}},
        isl=[{"pattern": "grid", "seam": "closed"}],
    )
    return LinkPlan.of(Scenario.from_table(table))


def rates_of(plan: LinkPlan, a: int, b: int) -> np.ndarray:
    position_km, velocity_km_s = plan.ephemeris.states(np.arange(plan.steps) * plan.step_s)
    line_km, relative_km_s = (each[b] - each[a] for each in (position_km, velocity_km_s))
    return np.abs((line_km * relative_km_s).sum(-1)) / np.linalg.norm(line_km, axis=-1)


def test_the_range_rate_cuts_the_seam_and_nothing_else() -> None:
    fastest_km_s = 9.0
    plan = star(max_range_rate_km_s=fastest_km_s)
    cut = {}
    for a, b, start, end, cause in plan.timeline.outages.tolist():
        if cause == Cause.DOPPLER:
            cut.setdefault((a, b), []).append((start, end))
            assert (rates_of(plan, a, b)[start:end] > fastest_km_s).all()
    # Of 24 satellites in planes of 8, the first and the last plane fly against each other.
    assert len(cut) == 8
    assert all(a >= 16 and b < 8 for a, b in cut)
    node = plan.network.port_node
    for contact in plan.contacts:
        a, b = node[contact["a"]], node[contact["b"]]
        assert (rates_of(plan, a, b)[contact["start"] : contact["end"]] <= fastest_km_s).all()


def test_in_plane_neighbours_stand_still_and_those_across_turn() -> None:
    plan = star(max_tracking_deg_s=0.03)
    cut = {(row["a"], row["b"]) for row in plan.timeline.outages if row["cause"] == Cause.TRACKING}
    assert len(cut) == 24, "every link across planes is too quick somewhere"
    assert all(a // 8 != b // 8 for a, b in cut)


# Fields of regard.


@pytest.mark.parametrize("satellites", [8, 12, 22])
def test_the_next_in_a_plane_is_half_a_slot_below_the_flight_direction(satellites: int) -> None:
    table = walker_table(f"53:{satellites}/1/0", 1500.0)
    scenario = Scenario.from_table(table)
    plan = LinkPlan.of(scenario)
    limits, sky = plan.planner.limits["isl"], plan.sky(3)
    every = np.arange(satellites)
    off_deg = limits.off_axes_deg(sky, every, (every + 1) % satellites)
    below_deg = 180 / satellites
    expected = [below_deg, 180 - below_deg, 90, 90]
    by_precession_deg = 0.05
    assert off_deg == pytest.approx(np.tile(expected, (satellites, 1)), abs=by_precession_deg)


def test_who_is_outside_a_field_has_no_angle() -> None:
    limits = limits_of(field_of_regard_deg=50.0)
    ahead = sky_of([[7000, 0, 0], [7000, 1000, 100]])
    both = np.array([0]), np.array([1])
    assert np.isfinite(limits.off_axes_deg(ahead, *both)).tolist() == [[True, False, False, False]]
    for port, inside in ((-1, True), (0, True), (1, False), (3, False)):
        assert limits.inside_field(ahead, *both, np.array([port])).tolist() == [inside]


def test_terminals_of_stations_turn_to_the_whole_sky() -> None:
    radio = {"rate_gbps": 1.0, "max_range_km": 9e3, "pointing": {"field_of_regard_deg": 60.0}}
    table = walker_table("53:12/3/1", terminals={"radio": radio})
    place = {"latitude_deg": 0.0, "longitude_deg": 0.0, "min_elevation_deg": 0.0}
    antennas = {"kind": "radio", "count": 2}
    table["ground"] = {"station": [{"name": "here", "antennas": antennas} | place]}
    plan = LinkPlan.of(Scenario.from_table(table))
    limits = plan.planner.limits["gsl"]
    every = np.arange(12)
    off_deg = limits.off_axes_deg(plan.sky(0), np.full(12, 12), every)
    assert (off_deg == 0).all()
    # A satellite has one radio, which looks down.
    seen = limits.off_axes_deg(plan.sky(0), every, np.full(12, 12))
    assert not np.isfinite(seen[:, 1]).any()


def test_over_the_poles_neighbours_change_sides_or_leave_the_field() -> None:
    field_deg = 55.0
    free, plan = star(), star(field_of_regard_deg=field_deg)
    node, name = plan.network.port_node, [port.name for port in plan.network.ports]
    used: dict[tuple[int, int], set[str]] = {}
    for contact in plan.contacts:
        pair = int(node[contact["a"]]), int(node[contact["b"]])
        used.setdefault(pair, set()).add(name[contact["a"]])
    within = {pair: ports for pair, ports in used.items() if pair[0] // 8 == pair[1] // 8}
    across = {pair: ports for pair, ports in used.items() if pair[1] // 8 - pair[0] // 8 == 1}
    assert len(within) == 24
    assert all(ports <= {"isl0", "isl1"} and len(ports) == 1 for ports in within.values())
    # Who is on the left when one flies north is on the right when one flies south.
    assert len(across) == 16
    assert all({"isl2", "isl3"} <= ports for ports in across.values())
    latitude_deg = latitudes_deg(plan)
    outside = plan.timeline.outages[plan.timeline.outages["cause"] == Cause.FIELD]
    assert len(outside)
    for a, b, start, end, _ in outside.tolist():
        if b // 8 - a // 8 == 1:
            assert (np.abs(latitude_deg[[a, b], start:end]).max(axis=0) > 45).all()
    assert not (free.timeline.outages["cause"] == Cause.FIELD).any()


def latitudes_deg(plan: LinkPlan) -> np.ndarray:
    position_km = plan.ephemeris.satellites_km(np.arange(plan.steps) * plan.step_s)
    return np.degrees(np.arcsin(position_km[..., 2] / np.linalg.norm(position_km, axis=-1)))


# The Sun.

TRAIN_DEG = 25.0
SUN_DEG = 20.0


@pytest.fixture(scope="module")
def blinded_plan() -> LinkPlan:
    """Four satellites on one orbit, by SGP4, that see the Sun rise and set ahead and behind."""
    figures = {
        "catalogue": 1,
        "epoch": "2026-08-22T00:00:00Z",
        "mean_motion_rev_day": 14.6,
        "eccentricity": 0.001,
        "inclination_deg": 40.0,
        "raan_deg": 140.0,
        "arg_perigee_deg": 0.0,
    }
    table = walker_table(
        scenario={"start": "2026-08-22T12:00:00Z", "duration_s": 7000.0, "step_s": 10.0},
        terminals={
            "laser": {
                "rate_gbps": 1.0,
                "max_range_km": 5000.0,
                "pointing": {"acquisition_s": 0.0, "coast_s": 0.0, "sun_exclusion_deg": SUN_DEG},
            }
        },
        isl=[{"pattern": "pairs", "pairs": [["s-0", "s-1"], ["s-1", "s-2"], ["s-2", "s-3"]]}],
    )
    table["constellation"] = [
        {
            "name": "s",
            "isl": {"kind": "laser", "count": 2},
            "satellite": [
                figures | {"name": f"s-{n}", "mean_anomaly_deg": n * TRAIN_DEG} for n in range(4)
            ],
        }
    ]
    return LinkPlan.of(Scenario.from_table(table))


def test_the_sun_blinds_when_skyfield_sees_it_near_the_peer(
    blinded_plan: LinkPlan, bodies: Any
) -> None:
    plan = blinded_plan
    scale = load.timescale(builtin=True)
    start = scale.from_datetime(plan.scenario.scenario.start)
    t_s = np.arange(plan.steps) * plan.step_s
    times = scale.tt_jd(np.full(len(t_s), start.whole), start.tt_fraction + t_s / DAY_S)
    orbits = [
        EarthSatellite.from_satrec(satrec(each), scale)
        for each in plan.scenario.constellation[0].satellite
    ]
    at = [orbit.at(times) for orbit in orbits]
    dark, shadowed = outages_of(plan, Cause.SUN), 0
    for a, b in ((0, 1), (1, 2), (2, 3)):
        blind = np.zeros(plan.steps, dtype=bool)
        sure = np.ones(plan.steps, dtype=bool)
        for own, peer in ((a, b), (b, a)):
            sun = (bodies["earth"] + orbits[own]).at(times).observe(bodies["sun"]).apparent()
            off_deg = sun.separation_from(at[peer] - at[own]).degrees
            lit = at[own].is_sunlit(bodies)
            near = off_deg < SUN_DEG
            blind |= near & lit
            shadowed += int((near & ~lit).sum())
            sure &= np.abs(off_deg - SUN_DEG) > TWO_HUNDREDTHS_OF_A_DEGREE
            # Skyfield's shadow is that of a polar radius: a few kilometres, hence seconds.
            sure &= (lit == np.roll(lit, 1)) & (lit == np.roll(lit, -1))
        assert np.array_equal(dark[a, b][sure], blind[sure])
        assert blind.sum() > 40, "the Sun comes by"
    assert shadowed > 40, "the Sun is also near behind the Earth"


def outages_of(plan: LinkPlan, cause: Cause) -> dict[tuple[int, int], np.ndarray]:
    found: dict[tuple[int, int], np.ndarray] = {}
    for a, b, start, end, why in plan.timeline.outages.tolist():
        steps = found.setdefault((a, b), np.zeros(plan.steps, dtype=bool))
        steps[start:end] |= why == cause
    return found


def test_a_sun_behind_the_earth_does_not_blind() -> None:
    # A relay looks down past a low satellite, to where the Sun has set for itself but not there.
    relay_km, low_km = [42164.0, 0, 0], [-1000.0, 6900.0, 0]
    towards_low = np.subtract(low_km, relay_km)
    limits = limits_of(sun_exclusion_deg=12.0)
    hidden = sky_of([relay_km, low_km], sun=[-1, 0.02, 0])
    beside = sky_of([relay_km, low_km], sun=[-1, 0.22, 0])
    for sky in (hidden, beside):
        cosine = sky.sun @ towards_low / np.linalg.norm(towards_low)
        assert np.degrees(np.arccos(cosine)) < 12.0
    assert cause_of(limits, hidden) is Cause.LINKED
    assert cause_of(limits, beside) is Cause.SUN
    assert limits.sun_angles_deg(hidden, np.array([0]), np.array([1]))[0] > 90
    assert limits.sun_angles_deg(beside, np.array([0]), np.array([1]))[0] < 12


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_either_end_may_be_blind_and_finding_takes_more_room_than_holding(
    order: tuple[int, int],
) -> None:
    limits = limits_of(sun_exclusion_deg=3.0, sun_acquisition_deg=5.0)
    position_km = np.array([[7000.0, 0, 0], [7000.0, 1500.0, 0]])[list(order)]
    for off_deg, free, held in ((2.9, True, True), (4.9, True, False), (5.1, False, False)):
        tilt = np.radians(off_deg)
        sky = sky_of(position_km, sun=[0, np.cos(tilt), np.sin(tilt)])
        assert (cause_of(limits, sky) is Cause.SUN) == free
        assert (cause_of(limits, sky, held=(0, 5)) is Cause.SUN) == held
