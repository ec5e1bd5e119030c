"""Passes against Skyfield's own search and the plan; sunlight against the eclipse formula."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, wgs84

from emulator.ephemeris import Ephemeris, satrec
from emulator.errors import PhysicsError
from emulator.linkplan import LinkPlan
from emulator.passes import Pass, passes, sunlit
from emulator.scenario import Scenario
from emulator.units import EARTH_RADIUS_KM
from emulator.visibility import elevation_deg

SEARCH_LIMIT_S = 0.5
"""To which find_events finds an event."""
A_HUNDREDTH_OF_A_DEGREE = 0.01
A_THOUSANDTH_OF_A_DEGREE = 0.001
"""What 0.02 s of the Earth's turning shifts a satellite 500 km away."""
ONE_PERCENT = 0.01
STATION = {
    "name": "station",
    "latitude_deg": 30.0,
    "longitude_deg": 40.0,
    "antennas": {"kind": "radio", "count": 40},
}


def over_station(walker_table: Callable, walker: str, altitude_km: float, **run: float) -> Scenario:
    table = walker_table(
        walker,
        altitude_km,
        scenario={"duration_s": 6 * 3600.0} | run,
        ground={"station": [STATION]},
    )
    table["terminals"]["radio"]["max_range_km"] = 1e6
    return Scenario.from_table(table)


def test_passes_of_the_preset_are_find_events(three_body: Scenario) -> None:
    table = json.loads(three_body.to_json())
    table["scenario"]["duration_s"] = 86400.0
    scenario = Scenario.from_table(table)
    timescale = load.timescale(builtin=True)
    ends = [timescale.from_datetime(scenario.scenario.start)]
    ends.append(ends[0] + 1.0)
    expected = []
    for station in scenario.ground.station:
        site = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.altitude_m)
        for each in scenario.constellation[0].satellite:
            orbit = EarthSatellite.from_satrec(satrec(each), timescale)
            time, event = orbit.find_events(site, *ends, station.min_elevation_deg)
            names = station.name, each.name
            expected += [(*names, t.utc_datetime()) for t in time[event == 0]]
    found = [(p.station, p.satellite, p.aos) for p in passes(scenario) if p.aos]
    assert len(found) > 100
    assert_same_moments(found, expected)


def assert_same_moments(found: list, expected: list) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(sorted(found), sorted(expected), strict=True):
        assert ours[:2] == theirs[:2]
        assert abs((ours[2] - theirs[2]).total_seconds()) < SEARCH_LIMIT_S


def test_a_pass_is_a_dome_over_its_mask(three_body: Scenario) -> None:
    table = json.loads(three_body.to_json())
    table["scenario"]["duration_s"] = 43200.0
    found = passes(Scenario.from_table(table))
    rises = [each.aos or three_body.scenario.start for each in found]
    assert rises == sorted(rises)
    whole = [each for each in found if each.aos and each.los]
    assert len(whole) > 50
    for each in whole:
        assert each.aos < each.tca < each.los
        assert 5.0 <= each.max_elevation_deg <= 90.0
        assert (each.los - each.aos) < timedelta(minutes=11)
        assert isinstance(each.sunlit, bool)


def test_a_mask_of_ones_own(three_body: Scenario) -> None:
    low, high = passes(three_body, 0.0), passes(three_body, 30.0)
    assert len(low) > len(passes(three_body)) > len(high)
    assert all(each.max_elevation_deg >= 30.0 for each in high)


@pytest.mark.parametrize(("walker", "altitude_km"), [("53:24/4/1", 550.0), ("55:12/3/1", 8000.0)])
def test_passes_of_a_shell_agree_with_its_plan(
    walker_table: Callable, walker: str, altitude_km: float
) -> None:
    scenario = over_station(walker_table, walker, altitude_km, step_s=5.0)
    plan = LinkPlan.of(scenario)
    node = plan.network.port_node
    contacts = sorted(
        (plan.network.nodes[node[a]].name, int(start), int(end))
        for a, _, start, end, _ in plan.contacts.tolist()
    )
    # A pass between two steps is no contact.
    found = sorted((each.satellite, *steps(each, plan)) for each in passes(scenario))
    found = [each for each in found if each[1] < each[2]]
    assert len(found) > 5
    assert len(found) == len(contacts)
    for ours, theirs in zip(found, contacts, strict=True):
        assert ours[0] == theirs[0]
        assert abs(ours[1] - theirs[1]) <= 1
        assert abs(ours[2] - theirs[2]) <= 1


def steps(each: Pass, plan: LinkPlan) -> tuple[int, int]:
    """First step within the pass and first step after it."""

    def step(moment: datetime | None, cut: int) -> int:
        if moment is None:
            return cut
        since = moment - plan.scenario.scenario.start
        return int(np.ceil(since.total_seconds() / plan.step_s))

    return step(each.aos, 0), step(each.los, plan.steps)


def test_the_highest_point_is_the_highest(walker_table: Callable) -> None:
    scenario = over_station(walker_table, "53:24/4/1", 550.0, ut1_utc_s=0.5)
    ephemeris = Ephemeris.of(scenario)
    names = scenario.constellation[0].node_names()
    for each in passes(scenario):
        if not each.tca:
            continue
        t_s = (each.tca - scenario.scenario.start).total_seconds() + np.array([-5.0, 0.0, 5.0])
        site_km, up = ephemeris.stations_km(t_s)
        position_km = ephemeris.satellites_km(t_s)[names.index(each.satellite)]
        before, top, after = elevation_deg(site_km[0], up[0], position_km)
        assert before < top > after
        assert each.max_elevation_deg == pytest.approx(top, abs=A_THOUSANDTH_OF_A_DEGREE)


@pytest.mark.parametrize("moored", [False, True])
def test_the_window_cuts_passes_off(three_body: Scenario, moored: bool) -> None:
    [whole] = [
        p for p in passes(three_body, 0.0) if (p.station, p.satellite) == ("sanya", "scs-01-d")
    ][:1]
    assert whole.tca
    for first_s, last_s in ((-20, 20), (10, 20), (-20, -10)):
        table = json.loads(three_body.to_json())
        start = whole.tca + timedelta(seconds=first_s)
        table["scenario"] |= {"start": start.isoformat(), "duration_s": float(last_s - first_s)}
        table["workload"] = []
        if moored:
            table["ground"]["station"] = [moor(each) for each in table["ground"]["station"]]
        cut = [p for p in passes(Scenario.from_table(table), 0.0) if p.satellite == "scs-01-d"]
        [part] = [p for p in cut if p.station == "sanya"]
        assert (part.aos, part.los) == (None, None)
        assert (part.tca is not None) == (first_s < 0 < last_s)
        assert part.max_elevation_deg <= whole.max_elevation_deg + A_HUNDREDTH_OF_A_DEGREE


def moor(station: dict) -> dict:
    """A fixed station as a ship that goes nowhere."""
    place = [station["latitude_deg"], station["longitude_deg"], station["altitude_m"]]
    return without_place(station) | {"track": [[0.0, *place], [3600.0, *place]]}


def without_place(station: dict) -> dict:
    place = "latitude_deg", "longitude_deg", "altitude_m"
    return {key: value for key, value in station.items() if key not in place}


def test_over_a_moored_ship_as_over_its_berth(three_body: Scenario) -> None:
    table = json.loads(three_body.to_json())
    table["scenario"]["duration_s"] = 86400.0
    fixed = passes(Scenario.from_table(table))
    table["ground"]["station"] = [moor(each) for each in table["ground"]["station"]]
    found = passes(Scenario.from_table(table))
    assert len(found) == len(fixed) > 100
    by_name = [sorted(p, key=lambda p: (p.station, p.satellite)) for p in (found, fixed)]
    for ours, theirs in zip(*by_name, strict=True):
        assert (ours.station, ours.satellite) == (theirs.station, theirs.satellite)
        for mine, other in zip(
            (ours.aos, ours.tca, ours.los), (theirs.aos, theirs.tca, theirs.los), strict=True
        ):
            assert (mine is None) == (other is None)
            assert mine is None or abs((mine - other).total_seconds()) < SEARCH_LIMIT_S
        apart_deg = ours.max_elevation_deg - theirs.max_elevation_deg
        assert abs(apart_deg) < A_HUNDREDTH_OF_A_DEGREE
        assert ours.sunlit == theirs.sunlit


SHIP = [
    [-1000.0, 20.0, 176.0, 0.0],
    [30_000.0, 26.0, -178.0, 0.0],
    [35_000.0, 26.0, -178.0, 0.0],
    [86_400.0, 10.0, -176.0, 0.0],
]
OVER_THE_POLE = [[0.0, 60.0, 20.0, 0.0], [1200.0, 63.0, 20.0, 11e3], [30_000.0, 65.0, -160.0, 12e3]]


@pytest.mark.parametrize("track", [SHIP, OVER_THE_POLE])
@pytest.mark.parametrize("walker", [None, "87:12/3/1"])
def test_over_a_ship_as_a_scan_sees_them(
    three_body: Scenario, walker_table: Callable, walker: str | None, track: list
) -> None:
    table = json.loads(three_body.to_json())
    if walker:
        table = walker_table(walker, 550.0)
    radio = "radio" if walker else "x-band"
    craft = {"name": "craft", "track": track, "antennas": {"kind": radio, "count": 40}}
    table |= {"workload": [], "ground": {"station": [craft]}}
    table["scenario"]["duration_s"] = 43_200.0
    scenario = Scenario.from_table(table)
    found = passes(scenario)
    assert sum(bool(each.aos and each.los) for each in found) > 10
    assert_as_scanned(scenario, found)


def assert_as_scanned(scenario: Scenario, found: list[Pass]) -> None:
    """Compare with the elevations of our ephemeris at every second."""
    t_s = np.arange(0.0, scenario.scenario.duration_s + 1)
    ephemeris = Ephemeris.of(scenario)
    satellite_km = ephemeris.satellites_km(t_s)
    site_km, up = ephemeris.stations_km(t_s)
    for index, name in enumerate(scenario.constellation[0].node_names()):
        height_deg = elevation_deg(site_km[0], up[0], satellite_km[index])
        above = height_deg >= scenario.ground.station[0].min_elevation_deg
        rises, sets = (
            [*np.flatnonzero(each)]
            for each in (
                above & ~np.append(False, above[:-1]),
                above & ~np.append(above[1:], False),
            )
        )
        own = [each for each in found if each.satellite == name]
        assert len(own) == len(rises)
        for each, first, last in zip(own, rises, sets, strict=True):
            aos_s, tca_s, los_s = (
                when and (when - scenario.scenario.start).total_seconds()
                for when in (each.aos, each.tca, each.los)
            )
            assert (first == 0) if aos_s is None else 0 <= first - aos_s <= 1
            assert (last == t_s[-1]) if los_s is None else 0 <= los_s - last <= 1
            highest = first + int(np.argmax(height_deg[first : last + 1]))
            if tca_s is not None:
                assert abs(tca_s - highest) <= 1
            # Within half a second of an overhead pass 550 km up elevation changes by 0.4 degrees.
            rise_deg = each.max_elevation_deg - height_deg[highest]
            assert -A_THOUSANDTH_OF_A_DEGREE < rise_deg < 0.4


def test_an_aircraft_turns_at_the_edge_of_a_geostationary_satellite(
    walker_table: Callable,
) -> None:
    # The search for fixed sites looks every 72 minutes; there and back are 40.
    table = walker_table("0:1/1/0", 35786.0)
    start = Ephemeris.of(Scenario.from_table(table))
    [[[x, y, _]]] = start.satellites_km(np.array([0.0]))
    below_deg = np.degrees(np.arctan2(y, x) - start.gmst_rad(np.array([0.0]))[0])
    # On the equator a satellite is at 10 degrees as far from below it as the limb's arc.
    arc_deg = np.degrees(np.arccos(EARTH_RADIUS_KM / 42164 * np.cos(np.radians(10)))) - 10
    turns = [
        [1200.0 * index, 0.0, (below_deg + arc_deg + side) % 360, 10e3]
        for index, side in enumerate([-1, 1] * 8)
    ]
    table["ground"] = {"station": [{"name": "s", "track": turns, "antennas": STATION["antennas"]}]}
    table["terminals"]["radio"]["max_range_km"] = 1e6
    table["scenario"]["duration_s"] = 15 * 1200.0
    scenario = Scenario.from_table(table)
    found = passes(scenario)
    assert len(found) == 8
    assert found[0].aos is None
    assert all(each.los for each in found)
    # Over the edge half way along each leg, give or take what altitude and drift move it.
    crossings = [each.los for each in found] + [each.aos for each in found[1:]]
    for index, moment in enumerate(sorted(crossings)):
        since_s = (moment - scenario.scenario.start).total_seconds()
        assert abs(since_s - 1200 * (index + 0.5)) < 200
    assert_as_scanned(scenario, found)


def test_where_a_ship_sees_a_satellite_rise_so_does_skyfield(three_body: Scenario) -> None:
    table = json.loads(three_body.to_json())
    station = without_place(table["ground"]["station"][0])
    # Along a meridian and along the equator positions between need no formula.
    tracks = (
        [[0.0, -40.0, 30.0, 0.0], [43_200.0, -30.0, 30.0, 0.0]],
        [
            [0.0, 0.0, 175.0, 9e3],
            [43_200.0, 0.0, 195.0, 12e3],
        ],
    )
    table["ground"]["station"] = [
        station | {"name": name, "track": track}
        for name, track in zip(("south", "equator"), tracks, strict=True)
    ]
    table |= {"workload": []}
    table["scenario"]["duration_s"] = 43_200.0
    scenario = Scenario.from_table(table)
    timescale = load.timescale(builtin=True)
    orbits = {
        each.name: EarthSatellite.from_satrec(satrec(each), timescale)
        for each in scenario.constellation[0].satellite
    }
    whole = [each for each in passes(scenario) if each.aos and each.los and each.tca]
    assert {each.station for each in whole} == {"south", "equator"}
    for each in whole:
        for moment in (each.aos, each.los, each.tca):
            share = (moment - scenario.scenario.start).total_seconds() / 43_200
            if each.station == "south":
                site = wgs84.latlon(-40 + 10 * share, 30.0)
            else:
                site = wgs84.latlon(0.0, 175 + 20 * share, 9e3 + 3e3 * share)
            look = (orbits[each.satellite] - site).at(timescale.from_datetime(moment))
            highest = moment == each.tca
            expected_deg = each.max_elevation_deg if highest else station["min_elevation_deg"]
            assert look.altaz()[0].degrees == pytest.approx(
                expected_deg, abs=A_THOUSANDTH_OF_A_DEGREE
            )


def test_a_geostationary_satellite_never_sets(walker_table: Callable) -> None:
    found = passes(over_station(walker_table, "0:36/1/0", 35786.0))
    assert {(each.aos, each.los) for each in found} == {(None, None)}
    # Above 10 degrees from 30 N: cos(arc) of the limb, and of the longitudes within it.
    arc_deg = np.degrees(np.arccos(EARTH_RADIUS_KM / 42164 * np.cos(np.radians(10)))) - 10
    half_span_deg = np.degrees(np.arccos(np.cos(np.radians(arc_deg)) / np.cos(np.radians(30))))
    assert abs(len(found) - 2 * half_span_deg / 10) <= 1


def test_no_station_no_pass(walker_scenario: Callable) -> None:
    assert passes(walker_scenario()) == []


def test_what_sgp4_rejects_is_named(three_body_table: dict) -> None:
    three_body_table["constellation"][0]["satellite"][3]["mean_motion_rev_day"] = 17.9
    with pytest.raises(PhysicsError, match="scs-01-d"):
        passes(Scenario.from_table(three_body_table))


def sun_direction(moment: datetime) -> np.ndarray:
    """Unit vector to the Sun: the Astronomical Almanac's low-precision formula, 0.01 degrees."""
    days = (moment - datetime(2000, 1, 1, 12, tzinfo=moment.tzinfo)) / timedelta(days=1)
    mean_longitude = np.radians(280.460 + 0.9856474 * days)
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = mean_longitude + np.radians(1.915) * np.sin(anomaly)
    longitude += np.radians(0.020) * np.sin(2 * anomaly)
    obliquity = np.radians(23.439 - 4e-7 * days)
    y = np.sin(longitude)
    return np.array([np.cos(longitude), np.cos(obliquity) * y, np.sin(obliquity) * y])


def eclipsed_share(altitude_km: float, beta_rad: float) -> float:
    """Share of a circular orbit in a cylindrical shadow; beta is the Sun's angle to its plane."""
    radius_km = EARTH_RADIUS_KM + altitude_km
    cosine = np.sqrt(radius_km**2 - EARTH_RADIUS_KM**2) / (radius_km * np.cos(beta_rad))
    return float(np.arccos(cosine) / np.pi) if cosine < 1 else 0.0


@pytest.mark.parametrize(
    ("altitude_km", "beta_deg", "share"), [(550, 0, 0.372311), (550, 60, 0.214735), (1200, 60, 0.0)]
)
def test_the_eclipse_formula_itself(altitude_km: float, beta_deg: float, share: float) -> None:
    assert eclipsed_share(altitude_km, np.radians(beta_deg)) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize("altitude_km", [550.0, 1200.0, 35786.0])
@pytest.mark.parametrize("raan_deg", [0.0, 60.0, 100.0, 150.0])
def test_share_of_a_plane_in_the_dark(
    walker_table: Callable, altitude_km: float, raan_deg: float
) -> None:
    # Ten thousand satellites in one plane at one instant stand for one satellite over its orbit.
    count = 10_000
    table = walker_table(f"70:{count}/1/0", altitude_km)
    table["constellation"][0]["raan_start_deg"] = raan_deg
    scenario = Scenario.from_table(table)
    lit = sunlit(scenario, 30.0)
    assert lit.shape == (count,)
    assert lit.dtype == bool
    node, tilt = np.radians([raan_deg, 70.0])
    normal = np.array([np.sin(node) * np.sin(tilt), -np.cos(node) * np.sin(tilt), np.cos(tilt)])
    beta_rad = np.arcsin(normal @ sun_direction(scenario.scenario.start))
    expected = eclipsed_share(altitude_km, beta_rad)
    assert 1 - lit.mean() == pytest.approx(expected, rel=ONE_PERCENT, abs=0.002)


def test_night_and_day_at_the_highest_point(three_body: Scenario) -> None:
    for each in passes(three_body):
        names = three_body.constellation[0].node_names()
        moment = each.tca or each.aos or three_body.scenario.start
        if each.tca:
            t_s = (moment - three_body.scenario.start).total_seconds()
            assert each.sunlit == sunlit(three_body, t_s)[names.index(each.satellite)]
