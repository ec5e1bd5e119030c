"""Visibility → wanted GSLs: which satellite each antenna wants, by the scenario's rule.

Only pairs above the mask are ever looked at closely, so a thousand satellites over a hundred
stations cost little.
"""

import numpy as np

from emulator.causes import Cause
from emulator.ephemeris import Ephemeris
from emulator.lasers import Wanted
from emulator.limits import Limits
from emulator.network import Network
from emulator.panel import pair_key
from emulator.scenario import Scenario
from emulator.sky import Sky
from emulator.visibility import elevation_deg, range_km
from emulator.weather import Skyward

_LOOK_AHEAD_S = np.arange(0.0, 1800.0, 20.0)
_LOOK_AGAIN_S = 60.0
_NEARLY = 1e-6
"""By how much a sine may be wrong that is only a first look."""


class GroundSegment:
    """The ground links that a scenario's rule asks for, step by step."""

    def __init__(
        self,
        scenario: Scenario,
        network: Network,
        ephemeris: Ephemeris,
        limits: Limits,
        skyward: Skyward,
    ) -> None:
        ground = scenario.ground
        self.rule, self.slot_s, self.phase_s = ground.selection, ground.slot_s, ground.slot_phase_s
        self.step_s = scenario.scenario.step_s
        self.ephemeris, self.limits, self.skyward = ephemeris, limits, skyward
        self.able = network.satellites[limits.count[network.satellites] > 0]
        self.stations = network.stations
        self.first_station = len(network.satellites)
        self.mask_deg = np.array([s.min_elevation_deg for s in ground.station])
        self._mask_sine = np.sin(np.radians(self.mask_deg)) - _NEARLY
        self._until_s: dict[int, tuple[float, float]] = {}
        """When the pass of a pair (by its key) ends, and until when that is worth knowing."""

    def above_mask(self, sky: Sky) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (satellite, station, elevation_deg) of every pair above its station's mask."""
        site_km = sky.position_km[self.stations]
        satellite_km = sky.position_km[self.able]
        rise_km = _products(sky.station_up, satellite_km) - _own(sky.station_up, site_km)[:, None]
        away_km2 = _own(satellite_km, satellite_km) + _own(site_km, site_km)[:, None]
        away_km2 -= 2 * _products(site_km, satellite_km)
        sine = self._mask_sine[:, None]
        station, satellite = np.nonzero(
            (rise_km > sine * np.sqrt(np.maximum(away_km2, 0.0))) & (rise_km > -1e3)
        )
        height_deg = elevation_deg(
            site_km[station], sky.station_up[station], satellite_km[satellite]
        )
        up = height_deg >= self.mask_deg[station]
        return self.able[satellite[up]], self.stations[station[up]], height_deg[up]

    def wanted(self, sky: Sky, held: np.ndarray) -> Wanted:
        """Return the pairs above the mask, best first; ``held``: rows (a, b, port a, port b)."""
        satellite, station, height_deg = self.above_mask(sky)
        keys, held_keys = pair_key(satellite, station), pair_key(held[:, 0], held[:, 1])
        linked = np.isin(keys, held_keys)
        order = self._precedence(sky.t_s, satellite, station, keys, height_deg, linked)
        satellite, station, height_deg = satellite[order], station[order], height_deg[order]
        ports = _look_up(keys[order], held_keys, held[:, 2:])
        attenuation_db = self._attenuation_db(sky.t_s, satellite, station, height_deg)
        cause = self.limits.causes(
            sky, satellite, station, ports[:, 0], ports[:, 1], attenuation_db
        )
        optical = self.skyward.optical[self.limits.kind[station]]
        cause[
            optical & (cause == 0) & self.skyward.cloudy(sky.t_s)[station - self.first_station]
        ] = Cause.CLOUD
        any_port = np.full((len(order), 2), -1)
        return Wanted(np.column_stack((satellite, station, any_port)).astype(np.int32), cause)

    def attenuation_db(self, sky: Sky, satellite: np.ndarray, station: np.ndarray) -> np.ndarray:
        """Return what the air takes from links between these nodes, down and up, ``(2, n)``."""
        site = station - self.first_station
        height_deg = elevation_deg(
            sky.position_km[station], sky.station_up[site], sky.position_km[satellite]
        )
        return self._attenuation_db(sky.t_s, satellite, station, height_deg)

    def _attenuation_db(
        self, t_s: float, satellite: np.ndarray, station: np.ndarray, height_deg: np.ndarray
    ) -> np.ndarray:
        if not self.limits.has_budget:
            return np.zeros((2, len(station)))
        kinds = self.limits.kind[satellite], self.limits.kind[station]
        return self.skyward.attenuation_db(t_s, *kinds, station - self.first_station, height_deg)

    def _precedence(
        self,
        t_s: float,
        satellite: np.ndarray,
        station: np.ndarray,
        keys: np.ndarray,
        height_deg: np.ndarray,
        linked: np.ndarray,
    ) -> np.ndarray:
        """The order in which pairs are served."""
        highest = -np.round(height_deg, 9)
        ties = (station, satellite)
        if self.slot_s and not self._slot_begins(t_s):
            # Nothing is decided anew within a slot, but a pass that ended leaves an antenna free.
            return np.lexsort((*ties[::-1], highest, ~linked))
        if self.rule == "highest-elevation":
            return np.lexsort((station, satellite, highest))
        until_s = self._lost_at_s(t_s, satellite, station, keys)
        if self.rule == "fewest-switches":
            return np.lexsort((station, satellite, highest, -until_s, ~linked))
        return np.lexsort((station, satellite, highest, -until_s))

    def _slot_begins(self, t_s: float) -> bool:
        into_s = (t_s - self.phase_s) % self.slot_s
        return into_s < self.step_s - 1e-9

    @property
    def slot_phase_s_(self) -> float:
        return self.phase_s

    def _lost_at_s(
        self, t_s: float, satellite: np.ndarray, station: np.ndarray, keys: np.ndarray
    ) -> np.ndarray:
        """When each pair's pass ends, at most 30 minutes ahead; looked up once if that is less."""
        known, own = self._until_s, keys.tolist()
        self._until_s = {key: known[key] for key in own if key in known and t_s < known[key][1]}
        new = [index for index, key in enumerate(own) if key not in self._until_s]
        if new:
            ahead_s = t_s + _LOOK_AHEAD_S
            satellite_km = self.ephemeris.satellites_km(ahead_s)
            station_km, up = self.ephemeris.stations_km(ahead_s)
            for index in new:
                site, node = int(station[index] - self.first_station), int(satellite[index])
                line = station_km[site], satellite_km[node]
                reach_km = min(self.limits.reach_km[node], self.limits.reach_km[station[index]])
                lost = elevation_deg(line[0], up[site], line[1]) < self.mask_deg[site]
                lost |= range_km(*line) > reach_km
                until_s = float(ahead_s[np.argmax(lost)] if lost.any() else ahead_s[-1])
                good_until_s = until_s if lost.any() else t_s + _LOOK_AGAIN_S
                self._until_s[own[index]] = until_s, good_until_s
        return np.array([self._until_s[key][0] for key in own])


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """All scalar products ``(n, m)``: sums, not @, whose last bit depends on the machine."""
    return (
        a[:, None, 0] * b[None, :, 0]
        + a[:, None, 1] * b[None, :, 1]
        + a[:, None, 2] * b[None, :, 2]
    )


def _own(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]


def _look_up(keys: np.ndarray, held_keys: np.ndarray, ports: np.ndarray) -> np.ndarray:
    """The ports of those of ``keys`` that are held, -1 for the others, ``(n, 2)``."""
    found = np.full((len(keys), 2), -1, dtype=np.int64)
    if len(held_keys):
        order = np.argsort(held_keys)
        where = np.minimum(np.searchsorted(held_keys[order], keys), len(order) - 1)
        match = held_keys[order][where] == keys
        found[match] = ports[order][where[match]]
    return found
