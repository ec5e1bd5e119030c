"""Ephemeris → Visibility: ranges, elevations, and what the Earth hides. All of it broadcasts."""

import numpy as np

from emulator.units import EARTH_RADIUS_KM


def length(vectors: np.ndarray) -> np.ndarray:
    """Lengths of vectors ``(..., 3)``; several times quicker than numpy.linalg.norm."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.sqrt(x * x + y * y + z * z)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products of vectors ``(..., 3)``, in a fixed order of additions."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Vector products of vectors ``(..., 3)``; many times quicker than numpy.cross for few."""
    product = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for x, y, z in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        product[..., x] = a[..., y] * b[..., z] - a[..., z] * b[..., y]
    return product


def range_km(a_km: np.ndarray, b_km: np.ndarray) -> np.ndarray:
    """Distance between positions of shape ``(..., 3)`` in one frame."""
    return length(b_km - a_km)


def lowest_radius_km(a_km: np.ndarray, b_km: np.ndarray) -> np.ndarray:
    """Least distance from the Earth's centre to the *segment* from a to b, shape ``(...)``.

    The foot of the perpendicular is clipped to the segment: of two satellites on the same side
    of the Earth the lower one is the lowest point, however the infinite line runs.
    """
    span = b_km - a_km
    foot = np.clip(-dot(a_km, span) / np.maximum(dot(span, span), 1e-12), 0.0, 1.0)
    return length(a_km + foot[..., None] * span)


def in_sight(a_km: np.ndarray, b_km: np.ndarray, grazing_height_km: float) -> np.ndarray:
    """True where the segment from a to b stays ``grazing_height_km`` above the sphere."""
    return lowest_radius_km(a_km, b_km) >= EARTH_RADIUS_KM + grazing_height_km


def elevation_deg(site_km: np.ndarray, up: np.ndarray, satellite_km: np.ndarray) -> np.ndarray:
    """Elevation of a satellite above the plane normal to ``up`` (geodetic), no refraction."""
    line = satellite_km - site_km
    sine = dot(line, up) / np.maximum(length(line), 1e-12)
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))


def range_rate_km_s(line_km: np.ndarray, velocity_km_s: np.ndarray) -> np.ndarray:
    """Rate of change of a range, from the line of sight and the relative velocity of its end."""
    return dot(line_km, velocity_km_s) / np.maximum(length(line_km), 1e-12)


def orbital_frame(position_km: np.ndarray, velocity_km_s: np.ndarray) -> tuple[np.ndarray, ...]:
    """Unit vectors (along, right, down) of satellites, each ``(..., 3)``.

    Down is towards the Earth's centre, right is against the orbit's angular momentum, and along is
    the flight direction, level: the LVLH frame of CCSDS 500.0-G.
    """
    down = -position_km / length(position_km)[..., None]
    momentum = cross(position_km, velocity_km_s)
    right = -momentum / np.maximum(length(momentum), 1e-12)[..., None]
    return cross(right, down), right, down


def tracking_rate_rad_s(
    line_km: np.ndarray,
    velocity_km_s: np.ndarray,
    position_km: np.ndarray,
    own_velocity_km_s: np.ndarray,
) -> np.ndarray:
    """How fast a terminal turns to follow its peer, in the turning frame of its satellite.

    ``line_km`` to the peer and ``velocity_km_s`` of the peer relative to the satellite at
    ``position_km`` that moves with ``own_velocity_km_s``. An in-plane neighbour has 0.
    """
    # Of two satellites at one point the line of sight is no line: 0.
    sight = cross(line_km, velocity_km_s) / np.maximum(dot(line_km, line_km), 1e-12)[..., None]
    turn = cross(position_km, own_velocity_km_s) / dot(position_km, position_km)[..., None]
    rest = sight - turn
    along = line_km / np.maximum(length(line_km), 1e-12)[..., None]
    # About the line of sight itself nothing has to turn.
    return length(rest - dot(rest, along)[..., None] * along)


def separation_deg(line: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Angle between vectors ``line`` and unit vectors ``direction``."""
    cosine = dot(line, direction) / np.maximum(length(line), 1e-12)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
