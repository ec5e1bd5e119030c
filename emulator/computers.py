"""``computer``: what a satellite or a station computes with."""

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
