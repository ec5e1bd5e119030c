"""Contacts → slow fades: those that last for steps, drawn beforehand and played one by one.

The kernel's own chain (Gilbert-Elliott) counts packets and is retuned at every step, so it is for
fades of milliseconds. Which channels' fades are slow is decided once a contact, by the margin in
its middle, and so is how often and how long they are. The two directions of a link fade each by
itself.
"""

from dataclasses import dataclass

import numpy as np

from emulator.physics.fading import slow_fades

SLOW_STEPS = 5
"""Fades that last so many steps on average are slow."""
LEAST_MARGIN_DB = 0.1
"""What a channel's margin counts for at least: with less, fades of any jitter would be slow."""
_SALT = 0x66616465
"""Keeps these random numbers apart from others of the same seed."""

FADE = np.dtype([("port", "<i4"), ("start", "<i4"), ("end", "<i4")])
"""The channel that arrives at ``port`` loses all during steps ``start`` ≤ k < ``end``."""


@dataclass(frozen=True)
class SlowFades:
    """The slow fades of a plan."""

    slow: np.ndarray
    """Whether each contact's channels a → b and b → a fade slowly, bool ``(contacts, 2)``."""
    fades: np.ndarray
    """dtype :data:`FADE`, by port and start."""
    _keys: np.ndarray
    _steps: int

    @classmethod
    def draw(
        cls,
        seed: int,
        contacts: np.ndarray,
        share: np.ndarray,
        mean_s: np.ndarray,
        step_s: float,
        steps: int,
    ) -> "SlowFades":
        """Draw the slow fades of ``contacts`` (dtype CONTACT) of a plan of ``steps``.

        ``share`` of time and mean duration of their channels' fades are ``(contacts, 2)``. Each
        channel has random numbers of its own, by its ports and the start of its contact.
        """
        slow = (mean_s >= SLOW_STEPS * step_s) & (share > 0)
        rows = [np.empty(0, dtype=FADE)]
        for index, way in np.argwhere(slow).tolist():
            a, b, start, end, *_ = contacts[index].tolist()
            sender, receiver = (b, a) if way else (a, b)
            rng = np.random.default_rng([_SALT, seed, sender, receiver, start])
            mean = float(mean_s[index, way])
            drawn = slow_fades(rng, float(share[index, way]) / mean, mean, (end - start) * step_s)
            rows.append(_by_steps(drawn / step_s, receiver, start))
        fades = np.sort(np.concatenate(rows), order=["port", "start"])
        return cls(slow, fades, fades["port"].astype(np.int64) * steps + fades["start"], steps)

    def lost(self, step: int, receiver: np.ndarray) -> np.ndarray:
        """Whether the channels that arrive at these ports are in a slow fade at ``step``."""
        if not len(self.fades):
            return np.zeros(len(receiver), dtype=bool)
        key = receiver.astype(np.int64) * self._steps + step
        row = self.fades[np.maximum(np.searchsorted(self._keys, key, side="right") - 1, 0)]
        return (row["port"] == receiver) & (row["start"] <= step) & (step < row["end"])


def _by_steps(span: np.ndarray, port: int, first: int) -> np.ndarray:
    """Fades in steps since ``first`` as FADE rows: a step is lost that begins within a fade.

    So as large a share of steps is lost as of time, whatever the fades' length.
    """
    start, end = np.ceil(span.reshape(-1, 2) - 1e-9).astype(np.int64).T
    rows = np.zeros(len(start), dtype=FADE)
    rows["port"], rows["start"], rows["end"] = port, first + start, first + end
    return rows[start < end]
