"""Each of FRR's protocols on a real fabric: all shortest ways, handovers, losses of all kinds."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pytest

from emulator.kernel import namespaces
from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from emulator.network import Family, Node
from protocols.as_numbers import as_numbers
from protocols.frr import Frr, ask
from protocols.frr_bgp import FrrBgp
from protocols.frr_isis import FrrIsis
from protocols.frr_openfabric import FrrOpenFabric
from protocols.frr_ospf import FrrOspf
from protocols.frr_ospf6 import FrrOspf6
from tests.kernel.test_bird import Tables, held
from tests.kernel.test_bird import wanted as fewest_hops
from tests.kernel.test_frr import ended
from tests.kernel.toys import Build, walker

SCHEMES = [FrrOspf, FrrOspf6, FrrIsis, FrrBgp, FrrOpenFabric]
CONVERGE_S = 60.0
SETTLED_S = 20.0
"""All ways of equal length, from a sky of which the first ones are known."""


@dataclass
class Sky:
    """A fabric and the daemons over it, converged."""

    plan: LinkPlan
    fabric: Fabric
    routing: Frr
    took_s: float

    def held(self) -> Tables:
        """What the nodes' kernels hold of the family that is routed."""
        return held(self.fabric, self.routing.family)

    def shine(self, state: np.ndarray, wanted: Callable[..., Tables] | None = None) -> float:
        """Show ``state`` and return the seconds until all kernels hold the ways ``wanted``.

        ospf6d may leave some of several equal ones out, but not all.
        """
        began = time.monotonic()
        self.fabric.apply(state)
        self.routing.step(state)
        if wanted:
            tables = wanted(self.plan, state)
        else:
            tables = fewest_hops(self.plan, state, self.routing.family)
        if not wait_for(lambda: not self.wrong(tables), SETTLED_S):
            wrong = self.wrong(tables)
            raise AssertionError(f"{len(wrong)} routes are not as they should be: {wrong}")
        return time.monotonic() - began

    def wrong(self, tables: Tables) -> dict[tuple[str, str], tuple]:
        """Routes that are not as ``tables`` say."""
        some = isinstance(self.routing, FrrOspf6)
        return {
            (name, to): (ways, due)
            for name, table in self.held().items()
            for to in table.keys() | tables[name].keys()
            if (ways := table.get(to)) != (due := tables[name].get(to))
            and not (some and ways and due and ways < due)
        }


def sky_of(
    build: Build, scheme: type[Frr], planes: int, silent: bool, **routing: object
) -> Iterator[Sky]:
    """Bring a torus of 3 × 4 satellites up, or a ring of six, and down again."""
    if lacking := scheme.missing():
        pytest.skip(lacking)
    scenario = walker(total=12 if planes > 1 else 6, planes=planes)
    section = scenario.routing.model_copy(update=routing)
    plan = LinkPlan.of(scenario.model_copy(update={"routing": section}))
    fabric = build(plan, silent)
    fabric.apply(plan.at(0))
    assert wait_for(fabric.noticed, CONVERGE_S)
    with ended(scheme(plan, fabric.nodes)) as frr:
        began = time.monotonic()
        frr.start()
        frr.converge(plan.at(0), CONVERGE_S)
        yield Sky(plan, fabric, frr, time.monotonic() - began)
        frr.check()


@pytest.fixture(params=SCHEMES, ids=lambda scheme: scheme.__name__)
def sky(request, build: Build) -> Iterator[Sky]:
    """A torus under each protocol."""
    yield from sky_of(build, request.param, planes=3, silent=False)


def parted(sky: Sky, state: np.ndarray, *ports: int) -> np.ndarray:
    """``state`` without the light between ``ports`` and their peers."""
    found = state.copy()
    for port in ports:
        ends = [port, int(state["peer"][port])]
        found[ends] = sky.plan.dark()[ends]
    return found


def handover(sky: Sky) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Two links' ends exchanged: the state between, the state after, two ports that meet in it."""
    first = sky.plan.at(0)
    a, c = (sky.plan.network.nodes[node].ports[0].index for node in (0, 6))
    b, d = int(first["peer"][a]), int(first["peer"][c])
    after = first.copy()
    after["peer"][[a, c, b, d]] = c, a, d, b
    return parted(sky, first, a, c), after, (a, c)


def test_it_converges_and_follows_flaps_and_handovers_on_all_shortest_ways(sky) -> None:
    print(f"\n{type(sky.routing).__name__}: converged {sky.took_s:.2f} s after its start")
    first = sky.plan.at(0)
    assert np.all(first["peer"] >= 0)
    print(f"  all ways {sky.shine(first):.2f} s later")
    nodes = sky.plan.network.nodes
    for port in nodes[0].ports[:3]:
        print(f"  without {port.name} after {sky.shine(parted(sky, first, port.index)):.2f} s")
        print(f"  with it again after {sky.shine(first):.2f} s")
    between, after, _ = handover(sky)
    sky.fabric.apply(between)
    time.sleep(1.0)  # so long a laser needs to find its next peer
    print(f"  handed over after {sky.shine(after):.2f} s")
    sky.routing.stop()
    assert namespaces.processes([h.namespace for h in sky.fabric.nodes.values()]) == []
    assert not any(sky.held().values())


def fewest_planes(plan: LinkPlan, state: np.ndarray) -> Tables:
    """All ways of the fewest planes to cross, and of those of the fewest hops within the own one.

    Bellman and Ford's way, each round over all links, from the destination.
    """
    network, system = plan.network, as_numbers(plan.scenario)
    lit = np.flatnonzero(state["peer"] >= 0)
    ends = [(int(p), *network.port_node[[p, state["peer"][p]]].tolist()) for p in lit]
    tables: Tables = {node.name: {} for node in network.nodes}
    for to in network.nodes:
        best = {to.index: (0, 0)}
        ways: dict[int, dict[int, tuple[int, int]]] = {}
        for _ in network.nodes:
            ways = {node.index: {} for node in network.nodes}
            for port, a, b in ends:
                if b in best and a != to.index:
                    planes, hops = best[b]
                    same = system[a] == system[b]
                    ways[a][port] = (planes, hops + 1) if same else (planes + 1, 0)
            best |= {node: min(found.values()) for node, found in ways.items() if found}
        for node in network.nodes:
            if node is not to:
                first = node.ports[0].index
                tables[node.name][to.ipv4] = frozenset(
                    port - first
                    for port, way in ways[node.index].items()
                    if way == best[node.index]
                )
    return tables


def test_an_as_a_plane_crosses_the_fewest_planes_also_after_a_handover(build: Build) -> None:
    for sky in sky_of(build, FrrBgp, planes=3, silent=False, bgp_as="plane"):
        first = sky.plan.at(0)
        assert fewest_planes(sky.plan, first) != fewest_hops(sky.plan, first)
        print(f"\nall ways {sky.took_s + sky.shine(first, fewest_planes):.2f} s after the start")
        # a port that led along the plane now leads to another, and one of that plane to ours
        between, after, (a, c) = handover(sky)
        assert (a in sky.routing.inner) and (c in sky.routing.inner)
        sky.fabric.apply(between)
        time.sleep(1.0)
        print(f"handed over after {sky.shine(after, fewest_planes):.2f} s")
        assert (a not in sky.routing.inner) and (c not in sky.routing.inner)


PROBES, SPACING_S = 3500, 0.002
COST_OUT_S, CUT_S = 1.0, 3.0
"""When after the first probe the cost is raised, and when the light goes. isisd tells of a change
within a second of the one before."""
_SO_RCVBUFFORCE = 33


def lost(
    fabric: Fabric,
    actions: dict[float, Callable[[], object]],
    a: Node,
    b: Node,
    family: Family = 4,
) -> tuple[int, float]:
    """Send probes from ``a`` to ``b``, acting at some seconds: (lost, longest gap in seconds)."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    sender, receiver = (fabric.nodes[node.name].socket(kind, socket.SOCK_DGRAM) for node in (a, b))
    with sender, receiver:
        receiver.bind(("", 9))
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 24)
        receiver.settimeout(SETTLED_S / 20)
        began, waiting = time.monotonic(), sorted(actions)
        for number in range(PROBES):
            due_s = number * SPACING_S
            while waiting and waiting[0] <= due_s:
                actions[waiting.pop(0)]()
            time.sleep(max(0.0, began + due_s - time.monotonic()))
            with suppress(OSError):  # no route at this moment: lost as well
                sender.sendto(number.to_bytes(4, "little"), (b.address(family), 9))
        heard = np.zeros(PROBES, dtype=bool)
        with suppress(TimeoutError):
            while True:
                heard[int.from_bytes(receiver.recv(4), "little")] = True
    came = np.flatnonzero(np.concatenate(([True], heard, [True])))
    return int(PROBES - heard.sum()), float(np.diff(came).max() - 1) * SPACING_S


def link(sky: Sky) -> tuple[Node, Node, frozenset[int]]:
    """Two neighbours and the ports that join them, by which alone they now send to each other."""
    a = sky.plan.network.nodes[0]
    port = a.ports[0].index
    peer = int(sky.plan.at(0)["peer"][port])
    b = sky.plan.network.nodes[sky.plan.network.port_node[peer]]
    assert sky.fabric.nodes[a.name].next_port(b.address(sky.routing.family)) == port
    return a, b, frozenset((port, peer))


def cut(sky: Sky, ports: frozenset[int]) -> Callable[[], object]:
    """Return what takes the light from a link."""
    return lambda: sky.fabric.apply(parted(sky, sky.plan.at(0), *ports))


def test_a_cut_that_is_announced_loses_nothing(sky) -> None:
    sky.shine(sky.plan.at(0))
    a, b, ports = link(sky)
    announce = {COST_OUT_S: lambda: sky.routing.cost_out(ports)}
    actions = announce | {CUT_S: cut(sky, ports)}
    assert lost(sky.fabric, actions, a, b, sky.routing.family) == (0, 0.0)
    sky.routing.cost_out(frozenset())
    sky.shine(sky.plan.at(0))
    assert link(sky) == (a, b, ports)


def bfd_up(sky: Sky) -> int:
    """How many ends of BFD sessions are up."""
    said = [ask(h.namespace, "bfdd", "show bfd peers json") for h in sky.fabric.nodes.values()]
    return sum(peer["status"] == "up" for peers in said for peer in peers)


def test_bfd_of_openfabric_follows_a_handover(build: Build) -> None:
    """bfdd is told of each neighbour for fabricd's sake, and of its end."""
    for sky in sky_of(build, FrrOpenFabric, planes=3, silent=False, bfd_ms=100):
        every_port = int((sky.plan.at(0)["peer"] >= 0).sum())
        assert wait_for(lambda s=sky, n=every_port: bfd_up(s) == n, SETTLED_S)
        between, after, _ = handover(sky)
        sky.fabric.apply(between)
        time.sleep(1.0)
        sky.shine(after)
        assert wait_for(lambda s=sky, n=every_port: bfd_up(s) == n, SETTLED_S)
        said = ask(sky.fabric.nodes["toy-01-01"].namespace, "bfdd", "show bfd peers json")
        paces = {(peer["receive-interval"], peer["transmit-interval"]) for peer in said}
        assert len(said) == 4 and paces == {(100, 100)}
