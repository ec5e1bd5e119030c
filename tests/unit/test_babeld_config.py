"""What babeld is given, as golden text, and what is made of its answers."""

import io
from pathlib import Path

import pytest

from emulator.network import Network
from emulator.scenario import Scenario
from protocols.babeld import _answer, babeld_conf, command

GOLDEN = Path(__file__).parents[1] / "golden"
SCENARIO = Scenario.load("three-body")
NETWORK = Network.of(SCENARIO)


@pytest.mark.parametrize("name", ["scs-01-a", "miyun"])
def test_satellite_and_station_configurations_are_golden(name: str) -> None:
    text = babeld_conf(NETWORK.node(name), SCENARIO.routing)
    assert text == (GOLDEN / f"babeld-{name}.conf").read_text()


def test_router_ids_differ_though_all_ports_have_one_hardware_address() -> None:
    ids = {babeld_conf(node, SCENARIO.routing).split("\n", 1)[0] for node in NETWORK.nodes}
    assert len(ids) == len(NETWORK.nodes)


def test_it_writes_nothing_outside_its_folder() -> None:
    argv = command(Path("/x"))
    assert [argv[argv.index(flag) + 1] for flag in ("-c", "-g", "-S", "-L")] == [
        "/x/babeld.conf",
        "/x/babeld.sock",
        "/x/babeld.state",
        "/x/babeld.log",
    ]
    assert argv[argv.index("-I") + 1] == "", "no /var/run/babeld.pid, one for all"


def test_answers_are_read_to_their_last_line() -> None:
    said = io.StringIO("BABEL 1.0\nversion babeld-1.12.1\nok\nadd interface isl0 up false\nok\n")
    assert _answer(said) == ["BABEL 1.0", "version babeld-1.12.1"]
    assert _answer(said) == ["add interface isl0 up false"]
    with pytest.raises(OSError, match="closed"):
        _answer(said)
    with pytest.raises(ValueError, match="no Couldn't"):
        _answer(io.StringIO("no Couldn't flush interface\n"))
