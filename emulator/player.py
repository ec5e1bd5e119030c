"""Plays a plan in time: at each step the faults are laid over it and the fabric retuned."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emulator.clock import Clock
from emulator.faults import Faults
from emulator.linkplan import LinkPlan


class FabricLike(Protocol):
    """What the player needs of a fabric."""

    def apply(self, state: np.ndarray) -> int:
        """Make the kernel hold ``state`` and return how many ports changed."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """What happened at one step. ``lag_ms``: from the planned moment to the end of the retune."""

    step: int
    t_s: float
    lag_ms: float
    apply_ms: float
    changes: int


class Player:
    """Steps through a plan. ``state`` is what the fabric was last told, faults included."""

    def __init__(self, plan: LinkPlan, fabric: FabricLike, clock: Clock) -> None:
        self.plan = plan
        self.fabric = fabric
        self.clock = clock
        self.faults = Faults.of(plan)
        self.dark = plan.dark()
        self.state = self.dark

    def wanted(self, step: int) -> np.ndarray:
        """Return the state of every port at ``step`` with the faults of that moment."""
        return self.faults.lay_over(self.plan.at(step), self.dark, step * self.plan.step_s)

    def show(self, step: int) -> int:
        """Put ``step`` into the fabric now and return how many ports changed."""
        self.state = self.wanted(step)
        return self.fabric.apply(self.state)

    def play(self, start: float, on_step: Callable[[Step], None]) -> None:
        """Play all steps; step k at clock time ``start`` + k × step. Late steps are not skipped."""
        for step in range(self.plan.steps):
            wanted = self.wanted(step)  # worked out beforehand, so that only netlink is on time
            due = start + step * self.plan.step_s
            self.clock.wait_until(due)
            began = self.clock.now()
            changes = self.fabric.apply(wanted)
            self.state = wanted
            done = self.clock.now()
            on_step(
                Step(
                    step=step,
                    t_s=step * self.plan.step_s,
                    lag_ms=(done - due) * 1e3,
                    apply_ms=(done - began) * 1e3,
                    changes=changes,
                )
            )
        self.clock.wait_until(start + self.plan.steps * self.plan.step_s)
