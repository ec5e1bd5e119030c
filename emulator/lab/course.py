"""Every port as a run had it: the plan with the scenario's faults, and when it was shown."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emulator.faults import Faults
from emulator.lab.walking import Light
from emulator.linkplan import LinkPlan


@dataclass(frozen=True)
class Course:
    """A plan as played: ``state`` of a step, and which step was in force when."""

    plan: LinkPlan
    shown_s: np.ndarray
    """When each step's retune was done, seconds of the scenario, shape ``(steps,)``."""

    @classmethod
    def of(cls, plan: LinkPlan, lag_ms: np.ndarray | None = None) -> "Course":
        """``lag_ms`` of each step: by how much a busy machine was late. Default: never."""
        lag_s = 0.0 if lag_ms is None else np.asarray(lag_ms) / 1e3
        return cls(plan, np.arange(plan.steps) * plan.step_s + lag_s)

    @property
    def end_s(self) -> float:
        """When the plan ends."""
        return self.plan.steps * self.plan.step_s

    def step_of(self, t_s: float) -> int:
        """Return the step in force at ``t_s``; the first is so from before the start."""
        return max(0, int(np.searchsorted(self.shown_s, t_s, side="right")) - 1)

    def state(self, step: int) -> np.ndarray:
        """Return PORT_STATE at ``step``, faults included: they are played at steps."""
        return self._faults.lay_over(self.plan.at(step), self._dark, step * self.plan.step_s)

    def unbroken(self, step: int) -> np.ndarray:
        """Return PORT_STATE at ``step`` without links that are broken, one way or silently too."""
        return self._faults.without(self.plan.at(step), self._dark, step * self.plan.step_s)

    def light(self, step: int) -> Light:
        """Return what the ports can do at ``step``."""
        silent = self.plan.scenario.scenario.light_lost == "silent"
        return Light.of(self.plan.network, self.state(step), silent)

    @cached_property
    def _faults(self) -> Faults:
        return Faults.of(self.plan)

    @cached_property
    def _dark(self) -> np.ndarray:
        return self.plan.dark()
