"""The air over stations: rates over elevation, rain and clouds over time, light's allowances."""

import math
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from emulator.causes import Cause
from emulator.contacts import Planner
from emulator.ephemeris import Ephemeris, julian_date
from emulator.errors import PhysicsError, ScenarioError
from emulator.explain import explain
from emulator.frames import gmst_rad
from emulator.linkplan import LinkPlan
from emulator.network import Network
from emulator.physics import gas, radio, rain, turbulence
from emulator.physics.modcods import S2X_LADDER
from emulator.scenario import Scenario
from emulator.sky import skies
from emulator.weather import Skyward

START = "2026-08-22T12:00:00Z"
DAY_S = 86_400.0
GEOSTATIONARY_KM = 35_786.0
STANDARD_AIR = 1013.25, 288.15, 7.5
"""ITU-R P.835 at sea level: hPa, K, g/m3."""
BOLTZMANN_DBW_K_HZ = -228.599
A_HUNDREDTH_OF_A_DB = 0.01
A_BILLIONTH_OF_A_DB = 1e-9

BEAM = {
    "frequency_ghz": 20.0,
    "symbol_rate_mbaud": 400.0,
    "eirp_dbw": 40.0,
    "g_over_t_db_k": 0.0,
    "hysteresis_db": 0.0,
    "dwell_s": 0.0,
}
DISH = BEAM | {"frequency_ghz": 30.0, "eirp_dbw": 51.0, "g_over_t_db_k": 5.5, "antenna_m": 1.2}
LASER = {"tx_power_w": 10.0, "aperture_m": 0.135, "photons_per_bit": 40.0}
TELESCOPE = LASER | {"aperture_m": 0.6}

RAINY = {"rain_mm_h": 60.0, "rain_height_km": 4.5}
CLOUDY = {"cloudy_share": 0.35, "cloud_spell_h": 1.0}


def station(name: str, latitude_deg: float = 0.0, longitude_deg: float = 30.0, **keys: Any) -> dict:
    where = (
        {} if "track" in keys else {"latitude_deg": latitude_deg, "longitude_deg": longitude_deg}
    )
    fit = {"antennas": {"kind": "ground", "count": 1}, "min_elevation_deg": 10.0}
    return {"name": name, **where, **fit, **keys}


def scenario(
    *stations: dict,
    space: dict | None = None,
    ground: dict | None = None,
    altitude_km: float = 550.0,
    rule: dict | None = None,
    **run: Any,
) -> Scenario:
    """Satellites over the equator and stations with terminals of medium ``space`` and ``ground``.

    In low orbits there are twelve, and one that hangs over 30 degrees east in the geostationary.
    """
    hanging = altitude_km == GEOSTATIONARY_KM
    sidereal = gmst_rad(*julian_date(datetime.fromisoformat(START), np.zeros(1)))
    terminal = {"rate_gbps": 5.0, "max_range_km": 50_000.0}
    table = {
        "scenario": {"name": "air", "start": START, "duration_s": 60.0, "step_s": 10.0, **run},
        "terminals": {"space": {**terminal, **(space or {})}, "ground": {**terminal}},
        "constellation": [
            {
                "name": "s",
                "walker": "0:1/1/0" if hanging else "0:12/1/0",
                "altitude_km": altitude_km,
                "raan_start_deg": float(np.degrees(sidereal[0]) + 30.0) % 360,
                "gsl": {"kind": "space", "count": 4},
            }
        ],
        "ground": {**(rule or {}), "station": list(stations)},
    }
    table["terminals"]["ground"] |= ground or {}
    for each in stations:
        kind = each["antennas"]["kind"]
        table["terminals"].setdefault(kind, {**terminal, **(ground or {})})
    return Scenario.from_table(table)


RADIO = {"space": {"radio": BEAM}, "ground": {"radio": DISH}}
LIGHT = {"space": {"optical": LASER}, "ground": {"optical": TELESCOPE}}


def skyward_of(of: Scenario) -> Skyward:
    return Skyward(of, Network.of(of))


def lost_db(
    of: Skyward, t_s: float, elevation_deg: float = 40.0, site: int = 0, kinds: Any = (0, 1)
) -> tuple[float, float]:
    """What the air takes down and up, of one pair."""
    above, below = (np.array([kind]) for kind in kinds)
    found = of.attenuation_db(t_s, above, below, np.array([site]), np.array([elevation_deg]))
    return float(found[0, 0]), float(found[1, 0])


def geometry(plan: LinkPlan, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Range (km) and elevation (degrees) of every satellite over the first station."""
    t_s = np.array([step * plan.step_s])
    [[site_km]], [[up]] = (each[:1] for each in plan.ephemeris.stations_km(t_s))
    line = plan.ephemeris.satellites_km(t_s)[:, 0] - site_km
    away_km = np.sqrt((line**2).sum(-1))
    return away_km, np.degrees(np.arcsin(np.clip((line * up).sum(-1) / away_km, -1.0, 1.0)))


class TestRadio:
    def test_rates_over_elevation_are_the_budgets(self) -> None:
        plan = LinkPlan.of(scenario(station("g"), **RADIO, duration_s=1200.0))
        rates, low, high = set(), 90.0, 0.0
        for step in range(plan.steps):
            away_km, height_deg = geometry(plan, step)
            for link in plan.links(step):
                node = plan.network.port_node[link["a"]]
                spread_db = 20 * math.log10(4 * math.pi * away_km[node] * 1e9 / 299_792.458)
                sine = math.sin(math.radians(height_deg[node]))
                for bits, spare, tx, rx in (
                    ("rate_bps", "margin_db", BEAM, DISH),
                    ("return_bps", "return_margin_db", DISH, BEAM),
                ):
                    ghz = tx["frequency_ghz"]
                    air_db = float(gas.zenith_gas_db(ghz, *STANDARD_AIR)) / sine
                    level_db = (
                        tx["eirp_dbw"]
                        + rx["g_over_t_db_k"]
                        - (spread_db + 20 * math.log10(ghz))
                        - air_db
                        - BOLTZMANN_DBW_K_HZ
                        - 10 * math.log10(400e6)
                    )
                    rung = int(radio.choose_modcod(level_db, 1.5))
                    bps = float(radio.rate_bps(rung, 400e6))
                    margin_db = level_db - S2X_LADDER.threshold_db[rung]
                    assert link[bits] == pytest.approx(bps, abs=4), "whole bytes"
                    assert link[spare] == pytest.approx(margin_db, abs=0.001)
                    rates.add(bps)
                low, high = min(low, height_deg[node]), max(high, height_deg[node])
        assert len(rates) > 10
        assert low < 15
        assert high > 85

    @pytest.mark.parametrize("frequency_ghz", [8.2, 12.0, 20.0])
    def test_the_worked_example_in_clear_sky(self, frequency_ghz: float) -> None:
        # EIRP 40 dBW, G/T 26 dB/K, 400 MBd from 550 km at 20 GHz: 29.10 dB at 25 degrees.
        beam, dish = (each | {"frequency_ghz": frequency_ghz} for each in (BEAM, DISH))
        dish["g_over_t_db_k"] = 26.0
        plan = LinkPlan.of(scenario(station("g"), space={"radio": beam}, ground={"radio": dish}))
        level_db = plan.planner.budgets.level_db(0, 1, 1123.418)
        expected_db = 29.10 + 20 * math.log10(20.0 / frequency_ghz)
        assert level_db == pytest.approx(expected_db, abs=A_HUNDREDTH_OF_A_DB)

    def test_rain_is_p618s_at_the_percentage_of_the_moment(self) -> None:
        of = skyward_of(
            scenario(station("g", 12.0, climate=RAINY), **RADIO, duration_s=31 * DAY_S, seed=3)
        )
        site = rain.RainSite(*map(np.array, (12.0, 0.0, 60.0, 4.5)))
        wet = dry = 0
        for t_s in np.arange(0.0, 31 * DAY_S, 3600.0):
            [z] = of.weather.at(t_s)[1]
            percent = 50 * math.erfc(float(z) / math.sqrt(2))
            for way, ghz in enumerate((20.0, 30.0)):
                for height_deg in (12.0, 40.0, 90.0):
                    expected_db = float(gas.zenith_gas_db(ghz, *STANDARD_AIR)) / math.sin(
                        math.radians(height_deg)
                    )
                    expected_db += float(rain.rain_exceeded_db(percent, height_deg, ghz, site))
                    found_db = lost_db(of, t_s, height_deg)[way]
                    assert found_db == pytest.approx(expected_db, abs=1e-6)
            wet, dry = wet + (percent < 5), dry + (percent > 5)
        assert wet > 10
        assert dry > 500

    def test_one_percent_of_the_time_it_is_worse_than_at_one_percent(self) -> None:
        # Eight sites that know nothing of each other; six draws of a month, looked at each hour.
        sites = [
            station(
                f"g-{i}", 20.0 * (i % 2), 45.0 * i, climate=RAINY | {"rain_mm_h": 20.0 + 10 * i}
            )
            for i in range(8)
        ]
        every = np.arange(8)
        place = rain.RainSite(20.0 * (every % 2), np.zeros(8), 20.0 + 10 * every, np.full(8, 4.5))
        threshold_db = rain.rain_exceeded_db(1.0, 30.0, 20.0, place)
        threshold_db += gas.zenith_gas_db(20.0, *STANDARD_AIR) * 2
        worse = []
        for seed in range(6):
            of = skyward_of(scenario(*sites, **RADIO, duration_s=31 * DAY_S, seed=seed))
            kinds = np.zeros(8, dtype=int), np.ones(8, dtype=int)
            for t_s in np.arange(0.0, 31 * DAY_S, 3600.0):
                found_db = of.attenuation_db(t_s, *kinds, every, np.full(8, 30.0))[0]
                worse.append(found_db > threshold_db)
        # 35,712 looks of which one in three is new: three standard deviations are 0.3 %.
        assert np.mean(worse) == pytest.approx(0.01, abs=0.003)

    def test_more_rain_brings_down_less(self) -> None:
        def seed_with_rain() -> int:
            for seed in range(500):
                wet = skyward_of(scenario(station("g", climate=RAINY), **RADIO, seed=seed))
                if 2.2 < wet.weather.at(0.0)[1][0] < 2.5:
                    return seed
            raise AssertionError("no rain in 500 worlds")

        seed, volumes = seed_with_rain(), []
        for rain_mm_h in (0.0, 10.0, 30.0, 60.0, 120.0):
            climate = RAINY | {"rain_mm_h": rain_mm_h}
            # The whole of one pass: all within a minute or so of the weather that was asked for.
            plan = LinkPlan.of(scenario(station("g", climate=climate), **RADIO, seed=seed))
            bits = [plan.links(step)["rate_bps"].sum() * plan.step_s for step in range(plan.steps)]
            volumes.append(sum(map(int, bits)))
        assert volumes == sorted(volumes, reverse=True)
        assert len(set(volumes)) == 5

    def test_clouds_take_what_their_water_takes(self) -> None:
        climate = CLOUDY | {"cloud_water_kg_m2": 2.0}
        of = skyward_of(scenario(station("g", climate=climate), **RADIO, duration_s=DAY_S))
        sine = math.sin(math.radians(40.0))
        seen = set()
        for t_s in np.arange(0.0, DAY_S, 600.0):
            cloudy = bool(of.weather.at(t_s)[0][0])
            for way, ghz in enumerate((20.0, 30.0)):
                expected_db = float(gas.zenith_gas_db(ghz, *STANDARD_AIR))
                expected_db += cloudy * 2.0 * float(rain.cloud_coefficient_db_m2_kg(ghz))
                assert lost_db(of, t_s)[way] == pytest.approx(expected_db / sine, abs=1e-9)
            seen.add(cloudy)
        assert seen == {False, True}

    def test_scintillation_is_averaged_by_the_dish_on_the_ground_both_ways(self) -> None:
        # Of two kinds of stations each has its own dish, whichever comes first.
        small, large = (
            {"radio": DISH | {"antenna_m": metres, "frequency_ghz": 14.0}} for metres in (0.6, 9.0)
        )
        moist = {"climate": {"wet_refractivity": 80.0}}
        beam = {"radio": BEAM | {"frequency_ghz": 12.0}}
        fit = {"antennas": {"kind": "large", "count": 1}}
        table = scenario(
            station("a", **moist), station("b", **moist, **fit), space=beam, ground=small
        ).model_dump()
        table["terminals"]["large"] |= large
        of = skyward_of(Scenario.from_table(table))
        kinds = [list(table["terminals"]).index(name) for name in ("space", "ground", "large")]
        both = of.attenuation_db(
            0.0, np.array(kinds[:1] * 2), np.array(kinds[1:]), np.arange(2), np.full(2, 20.0)
        )
        for way, ghz in enumerate((12.0, 14.0)):
            gas_db = float(gas.zenith_gas_db(ghz, *STANDARD_AIR)) / math.sin(math.radians(20.0))
            for site, metres in enumerate((0.6, 9.0)):
                twinkle_db = float(
                    rain.scintillation_exceeded_db(1.0, 20.0, ghz, 80.0, metres, 0.65)
                )
                assert twinkle_db > 0
                assert both[way, site] == pytest.approx(gas_db + twinkle_db, abs=1e-9)
                alone = lost_db(of, 0.0, 20.0, site, (kinds[0], kinds[1 + site]))
                assert both[way, site] == pytest.approx(alone[way], abs=A_BILLIONTH_OF_A_DB)

    @pytest.mark.parametrize(
        ("altitude_m", "air"),
        [
            # ITU-R P.835-6, table of the mean annual reference atmosphere; vapour: 7.5 exp(-h / 2).
            (0.0, (1013.25, 288.15, 7.5)),
            (2000.0, (794.95, 275.15, 2.759)),
            (11_000.0, (226.32, 216.65, 0.03065)),
            (20_000.0, (54.75, 216.65, 3.405e-4)),
        ],
    )
    def test_the_air_is_thinner_higher_up(self, altitude_m: float, air: tuple) -> None:
        of = skyward_of(scenario(station("g", altitude_m=altitude_m), **RADIO))
        expected_db = float(gas.zenith_gas_db(20.0, *air))
        assert lost_db(of, 0.0, 90.0)[0] == pytest.approx(expected_db, rel=0.005)


class TestLight:
    def test_clear_air_and_an_allowance_for_scintillation(self) -> None:
        climate = {"zenith_transmission": 0.85}
        plan = LinkPlan.of(scenario(station("g", climate=climate), **LIGHT, duration_s=1200.0))
        air = turbulence.Air.hufnagel_valley()
        seen = 0
        for step in range(plan.steps):
            away_km, height_deg = geometry(plan, step)
            for link in plan.links(step):
                node = int(plan.network.port_node[link["a"]])
                clear_db = -10 * math.log10(0.85) / math.sin(math.radians(height_deg[node]))
                # What goes up is not averaged: a satellite is a point in its speckles.
                for name, ends, metres in (
                    ("margin_db", (0, 1), 0.6),
                    ("return_margin_db", (1, 0), 0.0),
                ):
                    index = turbulence.scintillation_index(1.55e-6, height_deg[node], metres, air)
                    allowed_db = float(turbulence.fade_margin_db(index, 0.01))
                    assert allowed_db > 0.2
                    level_db = float(plan.planner.budgets.level_db(*ends, away_km[node]))
                    expected_db = level_db - clear_db - allowed_db - 10 * math.log10(5e9)
                    assert link[name] == pytest.approx(expected_db, abs=A_HUNDREDTH_OF_A_DB)
                    seen += 1
        assert seen > 100

    @pytest.mark.parametrize("with_budget", [("space", "ground"), ("ground",), ("space",)])
    def test_light_is_off_in_clouds_and_only_there(self, with_budget: tuple[str, ...]) -> None:
        # Whoever says nothing of itself may be a laser terminal; the other end says that it is.
        sites = [station(f"g-{i}", 3.0, 10.0 + 20.0 * i, climate=CLOUDY) for i in range(3)]
        media = {name: LIGHT[name] for name in with_budget}
        plan = LinkPlan.of(
            scenario(
                *sites, **media, altitude_km=GEOSTATIONARY_KM, duration_s=2 * DAY_S, step_s=300.0
            )
        )
        lit = np.zeros((3, plan.steps), dtype=bool)
        node = plan.network.port_node
        for row in plan.contacts:
            lit[node[row["b"]] - 1, row["start"] : row["end"]] = True
            assert row["ended"] in (Cause.CLOUD, Cause.END)
        weather = plan.planner.skyward.weather
        for step in range(plan.steps):
            cloudy = weather.at(step * plan.step_s)[0]
            assert (lit[:, step] == ~cloudy).all()
        assert 0.2 < lit.mean() < 0.95
        dark = int(np.flatnonzero(~lit[0])[0])
        assert "clouds over the station" in explain(plan, "s-01-01", "g-0", dark * 300.0)

    def test_radio_goes_through_the_clouds(self) -> None:
        plan = LinkPlan.of(
            scenario(
                station("g", climate=CLOUDY),
                space={"radio": BEAM | {"eirp_dbw": 60.0, "g_over_t_db_k": 20.0}},
                ground={"radio": DISH | {"eirp_dbw": 70.0, "g_over_t_db_k": 30.0}},
                altitude_km=GEOSTATIONARY_KM,
                duration_s=DAY_S,
                step_s=600.0,
            )
        )
        assert plan.planner.skyward.weather.cloudy.any()
        assert [row.tolist()[2:] for row in plan.contacts] == [(0, 144, Cause.END)]

    def test_a_cloud_that_passes_quickly_is_waited_for(self) -> None:
        pointing = {"acquisition_s": 0.0, "coast_s": 400.0, "reacquisition_s": 0.0}
        space, ground = (LIGHT[name] | {"pointing": pointing} for name in ("space", "ground"))
        climate = {"cloudy_share": 0.5, "cloud_spell_h": 0.1}
        plan = LinkPlan.of(
            scenario(
                station("g", climate=climate),
                space=space,
                ground=ground,
                altitude_km=GEOSTATIONARY_KM,
                duration_s=DAY_S / 4,
                step_s=60.0,
            )
        )
        waits = plan.timeline.outages
        weather = plan.planner.skyward.weather
        cloudy = np.array([weather.at(step * 60.0)[0][0] for step in range(plan.steps)])
        assert set(waits["cause"].tolist()) == {Cause.CLOUD}
        for row in waits:
            assert cloudy[row["start"] : row["end"]].all()
            assert row["end"] - row["start"] <= math.ceil(400.0 / 60.0)
        assert len(waits) > 10

    @pytest.mark.parametrize(
        ("longitudes_deg", "band"),
        [
            # 1 - 0.35³ = 95.71 %; nine spells of cloud in ten are new from hour to hour.
            ((0.0, 60.0, 120.0), (0.957, 0.008)),
            ((0.0, 60.0), (1 - 0.35**2, 0.012)),
            # 50 km: correlation exp(-50/300) = 0.846, so both are clouded in 0.35² + 0.846 · 0.35
            # · 0.65 of the time, not in 0.35².
            ((0.0, 0.4492), (1 - 0.35**2 - 0.8465 * 0.35 * 0.65, 0.02)),
        ],
    )
    def test_site_diversity(self, longitudes_deg: tuple, band: tuple[float, float]) -> None:
        sites = [
            station(f"g-{i}", 0.0, longitude_deg, climate=CLOUDY)
            for i, longitude_deg in enumerate(longitudes_deg)
        ]
        sheltered = []
        for seed in range(7):
            of = skyward_of(scenario(*sites, **LIGHT, duration_s=31 * DAY_S, seed=seed))
            sheltered.append(of.weather.cloudy.all(axis=0).mean())
        expected, off = band
        assert 1 - np.mean(sheltered) == pytest.approx(expected, abs=off)


@pytest.mark.parametrize(
    ("space", "ground", "kept_apart"),
    [
        ({"optical": LASER}, {"optical": TELESCOPE}, True),
        ({}, {"optical": TELESCOPE}, True),
        ({"optical": LASER}, {}, True),
        ({"radio": BEAM}, {"radio": DISH}, False),
        ({"radio": BEAM}, {"optical": TELESCOPE}, False),
        ({}, {}, False),
    ],
)
def test_clouds_keep_apart_whom_light_would_join(
    space: dict, ground: dict, kept_apart: bool
) -> None:
    always = {"cloudy_share": 1.0}
    # Kinds that never fit are refused where both are carried: here the station carries none.
    site = station("s", climate=always, antennas={"kind": "ground", "count": 0})
    air = skyward_of(scenario(site, space=space, ground=ground))
    found = air.clouded(0.0, np.array([0]), np.array([1]), np.array([0]))
    assert found.tolist() == [kept_apart]


class TestMoving:
    def test_an_aircraft_climbs_out_of_the_rain(self) -> None:
        wet = RAINY | {"rain_height_km": 4.5}
        track = [[0.0, 10.0, 30.0, 0.0], [1200.0, 10.0, 33.0, 11_000.0]]
        seed = next(
            seed
            for seed in range(500)
            if skyward_of(
                scenario(station("a", track=track, climate=wet), **RADIO, seed=seed)
            ).weather.at(0.0)[1][0]
            > 2.5
        )
        keys = {"duration_s": 1300.0, "seed": seed}
        plane = skyward_of(scenario(station("a", track=track, climate=wet), **RADIO, **keys))
        parked = skyward_of(scenario(station("a", 10.0, 30.0, climate=wet), **RADIO, **keys))
        assert plane.weather.rain_z == pytest.approx(parked.weather.rain_z)
        assert lost_db(plane, 0.0) == pytest.approx(lost_db(parked, 0.0), abs=1e-9)
        assert lost_db(plane, 0.0)[0] > 5.0
        # At 600 s it is at 5.5 km, above the rain, and in the air of that height.
        thinner = skyward_of(scenario(station("a", 10.0, 31.5, altitude_m=5500.0), **RADIO))
        assert lost_db(plane, 600.0) == pytest.approx(lost_db(thinner, 0.0), rel=1e-3)
        assert lost_db(plane, 1250.0)[1] < 0.02

    @pytest.mark.parametrize("media", [RADIO, LIGHT])
    def test_a_ship_at_anchor_has_the_weather_of_a_station(self, media: dict) -> None:
        climate = RAINY | CLOUDY | {"cloud_water_kg_m2": 1.0, "wet_refractivity": 60.0}
        keys: dict[str, Any] = {"duration_s": 1200.0, "step_s": 20.0, "seed": 5, **media}
        fixed = LinkPlan.of(scenario(station("g", 3.0, climate=climate), **keys))
        track = [[0.0, 3.0, 30.0, 0.0], [1200.0, 3.0, 30.0, 0.0]]
        anchored = LinkPlan.of(scenario(station("g", track=track, climate=climate), **keys))
        assert len(fixed.contacts) > 1
        assert (anchored.contacts == fixed.contacts).all()
        assert (anchored.timeline.rates == fixed.timeline.rates).all()
        for step in range(0, fixed.steps, 7):
            margins = [plan.links(step)["margin_db"] for plan in (anchored, fixed)]
            assert margins[0] == pytest.approx(margins[1], abs=1e-6)


def test_what_a_step_has_worked_out_is_what_a_look_would_find() -> None:
    climate = RAINY | CLOUDY | {"wet_refractivity": 60.0}
    sites = [station(f"g-{i}", 2.0 * i, 20.0 + 3 * i, climate=climate) for i in range(6)]
    of = scenario(*sites, **RADIO, duration_s=180.0, step_s=30.0)
    ephemeris = Ephemeris.of(of)
    stepping, looking = (Planner(of, Network.of(of), ephemeris) for _ in range(2))
    seen = 0
    for sky in skies(ephemeris, np.arange(6) * 30.0):
        stepping.step(sky)
        links = stepping.panels["gsl"].links
        for rows in (links, links[::-1], links[:1], links[:0]):
            found = [p.levels_db("gsl", sky, rows["a"], rows["b"]) for p in (stepping, looking)]
            assert np.array_equal(*found)
        seen += len(links)
    assert seen > 10


def test_a_seed_is_a_world() -> None:
    climate = RAINY | CLOUDY
    sites = [station(f"g-{i}", 10.0 * i, climate=climate) for i in range(3)]
    worlds = [
        skyward_of(scenario(*sites, **RADIO, duration_s=DAY_S, seed=seed)).weather
        for seed in (1, 1, 2)
    ]
    assert (worlds[0].rain_z == worlds[1].rain_z).all()
    assert (worlds[0].cloudy == worlds[1].cloudy).all()
    assert (worlds[0].rain_z != worlds[2].rain_z).all()


class TestProblems:
    """What the models cannot do is said before anything is planned."""

    @pytest.mark.parametrize(
        ("ghz", "climate", "named"),
        [
            (60.0, {"rain_mm_h": 30.0}, "rain_mm_h"),
            (55.1, {"wet_refractivity": 30.0}, "wet_refractivity"),
            (3.5, {"wet_refractivity": 30.0}, "wet_refractivity"),
            (60.0, {"cloudy_share": 0.5, "cloud_water_kg_m2": 1.0}, None),
            (60.0, {}, None),
            (1.0, {"rain_mm_h": 30.0}, None),
            (55.0, {"rain_mm_h": 30.0, "wet_refractivity": 30.0}, None),
        ],
    )
    def test_frequencies(self, ghz: float, climate: dict, named: str | None) -> None:
        media = {
            name: {"radio": each["radio"] | {"frequency_ghz": ghz}} for name, each in RADIO.items()
        }
        if named:
            with pytest.raises(ScenarioError, match=f"{named} of its climate") as told:
                scenario(station("g", climate=climate), **media)
            keys = {problem.key for problem in told.value.problems}
            assert keys == {f"terminals.{name}.radio.frequency_ghz" for name in media}
            with pytest.raises(PhysicsError):
                self.model(named, ghz)
            return
        of = skyward_of(scenario(station("g", climate=climate), **media))
        assert np.isfinite(lost_db(of, 0.0)).all()

    def model(self, key: str, ghz: float) -> None:
        """What a frequency would have run into."""
        if key == "rain_mm_h":
            rain.rain_001_db(30.0, ghz, rain.RainSite(*map(np.array, (0.0, 0.0, 30.0, 3.0))))
        else:
            rain.scintillation_exceeded_db(1.0, 30.0, ghz, 30.0, 1.0, 0.65)

    def test_radios_that_do_not_hear_each_other_need_no_model(self) -> None:
        # S band next to Ka band: only the latter sees this station's weather.
        moist = {"climate": {"wet_refractivity": 30.0}}
        table = scenario(station("g", **moist), **RADIO).model_dump()
        table["terminals"]["sband"] = {
            "rate_gbps": 0.1,
            "max_range_km": 3000.0,
            "radio": BEAM | {"frequency_ghz": 2.2},
        }
        fit = {"antennas": {"kind": "sband", "count": 1}}
        table["ground"]["station"] = [*table["ground"]["station"], station("tt-c", 1.0, **fit)]
        shell = dict(table["constellation"][0])
        table["constellation"] = [
            shell,
            shell | {"name": "t", "gsl": {"kind": "sband", "count": 1}},
        ]
        plan = LinkPlan.of(Scenario.from_table(table))
        names = plan.network.nodes
        pairs = {
            (names[a].name[0], names[b].name)
            for a, b in plan.network.port_node[
                np.column_stack((plan.contacts["a"], plan.contacts["b"]))
            ].tolist()
        }
        assert pairs == {("s", "g"), ("t", "tt-c")}

    @pytest.mark.parametrize(
        ("share", "spell_h", "good"),
        [
            (0.5, 0.0333, False),
            (0.5, 0.0334, True),
            (0.99, 1.6, False),
            (1.0, 0.001, False),
            (1.0, 0.02, True),
        ],
    )
    def test_spells(self, share: float, spell_h: float, good: bool) -> None:
        climate = {"cloudy_share": share, "cloud_spell_h": spell_h}
        if not good:
            with pytest.raises(ScenarioError, match="cloud_spell_h must be at least"):
                scenario(station("g", climate=climate), **LIGHT)
            return
        of = skyward_of(scenario(station("g", climate=climate), **LIGHT))
        assert of.weather.cloudy.shape[0] == 1
