"""Where a protocol routes IPv6, probes and flows go by it: no kernel has another route then."""

from statistics import median

import pytest

from emulator import Emulation, Scenario
from emulator.bench.transfer import path_between
from emulator.units import FRAME_BYTES
from protocols.bird_ospf6 import BirdOspf6
from protocols.iperf3 import Iperf3
from protocols.irtt import Irtt
from protocols.ping import WIRE_BYTES
from tests.kernel.toys import TOLERANCE_S, VIRTUAL, walker

pytestmark = [
    pytest.mark.skipif(bool(BirdOspf6.missing()), reason=BirdOspf6.missing() or "it is here"),
    pytest.mark.skipif(not VIRTUAL, reason="in real time it is the machine that would be measured"),
]

PAIR = ("toy-01-01", "toy-01-03")
"""Two hops apart on the ring, so that routes are needed."""
IRTT_BYTES = 14 + 40 + 8 + 100
ACK_BYTES = 86
"""Ethernet, IPv6 and TCP headers with the timestamp option."""
DURATION_S = 12.0


def played(*workloads: dict) -> Emulation:
    """Six satellites in a ring under OSPFv3, after the run."""
    table = walker(duration_s=DURATION_S, rate_scale=10_000.0).model_dump()
    table["routing"]["protocol"] = "bird-ospf6"
    table["workload"] = workloads
    with Emulation(Scenario.from_table(table)) as emulation:
        assert not any(handle.routes(4) for handle in emulation.nodes.values())
        emulation.play()
    return emulation


def test_probes_and_a_flow_take_the_time_that_their_headers_say() -> None:
    emulation = played(
        {"kind": "ping", "interval_s": 0.5, "pairs": (PAIR,)},
        {"kind": "tcp", "pairs": (PAIR,), "start_s": 6.0, "bytes": 10**10},
    )
    path, rows = path_between(emulation.plan, 0, 2), emulation.records
    assert len(path) == 2
    trips_ms = [row["rtt_ms"] for row in rows if "probe" in row and row["t_s"] < 5.0]
    assert len(trips_ms) == 10
    due_ms = 1e3 * sum(2 * hop.delay_s + 2 * hop.carries_s(WIRE_BYTES[6]) for hop in path)
    assert trips_ms == pytest.approx([due_ms] * 10, abs=1e3 * TOLERANCE_S * len(path))
    [flow] = [row for row in rows if "tcp_flow" in row]
    assert (flow["outcome"], flow["bytes"], flow["retransmits"]) == ("finished", 10**6, 0)
    due_ms = 1e3 * sum(
        2 * hop.delay_s + hop.carries_s(FRAME_BYTES) + hop.returns_s(ACK_BYTES) for hop in path
    )
    trips_ms = [row["rtt_ms"] for row in rows if "tcp" in row and row["bytes_acked"] > 10**5]
    assert median(trips_ms) == pytest.approx(due_ms, rel=0.02)


@pytest.mark.parametrize("work", [{"bytes": 10**10}, {"udp_mbps": 5000.0, "duration_s": 3}])
def test_iperf3_goes_by_it(work: dict) -> None:
    if lacking := Iperf3.program():
        pytest.skip(lacking)
    emulation = played({"kind": "iperf3", "pairs": (PAIR,), "start_s": 1.0, **work})
    [flow] = [row for row in emulation.records if "iperf3_flow" in row]
    assert flow["outcome"] == "finished" and flow["start_s"] is not None
    if "bytes" in work:
        assert flow["bytes"] >= 10**6 and flow["retransmits"] == 0
    else:
        assert flow["lost"] == 0 and flow["goodput_bps"] == pytest.approx(5e5, rel=0.02)


def test_irtt_goes_by_it() -> None:
    work = {"kind": "irtt", "pairs": (PAIR,), "start_s": 1.0, "duration_s": 3.0}
    if lacking := Irtt.missing():
        pytest.skip(lacking)
    emulation = played({**work, "length_bytes": 100})
    path = path_between(emulation.plan, 0, 2)
    due_ms = 1e3 * sum(hop.delay_s + hop.carries_s(IRTT_BYTES) for hop in path)
    rows = [row for row in emulation.records if "irtt" in row]
    assert len(rows) == 30
    for row in rows:
        assert row["there_ms"] == pytest.approx(due_ms, abs=1e3 * TOLERANCE_S * len(path))
