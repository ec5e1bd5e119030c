"""One scenario under several routing protocols: run, measure alike, and put side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev

from scipy.stats import t as student

from emulator.lab import figures, metrics
from emulator.lab.figures import Figure, Group
from emulator.lab.jobs import Failure, Job, Outcome, prepare, run
from emulator.lab.metrics import Metrics
from emulator.scenario import Scenario

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds and the half width of its 95 % confidence interval (Student's t)."""

    mean: float
    half_width: float | None
    """None with a single run: it says nothing of how others would come out."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """Estimate from at least one value."""
        if len(values) < 2:
            return cls(values[0], None)
        return cls(fmean(values), quantile(len(values)) * stdev(values) / len(values) ** 0.5)


def quantile(count: int) -> float:
    """Return by how many standard errors the mean of ``count`` ≥ 2 values may be off."""
    return float(student.ppf((1 + CONFIDENCE) / 2, count - 1))


@dataclass(frozen=True)
class Comparison:
    """All runs of one comparison, in the order asked for."""

    scenario: str
    outcomes: tuple[Outcome, ...]
    found: dict[Job, Metrics]

    @property
    def routings(self) -> list[str]:
        """The protocols, in the order asked for."""
        return list(dict.fromkeys(outcome.job.routing for outcome in self.outcomes))

    @property
    def failures(self) -> list[tuple[Job, Failure]]:
        """Runs that did not come to their end, and why."""
        return [(each.job, each.failure) for each in self.outcomes if each.failure]

    @cached_property
    def groups(self) -> list[Group]:
        """What is compared."""
        return figures.groups(list(self.found.values()))

    def runs(self, routing: str) -> list[Metrics]:
        """Metrics of the runs of one protocol that came to their end."""
        return [m for job, m in self.found.items() if job.routing == routing]

    def failed(self, routing: str) -> int:
        """How many runs of a protocol did not."""
        return sum(job.routing == routing for job, _ in self.failures)

    def estimate(self, routing: str, figure: Figure) -> Estimate | None:
        """One figure of one protocol; None where no run tells it."""
        told = [value for m in self.runs(routing) if (value := figure.of(m)) is not None]
        return Estimate.of(told) if told else None

    def notes(self) -> list[str]:
        """Why figures are missing, and what those that there are do not say."""
        found = [
            f"{routing} has no figures of its routes: {why}."
            for routing in self.routings
            for why in sorted({m.unwalked for m in self.runs(routing) if m.unwalked})
        ]
        found += [
            f"{routing} has no figure of memory: its processes are forked from the emulator's own "
            "and share its pages."
            for routing in self.routings
            if any(m.spent and m.spent.forked for m in self.runs(routing))
        ]
        runs = list(self.found.values())
        found += dict.fromkeys(f"{reason}." for m in runs for reason in m.unused)
        if runs and all(figures.CPU.of(m) is None for m in runs):
            found.append("CPU is not told: in virtual time computing takes no time.")
        return found


def compare(
    scenario: Scenario,
    routings: Sequence[str],
    repeat: int,
    folder: Path,
    clock: str,
    at_once: int | None,
    tell: Callable[[Outcome], None],
) -> Comparison:
    """Run ``scenario`` under each of ``routings`` with ``repeat`` seeds, below ``folder``.

    A run that fails is told and left out of the figures; the others go on. Raises ScenarioError
    where a protocol is unknown.
    """
    from emulator.lab import forms, plots

    jobs = prepare(scenario, routings, repeat, folder)
    outcomes = tuple(run(jobs, clock, at_once, tell))
    found = {
        outcome.job: metrics.read(outcome.job.run_dir)
        for outcome in outcomes
        if not outcome.failure and outcome.job.run_dir
    }
    comparison = Comparison(scenario.scenario.name, outcomes, found)
    forms.write(comparison, folder)
    plots.draw(comparison, folder)
    return comparison
