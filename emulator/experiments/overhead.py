"""One plane of satellites that passes over a city: what a user sees of any shell, at its best.

The plane crosses the city's zenith in the middle of the scene. The station takes each satellite
where it rises and holds it until it sets, so that a scene shows every elevation from the mask to
the zenith.
"""

from dataclasses import dataclass

import numpy as np

from emulator.experiments import formulas, scenes
from emulator.experiments.base import Scene
from emulator.experiments.evidence import Run

PROBES_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """A shell by one of its planes, and a user."""

    label: str
    inclination_deg: float
    per_plane: int
    altitude_km: float
    mask_deg: float
    city: str

    @property
    def site_km(self) -> float:
        """Distance of the city from the Earth's centre."""
        return formulas.site_radius_km(scenes.CITIES[self.city][0])

    @property
    def pass_s(self) -> float:
        """How long a pass through the zenith lasts, on an Earth at rest."""
        half_deg = formulas.half_angle_deg(self.altitude_km, self.mask_deg, self.site_km)
        return 2 * half_deg / formulas.mean_motion_deg_s(self.altitude_km)

    def rtt_ms(self, elevation_deg: float) -> float:
        """Round trip to a satellite at an elevation."""
        slant_km = formulas.slant_range_km(self.altitude_km, elevation_deg, self.site_km)
        return 2 * formulas.one_way_ms(slant_km)

    @property
    def hop_ms(self) -> float:
        """What one hop in the plane adds to a round trip."""
        chord_km = formulas.chord_km(self.altitude_km, 360.0 / self.per_plane)
        return 2 * formulas.one_way_ms(chord_km)

    @property
    def off_deg(self) -> float:
        """How far the city turns off the plane, at most, until a satellite it holds culminates."""
        return formulas.EARTH_RATE_DEG_S * max(self.pass_s, self.spacing_s) / 2

    @property
    def spacing_s(self) -> float:
        """Time from one satellite of the plane to the next."""
        return formulas.period_s(self.altitude_km) / self.per_plane

    def scene(self) -> Scene:
        """Return the scene: the ring, the city, and probes to every satellite of the ring."""
        duration_s = float(np.ceil((self.pass_s + self.spacing_s) / PROBES_S) * PROBES_S)
        raan_deg = scenes.plane_over(
            self.city, self.inclination_deg, self.altitude_km, duration_s / 2
        )
        shell = scenes.shell(
            "s",
            f"{self.inclination_deg:g}:{self.per_plane}/1/0",
            self.altitude_km,
            raan_start_deg=raan_deg,
            isl={"kind": "laser", "count": 2},
            gsl={"kind": "beam", "count": 1},
        )
        pairs = [[self.city, f"s-01-{slot:02d}"] for slot in range(1, self.per_plane + 1)]
        scenario = scenes.sky(
            self.label,
            f"A plane of {self.per_plane} at {self.altitude_km:g} km over {self.city}",
            duration_s,
            [shell],
            [scenes.station(self.city, self.mask_deg)],
            [{"kind": "ping", "pairs": pairs, "interval_s": PROBES_S}],
            ground={
                "selection": "fewest-switches",
                "station": [scenes.station(self.city, self.mask_deg)],
            },
        )
        return Scene(scenario=scenario)


@dataclass(frozen=True, slots=True)
class Passes:
    """Probes of a run of :class:`Overhead`, one row each."""

    t_s: np.ndarray
    rtt_ms: np.ndarray
    hops: np.ndarray
    """From the satellite that serves the city to the one that was pinged."""
    elevation_deg: np.ndarray
    """Of the satellite that serves."""

    @classmethod
    def of(cls, run: Run) -> "Passes":
        """Take the probes that were answered while the city saw a satellite."""
        plan, network = run.plan, run.plan.network
        station = run.scenario.ground.station[0].name
        index = {node.name: node.index for node in network.nodes}
        size = len(network.satellites)
        rows = []
        for target, t_s, rtt_ms in run.query(
            "SELECT b, t_s, rtt_ms FROM probes WHERE a = ? AND rtt_ms NOT NULL ORDER BY t_s",
            (station,),
        ):
            joined = plan.joined(plan.step_of(t_s))
            ends = network.port_node[joined["a"]], network.port_node[joined["b"]]
            ground = np.maximum(*ends) >= size
            if ground.any():
                serving = int(np.minimum(*ends)[ground][0])
                apart = abs(serving - index[target])
                rows.append((t_s, rtt_ms, min(apart, size - apart), serving))
        t_s, rtt_ms, hops, serving = np.array(rows, dtype=float).reshape(-1, 4).T
        return cls(t_s, rtt_ms, hops, _elevations_deg(run, t_s, serving.astype(int)))

    @property
    def direct_ms(self) -> np.ndarray:
        """Round trips to the serving satellite itself."""
        return self.rtt_ms[self.hops == 0]

    def hop_ms(self) -> float | None:
        """What a hop adds: median over probes, against the serving satellite's own round trip.

        The latter between its probes by a straight line.
        """
        near = self.hops == 0
        if near.sum() < 2:
            return None
        own_ms = np.interp(self.t_s, self.t_s[near], self.rtt_ms[near])
        return float(np.median((self.rtt_ms - own_ms)[~near] / self.hops[~near]))

    def at_elevation_ms(self, elevation_deg: float) -> float | None:
        """Round trip to the serving satellite at an elevation, between the nearest probes."""
        near = np.flatnonzero(self.hops == 0)
        order = near[np.argsort(self.elevation_deg[near])]
        seen = self.elevation_deg[order]
        if not len(seen) or not seen[0] <= elevation_deg <= seen[-1]:
            return None
        return float(np.interp(elevation_deg, seen, self.rtt_ms[order]))


def _elevations_deg(run: Run, t_s: np.ndarray, serving: np.ndarray) -> np.ndarray:
    """Elevation of a satellite at the moment of each probe, as the station sees it."""
    ephemeris = run.plan.ephemeris
    place_km, up = ephemeris.stations_km(t_s)
    at_km = ephemeris.satellites_km(t_s)[serving, np.arange(len(t_s))]
    away_km = at_km - place_km[0]
    return np.degrees(np.arcsin((away_km * up[0]).sum(-1) / np.linalg.norm(away_km, axis=-1)))
