"""What became of bundles, as table and sums: each is delivered, stored somewhere, or expired."""

import sqlite3
from collections.abc import Iterable
from typing import Any

import numpy as np

_TABLE = """
CREATE TABLE bundles (workload INTEGER, bundle TEXT, t_s REAL, node TEXT, what TEXT, peer TEXT,
                      bytes INTEGER, latency_s REAL, sha256 TEXT, verified INTEGER, why TEXT);
"""
FATES = ("delivered", "stored", "expired", "dropped")
"""What a bundle may come to, the first that holds of it: copies may have come to less."""
_COLUMNS = ("workload", "bundle", "t_s", "node", "what", "peer", "bytes", "latency_s", "sha256")


def write_table(database: sqlite3.Connection, records: Iterable[dict[str, Any]]) -> None:
    """Create the table ``bundles`` from what the nodes have told, by time.

    ``what``: created, received, forwarded (to ``peer``), delivered, again (a copy of what was
    delivered), expired, dropped or refused (``why``), stored (at the end), reported (to here, by
    ``peer``; ``why`` is what).
    """
    database.executescript(_TABLE)
    columns = (*_COLUMNS, "verified", "why")
    told = sorted((each for each in records if "bundle" in each), key=lambda each: each["t_s"])
    rows = (tuple(each.get(column) for column in columns) for each in told)
    database.executemany(f"INSERT INTO bundles VALUES ({', '.join('?' * len(columns))})", rows)


def bundle_rows(database: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return a row a workload: how many bundles came to what, and how long delivery took, seconds.

    ``lost`` counts those of which nothing more is known: with an acknowledged convergence layer
    there are none. ``verified``: whether all payloads that arrived were those that were sent.
    """
    numbers = database.execute("SELECT DISTINCT workload FROM bundles ORDER BY workload")
    return [_row(database, number) for (number,) in numbers.fetchall()]


def _row(database: sqlite3.Connection, workload: int) -> dict[str, Any]:
    fates: dict[str, set[str]] = {}
    for bundle, what in database.execute(
        "SELECT bundle, what FROM bundles WHERE workload = ?", (workload,)
    ):
        fates.setdefault(what, set()).add(bundle)
    left = set(fates.get("created", ()))
    created, counts = len(left), {}
    for fate in FATES:
        counts[fate] = len(left & fates.get(fate, set()))
        left -= fates.get(fate, set())
    arrived = database.execute(
        "SELECT latency_s, verified FROM bundles WHERE workload = ? AND what = 'delivered' "
        "AND bundle IN (SELECT bundle FROM bundles WHERE what = 'created')",
        (workload,),
    ).fetchall()
    hops, again = (
        database.execute(
            "SELECT count(*) FROM bundles WHERE workload = ? AND what = ?", (workload, what)
        ).fetchone()[0]
        for what in ("forwarded", "again")
    )
    latency_s = [row[0] for row in arrived]
    figures = (np.mean(latency_s), *np.percentile(latency_s, (50, 95))) if latency_s else ()
    named = zip(("mean_s", "p50_s", "p95_s"), figures, strict=bool(figures))
    return {
        "workload": workload,
        "created": created,
        **counts,
        "lost": len(left),
        "ratio": round(counts["delivered"] / created, 6) if created else None,
        **dict.fromkeys(("mean_s", "p50_s", "p95_s")),
        **{name: round(float(value), 6) for name, value in named},
        "forwarded": hops,
        "again": again,
        "verified": all(row[1] for row in arrived) if arrived else None,
    }
