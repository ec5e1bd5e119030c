"""Ephemeris → Remaining: how long passes last, looked up once for each.

Where everything is every half minute, for the next half hour, is kept and grows with time; between
two such moments positions are interpolated. So a pass costs what one pair costs, not a whole sky.
"""

import numpy as np

from emulator.ephemeris import Ephemeris
from emulator.limits import Limits
from emulator.sky import Sky
from emulator.visibility import dot, length, range_km

AHEAD_S = 1800.0
_GRID_S = 30.0
_COLUMNS = int(AHEAD_S / _GRID_S) + 1
_PARTS = np.linspace(0.0, 1.0, 17)[:, None]
"""Where between two columns of the grid the end of a pass is looked for."""
_LOOK_AGAIN_S = 60.0


class Remaining:
    """When passes end: where the satellite sinks below the station's mask or out of reach.

    What else may end one (a field of regard, Doppler, a budget) is not foreseen.
    """

    def __init__(self, ephemeris: Ephemeris, limits: Limits, mask_deg: np.ndarray) -> None:
        self.ephemeris, self.reach_km = ephemeris, limits.reach_km
        self._mask_sine = np.sin(np.radians(mask_deg))
        self._through = -1
        """The last column of the grid that is known; column n holds second n · 30."""
        self._satellite_km = np.empty((_COLUMNS, ephemeris.satellites, 3))
        self._station_km, self._up = np.empty((2, _COLUMNS, ephemeris.stations, 3))
        self._keys = np.empty(0, dtype=np.int64)
        self._until_s = self._again_s = np.empty(0)

    def until_s(
        self, sky: Sky, satellite: np.ndarray, station: np.ndarray, keys: np.ndarray
    ) -> np.ndarray:
        """Return when the pass of each pair of nodes above the mask ends, good to 0.1 s, ``(n,)``.

        Seconds from the start; infinite where that is more than half an hour ahead, and now for
        pairs out of reach. ``keys`` names the pairs, in rising order.
        """
        until_s, again_s = np.full((2, len(keys)), sky.t_s)
        if len(self._keys):
            where = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            known = self._keys[where] == keys
            until_s = np.where(known, self._until_s[where], until_s)
            again_s = np.where(known, self._again_s[where], again_s)
        away_km = range_km(sky.position_km[satellite], sky.position_km[station])
        near = away_km <= np.minimum(self.reach_km[satellite], self.reach_km[station])
        until_s[~near] = again_s[~near] = sky.t_s
        new = np.flatnonzero(near & (again_s <= sky.t_s))
        if len(new):
            until_s[new] = self._look(sky.t_s, satellite[new], station[new])
            again_s[new] = np.where(np.isinf(until_s[new]), sky.t_s + _LOOK_AGAIN_S, until_s[new])
        self._keys, self._until_s, self._again_s = keys, until_s, again_s
        return until_s

    def _look(self, t_s: float, satellite: np.ndarray, station: np.ndarray) -> np.ndarray:
        """When passes end that are under way at ``t_s``."""
        first = int(t_s // _GRID_S)
        self._fill(first)
        site = station - self.ephemeris.satellites
        reach_km = np.minimum(self.reach_km[satellite], self.reach_km[station])
        pair = satellite, site, reach_km
        over = self._spare(first + np.arange(_COLUMNS)[:, None], *pair) < 0
        over[0] = False
        until_s = np.full(len(site), np.inf)
        [ending] = np.nonzero(over.any(axis=0))
        if not len(ending):
            return until_s
        # The column before the end, and from there on in finer parts.
        column = first + np.argmax(over[:, ending], axis=0) - 1
        pair = tuple(each[ending] for each in pair)
        spare = self._spare(column + _PARTS, *pair)
        ahead = (column + _PARTS) * _GRID_S > t_s
        over = (spare < 0) & ahead
        over[-1] = True
        part = np.argmax(over, axis=0)
        here = np.arange(len(ending))
        above, below = np.maximum(spare[part - 1, here], 0.0), np.minimum(spare[part, here], -1e-15)
        part = part - 1 + above / (above - below)
        until_s[ending] = np.maximum((column + part * _PARTS[1, 0]) * _GRID_S, t_s)
        return until_s

    def _fill(self, first: int) -> None:
        """Make sure that the columns from ``first`` on are known."""
        last = first + _COLUMNS - 1
        if last < self._through:
            self._through = -1
        fresh = np.arange(max(self._through + 1, first), last + 1)
        if not len(fresh):
            return
        own = fresh % _COLUMNS
        self._satellite_km[own] = self.ephemeris.satellites_km(fresh * _GRID_S).swapaxes(0, 1)
        station_km, up = self.ephemeris.stations_km(fresh * _GRID_S)
        self._station_km[own], self._up[own] = station_km.swapaxes(0, 1), up.swapaxes(0, 1)
        self._through = last

    def _spare(
        self, column: np.ndarray, satellite: np.ndarray, site: np.ndarray, reach_km: np.ndarray
    ) -> np.ndarray:
        """What pairs have to spare at columns or between them, ``(columns, n)``: below 0, nothing.

        Of the sine of the elevation or of the reach, as a share of it, whichever is less.
        """
        line = self._between(self._satellite_km, column, satellite)
        line = line - self._between(self._station_km, column, site)
        up = self._between(self._up, column, site)
        away_km = length(line)
        above = dot(line, up) / np.maximum(away_km, 1e-12) - self._mask_sine[site]
        return np.minimum(above, 1 - away_km / reach_km)

    def _between(self, known: np.ndarray, column: np.ndarray, node: np.ndarray) -> np.ndarray:
        """Vectors at ``column``, which need not be whole: along great circles between two."""
        before = np.floor(column).astype(np.int64)
        part = (column - before)[..., None]
        start = known[before % _COLUMNS, node]
        if not part.any():
            return start
        end = known[(before + 1) % _COLUMNS, node]
        chord = start + part * (end - start)
        radius = length(start) + part[..., 0] * (length(end) - length(start))
        return chord * (radius / length(chord))[..., None]
