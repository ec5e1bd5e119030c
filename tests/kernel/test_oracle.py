"""A planned handover under probes: what the oracle saves, by packets that cross real queues."""

import socket
from contextlib import suppress

import numpy as np
import pytest

from emulator.clock import RealClock
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from protocols.oracle import Oracle
from protocols.static import Precomputed, Static
from tests.kernel.toys import NOTICED_S, VIRTUAL, Build, walker

STEP_S, STEPS, PROBE_S = 0.5, 8, 0.002
_SO_RCVBUFFORCE = 33
CHANGE = 4
"""Of the steps that are played, the one at which the plan cuts a link or lights one."""


def plan_with(latitude_cut_deg: float, duration_s: float) -> LinkPlan:
    """Twelve satellites; links across planes are off at high latitudes, but never all of them."""
    toy = walker(total=12, planes=3, duration_s=duration_s, step_s=STEP_S)
    [shell], [grid] = toy.constellation, toy.isl
    shell = shell.model_copy(update={"walker": "70:12/3/1", "altitude_km": 20000.0})
    grid = grid.model_copy(update={"latitude_cut_deg": latitude_cut_deg})
    return LinkPlan.of(toy.model_copy(update={"constellation": (shell,), "isl": (grid,)}))


def sent_and_lost(
    build: Build, plan: LinkPlan, contact: np.void, change: int, scheme: type[Precomputed]
) -> np.ndarray:
    """Play a few steps around step ``change`` and return when probes were sent that never came.

    In seconds from the change. They go from end a of ``contact`` to its end b.
    """
    a, b = (plan.network.nodes[plan.network.port_node[contact[end]]] for end in ("a", "b"))
    fabric, clock = build(plan), RealClock()
    routing, first = scheme(plan, fabric.nodes), change - CHANGE
    fabric.apply(plan.at(first))
    assert wait_for(fabric.noticed, NOTICED_S)
    routing.step(plan.at(first))
    sender, receiver = (
        fabric.nodes[node.name].socket(socket.AF_INET, socket.SOCK_DGRAM) for node in (a, b)
    )
    with sender, receiver:
        receiver.bind((b.ipv4, 9))
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 22)
        receiver.setblocking(False)
        start, number, count = clock.now(), 0, round(STEPS * STEP_S / PROBE_S)
        for step in range(STEPS):
            clock.wait_until(start + step * STEP_S)
            state = plan.at(first + step)
            fabric.apply(state)
            if isinstance(routing, Oracle):
                routing.foresee(first + step)
            routing.step(state)
            while number < (step + 1) * count // STEPS:
                clock.wait_until(start + (number + 0.5) * PROBE_S)
                with suppress(OSError):  # no route: as lost as any other
                    sender.sendto(number.to_bytes(4, "little"), (b.ipv4, 9))
                number += 1
        clock.wait_until(clock.now() + 2.0)
        came = np.zeros(count, dtype=bool)
        with suppress(BlockingIOError):
            while True:
                came[int.from_bytes(receiver.recv(4), "little")] = True
    return (np.flatnonzero(~came) + 0.5) * PROBE_S - CHANGE * STEP_S


pytestmark = pytest.mark.skipif(not VIRTUAL, reason="a probe that is late is no loss of routing")


def test_a_planned_cut_costs_static_what_is_in_flight_and_the_oracle_nothing(build: Build) -> None:
    plan = plan_with(latitude_cut_deg=45.0, duration_s=600.0)
    cut = plan.contacts[plan.contacts["end"] < plan.steps][0]
    flight_s = plan.at(int(cut["end"]) - 1)["delay_ns"][cut["b"]] / 1e9
    sent_s = sent_and_lost(build, plan, cut, int(cut["end"]), Static)
    assert len(sent_s) == pytest.approx(flight_s / PROBE_S, abs=1)
    assert ((-flight_s <= sent_s) & (sent_s < 0)).all()
    assert len(sent_and_lost(build, plan, cut, int(cut["end"]), Oracle)) == 0


def test_a_new_link_costs_the_oracle_nothing(build: Build) -> None:
    plan = plan_with(latitude_cut_deg=40.0, duration_s=220.0)
    new = plan.contacts[plan.contacts["start"] > 0][0]
    # Some turn round on their old way and pass their sender again: accept_local.
    assert len(sent_and_lost(build, plan, new, int(new["start"]), Oracle)) == 0
