"""What BIRD is given, as golden text that BIRD itself parses, and what is made of its answers."""

import io
import subprocess
from pathlib import Path

import pytest

from emulator.network import Network, Node
from emulator.scenario import Scenario
from protocols.bird import BIRD, _answer, command
from protocols.bird_ospf import BirdOspf, ospf_conf

GOLDEN = Path(__file__).parents[1] / "golden"
SCENARIO = Scenario.load("three-body")
NETWORK = Network.of(SCENARIO)


@pytest.mark.parametrize("name", ["scs-01-a", "miyun"])
def test_satellite_and_station_configurations_are_golden(name: str) -> None:
    text = ospf_conf(NETWORK.node(name), SCENARIO.routing, Path("/state") / name)
    assert text == (GOLDEN / f"bird-{name}.conf").read_text()


@pytest.mark.skipif(bool(BirdOspf.missing()), reason=BirdOspf.missing() or "it is here")
@pytest.mark.parametrize("ports", [0, None])
def test_bird_takes_the_configuration(tmp_path: Path, ports: int | None) -> None:
    node = NETWORK.nodes[0]
    node = Node(node.index, node.name, node.kind, node.ports[:ports])
    path = tmp_path / "bird.conf"
    path.write_text(ospf_conf(node, SCENARIO.routing, tmp_path))
    done = subprocess.run([BIRD, "-p", "-c", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_command_line() -> None:
    argv = command(Path("/x"))
    assert argv[1:] == ["-f", "-c", "/x/bird.conf", "-s", "/x/bird.ctl"]


def test_answers_are_read_to_their_last_line() -> None:
    said = io.StringIO("1013-ospf1:\n Router ID\n \n 10.0.0.2 Full/PtP\n0000 \n0001 next\n")
    assert _answer(said) == ["ospf1:", "Router ID", "10.0.0.2 Full/PtP"]
    assert _answer(said) == ["next"]
    with pytest.raises(OSError, match="closed"):
        _answer(said)
    with pytest.raises(ValueError, match=r"^syntax error"):
        _answer(io.StringIO("9001 syntax error, unexpected CF_SYM_UNDEFINED\n"))
