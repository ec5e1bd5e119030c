"""TCP_INFO read, and what becomes of the findings of traffic."""

import json
import socket
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

from emulator.lab import traffic
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
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
        traffic.write_tables(database, records)
        [told] = traffic.irtt_rows(database)
    assert (told["sent"], told["lost"]) == (2, 1)
    assert told["min_rtt_ms"] == told["max_rtt_ms"] == 176.139328
