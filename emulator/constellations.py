"""``[[constellation]]``: satellites by figures, by a file of elements, or by a Walker pattern.

The keys of the scenario file, their units, bounds and defaults, as ``sections.py`` has the others.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from emulator import sunsync
from emulator.computers import Computer
from emulator.fields import Degrees, Moment, Name, NotNegative, Positive, Section, Share, SomeShare
from emulator.terminals import Fit
from topologies.walker import RAAN_SPAN_DEG, Walker, parse_notation

WALKER_KEYS = ("walker", "altitude_km", "form", "raan_start_deg", "ltan_h", "raan_spacing_deg")
WALKER_KEYS += ("phase_step_deg", "slot_spacing_deg", "planes", "cluster")


def _walker_notation(text: str) -> str:
    parse_notation(text)
    return text


class Satellite(Section):
    """``[[constellation.satellite]]``: SGP4 mean elements as catalogued, in figures."""

    name: Name
    catalogue: Annotated[int, Field(ge=0, le=999_999_999)] = 0
    epoch: Moment
    mean_motion_rev_day: Annotated[float, Field(gt=0, lt=18)]
    """Kozai mean motion, as in a TLE."""
    eccentricity: Annotated[float, Field(ge=0, lt=1)]
    inclination_deg: Annotated[float, Field(ge=0, le=180)]
    raan_deg: Degrees
    arg_perigee_deg: Degrees
    mean_anomaly_deg: Degrees
    bstar: float = 0.0


class Platform(Section):
    """``platform``: solar power, battery and loads of each satellite of a constellation."""

    solar_area_m2: Positive
    solar_efficiency: SomeShare = 0.3
    solar_degradation: SomeShare = 0.9
    """What age and temperature leave of the solar cells."""
    battery_wh: Positive
    charge: Share = 1.0
    """Of the battery at the start."""
    floor: Share = 0.3
    """Charge at which loads are shed."""
    resume: Share = 0.35
    """Charge at which they are taken up again."""
    shed: Literal["compute", "lasers"] = "compute"
    """What goes off at the floor: the computer, or all lasers and radios. An empty battery has
    both off."""
    bus_w: NotNegative
    compute_w: NotNegative = 0.0
    compute_duty: Share = 1.0
    """Share of the time in which the computer draws ``compute_w``."""

    @model_validator(mode="after")
    def _resume_above_floor(self) -> "Platform":
        if self.resume <= self.floor:
            raise ValueError(
                f"resume, {self.resume:g}, must be greater than floor, {self.floor:g}, "
                "or loads would flap"
            )
        return self


class Cluster(Section):
    """``cluster``: satellites around the place of one, on a lattice that turns like a disc."""

    count: Annotated[int, Field(ge=2, le=1000)]
    spacing_m: Annotated[float, Field(ge=20, le=10_000)]
    """Of neighbours when they are nearest; half a turn later they are twice as far apart."""


class Constellation(Section):
    """``[[constellation]]``: satellites by figures, by TLE or OMM file, or by Walker pattern."""

    name: Name
    satellite: tuple[Satellite, ...] = ()
    elements_file: str | None = None
    """TLE (any suffix) or OMM (.json, .csv, .xml), relative to the scenario file."""
    walker: Annotated[str, AfterValidator(_walker_notation)] | None = None
    """``i:T/P/F`` at epoch = start; ``sso`` for i is the Sun-synchronous inclination."""
    altitude_km: Annotated[float, Field(ge=100, le=400_000)] | None = None
    form: Literal["delta", "star"] = "delta"
    raan_start_deg: Degrees = 0.0
    ltan_h: Annotated[float, Field(ge=0, le=24)] | None = None
    """Local mean solar time at which the first plane ascends, instead of ``raan_start_deg``."""
    raan_spacing_deg: Annotated[float, Field(gt=0, le=360)] | None = None
    """From plane to plane. Default: 360 / P for delta, 180 / P for star."""
    phase_step_deg: Annotated[float, Field(ge=-360, le=360)] | None = None
    """By how much each plane is ahead of the one before. Default: 360 F / T."""
    slot_spacing_deg: Annotated[float, Field(gt=0, le=360)] | None = None
    """From satellite to satellite of a plane, which then is an arc. Default: 360 P / T."""
    planes: tuple[tuple[float, float], ...] = ()
    """RAAN and argument of latitude of the first satellite of each plane, degrees, instead of
    spacing and phase."""
    cluster: Cluster | None = None
    """A cluster around a Walker pattern of one satellite."""
    only: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    """Which satellites there are, counted from 0 in order, rising. Default: all. A run of a part
    writes it into its scenario.json."""
    isl: Fit | None = None
    gsl: Fit | None = None
    platform: Platform | None = None
    """Power of each satellite. Default: always enough."""
    computer: Computer | None = None
    """What each satellite computes with. Default: none."""
    storage_gb: Positive | None = None
    """What each satellite can keep of images and answers, before scaling. Default: all."""

    @model_validator(mode="after")
    def _one_source(self) -> "Constellation":
        given = [bool(self.satellite), self.elements_file is not None, self.walker is not None]
        if sum(given) != 1:
            raise ValueError("needs exactly one of satellite, elements_file and walker")
        if (self.walker is None) != (self.altitude_km is None):
            raise ValueError("walker and altitude_km belong together")
        if self.walker is None and (extra := self._given(WALKER_KEYS)):
            raise ValueError(f"{', '.join(sorted(extra))} belong to a walker")
        if self.only is not None and not _rising_below(self.only, self.whole):
            raise ValueError(f"only must rise, from 0 to less than {self.whole}")
        return self

    @model_validator(mode="after")
    def _sound_pattern(self) -> "Constellation":
        if self.walker is None or self.altitude_km is None:
            return self
        tilt_deg, total, planes, phasing = parse_notation(self.walker)
        if tilt_deg != tilt_deg:
            sunsync.inclination_deg(self.altitude_km)
        if self._given(("ltan_h", "raan_start_deg")) == {"ltan_h", "raan_start_deg"}:
            raise ValueError("takes either ltan_h or raan_start_deg")
        steps = ("raan_start_deg", "ltan_h", "raan_spacing_deg", "phase_step_deg")
        if self.planes and (phasing or self._given(steps)):
            raise ValueError("planes take the place of phasing, start, spacing and step")
        if self.planes and len(self.planes) != planes:
            raise ValueError(f"planes are {len(self.planes)}, but {self.walker!r} has {planes}")
        if self.phase_step_deg is not None and phasing:
            raise ValueError(
                f"phase_step_deg takes the place of phasing: F must be 0, not {phasing:g}"
            )
        if (self.slot_spacing_deg or 0) * (total // planes - 1) >= 360:
            raise ValueError("slot_spacing_deg leads around the orbit more than once")
        if self.cluster and total != 1:
            raise ValueError(f"cluster needs a walker of one satellite, not of {total}")
        return self

    def _given(self, keys: Iterable[str]) -> set[str]:
        """Those of ``keys`` that say something else than their default."""
        fields = type(self).model_fields
        return {key for key in keys if getattr(self, key) != fields[key].default}

    def walker_pattern(self) -> Walker | None:
        """Return the Walker pattern in figures, or None for catalogued satellites."""
        if self.walker is None or self.altitude_km is None:
            return None
        inclination_deg, total, planes, phasing = parse_notation(self.walker)
        if inclination_deg != inclination_deg:
            inclination_deg = sunsync.inclination_deg(self.altitude_km)
        return Walker(
            inclination_deg=inclination_deg,
            total=total,
            planes=planes,
            phasing=phasing,
            altitude_km=self.altitude_km,
            raan_start_deg=self.raan_start_deg,
            raan_spacing_deg=self.raan_spacing_deg or RAAN_SPAN_DEG[self.form] / planes,
            phase_step_deg=self.phase_step_deg,
            slot_spacing_deg=self.slot_spacing_deg,
            places=self.planes,
        )

    def full_pattern(self) -> Walker | None:
        """Return the Walker pattern where no satellite is left out and its planes are no arcs."""
        pattern = self.walker_pattern() if self.only is None else None
        return None if pattern is None or pattern.arcs else pattern

    @property
    def whole(self) -> int:
        """Number of satellites, those that ``only`` leaves out among them."""
        return parse_notation(self.walker)[1] if self.walker else len(self.satellite)

    @property
    def size(self) -> int:
        """Number of satellites."""
        return self.whole if self.only is None else len(self.only)

    def catalogued(self) -> tuple[Satellite, ...]:
        """Return the satellites that are given by elements."""
        return self.satellite if self.only is None else tuple(self.satellite[i] for i in self.only)

    def node_names(self) -> list[str]:
        """Return the names of the satellites in order."""
        pattern = self.walker_pattern()
        names = pattern.names(self.name) if pattern else [each.name for each in self.satellite]
        return names if self.only is None else [names[index] for index in self.only]

    def index(self, name: str) -> int | None:
        """Return which of the whole constellation's satellites has that name, None: none there."""
        if pattern := self.walker_pattern():
            found = pattern.index(self.name, name)
        else:
            found = next((i for i, each in enumerate(self.satellite) if each.name == name), None)
        return found if self.only is None or found in self.only else None


def _rising_below(numbers: tuple[int, ...], end: int) -> bool:
    return numbers[0] >= 0 and numbers[-1] < end and all(a < b for a, b in pairwise(numbers))
