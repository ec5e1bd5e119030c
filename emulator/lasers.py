"""Visibility → wanted ISLs: the pairs of satellites that the patterns ask for, best first.

Static patterns (ring, grid, pairs) are the same pairs at every step; ``nearest`` and ``visible``
choose anew. What stands in the way of each pair is for ``limits`` to say.
"""

from dataclasses import dataclass

import numpy as np

from emulator.causes import Cause
from emulator.ephemeris import Ephemeris
from emulator.limits import Limits
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sections import Constellation, Isl
from emulator.sky import Sky
from emulator.visibility import length
from topologies import isl as patterns


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
        self.static = np.concatenate([np.empty((0, 4), dtype=np.int32), *static])
        self._cut_deg = np.concatenate([np.empty(0), *cuts_deg])
        self._has_cut = bool((self._cut_deg < 90).any())

    def wanted(self, sky: Sky, ports: np.ndarray, held: np.ndarray) -> Wanted:
        """Return the pairs of this step.

        ``ports`` ``(static rows, 2)`` are those by which the static pairs are linked (-1: not),
        ``held`` rows ``(a, b, port a, port b)`` all links there are.
        """
        a, b = self.static[:, 0], self.static[:, 1]
        cause = self.limits.causes(sky, a, b, ports[:, 0], ports[:, 1])
        if self._has_cut:
            cause[(cause != Cause.EARTH) & (cause != Cause.RANGE) & self._polar(sky)] = (
                Cause.LATITUDE
            )
        rows, causes = [self.static], [cause]
        for isl, members, asked in self.dynamic:
            found = self._found(isl, members, asked, sky, held)
            linked = _ports_of(found, held)
            rows.append(found)
            causes.append(
                self.limits.causes(sky, found[:, 0], found[:, 1], linked[:, 0], linked[:, 1])
            )
        return Wanted(np.concatenate(rows), np.concatenate(causes))

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


def _ports_of(rows: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The ports by which each of ``rows`` is linked, -1 where it is not, ``(n, 2)``."""
    ports = {(a, b): (p, q) for a, b, p, q in held.tolist()}
    pairs = (ports.get((a, b), (-1, -1)) for a, b in rows[:, :2].tolist())
    return np.array(list(pairs), dtype=np.int32).reshape(-1, 2)


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
        planes = members.reshape(walker.planes, walker.per_plane)
        return np.concatenate([np.empty((0, 4), dtype=np.int32), *map(patterns.ring, planes)])
    closed = walker.raan_span_deg == 360.0 if isl.seam is None else isl.seam == "closed"
    return patterns.grid(
        walker.planes, walker.per_plane, int(members[0]), closed, phasing=walker.phasing
    )


def _cut_deg(isl: Isl, rows: np.ndarray) -> np.ndarray:
    """The latitude up to which each row may be linked: all, but for those across planes."""
    across = np.isin(rows[:, 2], (patterns.LEFT, patterns.RIGHT)) & (isl.pattern == "grid")
    return np.where(across, isl.latitude_cut_deg, 90.0)
