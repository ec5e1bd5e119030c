"""What an experiment is: a claim, scenes, predictions, measurements, and what comes of the claim.

Pure values. ``predict`` sees scenarios only, ``measure`` runs only, so neither can borrow of the
other; :meth:`Experiment.findings` puts them side by side.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from emulator.scenario import Scenario

if TYPE_CHECKING:
    from emulator.experiments.evidence import Run

FIBRE_ROUTE = 1.5
"""How much longer than the great circle a fibre's way is. An assumption: land routes, detours to
landing points; measured routes between large cities lie between 1.2 and 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What whoever runs an experiment may choose."""

    fibre_route: float = FIBRE_ROUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A scenario of an experiment; one that is not emulated is only planned."""

    scenario: Scenario
    emulated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One figure from closed form, and how far from it nature may be."""

    what: str
    value: float
    unit: str
    tolerance: float
    """In ``unit``."""
    allows: str
    """The physical quantity that the tolerance stands for."""
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A prediction beside what was measured."""

    key: str
    prediction: Prediction
    measured: float | None
    """None: nothing came of it."""

    @property
    def agrees(self) -> bool:
        """Whether the two differ by no more than the tolerance."""
        if self.measured is None:
            return False
        return abs(self.measured - self.prediction.value) <= self.prediction.tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the measurement says of the claim."""

    answer: Literal["holds", "holds only if", "does not hold"]
    because: str
    """Goes on from the answer."""

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        colon = "" if self.answer.endswith("if") else ":"
        return f"The claim {self.answer}{colon} {self.because}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure: an SVG element and what stands under it."""

    svg: str
    caption: str


Scenes = Mapping[str, Scene]
Runs = Mapping[str, "Run"]
Findings = Mapping[str, Finding]


def _nothing(_: Findings, __: Runs, ___: Settings) -> Iterable[Drawing]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One claim and the way to test it."""

    name: str
    claim: str
    """In one sentence, as its authors would have it."""
    source: str
    """Whose claim it is."""
    setup: str
    takes: str
    """What is emulated and planned, for who wonders how long it will take."""
    scenes: Callable[[], Scenes]
    predict: Callable[[Scenes, Settings], Mapping[str, Prediction]]
    measure: Callable[[Runs], Mapping[str, float | None]]
    """A figure for every prediction, by the same key."""
    verdict: Callable[[Findings, Settings], Verdict]
    draw: Callable[[Findings, Runs, Settings], Iterable[Drawing]] = _nothing
    notes: tuple[str, ...] = ()
    """Why prediction and emulation differ where they do, found by looking."""

    def findings(self, scenes: Scenes, runs: Runs, settings: Settings) -> dict[str, Finding]:
        """Predict, measure, and put both side by side, in the order of the predictions.

        Raises KeyError where a measurement answers no prediction.
        """
        predicted, measured = self.predict(scenes, settings), self.measure(runs)
        for key in measured:
            predicted[key]
        return {
            key: Finding(key=key, prediction=each, measured=measured.get(key))
            for key, each in predicted.items()
        }
