"""What traffic came to: flows and what TCP said of them, as tables and as rows of the summary."""

import sqlite3
from collections.abc import Iterable
from typing import Any

_TABLES = """
CREATE TABLE tcp_flows (flow TEXT, a TEXT, b TEXT, congestion TEXT, bytes INTEGER, start_s REAL,
                        first_byte_s REAL, end_s REAL, retransmits INTEGER, outcome TEXT);
CREATE TABLE tcp (flow TEXT, t_s REAL, rtt_ms REAL, rttvar_ms REAL, cwnd INTEGER,
                  retransmits INTEGER, delivery_rate_bps INTEGER, bytes_acked INTEGER);
CREATE TABLE irtt (t_s REAL, a TEXT, b TEXT, seq INTEGER, rtt_ms REAL, there_ms REAL, back_ms REAL,
                   lost TEXT);
CREATE TABLE irtt_pairs (a TEXT, b TEXT, outcome TEXT);
CREATE TABLE iperf3_flows (flow TEXT, a TEXT, b TEXT, transport TEXT, congestion TEXT,
                           bytes INTEGER, start_s REAL, end_s REAL, goodput_bps INTEGER,
                           retransmits INTEGER, packets INTEGER, lost INTEGER, outcome TEXT);
CREATE TABLE iperf3 (flow TEXT, t_s REAL, interval_s REAL, bytes INTEGER, retransmits INTEGER,
                     cwnd_bytes INTEGER, rtt_ms REAL, packets INTEGER, lost INTEGER,
                     jitter_ms REAL);
"""


def write_tables(database: sqlite3.Connection, records: Iterable[dict[str, Any]]) -> None:
    """Create the tables of flows, samples, probes and readings from the workloads' findings."""
    database.executescript(_TABLES)
    for record in records:
        if "tcp_flow" in record:
            database.execute(
                "INSERT INTO tcp_flows VALUES (:tcp_flow, :a, :b, :congestion, :bytes, :start_s, "
                ":first_byte_s, :end_s, :retransmits, :outcome)",
                record,
            )
        elif "irtt" in record:
            database.execute(
                "INSERT INTO irtt VALUES "
                "(:t_s, :a, :b, :irtt, :rtt_ms, :there_ms, :back_ms, :lost)",
                record,
            )
        elif "irtt_pair" in record:
            database.execute("INSERT INTO irtt_pairs VALUES (:a, :b, :outcome)", record)
        elif "iperf3_flow" in record:
            database.execute(
                "INSERT INTO iperf3_flows VALUES (:iperf3_flow, :a, :b, :transport, :congestion, "
                ":bytes, :start_s, :end_s, :goodput_bps, :retransmits, :packets, :lost, "
                ":outcome)",
                record,
            )
        elif "iperf3" in record:
            database.execute(
                "INSERT INTO iperf3 VALUES (:iperf3, :t_s, :interval_s, :bytes, "
                ":retransmits, :cwnd_bytes, :rtt_ms, :packets, :lost, :jitter_ms)",
                record,
            )
        elif "tcp" in record:
            database.execute(
                "INSERT INTO tcp VALUES (:tcp, :t_s, :rtt_ms, :rttvar_ms, :cwnd, :retransmits, "
                ":delivery_rate_bps, :bytes_acked)",
                record,
            )


def tcp_rows(database: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return a row a flow: goodput from the first SYN to the last byte, and the span of TCP's RTT.

    The RTT is TCP's smoothed one (RFC 6298) as sampled. None where nothing arrived.
    """
    rows = []
    for flow, a, b, congestion, size, start_s, end_s, retransmits, outcome in database.execute(
        "SELECT flow, a, b, congestion, bytes, start_s, end_s, retransmits, outcome "
        "FROM tcp_flows ORDER BY rowid"
    ):
        # 0 before the handshake's own round trip is known.
        least_ms, most_ms = database.execute(
            "SELECT min(rtt_ms), max(rtt_ms) FROM tcp WHERE flow = ? AND rtt_ms > 0", (flow,)
        ).fetchone()
        rows.append(
            {
                "flow": flow,
                "a": a,
                "b": b,
                "congestion": congestion,
                "bytes": size,
                "start_s": start_s,
                "end_s": end_s,
                "goodput_bps": round(8 * size / (end_s - start_s)) if size else None,
                "retransmitted": retransmits,
                "min_rtt_ms": least_ms,
                "max_rtt_ms": most_ms,
                "outcome": outcome,
            }
        )
    return rows


def irtt_rows(database: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return a row a pair: how many probes were sent and lost, and the answered ones' round trips.

    All in milliseconds; None where nothing was answered.
    """
    found = database.execute(
        "SELECT a, b, count(t_s), count(t_s) - count(rtt_ms), min(rtt_ms), avg(rtt_ms), max(rtt_ms)"
        ", avg(there_ms), avg(back_ms), outcome FROM irtt_pairs LEFT JOIN irtt USING (a, b) "
        "GROUP BY a, b ORDER BY a, b"
    )
    keys = ("a", "b", "sent", "lost", "min_rtt_ms", "mean_rtt_ms", "max_rtt_ms")
    keys += ("mean_there_ms", "mean_back_ms", "outcome")
    return [dict(zip(keys, row, strict=True)) for row in found]


def iperf3_rows(database: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return a row a test: what arrived, and the span of the round trips that TCP told.

    The readings are those at the intervals' ends; None without any, as over UDP. Packets and losses
    are UDP's.
    """
    found = database.execute(
        "SELECT flow, a, b, transport, congestion, bytes, start_s, end_s, goodput_bps, "
        "retransmits, packets, lost, outcome FROM iperf3_flows ORDER BY rowid"
    )
    keys = [column[0] for column in found.description]
    rows = [dict(zip(keys, row, strict=True)) for row in found]
    for row in rows:
        row["retransmitted"] = row.pop("retransmits")
        row["min_rtt_ms"], row["max_rtt_ms"] = database.execute(
            "SELECT min(rtt_ms), max(rtt_ms) FROM iperf3 WHERE flow = ? AND rtt_ms > 0",
            (row["flow"],),
        ).fetchone()
    return rows


def told(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the flows of a summary alike, whoever measured them: tcp, then iperf3, then irtt.

    Each row has ``what``, ``a``, ``b``, ``bytes``, ``goodput_bps``, ``retransmitted``, ``packets``,
    ``lost``, ``min_rtt_ms``, ``max_rtt_ms`` and ``outcome``; None where that says nothing.
    """
    rows = []
    for kind in ("tcp", "iperf3", "irtt"):
        for row in summary.get(kind, ()):
            protocol = row.get("transport", "tcp").upper()
            how = " ".join(filter(None, [protocol, row.get("congestion")]))
            what = {"tcp": how, "iperf3": f"iperf3, {how}", "irtt": "irtt"}[kind]
            rows.append(
                {
                    **{key: row.get(key) for key in ("a", "b", "bytes", "goodput_bps", "lost")},
                    "retransmitted": row.get("retransmitted"),
                    "packets": row.get("sent" if kind == "irtt" else "packets"),
                    "min_rtt_ms": row["min_rtt_ms"],
                    "max_rtt_ms": row["max_rtt_ms"],
                    "outcome": row.get("outcome"),
                    "what": what,
                }
            )
    return rows
