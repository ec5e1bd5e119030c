"""``computer``: what a satellite or a station computes with, and how long it takes. Pure."""

from collections.abc import Iterable
from typing import Literal

from emulator.fields import NotNegative, Positive, Section, SomeShare

_TERA = 1e12


class Computer(Section):
    """``computer`` of a ``[[constellation]]``'s satellites, each its own, or of a station."""

    tops: Positive
    """Peak, 10¹² operations a second."""
    utilisation: SomeShare = 1.0
    """Share of the peak that the model reaches."""
    memory_gb: Positive | None = None
    """Default: enough for any model."""
    power_w: NotNegative = 0.0
    """While it computes, above what it draws idle."""
    queue: Literal["priority", "arrival"] = "priority"
    """Which job is next: of the highest priority the first to come, or the first to come."""

    def seconds(self, operations: float) -> float:
        """Return how long so many operations take, one job at a time."""
        return operations / (self.tops * _TERA * self.utilisation)

    def holds(self, model_gb: float) -> bool:
        """Whether a model of that size fits into the memory."""
        return self.memory_gb is None or model_gb <= self.memory_gb


def pauses(
    begin_s: float, work_s: float, off: Iterable[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Return when ``work_s`` seconds of computing, begun at ``begin_s``, stand still: (from, to).

    ``off``: the spans in which the computer is off, in order and apart.
    """
    now_s, left_s, found = begin_s, work_s, []
    for start_s, end_s in off:
        if end_s <= now_s:
            continue
        if start_s >= now_s + left_s:
            break
        left_s -= max(0.0, start_s - now_s)
        found.append((max(start_s, now_s), end_s))
        now_s = end_s
    return found
