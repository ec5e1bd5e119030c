"""A run's directory → what routing did for its traffic, in figures that can be compared."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path


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
    excess_ms: float | None
    """Mean of RTT over what the quickest path would have taken."""
    route_changes: int | None
    """Changes of all nodes' routes while the run played."""

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
            "SELECT a, b, t_s, rtt_ms, expected_ms FROM probes ORDER BY a, b, t_s"
        ).fetchall()
        changes = database.execute("SELECT COUNT(*) FROM routes WHERE t_s >= 0").fetchone()[0]
        recorded = database.execute("SELECT COUNT(*) FROM routes").fetchone()[0]
    answered = [(rtt, due) for _, _, _, rtt, due in probes if rtt is not None]
    excess = [rtt - due for rtt, due in answered if due is not None]
    return Metrics(
        converged_s=summary["routing"]["converged_s"],
        probes=len(probes),
        lost=len(probes) - len(answered),
        outages_s=tuple(_outages_s(probes)),
        rtt_ms=sum(rtt for rtt, _ in answered) / len(answered) if answered else None,
        excess_ms=sum(excess) / len(excess) if excess else None,
        route_changes=changes if recorded else None,
    )


def _outages_s(
    probes: list[tuple[str, str, float, float | None, float | None]],
) -> Iterator[float]:
    """Gaps in the answers of each pair. One that never ends is as long as it was watched."""
    for _, rows in groupby(probes, key=lambda row: row[:2]):
        times = [(t_s, rtt is not None) for _, _, t_s, rtt, _ in rows]
        since = times[0][0]
        lost = False
        for t_s, came in times:
            if came and lost:
                yield t_s - since
            lost = not came
            since = t_s if came else since
        if lost:
            yield times[-1][0] - since
