"""Scenario → Skyward: what the air over each station takes from radio and light, second by second.

Radio: gas (ITU-R P.676), rain (P.618 and P.838, driven in time by a Gauss-Markov process), cloud
(P.840) and an allowance for scintillation. Light: clear air and an allowance for scintillation, or
a cloud, which lets nothing through.

Who moves takes its weather along: clouds and the rain's severity are drawn for the place where the
track starts and stay with it, as its climate does. What gas and rain take of a path follows from
the latitude and altitude of the moment: an aircraft climbs out of the rain.
"""

from functools import cached_property

import numpy as np

from emulator.frames import Sites
from emulator.network import Network
from emulator.physics import gas, rain, turbulence
from emulator.physics.weather import Weather, rain_exceedance_percent
from emulator.scenario import Scenario
from emulator.terminals import WEATHER_STEP_S, Optical, Radio

_ALLOWANCE_PERCENT = 1.0
"""Share of time in which scintillation, too quick for a plan, is worse than what is allowed for."""
_DISH_EFFICIENCY = 0.65
_POINT_M = 0.0
_AIR = turbulence.Air.hufnagel_valley()
"""HV 5/7 over every station: the profile that published figures of links refer to."""
_CLIMATE = ("rain_mm_h", "rain_height_km", "cloudy_share", "cloud_spell_h", "cloud_water_kg_m2")
_CLIMATE += ("wet_refractivity", "vapour_g_m3", "zenith_transmission")


class Skyward:
    """The air over the stations of a scenario, by kinds of terminals.

    Stations count from the first one, kinds are those of the network.
    """

    def __init__(self, scenario: Scenario, network: Network) -> None:
        self.kinds = network.kinds
        stations = scenario.ground.station
        self._run = scenario.scenario
        self._light = np.array(
            [
                [bool(a.optical or b.optical) and b.understands(a) for b in self.kinds]
                for a in self.kinds
            ],
            dtype=bool,
        )
        """Whether kinds link by light, satellite first, ``(K, K)``."""
        self._climate = {
            name: np.array([getattr(station.climate, name) for station in stations], dtype=float)
            for name in _CLIMATE
        }
        starts = [station.waypoints[0][1:] for station in stations]
        self._start = np.array(starts, dtype=float).reshape(-1, 3).T * [[1], [1], [1e-3]]
        sites = Sites.of([station.waypoints for station in stations])
        self._moving, self._tracks = sites.moving, sites.tracks
        self._zenith_db: dict[float, np.ndarray] = {}

    @cached_property
    def weather(self) -> Weather | None:
        """The weather of the run, None where no station has any."""
        climate = self._climate
        if not (climate["rain_mm_h"].any() or climate["cloudy_share"].any()):
            return None
        return Weather.draw(
            np.random.default_rng([self._run.seed, 0x77656174]),
            self._start[0],
            self._start[1],
            climate["cloudy_share"],
            climate["cloud_spell_h"] * 3600,
            self._run.duration_s,
            step_s=WEATHER_STEP_S,
        )

    def clouded(
        self, t_s: float, satellite_kind: np.ndarray, station_kind: np.ndarray, station: np.ndarray
    ) -> np.ndarray:
        """Return which pairs a cloud over the station keeps apart: those linked by light."""
        if self.weather is None:
            return np.zeros(len(station), dtype=bool)
        return self._light[satellite_kind, station_kind] & self.weather.at(t_s)[0][station]

    def attenuation_db(
        self,
        t_s: float,
        satellite_kind: np.ndarray,
        station_kind: np.ndarray,
        station: np.ndarray,
        elevation_deg: np.ndarray,
    ) -> np.ndarray:
        """Return what the air takes from each pair, down and up, dB, ``(2, pairs)``.

        What an optical link loses to a cloud is not in it, nor is anything between terminals that
        have no budget with each other.
        """
        lost_db = np.zeros((2, len(station)))
        pair = satellite_kind * len(self.kinds) + station_kind
        for each in np.unique(pair).tolist():
            above, below = (self.kinds[kind] for kind in divmod(each, len(self.kinds)))
            mine = np.flatnonzero(pair == each)
            path = station[mine], elevation_deg[mine]
            if not below.understands(above):
                continue
            if above.radio and below.radio:
                dish_m = below.radio.antenna_m
                lost_db[0, mine] = self._radio_db(t_s, above.radio, dish_m, *path)
                lost_db[1, mine] = self._radio_db(t_s, below.radio, dish_m, *path)
            elif above.optical and below.optical:
                # A beam sent up leaves the turbulence far behind: no telescope of a satellite is
                # wide enough to average what comes of it.
                lost_db[0, mine] = self._optical_db(above.optical, below.optical.aperture_m, *path)
                lost_db[1, mine] = self._optical_db(below.optical, _POINT_M, *path)
        return lost_db

    def _radio_db(
        self, t_s: float, sender: Radio, dish_m: float, station: np.ndarray, height_deg: np.ndarray
    ) -> np.ndarray:
        """Of one direction; scintillation, which arises near the ground, is averaged there."""
        ghz, climate = sender.frequency_ghz, self._climate
        latitude_deg, _, altitude_km = self._places(t_s)
        gas_db = self._gas_db(ghz, altitude_km)[station] * gas.air_mass(height_deg)
        twinkle_db, rain_db, cloud_db = np.zeros((3, len(station)))
        wet = climate["wet_refractivity"][station]
        moist = np.flatnonzero(wet)
        if len(moist):
            twinkle_db[moist] = rain.scintillation_exceeded_db(
                _ALLOWANCE_PERCENT, height_deg[moist], ghz, wet[moist], dish_m, _DISH_EFFICIENCY
            )
        if self.weather is not None:
            cloudy, z = self.weather.at(t_s)
            water = np.where(cloudy, climate["cloud_water_kg_m2"], 0.0)
            cloud_db = rain.cloud_db(ghz, height_deg, water[station])
            percent = rain_exceedance_percent(z)
            # Most of the time no rain is on any path.
            raining = (percent <= rain.RAIN_PERCENT[1]) & (climate["rain_mm_h"] > 0)
            wet = np.flatnonzero(raining[station])
            if len(wet):
                rain_db[wet] = rain.rain_exceeded_db(
                    percent[station[wet]],
                    height_deg[wet],
                    ghz,
                    self._rain_sites(latitude_deg, altitude_km).at(station[wet]),
                    sender.polarisation_deg,
                )
        return rain.total_db(gas_db, rain_db, cloud_db, twinkle_db)

    def _rain_sites(self, latitude_deg: np.ndarray, altitude_km: np.ndarray) -> rain.RainSite:
        return rain.RainSite(
            latitude_deg,
            np.maximum(altitude_km, 0.0),
            self._climate["rain_mm_h"],
            self._climate["rain_height_km"],
        )

    def _places(self, t_s: float) -> np.ndarray:
        """Latitude, longitude and altitude in km of the stations, ``(3, stations)``."""
        if self._tracks is None:
            return self._start
        place = self._start.copy()
        place[:, self._moving] = [each[:, 0] for each in self._tracks.geodetic(np.array([t_s]))]
        return place

    def _gas_db(self, frequency_ghz: float, altitude_km: np.ndarray) -> np.ndarray:
        """Straight up from each station. The air of those at rest is worked out once."""
        if frequency_ghz not in self._zenith_db:
            self._zenith_db[frequency_ghz] = gas.zenith_gas_db(
                frequency_ghz, *_air(altitude_km, self._climate["vapour_g_m3"])
            )
        zenith_db, moving = self._zenith_db[frequency_ghz], self._moving
        if len(moving):
            zenith_db[moving] = gas.zenith_gas_db(
                frequency_ghz, *_air(altitude_km[moving], self._climate["vapour_g_m3"][moving])
            )
        return zenith_db

    def _optical_db(
        self, sender: Optical, aperture_m: float, station: np.ndarray, height_deg: np.ndarray
    ) -> np.ndarray:
        zenith = self._climate["zenith_transmission"][station]
        clear = turbulence.clear_air_transmission(zenith, height_deg)
        index = turbulence.scintillation_index(
            sender.wavelength_nm * 1e-9, height_deg, aperture_m, _AIR
        )
        return -10 * np.log10(clear) + turbulence.fade_margin_db(index, _ALLOWANCE_PERCENT / 100)


def _air(altitude_km: np.ndarray, vapour_g_m3: np.ndarray) -> tuple[np.ndarray, ...]:
    """Pressure (hPa), temperature (K) and vapour density (g/m3) by height and density at sea level.

    The mean annual global reference atmosphere of ITU-R P.835, its lowest two layers.
    """
    height_km = np.maximum(altitude_km, 0.0)
    low_km = np.minimum(height_km, 11.0)
    kelvin = 288.15 - 6.5 * low_km
    pressure_hpa = 1013.25 * (kelvin / 288.15) ** (34.1632 / 6.5)
    pressure_hpa = pressure_hpa * np.exp(-34.1632 * (height_km - low_km) / 216.65)
    return pressure_hpa, kelvin, vapour_g_m3 * np.exp(-height_km / 2)
