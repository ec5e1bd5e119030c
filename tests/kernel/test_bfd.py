"""A cut that no carrier shows, noticed by BFD at 3 x 100 ms: how long probes are lost.

On a ring, so that the only other way is all around: what is new has far to go. The links are as
long as in low orbits, 25 ms.
"""

import time

import pytest

from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from protocols.bird import Bird
from protocols.bird import ask as ask_bird
from protocols.bird_bgp import BirdBgp
from protocols.bird_ospf import BirdOspf
from protocols.bird_ospf6 import BirdOspf6
from protocols.daemons import Daemons
from protocols.frr import ask as ask_frr
from protocols.frr_bgp import FrrBgp
from protocols.frr_isis import FrrIsis
from protocols.frr_openfabric import FrrOpenFabric
from protocols.frr_ospf import FrrOspf
from protocols.frr_ospf6 import FrrOspf6
from tests.kernel.test_frr import ended
from tests.kernel.test_frr_family import lost
from tests.kernel.toys import NOTICED_S, Build, walker

BFD_MS, CUT_S = 100, 1.0
CONVERGE_S = 60.0
OUTAGE_S = 0.6
AN_SPF_S = 1.0
"""BIRD's OSPF works routes out once a second: ``tick`` of its configuration is in whole ones."""
MIN_LS_INTERVAL_S = 5.0
"""RFC 2328, appendix B: so long must lie between versions of a router's LSA. FRR is told otherwise;
BIRD is not to be told, so here it has had nothing to say for as long."""
LOW_KM = 1200.0


def up(fabric: Fabric, scheme: type[Daemons]) -> int:
    """How many ends of BFD sessions are up."""
    if issubclass(scheme, Bird):
        said = [ask_bird(h.state_dir, "show bfd sessions") for h in fabric.nodes.values()]
        return sum(" Up " in line for lines in said for line in lines)
    said = [ask_frr(h.namespace, "bfdd", "show bfd peers json") for h in fabric.nodes.values()]
    return sum(peer["status"] == "up" for peers in said for peer in peers)


@pytest.mark.parametrize(
    ("scheme", "within_s"),
    [
        (FrrOspf, OUTAGE_S),
        (FrrOspf6, OUTAGE_S),
        (FrrIsis, OUTAGE_S),
        (FrrOpenFabric, OUTAGE_S),
        (FrrBgp, OUTAGE_S),
        (BirdBgp, OUTAGE_S),
        (BirdOspf, OUTAGE_S + AN_SPF_S),
        (BirdOspf6, OUTAGE_S + AN_SPF_S),
    ],
)
def test_a_silent_cut_is_left_soon(build: Build, scheme: type[Daemons], within_s: float) -> None:
    if lacking := scheme.missing():
        pytest.skip(lacking)
    ring = walker(total=6)
    shell = ring.constellation[0].model_copy(update={"altitude_km": LOW_KM})
    routing = ring.routing.model_copy(update={"bfd_ms": BFD_MS})
    plan = LinkPlan.of(ring.model_copy(update={"constellation": (shell,), "routing": routing}))
    first, fabric = plan.at(0), build(plan, True)
    fabric.apply(first)
    assert wait_for(fabric.noticed, NOTICED_S)
    with ended(scheme(plan, fabric.nodes)) as daemons:
        daemons.start()
        daemons.step(first)
        daemons.converge(first, CONVERGE_S)
        ends = (first["peer"] >= 0).sum()
        assert ends == 12 and wait_for(lambda: up(fabric, scheme) == ends, CONVERGE_S)
        if issubclass(scheme, BirdOspf):
            time.sleep(MIN_LS_INTERVAL_S)
        a, b = plan.network.nodes[:2]
        port = fabric.nodes[a.name].next_port(b.address(daemons.family))
        pair = [port, int(first["peer"][port])]
        assert plan.network.port_node[pair[1]] == b.index
        cut = first.copy()
        cut[pair] = plan.dark()[pair]
        count, gap_s = lost(fabric, {CUT_S: lambda: fabric.apply(cut)}, a, b, daemons.family)
        print(f"\n{scheme.__name__}: {count} lost of a silent cut, in {gap_s:.3f} s")
        assert 2 * BFD_MS / 1e3 < gap_s < within_s
