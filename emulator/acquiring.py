"""How long each state of pointing lasts, for the terminals of a scenario. Seeded, and pure.

A random time belongs to two nodes, by their names, and to a moment, not to an order of calls: plans
that differ elsewhere have it in common.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from emulator.network import Network
from emulator.physics import acquisition
from emulator.pointing import Event, State
from emulator.terminals import Pointing
from emulator.units import NS_PER_S

_AT_ONCE = Pointing(acquisition_s=0.0, coast_s=0.0, reacquisition_s=0.0)
"""Of terminals without a ``pointing`` table."""


@dataclass(frozen=True)
class Durations:
    """Times of the states of links between kinds of terminals."""

    network: Network
    pointing: tuple[Pointing, ...]
    """Of each of the network's ``kinds``."""
    seed: int

    @classmethod
    def of(cls, network: Network, seed: int) -> "Durations":
        """Return the times of a network's terminals."""
        return cls(network, tuple(kind.pointing or _AT_ONCE for kind in network.kinds), seed)

    def slew_s(self, kind: int, angle_rad: float) -> float:
        """Return how long a terminal turns by an angle."""
        own = self.pointing[kind]
        if own.slew_deg_s is None:
            return 0.0
        accel = None if own.slew_deg_s2 is None else np.radians(own.slew_deg_s2)
        return float(acquisition.slew_s(angle_rad, np.radians(own.slew_deg_s), accel))

    def mostly_s(self, kind: int) -> float:
        """Return how long linking up takes a terminal 19 times out of 20, after half a turn."""
        own = self.pointing[kind]
        # Where a normal number and an exponential one are exceeded one time in 20.
        return self.slew_s(kind, np.pi) + _scan_s(own, False, 1.645, 2.996) + own.lock_s

    def entering(
        self, state: State, kinds: tuple[int, int], pair: tuple[int, int], t_s: float, known: bool
    ) -> tuple[float, Event]:
        """Return how long a link stays in ``state`` from ``t_s`` on, and how that ends.

        The slower end decides. ``kinds`` of terminals and nodes ``pair`` of its ends; ``known``:
        the two have been linked before in this run.
        """
        ends = [self.pointing[kind] for kind in kinds]
        match state:
            case State.SCAN:
                return self._scan(ends, pair, t_s, known)
            case State.LOCK:
                return max(end.lock_s for end in ends), Event.DONE
            case State.COAST:
                return min(end.coast_s for end in ends), Event.DONE
            case State.REACQUIRE:
                return max(end.reacquisition_s for end in ends), Event.DONE
        return np.inf, Event.DONE

    def _scan(
        self, ends: list[Pointing], pair: tuple[int, int], t_s: float, known: bool
    ) -> tuple[float, Event]:
        if all(end.acquisition_p95_s is None and not end.scan and end.success == 1 for end in ends):
            return max(_median_s(end, known) for end in ends), Event.DONE
        draws = np.random.default_rng([self.seed, *self._who(pair), round(t_s * NS_PER_S)])
        normal, along, luck = draws.standard_normal(), draws.standard_exponential(), draws.random()
        found = luck < min(end.success for end in ends)
        seconds = max(_scan_s(end, known, normal, along) for end in ends)
        return seconds, Event.DONE if found else Event.FAILED

    def _who(self, pair: tuple[int, int]) -> list[int]:
        """The names of two nodes as integers, in one order for both."""
        names = sorted(self.network.nodes[node].name for node in pair)
        digests = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
        return [int.from_bytes(digest, "big") for digest in digests]


def _median_s(end: Pointing, known: bool) -> float:
    return end.repeat_s if known and end.repeat_s is not None else end.acquisition_s


def _scan_s(end: Pointing, known: bool, normal: float, along: float) -> float:
    """One end's time: by its spiral, or lognormal. A repeated one has the same spread."""
    if end.scan:
        return along * float(
            acquisition.spiral_mean_s(
                end.scan.uncertainty_urad, end.scan.beam_urad, end.scan.overlap, end.scan.dwell_s
            )
        )
    median_s = _median_s(end, known)
    if not end.acquisition_p95_s or not median_s:
        return median_s
    slowest_s = median_s * end.acquisition_p95_s / end.acquisition_s
    return float(acquisition.lognormal_s(median_s, slowest_s, normal))
