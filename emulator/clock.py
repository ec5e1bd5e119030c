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

    def call(self, moment: float, utc_s: float) -> None:
        """Let ``moment`` be ``utc_s`` (POSIX time) for everyone, where the time of day is ours."""
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

    def call(self, moment: float, utc_s: float) -> None:
        """Do nothing: the machine's time of day is not ours to set."""


class VirtualClock(RealClock):
    """The same in a kernel with virtual time, where the time of day is the sky's."""

    def call(self, moment: float, utc_s: float) -> None:
        """Set CLOCK_REALTIME."""
        time.clock_settime(time.CLOCK_REALTIME, utc_s - (moment - time.monotonic()))


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

    def call(self, moment: float, utc_s: float) -> None:
        """Do nothing: nobody asks for the time of day."""
