"""Visibility → wanted ISLs: the pairs of satellites that the patterns ask for, best first.

Static patterns (ring, grid, pairs) are the same pairs at every step; ``nearest`` and ``visible``
choose anew. What stands in the way of each pair is for ``limits`` to say.
"""

from dataclasses import dataclass

import numpy as np

from emulator.causes import IS_PASSING, Cause
from emulator.constellations import Constellation
from emulator.ephemeris import Ephemeris
from emulator.limits import Limits
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sections import Isl
from emulator.sky import Sky
from emulator.visibility import length
from topologies import isl as patterns


def pair_key(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return one integer for each pair of nodes, in whichever order."""
    a, b = np.asarray(a, dtype=np.int64), np.asarray(b, dtype=np.int64)
    return np.minimum(a, b) << 32 | np.maximum(a, b)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Pairs of nodes that want a link at a step, in order of precedence."""

    rows: np.ndarray
    """``(n, 4)``: two nodes, and the terminal that each would like to use (-1: any)."""
    cause: np.ndarray
    """What forbids each of them, 0 where nothing does."""


class Lasers:
    """The patterns of a scenario, step by step."""

    def __init__(
        self, scenario: Scenario, network: Network, ephemeris: Ephemeris, limits: Limits
    ) -> None:
        self.limits = limits
        static: list[np.ndarray] = []
        cuts_deg: list[np.ndarray] = []
        self.dynamic: list[tuple[Isl, np.ndarray, np.ndarray]] = []
        spans = constellation_spans(scenario)
        for isl in scenario.isl:
            own = [(e, members) for e, members in spans if applies(isl, e)]
            if isl.pattern in ("nearest", "visible"):
                asked = [members for e, members in spans if e.name in isl.to]
                members = np.concatenate([members for _, members in own])
                self.dynamic.append((isl, members, np.concatenate([members[:0], *asked])))
                continue
            if isl.pattern == "pairs":
                found = [_named_rows(isl, network)]
            else:
                found = [_static_rows(isl, e, members, ephemeris) for e, members in own]
            static += found
            cuts_deg += [_cut_deg(isl, rows) for rows in found]
        self.static, self._cut_deg = _once(
            np.concatenate([np.empty((0, 4), dtype=np.int32), *static]),
            np.concatenate([np.empty(0), *cuts_deg]),
        )
        """Rows of all pairs that are wanted at every step, each pair once."""
        self._has_cut = bool((self._cut_deg < 90).any())

    def wanted(self, sky: Sky, held: np.ndarray) -> Wanted:
        """Return the pairs of this step; ``held``: rows (a, b, port a, port b) of all links."""
        cause = self._causes(sky, self.static, held)
        if self._has_cut:
            cause[(cause != Cause.EARTH) & (cause != Cause.RANGE) & self._polar(sky)] = (
                Cause.LATITUDE
            )
        rows, causes = [self.static], [cause]
        for isl, members, asked in self.dynamic:
            found = self._found(isl, members, asked, sky, held)
            rows.append(found)
            causes.append(self._causes(sky, found, held))
        if self.dynamic:
            gone = held[~np.isin(_keys(held), _keys(np.concatenate(rows)))]
            rows.append(np.column_stack((gone[:, :2], np.full((len(gone), 2), patterns.ANY))))
            causes.append(self._given_up(sky, gone, held))
        return Wanted(np.concatenate(rows), np.concatenate(causes))

    def _given_up(self, sky: Sky, gone: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Why links end that no pattern asks for any more."""
        cause = self._causes(sky, gone, held)
        lost = (cause > 0) & ~IS_PASSING[cause]
        return np.where(lost, cause, np.uint8(Cause.NOT_CHOSEN))

    def _causes(self, sky: Sky, rows: np.ndarray, held: np.ndarray) -> np.ndarray:
        port_a, port_b = held_ports(rows, held).T
        return self.limits.causes(sky, rows[:, 0], rows[:, 1], port_a, port_b)

    def _found(
        self, isl: Isl, members: np.ndarray, asked: np.ndarray, sky: Sky, held: np.ndarray
    ) -> np.ndarray:
        reach_km = float(self.limits.reach_km[members].max(initial=0.0))
        if isl.pattern == "visible":
            return patterns.visible(sky.position_km, members, reach_km)
        return patterns.nearest(
            sky.position_km, members, isl.k, reach_km, asked, held[:, :2], isl.hysteresis
        )

    def _polar(self, sky: Sky) -> np.ndarray:
        """Whether the ends of each static pair are nearer to a pole, on average, than allowed."""
        sine = sky.position_km[:, 2] / length(sky.position_km)
        latitude_deg = np.degrees(np.abs(np.arcsin(np.clip(sine, -1.0, 1.0))))
        both_deg = latitude_deg[self.static[:, 0]] + latitude_deg[self.static[:, 1]]
        return both_deg > 2 * self._cut_deg


def constellation_spans(scenario: Scenario) -> list[tuple[Constellation, np.ndarray]]:
    """Return each constellation with the node indices of its satellites."""
    spans, first = [], 0
    for each in scenario.constellation:
        count = each.size
        spans.append((each, np.arange(first, first + count)))
        first += count
    return spans


def applies(isl: Isl, constellation: Constellation) -> bool:
    """Whether a pattern is for this constellation."""
    return not isl.constellations or constellation.name in isl.constellations


def held_ports(rows: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return the ports by which each of ``rows`` is linked, -1 where it is not, ``(n, 2)``.

    In the order of the row's nodes; ``held``: rows (a, b, port a, port b) of all links.
    """
    ports = np.full((len(rows), 2), -1, dtype=np.int64)
    if not len(held):
        return ports
    keys, known = _keys(rows), _keys(held)
    order = np.argsort(known, kind="stable")
    where = order[np.minimum(np.searchsorted(known[order], keys), len(known) - 1)]
    linked = known[where] == keys
    link = held[where[linked]]
    turned = link[:, 0] != rows[linked, 0]
    ports[linked] = np.where(turned[:, None], link[:, :1:-1], link[:, 2:])
    return ports


def _keys(rows: np.ndarray) -> np.ndarray:
    return pair_key(rows[:, 0], rows[:, 1])


def _once(rows: np.ndarray, cut_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each pair, and the widest of its latitudes."""
    _, first, pair = np.unique(_keys(rows), return_index=True, return_inverse=True)
    widest_deg = np.zeros(len(first))
    np.maximum.at(widest_deg, pair, cut_deg)
    order = np.argsort(first)
    return rows[first[order]], widest_deg[order]


def _named_rows(isl: Isl, network: Network) -> np.ndarray:
    return patterns.pairs([(network.node(a).index, network.node(b).index) for a, b in isl.pairs])


def _static_rows(
    isl: Isl, each: Constellation, members: np.ndarray, ephemeris: Ephemeris
) -> np.ndarray:
    """Candidate rows of a ring or grid within one constellation (see topologies.isl)."""
    walker = each.walker_pattern()
    if walker is None:
        # Catalogued satellites stand in the order in which they follow each other.
        return patterns.ring(members[np.argsort(ephemeris.along_track_rad(members), kind="stable")])
    if isl.pattern == "ring":
        order = np.arange(walker.total).reshape(walker.planes, walker.per_plane)
        rows = patterns.ring(order, walker.arcs)
    else:
        closed = walker.closed if isl.seam is None else isl.seam == "closed"
        rows = patterns.grid(walker.planes, walker.per_plane, 0, closed, walker.shift, walker.arcs)
    if each.only is None:
        rows[:, :2] += members[0]
        return rows
    # Neighbours outside of the part are left out, and so are the links to them.
    node = np.full(walker.total, -1, dtype=np.int32)
    node[list(each.only)] = members
    rows[:, :2] = node[rows[:, :2]]
    return rows[(rows[:, :2] >= 0).all(axis=1)]


def _cut_deg(isl: Isl, rows: np.ndarray) -> np.ndarray:
    """The latitude up to which each row may be linked: all, but for those across planes."""
    across = np.isin(rows[:, 2], (patterns.LEFT, patterns.RIGHT)) & (isl.pattern == "grid")
    return np.where(across, isl.latitude_cut_deg, 90.0)
