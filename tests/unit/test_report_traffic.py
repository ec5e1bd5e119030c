"""What the report says of flows, and where it draws the handovers under them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from emulator.lab import traffic
from emulator.report.links import links
from emulator.report.record import RunRecord
from emulator.report.traffic import _courses, handovers
from tests.unit.test_report import ROWS, SIX, read, run_directory

FLOW = {"a": "w-01-01", "b": "w-01-02", "congestion": "bbr", "outcome": "finished"}
FLOW |= {"bytes": 4_000_000, "start_s": 1.0, "end_s": 9.0, "retransmits": 1234}
TCP = FLOW | {"tcp_flow": "0-0", "first_byte_s": 1.1}
SAMPLES = [
    {"tcp": "0-0", "t_s": 1.0 + n, "rtt_ms": 52.5 + n, "rttvar_ms": 0.1, "cwnd": 10 + n}
    | {"retransmits": 0, "delivery_rate_bps": 1, "bytes_acked": 500_000 * n}
    for n in range(9)
]
IPERF3 = FLOW | {"iperf3_flow": "1-0", "transport": "tcp", "goodput_bps": 5_678_000}
IPERF3 |= {"packets": None, "lost": None, "outcome": "broken: no <way>"}
READINGS = [
    {"iperf3": "1-0", "t_s": 2.0 + n, "interval_s": 2.0, "bytes": 10**6, "retransmits": 0}
    | {"cwnd_bytes": 14_480, "rtt_ms": 60.0, "packets": None, "lost": None, "jitter_ms": None}
    for n in range(3)
]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run directory with a flow of each kind and no image."""
    with closing(sqlite3.connect(":memory:")) as database:
        traffic.write_tables(database, [*SAMPLES, TCP, *READINGS, IPERF3])
        summary: dict[str, Any] = {"tcp": traffic.tcp_rows(database), "rtt": [], "offload": []}
        summary["iperf3"] = traffic.iperf3_rows(database)
        idle = {key: value for key, value in SIX.items() if key != "workload"}
        found = run_directory(tmp_path, idle, {**ROWS, "probes": []}, **summary)
        with closing(sqlite3.connect(found / "run.sqlite")) as target:
            target.executescript("\n".join(database.iterdump()))
    return found


def test_flows_have_a_row_each(run_dir: Path) -> None:
    page = read(run_dir)
    text = page.text
    assert "w-01-01 – w-01-02 TCP bbr 4 MB 4.000 1,234 – 52.500 to 60.500 finished" in text
    assert "iperf3, TCP bbr 4 MB 5.678 1,234 – 60.000 to 60.000 broken: no <way>" in text
    assert "<way>" not in page.source
    assert "2 flows ran meanwhile" in text and "nothing was measured" not in text
    assert page.source.count("congestion window of each TCP flow") == 1


def test_without_flows_there_is_no_section(tmp_path: Path) -> None:
    assert "Traffic" not in read(run_directory(tmp_path)).text


def test_a_flow_s_course_is_what_was_brought_between_samples(run_dir: Path) -> None:
    own, other = _courses(RunRecord.read(run_dir))
    assert own.t_s == tuple(1.0 + n for n in range(1, 9))
    assert own.goodput_mbps == pytest.approx([4.0] * 8) and own.window[0] == 11.0
    assert other.goodput_mbps == pytest.approx([4.0] * 3) and other.window == (10.0,) * 3


def test_handovers_are_those_of_either_end_within_the_flow(run_dir: Path) -> None:
    record = RunRecord.read(run_dir)
    flow = _courses(record)[0]
    planned, faults = handovers(flow, links(record))
    # the event log of the synthetic run has this very link down from 4 to 7 s
    assert faults == (4.0, 7.0)
    ends = [
        t_s
        for link in links(record)
        if {"w-01-01", "w-01-02"} & set(link.pair)
        for span in link.contacts
        for t_s in span
    ]
    assert planned == tuple(sorted({t for t in ends if 2.0 < t < 9.0} - {4.0, 7.0}))
