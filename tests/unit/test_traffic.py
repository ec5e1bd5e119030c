"""TCP_INFO read, and what becomes of the findings of traffic."""

import io
import json
import os
import socket
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from emulator import tables
from emulator.lab import traffic
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols.iperf3 import Iperf3, connected, intervals
from protocols.irtt import parse
from protocols.tcp import Sample, Tcp
from tests.unit.test_sizing import scenario


def test_a_sample_is_what_the_kernel_says_of_a_connection() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as sender,
        server.accept()[0] as receiver,
    ):
        sender.sendall(b"x" * 5000)
        receiver.sendall(b"y")
        assert sender.recv(1) == b"y"
        sample = Sample.of(sender)
    # the SYN counts as a byte (RFC 9293, section 3.4)
    assert sample.bytes_acked == 5001
    assert sample.cwnd >= 10 and sample.retransmits == 0
    assert 0 < sample.rtt_us < 1_000_000 and 0 < sample.rttvar_us < 1_000_000


def test_fields_stand_where_linux_puts_them() -> None:
    # Offsets of struct tcp_info, include/uapi/linux/tcp.h: 8 bytes, 24 words, 4 × u64, 6 words, u64
    raw = bytearray(192)
    for offset, kind, value in (
        *((8 + 4 * 15, "I", 1234), (8 + 4 * 16, "I", 56), (8 + 4 * 18, "I", 78)),
        *((8 + 4 * 23, "I", 9), (120, "Q", 10**12), (160, "Q", 125_000_000)),
    ):
        struct.pack_into(kind, raw, offset, value)
    assert Sample.parse(bytes(raw)) == Sample(1234, 56, 78, 9, 10**9, 10**12)


def flow(**changes: object) -> dict[str, object]:
    row = {"tcp_flow": "0-0", "a": "x", "b": "y", "congestion": "bbr", "bytes": 10**6}
    row |= {"start_s": 1.0, "first_byte_s": 1.2, "end_s": 3.0, "retransmits": 7}
    return row | {"outcome": "finished"} | changes


def sample(t_s: float, rtt_ms: float) -> dict[str, object]:
    row = {"tcp": "0-0", "t_s": t_s, "rtt_ms": rtt_ms, "rttvar_ms": 0.1, "cwnd": 10}
    return row | {"retransmits": 0, "delivery_rate_bps": 1, "bytes_acked": 1}


def test_a_flow_is_told_with_its_goodput_and_round_trips() -> None:
    nothing = flow(tcp_flow="0-1", bytes=0, start_s=None, end_s=None, outcome="unfinished")
    with closing(sqlite3.connect(":memory:")) as database:
        samples = [sample(1.0, 0.0), sample(1.1, 9.0), sample(1.2, 20.0)]
        traffic.write_tables(database, [*samples, flow(), nothing, {"probe": 1}])
        row, empty = traffic.tcp_rows(database)
        assert database.execute("SELECT count(*) FROM tcp").fetchone() == (3,)
    assert row["goodput_bps"] == 4_000_000 and row["retransmitted"] == 7
    assert (row["min_rtt_ms"], row["max_rtt_ms"]) == (9.0, 20.0)
    assert empty["goodput_bps"] is empty["min_rtt_ms"] is None
    assert empty["outcome"] == "unfinished"


def test_sizes_are_scaled_as_rates_are() -> None:
    work = {"kind": "tcp", "pairs": [["sat-01-01", "sat-02-01"]], "bytes": 10**9}
    spec: Scenario = scenario(100.0, 1500.0, scenario={"rate_scale": 1000.0}, workload=[work])
    assert Tcp(spec.workload[0], LinkPlan.of(spec)).size == 10**6


def test_irtt_s_own_json_is_read() -> None:
    """Written by IRTT 0.9.0 in a node, 88.07 ms from the other, where time is virtual."""
    found = json.loads((Path(__file__).parents[1] / "golden/irtt.json").read_text())
    first, second = parse(found, epoch_s=1767225601.0)
    assert first == {
        **{"irtt": 0, "t_s": 10.276411, "rtt_ms": 176.139328, "lost": "false"},
        **{"there_ms": 88.069664, "back_ms": 88.069664},
    }
    assert second["irtt"] == 1
    lost = found["round_trips"][1] | {"lost": "true_down", "delay": {}}
    [_, row] = parse({"round_trips": [found["round_trips"][0], lost]}, 1767225601.0)
    assert row["rtt_ms"] is None and row["lost"] == "true_down"
    with closing(sqlite3.connect(":memory:")) as database:
        records = [{"a": "x", "b": "y", **each} for each in (first, row)]
        records += [{"irtt_pair": 0, "a": "x", "b": b, "outcome": "finished"} for b in ("y", "z")]
        traffic.write_tables(database, records)
        told, silent = traffic.irtt_rows(database)
    assert (silent["b"], silent["sent"], silent["lost"]) == ("z", 0, 0)
    assert (told["sent"], told["lost"]) == (2, 1)
    assert told["min_rtt_ms"] == told["max_rtt_ms"] == 176.139328


def iperf3(**work: Any) -> Iperf3:
    work = {"kind": "iperf3", "pairs": [["sat-01-01", "sat-02-01"]], **work}
    found: Scenario = scenario(100.0, 1500.0, scenario={"rate_scale": 1000.0}, workload=[work])
    return Iperf3(found.workload[0], LinkPlan.of(found))


def ends(transport: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What iperf 3.12 wrote at both ends of 10 Mbit/s and 5 ms, where time is virtual."""
    found = json.loads((Path(__file__).parents[1] / "golden/iperf3.json").read_text())
    return found[transport]["sent"], found[transport]["received"]


def test_iperf3_s_own_json_is_read() -> None:
    sent, received = ends("tcp")
    rows = list(intervals(sent, received))
    assert len(rows) == 6
    assert rows[0] == {
        **{"at_s": 0.50005, "interval_s": 0.50005, "bytes": 595128, "retransmits": 0},
        **{"cwnd_bytes": 596576, "rtt_ms": 234.516, "packets": None, "lost": None},
        "jitter_ms": None,
    }
    told = received["end"]["sum_received"]
    flow = iperf3(congestion="reno").flow(sent, received)
    assert (flow["bytes"], flow["seconds"]) == (told["bytes"], told["end"])
    assert flow["goodput_bps"] == round(told["bits_per_second"])
    assert flow["retransmits"] == sent["end"]["sum_sent"]["retransmits"] == 0
    assert flow["congestion"] == sent["end"]["sender_tcp_congestion"] == "reno"


def test_iperf3_s_losses_of_udp_are_read() -> None:
    sent, received = ends("udp")
    received["end"]["sum_received"]["lost_packets"] = 3
    flow = iperf3(udp_mbps=5000).flow(sent, received)
    assert flow["bytes"] == received["end"]["sum_received"]["bytes"]
    assert (flow["packets"], flow["lost"]) == (received["end"]["sum_received"]["packets"], 3)
    assert (flow["transport"], flow["congestion"], flow["retransmits"]) == ("udp", None, None)
    # the sender went on for half a round trip more: what it sent then nobody has read
    assert list(intervals(sent, received))[-1]["bytes"] is None


def test_an_iperf3_that_wrote_nothing_brought_nothing() -> None:
    flow = iperf3().flow({}, {"error": "unable to connect"})
    assert (flow["bytes"], flow["goodput_bps"], flow["congestion"]) == (0, None, "cubic")


def test_iperf3_is_told_scaled_figures_and_the_receiver_is_its_client() -> None:
    by_bytes = iperf3(bytes=10**10).client("10.0.0.1", 5201, Path("x"), 10**8)
    assert "-R" in by_bytes and by_bytes[by_bytes.index("-n") + 1] == str(10**7)
    # full frames at line rate: 1448 of 1514 bytes are payload
    assert int(by_bytes[by_bytes.index("--fq-rate") + 1]) == pytest.approx(1e8 * 1448 / 1514)
    by_time = iperf3(duration_s=2.5, udp_mbps=4000).client("10.0.0.1", 5201, Path("x"), 1)
    assert "-t" in by_time and "-n" not in by_time
    assert by_time[by_time.index("-b") + 1] == str(4 * 10**6) and "-C" not in by_time
    fast = iperf3().client("10.0.0.1", 5201, Path("x"), 10**11)
    assert "--fq-rate" not in fast and fast[fast.index("-C") + 1] == "cubic"


def test_connections_at_a_port_are_counted() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        port = server.getsockname()[1]
        assert connected(os.getpid(), "tcp", port) == 1
        assert connected(os.getpid(), "tcp", client.getsockname()[1]) == 1
        assert connected(os.getpid(), "udp", port) == 0
    assert connected(2**22 + 1, "tcp", port) == 0


def test_all_flows_are_told_alike_on_a_terminal() -> None:
    sent, received = ends("udp")
    udp = {"iperf3_flow": "1-0", "a": "x", "b": "y", "start_s": 1.0, "end_s": 3.0}
    udp |= iperf3(udp_mbps=5000).flow(sent, received) | {"outcome": "finished"}
    probe = {"irtt": 0, "a": "x", "b": "z", "t_s": 1.0, "there_ms": None, "back_ms": None}
    probe |= {"rtt_ms": None, "lost": "true_down"}
    pair = {"irtt_pair": 0, "a": "x", "b": "z", "outcome": "finished"}
    with closing(sqlite3.connect(":memory:")) as database:
        traffic.write_tables(database, [sample(1.1, 9.0), flow(), udp, probe, pair])
        summary = {"tcp": traffic.tcp_rows(database), "irtt": traffic.irtt_rows(database)}
        summary["iperf3"] = traffic.iperf3_rows(database)
    rows = traffic.told(summary)
    assert [row["what"] for row in rows] == ["TCP bbr", "iperf3, UDP", "irtt"]
    assert [row["packets"] for row in rows] == [None, 863, 1]
    out = io.StringIO()
    tables.console(out).print(tables.traffic_table(rows))
    lines = out.getvalue().splitlines()
    assert lines[1].split() == ["x", "y", "TCP", "bbr", "4.000", "7", "9.0-9.0", "finished"]
    assert lines[2].split() == ["x", "y", "iperf3,", "UDP", "4.998", "0/863", "finished"]
    assert lines[3].split() == ["x", "z", "irtt", "1/1", "finished"]
