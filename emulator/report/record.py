"""Run directory → RunRecord: everything a finished run wrote down, read once, nothing written.

Only ``scenario.json`` and ``summary.json`` must be there. What else is absent or unreadable is
named in ``RunRecord.missing``, so that the report can say so where the reader looks for it.
"""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from emulator.errors import RunError
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario

Span = tuple[float, float]

MOST_ANSWERS = 24


class Step(NamedTuple):
    """One retune of the sky: how late it was, how long it took, how many ports it changed."""

    step: int
    t_s: float
    lag_ms: float
    apply_ms: float
    changes: int


class Probe(NamedTuple):
    """One round trip; ``rtt_ms`` is None without an answer, ``expected_ms`` without a path."""

    t_s: float
    a: str
    b: str
    seq: int
    rtt_ms: float | None
    expected_ms: float | None


class Flow(NamedTuple):
    """One transfer of an object; times are None where the run ended first."""

    strategy: str
    leg: int
    source: str
    destination: str
    bytes: int
    start_s: float | None
    first_byte_s: float | None
    end_s: float | None
    verified: int


class Sample(NamedTuple):
    """What TCP said of a sender of a ``tcp`` workload; ``cwnd`` in segments."""

    flow: str
    t_s: float
    rtt_ms: float
    cwnd: int
    bytes_acked: int


class Reading(NamedTuple):
    """What iperf3 said of an interval that ended at ``t_s``; None is what it does not know."""

    flow: str
    t_s: float
    interval_s: float
    bytes: int | None
    cwnd_bytes: int | None
    rtt_ms: float | None


class Measured(NamedTuple):
    """A round trip that was answered and has an expectation to hold it against."""

    t_s: float
    a: str
    b: str
    rtt_ms: float
    expected_ms: float

    @property
    def excess_ms(self) -> float:
        """How much longer it took than expected."""
        return self.rtt_ms - self.expected_ms


_TABLES: dict[str, type] = {"steps": Step, "probes": Probe, "flows": Flow}
_TABLES |= {"tcp": Sample, "iperf3": Reading}


class Answer(NamedTuple):
    """How one strategy brought the answer of one image to the ground, or did not."""

    strategy: str
    source: str
    capture_s: float
    object_bytes: int
    latency_s: float | None
    parts_s: dict[str, float] | None
    verified: bool
    path: tuple[str, ...]
    delivered_to: str | None


@dataclass(frozen=True)
class RunRecord:
    """A finished run: what was asked for, what was planned, what was measured."""

    scenario: Scenario
    plan: LinkPlan
    summary: dict[str, Any]
    machine: dict[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    probes: tuple[Probe, ...] = ()
    flows: tuple[Flow, ...] = ()
    tcp: tuple[Sample, ...] = ()
    iperf3: tuple[Reading, ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    """As written; ``t_s`` is None of what happened outside the scenario's time."""
    missing: dict[str, str] = field(default_factory=dict)
    """Why a part is empty: file or table → reason."""

    @classmethod
    def read(cls, run_dir: Path) -> "RunRecord":
        """Read ``run_dir``. Raises RunError where it holds no finished run."""
        missing: dict[str, str] = {}
        summary = _summary(run_dir)
        scenario = Scenario.load(run_dir / "scenario.json")
        return cls(
            scenario=scenario,
            plan=LinkPlan.of(scenario),
            summary=summary,
            machine=_machine(run_dir / "machine.json", missing),
            events=_events(run_dir / "events.jsonl", missing),
            missing=missing,
            **_tables(run_dir / "run.sqlite", missing),
        )

    @property
    def end_s(self) -> float:
        """Seconds from the start to the end of the run."""
        return self.plan.steps * self.plan.step_s

    def measured(self) -> list[Measured]:
        """Return the probes that say something about the emulation, in order of time."""
        return sorted(
            Measured(each.t_s, each.a, each.b, each.rtt_ms, each.expected_ms)
            for each in self.probes
            if each.rtt_ms is not None and each.expected_ms is not None
        )

    @property
    def many(self) -> bool:
        """Whether the jobs of offloads are too many to be shown one by one."""
        return len(self.summary.get("offload", ())) > MOST_ANSWERS

    def answers(self) -> list[Answer]:
        """Return the offload results, each with the image that it answers; none where many."""
        if self.many:
            return []
        return [
            Answer(
                strategy=row["strategy"],
                source=row["source"],
                capture_s=row["captured_s"],
                object_bytes=row["object_bytes"],
                latency_s=row["latency_s"],
                parts_s=row["parts_s"],
                verified=row["verified"],
                path=tuple(row["path"]),
                delivered_to=row["delivered_to"],
            )
            for row in self.summary.get("offload", ())
        ]


def _summary(run_dir: Path) -> dict[str, Any]:
    for name in ("scenario.json", "summary.json"):
        if not (run_dir / name).is_file():
            raise RunError(f"no report: {run_dir} holds no {name}, so no run ended there")
    try:
        summary = json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"no report: {run_dir / 'summary.json'} is not JSON: {error}") from None
    return dict(summary)


def _machine(path: Path, missing: dict[str, str]) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        missing["machine"] = _reason(path, error)
        return {}


def _events(path: Path, missing: dict[str, str]) -> tuple[dict[str, Any], ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        missing["events"] = _reason(path, error)
        return ()
    found, torn = [], 0
    for line in filter(str.strip, lines):
        try:
            event = json.loads(line)
            t_s = event.get("t_s")
            event |= {"t_s": None if t_s is None else float(t_s), "event": str(event["event"])}
            found.append(event)
        except (ValueError, TypeError, KeyError, AttributeError):
            torn += 1
    if torn:
        missing["events"] = f"{torn} unreadable lines of {path.name} are left out"
    # Steps have a table of their own.
    return tuple(event for event in found if event["event"] != "step")


def _tables(path: Path, missing: dict[str, str]) -> dict[str, Any]:
    if not path.is_file():
        missing.update(dict.fromkeys(_TABLES, f"the run directory has no {path.name}"))
        return {}
    found = {}
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
        for name, row in _TABLES.items():
            columns = ", ".join(row._fields)
            try:
                rows = base.execute(f"SELECT {columns} FROM {name} ORDER BY rowid").fetchall()
            except sqlite3.Error as error:
                missing[name] = f"{path.name} cannot be read: {error}"
                continue
            found[name] = tuple(map(row._make, rows))
            if not rows:
                missing[name] = f"table {name} of {path.name} is empty"
    return found


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"the run directory has no {path.name}"
    return f"{path.name} cannot be read: {error}"
