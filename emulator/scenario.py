"""TOML text → Scenario: the user's words as frozen, validated figures.

Everything wrong with a file is reported at once as :class:`ScenarioError`, before anything is
created. A scenario that loaded is self-contained: element files are read into it, and
``to_json`` gives the effective scenario that a run keeps.
"""

import json
import math
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from emulator import scenario_checks
from emulator.constellations import Constellation
from emulator.errors import Problem, ScenarioError
from emulator.expanding import with_figures
from emulator.fields import Name, Section
from emulator.sections import (
    Emulate,
    Event,
    Failures,
    Ground,
    Isl,
    Routing,
    Run,
    Storm,
)
from emulator.terminals import Terminal, catalogue, from_catalogue
from emulator.workloads import Workload
from topologies import presets


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
    failures: Failures = Failures()
    storm: tuple[Storm, ...] = ()
    emulate: Emulate | None = None

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
        table = with_figures(table, path, problems, _reason)
        table = _with_models(table, path, problems)
        table = _with_own_protocol(table, path)
        try:
            scenario = cls.model_validate(table)
        except ValidationError as invalid:
            errors = _of_known_models(invalid.errors(), problems)
            problems.extend(scenario_checks.explain(errors, path.name))
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


def _with_models(table: dict[str, Any], path: Path, problems: list[Problem]) -> dict[str, Any]:
    """Return ``table`` with the figures of the catalogue in each terminal that names a model."""
    terminals = table.get("terminals")
    if not isinstance(terminals, dict):
        return table
    known = _frozen(catalogue())
    filled = {}
    for name, entry in terminals.items():
        model = entry.get("model") if isinstance(entry, dict) else None
        if isinstance(model, str) and model and model not in known:
            key = f"terminals.{name}.model"
            problems.extend(
                scenario_checks.unknown([model], known, key, "terminal", path.name, "the catalogue")
            )
        named = isinstance(model, str) and model in known
        filled[name] = _frozen(from_catalogue(entry)) if named else entry
    return {**table, "terminals": filled}


def _with_own_protocol(table: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return ``table`` with the whole path of a protocol of the user's own (FILE.py:Class)."""
    routing = table.get("routing")
    word = routing.get("protocol") if isinstance(routing, dict) else None
    if not isinstance(routing, dict) or not isinstance(word, str):
        return table
    return {**table, "routing": {**routing, "protocol": scenario_checks.whole(word, path.parent)}}


def _of_known_models(errors: list[Any], problems: list[Problem]) -> list[Any]:
    """Leave out the keys that a terminal lacks for want of its model, which has been told."""
    told = {each.key for each in problems}
    return [
        each
        for each in errors
        if each["type"] != "missing" or f"{'.'.join(map(str, each['loc'][:2]))}.model" not in told
    ]


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
