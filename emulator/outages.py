"""Which pairs were dark, from when to when, and why: intervals, written as causes change."""

from typing import NamedTuple

import numpy as np

from emulator.causes import Cause

OUTAGE = np.dtype([("a", "<i4"), ("b", "<i4"), ("start", "<i4"), ("end", "<i4"), ("cause", "u1")])
"""Nodes a and b had no light during steps ``start`` ≤ k < ``end``, for one Cause."""


class OutageLog:
    """Follows pairs that are always of interest, and others as long as somebody names them."""

    def __init__(self, pairs: np.ndarray) -> None:
        self.pairs = pairs
        """``(n, 2)``: the nodes of the pairs that are followed throughout."""
        self._cause = np.zeros(len(pairs), dtype=np.uint8)
        self._since = np.zeros(len(pairs), dtype=np.int32)
        self._others: dict[tuple[int, int], tuple[int, int]] = {}
        self.found: list[tuple[int, int, int, int, int]] = []

    def note(self, step: int, cause: np.ndarray, others: dict[tuple[int, int], int]) -> None:
        """Write down the causes of this step: of all ``pairs``, and of other pairs by their nodes.

        0 is light. An other pair that is no longer named has no outage any more.
        """
        changed = np.flatnonzero(cause != self._cause)
        for index in changed.tolist():
            self._close(tuple(self.pairs[index].tolist()), int(self._since[index]), step, index)
        self._cause[changed], self._since[changed] = cause[changed], step
        if others == {pair: why for pair, (why, _) in self._others.items()}:
            return
        for pair, (why, since) in list(self._others.items()):
            if others.get(pair) != why:
                self.found.append((*pair, since, step, why))
                del self._others[pair]
        for pair, why in others.items():
            self._others.setdefault(pair, (why, step))

    def _close(self, pair: tuple[int, ...], since: int, step: int, index: int) -> None:
        if self._cause[index] != Cause.LINKED and since < step:
            self.found.append((*pair, since, step, int(self._cause[index])))

    def finish(self, steps: int) -> np.ndarray:
        """End everything and return all outages, dtype :data:`OUTAGE`, by start and nodes."""
        self.note(steps, np.zeros(len(self.pairs), dtype=np.uint8), {})
        return np.sort(np.array(self.found, dtype=OUTAGE), order=["start", "a", "b"])


class Lost(NamedTuple):
    """What one cause took: contacts that it ended, outages, and the time that these lasted."""

    cause: Cause
    contacts: int
    outages: int
    dark_s: float


def lost(contacts: np.ndarray, outages: np.ndarray, step_s: float) -> list[Lost]:
    """Return what was lost by each cause, the longest first. dtypes CONTACT and :data:`OUTAGE`.

    The times of all pairs are added up. The end of the plan is no loss.
    """
    ended = np.bincount(contacts["ended"], minlength=len(Cause))
    times = np.bincount(outages["cause"], minlength=len(Cause))
    steps = np.bincount(outages["cause"], outages["end"] - outages["start"], minlength=len(Cause))
    found = [
        Lost(cause, int(ended[cause]), int(times[cause]), float(steps[cause]) * step_s)
        for cause in Cause
        if cause is not Cause.END and (ended[cause] or times[cause])
    ]
    return sorted(found, key=lambda each: (-each.dark_s, -each.contacts, each.cause))
