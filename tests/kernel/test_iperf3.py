"""iperf3 runs in the nodes, and ends where time is virtual; what it says is what theory says."""

import sqlite3
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from emulator import Emulation, Scenario
from emulator.bench.transfer import path_between
from emulator.errors import CapabilityError
from emulator.lab import traffic
from emulator.linkplan import LinkPlan
from emulator.units import FRAME_BYTES
from protocols.iperf3 import Iperf3
from protocols.transfer_time import Hop, expected_s
from tests.kernel.toys import VIRTUAL, walker

PAIR = ("toy-01-01", "toy-01-02")
FAULT_S, DURATION_S = 6.0, 16.0
TWO_PERCENT = 0.02
READ_BYTES = 128 << 10
"""What iperf3 reads at most at once, by default, of TCP."""
UDP_BYTES = 1448
"""What iperf3 puts into a datagram: what the control connection's segments hold."""
LOOK_S = 0.011
ACK_BYTES = 66
"""Ethernet, IPv4 and TCP headers with the timestamp option."""

pytestmark = pytest.mark.skipif(bool(Iperf3.program()), reason="iperf3 is not installed")
in_virtual_time = pytest.mark.skipif(
    not VIRTUAL, reason="in real time it is the machine that would be measured"
)


def flowing(*events: dict[str, Any], **work: Any) -> Scenario:
    """Six satellites in a ring, 10 Mbit/s; the first sends to the second, which is next to it."""
    table = walker(duration_s=DURATION_S, rate_scale=10_000.0).model_dump()
    table["routing"]["protocol"] = "static"
    table["workload"] = ({"kind": "iperf3", "pairs": (PAIR,), "start_s": 1.0, **work},)
    table["event"] = events
    return Scenario.from_table(table)


def played(scenario: Scenario) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Run it; return the summary's rows, a test each, and the readings of all."""
    with Emulation(scenario) as emulation:
        emulation.play()
    with closing(sqlite3.connect(":memory:")) as database:
        traffic.write_tables(database, emulation.records)
        rows = traffic.iperf3_rows(database)
    return rows, [each for each in emulation.records if "iperf3" in each]


def round_trip_ms(path: list[Hop]) -> float:
    """A full frame's way there and its acknowledgement's way back, nothing queued."""
    return 1e3 * sum(
        2 * hop.delay_s + hop.carries_s(FRAME_BYTES) + hop.returns_s(ACK_BYTES) for hop in path
    )


@in_virtual_time
@pytest.mark.parametrize("congestion", ["cubic", "bbr", "reno"])
def test_a_test_ends_and_fills_the_line(congestion: str) -> None:
    scenario = flowing(congestion=congestion, bytes=10**11, interval_s=0.5)
    [row], readings = played(scenario)
    path = path_between(LinkPlan.of(scenario), 0, 1)
    light_s = sum(hop.delay_s for hop in path)
    assert (row["outcome"], row["transport"]) == ("finished", "tcp")
    assert row["congestion"] == congestion and row["retransmitted"] == 0
    # iperf3 ends at the first read at or beyond what was asked
    assert 0 <= row["bytes"] - 10**7 < READ_BYTES
    # The receiver's clock: no header, no answer, no SYN, no first byte's own way.
    due_s = expected_s(row["bytes"], path) - 5 * light_s
    assert row["end_s"] - row["start_s"] == pytest.approx(due_s, rel=TWO_PERCENT)
    assert row["goodput_bps"] == pytest.approx(8 * row["bytes"] / due_s, rel=TWO_PERCENT)
    # TCP's handshake, parameters, the stream's handshake and its name's way
    assert row["start_s"] == pytest.approx(1.0 + 9 * light_s, abs=LOOK_S)
    assert row["min_rtt_ms"] == pytest.approx(round_trip_ms(path), rel=TWO_PERCENT)
    # the sender goes on until it hears of the end, and has a reading more
    assert sum(each["bytes"] or 0 for each in readings) == row["bytes"]


@in_virtual_time
def test_udp_arrives_at_its_rate_and_streams_run_side_by_side() -> None:
    scenario = flowing(udp_mbps=20_000, interval_s=0.5, duration_s=4.75, streams=2)
    rows, readings = played(scenario)
    light_s = sum(hop.delay_s for hop in path_between(LinkPlan.of(scenario), 0, 1))
    assert [row["flow"] for row in rows] == ["0-0", "0-1"]
    assert sum(each["bytes"] is not None for each in readings) == 2 * 10
    for row in rows:
        assert (row["outcome"], row["transport"], row["congestion"]) == ("finished", "udp", None)
        assert row["goodput_bps"] == pytest.approx(2e6, rel=TWO_PERCENT)
        assert row["lost"] == 0 and row["packets"] * UDP_BYTES == row["bytes"]
        # the receiver's clock begins when the sender's word has come
        assert row["end_s"] - row["start_s"] == pytest.approx(4.75 - light_s, abs=2 * LOOK_S)
        assert row["retransmitted"] is row["min_rtt_ms"] is None


@in_virtual_time
def test_a_handover_is_a_step_in_the_round_trip() -> None:
    scenario = flowing({"at_s": FAULT_S, "action": "link down", "target": PAIR})
    [row], readings = played(scenario)
    due_ms = round_trip_ms(path_between(LinkPlan.of(scenario), 0, 1))
    before_ms = [each["rtt_ms"] for each in readings if each["t_s"] < FAULT_S]
    assert median(before_ms) == pytest.approx(due_ms, rel=TWO_PERCENT)
    # the ring's other way, five links of the same length
    assert row["max_rtt_ms"] == pytest.approx(5 * due_ms, rel=TWO_PERCENT)
    assert row["retransmitted"] > 0 and row["outcome"] == "finished"
    light_s = sum(hop.delay_s for hop in path_between(LinkPlan.of(scenario), 0, 1))
    assert row["end_s"] == pytest.approx(DURATION_S - light_s, abs=2 * LOOK_S)


@in_virtual_time
def test_a_test_waits_for_light_and_is_cut_at_the_end() -> None:
    dark = {"at_s": 0.5, "action": "satellite down", "target": PAIR[1:], "for_s": 5.0}
    [row], readings = played(flowing(dark, bytes=10**13))
    assert 5.5 < row["start_s"] < 8.5 and row["outcome"] == "unfinished"
    assert DURATION_S - 0.5 < row["end_s"] < DURATION_S
    assert row["bytes"] == sum(each["bytes"] or 0 for each in readings) > 10**6


def test_what_is_missing_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(CapabilityError, match="'iperf3' cannot run here: iperf3 is not installed"),
        Emulation(flowing()),
    ):
        raise AssertionError("it started")
