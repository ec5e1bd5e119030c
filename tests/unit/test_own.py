"""A protocol named by a file: found relative to the scenario, loaded, and told of when it fails."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import protocols
from emulator.errors import CapabilityError
from emulator.lab import jobs
from emulator.scenario import Scenario
from protocols import base
from protocols.base import Counted
from protocols.own import UDP_PORT, OwnDaemon

EXAMPLE = Path(protocols.__file__).parent / "examples" / "hop_count.py"


def test_the_file_is_relative_to_the_scenario_and_stays_found(
    walker_scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("class Mine: footprint = 1\n")
    table = walker_scenario(routing={"protocol": "static"}).model_dump()
    table["routing"]["protocol"] = "mine.py:Mine"
    loaded = Scenario.from_table(table, tmp_path / "sky.toml")
    assert loaded.routing.protocol == f"{tmp_path}/mine.py:Mine"
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "scenario.json"
    copy.write_text(loaded.to_json())
    assert Scenario.load(copy) == loaded
    assert base.load("lasermesh.routing", loaded.routing.protocol).footprint == 1


def test_the_example_is_a_protocol() -> None:
    pytest.importorskip("scapy")
    found = base.load("lasermesh.routing", f"{EXAMPLE}:HopCount")
    assert issubclass(found, OwnDaemon)
    assert found is base.load("lasermesh.routing", f"{EXAMPLE}:HopCount")


def test_a_file_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import no_such_library\nclass Mine: pass\n")
    with pytest.raises(CapabilityError, match=f"(?s)Mine from {file}.*no_such_library"):
        base.load("lasermesh.routing", f"{file}:Mine")


def test_a_comparison_calls_it_by_its_file(
    walker_scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    word = f"{os.path.relpath(EXAMPLE)}:HopCount"
    [job] = jobs.prepare(walker_scenario(), [word], 1, tmp_path)
    assert job.routing == "hop_count.py:HopCount"
    assert job.folder.parent == tmp_path
    assert Scenario.load(job.scenario).routing.protocol == f"{EXAMPLE}:HopCount"


def test_what_is_its_own_is_known_by_the_speakers_port() -> None:
    assert OwnDaemon.counted == Counted(udp=(UDP_PORT,))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"udp": (0,)}, "udp 0 is not from 1 to 65535"),
        ({"tcp": ("179",)}, "tcp '179' is not"),
        ({"ip": (256,)}, "ip 256 is not from 0 to 255"),
        ({"ethertype": (0x0004,)}, "ethertype 4 is not from 1536"),
        ({"ethertype": (0x88B5, 0x86DD)}, "0x86dd is IP's"),
    ],
)
def test_what_cannot_be_its_own_is_told(wrong: dict[str, tuple], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Counted(**wrong)
