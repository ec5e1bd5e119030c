"""Waiting for routes without any daemon: who must be reached, and how often kernels are asked."""

from pathlib import Path

import numpy as np
import pytest

from emulator.errors import DaemonError
from emulator.linkplan import LinkPlan
from emulator.network import Node
from emulator.scenario import Scenario
from protocols import daemons
from protocols.daemons import Daemons, islands
from protocols.static import next_hops

PLAN = LinkPlan.of(Scenario.load("three-body"))
NODES = PLAN.network.nodes


class Handle:
    """A node whose kernel has the routes ``reached`` from look ``ready_at`` on."""

    def __init__(self, node: Node, reached: set[str], folder: Path, ready_at: int = 1) -> None:
        self.node = node
        self.state_dir = folder
        self.reached = reached - {node.ipv4}
        self.ready_at = ready_at
        self.looks = 0

    def routes(self, family: int) -> dict[str, frozenset[int]]:
        assert family == 4
        self.looks += 1
        return dict.fromkeys(self.reached if self.looks >= self.ready_at else (), frozenset())


@pytest.fixture
def handles(tmp_path: Path, monkeypatch) -> dict[str, Handle]:
    monkeypatch.setattr(daemons, "_POLL_S", 0.0)
    found = islands(PLAN.network, PLAN.at(0))
    return {node.name: Handle(node, found[node.index], tmp_path) for node in NODES}


def test_islands_are_what_shortest_paths_reach() -> None:
    for state in (PLAN.at(0), PLAN.at(PLAN.steps - 1), PLAN.dark()):
        hops = next_hops(PLAN.network, state)
        for node, island in zip(NODES, islands(PLAN.network, state), strict=True):
            reached = {NODES[other].ipv4 for other in np.flatnonzero(hops[node.index] >= 0)}
            assert island == reached | {node.ipv4}


def test_nodes_of_an_island_share_its_set() -> None:
    found = islands(PLAN.network, PLAN.at(0))
    assert len({id(island) for island in found}) == len({frozenset(island) for island in found})


def test_a_node_is_asked_again_only_until_it_has_converged(handles) -> None:
    handles[NODES[3].name].ready_at = 5
    Daemons(PLAN, handles).converge(PLAN.at(0), 60.0)
    assert [handle.looks for handle in handles.values()] == [
        5 if node.index == 3 else 1 for node in NODES
    ]


def test_an_error_names_a_few_nodes_of_many(handles) -> None:
    for handle in handles.values():
        handle.ready_at = 10**9
    with pytest.raises(DaemonError) as caught:
        Daemons(PLAN, handles).converge(PLAN.at(0), 0.0)
    lines = str(caught.value).splitlines()
    assert lines[0] == "OSPF did not converge within 0 s:"
    assert sum("has no route to" in line for line in lines) == 10 < len(NODES)
    assert "  and perhaps others" in lines
