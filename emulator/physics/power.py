"""Sunlight, batteries and heat of many satellites: one step forward at a time, as arrays.

Energy is kept account of: what was generated is what was used, stored or curtailed, and what was
wanted but not there is counted as unmet. Charging is lossless; what is generated goes to the
loads first. All arguments broadcast over satellites.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

SOLAR_CONSTANT_W_M2 = 1361.0
"""Sunlight at one astronomical unit (G. Kopp and J. Lean, Geophys. Res. Lett. 38 (2011) L01706).
That it swings by 3.4 % either way over a year is left out."""

STEFAN_BOLTZMANN_W_M2_K4 = 5.670374419e-8
"""CODATA 2018."""

SHEDS = {"compute": (True, False), "lasers": (False, True)}
"""Whether each mode switches off (compute, lasers) once a battery is down at its floor."""

_HOUR_S = 3600.0
_NEWTON_STEPS = 8


def solar_w(
    area_m2: float,
    efficiency: float,
    degradation: float,
    sunlit: np.ndarray,
    cos_incidence: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Electric power of solar panels, watts.

    ``degradation`` is the share of ``efficiency`` that age has left (0.9, say); ``cos_incidence``
    that of the angle between the Sun and the panels' normal, nothing from behind.
    """
    facing = np.maximum(cos_incidence, 0.0) * np.asarray(sunlit)
    return SOLAR_CONSTANT_W_M2 * area_m2 * efficiency * degradation * facing


def charge(
    energy_wh: np.ndarray,
    generated_w: np.ndarray,
    used_w: np.ndarray,
    dt_s: float,
    capacity_wh: np.ndarray | float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (energy_wh, curtailed_wh, unmet_wh) after ``dt_s`` seconds of constant powers.

    A full battery curtails what is generated, an empty one leaves use unmet.
    """
    wanted_wh = energy_wh + (np.asarray(generated_w) - used_w) * (dt_s / _HOUR_S)
    stored_wh = np.clip(wanted_wh, 0.0, capacity_wh)
    return stored_wh, np.maximum(wanted_wh - stored_wh, 0.0), np.maximum(stored_wh - wanted_wh, 0.0)


def latch(on: np.ndarray, trip: np.ndarray, release: np.ndarray) -> np.ndarray:
    """Hysteresis: on where ``trip``, off where ``release``, elsewhere as before."""
    return np.asarray(trip) | (np.asarray(on) & ~np.asarray(release))


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """A battery and what happens when it is down at its floor. Shares are of the capacity."""

    capacity_wh: float
    floor_share: float
    """PowerState at which the load of ``mode`` is shed: 1 less the depth of discharge allowed."""
    hysteresis_share: float
    """PowerState above the floor at which that load comes back."""
    mode: str
    """A key of ``SHEDS``."""

    def __post_init__(self) -> None:
        if self.mode not in SHEDS:
            raise ValueError(f"no shedding mode {self.mode!r}: use one of {', '.join(SHEDS)}")
        if not 0 <= self.floor_share < self.floor_share + self.hysteresis_share <= 1:
            raise ValueError(
                f"cannot shed at a share of {self.floor_share:g} and resume "
                f"{self.hysteresis_share:g} above it: both must lie between 0 and 1, apart"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PowerState:
    """All batteries and their accounts since the start, each of shape ``(satellites,)``."""

    energy_wh: np.ndarray
    shedding: np.ndarray
    generated_wh: np.ndarray
    used_wh: np.ndarray
    curtailed_wh: np.ndarray
    unmet_wh: np.ndarray

    @classmethod
    def of(cls, energy_wh: np.ndarray) -> Self:
        """Open the accounts with batteries of ``energy_wh``, nothing shed."""
        energy_wh = np.asarray(energy_wh, dtype=np.float64)
        zero = np.zeros_like(energy_wh)
        return cls(
            energy_wh=energy_wh,
            shedding=zero.astype(bool),
            generated_wh=zero,
            used_wh=zero,
            curtailed_wh=zero,
            unmet_wh=zero,
        )


def step(
    battery: Battery,
    state: PowerState,
    generated_w: np.ndarray,
    bus_w: np.ndarray,
    compute_w: np.ndarray,
    lasers_w: np.ndarray,
    dt_s: float,
) -> tuple[PowerState, np.ndarray, np.ndarray]:
    """Return (state after ``dt_s`` seconds, compute_on, lasers_on), the masks ``(satellites,)``.

    The masks hold during the step and are settled at its beginning, so a battery sinks below
    the floor by at most what one step uses. The bus is never shed.
    """
    floor_wh = battery.floor_share * battery.capacity_wh
    resume_wh = (battery.floor_share + battery.hysteresis_share) * battery.capacity_wh
    shedding = latch(state.shedding, state.energy_wh <= floor_wh, state.energy_wh >= resume_wh)
    compute_on, lasers_on = (~(shedding & sheds) for sheds in SHEDS[battery.mode])
    wanted_w = bus_w + compute_w * compute_on + lasers_w * lasers_on
    energy_wh, curtailed_wh, unmet_wh = charge(
        state.energy_wh, generated_w, wanted_w, dt_s, battery.capacity_wh
    )
    hours = dt_s / _HOUR_S
    after = PowerState(
        energy_wh=energy_wh,
        shedding=shedding,
        generated_wh=state.generated_wh + np.asarray(generated_w) * hours,
        used_wh=state.used_wh + wanted_w * hours - unmet_wh,
        curtailed_wh=state.curtailed_wh + curtailed_wh,
        unmet_wh=state.unmet_wh + unmet_wh,
    )
    return after, compute_on, lasers_on


def radiated_w(temperature_k: np.ndarray, area_m2: float, emissivity: float) -> np.ndarray:
    """Heat that a grey surface sends into empty space, watts (Stefan-Boltzmann law)."""
    return emissivity * STEFAN_BOLTZMANN_W_M2_K4 * area_m2 * np.asarray(temperature_k) ** 4


def steady_temperature_k(heat_w: np.ndarray, area_m2: float, emissivity: float) -> np.ndarray:
    """Temperature at which ``heat_w``, of loads and surroundings, is radiated, kelvins."""
    return (np.asarray(heat_w) / radiated_w(1.0, area_m2, emissivity)) ** 0.25


def warm(
    temperature_k: np.ndarray,
    heat_w: np.ndarray,
    dt_s: float,
    heat_capacity_j_k: float,
    area_m2: float,
    emissivity: float,
) -> np.ndarray:
    """Return the temperature of one thermal node after ``dt_s`` seconds, kelvins.

    C dT/dt = Q - eps sigma A T⁴ by the backward Euler method, which neither overshoots nor
    becomes unstable however long the step. Newton's iteration starts at or above the root of a
    convex function, so it comes down to it monotonically.
    """
    slope = radiated_w(1.0, area_m2, emissivity) * dt_s / heat_capacity_j_k
    target_k = np.asarray(temperature_k) + np.asarray(heat_w) * (dt_s / heat_capacity_j_k)
    root_k = np.maximum(temperature_k, steady_temperature_k(heat_w, area_m2, emissivity))
    for _ in range(_NEWTON_STEPS):
        root_k = root_k - (root_k + slope * root_k**4 - target_k) / (1 + 4 * slope * root_k**3)
    return root_k


def throttled(
    was: np.ndarray, temperature_k: np.ndarray, max_k: float, hysteresis_k: float
) -> np.ndarray:
    """Where compute rests for heat: from ``max_k`` until ``hysteresis_k`` below it."""
    temperature_k = np.asarray(temperature_k)
    return latch(was, temperature_k >= max_k, temperature_k <= max_k - hysteresis_k)
