"""Scenarios and authorities that the unit tests share."""

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.scenario import Scenario
from topologies import presets

ROOT = Path(__file__).parents[2]
TLE = ROOT.parent / "shared" / "tle"

Table = dict[str, Any]


@pytest.fixture(scope="session")
def preset_text() -> str:
    return presets()["three-body"].read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def three_body() -> Scenario:
    return Scenario.load("three-body")


@pytest.fixture
def three_body_table(preset_text: str) -> Table:
    """The preset as a table of the test's own to change."""
    return tomllib.loads(preset_text)


@pytest.fixture(scope="session")
def walker_table() -> Callable[..., Table]:
    return _walker_table


@pytest.fixture(scope="session")
def walker_scenario() -> Callable[..., Scenario]:
    return lambda *args, **sections: Scenario.from_table(_walker_table(*args, **sections))


def _walker_table(
    walker: str = "53:12/3/1", altitude_km: float = 550.0, form: str = "delta", **sections: Any
) -> Table:
    """One Walker shell with four lasers and one radio a satellite; ``sections`` are merged in."""
    table: Table = {
        "scenario": {
            "name": "toy",
            "start": "2026-08-22T12:00:00Z",
            "duration_s": 60.0,
            "step_s": 10.0,
        },
        "terminals": {
            "laser": {"rate_gbps": 10.0, "max_range_km": 9000.0},
            "radio": {"rate_gbps": 1.0, "max_range_km": 9000.0},
        },
        "constellation": [
            {
                "name": "sat",
                "walker": walker,
                "altitude_km": altitude_km,
                "form": form,
                "isl": {"kind": "laser", "count": 4},
                "gsl": {"kind": "radio", "count": 1},
            }
        ],
    }
    for name, section in sections.items():
        known = table.get(name)
        both = isinstance(known, dict) and isinstance(section, dict)
        table[name] = {**known, **section} if both else section
    return copy.deepcopy(table)


@pytest.fixture(scope="session")
def tle_folder() -> Path:
    """Real element sets, which a checkout may lack: they stand beside it."""
    if not TLE.is_dir():
        pytest.skip(f"no element sets at ../{TLE.relative_to(ROOT.parent)} beside the repository")
    return TLE
