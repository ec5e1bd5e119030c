"""Tables replayed from announcements lead where the kernel itself would send."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from emulator import record
from emulator.clock import RealClock
from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.kernel.routewatch import RouteWatch
from emulator.lab.fib import Tables
from emulator.lab.walking import Light, chosen
from emulator.linkplan import LinkPlan
from emulator.network import Family
from tests.e2e.conftest import needs
from tests.kernel.toys import NOTICED_S, Build, walker

ROUTES = (
    "default dev isl3",
    "10.0.0.4/30 dev isl2",
    "10.0.0.5 nexthop dev isl0 nexthop dev isl1",
    "10.0.0.6 dev isl0",
)
"""Of the first node: to all, to the fourth to seventh, to the fifth, to the sixth."""
_FAR, _NEXT = "fd4c:6d00::", "nexthop via fe80::1 dev"
ROUTES_6 = (
    "add default dev isl3",
    f"add {_FAR}4/126 dev isl2",
    f"add {_FAR}5 via fe80::1 dev isl0",
    f"append {_FAR}5 via fe80::1 dev isl1",
    f"append {_FAR}5 via fe80::1 dev isl2",
    f"del {_FAR}5 via fe80::1 dev isl2",
    f"add {_FAR}6 {_NEXT} isl2 {_NEXT} isl3",
    f"replace {_FAR}6 via fe80::1 dev isl0",
    f"add {_FAR}9 {_NEXT} isl0 {_NEXT} isl2",
    f"del {_FAR}9",
)
"""The same of IPv6, by ways that only IPv6 has, and the tenth's that goes again."""


@pytest.fixture
def torus(build: Build) -> Iterator[tuple[LinkPlan, Fabric]]:
    """Nine satellites, each with four lit ports."""
    plan = LinkPlan.of(walker(total=9, planes=3))
    fabric = build(plan)
    fabric.apply(plan.at(0))
    assert wait_for(fabric.noticed, NOTICED_S)
    yield plan, fabric


@pytest.mark.parametrize(
    ("family", "routes"), [(4, [f"add {each}" for each in ROUTES]), (6, ROUTES_6)]
)
def test_the_replayed_tables_lead_where_the_kernel_sends(
    torus: tuple[LinkPlan, Fabric], tmp_path: Path, family: Family, routes: Sequence[str]
) -> None:
    needs("ip")
    plan, fabric = torus
    first = fabric.nodes[plan.network.nodes[0].name]
    watch = RouteWatch(fabric.nodes, RealClock(), tmp_path / record.ROUTES, family)
    assert watch.begin() == ""
    for route in routes:
        log = tmp_path / "ip.out"
        done = first.spawn(["ip", f"-{family}", "route", *route.split()], log).wait()
        assert done == 0, log.read_text()
    assert watch.finish(0.0) == ""
    watch.end()
    record.write_tables(tmp_path, [], [])
    held = Tables.of(plan.network, record.read_routes(tmp_path)).at(np.inf)
    assert len(held) == 3
    seen = set()
    for dark in ((), (0,), (0, 1), (2,), (0, 2), (0, 1, 2), (0, 1, 2, 3)):
        state = plan.at(0)
        for offset in dark:
            port = first.node.ports[offset].index
            ends = [port, int(state["peer"][port])]
            state[ends] = plan.dark()[ends]
        fabric.apply(state)
        ways = chosen(held, Light.of(plan.network, state, silent=False))[0]
        due = [{p.index for i, p in enumerate(first.node.ports) if int(w) >> i & 1} for w in ways]
        seen |= set(ways.tolist())
        others = plan.network.nodes[1:]

        def agrees(due: list[set[int]] = due, others: tuple = others) -> bool:
            taken = [first.next_port(other.address(family)) for other in others]
            return all(
                port in ports if ports else port is None
                for port, ports in zip(taken, due[1:], strict=True)
            )

        assert wait_for(agrees, NOTICED_S), (dark, ways)
    assert seen == {0, 1, 2, 3, 4, 8}
