"""A run's tables → what its routing cost: control traffic, memory, processor time, lost packets.

All of it while the run played: what was sent before second 0 is left out. A direction of a link
is a port that sends; how long it had light is the plan's to say, whatever routing made of it, so
that protocols under one sky are divided by the same.
"""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass

DATA = "data"
"""What the table ``control`` calls everything that is no routing protocol's."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one direction of a link carried, each second that it had light."""

    packets_s: float
    bytes_s: float
    """Of frames."""


SILENT = Rate(0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What routing cost in one run."""

    control: dict[str, Rate]
    """By protocol, the mean over all directions of links; only those that sent something."""
    memory_mb: dict[str, float]
    """Resident memory of each daemon by its name: its greatest, mean over nodes."""
    forked: bool
    """Whether there are processes forked from the emulator's, whose memory cannot be told."""
    cpu_percent: float | None
    """Share of one core that a node's daemons took, mean over nodes; None in virtual time."""
    queue_drops: int
    """Packets that found a queue full: at most so many (:func:`lost_packets`)."""
    other_drops: int
    """Packets lost by chance, in fades and in the dark."""

    @property
    def total(self) -> Rate:
        """Control traffic of all protocols together."""
        rates = self.control.values()
        return Rate(sum(each.packets_s for each in rates), sum(each.bytes_s for each in rates))

    @property
    def node_mb(self) -> float | None:
        """Memory of all daemons of a node; None where there are none."""
        return sum(self.memory_mb.values()) if self.memory_mb else None


def read(database: sqlite3.Connection) -> Spent | None:
    """Read run.sqlite; None where nothing was counted."""
    if not database.execute("SELECT EXISTS (SELECT 1 FROM drops)").fetchone()[0]:
        return None
    queue, other = lost_packets(database)
    (forked,) = database.execute("SELECT max(rss_kb IS NULL) FROM daemons").fetchone()
    return Spent(
        control=control(database),
        memory_mb=memory_mb(database),
        forked=forked == 1,
        cpu_percent=cpu_percent(database),
        queue_drops=queue,
        other_drops=other,
    )


def sent(database: sqlite3.Connection) -> dict[str, dict[str, tuple[int, int]]]:
    """Return (packets, bytes) that ports sent from second 0 on, by protocol and port."""
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for protocol, port, packets, octets in database.execute(
        f"SELECT protocol, port, {_since_start('packets')}, {_since_start('bytes')} "
        "FROM control GROUP BY protocol, port ORDER BY protocol, port"
    ):
        found[protocol][port] = packets, octets
    return dict(found)


def lit_s(database: sqlite3.Connection) -> float:
    """Return how long directions of links had light by the plan, added up over all."""
    (total,) = database.execute("SELECT 2 * sum(end_s - start_s) FROM contacts").fetchone()
    return total or 0.0


def control(database: sqlite3.Connection) -> dict[str, Rate]:
    """Return the rate of each protocol that sent anything, data apart."""
    spoken = {protocol: rows for protocol, rows in sent(database).items() if protocol != DATA}
    total_s = lit_s(database) if spoken else 0.0
    rates = {}
    for protocol, by_port in spoken.items():
        packets, octets = (sum(column) for column in zip(*by_port.values(), strict=True))
        if packets and total_s:
            rates[protocol] = Rate(packets / total_s, octets / total_s)
    return rates


def control_rates(
    database: sqlite3.Connection, duration_s: float
) -> dict[str, dict[str, dict[str, float]]]:
    """Return packets and bytes a second of each routing protocol, as summary.json has them.

    ``mean``: of all directions of links, each second that they had light. ``max``: of the port
    that sent the most, over the whole run.
    """
    found: dict[str, dict[str, dict[str, float]]] = {"bytes_s": {}, "packets_s": {}}
    by_port = sent(database)
    for protocol, rate in control(database).items():
        packets, octets = zip(*by_port[protocol].values(), strict=True)
        for name, mean, most in (
            ("packets_s", rate.packets_s, max(packets)),
            ("bytes_s", rate.bytes_s, max(octets)),
        ):
            found[name][protocol] = {"mean": round(mean, 3), "max": round(most / duration_s, 3)}
    return found


def memory_mb(database: sqlite3.Connection) -> dict[str, float]:
    """Return the greatest resident memory of each daemon, mean over the nodes that had it."""
    rows = database.execute(
        "SELECT daemon, avg(rss_kb) FROM (SELECT daemon, node, max(rss_kb) AS rss_kb FROM daemons "
        "WHERE rss_kb IS NOT NULL GROUP BY daemon, node) GROUP BY daemon ORDER BY daemon"
    )
    return {daemon: rss_kb * 1024 / 1e6 for daemon, rss_kb in rows}


def cpu_percent(database: sqlite3.Connection) -> float | None:
    """Return the share of one core that the daemons of a node took while the run played.

    None in virtual time: computing takes none of it, so no process has a time of its own there.
    """
    spent_s, nodes, until_s = database.execute(
        f"SELECT sum(spent_s), count(DISTINCT node), max(t_s) FROM (SELECT node, max(t_s) AS t_s, "
        f"{_since_start('cpu_s')} AS spent_s FROM daemons GROUP BY node, daemon)"
    ).fetchone()
    return None if spent_s is None or not until_s else 100 * spent_s / nodes / until_s


def lost_packets(database: sqlite3.Connection) -> tuple[int, int]:
    """Return packets that found a queue full, and that were lost otherwise.

    A channel counts as dropped what chance took and what found its queue full; the sender's side
    counts as refused what found the queue full and what went into the dark. So of each channel no
    more than the lesser of the two can be the queue's: exact for links that lose nothing by
    chance, and for those whose ports are silent without light.
    """
    dropped, refused = {}, {}
    for port, by_channel, by_sender in database.execute(
        f"SELECT port, {_since_start('dropped')}, {_since_start('refused')} FROM drops "
        "GROUP BY port ORDER BY port"
    ):
        dropped[port], refused[port] = by_channel, by_sender
    senders = defaultdict(set)
    for a, b in database.execute("SELECT DISTINCT a, b FROM contacts"):
        senders[a].add(b)
        senders[b].add(a)
    queue = sum(
        min(count, sum(refused.get(each, 0) for each in senders[port]))
        for port, count in dropped.items()
    )
    # Each drop of a queue stands in both columns.
    return queue, max(0, sum(dropped.values()) + sum(refused.values()) - 2 * queue)


def _since_start(column: str) -> str:
    """SQL for how much a cumulative ``column`` of a group has grown since second 0."""
    return f"max({column}) - coalesce(max(CASE WHEN t_s <= 0 THEN {column} END), 0)"
