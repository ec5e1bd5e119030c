"""Everything that Lasermesh raises on purpose. The class tells whose fault it is.

LasermeshError
├── ScenarioError      the user's text: carries every Problem found, not only the first
├── PhysicsError       the orbit: decayed, or outside the model's domain
├── CapabilityError    the machine: what it lacks and how to get it
├── KernelError        the kernel refused: attempt, object, errno
├── DaemonError        a routing daemon: command, exit, last log lines
└── RunError           a run that could not be found, finished or cleaned
"""

import difflib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

_COMPARED = 5_000
"""So many names are looked through for one that was meant."""


class LasermeshError(Exception):
    """Base of all errors with a message meant for the user. ``exit_code`` is the command's."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a scenario: where it stands, what it is, what to do."""

    file: str
    key: str
    value: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        shown = f" = {self.value}" if self.value else ""
        return f"{self.file}: {self.key}{shown}: {self.reason}. {self.remedy}."


class ScenarioError(LasermeshError):
    """The scenario cannot be used. ``problems`` lists all that is wrong with it."""

    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class PhysicsError(LasermeshError):
    """An orbit cannot be propagated to the time that was asked for."""


class CapabilityError(LasermeshError):
    """This machine lacks something; the message says what and how to get it."""

    exit_code = 3


class KernelError(LasermeshError):
    """The kernel refused a request; the message names the attempt, the object and errno."""


class DaemonError(LasermeshError):
    """A daemon did not start or died; the message carries its command and last log lines.

    ``node`` and ``daemon`` say whose, '' where it is nobody's alone; ``when`` is set by who knows
    the run's time, and begins the message.
    """

    def __init__(self, message: str, node: str = "", daemon: str = "") -> None:
        super().__init__(message)
        self.node = node
        self.daemon = daemon
        self.when = ""

    def __str__(self) -> str:
        said = super().__str__()
        return f"{self.when}: {said}" if self.when else said


class RunError(LasermeshError):
    """A run was not found, is in the wrong state, or did not end as it should."""


def unknown(
    words: Iterable[str],
    known: Iterable[str],
    key: str,
    what: str,
    file: str,
    of: str = "this scenario",
) -> Iterator[Problem]:
    """Yield a problem for each of ``words`` that is not known, with what is close to it."""
    known = known if isinstance(known, Collection) else list(known)
    for word in words:
        if word in known:
            continue
        first = list(islice(known, _COMPARED))
        close = difflib.get_close_matches(word, first, n=1)
        listed = ", ".join(first[:8]) + (" …" if len(known) > 8 else "")
        remedy = f"Did you mean {close[0]!r}" if close else f"Known: {listed or 'none'}"
        yield Problem(file, key, repr(word), f"is no {what} of {of}", remedy)
