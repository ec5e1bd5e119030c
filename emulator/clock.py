"""Time as an object: the player and the workloads ask it, nobody asks the machine."""

import time
from typing import Protocol

_BEGIN_EVERY_S = 10.0
"""Virtual seconds: booting and importing take milliseconds."""
_AHEAD_S = 900.0
"""How much earlier it is while a run is prepared: more than daemons take to come up and agree, less
than the 1200 s for which IS-IS believes in what it has heard (ISO 10589, MaxAge)."""


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

    def begin(self, utc_s: float) -> None:
        """Return when a run may begin: where time is virtual, always at the same moment.

        ``utc_s`` (POSIX time) is what it will be when the sky starts to move.
        """
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

    def begin(self, utc_s: float) -> None:
        """Do nothing: the machine's time never repeats."""


class VirtualClock(RealClock):
    """The same in a kernel with virtual time, where the time of day is the sky's."""

    def call(self, moment: float, utc_s: float) -> None:
        """Set CLOCK_REALTIME."""
        time.clock_settime(time.CLOCK_REALTIME, utc_s - (moment - time.monotonic()))

    def begin(self, utc_s: float) -> None:
        """Sleep until a round moment, then set CLOCK_REALTIME to some time before ``utc_s``.

        What came before took as long as files were looked for: a module whose byte code is not
        cached takes a microsecond more, and a run that began that much later would go otherwise.

        From here on the time of day goes forward only: isisd counts the seconds from one version
        of its LSP to the next by it, and would keep still for as long as it had been set back.
        """
        self.wait_until((time.monotonic() // _BEGIN_EVERY_S + 1) * _BEGIN_EVERY_S)
        time.clock_settime(time.CLOCK_REALTIME, utc_s - _AHEAD_S)


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

    def begin(self, utc_s: float) -> None:
        """Do nothing: it begins at 0."""
