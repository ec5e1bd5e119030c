"""What agents recorded → tables of run.sqlite → what became of each job, and of all."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from emulator.captures import Job, jobs, offloads
from emulator.insights import age, goodput_bps, percentiles
from emulator.ledger import PARTS, Sending, Span, account, line_ns
from emulator.linkplan import LinkPlan
from emulator.placement import cut
from emulator.units import NS_PER_S

_TABLES = """
CREATE TABLE offload_states (job INTEGER, state TEXT, node TEXT, t_ns INTEGER, about TEXT);
CREATE TABLE offload_spans (job INTEGER, leg INTEGER, part TEXT, node TEXT, from_ns INTEGER,
                            to_ns INTEGER);
CREATE TABLE offload_sendings (job INTEGER, leg INTEGER, node TEXT, goal TEXT, from_ns INTEGER,
                               to_ns INTEGER, size INTEGER, held INTEGER, whole INTEGER,
                               rate_bps INTEGER, delay_ns INTEGER, retransmitted INTEGER,
                               path TEXT);
CREATE TABLE offload_arrivals (job INTEGER, leg INTEGER, node TEXT, first_byte_s REAL,
                               last_byte_s REAL, bytes INTEGER, on_ground INTEGER);
CREATE TABLE offload_computed (job INTEGER, node TEXT, seconds REAL);
CREATE TABLE offload_left (job INTEGER, leg INTEGER, node TEXT, state TEXT, bytes INTEGER,
                           doubt INTEGER);
"""
_ENDS = ("answered", "expired", "refused", "missed")


def write_tables(database: sqlite3.Connection, records: Iterable[dict[str, Any]]) -> None:
    """Create the tables ``offload_…`` from the findings of the workloads."""
    database.executescript(_TABLES)
    known = ("offload", "job", "state", "node", "t_ns")

    def insert(table: str, columns: str, record: dict[str, Any]) -> None:
        names = ", ".join(f":{each}" for each in columns.split())
        database.execute(f"INSERT INTO {table} VALUES ({names})", record)

    for record in records:
        if "offload" in record:
            about = {key: value for key, value in record.items() if key not in known}
            row = {**record, "about": json.dumps(about)}
            insert("offload_states", "job state node t_ns about", row)
        elif "span" in record:
            insert("offload_spans", "job leg span node from_ns to_ns", record)
        elif "sending" in record:
            row = {**record, "path": json.dumps(record["path"])}
            columns = "sending leg node goal from_ns to_ns size held whole rate_bps delay_ns"
            insert("offload_sendings", f"{columns} retransmitted path", row)
        elif "flow" in record:
            columns = "job leg destination first_byte_s end_s bytes on_ground"
            insert("offload_arrivals", columns, record)
        elif "computed" in record:
            insert("offload_computed", "computed node seconds", record)
        elif "left" in record:
            insert("offload_left", "left leg node state bytes doubt", record)


@dataclass(slots=True)
class Story:
    """All that was recorded of one job."""

    states: dict[str, tuple[int, str, dict[str, Any]]] = field(default_factory=dict)
    """When, at which node, and what else, of each state."""
    spans: list[Span] = field(default_factory=list)
    sendings: list[dict[str, Any]] = field(default_factory=list)
    arrivals: list[dict[str, Any]] = field(default_factory=list)
    computed: list[tuple[str, float]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)


def stories(database: sqlite3.Connection) -> dict[int, Story]:
    """Return what was recorded of each job."""
    found: dict[int, Story] = {}

    def rows(table: str) -> Iterable[tuple[Story, dict[str, Any]]]:
        cursor = database.execute(f"SELECT * FROM {table} ORDER BY rowid")
        names = [each[0] for each in cursor.description]
        for values in cursor:
            row = dict(zip(names, values, strict=True))
            yield found.setdefault(row["job"], Story()), row

    for story, row in rows("offload_states"):
        story.states[row["state"]] = row["t_ns"], row["node"], json.loads(row["about"])
    for story, row in rows("offload_spans"):
        story.spans.append(Span(row["leg"], row["from_ns"], row["to_ns"], row["part"]))
    for story, row in rows("offload_sendings"):
        story.sendings.append({**row, "path": json.loads(row["path"])})
    for story, row in rows("offload_arrivals"):
        story.arrivals.append(row)
    for story, row in rows("offload_computed"):
        story.computed.append((row["node"], row["seconds"]))
    for story, row in rows("offload_left"):
        story.left.append(row)
    for story in found.values():
        story.sendings.sort(key=lambda each: (each["leg"], each["from_ns"]))
        _progress(story.sendings)
        story.spans += [_span(each) for each in story.sendings]
    return found


def _progress(sendings: list[dict[str, Any]]) -> None:
    """Add ``sent`` to each attempt: how much further the object came by it.

    Of a broken one that is known from what the same receiver had at the next.
    """
    for index, each in enumerate(sendings):
        later = next(
            (
                other["held"]
                for other in sendings[index + 1 :]
                if other["leg"] == each["leg"]
                and other["goal"] == each["goal"]
                and (other["held"] or 0) > 0
            ),
            None,
        )
        if each["held"] == -1:  # its sender was killed and cannot say
            before = [o["held"] or 0 for o in sendings[:index] if o["goal"] == each["goal"]]
            each["held"] = max(0, *before, 0) if later else None
        held = each["held"] or 0
        reached = each["size"] if each["whole"] else held if later is None else later
        each["sent"] = max(0, reached - held) if each["held"] is not None else 0


def _span(row: dict[str, Any]) -> Span:
    sending = Sending(
        size_bytes=row["size"],
        held_bytes=row["held"],
        sent_bytes=row["sent"],
        rate_bps=row["rate_bps"],
        delay_ns=row["delay_ns"],
        retransmitted=row["retransmitted"],
        whole=bool(row["whole"]),
    )
    return Span(row["leg"], row["from_ns"], row["to_ns"], "other", sending)


class Results:
    """What became of the jobs of a run."""

    def __init__(self, database: sqlite3.Connection, plan: LinkPlan) -> None:
        self.plan = plan
        self.specs = offloads(plan)
        self.jobs = jobs(plan)
        self.stories = stories(database)
        nodes = plan.network.nodes
        self._kind = {node.name: node.kind for node in nodes}
        self._index = {node.name: node.index for node in nodes}
        medium_kind = {m: plan.network.node_kind(m) for m in ("isl", "gsl")}
        watts = [*(kind.power_w or 0.0 for kind in plan.network.kinds), 0.0]
        self._watts = {m: [watts[k] for k in kinds] for m, kinds in medium_kind.items()}
        scenario = plan.scenario
        computers = [each.computer for each in scenario.constellation for _ in range(each.size)]
        computers += [each.computer for each in scenario.ground.station]
        self._computer_w = [each.power_w if each else 0.0 for each in computers]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a job: what became of it, when, where its time went."""
        return [self._row(job, self.stories.get(job.number, Story())) for job in self.jobs]

    def _row(self, job: Job, story: Story) -> dict[str, Any]:
        spec, from_ns = self.specs[job.workload], round(job.image.at_s * NS_PER_S)
        state = next((each for each in _ENDS if each in story.states), "")
        kept = _kept(story) if not state else []
        if not state:
            state = "stored" if kept else "lost" if "captured" in story.states else "missed"
        row: dict[str, Any] = {
            "workload": job.workload,
            "strategy": job.strategy,
            "source": self.plan.network.nodes[job.image.source].name,
            "captured_s": job.image.at_s,
            "object_bytes": spec.object_bytes,
            "state": state,
            "latency_s": None,
            "latency_ns": None,
            "first_byte_s": None,
            "last_byte_s": None,
            "parts_s": None,
            "parts_ns": None,
            "energy_j": round(sum(self._energy_j(story)), 6),
            "late": self._overdue(spec.deadline_s, job.image.at_s),
            "verified": False,
            "path": [],
            "delivered_to": None,
            "expected_s": story.states.get("captured", (0, "", {}))[2].get("expected_s"),
            "held_by": [{key: each[key] for key in ("node", "bytes")} for each in kept],
            "copies": len(kept) + (state == "answered"),
        }
        if row["expected_s"] is not None:
            row["expected_s"] -= job.image.at_s
        if state == "answered":
            at_ns, station, about = story.states["answered"]
            parts_ns = account(story.spans, from_ns, at_ns)
            down = [each for each in story.arrivals if each["on_ground"]]
            row |= {
                "latency_ns": at_ns - from_ns,
                "latency_s": (at_ns - from_ns) / NS_PER_S,
                "first_byte_s": down[0]["first_byte_s"] - job.image.at_s if down else None,
                "last_byte_s": down[-1]["last_byte_s"] - job.image.at_s if down else None,
                "parts_ns": parts_ns,
                "parts_s": {part: ns / NS_PER_S for part, ns in parts_ns.items()},
                "late": bool(spec.deadline_s and at_ns - from_ns > spec.deadline_s * NS_PER_S),
                "verified": True,
                "path": about["path"],
                "delivered_to": station,
            }
        return row

    def _overdue(self, deadline_s: float | None, taken_s: float) -> bool:
        """Whether an image that is not answered should have been by the end."""
        end_s = self.plan.scenario.scenario.duration_s
        return deadline_s is not None and taken_s + deadline_s < end_s

    def _energy_j(self, story: Story) -> Iterable[float]:
        """Joules on board for a job: its computing, and terminals while they carry it.

        Both ends of each laser, and the satellite's end of a radio, as far as their power is known.
        """
        for name, seconds in story.computed:
            if self._kind[name] == "satellite":
                yield self._computer_w[self._index[name]] * seconds
        for each in story.sendings:
            busy_s = line_ns(each["sent"], each["rate_bps"]) / NS_PER_S
            for hop in pairwise(each["path"]):
                on_board = [name for name in hop if self._kind[name] == "satellite"]
                medium = "isl" if len(on_board) == len(hop) else "gsl"
                for name in on_board:
                    yield self._watts[medium][self._index[name]] * busy_s

    def totals(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return a row a workload and strategy: how many, how long, how old, how much."""
        found = []
        for index, spec in enumerate(self.specs):
            for strategy in spec.strategies:
                own = [r for r in rows if r["workload"] == index and r["strategy"] == strategy]
                found.append({"workload": index, "strategy": strategy, **self._total(own)})
        return found

    def _total(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        answered = [row for row in rows if row["state"] == "answered"]
        states = ("answered", "stored", "expired", "refused", "missed", "lost")
        times = ("first_byte_s", "last_byte_s", "latency_s")
        total: dict[str, Any] = {"jobs": len(rows)}
        total |= {state: sum(row["state"] == state for row in rows) for state in states}
        total["late"] = sum(row["late"] for row in rows)
        total["stored_bytes"] = sum(each["bytes"] for row in rows for each in row["held_by"])
        for key in times:
            total[key] = _rounded(percentiles([r[key] for r in answered if r[key] is not None]))
        total["parts_s"] = {
            part: round(float(np.mean([row["parts_s"][part] for row in answered])), 9)
            if answered
            else None
            for part in PARTS
        }
        total["age_s"] = self._age(rows)
        total["energy_j"] = _rounded(percentiles([row["energy_j"] for row in answered]))["mean"]
        return total

    def _age(self, rows: list[dict[str, Any]]) -> dict[str, float] | None:
        """Age of information, the mean over all sources: from each one's first image to the end."""
        end_s, found = self.plan.scenario.scenario.duration_s, []
        for source in dict.fromkeys(row["source"] for row in rows):
            own = [row for row in rows if row["source"] == source]
            first_s = min(row["captured_s"] for row in own)
            there = [
                (row["captured_s"], row["captured_s"] + row["latency_s"])
                for row in own
                if row["state"] == "answered"
            ]
            found.append(age(there, first_s, end_s, first_s))
        if not found:
            return None
        return {
            "mean": round(float(np.mean([each.mean_s for each in found])), 6),
            "peak": round(max(each.peak_s for each in found), 6),
            "p99": round(float(np.mean([each.p99_s for each in found])), 6),
        }

    def passes(self) -> dict[str, Any]:
        """Return how many passes there were, how many carried anything, and their goodput."""
        hops, nodes = cut(self.plan), self.plan.network.nodes
        spans: dict[tuple[str, str], list[tuple[float, float]]] = {}
        down = hops[hops["head"] >= len(self.plan.network.satellites)]
        for hop in np.sort(down, order=["tail", "head", "start_s"]):
            pair = nodes[hop["tail"]].name, nodes[hop["head"]].name
            spans.setdefault(pair, []).append((float(hop["start_s"]), float(hop["end_s"])))
        sent: dict[tuple[str, str], list[tuple[float, int]]] = {}
        for story in self.stories.values():
            for each in story.sendings:
                if each["sent"] and (pair := (each["node"], each["goal"])) in spans:
                    sent.setdefault(pair, []).append((each["from_ns"] / NS_PER_S, each["sent"]))
        rates = [bps for pair, own in spans.items() for bps in goodput_bps(own, sent.get(pair, []))]
        used = [bps for bps in rates if bps]
        size = sum(each for own in sent.values() for _, each in own)
        found = {"passes": len(rates), "used": len(used), "bytes": size}
        return found | {"goodput_bps": _rounded(percentiles(used))}


def _kept(story: Story) -> list[dict[str, Any]]:
    """Who holds what is left: the last custodian; who is in doubt holds what nobody took over."""
    held = [each for each in story.left if each["state"] == "held"]
    last = max((each["leg"] for each in held), default=0)
    return [each for each in held if each["leg"] == last or not each["doubt"]]


def _rounded(figures: dict[str, float | None]) -> dict[str, float | None]:
    return {key: None if each is None else round(each, 6) for key, each in figures.items()}
