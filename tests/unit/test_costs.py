"""Readings of counters: what is written down of them, and the rates that come of it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from emulator.kernel.counters import CLASSES, Counts
from emulator.lab import costs
from emulator.lab.costs import Costs, control_rates, usage, write_tables

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


def test_rates_leave_out_the_start_the_data_and_the_silent(database) -> None:
    assert control_rates(database, 20.0) == {
        "bfd": {"mean": 5.0, "max": 10.0},
        "ospf": {"mean": 30.0, "max": 40.0},
    }


def test_daemons_memory_is_known_and_time_only_where_it_is_real(database) -> None:
    rows = database.execute("SELECT node, daemon, rss_kb, cpu_s FROM daemons").fetchall()
    assert len(rows) == 3
    assert all(row[:2] == ("a", "us") and row[2] > 10_000 and row[3] is None for row in rows)
    ((_, _, rss_kb, cpu_s),) = usage({("a", "us"): os.getpid()}, virtual=False)
    status = Path("/proc/self/status").read_text()
    assert rss_kb == pytest.approx(int(status.split("VmRSS:")[1].split()[0]), rel=0.1)
    times = os.times()
    assert cpu_s == pytest.approx(times.user + times.system, abs=0.1)


def test_who_has_gone_is_left_out() -> None:
    assert list(usage({("a", "gone"): 2**22 + 1}, virtual=False)) == []


def test_a_run_without_readings_has_empty_tables(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        write_tables(database, tmp_path)
        assert control_rates(database, 20.0) == {}
        for table in ("control", "drops", "daemons"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
