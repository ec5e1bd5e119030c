"""Segment lists on a real kernel: packets go by the corner, and a dead link is passed round."""

import socket
import subprocess
from itertools import pairwise

import numpy as np
import pytest

from emulator.clock import RealClock
from emulator.kernel.node import NodeHandle
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from protocols.srv6 import Srv6
from protocols.static import next_hops, walk
from tests.kernel.test_grid import WIDE
from tests.kernel.toys import NOTICED_S, TOLERANCE_S, VIRTUAL, Build, walker

BITS = 8 * (14 + 40 + 20 + 8 + 4)  # Ethernet, IPv6, IPv4, UDP and the number; lists come on top
FLIGHT_S = 2.0
_IP_MTU = 14


@pytest.mark.skipif(not VIRTUAL, reason="which way a packet went is told by its time of flight")
def test_packets_take_the_time_of_both_legs_by_the_corner(build: Build) -> None:
    plan = LinkPlan.of(walker(total=12, planes=3).model_copy(update=WIDE))
    fabric, whole, clock = build(plan), plan.at(0), RealClock()
    fabric.apply(whole)
    assert wait_for(fabric.noticed, NOTICED_S)
    routing = Srv6(plan, fabric.nodes)
    routing.start()
    broken, dark = whole.copy(), plan.dark()
    port = plan.network.nodes[5].ports[0].index  # the port its segments hang on
    broken[[port, whole["peer"][port]]] = dark[[port, whole["peer"][port]]]
    handles = list(fabric.nodes.values())
    ears = [h.socket(socket.AF_INET, socket.SOCK_DGRAM) for h in handles]
    for ear in ears:
        ear.bind(("", 9))
        ear.settimeout(FLIGHT_S)
    by_corner = 0
    for state in (whole, broken, whole):
        fabric.apply(state)
        assert wait_for(fabric.noticed, NOTICED_S)
        routing.step(state)
        hops = next_hops(plan.network, state)
        for a in range(0, 12, 5):
            with handles[a].socket(socket.AF_INET, socket.SOCK_DGRAM) as voice:
                for b in np.delete(np.arange(12), a).tolist():
                    corner = int(routing.waypoint[a, b])
                    path = walk(hops, a, b)
                    if corner >= 0:
                        path = walk(hops, a, corner) + walk(hops, corner, b)[1:]
                        by_corner += 1
                    bits = BITS + 8 * (8 + 16 * (1 + (corner >= 0)))
                    began = clock.now()
                    voice.sendto(b"\0\0\0\0", (handles[b].node.ipv4, 9))
                    assert ears[b].recv(4) == b"\0\0\0\0"
                    taken_s = clock.now() - began
                    assert taken_s == pytest.approx(
                        flight_s(plan, state, path, bits), abs=TOLERANCE_S * len(path)
                    )
    assert by_corner > 20
    for ear in ears:
        ear.close()


def flight_s(plan: LinkPlan, state: np.ndarray, path: list[int], bits: int) -> float:
    """Light time and sending of a frame over all links of a path."""
    total_s = 0.0
    for a, b in pairwise(path):
        lit = np.flatnonzero(state["peer"] >= 0)
        node = plan.network.port_node
        [port] = lit[(node[lit] == b) & (node[state["peer"][lit]] == a)]
        total_s += state["delay_ns"][port] / 1e9 + bits / state["rate_bps"][port]
    return total_s


def test_lists_are_what_ip_reads_and_go_when_there_is_no_way(build: Build) -> None:
    """iproute2 as the outside authority on what the kernel holds."""
    plan = LinkPlan.of(walker(total=12, planes=3).model_copy(update=WIDE))
    fabric, whole, dark = build(plan), plan.at(0), plan.dark()
    fabric.apply(whole)
    assert wait_for(fabric.noticed, NOTICED_S)
    routing = Srv6(plan, fabric.nodes)
    routing.start()
    routing.step(whole)
    first, last = fabric.nodes["toy-01-01"], plan.network.nodes[6]
    assert routing.waypoint[0, 6] == 4
    listed = "encap seg6 mode encap segs 2 [ fd4c:6d01:5::1 fd4c:6d01:7::2 ]"
    assert f"{last.ipv4} {listed}" in shown(first, "-4")
    with first.socket(socket.AF_INET, socket.SOCK_DGRAM) as voice:
        voice.connect((last.ipv4, 9))
        assert voice.getsockopt(socket.IPPROTO_IP, _IP_MTU) == 1500 - 80
    own = shown(first, "-6")
    assert "fd4c:6d01:1::1 encap seg6local action End " in own
    assert "fd4c:6d01:1::2 encap seg6local action End.DX4 nh4 0.0.0.0 " in own
    lonely = whole.copy()
    for port in last.ports:
        lonely[[port.index, whole["peer"][port.index]]] = dark[port.index]
    routing.step(lonely)
    assert set(first.routes()) == {n.ipv4 for n in plan.network.nodes[1:] if n is not last}
    assert "fd4c:6d01:7::" not in shown(first, "-6") and not fabric.nodes[last.name].routes()
    routing.step(whole)
    assert len(first.routes()) == 11 and "fd4c:6d01:7::/48" in shown(first, "-6")


def shown(handle: NodeHandle, family: str) -> str:
    """The routes of a node, in one line."""
    with handle.entered():
        command = ["ip", family, "route"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())
