"""Regions of the ground, and when satellites are over them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emulator.ephemeris import Ephemeris
from emulator.frames import geodetic_to_itrs_km, geodetic_up, rotate_z
from emulator.units import EARTH_MEAN_RADIUS_KM

Span = tuple[float, float]

_LOOK_S = 10.0
"""Between two looks at where satellites are; edges, linear between them, are right to 0.1 s."""
_CHUNK_ELEMENTS = 400_000
MICROSECOND = 6
"""Decimals of a second: no libm's last bit shall decide."""


@dataclass(frozen=True, slots=True)
class Region:
    """A band of latitude, a box, or (where ``latitude_deg`` is None) a circle on the ground."""

    latitude_deg: Span | None = None
    """From south to north, geodetic."""
    longitude_deg: Span | None = None
    """From west to east; across the dateline the east is the smaller number. None: all around."""
    centre_deg: Span | None = None
    """Latitude and longitude."""
    radius_km: float | None = None


def spans_inside(
    region: Region, ephemeris: Ephemeris, start_s: float, end_s: float
) -> list[list[Span]]:
    """Return when the point below each satellite is inside from ``start_s`` to ``end_s``.

    Visits shorter than the ten seconds between two looks may be missed.
    """
    t_s = np.append(np.arange(start_s, end_s, _LOOK_S), end_s)
    chunk = max(1, _CHUNK_ELEMENTS // max(1, ephemeris.satellites))
    depth = np.concatenate(
        [_depth(region, ephemeris, t_s[i : i + chunk]) for i in range(0, len(t_s), chunk)], axis=1
    )
    found: list[list[Span]] = [[] for _ in range(len(depth))]
    for node, begin_s, over_s in _crossed(t_s, depth):
        found[node].append((begin_s, over_s))
    return found


def _crossed(t_s: np.ndarray, depth: np.ndarray) -> Iterator[tuple[int, float, float]]:
    """Rows of ``depth`` and from when to when they are not negative, linear between times."""
    padded = np.pad(depth >= 0, ((0, 0), (1, 1)))
    entries = np.argwhere(padded[:, 1:] & ~padded[:, :-1])
    exits = np.argwhere(padded[:, :-1] & ~padded[:, 1:]) - (0, 1)
    for (node, first), (_, last) in zip(entries.tolist(), exits.tolist(), strict=True):
        begin_s = _crossing_s(t_s, depth[node], first - 1) if first else float(t_s[0])
        over_s = _crossing_s(t_s, depth[node], last) if last + 1 < len(t_s) else float(t_s[-1])
        if begin_s < over_s:
            yield node, round(begin_s, MICROSECOND), round(over_s, MICROSECOND)


def _crossing_s(t_s: np.ndarray, depth: np.ndarray, index: int) -> float:
    """When ``depth`` changes its sign after the time of this index."""
    share = depth[index] / (depth[index] - depth[index + 1])
    return float(t_s[index] + share * (t_s[index + 1] - t_s[index]))


def _depth(region: Region, ephemeris: Ephemeris, t_s: np.ndarray) -> np.ndarray:
    """How far inside a region each satellite is, negative outside: ``(nodes, times)``.

    In degrees, or of a circle in kilometres on a sphere of the Earth's mean radius.
    """
    itrs_km = rotate_z(ephemeris.satellites_km(t_s), -ephemeris.gmst_rad(t_s))
    up = geodetic_up(itrs_km)
    if region.latitude_deg is None:
        latitude_deg, longitude_deg = (np.array([x]) for x in region.centre_deg or (0.0, 0.0))
        [centre] = geodetic_to_itrs_km(latitude_deg, longitude_deg, np.zeros(1))[1]
        away_km = EARTH_MEAN_RADIUS_KM * np.arccos(np.clip((up * centre).sum(-1), -1, 1))
        return (region.radius_km or 0.0) - away_km
    latitude_deg = np.degrees(np.arcsin(up[..., 2]))
    south, north = region.latitude_deg
    depth = np.minimum(latitude_deg - south, north - latitude_deg)
    west, east = region.longitude_deg or (0.0, 0.0)
    if half_deg := (east - west) % 360.0 / 2:  # 0: from -180 to 180 is all around
        longitude_deg = np.degrees(np.arctan2(up[..., 1], up[..., 0]))
        off_deg = np.abs((longitude_deg - west - half_deg + 180.0) % 360.0 - 180.0)
        depth = np.minimum(depth, half_deg - off_deg)
    return depth
