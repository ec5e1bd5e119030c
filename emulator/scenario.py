"""TOML text → Scenario: the user's words as frozen, validated figures.

Everything wrong with a file is reported at once as :class:`ScenarioError`, before anything is
created. A scenario that loaded is self-contained: element files are read into it, and
``to_json`` gives the effective scenario that a run keeps.
"""

import dataclasses
import json
import math
import os
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from emulator import scenario_checks
from emulator.errors import Problem, ScenarioError
from topologies import presets
from topologies.elements import parse
from topologies.walker import RAAN_SPAN_DEG, Walker, parse_notation


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("has no time zone; write it in UTC, for example 2026-08-22T12:00:00Z")
    # The span of a TLE's two-digit year; sidereal time and SGP4 are good for all of it.
    if not 1957 <= moment.year <= 2056:
        raise ValueError("lies outside the years 1957 to 2056")
    return moment.astimezone(UTC)


def _walker_notation(text: str) -> str:
    parse_notation(text)
    return text


def _from_iso(moment: object) -> object:
    if not isinstance(moment, str):
        return moment
    try:
        return datetime.fromisoformat(moment)
    except ValueError:
        return moment


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
Moment = Annotated[datetime, BeforeValidator(_from_iso), AfterValidator(_in_utc)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Degrees = Annotated[float, Field(ge=0, le=360)]


class Section(BaseModel):
    """A table of the scenario: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Run(Section):
    """``[scenario]``: what is run, when, how finely, and at which scale."""

    name: Name
    description: str = ""
    start: Moment
    """UTC of the first step."""
    duration_s: Annotated[float, Field(gt=0, le=31 * 86400)]
    step_s: Annotated[float, Field(ge=0.05, le=3600)] = 1.0
    """Seconds between two retunes."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    rate_scale: Annotated[float, Field(ge=1)] = 1.0
    """Every rate AND every object size is divided by this; delays and compute times are not."""
    light_lost: Literal["carrier", "silent"] = "carrier"
    """What a node notices when light is lost: its carrier drops, or nothing at all."""
    grazing_height_km: Annotated[float, Field(ge=0, le=1000)] = 80.0
    """A laser's line of sight must stay above this height."""
    ut1_utc_s: Annotated[float, Field(ge=-0.9, le=0.9)] = 0.0
    """UT1 - UTC at the start (IERS Bulletin A); 0 puts stations wrong by up to 42 m per 0.1 s."""


class Terminal(Section):
    """``[terminals.NAME]``: one kind of laser terminal or radio."""

    rate_gbps: Annotated[float, Field(gt=0, le=100_000)]
    """Line rate before scaling, each direction."""
    max_range_km: Annotated[float, Field(gt=0, le=1e6)]
    buffer_packets: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    """Packets that may wait for the line, besides those in flight."""
    setup_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """Pointing, acquisition and tracking: from assignment to the first bit."""


class Fit(Section):
    """How many terminals of which kind a node carries."""

    kind: str
    count: Annotated[int, Field(ge=0, le=64)]


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


class Constellation(Section):
    """``[[constellation]]``: satellites by figures, by TLE or OMM file, or by Walker pattern."""

    name: Name
    satellite: tuple[Satellite, ...] = ()
    elements_file: str | None = None
    """TLE (any suffix) or OMM (.json, .csv, .xml), relative to the scenario file."""
    walker: Annotated[str, AfterValidator(_walker_notation)] | None = None
    """``i:T/P/F`` at epoch = start."""
    altitude_km: Annotated[float, Field(ge=100, le=400_000)] | None = None
    form: Literal["delta", "star"] = "delta"
    raan_start_deg: Degrees = 0.0
    raan_span_deg: Annotated[float, Field(gt=0, le=360)] | None = None
    """Default 360 for delta, 180 for star."""
    isl: Fit | None = None
    gsl: Fit | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Constellation":
        given = [bool(self.satellite), self.elements_file is not None, self.walker is not None]
        if sum(given) != 1:
            raise ValueError("needs exactly one of satellite, elements_file and walker")
        if (self.walker is None) != (self.altitude_km is None):
            raise ValueError("walker and altitude_km belong together")
        return self

    def walker_pattern(self) -> Walker | None:
        """Return the Walker pattern in figures, or None for catalogued satellites."""
        if self.walker is None or self.altitude_km is None:
            return None
        inclination_deg, total, planes, phasing = parse_notation(self.walker)
        return Walker(
            inclination_deg=inclination_deg,
            total=total,
            planes=planes,
            phasing=phasing,
            altitude_km=self.altitude_km,
            raan_start_deg=self.raan_start_deg,
            raan_span_deg=self.raan_span_deg or RAAN_SPAN_DEG[self.form],
        )

    def node_names(self) -> list[str]:
        """Return the names of the satellites in order."""
        pattern = self.walker_pattern()
        return pattern.names(self.name) if pattern else [each.name for each in self.satellite]


class Isl(Section):
    """``[[isl]]``: which satellites may link by laser."""

    pattern: Literal["ring", "grid", "nearest", "visible", "pairs"]
    constellations: tuple[str, ...] = ()
    """Default: all. Not for ``pairs``, which name their satellites."""
    k: Annotated[int, Field(ge=1, le=64)] = 2
    """For ``nearest``: how many neighbours each satellite asks for."""
    pairs: tuple[tuple[str, str], ...] = ()


class Station(Section):
    """``[[ground.station]]``: WGS-84 position, minimum elevation and antennas."""

    name: Name
    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=360)]
    altitude_m: Annotated[float, Field(ge=-500, le=10_000)] = 0.0
    min_elevation_deg: Annotated[float, Field(ge=0, lt=90)] = 10.0
    antennas: Fit


class Ground(Section):
    """``[ground]``: the stations and the rule by which antennas choose satellites."""

    selection: Literal["highest-elevation", "longest-remaining"] = "highest-elevation"
    station: tuple[Station, ...] = ()


class Routing(Section):
    """``[routing]``: the protocol by one word, and the timers of those that have any."""

    protocol: str = "frr-ospf"
    hello_s: Annotated[int, Field(ge=1, le=255)] = 1
    dead_s: Annotated[int, Field(ge=2, le=65535)] = 4
    isl_cost: Annotated[int, Field(ge=1, le=65535)] = 10
    gsl_cost: Annotated[int, Field(ge=1, le=65535)] = 1000
    """High: a ground station is where traffic ends, not a way between satellites."""
    converge_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    """How long daemons may take to come up and agree before the run starts."""

    @model_validator(mode="after")
    def _dead_after_hello(self) -> "Routing":
        if self.dead_s <= self.hello_s:
            raise ValueError("dead_s must be greater than hello_s, or every neighbour flaps")
        return self


class PingWorkload(Section):
    """``[[workload]] kind = "ping"``: round trips at fixed spacing, by pairs or all neighbours."""

    kind: Literal["ping"]
    pairs: tuple[tuple[str, str], ...] = ()
    """Default: every pair of laser neighbours, while it is linked."""
    interval_s: Annotated[float, Field(ge=0.01, le=3600)] = 1.0


class OffloadWorkload(Section):
    """``[[workload]] kind = "offload"``: one image, its answer on the ground by each strategy."""

    kind: Literal["offload"]
    source: str
    """The satellite that takes the image."""
    capture_s: NotNegative = 10.0
    """When the image is complete, seconds after the start."""
    object_bytes: Annotated[int, Field(gt=0, le=10**15)]
    """Size of the raw image before scaling."""
    result_bytes: Annotated[int, Field(gt=0, le=10**15)]
    """Size of the answer before scaling."""
    operations: Annotated[float, Field(gt=0)]
    """Operations that turn the image into the answer."""
    strategies: Annotated[tuple[Literal["raw", "onboard", "laser"], ...], Field(min_length=1)] = (
        "raw",
        "onboard",
        "laser",
    )
    onboard_tops: Positive
    onboard_utilisation: Annotated[float, Field(gt=0, le=1)]
    ground_tops: Positive
    ground_utilisation: Annotated[float, Field(gt=0, le=1)]


Workload = Annotated[PingWorkload | OffloadWorkload, Field(discriminator="kind")]


class Event(Section):
    """``[[event]]``: something that the orbits do not know of."""

    at_s: NotNegative
    action: Literal["link down", "link up", "satellite down", "satellite up"]
    target: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)]
    """Two nodes for a link, one satellite otherwise."""

    @model_validator(mode="after")
    def _target_fits_action(self) -> "Event":
        if len(self.target) != (2 if self.action.startswith("link") else 1):
            raise ValueError(f"{self.action!r} takes two names for a link, one for a satellite")
        return self


class Scenario(Section):
    """A complete scenario. Equal scenarios give equal plans, byte for byte."""

    scenario: Run
    terminals: dict[Name, Terminal] = Field(default_factory=dict)
    constellation: Annotated[tuple[Constellation, ...], Field(min_length=1)]
    isl: tuple[Isl, ...] = ()
    ground: Ground = Ground()
    routing: Routing = Routing()
    workload: tuple[Workload, ...] = ()
    event: tuple[Event, ...] = ()

    @classmethod
    def load(cls, reference: str | Path) -> "Scenario":
        """Load a preset by name, or a TOML (or effective JSON) file by path.

        Raises ScenarioError with all problems of the file.
        """
        path = locate(reference)
        try:
            text = path.read_text(encoding="utf-8")
            table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError, RecursionError) as error:
            raise ScenarioError((_file_problem(path, _reason(error)),)) from None
        return cls.from_table(table, path)

    @classmethod
    def from_table(cls, table: Any, path: Path = Path("scenario")) -> "Scenario":
        """Validate a parsed scenario; ``path`` names it in errors and anchors relative files."""
        if not isinstance(table, dict):
            raise ScenarioError((_file_problem(path, "holds no tables"),))
        try:
            table = _frozen(table)
        except RecursionError as error:
            raise ScenarioError((_file_problem(path, _reason(error)),)) from None
        problems: list[Problem] = []
        table = _with_elements(table, path, problems)
        try:
            scenario = cls.model_validate(table)
        except ValidationError as invalid:
            problems.extend(scenario_checks.explain(invalid.errors(), path.name))
            known = _valid_parts(cls, table)
        else:
            known = {field: getattr(scenario, field) for field in cls.model_fields}
        problems.extend(scenario_checks.cross_checks(known, path.name))
        if problems:
            raise ScenarioError(tuple(dict.fromkeys(problems)))
        return scenario

    @property
    def steps(self) -> int:
        """Number of steps: the first at 0, the last before ``duration_s``."""
        return max(1, math.ceil(self.scenario.duration_s / self.scenario.step_s - 1e-9))

    def to_json(self) -> str:
        """Return the effective scenario: every default and element figure written out."""
        return self.model_dump_json(indent=2) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files, for editors."""
    return Scenario.model_json_schema()


def locate(reference: str | Path) -> Path:
    """Return the file of a preset by name, or the path as given. Raises ScenarioError."""
    path = Path(reference)
    # os.path.exists says False, and Path.exists raises, where a name is too long for a file.
    if path.suffix in (".toml", ".json") or os.path.exists(path):
        return path
    known = presets()
    if str(reference) in known:
        return known[str(reference)]
    remedy = f"Name a .toml file or one of the presets: {', '.join(known)}"
    raise ScenarioError((Problem(str(reference), "scenario", "", "is no preset", remedy),))


def _file_problem(path: Path, reason: str) -> Problem:
    remedy = "Correct the file; `lasermesh schema` describes its form"
    return Problem(str(path), "file", "", reason, remedy)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return (error.strerror if isinstance(error, OSError) else str(error)) or "unreadable"


def _frozen(value: Any, levels: int = 20) -> Any:
    """Return ``value`` with lists as tuples, which is what strict validation takes.

    A scenario has 6 levels; RecursionError past ``levels`` spares every later walk the question.
    """
    if not levels:
        raise RecursionError
    if isinstance(value, dict):
        return {key: _frozen(each, levels - 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(each, levels - 1) for each in value)
    return value


def _with_elements(table: dict[str, Any], path: Path, problems: list[Problem]) -> dict[str, Any]:
    """Return ``table`` with each ``elements_file`` replaced by the figures that it holds."""
    constellations = table.get("constellation")
    if not isinstance(constellations, tuple):
        return table
    replaced = []
    for index, entry in enumerate(constellations):
        try:
            replaced.append(_with_satellites(entry, path.parent))
        except (OSError, ValueError) as error:
            key, named = f"constellation[{index}].elements_file", repr(entry["elements_file"])
            remedy = "Name a TLE file, or OMM as .json, .csv or .xml, relative to this file"
            problems.append(Problem(path.name, key, named, _reason(error), remedy))
            replaced.append(entry)
    return {**table, "constellation": tuple(replaced)}


def _with_satellites(entry: Any, folder: Path) -> Any:
    named = entry.get("elements_file") if isinstance(entry, dict) else None
    if not isinstance(named, str) or entry.get("satellite"):
        return entry
    file = folder / named
    sets = parse(file.read_text(encoding="utf-8"), file.suffix)
    rest = {key: value for key, value in entry.items() if key != "elements_file"}
    return {**rest, "satellite": tuple(dataclasses.asdict(each) for each in sets)}


def _valid_parts(model: type[Scenario], table: dict[str, Any]) -> dict[str, Any]:
    """Validate section by section, so that cross-checks still speak about the sound ones."""
    known: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        value = table.get(name, field.get_default(call_default_factory=True))
        try:
            known[name] = TypeAdapter(field.annotation).validate_python(value)
        except ValidationError:
            continue
    return known
