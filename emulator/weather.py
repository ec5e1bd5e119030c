"""Scenario → Skyward: what the air over each station takes from radio and light, second by second.

Radio: gas (ITU-R P.676), rain (P.618 and P.838, driven in time by a Gauss-Markov process), cloud
(P.840) and an allowance for scintillation. Light: clear air and an allowance for scintillation, or
a cloud, which lets nothing through.
"""

from functools import cached_property

import numpy as np

from emulator.network import Network
from emulator.physics import gas, rain, turbulence
from emulator.physics.weather import Weather
from emulator.scenario import Scenario

_ALLOWANCE_PERCENT = 1.0
"""Share of time in which scintillation, too quick for a plan, is worse than what is allowed for."""
_PRESSURE_HPA, _TEMPERATURE_K = 1013.25, 288.15
"""The standard atmosphere of ITU-R P.835 at sea level."""
_SCALE_HEIGHT_KM = 8.4
_DISH_EFFICIENCY = 0.65
_AIR = turbulence.Air.hufnagel_valley()
"""HV 5/7 over every station: the profile that published figures of links refer to."""


class Skyward:
    """The air over the stations of a scenario, by kinds of terminals."""

    def __init__(self, scenario: Scenario, network: Network) -> None:
        self.kinds = network.kinds
        self.optical = np.array([bool(kind.optical) for kind in network.kinds], dtype=bool)
        self.stations = scenario.ground.station
        self._run = scenario.scenario
        self._rainy = any(station.climate.rain_mm_h > 0 for station in self.stations)
        self._cloudy = any(station.climate.cloudy_share > 0 for station in self.stations)

    def _climate(self, name: str) -> np.ndarray:
        return np.array([getattr(station.climate, name) for station in self.stations])

    @cached_property
    def _place(self) -> np.ndarray:
        """Latitude, longitude and altitude in km of each station, or of where it starts."""
        points = [station.waypoints[0][1:] for station in self.stations]
        return np.array(points, dtype=np.float64).reshape(-1, 3) * [1, 1, 1e-3]

    @cached_property
    def weather(self) -> Weather | None:
        """The weather of the run, None where no station has any."""
        if not (self._rainy or self._cloudy):
            return None
        return Weather.draw(
            np.random.default_rng([self._run.seed, 0x77656174]),
            self._place[:, 0],
            self._place[:, 1],
            self._climate("cloudy_share"),
            self._climate("cloud_spell_h") * 3600,
            self._run.duration_s,
        )

    def cloudy(self, t_s: float) -> np.ndarray:
        """Return over which stations clouds stand, bool ``(stations,)``."""
        if self.weather is None:
            return np.zeros(len(self.stations), dtype=bool)
        return self.weather.at(t_s)[0]

    def attenuation_db(
        self,
        t_s: float,
        satellite_kind: np.ndarray,
        station_kind: np.ndarray,
        station: np.ndarray,
        elevation_deg: np.ndarray,
    ) -> np.ndarray:
        """Return what the air takes from each pair, down and up, dB, ``(2, pairs)``.

        ``station`` counts from the first one. What an optical link loses to a cloud is not in it.
        """
        lost_db = np.zeros((2, len(station)))
        for way, (sender, receiver) in enumerate(
            ((satellite_kind, station_kind), (station_kind, satellite_kind))
        ):
            for kind in np.unique(sender):
                mine = np.flatnonzero(sender == kind)
                args = station[mine], elevation_deg[mine], int(receiver[mine[0]])
                if self.kinds[kind].radio:
                    lost_db[way, mine] = self._radio_db(t_s, int(kind), *args)
                elif self.kinds[kind].optical:
                    lost_db[way, mine] = self._optical_db(int(kind), *args)
        return lost_db

    def _radio_db(
        self, t_s: float, kind: int, station: np.ndarray, height_deg: np.ndarray, receiver: int
    ) -> np.ndarray:
        modem, ghz = self.kinds[kind].radio, self.kinds[kind].radio.frequency_ghz
        gas_db = self._zenith_gas_db(ghz)[station] * gas.air_mass(height_deg)
        wet = self._climate("wet_refractivity")[station]
        dish_m = getattr(self.kinds[receiver].radio, "antenna_m", modem.antenna_m)
        twinkle_db = np.zeros(len(station))
        moist = wet > 0
        twinkle_db[moist] = rain.scintillation_exceeded_db(
            _ALLOWANCE_PERCENT, height_deg[moist], ghz, wet[moist], dish_m, _DISH_EFFICIENCY
        )
        rain_db, cloud_db = np.zeros(len(station)), np.zeros(len(station))
        if self.weather is not None:
            cloudy, z = self.weather.at(t_s)
            water = np.where(cloudy, self._climate("cloud_water_kg_m2"), 0.0)[station]
            cloud_db = rain.cloud_db(ghz, height_deg, water)
            # Of a percentage of time above 5 rain has nothing: most of the time all of this is 0.
            percent = rain.rain_percent_of(z)[station]
            wet_now = np.flatnonzero((percent < 5) & (self._climate("rain_mm_h")[station] > 0))
            rain_db[wet_now] = rain.rain_exceeded_db(
                percent[wet_now],
                height_deg[wet_now],
                ghz,
                self._rain_sites.at(station[wet_now]),
                modem.polarisation_deg,
            )
        return rain.total_db(gas_db, rain_db, cloud_db, twinkle_db)

    @cached_property
    def _rain_sites(self) -> rain.RainSite:
        return rain.RainSite(
            self._place[:, 0],
            np.maximum(self._place[:, 2], 0.0),
            np.maximum(self._climate("rain_mm_h"), 1e-3),
            self._climate("rain_height_km"),
        )

    def _zenith_gas_db(self, frequency_ghz: float) -> np.ndarray:
        known = self.__dict__.setdefault("_gas_db", {})
        if frequency_ghz not in known:
            thin = np.exp(-np.maximum(self._place[:, 2], 0.0) / _SCALE_HEIGHT_KM)
            known[frequency_ghz] = gas.zenith_gas_db(
                frequency_ghz, _PRESSURE_HPA * thin, _TEMPERATURE_K, self._climate("vapour_g_m3")
            )
        return known[frequency_ghz]

    def _optical_db(
        self, kind: int, station: np.ndarray, height_deg: np.ndarray, receiver: int
    ) -> np.ndarray:
        optical = self.kinds[kind].optical
        clear = turbulence.clear_air_transmission(
            self._climate("zenith_transmission")[station], height_deg
        )
        aperture_m = getattr(self.kinds[receiver].optical, "aperture_m", optical.aperture_m)
        index = turbulence.scintillation_index(
            optical.wavelength_nm * 1e-9, height_deg, aperture_m, _AIR
        )
        allowed_db = turbulence.fade_margin_db(index, _ALLOWANCE_PERCENT / 100)
        return -10 * np.log10(clear) + np.maximum(allowed_db, 0.0)
