"""The run directory: what a run leaves for people and programs, and how it is written.

scenario.toml   the file as given        events.jsonl   what happened, a JSON object a line
scenario.json   the effective scenario   run.sqlite     steps, probes, flows, routes, traffic;
plan.npz        every port at each step                 of the plan: contacts, outages, loads shed
report.html     plots                    summary.json   the contract other programs read
                                         machine.json   versions, wall clock, load
logs/           daemons' configurations and logs
"""

import json
import platform
import shutil
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from emulator.causes import Cause
from emulator.energy import LOADS, powered, sample_steps
from emulator.errors import RunError
from emulator.faults import all_outages
from emulator.lab import bundles, costs, offload, spent, traffic
from emulator.linkplan import LinkPlan
from emulator.outages import lost
from emulator.part import part_of
from emulator.scenario import Scenario

_TABLES = """
CREATE TABLE steps (step INTEGER, t_s REAL, lag_ms REAL, apply_ms REAL, changes INTEGER);
CREATE TABLE probes (t_s REAL, a TEXT, b TEXT, seq INTEGER, rtt_ms REAL, expected_ms REAL,
                     path_ms REAL);
CREATE TABLE flows (strategy TEXT, leg INTEGER, source TEXT, destination TEXT, bytes INTEGER,
                    start_s REAL, first_byte_s REAL, end_s REAL, verified INTEGER);
CREATE TABLE routes (t_s REAL, node TEXT, action TEXT, destination TEXT, ports TEXT, protocol TEXT);
"""
_PLAN_TABLES = """
CREATE TABLE contacts (a TEXT, b TEXT, start_s REAL, end_s REAL, ended TEXT);
CREATE TABLE outages (a TEXT, b TEXT, start_s REAL, end_s REAL, cause TEXT);
CREATE TABLE shed (node TEXT, load TEXT, start_s REAL, end_s REAL);
"""
ROUTES = "routes.jsonl"
"""Changes of routes as they are recorded, in clock time; it all stands in run.sqlite at the end."""
_LIBRARIES = ("numpy", "scipy", "sgp4", "pyroute2", "pydantic", "networkx")


def create(scenario: Scenario, source: Path, root: Path, now: datetime) -> Path:
    """Create ``root/SCENARIO-STAMP`` with the scenario in it; point ``root/latest`` at it."""
    stamp = f"{scenario.scenario.name}-{now.astimezone(UTC):%Y%m%dT%H%M%S}"
    for attempt in range(100):
        run_dir = root / (f"{stamp}-{attempt}" if attempt else stamp)
        try:
            run_dir.mkdir(parents=True)
            break
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"cannot create the run directory {run_dir}: {error.strerror}") from None
    else:
        raise RunError(f"cannot find a free name for a run directory like {stamp} in {root}")
    (run_dir / "scenario.json").write_text(scenario.to_json())
    if source.suffix == ".toml":
        shutil.copyfile(source, run_dir / "scenario.toml")
    latest = root / "latest"
    if latest.is_symlink() or not latest.exists():
        latest.unlink(missing_ok=True)
        latest.symlink_to(run_dir.name)
    return run_dir


def write_plan(plan: LinkPlan, path: Path) -> None:
    """Write every port at each step as NPZ: ``state`` (steps, ports), ``t_s``, and names.

    Batteries as shares: ``charge`` (samples, satellites), with ``charge_t_s`` and ``charge_nodes``.
    """
    state = np.stack(list(plan))
    labels = [plan.network.port_label(port.index) for port in plan.network.ports]
    names = [node.name for node in plan.network.nodes]
    np.savez_compressed(
        path,
        state=state,
        t_s=np.arange(plan.steps) * plan.step_s,
        ports=np.array(labels),
        nodes=np.array(names),
        start=np.array(plan.scenario.scenario.start.isoformat()),
        charge=plan.timeline.charge,
        charge_t_s=charge_t_s(plan),
        charge_nodes=np.array([names[node] for node in powered(plan.scenario)[0]], dtype=str),
    )


def charge_t_s(plan: LinkPlan) -> np.ndarray:
    """Return the times at which the charge of batteries is known, seconds from the start."""
    return np.arange(len(plan.timeline.charge)) * sample_steps(plan.scenario) * plan.step_s


class Recorder:
    """Takes in the events of a run as they happen; everything else is derived from them."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.events: list[dict[str, Any]] = []
        self._file = (run_dir / "events.jsonl").open("w", buffering=1)

    def take(self, event: dict[str, Any]) -> None:
        """Write an event down and keep it. What the machine says of itself is only kept."""
        self.events.append(event)
        if event["event"] != "machine":
            print(json.dumps(event), file=self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def named(self, name: str) -> list[dict[str, Any]]:
        """Events of one kind, in order."""
        return [event for event in self.events if event.get("event") == name]


def clock_of(kernel: str) -> str:
    """Return the clock of a run on ``kernel``: ``virtual`` or ``real``."""
    return "virtual" if kernel == "virtual" else "real"


def has_event(run_dir: Path, name: str) -> bool:
    """Whether a run that may still be going on has written down an event of that name."""
    try:
        lines = (run_dir / "events.jsonl").read_text().splitlines()
    except OSError:
        return False
    return any(f'"event": "{name}"' in line for line in lines)


def write_tables(run_dir: Path, steps: list[dict[str, Any]], records: list[dict[str, Any]]) -> None:
    """Write run.sqlite from the steps played and the findings of the workloads."""
    path = run_dir / "run.sqlite"
    path.unlink(missing_ok=True)
    legs: dict[int, int] = {}
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(_TABLES)
        database.executemany(
            "INSERT INTO steps VALUES (:step, :t_s, :lag_ms, :apply_ms, :changes)", steps
        )
        for record in records:
            if "probe" in record:
                database.execute(
                    "INSERT INTO probes (t_s, a, b, seq, rtt_ms) "
                    "VALUES (:t_s, :a, :b, :probe, :rtt_ms)",
                    record,
                )
            elif "flow" in record:
                legs[record["job"]] = leg = legs.get(record["job"], 0) + 1
                database.execute(
                    "INSERT INTO flows VALUES (:strategy, :leg, :source, :destination, :bytes, "
                    ":start_s, :first_byte_s, :end_s, :verified)",
                    {**record, "leg": leg},
                )
        database.executemany("INSERT INTO routes VALUES (?, ?, ?, ?, ?, ?)", _routes(run_dir))
        costs.write_tables(database, run_dir)
        traffic.write_tables(database, records)
        offload.write_tables(database, records)
        bundles.write_table(database, records)


def _routes(run_dir: Path) -> Iterator[tuple[Any, ...]]:
    """Rows of the changes of routes; the file they come from is kept where it is not whole."""
    raw = run_dir / ROUTES
    with suppress(OSError, ValueError, KeyError, IndexError), raw.open("rb") as lines:
        start = json.loads(deque(lines, 1).pop())["start"]
        lines.seek(0)
        for each in map(json.loads, lines):
            t_s = round(each.get("at", start) - start, 6)
            yield from ((t_s, *change) for change in each.get("changes", ()))
        raw.unlink()


def read_routes(run_dir: Path) -> list[tuple[Any, ...]]:
    """Return the table ``routes`` of run.sqlite in the order of the announcements."""
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        return database.execute("SELECT * FROM routes ORDER BY rowid").fetchall()


def read_probes(run_dir: Path) -> list[tuple[int, float, str, str]]:
    """Return (rowid, t_s, a, b) of the table ``probes``, by time."""
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        return database.execute(
            "SELECT rowid, t_s, a, b FROM probes ORDER BY t_s, rowid"
        ).fetchall()


def write_expectations(
    run_dir: Path, rows: Iterable[tuple[float | None, float | None, int]]
) -> None:
    """Write (expected_ms, path_ms, rowid) into the table ``probes``."""
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database, database:
        database.executemany("UPDATE probes SET expected_ms = ?, path_ms = ? WHERE rowid = ?", rows)


def write_plan_tables(run_dir: Path, plan: LinkPlan) -> None:
    """Add to run.sqlite what the plan and the scenario's faults say of light and power, and why."""
    names, label, step_s = (
        [n.name for n in plan.network.nodes],
        plan.network.port_label,
        plan.step_s,
    )
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database, database:
        database.executescript(_PLAN_TABLES)
        database.executemany(
            "INSERT INTO contacts VALUES (?, ?, ?, ?, ?)",
            (
                (label(a), label(b), start * step_s, end * step_s, Cause(ended).word)
                for a, b, start, end, ended in plan.contacts.tolist()
            ),
        )
        database.executemany(
            "INSERT INTO outages VALUES (?, ?, ?, ?, ?)",
            (
                (names[a], names[b], start * step_s, end * step_s, Cause(cause).word)
                for a, b, start, end, cause in all_outages(plan).tolist()
            ),
        )
        database.executemany(
            "INSERT INTO shed VALUES (?, ?, ?, ?)",
            (
                (names[node], LOADS[lasers], start * step_s, end * step_s)
                for node, start, end, lasers in plan.timeline.shed.tolist()
            ),
        )


def summarise(run_dir: Path, recorder: Recorder, plan: LinkPlan, kernel: str) -> dict[str, Any]:
    """Write summary.json, the contract that other programs read, and return it."""
    scenario = plan.scenario
    steps = recorder.named("step")
    converged = recorder.named("converged")
    lag_ms = [step["lag_ms"] for step in steps] or [0.0]
    summary = {
        "scenario": scenario.scenario.name,
        "seed": scenario.scenario.seed,
        "kernel": kernel,
        "clock": clock_of(kernel),
        "rate_scale": scenario.scenario.rate_scale,
        "nodes": len(plan.network.nodes),
        "part": part_of(scenario),
        "ports": len(plan.network.ports),
        "steps": len(steps),
        "changes": sum(step["changes"] for step in steps),
        "lag_ms": {
            "p50": round(float(np.percentile(lag_ms, 50)), 3),
            "p99": round(float(np.percentile(lag_ms, 99)), 3),
        },
        "routing": {
            "protocol": scenario.routing.protocol,
            "converged_s": round(converged[0]["seconds"], 3) if converged else None,
        },
        "control": _control(run_dir, plan),
        "rtt": _rtt(run_dir),
        **_offload(run_dir, plan),
        **_traffic(run_dir),
        "light_lost": [
            {
                "cause": each.cause.word,
                "contacts_ended": each.contacts,
                "outages": each.outages,
                "dark_s": round(each.dark_s, 6),
            }
            for each in lost(plan.contacts, all_outages(plan), plan.step_s)
        ],
        "batteries": batteries(plan),
    }
    (run_dir / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def batteries(plan: LinkPlan) -> dict[str, Any] | None:
    """Return the lowest charge seen and how often loads were shed; None without any platform."""
    nodes, charge = powered(plan.scenario)[0], plan.timeline.charge
    if not len(nodes):
        return None
    sample, index = np.unravel_index(int(charge.argmin()), charge.shape)
    shed = plan.timeline.shed
    off = {load: shed[shed["lasers"] == lasers] for lasers, load in enumerate(LOADS)}
    return {
        "satellites": len(nodes),
        "lowest": {
            "charge": round(float(charge[sample, index]), 6),
            "node": plan.network.nodes[nodes[index]].name,
            "t_s": float(charge_t_s(plan)[sample]),
        },
        "shed": {
            load: {
                "times": len(rows),
                "satellites": len(np.unique(rows["node"])),
                "total_s": round(float((rows["end"] - rows["start"]).sum()) * plan.step_s, 6),
            }
            for load, rows in off.items()
        },
    }


def _control(run_dir: Path, plan: LinkPlan) -> dict[str, Any]:
    """Packets and bytes a second of each routing protocol in one direction of a link."""
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        return spent.control_rates(database, plan.steps * plan.step_s)


def _traffic(run_dir: Path) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        rows = {"tcp": traffic.tcp_rows(database), "irtt": traffic.irtt_rows(database)}
        rows |= {"iperf3": traffic.iperf3_rows(database)}
        return {**rows, "bundles": bundles.bundle_rows(database)}


def _rtt(run_dir: Path) -> list[dict[str, Any]]:
    """Medians over all probes of a pair; the error is the median of each probe's own error.

    What is expected is the round trip over the routes that the kernels held, where those were
    recorded. Pairs that had several equally good ways all the time have no error, and what is
    expected of them is the quickest path.
    """
    by_pair: dict[tuple[str, str], list[tuple[float | None, float | None, float | None]]] = {}
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        routed = database.execute("SELECT EXISTS (SELECT 1 FROM routes)").fetchone()[0]
        for a, b, rtt_ms, quickest_ms, path_ms in database.execute(
            "SELECT a, b, rtt_ms, expected_ms, path_ms FROM probes ORDER BY a, b, t_s"
        ):
            due_ms = path_ms if routed else quickest_ms
            by_pair.setdefault((a, b), []).append((rtt_ms, quickest_ms, due_ms))
    rows = []
    for (a, b), probes in by_pair.items():
        answered = [(rtt, quickest, due) for rtt, quickest, due in probes if rtt is not None]
        known = [(rtt, due) for rtt, _, due in answered if due is not None]
        bounded = [(rtt, quickest) for rtt, quickest, _ in answered if quickest is not None]
        row: dict[str, Any] = {"a": a, "b": b, "expected_ms": None, "measured_ms": None}
        row |= {"error_us": None, "sent": len(probes), "lost": len(probes) - len(answered)}
        if shown := known or bounded:
            row["expected_ms"] = round(median(due for _, due in shown), 6)
            row["measured_ms"] = round(median(rtt for rtt, _ in shown), 6)
        if known:
            row["error_us"] = round(1e3 * median(rtt - due for rtt, due in known), 3)
        rows.append(row)
    return rows


def _offload(run_dir: Path, plan: LinkPlan) -> dict[str, Any]:
    """What became of each job of the offloads, and what they came to; nothing without any."""
    empty: dict[str, Any] = {"offload": [], "offload_totals": [], "passes": None}
    if not any(spec.kind == "offload" for spec in plan.scenario.workload):
        return empty
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        results = offload.Results(database, plan)
    rows = results.rows()
    return {"offload": rows, "offload_totals": results.totals(rows), "passes": results.passes()}


def write_machine(run_dir: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write machine.json, all about the machine and the wall clock, and return it."""
    versions = {name: version(name) for name in _LIBRARIES}
    versions["lasermesh"] = version("lasermesh")
    versions["python"] = platform.python_version()
    machine = {"versions": versions, "machine": platform.machine(), **facts}
    (run_dir / "machine.json").write_text(json.dumps(machine, indent=2) + "\n")
    return machine
