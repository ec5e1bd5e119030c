"""Runs of the command line as a user types it, on this machine's own kernel choice."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from emulator.errors import CapabilityError
from emulator.kernel import image
from emulator.session import choose_kernel
from topologies import presets

_UNBUILT = image.missing()
CLOCKS = [
    pytest.param(
        "virtual", marks=pytest.mark.skipif(bool(image.missing()), reason=image.missing())
    ),
    "real",
]
"""Both clocks, for what must be the same with either."""

REPOSITORY = Path(__file__).parents[2]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def capable() -> None:
    """Skip, with the reason, where no kernel can carry an emulation."""
    try:
        choose_kernel("auto", "auto")
    except CapabilityError as error:
        pytest.skip(str(error))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which this test's runs keep their state apart from all others."""
    return {**os.environ, "LASERMESH_STATE": str(tmp_path / "state"), "COLUMNS": "120"}


@pytest.fixture
def lasermesh(tmp_path: Path, environment: dict[str, str]) -> Iterator[Command]:
    """Return a function that runs `lasermesh ARGS` in a folder of its own to its end."""

    def command(*arguments: str, timeout_s: float = 150) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            argv(arguments),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    yield command
    command("down")


def argv(arguments: Sequence[str]) -> list[str]:
    """The command line of `lasermesh` in this very installation."""
    return [sys.executable, "-m", "emulator", *arguments]


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """The three-body preset cut to 20 seconds in which F is over Sanya from the start."""
    text = presets()["three-body"].read_text()
    for key, value in {
        "start": "2026-08-22T14:02:00Z",
        "duration_s": "20",
        "capture_s": "2",
        "object_bytes": "100_000_000",
        "operations": "2.0e13",
        "result_bytes": "1_000_000",
    }.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert count == 1, key
    path = tmp_path / "short.toml"
    path.write_text(text)
    return path


def needs(program: str) -> None:
    """Skip, with the reason, where a program is missing."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
