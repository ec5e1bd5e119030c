"""What FRR is given, as golden text; traps of FRR 8.4 are avoided in the text itself."""

from pathlib import Path

from emulator.network import Network
from emulator.scenario import Scenario
from protocols.frr import command, zebra_conf
from protocols.frr_ospf import ospfd_conf

GOLDEN = Path(__file__).parents[1] / "golden"


def test_satellite_and_station_configurations_are_golden() -> None:
    scenario = Scenario.load("three-body")
    network = Network.of(scenario)
    for name in ("scs-01-a", "miyun"):
        node = network.node(name)
        text = f"! zebra\n{zebra_conf(node)}! ospfd\n{ospfd_conf(node, scenario.routing)}"
        assert text == (GOLDEN / f"frr-{name}.conf").read_text()


def test_kernel_nexthop_objects_are_off() -> None:
    node = Network.of(Scenario.load("three-body")).nodes[0]
    assert "no zebra nexthop kernel enable" in zebra_conf(node)


def test_command_lines() -> None:
    zebra = command("zebra", "lm-abc-sat", Path("/x"))
    ospfd = command("ospfd", "lm-abc-sat", Path("/x"))
    for argv in (zebra, ospfd):
        assert argv[1:3] == ["-N", "lm-abc-sat"]
        assert "--limit-fds" in argv and "-u" not in argv and "-d" not in argv
        assert argv[argv.index("-P") + 1] == "0"
    assert zebra[zebra.index("-s") + 1] == "4194304" and "-s" not in ospfd
