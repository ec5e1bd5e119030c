"""BIRD's protocols and babeld on a real fabric: shortest ways, handovers, losses seen or not."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from emulator.errors import DaemonError
from emulator.kernel import namespaces
from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from emulator.network import Node
from protocols import babeld
from protocols.babeld import Babeld
from protocols.bird_babel import BirdBabel
from protocols.bird_bgp import BirdBgp
from protocols.bird_ospf import BirdOspf
from protocols.bird_ospf6 import BirdOspf6
from protocols.daemons import Daemons
from tests.kernel.test_bird import held, wanted
from tests.kernel.test_frr import ended
from tests.kernel.test_frr_family import lost
from tests.kernel.toys import Build, walker

CONVERGE_S = 60.0
QUIET_S = 6.0
"""After which BIRD's OSPF says at once what is new: it renews its LSA every 5 s at most."""
COST_OUT_S = 6.0
"""From a raised cost until nobody uses the link: Babel tells it, then asks for other ways."""

LONG_S = 12.0
"""Of 16 hellos a second apart most are missed then, but not all: BIRD's Babel remembers so many."""

PLANES = {"bgp_as": "plane"}
SCHEMES = [
    (BirdOspf, {}),
    (BirdOspf6, {}),
    (BirdBabel, {}),
    (BirdBgp, {}),
    (BirdBgp, PLANES),
    (Babeld, {}),
]
IDS = ["ospf", "ospf6", "babel", "bgp", "bgp-planes", "babeld"]


@dataclass
class Sky:
    """A torus of 3 × 4 satellites and the daemons over it, converged."""

    plan: LinkPlan
    fabric: Fabric
    routing: Daemons

    def apply(self, state: np.ndarray) -> None:
        """Show ``state`` as the player does."""
        self.fabric.apply(state)
        self.routing.step(state)

    def settle(self, state: np.ndarray, within_s: float = CONVERGE_S) -> float:
        """Return the seconds until all kernels hold shortest ways for ``state``, and only such."""
        began, ways = time.monotonic(), wanted(self.plan, state, self.routing.family)
        assert wait_for(lambda: not self.wrong(ways), within_s), self.wrong(ways)
        return time.monotonic() - began

    def wrong(self, ways) -> dict[tuple[str, str], tuple]:
        """Routes that are not among the shortest ``ways``, or not there, or too many."""
        tables = held(self.fabric, self.routing.family)
        return {
            (name, to): (table.get(to), ways[name].get(to))
            for name, table in tables.items()
            for to in table.keys() | ways[name].keys()
            if not table.get(to) or not table[to] <= ways[name].get(to, frozenset())
        }

    def users(self, *ports: int) -> list[str]:
        """Nodes whose kernels route by any of ``ports``."""
        tables = held(self.fabric, self.routing.family)
        return [
            node.name
            for node in self.plan.network.nodes
            for offset, port in enumerate(node.ports)
            if port.index in ports and any(offset in ways for ways in tables[node.name].values())
        ]

    def without(self, *ports: int) -> np.ndarray:
        """The first state with no light between ``ports`` and their peers."""
        found = self.plan.at(0)
        ends = [*ports, *found["peer"][list(ports)]]
        found[ends] = self.plan.dark()[ends]
        return found

    def link(self) -> tuple[Node, Node, frozenset[int]]:
        """Two neighbours and the ports that join them."""
        a = self.plan.network.nodes[0]
        port = a.ports[3].index
        peer = int(self.plan.at(0)["peer"][port])
        b = self.plan.network.nodes[self.plan.network.port_node[peer]]
        return a, b, frozenset((port, peer))


@contextmanager
def converged(
    build: Build, scheme: type[Daemons], silent: bool = False, **keys: object
) -> Iterator[Sky]:
    """Bring a sky up, and down again."""
    if lacking := scheme.missing():
        pytest.skip(lacking)
    scenario = walker(total=12, planes=3)
    section = scenario.routing.model_copy(update=keys)
    plan = LinkPlan.of(scenario.model_copy(update={"routing": section}))
    fabric = build(plan, silent)
    first = plan.at(0)
    assert np.all(first["peer"] >= 0)
    fabric.apply(first)
    with ended(scheme(plan, fabric.nodes)) as routing:
        routing.start()
        routing.step(first)
        routing.converge(first, CONVERGE_S)
        sky = Sky(plan, fabric, routing)
        print(f"\n{scheme.__name__} {keys}: all shortest {sky.settle(first):.2f} s after any ways")
        yield sky
        routing.check()


@pytest.mark.parametrize(("scheme", "keys"), SCHEMES, ids=IDS)
def test_all_pairs_on_shortest_ways_through_losses_and_handovers(
    build: Build, scheme: type[Daemons], keys: dict
) -> None:
    with converged(build, scheme, **keys) as sky:
        first, nodes = sky.plan.at(0), sky.plan.network.nodes
        for port in (nodes[0].ports[0].index, nodes[0].ports[3].index):
            cut = sky.without(port)
            sky.apply(cut)
            print(f"  without {port} after {sky.settle(cut):.2f} s")
            sky.apply(first)
            print(f"  with it again after {sky.settle(first):.2f} s")
        state = first.copy()
        a, c = nodes[0].ports[0].index, nodes[6].ports[0].index
        b, d = int(state["peer"][a]), int(state["peer"][c])
        state["peer"][[a, c, b, d]] = c, a, d, b
        sky.apply(sky.without(a, c))
        time.sleep(1.0)  # so long a laser needs to find its next peer
        sky.apply(state)
        print(f"  handed over after {sky.settle(state):.2f} s")
        with sky.fabric.nodes[nodes[0].name].entered():
            argv = ["ping", "-c1", "-W3", nodes[10].address(sky.routing.family)]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        sky.routing.stop()
        assert namespaces.processes([h.namespace for h in sky.fabric.nodes.values()]) == []
        assert not any(held(sky.fabric, sky.routing.family).values())


@pytest.mark.parametrize(("scheme", "keys"), SCHEMES, ids=IDS)
def test_a_cut_that_no_carrier_shows_is_noticed_by_hellos(
    build: Build, scheme: type[Daemons], keys: dict
) -> None:
    with converged(build, scheme, silent=True, **keys) as sky:
        first = sky.plan.at(0)
        port = sky.plan.network.nodes[0].ports[3].index
        cut = sky.without(port)
        sky.apply(cut)
        print(f"  unseen, after {sky.settle(cut):.2f} s")
        sky.apply(first)
        print(f"  and back after {sky.settle(first):.2f} s")


@pytest.mark.parametrize(("scheme", "back_s"), [(BirdBabel, 1.5), (Babeld, 7.0)])
def test_babel_comes_back_soon_to_a_link_that_was_dark_for_long(
    build: Build, scheme: type[Daemons], back_s: float
) -> None:
    """BIRD takes two of its hellos, babeld two of a second and the next update, of every fourth."""
    with converged(build, scheme) as sky:
        cut = sky.without(sky.plan.network.nodes[0].ports[3].index)
        sky.apply(cut)
        sky.settle(cut)
        time.sleep(LONG_S)
        sky.apply(sky.plan.at(0))
        took_s = sky.settle(sky.plan.at(0))
        print(f"  back after {took_s:.2f} s")
        assert took_s < back_s


@pytest.mark.parametrize(("scheme", "keys"), SCHEMES[:-1], ids=IDS[:-1])
def test_a_cut_that_is_announced_loses_nothing(
    build: Build, scheme: type[Daemons], keys: dict
) -> None:
    with converged(build, scheme, **keys) as sky:
        a, b, ports = sky.link()
        cut = sky.without(*ports)
        time.sleep(QUIET_S)
        assert sky.users(*ports)
        began = time.monotonic()
        sky.routing.cost_out(ports)
        assert wait_for(lambda: not sky.users(*ports), COST_OUT_S), sky.users(*ports)
        print(f"  left after {time.monotonic() - began:.2f} s")
        sky.settle(cut)
        sky.routing.cost_out(frozenset())
        assert wait_for(lambda: sky.users(*ports), CONVERGE_S)
        sky.settle(sky.plan.at(0))
        time.sleep(QUIET_S)
        acts = {0.5: lambda: sky.routing.cost_out(ports), COST_OUT_S: lambda: sky.apply(cut)}
        assert lost(sky.fabric, acts, a, b, sky.routing.family) == (0, 0.0)
        sky.settle(cut)


def test_babeld_answers_over_its_socket(build: Build) -> None:
    with converged(build, Babeld) as sky:
        node = sky.plan.network.nodes[0]
        folder = sky.fabric.nodes[node.name].state_dir
        peers = [sky.plan.network.port_node[sky.plan.at(0)["peer"][p.index]] for p in node.ports]
        facing = [sky.plan.network.nodes[each].link_local for each in peers]
        assert babeld.neighbours(folder) == {
            port.name: address for port, address in zip(node.ports, facing, strict=True)
        }
        with pytest.raises(DaemonError, match="did not answer 'nonsense': bad"):
            babeld.ask(folder, "nonsense")
