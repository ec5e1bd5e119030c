"""What FRR is given, as golden text; traps of FRR 8.4 are avoided in the text itself."""

from pathlib import Path

import pytest

from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sections import Routing
from protocols.as_numbers import FIRST_AS
from protocols.frr import bfdd_conf, command, zebra_conf
from protocols.frr_bgp import advertising_zebra_conf, bgpd_conf, hops
from protocols.frr_isis import hello_multiplier, isisd_conf
from protocols.frr_openfabric import fabricd_conf, port_lines
from protocols.frr_ospf import ospfd_conf
from protocols.frr_ospf6 import ospf6d_conf

GOLDEN = Path(__file__).parents[1] / "golden"


def test_satellite_and_station_configurations_are_golden() -> None:
    scenario = Scenario.load("three-body")
    network = Network.of(scenario)
    for name in ("scs-01-a", "miyun"):
        node = network.node(name)
        text = f"! zebra\n{zebra_conf(node)}! ospfd\n{ospfd_conf(node, scenario.routing)}"
        assert text == (GOLDEN / f"frr-{name}.conf").read_text()


SPEAKERS = {
    "ospf6d": ospf6d_conf,
    "isisd": isisd_conf,
    "fabricd": lambda node, routing: (
        fabricd_conf(node, routing) + "\n".join(port_lines(node, routing)) + "\n"
    ),
    "bgpd": lambda node, routing: bgpd_conf(
        node, routing, FIRST_AS, frozenset((node.ports[0].index,))
    ),
}


@pytest.mark.parametrize("daemon", SPEAKERS)
def test_configurations_of_a_satellite_with_bfd_are_golden(daemon: str) -> None:
    scenario = Scenario.load("three-body")
    routing = scenario.routing.model_copy(update={"bfd_ms": 100})
    node = Network.of(scenario).node("scs-01-a")
    text = f"! bfdd\n{bfdd_conf(node, 100)}! {daemon}\n{SPEAKERS[daemon](node, routing)}"
    assert text == (GOLDEN / f"frr-{daemon}-scs-01-a.conf").read_text()


def test_routers_that_speak_bgp_advertise_themselves_on_every_port() -> None:
    node = Network.of(Scenario.load("three-body")).node("miyun")
    text = advertising_zebra_conf(node)
    assert text.startswith(zebra_conf(node))
    for port in node.ports:
        stanza = text.split(f"interface {port.name}\n")[1].split("interface")[0]
        assert stanza == " no ipv6 nd suppress-ra\n ipv6 nd ra-interval 1\n"


def test_a_port_of_high_cost_counts_as_many_hops_as_it_costs_but_no_more_than_16() -> None:
    routing = Scenario.load("three-body").routing
    found = {}
    for gsl_cost in (10, 35, 1000):
        changed = routing.model_copy(update={"isl_cost": 10, "gsl_cost": gsl_cost})
        found[gsl_cost] = hops(changed, "isl"), hops(changed, "gsl")
    assert found == {10: (1, 1), 35: (1, 4), 1000: (1, 16)}


def test_the_hold_time_of_bgp_is_three_seconds_or_more() -> None:
    """RFC 4271, section 4.2: zero or at least three."""
    node = Network.of(Scenario.load("three-body")).nodes[0]
    routing = Scenario.load("three-body").routing.model_copy(update={"dead_s": 2})
    assert " timers 1 3\n" in bgpd_conf(node, routing, FIRST_AS, frozenset())


def test_bfd_in_ospf_is_only_where_it_is_wanted() -> None:
    scenario = Scenario.load("three-body")
    node = Network.of(scenario).node("scs-01-a")
    without = ospfd_conf(node, scenario.routing)
    wanted = ospfd_conf(node, scenario.routing.model_copy(update={"bfd_ms": 100}))
    assert "bfd" not in without
    added = set(wanted.splitlines()) - set(without.splitlines())
    assert added == {" ip ospf bfd", " ip ospf bfd profile sky"}
    assert wanted.count(" ip ospf bfd\n") == len(node.ports)


def test_isisd_reads_how_often_it_may_speak_before_it_has_something_to_say() -> None:
    """``is-type`` has it renew its LSP, after its default of 30 s unless told otherwise before."""
    scenario = Scenario.load("three-body")
    lines = isisd_conf(Network.of(scenario).nodes[0], scenario.routing).splitlines()
    assert lines.index(" lsp-gen-interval 1") < lines.index(" is-type level-2-only")


@pytest.mark.parametrize(
    ("hello_s", "dead_s", "missed"), [(1, 4, 4), (3, 10, 4), (2, 3, 2), (1, 65535, 100)]
)
def test_the_dead_time_of_isis_is_counted_in_hellos(hello_s, dead_s, missed) -> None:
    routing = Scenario.load("three-body").routing
    assert hello_multiplier(routing.model_copy(update={"hello_s": hello_s, "dead_s": dead_s})) == (
        missed
    )


def test_bfd_that_daemons_refuse_is_refused() -> None:
    with pytest.raises(ValueError, match="bfd_ms must be 0"):
        Routing(bfd_ms=9)


def test_kernel_nexthop_objects_are_off() -> None:
    node = Network.of(Scenario.load("three-body")).nodes[0]
    assert "no zebra nexthop kernel enable" in zebra_conf(node)


def test_command_lines() -> None:
    zebra = command("zebra", "lm-abc-sat", Path("/x"))
    ospfd = command("ospfd", "lm-abc-sat", Path("/x"))
    assert "--v6-rr-semantics" in zebra
    for argv in (zebra, ospfd):
        assert argv[1:3] == ["-N", "lm-abc-sat"]
        assert "--limit-fds" in argv and "-u" not in argv and "-d" not in argv
        assert argv[argv.index("-P") + 1] == "0"
    assert zebra[zebra.index("-s") + 1] == "4194304" and "-s" not in ospfd
