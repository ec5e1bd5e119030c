"""What a run needs is known beforehand, and what cannot fit is refused with its reason."""

import pytest

from emulator.errors import CapabilityError
from emulator.needs import Needs, available_mb, process_limit, tcp_allowed_mb
from emulator.network import Network
from emulator.scenario import Scenario
from tests.unit.toys import walker_table


def needs(walker: str, routing: str) -> Needs:
    table = walker_table(walker, routing={"protocol": routing})
    scenario = Scenario.from_table(table)
    return Needs.of(scenario, Network.of(scenario))


def test_daemons_are_counted_by_node() -> None:
    few, many = (needs(f"53:{total}/6/1", "frr-ospf") for total in (12, 66))
    assert many.processes - few.processes == 2 * (66 - 12)
    assert needs("53:66/6/1", "bird-ospf").processes - needs("53:66/6/1", "static").processes == 66


def test_programs_of_workloads_are_counted_by_pair_and_stream() -> None:
    pairs = [["sat-01-01", "sat-01-02"], ["sat-02-01", "sat-02-02"]]
    found = []
    for more in ({"kind": "tcp"}, {"kind": "irtt"}, {"kind": "iperf3", "streams": 3}):
        table = walker_table("53:12/6/1", workload=[{"pairs": pairs, **more}])
        scenario = Scenario.from_table(table)
        found.append(Needs.of(scenario, Network.of(scenario)).processes)
    assert [each - found[0] for each in found] == [0, 2 * 2, 2 * 2 * 3]


def test_memory_grows_faster_than_the_nodes_for_routes_grow_with_their_square() -> None:
    small, large = (needs(f"53:{total}/6/1", "bird-ospf").memory_mb for total in (120, 1200))
    fixed = needs("53:12/6/1", "bird-ospf").memory_mb
    assert large - fixed > 10 * (small - fixed) > 0


def test_what_fits_is_let_through_and_what_does_not_is_refused() -> None:
    Needs(memory_mb=1, processes=1).check(in_user_mode=True)
    with pytest.raises(CapabilityError, match=r"may need .* MB of memory; .* MB are free"):
        Needs(available_mb() + 1000, 1).check(in_user_mode=True)
    Needs(available_mb() + 1000, 1).check(in_user_mode=False)
    limit, name = process_limit()
    with pytest.raises(CapabilityError, match=name):
        Needs(1, limit + 1).check(in_user_mode=False)


def test_a_host_that_keeps_tcp_short_is_refused_and_told_what_to_set() -> None:
    allowed_mb = tcp_allowed_mb()
    Needs(1, 1, tcp_mb=allowed_mb).check(in_user_mode=False)
    with pytest.raises(CapabilityError, match=r"in flight.*sysctl net\.ipv4\.tcp_mem="):
        Needs(1, 1, tcp_mb=allowed_mb + 1).check(in_user_mode=False)
    Needs(1, 1, tcp_mb=allowed_mb + 1).check(in_user_mode=True)
