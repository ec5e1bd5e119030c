"""Scenarios: files that load and files that cannot, the effective scenario, the JSON Schema."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from emulator.errors import ScenarioError
from emulator.linkplan import LinkPlan
from emulator.part import emulated
from emulator.scenario import Scenario, schema
from tests.unit.toys import put
from topologies import presets


@pytest.mark.parametrize(
    ("suffix", "content", "reason"),
    [
        (".toml", b"", "field required"),
        (".toml", b"a = \xff", "invalid start byte"),
        (".toml", b"[scenario", "Expected ']'"),
        (".toml", b"a = 1\na = 2\n", "Cannot overwrite"),
        (".toml", b"a = " + b"[" * 100_000, "nested too deeply"),
        (".toml", b"a = " + b"[" * 100 + b"]" * 100, "nested too deeply"),
        (".toml", b"a = " + b"9" * 10_000, "integer string conversion"),
        (".json", b"", "Expecting value"),
        (".json", b"[]", "holds no tables"),
        (".json", b'{"a": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_files_that_do_not_parse(tmp_path: Path, suffix: str, content: bytes, reason: str) -> None:
    path = tmp_path / f"sky{suffix}"
    path.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(path)
    assert reason in caught.value.problems[0].reason
    assert f"sky{suffix}" in caught.value.problems[0].file
    assert caught.value.exit_code == 2


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for reference, reason in (
        (tmp_path / "none.toml", "No such file or directory"),
        (tmp_path, "Is a directory"),
        ("two-body", "is no preset"),
        ("x" * 5000, "is no preset"),
        ("x" * 5000 + ".toml", "File name too long"),
        ("a\0b", "is no preset"),
    ):
        with pytest.raises(ScenarioError) as caught:
            Scenario.load(reference)
        assert caught.value.problems[0].reason == reason
    assert "three-body" in str(_error_of("two-body"))


def _error_of(reference: str) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(reference)
    return caught.value


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_survives_the_way_through_json(name: str, tmp_path: Path) -> None:
    scenario = Scenario.load(name)
    path = tmp_path / "scenario.json"
    path.write_text(scenario.to_json(), encoding="utf-8")
    again = Scenario.load(path)
    assert again == scenario
    assert again.to_json() == scenario.to_json()
    if not (scenario.emulate and scenario.emulate.planned_only):
        part = emulated(scenario)
        assert LinkPlan.of(emulated(again)).digest() == LinkPlan.of(part).digest()


def test_the_effective_scenario_states_every_default(walker_scenario: Callable) -> None:
    effective = json.loads(walker_scenario().to_json())
    assert effective["routing"]["hello_s"] == 1
    assert effective["scenario"]["rate_scale"] == 1.0
    assert effective["terminals"]["laser"]["buffer_packets"] == 1000
    assert effective["constellation"][0]["raan_start_deg"] == 0.0


def test_different_scenarios_differ(walker_scenario: Callable) -> None:
    assert walker_scenario() == walker_scenario()
    assert walker_scenario() != walker_scenario(altitude_km=551.0)
    assert walker_scenario() != "scenario"


def test_figures_are_frozen(three_body: Scenario) -> None:
    with pytest.raises(ValueError, match="frozen"):
        three_body.scenario.step_s = 2.0


def test_times_are_taken_to_utc(walker_scenario: Callable) -> None:
    beijing = walker_scenario(scenario={"start": "2026-08-22T20:00:00+08:00"})
    assert beijing.scenario.start == datetime(2026, 8, 22, 12, tzinfo=UTC)
    assert beijing == walker_scenario()


# The JSON Schema, by the few words of it that pydantic writes.


@pytest.mark.parametrize("name", sorted(presets()))
def test_the_schema_validates_the_presets(name: str) -> None:
    described = schema()
    assert list(faults(json.loads(Scenario.load(name).to_json()), described, described)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("scenario.duration_s", "long"),
        ("scenario.colour", 1),
        ("scenario.name", ...),
        ("scenario.name", "Big Sky"),
        ("constellation", []),
        ("ground.station.0.latitude_deg", 91),
        ("isl.0.pattern", "star"),
        ("workload.0.kind", "pong"),
    ],
)
def test_the_schema_refuses_faults(three_body: Scenario, path: str, value: Any) -> None:
    table = json.loads(three_body.to_json())
    put(table, path, value)
    assert list(faults(table, schema(), schema()))


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def faults(value: Any, rule: dict, root: dict, at: str = "$") -> Iterator[str]:
    """Yield where ``value`` breaks ``rule``, a JSON Schema."""
    if "$ref" in rule:
        rule = root["$defs"][rule["$ref"].rsplit("/", 1)[1]]
    for word in ("anyOf", "oneOf"):
        if word in rule and all(list(faults(value, r, root, at)) for r in rule[word]):
            yield f"{at}: none of {word}"
    if "type" in rule and not isinstance(value, TYPES[rule["type"]]):
        yield f"{at}: {value!r} is no {rule['type']}"
        return
    if "const" in rule and value != rule["const"]:
        yield f"{at}: not {rule['const']!r}"
    if "enum" in rule and value not in rule["enum"]:
        yield f"{at}: not one of {rule['enum']}"
    if "pattern" in rule and isinstance(value, str) and not re.search(rule["pattern"], value):
        yield f"{at}: does not match {rule['pattern']}"
    if isinstance(value, (int, float)):
        beyond = (
            value < rule.get("minimum", value),
            value > rule.get("maximum", value),
            value <= rule.get("exclusiveMinimum", value - 1),
            value >= rule.get("exclusiveMaximum", value + 1),
        )
        if any(beyond):
            yield f"{at}: {value} out of bounds"
    if isinstance(value, dict) and rule.get("type") == "object":
        known = rule.get("properties", {})
        yield from (f"{at}: lacks {key}" for key in rule.get("required", ()) if key not in value)
        for key, each in value.items():
            other = rule.get("additionalProperties", {})
            if key in known:
                yield from faults(each, known[key], root, f"{at}.{key}")
            elif other is False:
                yield f"{at}: unknown {key}"
            elif isinstance(other, dict):
                yield from faults(each, other, root, f"{at}.{key}")
    if isinstance(value, list):
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            yield f"{at}: {len(value)} items"
        items = rule.get("prefixItems") or [rule.get("items", {})] * len(value)
        for index, (each, item) in enumerate(zip(value, items, strict=False)):
            yield from faults(each, item, root, f"{at}[{index}]")
