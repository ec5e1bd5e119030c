"""Visibility → wanted GSLs: which satellite each antenna wants, by the scenario's rule.

Only pairs above the mask are ever looked at closely, so a thousand satellites over a hundred
stations cost little.
"""

import numpy as np

from emulator.acquiring import Durations
from emulator.causes import Cause
from emulator.ephemeris import Ephemeris
from emulator.lasers import Wanted, pair_key
from emulator.limits import Limits
from emulator.network import Network
from emulator.remaining import Remaining
from emulator.scenario import Scenario
from emulator.sky import Sky
from emulator.visibility import dot, elevation_deg, length
from emulator.weather import Skyward

_PLUMB_DEG = 0.2
"""More than the geodetic up differs from the direction away from the Earth's centre."""
_ROUNDED_KM = 1e-6


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
        ground, run = scenario.ground, scenario.scenario
        self.rule, self.slot_s, self.phase_s = ground.selection, ground.slot_s, ground.slot_phase_s
        self.step_s, self.limits, self.skyward = run.step_s, limits, skyward
        self.able = network.satellites[limits.count[network.satellites] > 0]
        self.stations, self.first_station = network.stations, len(network.satellites)
        self.staffed = np.flatnonzero(limits.count[network.stations] > 0)
        """Which stations have antennas, counted from the first one."""
        self.mask_deg = np.array([s.min_elevation_deg for s in ground.station])
        self.spare = (ground.handover == "make-before-break") & (limits.count[self.stations] > 1)
        """Which stations keep an antenna free for the satellite to come; one alone they cannot."""
        self.lead_s = 0.0
        """How long before a pass ends its successor has to be chosen, to overlap with it."""
        if self.spare.any():
            durations = Durations.of(network, run.seed)
            kinds = np.unique(limits.kind[limits.kind >= 0]).tolist()
            usual_s = max(durations.mostly_s(kind) for kind in kinds)
            self.lead_s = max(usual_s, ground.gap_s) + 2 * run.step_s
        self.remaining = Remaining(ephemeris, limits, self.mask_deg)
        self._may_choose = np.zeros(len(self.stations), dtype=bool)
        """Within a slot: which stations have lost a satellite and may take another one."""
        self._air_db = np.nan, np.empty(0, dtype=np.int64), np.empty((2, 0))
        """When, and for which pairs by their keys, what the air takes was last worked out."""

    def above_mask(self, sky: Sky) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (satellite, station, elevation_deg) of every pair above its station's mask.

        Sorted by satellite, then station; those whose nodes have antennas only.
        """
        site_km, up = sky.position_km[self.stations[self.staffed]], sky.station_up[self.staffed]
        satellite_km, mask_deg = sky.position_km[self.able], self.mask_deg[self.staffed]
        if not len(satellite_km) or not len(site_km):
            return self.able[:0], self.stations[:0], np.empty(0)
        # Whoever is above the mask is this high over the horizon's plane at least: as high as the
        # lowest satellite would be at the mask. That is one product a pair; what is left is few.
        ground_km = length(site_km)
        rise = ground_km * np.sin(np.radians(np.minimum(mask_deg + _PLUMB_DEG, 90.0)))
        swept_km2 = rise**2 + length(satellite_km).min() ** 2 - ground_km**2
        least_km = (np.sqrt(np.maximum(swept_km2, 0.0)) - rise) * np.sin(np.radians(mask_deg))
        satellite, site = np.nonzero(
            _products(satellite_km, up) >= dot(site_km, up) + least_km - _ROUNDED_KM
        )
        height_deg = elevation_deg(site_km[site], up[site], satellite_km[satellite])
        high = height_deg >= mask_deg[site]
        satellite, site = self.able[satellite[high]], self.staffed[site[high]]
        return satellite, self.stations[site], height_deg[high]

    def wanted(self, sky: Sky, held: np.ndarray) -> Wanted:
        """Return the pairs above the mask, best first.

        ``held``: rows (satellite, station, port, port) of all links there are, as the panel has
        them: sorted by pair.
        """
        satellite, station, height_deg = self.above_mask(sky)
        keys = pair_key(satellite, station)
        ports = _look_up(keys, pair_key(held[:, 0], held[:, 1]), held[:, 2:])
        self._air_db = sky.t_s, keys, self.attenuation_db(sky, satellite, station)
        cause = self.causes(sky, satellite, station, ports)
        linked = ports[:, 0] >= 0
        order = [station, satellite, -np.round(height_deg, 9)]
        soon = np.zeros(len(keys), dtype=bool)
        if self.spare.any() or self.rule != "highest-elevation":
            until_s = self.remaining.until_s(sky, satellite, station, keys)
            soon = self.spare[self._site(station)] & (until_s - sky.t_s <= self.lead_s)
            if self.rule == "longest-remaining":
                order += [~linked, -until_s]
            elif self.rule == "fewest-switches":
                order += [-until_s, ~linked]
        if not sky.step or slot_begins(sky.t_s, self.step_s, self.slot_s, self.phase_s):
            self._may_choose[:] = False
        else:
            order += [~linked]
            self._hold(station, linked, (cause == 0) & ~soon, cause, held)
        best = np.lexsort((*order, soon))
        rows = np.column_stack((satellite, station, np.full((len(keys), 2), -1)))
        return Wanted(rows[best].astype(np.int32), cause[best])

    def _hold(
        self,
        station: np.ndarray,
        linked: np.ndarray,
        stays: np.ndarray,
        cause: np.ndarray,
        held: np.ndarray,
    ) -> None:
        """Forbid what begins within a slot, but where a station has lost a satellite in it."""
        site, stations = self._site(station), len(self.stations)
        had = np.bincount(self._site(held[:, 1]), minlength=stations)
        self._may_choose |= had > np.bincount(site[linked & stays], minlength=stations)
        cause[~linked & (cause == 0) & ~self._may_choose[site]] = Cause.NOT_CHOSEN

    def causes(
        self, sky: Sky, satellite: np.ndarray, station: np.ndarray, ports: np.ndarray
    ) -> np.ndarray:
        """Return the Cause that keeps each pair above the mask from a link, 0 where none does.

        ``ports`` ``(n, 2)``: those by which pairs are linked or being linked, -1 for others.
        """
        attenuation_db = self.attenuation_db(sky, satellite, station)
        cause = self.limits.causes(sky, satellite, station, *ports.T, attenuation_db)
        clouded = self.clouded(sky.t_s, satellite, station)
        cause[clouded & ((cause == 0) | (cause > Cause.CLOUD))] = Cause.CLOUD
        return cause

    def clouded(self, t_s: float, satellite: np.ndarray, station: np.ndarray) -> np.ndarray:
        """Return whether a cloud blocks the light between each pair of nodes."""
        kinds = self.limits.kind[satellite], self.limits.kind[station]
        return self.skyward.clouded(t_s, *kinds, self._site(station))

    def attenuation_db(self, sky: Sky, satellite: np.ndarray, station: np.ndarray) -> np.ndarray:
        """Return what the air takes from links between these nodes, down and up, ``(2, n)``."""
        if not self.limits.has_budget:
            return np.zeros((2, len(station)))
        t_s, known, lost_db = self._air_db
        keys = pair_key(satellite, station)
        if t_s == sky.t_s and np.isin(keys, known).all():
            return lost_db[:, np.searchsorted(known, keys)]
        kinds, site = (self.limits.kind[each] for each in (satellite, station)), self._site(station)
        height_deg = elevation_deg(
            sky.position_km[station], sky.station_up[site], sky.position_km[satellite]
        )
        return self.skyward.attenuation_db(sky.t_s, *kinds, site, height_deg)

    def _site(self, station: np.ndarray) -> np.ndarray:
        """Which of the stations a node is."""
        return station - self.first_station


def slot_begins(t_s: float, step_s: float, slot_s: float, phase_s: float = 0.0) -> bool:
    """Whether a slot begins at ``t_s`` or has since the step before. Without slots: always."""
    if not slot_s:
        return True
    before, now = np.floor((np.array([t_s - step_s, t_s]) - phase_s) / slot_s + 1e-9)
    return bool(now > before)


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """All scalar products ``(n, m)``: sums, not @, whose last bit depends on the machine."""
    total = a[:, 0, None] * b[:, 0]
    total += a[:, 1, None] * b[:, 1]
    total += a[:, 2, None] * b[:, 2]
    return total


def _look_up(keys: np.ndarray, held_keys: np.ndarray, ports: np.ndarray) -> np.ndarray:
    """The ports of those of ``keys`` that are held, -1 for the others, ``(n, 2)``; both rise."""
    found = np.full((len(keys), 2), -1, dtype=np.int64)
    if len(held_keys):
        where = np.minimum(np.searchsorted(held_keys, keys), len(held_keys) - 1)
        match = held_keys[where] == keys
        found[match] = ports[where[match]]
    return found
