"""Many runs of one scenario, with other routing and other seeds, side by side on the cores.

Each is a `lasermesh run` of its own: what stops one does not stop the others. In virtual time runs
need no clock in common, so as many go at once as there are cores; in real time one after the other.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from emulator.scenario import Scenario

OUTPUT, ERRORS = "output.txt", "errors.txt"
"""What a run prints, in its job's folder. Only the second is told: the first names the run."""
_LAST_LINES = 12


@dataclass(frozen=True, slots=True)
class Job:
    """One run: ``folder`` holds its scenario, and after the run its directory."""

    routing: str
    seed: int
    folder: Path

    @property
    def scenario(self) -> Path:
        """The scenario file of this run."""
        return self.folder / "scenario.json"

    @property
    def run_dir(self) -> Path | None:
        """The run's directory, None before it began."""
        found = sorted(path for path in self.folder.glob("*/events.jsonl") if path.is_file())
        return found[-1].parent if found else None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run did not come to its end."""

    said: str
    """The exit code, and the last lines of the run's errors."""
    node: str | None = None
    """Where a daemon failed; None where none did, or where no single one is to blame."""
    daemon: str | None = None
    phase: str | None = None
    """``starting``, ``converging`` or ``playing``: what the run did when that was found."""
    t_s: float | None = None
    """When, on the run's own clock: while it played the scenario's second, before that since the
    phase began."""

    @property
    def where(self) -> str:
        """Daemon, node and time in a few words; '' where no daemon failed."""
        if self.phase is None:
            return ""
        who = f"{self.daemon} of {self.node} failed" if self.node else "routing failed"
        if self.phase == "playing":
            return f"{who} at second {self.t_s:g}"
        return f"{who} {self.t_s:g} s into {self.phase}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: ``failure`` is None where it came to its end."""

    job: Job
    failure: Failure | None = None


def prepare(scenario: Scenario, routings: Sequence[str], repeat: int, folder: Path) -> list[Job]:
    """Write the scenario of every run; seeds count up from the scenario's own.

    Raises ScenarioError where a routing protocol is not known, before anything runs.
    """
    jobs = []
    for routing in routings:
        for number in range(repeat):
            table = json.loads(scenario.to_json())
            table["routing"]["protocol"] = routing
            table["scenario"]["seed"] += number
            each = Scenario.from_table(table, Path(f"{scenario.scenario.name}.json"))
            name = Path(routing).name
            job = Job(name, each.scenario.seed, folder / f"{name}-{each.scenario.seed}")
            jobs.append((job, each.to_json()))
    for job, text in jobs:
        job.folder.mkdir(parents=True)
        job.scenario.write_text(text)
    return [job for job, _ in jobs]


def run(
    jobs: Sequence[Job], clock: str, at_once: int | None, ended: Callable[[Outcome], None]
) -> Iterator[Outcome]:
    """Run all jobs and return their outcomes in the order of ``jobs``; tell of each as it ends."""
    cores = len(os.sched_getaffinity(0))
    found: dict[Job, Outcome] = {}
    running: dict[Job, subprocess.Popen[bytes]] = {}
    with ThreadPoolExecutor(at_once or (cores if clock == "virtual" else 1)) as pool:
        futures = {pool.submit(_run, job, clock, running): job for job in jobs}
        try:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                ended(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running.values()):  # each takes down what it has put up
                process.terminate()
            raise
    return iter([found[job] for job in jobs])


def _run(job: Job, clock: str, running: dict[Job, subprocess.Popen[bytes]]) -> Outcome:
    argv = [sys.executable, "-m", "emulator", "run", str(job.scenario)]
    argv += ["--clock", clock, "--runs", str(job.folder)]
    with (job.folder / OUTPUT).open("w") as output, (job.folder / ERRORS).open("w") as errors:
        running[job] = process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
        code = process.wait()
        del running[job]
    return Outcome(job, _failure(job, code) if code else None)


def _failure(job: Job, code: int) -> Failure:
    """What a run that ended with ``code`` said, and what it noted of a daemon that failed."""
    printed = (job.folder / ERRORS).read_text(errors="replace").strip().splitlines()
    said = "\n".join([f"exit code {code}:", *printed[-_LAST_LINES:]])
    lines = (job.run_dir / "events.jsonl").read_text().splitlines() if job.run_dir else []
    for event in map(json.loads, lines):
        if event["event"] == "daemon failed":
            return Failure(said, event["node"], event["daemon"], event["phase"], event["t_s"])
    return Failure(said)
