"""Walker patterns ``i:T/P/F``: satellites evenly spread over evenly spread planes.

J. G. Walker, "Satellite constellations", J. Brit. Interplanet. Soc. 37 (1984). A delta
pattern spreads its planes over 360 degrees of RAAN, a star pattern over 180.
"""

import re
from dataclasses import dataclass

import numpy as np

RAAN_SPAN_DEG = {"delta": 360.0, "star": 180.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walker:
    """A Walker constellation: T satellites in P planes, phasing F (in units of 360/T degrees)."""

    inclination_deg: float
    total: int
    planes: int
    phasing: float
    altitude_km: float
    raan_start_deg: float
    raan_span_deg: float

    @property
    def per_plane(self) -> int:
        """Satellites in each plane."""
        return self.total // self.planes

    def raan_deg(self) -> np.ndarray:
        """Right ascension of the ascending node of every satellite, shape ``(T,)``, plane-major."""
        plane = np.arange(self.total) // self.per_plane
        return (self.raan_start_deg + self.raan_span_deg * plane / self.planes) % 360.0

    def argument_of_latitude_deg(self) -> np.ndarray:
        """Argument of latitude of every satellite at the epoch, shape ``(T,)``, plane-major."""
        plane, slot = np.divmod(np.arange(self.total), self.per_plane)
        return (360.0 * slot / self.per_plane + 360.0 * self.phasing / self.total * plane) % 360.0

    def names(self, prefix: str) -> list[str]:
        """Return ``PREFIX-PP-SS`` with plane and slot counted from one."""
        return [
            f"{prefix}-{index // self.per_plane + 1:02d}-{index % self.per_plane + 1:02d}"
            for index in range(self.total)
        ]


MAX_TOTAL = 1_000_000
"""Largest T that is read, so that a slip of the pen does not fill the memory."""

_NOTATION = re.compile(r"\s*([0-9.]+)\s*:\s*(\d+)\s*/\s*(\d+)\s*/\s*([0-9.]+)\s*")


def parse_notation(text: str) -> tuple[float, int, int, float]:
    """Read ``i:T/P/F`` and return (inclination_deg, total, planes, phasing).

    Raises ValueError with what is wrong, in words for the user.
    """
    match = _NOTATION.fullmatch(text)
    if match is None:
        raise ValueError("not of the form i:T/P/F, for example 53:66/6/1")
    inclination, total, planes, phasing = match.groups()
    try:
        notation = float(inclination), int(total), int(planes), float(phasing)
    except ValueError as error:
        raise ValueError(f"not of the form i:T/P/F ({error})") from None
    if not 0 <= notation[0] <= 180:
        raise ValueError("inclination i must lie between 0 and 180 degrees")
    if notation[2] < 1 or not 1 <= notation[1] <= MAX_TOTAL:
        raise ValueError(f"T and P must be at least 1, T at most {MAX_TOTAL}")
    if notation[1] % notation[2]:
        raise ValueError(f"T = {notation[1]} is not divisible by P = {notation[2]}")
    if notation[3] >= notation[2]:
        raise ValueError(f"phasing F = {notation[3]:g} must be less than P = {notation[2]}")
    return notation
