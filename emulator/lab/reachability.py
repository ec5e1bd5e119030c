"""A run from start to end: which node reached which, by how long a way, and every outage."""

from dataclasses import dataclass

import numpy as np

from emulator.lab.course import Course
from emulator.lab.fib import Tables
from emulator.lab.walking import WALK, Light, Outcome, chosen, quickest, walk

OUTAGE = np.dtype(
    [("a", "<i4"), ("b", "<i4"), ("start_s", "<f8"), ("end_s", "<f8"), ("outcome", "i1")]
)
"""While light joined nodes ``a`` and ``b``, packets from a to b did not arrive. ``outcome``: the
worst that befell them. ``end_s`` is the run's where nothing else ended it."""

_BEFORE_S = 1e-3


@dataclass(frozen=True)
class Reachability:
    """What :func:`follow` finds of all ordered pairs of nodes."""

    t_s: np.ndarray
    """Moments at which anything may have changed, the first 0, shape ``(moments,)``."""
    pairs: np.ndarray
    """How many pairs had each Outcome from that moment on, ``(moments, outcomes)``."""
    end_s: float
    outages: np.ndarray
    """dtype :data:`OUTAGE`, by end."""
    sample_s: np.ndarray
    """When ways were measured, ``(samples,)``."""
    stretch: np.ndarray
    """Delay along the routes over that of the quickest path, ``(samples, nodes, nodes)`` of
    float32; NaN where packets did not arrive. Of several equally good ways the longest counts."""
    hop_stretch: np.ndarray
    """The same of hops, over the fewest that there could be."""

    @property
    def share(self) -> np.ndarray:
        """Of the pairs that light joined, the share that reached each other, ``(moments,)``."""
        joined = self.pairs.sum(axis=1) - self.pairs[:, Outcome.APART]
        return self.pairs[:, Outcome.REACHED] / np.maximum(joined, 1)

    @property
    def lengths_s(self) -> np.ndarray:
        """How long each outage was."""
        return self.outages["end_s"] - self.outages["start_s"]

    def pair_seconds(self) -> dict[str, float]:
        """Return how long pairs had each outcome, added up over all, by its name in lower case."""
        length_s = np.diff(self.t_s, append=self.end_s)
        return {o.name.lower(): float(length_s @ self.pairs[:, o]) for o in Outcome}


def follow(course: Course, tables: Tables, every_s: float = 1.0) -> Reachability:
    """Follow all pairs: whether they are reached at every change, and every so often how far.

    Changes of one moment count together. Ways are measured just before each whole multiple of
    ``every_s``: at steps themselves nobody can have written routes yet.
    """
    sample_s = np.arange(1, round(course.end_s / every_s) + 1) * every_s - _BEFORE_S
    changed_s = tables.moments[(tables.moments > 0) & (tables.moments < course.end_s)]
    shown_s = course.shown_s[(course.shown_s > 0) & (course.shown_s < course.end_s)]
    t_s = np.unique(np.concatenate(([0.0], sample_s, changed_s, shown_s)))
    sampled = np.isin(t_s, sample_s)
    scene, outages = _Scene(course, tables), _Outages(tables.nodes)
    pairs = np.zeros((len(t_s), len(Outcome)), dtype=np.int64)
    stretches = []
    for row, (now_s, sample) in enumerate(zip(t_s.tolist(), sampled.tolist(), strict=True)):
        if scene.advance(now_s) or not row:
            outages.see(now_s, scene.outcome)
            pairs[row] = np.bincount(scene.outcome[scene.other], minlength=len(Outcome))
        else:
            pairs[row] = pairs[row - 1]
        if sample:
            stretches.append(scene.stretch())
    delay, hops = np.stack(stretches, axis=1)
    found = outages.all(course.end_s)
    return Reachability(t_s, pairs, course.end_s, found, sample_s, delay, hops)


class _Scene:
    """Tables, light and what comes of them, brought from moment to moment."""

    def __init__(self, course: Course, tables: Tables) -> None:
        self._course, self._tables = course, tables
        self._held, self._row, self._step = tables.empty(), 0, -1
        self._light: Light | None = None
        self.other = ~np.eye(tables.nodes, dtype=bool)
        """Which pairs are of two nodes."""
        self.outcome = np.zeros(self.other.shape, dtype=np.int8)

    def advance(self, t_s: float) -> bool:
        """Go on to ``t_s``; return whether any outcome may have changed."""
        row = self._tables.before(t_s)
        aims = self._tables.play(self._held, self._row, row)
        self._row = row
        if (step := self._course.step_of(t_s)) != self._step:
            before, self._light, self._step = self._light, self._course.light(step), step
            self._quickest: tuple[np.ndarray, np.ndarray] | None = None
            if before is None or not before.same_ways(self._light):
                self._apart = np.isinf(self._bounds()[0])
                aims = np.arange(self._tables.nodes)
        if len(aims):
            walked = self._walk(aims)["outcome"]
            self.outcome[:, aims] = np.where(self._apart[:, aims], Outcome.APART, walked)
        return len(aims) > 0

    def stretch(self) -> np.ndarray:
        """Delay and hops along the routes over the least there could be, ``(2, nodes, nodes)``."""
        walked = self._walk(np.arange(self._tables.nodes))
        reached = (walked["outcome"] == Outcome.REACHED) & self.other
        ratio = np.full((2, *reached.shape), np.nan, dtype=np.float32)
        for row, name, bound in zip(ratio, ("delay_ns", "hops"), self._bounds(), strict=True):
            row[reached] = walked[name][reached] / bound[reached]
        return ratio

    def _walk(self, aims: np.ndarray) -> np.ndarray:
        ways = chosen(self._held[:, :, aims], self._light)
        return walk(ways, self._light, aims)

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        if self._quickest is None:
            self._quickest = quickest(self._light)
        return self._quickest


class _Outages:
    """Pairs that are out, and since when."""

    def __init__(self, nodes: int) -> None:
        self._since_s = np.full((nodes, nodes), np.nan)
        self._worst = np.zeros((nodes, nodes), dtype=np.int8)
        self._found: list[np.ndarray] = []

    def see(self, t_s: float, outcome: np.ndarray) -> None:
        """Take in what holds from ``t_s`` on."""
        out = (outcome != Outcome.REACHED) & (outcome != Outcome.APART)
        self._end(t_s, np.isfinite(self._since_s) & ~out)
        begins = out & np.isnan(self._since_s)
        self._since_s[begins] = t_s
        self._worst = np.where(out, np.maximum(outcome, self._worst), 0)

    def all(self, end_s: float) -> np.ndarray:
        """Return all outages; the run ends at ``end_s``."""
        self._end(end_s, np.isfinite(self._since_s))
        return np.concatenate([np.zeros(0, dtype=OUTAGE), *self._found])

    def _end(self, t_s: float, ends: np.ndarray) -> None:
        a, b = np.nonzero(ends)
        rows = np.zeros(len(a), dtype=OUTAGE)
        rows["a"], rows["b"], rows["start_s"], rows["end_s"] = a, b, self._since_s[ends], t_s
        rows["outcome"] = self._worst[ends]
        self._since_s[ends] = np.nan
        self._found.append(rows)


__all__ = ["OUTAGE", "WALK", "Outcome", "Reachability", "follow"]
