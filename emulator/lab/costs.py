"""What routing costs: control traffic by protocol, packets lost, memory and CPU of daemons.

Read every so many seconds from counters that the kernel keeps anyway, and only what has changed
is written down. Like the record of routes this is beside the run: where it cannot be had, the
run goes on without.

Where time is virtual no process's CPU time is known: a clock that stands still while anyone
computes gives each the time 0, and ``cpu_s`` is None. Memory of programs is the same as anywhere
and repeats; processes forked from this one share its pages, of which there are more or fewer as
paths are long or short: their ``rss_kb`` is None.
"""

import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.lab.spent import DATA

if TYPE_CHECKING:
    from emulator.kernel.counters import Counters

FILE = "costs.jsonl"
"""Readings as they are taken; it all stands in run.sqlite at the end."""

_TABLES = """
CREATE TABLE control (t_s REAL, port TEXT, protocol TEXT, packets INTEGER, bytes INTEGER);
CREATE TABLE drops (t_s REAL, port TEXT, delivered INTEGER, dropped INTEGER, refused INTEGER);
CREATE TABLE daemons (t_s REAL, node TEXT, daemon TEXT, rss_kb INTEGER, cpu_s REAL);
"""
_COLUMNS = {"control": 4, "drops": 4, "daemons": 4}

Who = tuple[str, str]
"""Names of a node and of its daemon."""


class Costs:
    """Takes readings of ``counters`` and of daemons' processes into ``path``, JSON lines."""

    def __init__(self, counters: "Counters", labels: list[str], path: Path, virtual: bool) -> None:
        from emulator.kernel.counters import CLASSES

        self._counters = counters
        self._labels = labels
        self._path = path
        self._virtual = virtual
        self._protocols = (*CLASSES, DATA)
        self._last: dict[str, np.ndarray] = {}
        self.read_s = -np.inf
        """When the last reading was taken, in seconds of the scenario."""

    def read(self, t_s: float, daemons: Mapping[Who, int], forked: Collection[Who] = ()) -> None:
        """Write down what has changed. ``daemons``: process ids; ``forked``: which are our own."""
        counts = self._counters.read()
        control = np.stack([counts.packets, counts.octets], axis=-1)
        drops = np.stack([counts.delivered, counts.dropped, counts.refused], axis=-1)
        row: dict[str, Any] = {"t_s": t_s}
        row["control"] = [
            [self._labels[port], self._protocols[protocol], *control[port, protocol].tolist()]
            for port, protocol in self._changed("control", control)
        ]
        row["drops"] = [
            [self._labels[port], *drops[port].tolist()] for (port,) in self._changed("drops", drops)
        ]
        row["daemons"] = list(usage(daemons, self._virtual, forked))
        with self._path.open("a") as file:
            print(json.dumps(row), file=file)
        self.read_s = t_s

    def _changed(self, name: str, now: np.ndarray) -> list[list[int]]:
        before = self._last.get(name, np.zeros_like(now))
        self._last[name] = now
        return np.argwhere((now != before).any(axis=-1)).tolist()


def usage(
    daemons: Mapping[Who, int], virtual: bool, forked: Collection[Who] = ()
) -> Iterator[tuple[str, str, int | None, float | None]]:
    """Iterate over node, daemon, resident memory in kB, CPU seconds; leaves out who has gone.

    Of those ``forked`` from this process no memory is told.
    """
    page_kb, tick_s = os.sysconf("SC_PAGE_SIZE") // 1024, 1 / os.sysconf("SC_CLK_TCK")
    for (node, daemon), pid in daemons.items():
        with suppress(OSError):
            # The command's name, in brackets, may hold anything: fields are counted from its end.
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks = int(stat[11]) + int(stat[12])
            cpu_s = None if virtual else round(ticks * tick_s, 3)
            rss_kb = None if (node, daemon) in forked else int(stat[21]) * page_kb
            yield node, daemon, rss_kb, cpu_s


def write_tables(database: sqlite3.Connection, run_dir: Path) -> None:
    """Bring the readings of a run into its tables ``control``, ``drops`` and ``daemons``."""
    database.executescript(_TABLES)
    raw = run_dir / FILE
    if not raw.exists():
        return
    with raw.open() as lines:
        for reading in map(json.loads, lines):
            for table, columns in _COLUMNS.items():
                marks = ", ".join("?" * (columns + 1))
                rows = ((reading["t_s"], *row) for row in reading[table])
                database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
    raw.unlink()
