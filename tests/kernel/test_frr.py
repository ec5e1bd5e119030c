"""FRR on a real fabric: it converges, survives flaps with the kernel's tables intact, and is
named when it fails."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from emulator.errors import DaemonError
from emulator.kernel import namespaces
from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from emulator.network import Family
from protocols import frr
from protocols.daemons import Daemons
from protocols.frr import CRASH_DIR, FRR_RUN, ask
from protocols.frr_ospf import FrrOspf
from protocols.frr_ospf6 import FrrOspf6
from protocols.static import next_hops
from tests.kernel.toys import Build, walker

pytestmark = pytest.mark.skipif(bool(FrrOspf.missing()), reason=FrrOspf.missing() or "FRR is here")

CONVERGE_S = 60.0


@pytest.fixture
def routed(request, build: Build) -> Iterator[tuple[LinkPlan, Fabric, FrrOspf]]:
    """A torus of 3 × 3 satellites, each with four lasers and OSPF, converged."""
    scheme = getattr(request, "param", FrrOspf)
    plan = LinkPlan.of(walker(total=9, planes=3))
    fabric = build(plan)
    fabric.apply(plan.at(0))
    with ended(scheme(plan, fabric.nodes)) as routing:
        routing.start()
        routing.converge(plan.at(0), CONVERGE_S)
        yield plan, fabric, routing


@contextmanager
def ended(routing: Daemons) -> Iterator[Daemons]:
    """Stop ``routing`` at the end of a ``with`` block and remove what FRR leaves on disk."""
    try:
        yield routing
    finally:
        routing.stop()
        for handle in routing.nodes.values():
            for folder in FRR_RUN.glob(f"{handle.namespace}*"):
                shutil.rmtree(folder)
        for file in ("ospfd-gr.json", "ospf6d-gr.json", "ospf6d-at-seq-no.dat"):
            (FRR_RUN / file).unlink(missing_ok=True)
        for (_, daemon), process in routing.daemons.items():
            shutil.rmtree(CRASH_DIR / f"{daemon}.{process.pid}", ignore_errors=True)


Table = dict[str, frozenset[str]]


def kernel_and_zebra(fabric: Fabric, name: str, family: Family) -> tuple[Table, Table]:
    """Next-hop interfaces by destination: in the kernel's table, and as zebra believes."""
    handle = fabric.nodes[name]
    ports, held = handle.node.ports, handle.routes(family)
    kernel = {d: frozenset(ports[hop].name for hop in hops) for d, hops in held.items()}
    question = {4: "show ip route ospf json", 6: "show ipv6 route ospf6 json"}[family]
    said = ask(handle.namespace, "zebra", question)
    zebra = {
        prefix.partition("/")[0]: frozenset(
            hop["interfaceName"] for hop in route["nexthops"] if hop.get("fib")
        )
        for prefix, routes in said.items()
        for route in routes
        if route.get("installed")
    }
    return kernel, zebra


def full_neighbours(fabric: Fabric, name: str, family: Family = 4) -> int:
    """How many adjacencies of a node are Full."""
    if family == 6:
        said = ask(fabric.nodes[name].namespace, "ospf6d", "show ipv6 ospf6 neighbor json")
        return sum(neighbour["state"] == "Full" for neighbour in said["neighbors"])
    said = ask(fabric.nodes[name].namespace, "ospfd", "show ip ospf neighbor json")
    return sum(
        neighbour["nbrState"].startswith("Full")
        for each in said["neighbors"].values()
        for neighbour in each
    )


def test_every_pair_has_a_route_and_every_link_an_adjacency(routed) -> None:
    plan, fabric, _ = routed
    state = plan.at(0)
    assert (next_hops(plan.network, state) >= 0).sum() == 9 * 8
    for node in plan.network.nodes:
        lit = sum(state["peer"][port.index] >= 0 for port in node.ports)
        assert wait_for(lambda n=node, lit=lit: full_neighbours(fabric, n.name) == lit, CONVERGE_S)


@pytest.mark.parametrize("routed", [FrrOspf, FrrOspf6], indirect=True)
def test_flaps_leave_kernel_and_zebra_agreed(routed) -> None:
    """FRR 8.4 with kernel next-hop objects loses next hops here that zebra reports installed."""
    plan, fabric, routing = routed
    node, dark, family = plan.network.nodes[0], plan.dark(), routing.family

    def full() -> int:
        return full_neighbours(fabric, node.name, family)

    def several() -> bool:
        kernel, _ = kernel_and_zebra(fabric, node.name, family)
        return max(map(len, kernel.values())) > 1

    assert wait_for(lambda: full() == 4, CONVERGE_S)
    assert wait_for(several, CONVERGE_S), "no ECMP to lose"
    for port in node.ports[:3]:
        cut = plan.at(0)
        ends = [port.index, int(cut["peer"][port.index])]
        cut[ends] = dark[ends]
        fabric.apply(cut)
        assert wait_for(lambda: full() == 3, CONVERGE_S)
        fabric.apply(plan.at(0))
        assert wait_for(lambda: full() == 4, CONVERGE_S)

    def agreed() -> bool:
        kernel, zebra = kernel_and_zebra(fabric, node.name, family)
        return kernel == zebra and len(kernel) == 8

    assert wait_for(agreed, 15.0), kernel_and_zebra(fabric, node.name, family)


def test_a_lost_satellite_is_routed_around(routed) -> None:
    plan, fabric, routing = routed
    state = plan.at(0)
    gone = plan.network.nodes[4]
    for port in gone.ports:
        for index in (port.index, int(plan.at(0)["peer"][port.index])):
            state[index] = plan.dark()[index]
    fabric.apply(state)

    def forgotten() -> bool:
        others = [n for n in plan.network.nodes if n.index != gone.index]
        return all(gone.ipv4 not in fabric.nodes[n.name].routes() for n in others)

    assert wait_for(forgotten, CONVERGE_S)
    routing.converge(state, CONVERGE_S)


def test_a_killed_daemon_is_named_with_its_last_lines(routed) -> None:
    plan, _, routing = routed
    name = plan.network.nodes[2].name
    process = routing.daemons[name, "ospfd"]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with pytest.raises(DaemonError, match=rf"ospfd of {name} ended with signal 9 .*\n.*Last"):
        routing.check()


def test_a_daemon_that_cannot_start_is_named(build: Build, monkeypatch) -> None:
    plan = LinkPlan.of(walker(total=3))
    fabric = build(plan)
    routing = FrrOspf(plan, fabric.nodes)
    broken = plan.network.nodes[1]

    def command(daemon: str, pathspace: str, folder: Path) -> list[str]:
        argv = real(daemon, pathspace, folder)
        return [*argv, "--no-such-option"] if folder.name == broken.name else argv

    real = frr.command
    monkeypatch.setattr(frr, "command", command)
    try:
        with pytest.raises(DaemonError, match=f"zebra of {broken.name} ended with exit code 1"):
            routing.start()
    finally:
        routing.stop()
    assert namespaces.processes([h.namespace for h in fabric.nodes.values()]) == []


def test_descriptor_tables_are_small(routed) -> None:
    """FRR sizes them from RLIMIT_NOFILE, a million here, unless told otherwise."""
    _, _, routing = routed
    for process in list(routing.daemons.values())[:2]:
        status = Path(f"/proc/{process.pid}/status").read_text()
        rss_kb = int(status.split("VmRSS:")[1].split()[0])
        assert rss_kb < 40_000


def test_the_plan_of_the_toy_is_a_torus() -> None:
    plan = LinkPlan.of(walker(total=9, planes=3))
    assert np.all(plan.at(0)["peer"] >= 0)
