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
class Outcome:
    """How a run ended: ``failure`` is '' or what the run said when it stopped."""

    job: Job
    failure: str


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
    with (job.folder / "output.txt").open("w") as output:
        running[job] = process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        code = process.wait()
        del running[job]
    if not code:
        return Outcome(job, "")
    said = (job.folder / "output.txt").read_text(errors="replace").strip().splitlines()
    return Outcome(job, "\n".join([f"exit code {code}:", *said[-_LAST_LINES:]]))
