"""What BIRD is given, as golden text that BIRD itself parses, and what is made of its answers."""

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest

from emulator.linkplan import LinkPlan
from emulator.network import Network, Node
from emulator.scenario import Scenario
from emulator.sections import Routing
from protocols.as_numbers import FIRST_AS
from protocols.bird import BIRD, Bird, _answer, command
from protocols.bird_babel import babel_conf, hello_ms
from protocols.bird_bgp import BirdBgp, bgp_conf
from protocols.bird_ospf import ospf_conf

GOLDEN = Path(__file__).parents[1] / "golden"
SCENARIO = Scenario.load("three-body")
NETWORK = Network.of(SCENARIO)
PLAIN = SCENARIO.routing
ALL = PLAIN.model_copy(update={"bfd_ms": 100, "bgp_as": "plane"})
"""With everything that the scenario may ask for."""


def ospf(node: Node, routing: Routing, folder: Path, raised: frozenset[int]) -> str:
    return ospf_conf(node, routing, folder, raised)


def babel(node: Node, routing: Routing, folder: Path, raised: frozenset[int]) -> str:
    return babel_conf(node, routing, folder, raised)


def bgp(node: Node, routing: Routing, folder: Path, raised: frozenset[int]) -> str:
    """Every port but the last has a neighbour, the first one in the node's own AS."""
    own_as = FIRST_AS + node.index
    peers = {port.index: (f"fe80::{20 + n:x}", own_as + n) for n, port in enumerate(node.ports)}
    if len(peers) > 1:
        peers.popitem()
    return bgp_conf(node, routing, folder, own_as, peers, raised)


def ospf6(node: Node, routing: Routing, folder: Path, raised: frozenset[int]) -> str:
    return ospf_conf(node, routing, folder, raised, family=6)


CONFS = {"": ospf, "-ospf6": ospf6, "-babel": babel, "-bgp": bgp}


@pytest.mark.parametrize("name", ["scs-01-a", "miyun"])
@pytest.mark.parametrize("protocol", CONFS)
def test_satellite_and_station_configurations_are_golden(protocol: str, name: str) -> None:
    text = CONFS[protocol](NETWORK.node(name), PLAIN, Path("/state") / name, frozenset())
    assert text == (GOLDEN / f"bird{protocol}-{name}.conf").read_text()


@pytest.mark.parametrize("protocol", CONFS)
def test_configurations_with_everything_asked_for_are_golden(protocol: str) -> None:
    node = NETWORK.node("scs-01-a")
    text = CONFS[protocol](node, ALL, Path("/state/scs-01-a"), frozenset([node.ports[0].index]))
    assert text == (GOLDEN / f"bird{protocol}-all-scs-01-a.conf").read_text()


@pytest.mark.skipif(bool(Bird.missing()), reason=Bird.missing() or "it is here")
@pytest.mark.parametrize("ports", [0, None])
@pytest.mark.parametrize("routing", [PLAIN, ALL], ids=["plain", "all"])
@pytest.mark.parametrize("protocol", CONFS)
def test_bird_takes_the_configuration(
    tmp_path: Path, protocol: str, routing: Routing, ports: int | None
) -> None:
    node = NETWORK.nodes[0]
    node = Node(node.index, node.name, node.kind, node.ports[:ports])
    path = tmp_path / "bird.conf"
    path.write_text(CONFS[protocol](node, routing, tmp_path, frozenset([0])))
    done = subprocess.run([BIRD, "-p", "-c", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_command_line() -> None:
    argv = command(Path("/x"))
    assert argv[1:] == ["-f", "-c", "/x/bird.conf", "-s", "/x/bird.ctl"]


@pytest.mark.parametrize(
    ("hello_s", "dead_s", "between_ms"), [(1, 4, 250), (1, 2, 125), (10, 12, 750), (1, 60, 1000)]
)
def test_babel_misses_sixteen_hellos_in_dead_s(hello_s: int, dead_s: int, between_ms: int) -> None:
    routing = PLAIN.model_copy(update={"hello_s": hello_s, "dead_s": dead_s})
    assert hello_ms(routing) == between_ms
    assert between_ms * 16 <= dead_s * 1000


def test_answers_are_read_to_their_last_line() -> None:
    said = io.StringIO("1013-ospf1:\n Router ID\n \n 10.0.0.2 Full/PtP\n0000 \n0001 next\n")
    assert _answer(said) == ["ospf1:", "Router ID", "10.0.0.2 Full/PtP"]
    assert _answer(said) == ["next"]
    with pytest.raises(OSError, match="closed"):
        _answer(said)
    with pytest.raises(ValueError, match=r"^syntax error"):
        _answer(io.StringIO("9001 syntax error, unexpected CF_SYM_UNDEFINED\n"))


class Told(BirdBgp):
    """BGP without BIRDs: it notes whose configurations change."""

    def __init__(self, plan: LinkPlan) -> None:
        super().__init__(plan, {})
        self.told: list[list[int]] = []

    def configure(self, ports) -> None:
        self.told.append(sorted(ports))


def test_a_port_keeps_its_last_neighbour_until_it_gets_another() -> None:
    plan = LinkPlan.of(SCENARIO)
    routing, first, dark = Told(plan), plan.at(0), plan.dark()
    routing.step(first)
    lit = np.flatnonzero(first["peer"] >= 0).tolist()
    assert routing.told.pop() == lit
    routing.step(dark)
    routing.step(first)
    assert routing.told == [[], []]
    moved = first.copy()
    (a, c), (b, d) = np.array([[p, first["peer"][p]] for p in (lit[0], lit[-1])]).T
    moved["peer"][[a, c, b, d]] = c, a, d, b
    routing.step(moved)
    assert routing.told[-1] == sorted([a, b, c, d])
