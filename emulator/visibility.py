"""Ephemeris → Visibility: ranges, elevations, and what the Earth hides. All of it broadcasts."""

import numpy as np

from emulator.units import EARTH_RADIUS_KM


def range_km(a_km: np.ndarray, b_km: np.ndarray) -> np.ndarray:
    """Distance between positions of shape ``(..., 3)`` in one frame."""
    return np.linalg.norm(b_km - a_km, axis=-1)


def lowest_radius_km(a_km: np.ndarray, b_km: np.ndarray) -> np.ndarray:
    """Least distance from the Earth's centre to the *segment* from a to b, shape ``(...)``.

    The foot of the perpendicular is clipped to the segment: of two satellites on the same side
    of the Earth the lower one is the lowest point, however the infinite line runs.
    """
    span = b_km - a_km
    length2 = np.maximum((span * span).sum(-1), 1e-12)
    foot = np.clip(-(a_km * span).sum(-1) / length2, 0.0, 1.0)
    return np.linalg.norm(a_km + foot[..., None] * span, axis=-1)


def in_sight(a_km: np.ndarray, b_km: np.ndarray, grazing_height_km: float) -> np.ndarray:
    """True where the segment from a to b stays ``grazing_height_km`` above the sphere."""
    return lowest_radius_km(a_km, b_km) >= EARTH_RADIUS_KM + grazing_height_km


def elevation_deg(site_km: np.ndarray, up: np.ndarray, satellite_km: np.ndarray) -> np.ndarray:
    """Elevation of a satellite above the plane normal to ``up`` (geodetic), no refraction."""
    line = satellite_km - site_km
    sine = (line * up).sum(-1) / np.maximum(np.linalg.norm(line, axis=-1), 1e-12)
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))
