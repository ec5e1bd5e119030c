"""Visibility → Limits: which of many pairs could be linked at a step, and what forbids the others.

All checks are on arrays of pairs of nodes. Those that no terminal of the scenario asks for cost
nothing.
"""

from typing import Literal

import numpy as np

from emulator.budget import Budgets
from emulator.causes import Cause
from emulator.network import Network
from emulator.physics.sun import sunlit
from emulator.scenario import Scenario
from emulator.sky import Sky
from emulator.terminals import Pointing
from emulator.units import EARTH_RADIUS_KM
from emulator.visibility import (
    dot,
    length,
    lowest_radius_km,
    orbital_frame,
    range_km,
    range_rate_km_s,
    separation_deg,
    tracking_rate_rad_s,
)

Medium = Literal["isl", "gsl"]
_NO_PORT = -1
_FREE = Pointing()
"""The limits of a terminal that says nothing of its pointing."""


class Limits:
    """The limits of one medium's terminals, evaluated for pairs of nodes."""

    def __init__(
        self, scenario: Scenario, network: Network, budgets: Budgets, medium: Medium
    ) -> None:
        self.network, self.budgets, self.medium = network, budgets, medium
        self.grazing_km = EARTH_RADIUS_KM + scenario.scenario.grazing_height_km
        self.kind = network.node_kind(medium)
        self.first, self.count = network.node_ports(medium)
        pointing = [kind.pointing or _FREE for kind in network.kinds]
        used = np.unique(self.kind[self.kind >= 0])
        self.reach_km = self._by_node([k.max_range_km for k in network.kinds], 0.0)
        self.field_deg = self._by_node([p.field_of_regard_deg for p in pointing], 180.0)
        self.tracking_deg_s = self._by_node([p.max_tracking_deg_s or np.inf for p in pointing])
        self.doppler_km_s = self._by_node([p.max_range_rate_km_s or np.inf for p in pointing])
        self.sun_deg = self._by_node([p.sun_exclusion_deg for p in pointing], 0.0)
        self.sun_acquire_deg = self._by_node(
            [max(p.sun_exclusion_deg, p.sun_acquisition_deg) for p in pointing], 0.0
        )
        self.min_margin_db = self._by_node(budgets.setting("min_margin_db"), 0.0)
        self.has_budget = bool(budgets.adaptive[used].any())
        self.has_fields = bool((self.field_deg < 180).any())
        self.has_tracking = bool(np.isfinite(self.tracking_deg_s).any())
        self.has_doppler = bool(np.isfinite(self.doppler_km_s).any())
        self.has_sun = bool((self.sun_acquire_deg > 0).any())
        self.satellites = len(network.satellites)

    def _by_node(self, of_kind: object, without: float = np.inf) -> np.ndarray:
        """Give each node the figure of its kind of terminal, ``without`` where it has none."""
        padded = np.append(np.asarray(of_kind, dtype=np.float64), without)
        return padded[self.kind]

    def causes(
        self,
        sky: Sky,
        a: np.ndarray,
        b: np.ndarray,
        port_a: np.ndarray,
        port_b: np.ndarray,
        attenuation_db: np.ndarray | float = 0.0,
    ) -> np.ndarray:
        """Return the Cause that keeps each pair of nodes from a link, 0 where none does.

        ``port_a`` and ``port_b`` are the ports of pairs that are linked or being linked, -1 for
        others: who is linked keeps a link down to the threshold, who is not needs the margin.
        """
        where_a, where_b = sky.position_km[a], sky.position_km[b]
        held = port_a != _NO_PORT
        cause = np.zeros(len(a), dtype=np.uint8)
        away_km = range_km(where_a, where_b)
        # From the last to the first cause: what is written later is told.
        if self.has_budget:
            spare_db = self.spare_db(a, b, away_km, attenuation_db, held)
            cause[spare_db < 0] = Cause.MARGIN
        if self.has_sun:
            cause[self._blinded(sky, a, b, held)] = Cause.SUN
        if self.has_tracking:
            cause[self._too_quick(sky, a, b)] = Cause.TRACKING
        if self.has_doppler:
            speed_km_s = np.abs(
                range_rate_km_s(where_b - where_a, sky.velocity_km_s[b] - sky.velocity_km_s[a])
            )
            fastest = np.minimum(self.doppler_km_s[a], self.doppler_km_s[b])
            cause[speed_km_s > fastest] = Cause.DOPPLER
        if self.has_fields:
            inside = self.inside_field(sky, a, b, port_a) & self.inside_field(sky, b, a, port_b)
            cause[~inside] = Cause.FIELD
        cause[away_km > np.minimum(self.reach_km[a], self.reach_km[b])] = Cause.RANGE
        if self.medium == "isl":
            cause[lowest_radius_km(where_a, where_b) < self.grazing_km] = Cause.EARTH
        return cause

    def levels_db(
        self, a: np.ndarray, b: np.ndarray, away_km: np.ndarray, attenuation_db: object
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the levels of the channels a → b and b → a."""
        kind_a, kind_b = self.kind[a], self.kind[b]
        down_db, up_db = np.broadcast_to(attenuation_db, (2, len(a)))
        return (
            self.budgets.level_db(kind_a, kind_b, away_km, down_db),
            self.budgets.level_db(kind_b, kind_a, away_km, up_db),
        )

    def spare_db(
        self,
        a: np.ndarray,
        b: np.ndarray,
        away_km: np.ndarray,
        attenuation_db: object,
        held: np.ndarray,
    ) -> np.ndarray:
        """Return the decibels that the worse direction has above what its lowest rung needs.

        Pairs that are not ``held`` need ``min_margin_db`` besides; -inf: they never fit.
        """
        there_db, back_db = self.levels_db(a, b, away_km, attenuation_db)
        wanted_a, wanted_b = (np.where(held, 0.0, self.min_margin_db[each]) for each in (a, b))
        lowest_db = self.budgets.rungs[0][..., 0]
        kind_a, kind_b = self.kind[a], self.kind[b]
        return np.minimum(
            there_db - lowest_db[kind_a, kind_b] - wanted_a,
            back_db - lowest_db[kind_b, kind_a] - wanted_b,
        )

    def sun_angles_deg(self, sky: Sky, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the angle of the Sun from each pair's line of sight, from the end nearer to it.

        180 where the Earth hides the Sun from that end.
        """
        line = sky.position_km[b] - sky.position_km[a]
        angle_deg = separation_deg(line, sky.sun)
        lit_a, lit_b = (sunlit(sky.position_km[each], sky.sun) for each in (a, b))
        return np.minimum(
            np.where(lit_a, angle_deg, 180.0), np.where(lit_b, 180.0 - angle_deg, 180.0)
        )

    def _blinded(self, sky: Sky, a: np.ndarray, b: np.ndarray, held: np.ndarray) -> np.ndarray:
        line = sky.position_km[b] - sky.position_km[a]
        angle_deg = separation_deg(line, sky.sun)
        blinded = np.zeros(len(a), dtype=bool)
        for node, seen_deg in ((a, angle_deg), (b, 180.0 - angle_deg)):
            limit_deg = np.where(held, self.sun_deg[node], self.sun_acquire_deg[node])
            near = np.flatnonzero(seen_deg < limit_deg)
            blinded[near] |= sunlit(sky.position_km[node[near]], sky.sun)
        return blinded

    def _too_quick(self, sky: Sky, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        quick = np.zeros(len(a), dtype=bool)
        for near, far in ((a, b), (b, a)):
            rate = tracking_rate_rad_s(
                sky.position_km[far] - sky.position_km[near],
                sky.velocity_km_s[far] - sky.velocity_km_s[near],
                sky.position_km[near],
                sky.velocity_km_s[near],
            )
            quick |= np.degrees(rate) > self.tracking_deg_s[near]
        return quick

    def off_axes_deg(self, sky: Sky, near: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Return the angles from the mount of each terminal of ``near`` to ``far``.

        Shape (pairs, most terminals of a node); infinite where there is no terminal or ``far`` is
        outside its field. A station's antennas turn to the whole sky, which is what its mask is
        for: 0.
        """
        number = np.arange(int(self.count.max(initial=0)))
        there = number < self.count[near][:, None]
        mount = self.network.port_mount[np.where(there, self.first[near][:, None] + number, 0)]
        cosine = dot(self.direction(sky, near, far)[:, None], mount)
        angle_deg = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
        angle_deg = np.where(near[:, None] < self.satellites, angle_deg, 0.0)
        return np.where(there & (angle_deg <= self.field_deg[near][:, None]), angle_deg, np.inf)

    def inside_field(
        self, sky: Sky, near: np.ndarray, far: np.ndarray, port: np.ndarray
    ) -> np.ndarray:
        """Whether ``port``, or where it is -1 any port of ``near``, can turn to ``far``."""
        inside = self.field_deg[near] >= 180.0
        asked = np.flatnonzero(~inside)
        near, far, port = near[asked], far[asked], port[asked]
        able = self.off_axes_deg(sky, near, far) < np.inf
        own = np.maximum(port - self.first[near], 0)
        inside[asked] = np.where(
            port == _NO_PORT, able.any(axis=1), np.take_along_axis(able, own[:, None], 1)[:, 0]
        )
        return inside

    def direction(self, sky: Sky, near: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Return where ``far`` is in the frame of each of ``near``, unit vectors ``(n, 3)``.

        The frame of a satellite is its orbital frame; stations have TEME, which turns with 15
        degrees an hour and is only used for how far an antenna has to turn.
        """
        line = sky.position_km[far] - sky.position_km[near]
        line = line / np.maximum(length(line), 1e-12)[:, None]
        axes = orbital_frame(sky.position_km[near], sky.velocity_km_s[near])
        turned = np.stack([dot(line, axis) for axis in axes], axis=-1)
        return np.where((near < self.satellites)[:, None], turned, line)
