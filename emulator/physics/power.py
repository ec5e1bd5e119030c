"""Sunlight into watt hours: panels and batteries of many satellites, one step at a time.

Charging is lossless, and what is generated goes to the loads first. All arguments broadcast.
"""

import numpy as np

SOLAR_CONSTANT_W_M2 = 1361.0
"""Sunlight at one astronomical unit (G. Kopp and J. Lean, Geophys. Res. Lett. 38 (2011) L01706).
That it swings by 3.4 % either way over a year is left out."""

_HOUR_S = 3600.0


def solar_w(area_m2: np.ndarray, efficiency: np.ndarray, degradation: np.ndarray) -> np.ndarray:
    """Electric power of solar panels that face the Sun, in full light, watts.

    ``degradation`` is the share of ``efficiency`` that age and temperature leave (0.9, say).
    """
    return SOLAR_CONSTANT_W_M2 * np.asarray(area_m2) * efficiency * degradation


def charge(
    energy_wh: np.ndarray,
    generated_w: np.ndarray,
    used_w: np.ndarray,
    dt_s: float,
    capacity_wh: np.ndarray | float,
) -> np.ndarray:
    """Energy in batteries after ``dt_s`` seconds of constant powers, watt hours.

    A full battery curtails what is generated, an empty one leaves use unmet.
    """
    wanted_wh = energy_wh + (np.asarray(generated_w) - used_w) * (dt_s / _HOUR_S)
    return np.clip(wanted_wh, 0.0, capacity_wh)


def latch(on: np.ndarray, trip: np.ndarray, release: np.ndarray) -> np.ndarray:
    """Hysteresis: on where ``trip``, off where ``release``, elsewhere as before."""
    return np.asarray(trip) | (np.asarray(on) & ~np.asarray(release))
