"""Ranges, elevations and passes against Skyfield, from the same elements by its own reading."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from skyfield.api import EarthSatellite, Timescale, load, wgs84

from emulator.constellations import Satellite
from emulator.ephemeris import Ephemeris
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.units import DAY_S
from emulator.visibility import elevation_deg, range_km

ONE_METRE_KM = 1e-3
A_HUNDREDTH_OF_A_DEGREE = 0.01
ONE_MILLISECOND_S = 1e-3
SEARCH_LIMIT_S = 0.5
"""To which find_events finds an event."""
TAI_UTC_SINCE_2017_S = 37.0
TT_TAI_S = 32.184

TLE_FILES = (
    "three_body_scs01_2026-08-11",
    "iridium_next",
    "beidou",
    "relay_geo_tianlian_edrs",
    "tiangong_css",
)


def timescale_with(ut1_utc_s: float) -> Timescale:
    """Skyfield's time with UT1 as the scenario states it, not as its own table does."""
    return load.timescale(delta_t=TT_TAI_S + TAI_UTC_SINCE_2017_S - ut1_utc_s)


def skyfield_satellite(satellite: Satellite, timescale: Timescale) -> EarthSatellite:
    """Hand the figures to Skyfield as OMM text, so that it does its own conversions."""
    fields = {
        "OBJECT_NAME": satellite.name,
        "OBJECT_ID": "2025-100A",
        "EPOCH": f"{satellite.epoch:%Y-%m-%dT%H:%M:%S.%f}",
        "MEAN_MOTION": repr(satellite.mean_motion_rev_day),
        "ECCENTRICITY": repr(satellite.eccentricity),
        "INCLINATION": repr(satellite.inclination_deg),
        "RA_OF_ASC_NODE": repr(satellite.raan_deg),
        "ARG_OF_PERICENTER": repr(satellite.arg_perigee_deg),
        "MEAN_ANOMALY": repr(satellite.mean_anomaly_deg),
        "EPHEMERIS_TYPE": "0",
        "CLASSIFICATION_TYPE": "U",
        "NORAD_CAT_ID": str(satellite.catalogue),
        "ELEMENT_SET_NO": "999",
        "REV_AT_EPOCH": "1",
        "BSTAR": repr(satellite.bstar),
        "MEAN_MOTION_DOT": "0",
        "MEAN_MOTION_DDOT": "0",
    }
    return EarthSatellite.from_omm(timescale, fields)


def assert_agreement(
    scenario: Scenario, satellites: Iterable[EarthSatellite], timescale: Timescale, t_s: np.ndarray
) -> None:
    """Compare every range and elevation of ``scenario`` at ``t_s`` with Skyfield's."""
    ephemeris = Ephemeris.of(scenario)
    ours_km = ephemeris.satellites_km(t_s)
    station_km, up = ephemeris.stations_km(t_s)
    start = timescale.from_datetime(scenario.scenario.start)
    moments = timescale.tt_jd(np.full(len(t_s), start.whole), start.tt_fraction + t_s / DAY_S)
    theirs_km = np.stack([satellite.at(moments).xyz.km.T for satellite in satellites])
    for a in range(len(ours_km) - 1):
        apart = range_km(ours_km[a], ours_km[a + 1 :]) - range_km(theirs_km[a], theirs_km[a + 1 :])
        assert np.abs(apart).max() < ONE_METRE_KM
    for index, station in enumerate(scenario.ground.station):
        site = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.altitude_m)
        for satellite, position_km in zip(satellites, ours_km, strict=True):
            altitude, _, distance = (satellite - site).at(moments).altaz()
            slant_km = range_km(station_km[index], position_km)
            assert np.abs(slant_km - distance.km).max() < ONE_METRE_KM
            elevation = elevation_deg(station_km[index], up[index], position_km)
            assert np.abs(elevation - altitude.degrees).max() < A_HUNDREDTH_OF_A_DEGREE


def test_the_preset_states_ut1_of_skyfields_table(three_body: Scenario) -> None:
    start = load.timescale(builtin=True).from_datetime(three_body.scenario.start)
    assert abs(start.dut1 - three_body.scenario.ut1_utc_s) < ONE_MILLISECOND_S


def test_three_body_ranges_and_elevations(three_body: Scenario) -> None:
    # The builtin table here: the preset took its UT1 from it.
    timescale = load.timescale(builtin=True)
    satellites = [
        skyfield_satellite(each, timescale) for each in three_body.constellation[0].satellite
    ]
    assert_agreement(three_body, satellites, timescale, np.linspace(0.0, 6 * 3600.0, 500))


@pytest.mark.parametrize("file", TLE_FILES)
@pytest.mark.parametrize("ut1_utc_s", [0.0, -0.4])
def test_real_elements(tle_folder: Path, file: str, ut1_utc_s: float) -> None:
    path = tle_folder / f"{file}.tle"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    timescale = timescale_with(ut1_utc_s)
    sets = list(zip(lines[0::3], lines[1::3], lines[2::3], strict=True))
    satellites = [EarthSatellite(first, second, name, timescale) for name, first, second in sets]
    station = {"antennas": {"kind": "x", "count": 1}}
    scenario = Scenario.from_table(
        {
            "scenario": {
                "name": "real",
                "start": datetime(2026, 8, 11, 6, tzinfo=UTC),
                "duration_s": 86400.0,
                "ut1_utc_s": ut1_utc_s,
            },
            "terminals": {"x": {"rate_gbps": 1.0, "max_range_km": 1e5}},
            "constellation": [{"name": "c", "elements_file": path.name}],
            "ground": {
                "station": [
                    {"name": "kiruna", "latitude_deg": 67.86, "longitude_deg": 20.96} | station,
                    {"name": "troll", "latitude_deg": -72.01, "longitude_deg": 2.53} | station,
                    {"name": "quito", "latitude_deg": -0.18, "longitude_deg": 281.5} | station,
                ]
            },
        },
        path,
    )
    t_s = np.random.default_rng(7).uniform(0, 86400, 100)
    chosen = slice(0, 20)
    few = scenario.constellation[0].model_copy(
        update={"satellite": scenario.constellation[0].satellite[chosen]}
    )
    scenario = scenario.model_copy(update={"constellation": (few,)})
    assert_agreement(scenario, satellites[chosen], timescale, t_s)


@pytest.mark.parametrize("station", range(3))
def test_contacts_begin_and_end_with_skyfields_passes(three_body: Scenario, station: int) -> None:
    table = json.loads(three_body.to_json())
    table["scenario"] |= {"duration_s": 6 * 3600.0, "step_s": 2.0}
    table["ground"]["station"] = [table["ground"]["station"][station]]
    # As many antennas as satellites: every pass is a contact.
    table["ground"]["station"][0]["antennas"]["count"] = 12
    table["isl"] = []
    scenario = Scenario.from_table(table)
    plan = LinkPlan.of(scenario)
    [place] = scenario.ground.station
    site = wgs84.latlon(place.latitude_deg, place.longitude_deg, place.altitude_m)
    timescale = load.timescale(builtin=True)
    ends = [timescale.from_datetime(scenario.scenario.start)]
    ends.append(ends[0] + scenario.scenario.duration_s / DAY_S)

    risen = []
    for node, satellite in enumerate(scenario.constellation[0].satellite):
        orbit = skyfield_satellite(satellite, timescale)
        time, event = orbit.find_events(site, *ends, place.min_elevation_deg)
        t_s = (time - ends[0]) * DAY_S
        own = plan.contacts[plan.network.port_node[plan.contacts["a"]] == node]
        for kind, field in ((0, "start"), (2, "end")):
            at_edge = (own[field] == 0) | (own[field] == plan.steps)
            found_s = own[field][~at_edge] * plan.step_s
            late_s = found_s - t_s[event == kind]
            assert (late_s > -SEARCH_LIMIT_S).all()
            assert (late_s < plan.step_s + SEARCH_LIMIT_S).all()
        risen.append((event == 0).sum())
    assert sum(risen) > 10
