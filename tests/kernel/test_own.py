"""A protocol of the user's own in every node: the example's routes, and how faults are told."""

import sys
import time
from pathlib import Path

import pytest

import protocols
from emulator.errors import DaemonError
from emulator.kernel import namespaces
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from protocols import base
from protocols.own import OwnDaemon, Speaker
from tests.kernel.test_bird import held
from tests.kernel.test_bird import wanted as fewest_hops
from tests.kernel.test_frr import ended
from tests.kernel.toys import NOTICED_S, Build, walker

EXAMPLE = Path(protocols.__file__).parent / "examples" / "hop_count.py"
SETTLED_S = 30.0
"""Less than half of it is counting up to 16 at one step a second."""


def test_the_example_takes_the_fewest_hops_also_round_a_dead_link(build: Build) -> None:
    plan = LinkPlan.of(walker(total=12, planes=3))
    fabric, whole = build(plan), plan.at(0)
    broken = whole.copy()
    port = plan.network.nodes[5].ports[0].index
    ends = [port, int(whole["peer"][port])]
    broken[ends] = plan.dark()[ends]
    fabric.apply(whole)
    assert wait_for(fabric.noticed, NOTICED_S)
    scheme = base.load("lasermesh.routing", f"{EXAMPLE}:HopCount")
    with ended(scheme(plan, fabric.nodes)) as routing:
        routing.start()
        routing.converge(whole, SETTLED_S)
        for state in (whole, broken, whole):
            fabric.apply(state)
            began = time.monotonic()
            ways = fewest_hops(plan, state)

            def shortest(ways=ways) -> bool:
                found = held(fabric)
                return all(
                    found[name].keys() == of.keys()
                    and all(len(by) == 1 and by <= of[to] for to, by in found[name].items())
                    for name, of in ways.items()
                )

            assert wait_for(shortest, SETTLED_S)
            print(f"the fewest hops everywhere {time.monotonic() - began:.2f} s later")
        routing.check()
    assert namespaces.processes([each.namespace for each in fabric.nodes.values()]) == []


class Program(OwnDaemon):
    """A protocol that is a program, and ends at once."""

    def argv(self, handle) -> list[str]:
        return ["/bin/sh", "-c", f"echo here is {handle.name}; exit 7"]


class Faulty(OwnDaemon):
    """A protocol with a fault in it."""

    def main(self, node: Speaker) -> None:
        raise ValueError(f"{node.name} has {len(node.ports)} ports")


class Leaving(OwnDaemon):
    """A protocol that ends itself, as Python programs do."""

    def main(self, node: Speaker) -> None:
        sys.exit(5)


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        (Leaving, "main of toy-01-01 ended with exit code 5"),
        (Program, "main of toy-01-01 ended with exit code 7.*here is toy-01-01"),
        (Faulty, "main of toy-01-01 ended with exit code 1.*ValueError: toy-01-01 has 4 ports"),
    ],
)
def test_what_a_protocol_dies_of_is_told(build: Build, scheme, said: str) -> None:
    plan = LinkPlan.of(walker())
    fabric = build(plan)
    with ended(scheme(plan, fabric.nodes)) as routing:
        routing.start()
        with pytest.raises(DaemonError, match=f"(?s){said}"):
            routing.converge(plan.at(0), SETTLED_S)
