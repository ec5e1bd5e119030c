"""TCP's limits follow from the scenario's links: enough for the fastest over the longest path."""

import pytest

from emulator.needs import Needs
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sizing import (
    agents,
    flight_bytes,
    path_rtt_s,
    stored_mb,
    tcp_mb,
    tcp_memory_pages,
    tcp_sysctls,
)
from emulator.workloads import Area
from tests.unit.toys import walker_table

C_KM_S = 299_792.458
GIB = 1 << 30


def scenario(rate_gbps: float, range_km: float, walker: str = "0:2/2/0", **sections) -> Scenario:
    kind = {"rate_gbps": rate_gbps, "max_range_km": range_km}
    return Scenario.from_table(
        walker_table(walker, terminals={"laser": kind, "radio": kind}, **sections)
    )


def network(rate_gbps: float, range_km: float, walker: str = "0:2/2/0", **run: float) -> Network:
    return Network.of(scenario(rate_gbps, range_km, walker, scenario=run))


def maxima(net: Network) -> list[int]:
    return [int(value.split()[2]) for value in tcp_sysctls(net).values()]


def test_the_path_is_all_links_there_may_be_or_half_around_the_earth_or_one_long_link() -> None:
    # Two satellites have ten ports.
    assert path_rtt_s(network(1, 1500.0)) == pytest.approx(2 * 10 * 1500 / C_KM_S)
    assert path_rtt_s(network(1, 5000.0, "53:66/6/1")) == pytest.approx(2 * 30_000 / C_KM_S)
    assert path_rtt_s(network(1, 400_000.0)) == pytest.approx(2 * 400_000 / C_KM_S)


def test_buffers_hold_twice_the_bandwidth_delay_product_and_their_overhead() -> None:
    net = network(10.0, 1500.0)
    product = 10e9 / 8 * path_rtt_s(net)
    assert flight_bytes(net) == round(product)
    for most in maxima(net):
        assert most == pytest.approx(4 * product, rel=1e-6)
    assert tcp_sysctls(net)["ipv4/tcp_rmem"].split()[1] == str(maxima(net)[0])


def test_limits_grow_with_the_scaled_rate_and_stay_within_what_linux_takes() -> None:
    assert maxima(network(100.0, 1500.0, rate_scale=1000.0)) == [
        max(4 * flight_bytes(network(0.1, 1500.0)), floor) for floor in (6 << 20, 4 << 20)
    ]
    fastest = network(100_000.0, 1e6)
    assert flight_bytes(fastest) == GIB and maxima(fastest) == [2**31 - 1] * 2


def test_tcp_may_have_most_of_a_kernel_that_has_nothing_else_to_do() -> None:
    low, pressure, high = tcp_memory_pages(1_500_000)
    assert 0 < low < pressure < high < 1_500_000


def offloading(rate_scale: float, object_bytes: int) -> Scenario:
    station = {"name": "kiruna", "latitude_deg": 67.9, "longitude_deg": 21.1}
    station["computer"] = {"tops": 1.0}
    work = {
        "kind": "offload",
        "source": "sat-01-01",
        "object_bytes": object_bytes,
        "result_bytes": 1000,
        "operations": 1e12,
        "strategies": ["raw"],
    }
    return scenario(
        100.0,
        1500.0,
        scenario={"rate_scale": rate_scale},
        ground={"station": [{**station, "antennas": {"kind": "radio", "count": 1}}]},
        workload=[work],
    )


def test_memory_is_asked_for_what_workloads_may_have_in_flight() -> None:
    def mb(rate_scale: float, object_bytes: int) -> int:
        spec = offloading(rate_scale, object_bytes)
        return tcp_mb(spec, Network.of(spec))

    for rate_scale in (1.0, 1000.0):
        most = flight_bytes(Network.of(offloading(rate_scale, 1)))
        assert mb(rate_scale, 10**10) == round(2 * most / 1e6) > 0
    assert mb(1.0, 10**8) == 200, "a small object is in flight as a whole"


def test_a_run_asks_its_kernel_for_that_memory() -> None:
    true, scaled = (offloading(scale, 10**10) for scale in (1.0, 1e6))
    needs, small = (Needs.of(each, Network.of(each)) for each in (true, scaled))
    assert small.tcp_mb == 0
    assert needs.memory_mb - small.memory_mb == 2 * needs.tcp_mb > 2000


def test_a_store_is_reckoned_by_what_images_there_will_be() -> None:
    def mb(*strategies: str, **keys: object) -> int:
        spec = offloading(1000.0, 10**9)
        work = spec.workload[0].model_copy(update={"strategies": strategies, **keys})
        return stored_mb(spec.model_copy(update={"workload": (work,)}))

    assert mb("raw", "onboard", "split", "onboard-laser") == 0, "what is not sent is made anew"
    assert mb("raw", "laser") == 1 and mb("laser", "neighbour") == 2
    span_s = offloading(1.0, 1).scenario.duration_s
    assert mb("laser", every_s=span_s / 9.5) == 10
    half = Area(latitude_deg=(0.0, 90.0))
    assert half.share == pytest.approx(0.5)
    assert Area(latitude_deg=(-30.0, 30.0), longitude_deg=(170.0, -10.0)).share == pytest.approx(
        0.25
    )
    assert Area(centre_deg=(0.0, 0.0), radius_km=6371.0088 * 3.14159265 / 2).share == pytest.approx(
        0.5
    )
    assert mb("laser", over=(half,), cadence_s=span_s / 20) == 20


def test_agents_are_where_something_may_come_by() -> None:
    def count(*strategies: str) -> int:
        spec = offloading(1000.0, 10**9)
        work = spec.workload[0].model_copy(update={"strategies": strategies})
        return agents(spec.model_copy(update={"workload": (work,)}))

    # Two satellites and a station; an image of one of the two.
    assert count("raw", "onboard") == 2 and count("raw", "laser") == 3
    assert agents(scenario(1.0, 100.0)) == 0
