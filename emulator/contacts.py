"""Visibility → Contacts: which terminal points at which, from when to when.

A contact is an interval of steps during which two ports are joined. Terminals and antennas
are integers: a pair that is in sight but finds no free terminal is no contact.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from emulator.ephemeris import Ephemeris
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sections import Constellation, Isl
from emulator.visibility import elevation_deg, in_sight, range_km
from topologies import isl as patterns

CONTACT = np.dtype([("a", "<i4"), ("b", "<i4"), ("start", "<i4"), ("end", "<i4")])
"""Ports a and b are joined during steps ``start`` ≤ k < ``end``."""

_CHUNK_ELEMENTS = 400_000
_LOOK_AHEAD_S = np.arange(0.0, 1800.0, 20.0)
_LOOK_AGAIN_S = 60.0

Row = tuple[int, int, int, int]


def contacts(scenario: Scenario, network: Network, ephemeris: Ephemeris) -> np.ndarray:
    """Return all contacts of the scenario, sorted by start and ports, dtype :data:`CONTACT`."""
    terminals = _Terminals(network, scenario.scenario.step_s)
    lasers = _Lasers(scenario, network, ephemeris)
    ground = _GroundSegment(scenario, network, ephemeris)
    for step, position_km in _positions(scenario, network, ephemeris):
        terminals.point("isl", step, lasers.wanted(step, position_km))
        terminals.point("gsl", step, ground.wanted(step, position_km, terminals.links["gsl"]))
    return terminals.finish(scenario.steps)


def _positions(
    scenario: Scenario, network: Network, ephemeris: Ephemeris
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (step, TEME positions of all nodes), propagated in chunks of bounded size."""
    chunk = max(1, _CHUNK_ELEMENTS // max(1, len(network.nodes)))
    for first, last in pairwise([*range(0, scenario.steps, chunk), scenario.steps]):
        t_s = np.arange(first, last) * scenario.scenario.step_s
        for offset, position_km in enumerate(ephemeris.positions_km(t_s).swapaxes(0, 1)):
            yield first + offset, position_km


class _Lasers:
    """Which ISLs are wanted at a step: static candidates in sight, then the dynamic patterns'."""

    def __init__(self, scenario: Scenario, network: Network, ephemeris: Ephemeris) -> None:
        self.grazing_height_km = scenario.scenario.grazing_height_km
        self.range_km = _node_range_km(network, "isl")
        static: list[np.ndarray] = []
        self.dynamic: list[tuple[Isl, np.ndarray]] = []
        for isl in scenario.isl:
            spans = [(e, members) for e, members in _spans(scenario) if _applies(isl, e)]
            if isl.pattern == "pairs":
                static.append(_named_rows(isl, network))
            elif isl.pattern in ("nearest", "visible"):
                self.dynamic.append((isl, np.concatenate([members for _, members in spans])))
            else:
                static += [_static_rows(isl, e, members, ephemeris) for e, members in spans]
        self.static = _concatenate(static)
        self._mask = np.zeros(0, dtype=bool)

    def wanted(self, step: int, position_km: np.ndarray) -> list[Row] | None:
        """Return the wanted pairs in order of precedence, or None where nothing changed."""
        mask = self._feasible(self.static, position_km)
        if not self.dynamic and step and np.array_equal(mask, self._mask):
            return None
        self._mask = mask
        rows = [self.static[mask]]
        for isl, members in self.dynamic:
            reach_km = float(self.range_km[members].max(initial=0.0))
            if isl.pattern == "nearest":
                found = patterns.nearest(position_km, members, isl.k, reach_km)
            else:
                found = patterns.visible(position_km, members, reach_km)
            rows.append(found[self._feasible(found, position_km)])
        return [tuple(row) for row in np.concatenate(rows).tolist()]

    def _feasible(self, rows: np.ndarray, position_km: np.ndarray) -> np.ndarray:
        a, b = rows[:, 0], rows[:, 1]
        reach_km = np.minimum(self.range_km[a], self.range_km[b])
        near = range_km(position_km[a], position_km[b]) <= reach_km
        return near & in_sight(position_km[a], position_km[b], self.grazing_height_km)


class _GroundSegment:
    """Which satellite each antenna wants, by the scenario's selection rule."""

    def __init__(self, scenario: Scenario, network: Network, ephemeris: Ephemeris) -> None:
        self.rule = scenario.ground.selection
        self.step_s = scenario.scenario.step_s
        self.ephemeris = ephemeris
        self.satellites = network.satellites
        self.stations = network.stations
        self.mask_deg = np.array([s.min_elevation_deg for s in scenario.ground.station])
        self.range_km = _node_range_km(network, "gsl")
        self._until_s: dict[tuple[int, int], tuple[float, float]] = {}
        """When the pass of a pair ends, and until when that is worth knowing."""

    def wanted(
        self, step: int, position_km: np.ndarray, held: Iterable[tuple[int, int]]
    ) -> list[Row]:
        """Return (satellite, station) pairs above the mask, best first."""
        t_s = step * self.step_s
        up = self.ephemeris.stations_km(np.array([t_s]))[1][:, 0]
        elevation = self._elevation_deg(position_km[self.satellites], position_km, up)
        station, satellite = np.nonzero(elevation >= self.mask_deg[:, None])
        pairs = list(zip(satellite.tolist(), self.stations[station].tolist(), strict=True))
        height = elevation[station, satellite].round(9).tolist()
        if self.rule == "highest-elevation":
            key = {pair: (-deg,) for pair, deg in zip(pairs, height, strict=True)}
        else:
            held = set(held)
            until = self._lost_at_s(t_s, pairs)
            hold = self.rule == "fewest-switches"
            key = {
                pair: (hold and pair not in held, -until[pair], -deg)
                for pair, deg in zip(pairs, height, strict=True)
            }
        return [(a, b, patterns.ANY, patterns.ANY) for a, b in sorted(pairs, key=lambda p: key[p])]

    def _elevation_deg(
        self, satellite_km: np.ndarray, position_km: np.ndarray, up: np.ndarray
    ) -> np.ndarray:
        """Elevations ``(stations, satellites)``; -90 where out of radio range."""
        site_km = position_km[self.stations][:, None]
        elevation = elevation_deg(site_km, up[:, None], satellite_km[None])
        reach_km = np.minimum(
            self.range_km[self.stations][:, None], self.range_km[self.satellites][None]
        )
        return np.where(range_km(site_km, satellite_km[None]) <= reach_km, elevation, -90.0)

    def _lost_at_s(self, t_s: float, pairs: list[tuple[int, int]]) -> dict[tuple[int, int], float]:
        """When each pair's pass ends, at most 30 minutes ahead; looked up once if that is less."""
        known = self._until_s
        self._until_s = {p: known[p] for p in pairs if p in known and t_s < known[p][1]}
        new = [pair for pair in pairs if pair not in self._until_s]
        if new:
            ahead_s = t_s + _LOOK_AHEAD_S
            satellite_km = self.ephemeris.satellites_km(ahead_s)
            station_km, up = self.ephemeris.stations_km(ahead_s)
            for satellite, node in new:
                site = node - int(self.stations[0])
                line = station_km[site], satellite_km[satellite]
                reach_km = min(self.range_km[satellite], self.range_km[node])
                lost = elevation_deg(line[0], up[site], line[1]) < self.mask_deg[site]
                lost |= range_km(*line) > reach_km
                until_s = float(ahead_s[np.argmax(lost)] if lost.any() else ahead_s[-1])
                good_until_s = until_s if lost.any() else t_s + _LOOK_AGAIN_S
                self._until_s[satellite, node] = until_s, good_until_s
        return {pair: until_s for pair, (until_s, _) in self._until_s.items()}


class _Terminals:
    """The patch panel over time: gives wanted pairs their ports and writes down contacts."""

    def __init__(self, network: Network, step_s: float) -> None:
        self.step_s = step_s
        self.setup_s = network.port_setup_s
        self.free: dict[str, list[list[int]]] = {
            medium: [[p.index for p in n.ports if p.kind == medium] for n in network.nodes]
            for medium in ("isl", "gsl")
        }
        self.links: dict[str, dict[tuple[int, int], tuple[int, int, int]]] = {"isl": {}, "gsl": {}}
        self.capacity = {m: [len(ports) for ports in free] for m, free in self.free.items()}
        self.first = [[p.index for p in n.ports if p.kind == "isl"] for n in network.nodes]
        self.dark_since = dict.fromkeys(range(len(network.ports)), -1)
        self.found: list[tuple[int, int, int, int]] = []

    def point(self, medium: str, step: int, rows: list[Row] | None) -> None:
        """Turn terminals so that the wanted ``rows`` are served, in order, as far as they reach."""
        if rows is None:
            return
        links, wanted = self.links[medium], self._admit(medium, rows)
        for pair in [pair for pair in links if pair not in wanted]:
            self._release(medium, step, pair)
        for pair, wishes in wanted.items():
            if pair not in links:
                links[pair] = self._join(medium, step, pair, wishes)

    def finish(self, steps: int) -> np.ndarray:
        """End what is still linked and return the contacts."""
        for medium, links in self.links.items():
            for pair in list(links):
                self._release(medium, steps, pair)
        return np.sort(np.array(self.found, dtype=CONTACT), order=["start", "a", "b"])

    def _admit(self, medium: str, rows: list[Row]) -> dict[tuple[int, int], tuple[int, int]]:
        left = list(self.capacity[medium])
        wanted: dict[tuple[int, int], tuple[int, int]] = {}
        for a, b, wish_a, wish_b in rows:
            if left[a] and left[b] and (a, b) not in wanted and (b, a) not in wanted:
                left[a] -= 1
                left[b] -= 1
                wanted[a, b] = wish_a, wish_b
        return wanted

    def _join(
        self, medium: str, step: int, pair: tuple[int, int], wishes: tuple[int, int]
    ) -> tuple[int, int, int]:
        ports = [self._take(medium, node, wish) for node, wish in zip(pair, wishes, strict=True)]
        start = step
        if step:
            setup_s = float(self.setup_s[ports].max())
            start += int(np.ceil(setup_s / self.step_s - 1e-9))
            # A port that changes peers stays dark for a step: daemons must see the light go.
            start = max(start, *(self.dark_since[port] + 1 for port in ports))
        return ports[0], ports[1], start

    def _take(self, medium: str, node: int, wish: int) -> int:
        free = self.free[medium][node]
        own = self.first[node] if medium == "isl" else []
        wished = own[wish] if 0 <= wish < len(own) else None
        port = wished if wished in free else min(free)
        free.remove(port)
        return port

    def _release(self, medium: str, step: int, pair: tuple[int, int]) -> None:
        a, b, start = self.links[medium].pop(pair)
        if start < step:
            self.found.append((a, b, start, step))
        for node, port in zip(pair, (a, b), strict=True):
            self.free[medium][node].append(port)
            self.dark_since[port] = step


def _spans(scenario: Scenario) -> list[tuple[Constellation, np.ndarray]]:
    """Each constellation with the node indices of its satellites."""
    spans, first = [], 0
    for each in scenario.constellation:
        count = len(each.node_names())
        spans.append((each, np.arange(first, first + count)))
        first += count
    return spans


def _applies(isl: Isl, constellation: Constellation) -> bool:
    return not isl.constellations or constellation.name in isl.constellations


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
        return _concatenate([patterns.ring(plane) for plane in planes])
    closed = walker.raan_span_deg == 360.0
    return patterns.grid(
        walker.planes, walker.per_plane, int(members[0]), closed, phasing=walker.phasing
    )


def _concatenate(rows: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty((0, 4), dtype=np.int32), *rows])


def _node_range_km(network: Network, medium: str) -> np.ndarray:
    """Longest reach of each node's terminals of one medium; 0 where it has none."""
    reach_km = np.zeros(len(network.nodes))
    for port in network.ports:
        if port.kind == medium:
            reach_km[port.node] = max(reach_km[port.node], network.port_range_km[port.index])
    return reach_km
