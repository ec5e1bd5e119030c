"""What answers are worth: their age on the ground, percentiles, passes used, energy. Pure.

Age of information (Kaul, Yates, Gruteser, Real-time status: how often should one update?, IEEE
INFOCOM 2012): at t, the time since the image was taken whose answer is the newest on the ground.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Age:
    """Age of information over a time, in seconds."""

    mean_s: float
    peak_s: float
    p99_s: float
    """It is below this for 99 % of the time."""


def age(
    deliveries: Iterable[tuple[float, float]], start_s: float, end_s: float, known_s: float
) -> Age:
    """Return the age from ``start_s`` to ``end_s``; it was as of ``known_s`` at the start.

    ``deliveries``: (when an image was taken, when its answer was there). One that is older than
    what is known already changes nothing. Between deliveries the age grows by a second a second,
    so its integral is one of trapezia, and the time that it spends below x is one of lines.
    """
    now_s, edges = start_s, []
    for there_s, taken_s in sorted((there, taken) for taken, there in deliveries):
        if taken_s <= known_s or there_s >= end_s:
            continue
        edges.append((now_s - known_s, there_s - known_s))
        now_s, known_s = max(now_s, there_s), taken_s
    edges.append((now_s - known_s, end_s - known_s))
    low, high = np.array(edges).T
    total_s = float((high - low).sum())
    if total_s <= 0:
        return Age(float(low[0]), float(low[0]), float(low[0]))
    mean_s = float((high**2 - low**2).sum() / 2 / total_s)
    return Age(mean_s, float(high.max()), _below(low, high, 0.99 * total_s))


def _below(low: np.ndarray, high: np.ndarray, time_s: float) -> float:
    """The age below which ramps from ``low`` to ``high`` spend ``time_s``."""
    levels = np.unique(np.concatenate((low, high)))
    spent = np.clip(levels[:, None], low, high) - low
    return float(np.interp(time_s, spent.sum(axis=1), levels))


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """Return the mean and the 50th, 90th and 99th percentile, None where there are no values.

    Linear between order statistics (Hyndman and Fan 1996, definition 7, as numpy has it).
    """
    if not len(values):
        return dict.fromkeys(("mean", "p50", "p90", "p99"))
    found = dict(zip(("p50", "p90", "p99"), np.percentile(values, [50, 90, 99]), strict=True))
    return {"mean": float(np.mean(values))} | {key: float(each) for key, each in found.items()}


def goodput_bps(
    passes: Sequence[tuple[float, float]], sent: Sequence[tuple[float, int]]
) -> list[float]:
    """Return what each pass brought down a second; ``sent``: (when, bytes), in one of the passes.

    ``passes`` of one satellite over one station: (from, to), in order and apart.
    """
    starts = [start_s for start_s, _ in passes]
    total = np.zeros(len(passes))
    for at_s, size_bytes in sent:
        index = int(np.searchsorted(starts, at_s, side="right")) - 1
        if index >= 0:
            total[index] += size_bytes
    return [8 * float(x) / (end - start) for x, (start, end) in zip(total, passes, strict=True)]
