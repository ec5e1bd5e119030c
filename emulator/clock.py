"""Time as an object: the player and the workloads ask it, nobody asks the machine."""

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds on a scale that only goes forward, the same for every process of a run."""

    def now(self) -> float:
        """Return the time in seconds."""
        ...

    def wait_until(self, moment: float) -> None:
        """Return at ``moment``, or at once if it has passed."""
        ...


class RealClock:
    """CLOCK_MONOTONIC: what the kernel's timers run on."""

    def now(self) -> float:
        """Return the time in seconds."""
        return time.monotonic()

    def wait_until(self, moment: float) -> None:
        """Sleep until ``moment``."""
        remaining_s = moment - time.monotonic()
        if remaining_s > 0:
            time.sleep(remaining_s)


class ManualClock:
    """A clock that jumps: waiting takes no time. For tests."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def now(self) -> float:
        """Return the time in seconds."""
        return self.time_s

    def wait_until(self, moment: float) -> None:
        """Jump to ``moment``."""
        self.time_s = max(self.time_s, moment)
