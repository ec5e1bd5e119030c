"""Readings of counters: what is written down of them, and the rates that come of it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from emulator.kernel.counters import CLASSES, Counts
from emulator.lab import costs, spent
from emulator.lab.costs import Costs, usage, write_tables
from emulator.lab.spent import Rate, control_rates

PORTS = ["a:isl0", "b:isl0", "c:isl0"]
OSPF, BFD, DATA = CLASSES.index("ospf"), CLASSES.index("bfd"), len(CLASSES)
NOTHING = np.zeros(3, dtype=np.int64)


class Readings:
    """Hands out what it was given, one after the other."""

    def __init__(self, *octets: dict[tuple[int, int], int]) -> None:
        self.left = list(octets)

    def read(self) -> Counts:
        table = np.zeros((3, len(CLASSES) + 1), dtype=np.int64)
        for where, value in self.left.pop(0).items():
            table[where] = value
        dropped = NOTHING.copy()
        dropped[1] = table[0, DATA] // 100
        return Counts(table // 10, table, NOTHING, dropped, NOTHING)


def contacts(database: sqlite3.Connection, *rows: tuple[str, str, float, float]) -> None:
    """What a plan says of links: two ports, from when until when."""
    database.execute("CREATE TABLE contacts (a TEXT, b TEXT, start_s REAL, end_s REAL, ended TEXT)")
    database.executemany("INSERT INTO contacts VALUES (?, ?, ?, ?, 'end')", rows)


@pytest.fixture
def database(tmp_path: Path):
    """Three readings, at 0, 10 and 20 seconds, brought into tables."""
    readings = Readings(
        {(0, OSPF): 1000, (1, OSPF): 500},
        {(0, OSPF): 1400, (1, OSPF): 500, (0, DATA): 3000},
        {(0, OSPF): 1400, (1, OSPF): 1300, (0, DATA): 3000, (1, BFD): 200},
    )
    reader = Costs(readings, PORTS, tmp_path / costs.FILE, virtual=True)
    for t_s in (0.0, 10.0, 20.0):
        reader.read(t_s, {("a", "us"): os.getpid()})
    with closing(sqlite3.connect(":memory:")) as database:
        write_tables(database, tmp_path)
        contacts(database, ("a:isl0", "b:isl0", 0.0, 20.0), ("b:isl0", "c:isl0", 5.0, 15.0))
        yield database
    assert not (tmp_path / costs.FILE).exists()


def test_what_changed_is_written_cumulatively(database) -> None:
    rows = database.execute("SELECT * FROM control ORDER BY t_s, port, protocol").fetchall()
    assert rows == [
        (0.0, "a:isl0", "ospf", 100, 1000),
        (0.0, "b:isl0", "ospf", 50, 500),
        (10.0, "a:isl0", "data", 300, 3000),
        (10.0, "a:isl0", "ospf", 140, 1400),
        (20.0, "b:isl0", "bfd", 20, 200),
        (20.0, "b:isl0", "ospf", 130, 1300),
    ]
    drops = database.execute("SELECT * FROM drops").fetchall()
    assert drops == [(10.0, "b:isl0", 0, 30, 0)]


def test_rates_leave_out_the_start_and_the_data(database) -> None:
    """Two links had light for 20 s and 10 s: their four directions for 60 s together."""
    assert spent.lit_s(database) == 60.0
    assert spent.control(database) == {"bfd": Rate(20 / 60, 200 / 60), "ospf": Rate(2.0, 20.0)}
    assert control_rates(database, 20.0) == {
        "bytes_s": {"bfd": {"mean": 3.333, "max": 10.0}, "ospf": {"mean": 20.0, "max": 40.0}},
        "packets_s": {"bfd": {"mean": 0.333, "max": 1.0}, "ospf": {"mean": 2.0, "max": 4.0}},
    }


def drops(*rows: tuple[float, str, int, int]) -> sqlite3.Connection:
    """Of three ports, of which a and b see each other, b and c later."""
    database = sqlite3.connect(":memory:")
    database.executescript(costs._TABLES)
    database.executemany("INSERT INTO drops VALUES (?, ?, 0, ?, ?)", rows)
    contacts(database, ("a:isl0", "b:isl0", 0.0, 20.0), ("b:isl0", "c:isl0", 5.0, 15.0))
    return database


@pytest.mark.parametrize(
    ("rows", "queue", "other"),
    [
        # 7 that a sent found the queue towards b full: both sides tell of them.
        ([(20.0, "a:isl0", 0, 7), (20.0, "b:isl0", 7, 0)], 7, 0),
        ([(20.0, "b:isl0", 7, 0)], 0, 7),  # chance alone
        ([(20.0, "a:isl0", 0, 7)], 0, 7),  # the dark alone
        ([(20.0, "a:isl0", 0, 7), (20.0, "c:isl0", 7, 0)], 0, 14),  # of ports that never met
        ([(0.0, "a:isl0", 0, 3), (0.0, "b:isl0", 3, 0), (20.0, "b:isl0", 5, 0)], 0, 2),
    ],
)
def test_a_queues_drops_are_told_by_both_sides(rows, queue: int, other: int) -> None:
    with closing(drops(*rows)) as database:
        assert spent.lost_packets(database) == (queue, other)


def test_memory_is_the_greatest_and_the_processors_share_from_the_start_on() -> None:
    """Two nodes: the readings of second 0 are where the run begins."""
    rows = [
        (0.0, "a", "zebra", 9_000, 1.0),
        (20.0, "a", "zebra", 8_000, 1.4),
        (20.0, "b", "zebra", 11_000, 0.2),
        (20.0, "b", "ospfd", 5_000, 0.2),
    ]
    with closing(drops()) as database:
        database.executemany("INSERT INTO daemons VALUES (?, ?, ?, ?, ?)", rows)
        assert spent.memory_mb(database) == {"ospfd": 5.12, "zebra": 10.24}
        assert spent.cpu_percent(database) == pytest.approx(100 * (0.4 + 0.4) / 2 / 20)
        database.execute("UPDATE daemons SET cpu_s = NULL")
        assert spent.cpu_percent(database) is None


def test_daemons_memory_is_known_and_time_only_where_it_is_real(database) -> None:
    rows = database.execute("SELECT node, daemon, rss_kb, cpu_s FROM daemons").fetchall()
    assert len(rows) == 3
    assert all(row[:2] == ("a", "us") and row[2] > 10_000 and row[3] is None for row in rows)
    ((_, _, rss_kb, cpu_s),) = usage({("a", "us"): os.getpid()}, virtual=False)
    status = Path("/proc/self/status").read_text()
    assert rss_kb == pytest.approx(int(status.split("VmRSS:")[1].split()[0]), rel=0.1)
    assert next(usage({("a", "us"): os.getpid()}, False, [("a", "us")]))[2] is None
    times = os.times()
    assert cpu_s == pytest.approx(times.user + times.system, abs=0.1)


def test_who_has_gone_is_left_out() -> None:
    assert list(usage({("a", "gone"): 2**22 + 1}, virtual=False)) == []


def test_a_run_without_readings_has_empty_tables(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        write_tables(database, tmp_path)
        assert spent.read(database) is None
        for table in ("control", "drops", "daemons"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
