"""A run's directory → what routing did for its traffic, in figures that can be compared."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from emulator.lab import spent
from emulator.lab.measure import Measured, measure
from emulator.lab.spent import Spent
from protocols import base


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """What the routes of all nodes tell of a run."""

    reached: float
    """Share of the pairs that light joined whose packets would have arrived, over time."""
    timeline: tuple[tuple[float, float], ...]
    """(second, that share from then on)."""
    end_s: float
    """When the run ended."""
    looped_s: float
    """Pair-seconds in loops."""
    lost_s: float
    """Pair-seconds without a route, or with one into the dark."""
    outages_s: tuple[float, ...]
    """Of every ordered pair, while light joined it."""
    stretch: float | None
    """Mean of the delay along the routes over that of the quickest path."""
    planned_s: float | None
    """Mean over events that geometry told: until the last change of a route."""
    unplanned_s: float | None
    """The same over failures and their repairs."""

    @classmethod
    def of(cls, found: Measured) -> "Routes":
        """Draw a run's replayed tables together."""
        reach = found.reachability
        lasts_s = np.diff(reach.t_s, append=reach.end_s)
        seconds = reach.pair_seconds()
        known = np.isfinite(reach.stretch)
        return cls(
            reached=float((reach.share * lasts_s).sum() / lasts_s.sum()),
            timeline=_changes(reach.t_s, reach.share),
            end_s=reach.end_s,
            looped_s=seconds["loop"],
            lost_s=seconds["no_route"] + seconds["black_hole"],
            outages_s=tuple(reach.lengths_s.tolist()),
            stretch=float(reach.stretch[known].mean()) if known.any() else None,
            planned_s=_mean(found.settled_s(planned=True)),
            unplanned_s=_mean(found.settled_s(planned=False)),
        )


def _changes(t_s: np.ndarray, share: np.ndarray) -> tuple[tuple[float, float], ...]:
    moved = np.flatnonzero(np.diff(share, prepend=np.nan) != 0)
    return tuple(zip(t_s[moved].tolist(), share[moved].tolist(), strict=True))


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """One run. None stands for what the run has not recorded."""

    converged_s: float | None
    """From the first light to routes everywhere, on the run's own clock."""
    probes: int
    lost: int
    outages_s: tuple[float, ...]
    """Of every pair of probes: from the last answered before to the first answered after a loss."""
    rtt_ms: float | None
    """Mean over all probes answered."""
    route_changes: int | None
    """Changes of all nodes' routes while the run played."""
    routes: Routes | None
    unwalked: str = ""
    """Why there are no ``routes``, '' where there are."""
    spent: Spent | None
    """What routing cost."""
    unused: tuple[str, ...] = ()
    """Settings of the scenario that the protocol did not heed, in words."""

    @property
    def loss(self) -> float | None:
        """Share of probes lost."""
        return self.lost / self.probes if self.probes else None

    @property
    def worst_outage_s(self) -> float:
        """The longest outage of any pair; 0 where nothing was lost."""
        return max(self.outages_s, default=0.0)


def read(run_dir: Path) -> Metrics:
    """Read a finished run."""
    summary = json.loads((run_dir / "summary.json").read_text())
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        probes = database.execute(
            "SELECT a, b, t_s, rtt_ms FROM probes ORDER BY a, b, t_s"
        ).fetchall()
        changes = database.execute("SELECT COUNT(*) FROM routes WHERE t_s >= 0").fetchone()[0]
        recorded = database.execute("SELECT EXISTS (SELECT 1 FROM routes)").fetchone()[0]
        cost = spent.read(database)
    scheme = base.load("lasermesh.routing", summary["routing"]["protocol"])
    unwalked = "" if recorded else "its routes were not recorded"
    if not getattr(scheme, "hop_by_hop", True):
        unwalked = "its packets do not go by the nodes' main tables, which are what is followed"
    replayed = None if unwalked else measure(run_dir)
    answered = [rtt for *_, rtt in probes if rtt is not None]
    return Metrics(
        converged_s=summary["routing"]["converged_s"],
        probes=len(probes),
        lost=len(probes) - len(answered),
        outages_s=tuple(_outages_s(probes)),
        rtt_ms=sum(answered) / len(answered) if answered else None,
        route_changes=changes if recorded else None,
        routes=Routes.of(replayed) if replayed else None,
        unwalked=unwalked,
        spent=cost,
        unused=tuple(_unused(run_dir)),
    )


def _unused(run_dir: Path) -> Iterator[str]:
    for event in map(json.loads, (run_dir / "events.jsonl").read_text().splitlines()):
        if event["event"] == "setting not used":
            yield event["reason"]


def _outages_s(
    probes: list[tuple[str, str, float, float | None]],
) -> Iterator[float]:
    """Gaps in the answers of each pair. One that never ends is as long as it was watched."""
    for _, rows in groupby(probes, key=lambda row: row[:2]):
        times = [(t_s, rtt is not None) for _, _, t_s, rtt in rows]
        since = times[0][0]
        lost = False
        for t_s, came in times:
            if came and lost:
                yield t_s - since
            lost = not came
            since = t_s if came else since
        if lost:
            yield times[-1][0] - since
