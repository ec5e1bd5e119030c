"""What a node holds of a job, and how that is written down and handed on."""

from dataclasses import asdict, dataclass, field
from typing import Any

from emulator.placement import GROUND, Option, Task

HELD, GONE, ANSWERED, EXPIRED, REFUSED = "held", "gone", "answered", "expired", "refused"
"""States of an entry: in custody here; handed on; and three ends."""


@dataclass(slots=True)
class Entry:
    """What is left of a job and where it stands, in the custody of one node.

    ``leg`` counts custodians and computers, so (job, leg) names one object for ever: what has been
    taken over under that name is never taken twice.
    """

    job: int
    leg: int
    stage: int
    """Tasks done."""
    option: Option
    path: list[str]
    """Names of the nodes that it has come through."""
    node: int
    state: str = HELD
    part: str = "other"
    """What is being done with it, since ``since_ns``."""
    since_ns: int = 0
    doubt: int | None = None
    """Who may have taken it over without our knowing, as a node or GROUND: nobody else may then."""
    digest: str = ""
    """SHA-256 of its bytes, where they came from elsewhere; else they are made from the seed."""
    down_bytes: int = 0
    """How much of it the ground is known to have."""
    refused: bool = False
    """Whether the last that was asked to take it had no room."""
    tried: dict[str, Any] = field(default_factory=dict)
    """The attempt to send it that is under way."""

    @property
    def name(self) -> str:
        """Name of the object and of its files."""
        return f"{self.job}.{self.leg}"

    @property
    def size_bytes(self) -> int:
        """Size of what is held."""
        return self.option.size_bytes(self.stage)

    @property
    def target(self) -> int:
        """Where it must go next: a node, or GROUND."""
        tasks = self.option.tasks
        wanted = tasks[self.stage].node if self.stage < len(tasks) else GROUND
        return wanted if self.doubt is None else self.doubt

    def header(self) -> dict[str, Any]:
        """Return what goes ahead of the object to its next custodian."""
        asked = {"job": self.job, "leg": self.leg + 1, "stage": self.stage, "path": self.path}
        return asked | {"option": asdict(self.option)}

    def table(self) -> dict[str, Any]:
        """Return what is written to disk."""
        return asdict(self)


def option_of(table: dict[str, Any]) -> Option:
    """Read an option back."""
    tasks = tuple(Task(**each) for each in table["tasks"])
    return Option(**{**table, "tasks": tasks})


def entry_of(table: dict[str, Any]) -> Entry:
    """Read an entry back."""
    return Entry(**{**table, "option": option_of(table["option"])})
