"""Walker patterns ``i:T/P/F``: satellites evenly spread over evenly spread planes.

J. G. Walker, "Satellite constellations", J. Brit. Interplanet. Soc. 37 (1984). A delta
pattern spreads its planes over 360 degrees of RAAN, a star pattern over 180. Of constellations
that are not quite such a pattern, spacings, the phase step or each plane can be given.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

RAAN_SPAN_DEG = {"delta": 360.0, "star": 180.0}
SUN_SYNCHRONOUS = "sso"
"""Stands for the inclination in ``i:T/P/F`` whose plane turns with the Sun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walker:
    """A Walker constellation: T satellites in P planes, phasing F (in units of 360/T degrees)."""

    inclination_deg: float
    total: int
    planes: int
    phasing: float
    altitude_km: float
    raan_start_deg: float
    raan_spacing_deg: float
    """Between neighbouring planes."""
    phase_step_deg: float | None = None
    """By how much each plane is ahead of the one before. Default: 360 F / T."""
    slot_spacing_deg: float | None = None
    """Between neighbours of a plane. Default: 360 P / T; otherwise a plane is an arc."""
    places: tuple[tuple[float, float], ...] = ()
    """RAAN and argument of latitude of the first satellite of each plane, instead of steps."""

    @property
    def per_plane(self) -> int:
        """Satellites in each plane."""
        return self.total // self.planes

    @property
    def arcs(self) -> bool:
        """Whether a plane's last satellite has no neighbour ahead in the first."""
        return self.slot_spacing_deg is not None

    @property
    def closed(self) -> bool:
        """Whether the last plane has the first for a neighbour, as far on as any other."""
        full = not self.places and abs(self.planes * self.raan_spacing_deg - 360.0) < 1e-6
        return full and not self.arcs

    @property
    def shift(self) -> float:
        """How many slots the phase between planes adds up to, once around."""
        first = self._first_deg()
        if self.planes < 2:
            return 0.0
        around_deg = (first[-1] - first[0]) * self.planes / (self.planes - 1)
        return float(around_deg / self._slot_deg())

    def _slot_deg(self) -> float:
        return 360.0 / self.per_plane if self.slot_spacing_deg is None else self.slot_spacing_deg

    def _first_deg(self) -> np.ndarray:
        """Argument of latitude of the first satellite of each plane, not wrapped."""
        if self.places:
            return np.array([latitude for _, latitude in self.places])
        step_deg = self.phase_step_deg
        step_deg = 360.0 * self.phasing / self.total if step_deg is None else step_deg
        return step_deg * np.arange(self.planes)

    def raan_deg(self) -> np.ndarray:
        """Right ascension of the ascending node of every satellite, shape ``(T,)``, plane-major."""
        if self.places:
            node_deg = np.array([raan for raan, _ in self.places])
        else:
            node_deg = self.raan_start_deg + self.raan_spacing_deg * np.arange(self.planes)
        return np.repeat(node_deg % 360.0, self.per_plane)

    def argument_of_latitude_deg(self) -> np.ndarray:
        """Argument of latitude of every satellite at the epoch, shape ``(T,)``, plane-major."""
        slot_deg = self._slot_deg() * np.arange(self.per_plane)
        return (self._first_deg()[:, None] + slot_deg).ravel() % 360.0

    def names(self, prefix: str) -> list[str]:
        """Return ``PREFIX-PP-SS`` with plane and slot counted from one."""
        slots = [f"{slot + 1:02d}" for slot in range(self.per_plane)]
        return [
            f"{prefix}-{plane + 1:02d}-{slot}" for plane in range(self.planes) for slot in slots
        ]

    def index(self, prefix: str, name: str) -> int | None:
        """Return which satellite of ``names(prefix)`` has that name, None where none has."""
        match = _NAME.fullmatch(name)
        if match is None or match[1] != prefix:
            return None
        plane, slot = int(match[2]) - 1, int(match[3]) - 1
        if not (0 <= plane < self.planes and 0 <= slot < self.per_plane):
            return None
        known = name == f"{prefix}-{plane + 1:02d}-{slot + 1:02d}"
        return plane * self.per_plane + slot if known else None


_NAME = re.compile(r"(.+)-(\d{2,7})-(\d{2,7})")

MAX_TOTAL = 1_000_000
"""Largest T that is read, so that a slip of the pen does not fill the memory."""

_NOTATION = re.compile(r"\s*([0-9.]+|sso)\s*:\s*(\d+)\s*/\s*(\d+)\s*/\s*([0-9.]+)\s*")


def parse_notation(text: str) -> tuple[float, int, int, float]:
    """Read ``i:T/P/F`` and return (inclination_deg, total, planes, phasing).

    ``sso`` for i returns NaN: that inclination depends on the altitude. Raises ValueError with
    what is wrong, in words for the user.
    """
    match = _NOTATION.fullmatch(text)
    if match is None:
        raise ValueError("not of the form i:T/P/F, for example 53:66/6/1 or sso:66/6/1")
    inclination, total, planes, phasing = match.groups()
    try:
        tilt = math.nan if inclination == SUN_SYNCHRONOUS else float(inclination)
        notation = tilt, int(total), int(planes), float(phasing)
    except ValueError as error:
        raise ValueError(f"not of the form i:T/P/F ({error})") from None
    if notation[0] < 0 or notation[0] > 180:
        raise ValueError("inclination i must lie between 0 and 180 degrees")
    if notation[2] < 1 or not 1 <= notation[1] <= MAX_TOTAL:
        raise ValueError(f"T and P must be at least 1, T at most {MAX_TOTAL}")
    if notation[1] % notation[2]:
        raise ValueError(f"T = {notation[1]} is not divisible by P = {notation[2]}")
    if notation[3] >= notation[2]:
        raise ValueError(f"phasing F = {notation[3]:g} must be less than P = {notation[2]}")
    return notation
