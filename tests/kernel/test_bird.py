"""BIRD on a real fabric: FRR's routes, through flaps and handovers, and named when it fails."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from emulator.errors import DaemonError
from emulator.kernel import namespaces
from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from emulator.network import Family
from protocols import bird
from protocols.bird import ask
from protocols.bird_ospf import BirdOspf
from tests.kernel.test_frr import ended
from tests.kernel.toys import Build, walker

pytestmark = pytest.mark.skipif(bool(BirdOspf.missing()), reason=BirdOspf.missing() or "it is here")

CONVERGE_S = 60.0

Tables = dict[str, dict[str, frozenset[int]]]
"""Per node: destination → offsets of the ports towards it."""


@pytest.fixture
def routed(build: Build) -> Iterator[tuple[LinkPlan, Fabric, BirdOspf]]:
    """A torus of 3 × 3 satellites, each with four lasers and OSPF, converged."""
    plan = LinkPlan.of(walker(total=9, planes=3))
    fabric = build(plan)
    fabric.apply(plan.at(0))
    with ended(BirdOspf(plan, fabric.nodes)) as routing:
        routing.start()
        routing.converge(plan.at(0), CONVERGE_S)
        yield plan, fabric, routing


def held(fabric: Fabric, family: Family = 4) -> Tables:
    """What the nodes' kernels hold."""
    return {name: handle.routes(family) for name, handle in fabric.nodes.items()}


def wanted(plan: LinkPlan, state: np.ndarray, family: Family = 4) -> Tables:
    """All ways of the fewest hops."""
    network, count = plan.network, len(plan.network.nodes)
    lit = np.flatnonzero(state["peer"] >= 0)
    towards = {int(port): int(network.port_node[state["peer"][port]]) for port in lit}
    edges = network.port_node[lit], list(towards.values())
    hops = shortest_path(coo_array((np.ones(len(lit)), edges), shape=(count, count)).tocsr())
    tables: Tables = {}
    for node in network.nodes:
        tables[node.name] = {
            other.address(family): frozenset(
                offset
                for offset, port in enumerate(node.ports)
                if port.index in towards
                and hops[towards[port.index], other.index] < hops[node.index, other.index]
            )
            for other in network.nodes
            if other is not node and np.isfinite(hops[node.index, other.index])
        }
    return tables


def shine(fabric: Fabric, plan: LinkPlan, state: np.ndarray) -> None:
    """Show ``state`` and wait until the kernels hold the routes for it."""
    fabric.apply(state)
    tables = wanted(plan, state)
    assert wait_for(lambda: held(fabric) == tables, CONVERGE_S), (held(fabric), tables)


def neighbours(fabric: Fabric, name: str) -> dict[str, str]:
    """Router ids of a node's Full adjacencies by port."""
    rows = [line.split() for line in ask(fabric.nodes[name].state_dir, "show ospf neighbors")]
    return {row[4]: row[0] for row in rows if "Full/PtP" in row}


def test_a_flap_is_left_and_taken_again(routed) -> None:
    plan, fabric, _ = routed
    port = plan.network.nodes[0].ports[0]
    cut = plan.at(0)
    ends = [port.index, int(cut["peer"][port.index])]
    cut[ends] = plan.dark()[ends]
    shine(fabric, plan, cut)
    assert port.name not in neighbours(fabric, plan.network.nodes[0].name)
    shine(fabric, plan, plan.at(0))
    assert len(neighbours(fabric, plan.network.nodes[0].name)) == 4


def test_a_port_handed_over_has_a_new_neighbour_at_the_same_address(routed) -> None:
    plan, fabric, _ = routed
    state, dark, between = plan.at(0), plan.dark(), plan.at(0)
    a, c = plan.network.nodes[0].ports[0].index, plan.network.nodes[4].ports[0].index
    b, d = int(state["peer"][a]), int(state["peer"][c])
    between[[a, b, c, d]] = dark[[a, b, c, d]]
    fabric.apply(between)
    state["peer"][[a, c, b, d]] = c, a, d, b
    shine(fabric, plan, state)
    assert neighbours(fabric, plan.network.nodes[0].name)["isl0"] == plan.network.nodes[4].ipv4


def test_a_killed_bird_is_named_with_its_last_lines(routed) -> None:
    plan, _, routing = routed
    name = plan.network.nodes[2].name
    process = routing.daemons[name, "bird"]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with pytest.raises(DaemonError, match=rf"bird of {name} ended with signal 9 .*\n.*Last"):
        routing.check()


def test_a_bird_that_cannot_start_is_named(build: Build, monkeypatch) -> None:
    plan = LinkPlan.of(walker(total=3))
    fabric = build(plan)
    routing = BirdOspf(plan, fabric.nodes)
    broken = plan.network.nodes[1]

    def command(folder: Path) -> list[str]:
        return [*real(folder), *(["--no-such-option"] if folder.name == broken.name else [])]

    real = bird.command
    monkeypatch.setattr(bird, "command", command)
    try:
        with pytest.raises(DaemonError, match=f"bird of {broken.name} ended with exit code 1"):
            routing.start()
    finally:
        routing.stop()
    assert namespaces.processes([h.namespace for h in fabric.nodes.values()]) == []


def test_routes_that_never_come_are_named(routed) -> None:
    plan, fabric, routing = routed
    lonely = plan.network.nodes[5]
    state = plan.at(0)
    for port in lonely.ports:
        ends = [port.index, int(state["peer"][port.index])]
        state[ends] = plan.dark()[ends]
    shine(fabric, plan, state)
    with pytest.raises(DaemonError) as caught:
        routing.converge(plan.at(0), 0.5)
    message = str(caught.value)
    assert f"  {plan.network.nodes[0].name} has no route to {lonely.ipv4}\n" in message
    assert message.count("has no route to") == 9 and "Last lines of bird of" in message


def test_what_bird_leaves_is_in_its_nodes_folder_and_nowhere_else(routed) -> None:
    _, fabric, routing = routed
    routing.stop()
    assert namespaces.processes([h.namespace for h in fabric.nodes.values()]) == []
    assert not any(held(fabric).values())
    for handle in fabric.nodes.values():
        assert {p.name for p in handle.state_dir.iterdir()} == {"bird.conf", "bird.log", "bird.out"}


def test_questions_that_bird_does_not_know_are_refused(routed) -> None:
    _, fabric, _ = routed
    folder = next(iter(fabric.nodes.values())).state_dir
    assert ask(folder, "show status")[-1] == "Daemon is up and running"
    with pytest.raises(DaemonError, match="did not answer 'show me': syntax error"):
        ask(folder, "show me")
    with pytest.raises(DaemonError, match="No such file"):
        ask(folder / "nowhere", "show status")
