"""A run's directory → all that its routes tell of it."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emulator.lab.convergence import Convergence, convergence
from emulator.lab.course import Course
from emulator.lab.fib import Tables
from emulator.lab.reachability import Reachability, follow
from emulator.linkplan import LinkPlan
from emulator.record import read_routes
from emulator.scenario import Scenario


@dataclass(frozen=True)
class Measured:
    """What came of replaying a run's tables under its sky."""

    course: Course
    tables: Tables
    reachability: Reachability
    convergence: tuple[Convergence, ...]

    def settled_s(self, planned: bool) -> np.ndarray:
        """Return how long routes moved after each event of that sort that moved any."""
        found = [each.last_s for each in self.convergence if each.event.planned == planned]
        return np.array([last_s for last_s in found if last_s is not None])


def measure(run_dir: Path, every_s: float = 1.0) -> Measured | None:
    """Follow a finished run by its routes; None where they were not recorded.

    ``every_s``: how often the length of ways is measured.
    """
    if not (rows := read_routes(run_dir)):
        return None
    plan = LinkPlan.of(Scenario.load(run_dir / "scenario.json"))
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        lag = database.execute("SELECT lag_ms FROM steps ORDER BY step").fetchall()
    course = Course.of(plan, np.array(lag, dtype=np.float64).ravel())
    tables = Tables.of(plan.network, rows)
    found = follow(course, tables, every_s)
    return Measured(course, tables, found, tuple(convergence(course, rows)))
