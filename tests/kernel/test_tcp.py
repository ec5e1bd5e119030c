"""TCP flows as a workload: what theory says of goodput and round trips, over a handover too."""

import sqlite3
from contextlib import closing
from itertools import pairwise
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
from protocols.tcp import Tcp, lacks
from protocols.transfer_time import Hop, expected_s
from tests.kernel.toys import VIRTUAL, walker

FAULT_S, DURATION_S = 6.0, 20.0
PAIR = ("toy-01-01", "toy-01-02")
TWO_PERCENT = 0.02
ACK_BYTES = 66
"""Ethernet, IPv4 and TCP headers with the timestamp option."""


def flowing(faults: bool, **work: Any) -> Scenario:
    """Six satellites in a ring, 10 Mbit/s; the first sends to the second, which is next to it."""
    table = walker(duration_s=DURATION_S, rate_scale=10_000.0).model_dump()
    table["routing"]["protocol"] = "static"
    table["workload"] = ({"kind": "tcp", "pairs": (PAIR,), **work},)
    if faults:
        table["event"] = ({"at_s": FAULT_S, "action": "link down", "target": PAIR},)
    return Scenario.from_table(table)


def played(scenario: Scenario) -> tuple[dict[str, Any], list[tuple[float, float]]]:
    """Run it; return the summary's row of its only flow, and its samples (t_s, rtt_ms)."""
    with Emulation(scenario) as emulation:
        emulation.play()
    with closing(sqlite3.connect(":memory:")) as database:
        traffic.write_tables(database, emulation.records)
        [row] = traffic.tcp_rows(database)
        return row, database.execute("SELECT t_s, rtt_ms FROM tcp ORDER BY t_s").fetchall()


def round_trip_ms(path: list[Hop]) -> float:
    """A full frame's way there and its acknowledgement's way back, nothing queued."""
    return 1e3 * sum(
        2 * hop.delay_s + hop.carries_s(FRAME_BYTES) + hop.returns_s(ACK_BYTES) for hop in path
    )


@pytest.mark.skipif(not VIRTUAL, reason="in real time it is the machine that would be measured")
def test_an_undisturbed_flow_brings_what_theory_says() -> None:
    scenario = flowing(faults=False, bytes=10**11, start_s=1.0, congestion="cubic")
    row, samples = played(scenario)
    plan = LinkPlan.of(scenario)
    path = path_between(plan, 0, 1)
    # no header and no answer as objects have: one round trip less
    due_s = expected_s(10**7, path) - 2 * sum(hop.delay_s for hop in path)
    assert row["outcome"] == "finished" and row["bytes"] == 10**7
    assert row["goodput_bps"] == pytest.approx(8 * 10**7 / due_s, rel=TWO_PERCENT)
    assert row["start_s"] == pytest.approx(1.0, abs=1e-3) and row["retransmitted"] == 0
    # ten samples a second from the first to the last acknowledgement, and one at its end
    assert len(samples) == pytest.approx(10 * (row["end_s"] - 1.0), abs=4)
    assert row["min_rtt_ms"] == pytest.approx(round_trip_ms(path), rel=TWO_PERCENT)


@pytest.mark.skipif(not VIRTUAL, reason="in real time it is the machine that would be measured")
@pytest.mark.parametrize("congestion", ["cubic", "bbr", "reno"])
def test_a_handover_is_a_step_in_the_round_trip(congestion: str) -> None:
    scenario = flowing(faults=True, congestion=congestion)
    row, samples = played(scenario)
    ring = LinkPlan.of(scenario)
    short = path_between(ring, 0, 1)
    before_ms = [rtt_ms for t_s, rtt_ms in samples if 2.0 < t_s < FAULT_S]
    after_ms = [rtt_ms for t_s, rtt_ms in samples if t_s > DURATION_S - 5.0]
    assert median(before_ms) == pytest.approx(round_trip_ms(short), rel=TWO_PERCENT)
    # the ring's other way, five links of the same length
    assert median(after_ms) == pytest.approx(5 * round_trip_ms(short), rel=TWO_PERCENT)
    assert row["congestion"] == congestion and row["retransmitted"] > 0
    assert row["max_rtt_ms"] > 4 * row["min_rtt_ms"]


def test_this_kernel_has_what_the_machine_has() -> None:
    known = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    for word in ("cubic", "reno", *(("bbr",) if VIRTUAL else ())):
        assert word in known and lacks(word) == ""
    assert "no 'vegas'" in lacks("vegas") or "vegas" in known


def test_what_is_missing_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tcp, "missing", lambda self: "the moon is in the way")
    with (
        pytest.raises(CapabilityError, match="'tcp' cannot run here: the moon"),
        Emulation(flowing(faults=False)),
    ):
        raise AssertionError("it started")


TWO_FRAMES_MS = 2 * 1e3 * 8 * FRAME_BYTES / 1e7
"""Linux paces two segments at a time and acknowledges every second: one waits for the other."""
DARK_S, LIT_S = 9.0, 10.0
PAUSE_S = 2 * (LIT_S - DARK_S) + 0.4
"""TCP doubles its timer (RFC 6298, 5.5): at most twice the darkness, the first timeout, 0.2 s
and a round trip at least (Linux), and another round trip."""


def repatched() -> Scenario:
    """Sixteen satellites in a ring over a station with one antenna, which changes over once.

    The sender is a satellite further along: it is the far end whose port gets another peer.
    """
    table = walker(16, duration_s=DURATION_S, rate_scale=10_000.0).model_dump()
    antenna = {"kind": "radio", "count": 1}
    table["terminals"]["radio"] = {"rate_gbps": 100.0, "max_range_km": 5000.0}
    table["constellation"][0].update(altitude_km=1200.0, gsl=antenna)
    below = {"name": "below", "latitude_deg": 0.0, "longitude_deg": 61.75, "antennas": antenna}
    table["ground"] = {"station": (below,)}
    table["routing"]["protocol"] = "static"
    flow = {"pairs": (("toy-01-06", "below"),), "start_s": 1.0, "duration_s": 16.0}
    table["workload"] = ({"kind": "tcp", **flow},)
    return Scenario.from_table(table)


def peers(plan: LinkPlan, port: int) -> list[str]:
    """Who is at the other end of a port's link at each step, '' in the dark."""
    ends = (int(state["peer"][port]) for state in plan)
    return [plan.network.port_label(end) if end >= 0 else "" for end in ends]


@pytest.mark.skipif(not VIRTUAL, reason="in real time it is the machine that would be measured")
def test_a_flow_outlives_a_port_that_gets_another_peer() -> None:
    scenario = repatched()
    plan = LinkPlan.of(scenario)
    sender, below = (plan.network.node(name) for name in ("toy-01-06", "below"))
    told = ["toy-01-09:gsl0"] * 9 + [""] + ["toy-01-08:gsl0"] * 10
    assert peers(plan, below.ports[0].index) == told
    with Emulation(scenario) as emulation:
        emulation.play()
    *samples, flow = emulation.records
    assert flow["outcome"] == "finished"
    # every byte once, and SYN and FIN count as one each (RFC 9293, 3.4)
    assert samples[-1]["bytes_acked"] == flow["bytes"] + 2
    assert all(0.05 < y["t_s"] - x["t_s"] < 0.15 for x, y in pairwise(samples))

    round_trip_s = samples[50]["rtt_ms"] / 1e3
    dark = [s for s in samples if DARK_S + round_trip_s < s["t_s"] < LIT_S]
    assert len(dark) >= 8 and len({s["bytes_acked"] for s in dark}) == 1
    resumed = next(s for s in samples if s["bytes_acked"] > dark[0]["bytes_acked"])
    assert LIT_S < resumed["t_s"] < DARK_S + PAUSE_S
    lost = [s["retransmits"] for s in samples]
    assert lost[samples.index(dark[0])] == 0 < lost[-1]

    early, late = (2.0, DARK_S), (LIT_S + PAUSE_S, DURATION_S)
    for (first_s, last_s), step in ((early, 5), (late, 15)):
        rtt_ms = median(s["rtt_ms"] for s in samples if first_s < s["t_s"] < last_s)
        path = path_between(plan, sender.index, below.index, step)
        assert rtt_ms == pytest.approx(round_trip_ms(path), abs=TWO_FRAMES_MS)
    assert samples[-1]["rtt_ms"] < 0.8 * dark[0]["rtt_ms"]
