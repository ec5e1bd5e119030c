"""What an experiment measures on: the plan of a scene and, where it was emulated, its run."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario

_SHARE = 0.01
_LEAST_MS = 0.2
"""Of a round trip: how far it may be from geometry before a run counts for nothing."""


@dataclass(frozen=True, eq=False)
class Run:
    """One scene, played or only planned."""

    label: str
    scenario: Scenario
    folder: Path | None = None
    """The run's directory; None where it was only planned."""

    @cached_property
    def plan(self) -> LinkPlan:
        """The scene's plan."""
        return LinkPlan.of(self.scenario)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json of the run."""
        return json.loads((self._folder / "summary.json").read_text())

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """Everything in events.jsonl."""
        return [json.loads(line) for line in (self._folder / "events.jsonl").open()]

    @property
    def _folder(self) -> Path:
        if self.folder is None:
            raise ValueError(f"{self.label} was only planned: it has no run to read")
        return self.folder

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask run.sqlite."""
        with closing(sqlite3.connect(self._folder / "run.sqlite")) as database:
            return database.execute(sql, tuple(values)).fetchall()

    def probes(self, a: str, b: str) -> tuple[np.ndarray, np.ndarray]:
        """Times (s) and round trips (ms, NaN where lost) of the probes from ``a`` to ``b``."""
        rows = self.query(
            "SELECT t_s, rtt_ms FROM probes WHERE a = ? AND b = ? ORDER BY t_s", (a, b)
        )
        found = np.array(rows, dtype=float).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def answer(self, strategy: str, source: str | None = None) -> dict[str, Any] | None:
        """The first answer of an offload's strategy, as summary.json has it; None: none came."""
        found = (
            each
            for each in self.summary["offload"]
            if each["state"] == "answered"
            and each["strategy"] == strategy
            and source in (None, each["source"])
        )
        return next(found, None)

    def worst_error_ms(self) -> float | None:
        """How far the worst pair's median round trip is from geometry, beyond 1 % of it.

        None where no probe had a way that is known.
        """
        excess = [
            max(0.0, abs(row["error_us"]) / 1e3 - _SHARE * row["expected_ms"])
            for row in self.summary["rtt"]
            if row["error_us"] is not None
        ]
        return max(excess, default=None)

    @property
    def sound(self) -> bool:
        """Whether light took its time in this run: else it counts for nothing."""
        worst_ms = self.worst_error_ms() if self.folder else None
        return worst_ms is None or worst_ms <= _LEAST_MS


def median(values: np.ndarray) -> float | None:
    """Median of what is not NaN; None where all is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None
