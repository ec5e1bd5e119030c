"""Faults on the kernel: what is lost one way and what is noticed, and what comes back."""

import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from emulator.clock import ManualClock
from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from emulator.player import Player
from emulator.scenario import Scenario
from protocols.static import Static
from tests.kernel.test_fabric import carrier, receive
from tests.kernel.toys import NOTICED_S, Build, walker

A, B = "toy-01-01", "toy-01-02"


class Ring:
    """Six satellites, played step by step; datagrams between the first two."""

    def __init__(self, build: Build, *events: dict[str, Any], silent: bool = False) -> None:
        table = walker().model_dump() | {"event": events}
        if silent:
            table["scenario"]["light_lost"] = "silent"
        self.plan = LinkPlan.of(Scenario.from_table(table))
        self.fabric: Fabric = build(self.plan, silent)
        self.player = Player(self.plan, self.fabric, ManualClock())
        self.player.show(0)
        assert wait_for(self.fabric.noticed, NOTICED_S)
        Static(self.plan, self.fabric.nodes).step(self.plan.at(0))
        self.sockets = {
            name: self.fabric.nodes[name].socket(socket.AF_INET, socket.SOCK_DGRAM)
            for name in (A, B)
        }
        for each in self.sockets.values():
            each.bind(("", 9))

    def show(self, step: int) -> None:
        """Put a step into the kernel and prove that it holds it."""
        self.player.show(step)
        assert np.array_equal(self.fabric.observe(), self.player.state)
        assert wait_for(self.fabric.noticed, NOTICED_S)

    def passes(self, a: str, b: str) -> bool:
        """Whether a datagram gets through."""
        try:
            receive(self.sockets[a], self.sockets[b], self.plan.network.node(b).ipv4)
        except OSError:  # it does not arrive, or there is no route where there is no carrier
            return False
        return True

    def port(self, a: str, b: str) -> str:
        """The interface of a that faces b."""
        network, peer = self.plan.network, self.plan.at(0)["peer"]
        far = network.node(b).index
        facing = [p for p in network.node(a).ports if network.port_node[peer[p.index]] == far]
        return next(port.name for port in facing if peer[port.index] >= 0)

    def carriers(self) -> tuple[bool, bool]:
        """Whether the two see each other's light."""
        return (
            carrier(self.fabric, A, self.port(A, B)),
            carrier(self.fabric, B, self.port(B, A)),
        )

    def close(self) -> None:
        for each in self.sockets.values():
            each.close()


@pytest.fixture
def ring(build: Build) -> Any:
    made: list[Ring] = []

    def make(*events: dict[str, Any], silent: bool = False) -> Ring:
        made.append(Ring(build, *events, silent=silent))
        return made[-1]

    yield make
    for each in made:
        each.close()


Make = Callable[..., Ring]


@pytest.mark.parametrize("silent", [False, True])
def test_a_silent_loss_of_one_direction(ring: Make, silent: bool) -> None:
    down = {"at_s": 2.0, "action": "link down", "target": (A, B), "for_s": 3.0}
    one = ring(down | {"direction": "a-to-b", "silent": None if silent else True}, silent=silent)
    for step, there in ((1, True), (2, False), (4, False), (5, True)):
        one.show(step)
        assert one.carriers() == (True, True)
        assert (one.passes(A, B), one.passes(B, A)) == (there, True), step


def test_light_lost_one_way_drops_one_carrier_and_both_ways_of_traffic(ring: Make) -> None:
    down = {"at_s": 2.0, "action": "link down", "target": (A, B), "for_s": 3.0}
    one = ring(down | {"direction": "a-to-b"})
    one.show(2)
    assert one.carriers() == (True, False)
    assert (one.passes(A, B), one.passes(B, A)) == (False, False)
    one.show(5)
    assert one.carriers() == (True, True)
    # With its carrier the kernel took away the routes of that interface.
    Static(one.plan, one.fabric.nodes).step(one.plan.at(5))
    assert (one.passes(A, B), one.passes(B, A)) == (True, True)


def test_a_terminal_drops_the_carriers_of_its_link_alone(ring: Make) -> None:
    plan = LinkPlan.of(walker())
    node, peer = plan.network.port_node, plan.at(0)["peer"]
    lit = np.flatnonzero(peer >= 0).tolist()
    [port] = [p for p in plan.network.node(A).ports if p.index in lit and node[peer[p.index]] == 1]
    one = ring({"at_s": 2.0, "action": "terminal down", "target": (A, port.name), "for_s": 3.0})
    assert one.port(A, B) == port.name
    out = {port.index, int(peer[port.index])}
    for step, dark in ((1, set()), (2, out), (5, set())):
        one.show(step)
        seen = {p for p in lit if carrier(one.fabric, *plan.network.port_label(p).split(":"))}
        assert seen == set(lit) - dark
