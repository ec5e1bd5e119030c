"""Scenarios and authorities that the unit tests share."""

import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from skyfield.api import load_file
from skyfield_data import get_skyfield_data_path

from emulator.scenario import Scenario
from tests.unit import toys
from topologies import presets

ROOT = Path(__file__).parents[2]
TLE = ROOT.parent / "shared" / "tle"


@pytest.fixture(scope="session")
def preset_text() -> str:
    return presets()["three-body"].read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def three_body() -> Scenario:
    return Scenario.load("three-body")


@pytest.fixture
def three_body_table(preset_text: str) -> toys.Table:
    """The preset as a table of the test's own to change."""
    return tomllib.loads(preset_text)


@pytest.fixture(scope="session")
def walker_table() -> Callable[..., toys.Table]:
    return toys.walker_table


@pytest.fixture(scope="session")
def walker_scenario() -> Callable[..., Scenario]:
    return lambda *args, **sections: Scenario.from_table(toys.walker_table(*args, **sections))


@pytest.fixture(scope="session")
def tle_folder() -> Path:
    """Real element sets, which a checkout may lack: they stand beside it."""
    if not TLE.is_dir():
        pytest.skip(f"no element sets at ../{TLE.relative_to(ROOT.parent)} beside the repository")
    return TLE


@pytest.fixture(scope="session")
def bodies() -> Iterator[Any]:
    """JPL's DE421, for Skyfield's Sun and Earth: it ships with skyfield-data."""
    with warnings.catch_warnings():
        # A file of the package that is not read here is about to expire.
        warnings.simplefilter("ignore", RuntimeWarning)
        folder = get_skyfield_data_path()
    opened = load_file(Path(folder, "de421.bsp"))
    yield opened
    opened.close()
