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


def test_the_window_cuts_passes_off(three_body: Scenario) -> None:
    [whole] = [
        p for p in passes(three_body, 0.0) if (p.station, p.satellite) == ("sanya", "scs-01-d")
    ][:1]
    assert whole.tca
    for first_s, last_s in ((-20, 20), (10, 20), (-20, -10)):
        table = json.loads(three_body.to_json())
        start = whole.tca + timedelta(seconds=first_s)
        table["scenario"] |= {"start": start.isoformat(), "duration_s": float(last_s - first_s)}
        table["workload"] = []
        cut = [p for p in passes(Scenario.from_table(table), 0.0) if p.satellite == "scs-01-d"]
        [part] = [p for p in cut if p.station == "sanya"]
        assert (part.aos, part.los) == (None, None)
        assert (part.tca is not None) == (first_s < 0 < last_s)
        assert part.max_elevation_deg <= whole.max_elevation_deg + A_HUNDREDTH_OF_A_DEGREE


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
