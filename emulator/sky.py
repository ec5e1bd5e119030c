"""Ephemeris → Sky: everything that moves, at one step. Propagated in chunks of bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from emulator.ephemeris import Ephemeris, julian_date
from emulator.physics.sun import sun_direction

_CHUNK_ELEMENTS = 400_000


@dataclass(frozen=True, slots=True)
class Sky:
    """One step of a scenario, in TEME."""

    step: int
    t_s: float
    position_km: np.ndarray
    """Of all nodes, satellites first, shape ``(nodes, 3)``."""
    velocity_km_s: np.ndarray
    station_up: np.ndarray
    """Geodetic up of the stations, shape ``(stations, 3)``."""
    sun: np.ndarray
    """Unit vector towards the Sun."""


def skies(ephemeris: Ephemeris, t_s: np.ndarray, first_step: int = 0) -> Iterator[Sky]:
    """Yield the sky at each of ``t_s``, seconds after the start, numbered from ``first_step``."""
    nodes = max(1, ephemeris.satellites + ephemeris.stations)
    chunk = max(1, _CHUNK_ELEMENTS // nodes)
    for first, last in pairwise([*range(0, len(t_s), chunk), len(t_s)]):
        part_s = t_s[first:last]
        position_km, velocity_km_s = ephemeris.states(part_s)
        up = ephemeris.stations_km(part_s)[1]
        sun = sun_direction(*julian_date(ephemeris.start, part_s))
        for offset in range(last - first):
            yield Sky(
                step=first_step + first + offset,
                t_s=float(part_s[offset]),
                position_km=np.ascontiguousarray(position_km[:, offset]),
                velocity_km_s=np.ascontiguousarray(velocity_km_s[:, offset]),
                station_up=np.ascontiguousarray(up[:, offset]),
                sun=sun[offset],
            )
