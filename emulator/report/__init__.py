"""Run directory → report.html: one file that shows what was asked, found, and how.

The file needs nothing but itself, and the same run directory gives the same bytes.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emulator.lab.traffic import told
from emulator.part import part_of
from emulator.report import figures
from emulator.report.light import causes_of_loss, charge_of_batteries
from emulator.report.links import Delay, Link, Pair, delays, links, pair_of, unforeseen
from emulator.report.method import method
from emulator.report.offload import totals, totals_sentences
from emulator.report.page import (
    NBSP,
    absent,
    count,
    figure,
    heading,
    listing,
    page,
    paragraph,
    percent,
    plain,
    plainly,
    seconds,
    size,
    table,
    tiles,
)
from emulator.report.record import Answer, RunRecord
from emulator.report.timeline import MOST_ROWS, laser_count, timeline
from emulator.report.traffic import traffic

_SAID = {"raw": "raw", "onboard": "on board", "laser": "by laser", "relay": "raw by relay"}
_KERNELS = {"host": "the host's", "usermode": "user-mode", "virtual": "user-mode, virtual time"}
_UNITS = {"_s": f"{NBSP}s", "_ms": f"{NBSP}ms", "_bytes": f"{NBSP}bytes"}
_MOST_EVENTS = 60


def write_report(run_dir: Path) -> Path:
    """Write ``report.html`` into a finished run directory and return its path.

    Raises RunError where ``run_dir`` holds no finished run.
    """
    record = RunRecord.read(run_dir)
    known = links(record)
    parts = [
        *_header(record, known),
        *_latency(record),
        *traffic(record, known),
        *_timeline(record, known),
        *causes_of_loss(record),
        *charge_of_batteries(record),
        *_delays(record, known),
        *_fidelity(record),
        *_events(record, known),
        *method(record),
    ]
    target = run_dir / "report.html"
    title = f"{record.scenario.scenario.name}: Lasermesh run"
    target.write_text(page(title, parts), encoding="utf-8", newline="\n")
    return target


def _header(record: RunRecord, known: Sequence[Link]) -> list[str]:
    run = record.scenario.scenario
    answers, kernel = record.answers(), record.summary["kernel"]
    facts = (
        f"Start {run.start:%Y-%m-%d %H:%M:%S} UTC, {plain(record.end_s)} s in steps of "
        f"{plain(run.step_s)} s. Routing: {record.summary['routing']['protocol']}. "
        f"Emulated by Lasermesh, {_KERNELS.get(kernel, kernel)} kernel, "
        f"{record.summary['clock']} clock, rate scale {plain(record.summary['rate_scale'])}."
    )
    return [
        heading(run.name, 1),
        paragraph(run.description) if run.description else "",
        paragraph(facts, "facts"),
        *(paragraph(text, "answer") for text in _answer_sentences(record, answers)),
        paragraph(_where_time_went(answers), "where") if any(a.parts_s for a in answers) else "",
        tiles(_key_figures(record, known)),
    ]


def _answer_sentences(record: RunRecord, answers: Sequence[Answer]) -> list[str]:
    """Return what the run found, a sentence an image, or a strategy where they are many."""
    if record.many:
        return totals_sentences(record)
    if not answers:
        return [_without_images(record)]
    said = []
    for source, capture_s in dict.fromkeys((a.source, a.capture_s) for a in answers):
        own = [a for a in answers if (a.source, a.capture_s) == (source, capture_s)]
        there = sorted((a for a in own if a.latency_s is not None), key=lambda a: a.latency_s or 0)
        times = [f"{seconds(a.latency_s)} {_SAID.get(a.strategy, a.strategy)}" for a in there]
        never = [_SAID.get(a.strategy, a.strategy) for a in own if a.latency_s is None]
        text = f"An image of {size(own[0].object_bytes)} taken by {source} "
        text += f"at +{plain(capture_s)}{NBSP}s"
        if times:
            text += f" was answered on the ground after {listing(times)}"
        if never:
            text += "; not" if times else " was not answered on the ground"
            text += f" {listing(never)}" + (" before the run ended" if times else "")
        said.append(text + ".")
    return said


def _without_images(record: RunRecord) -> str:
    rtt = [row for row in record.summary["rtt"] if row["error_us"] is not None]
    if not rtt:
        changes = count(record.summary["changes"], "change")
        flows = len(told(record.summary))
        measured = f"{count(flows, 'flow')} ran meanwhile" if flows else "nothing was measured"
        return f"The links were played for {plain(record.end_s)} s, {changes}; {measured}."
    worst_s = max(abs(row["error_us"]) for row in rtt) * 1e-6
    return (
        f"Round trips of {count(len(rtt), 'pair')} over {plain(record.end_s)} s came within "
        f"{seconds(worst_s)} of those that the orbits ask for (median of the worst pair)."
    )


def _where_time_went(answers: Sequence[Answer]) -> str:
    """Return the largest part of each latency, in words."""
    verbs = {
        "wait": "waiting for a contact",
        "queue": "queueing",
        "compute": "computing",
        "transmit": "transmitting",
        "propagate": "propagating",
        "retransmit": "sending again and recovering",
        "other": "other (see below)",
    }
    said = []
    for answer in answers:
        if not answer.parts_s or not answer.latency_s:
            continue
        part, part_s = max(answer.parts_s.items(), key=lambda each: each[1])
        share = percent(100 * part_s / answer.latency_s)
        said.append(f"{_SAID.get(answer.strategy, answer.strategy)}: {share} {verbs[part]}")
    return f"Where most of the time went: {'; '.join(said)}."


def _key_figures(record: RunRecord, known: Sequence[Link]) -> list[tuple[str, str]]:
    summary, network = record.summary, record.plan.network
    media = Counter(link.medium for link in known)
    lag = summary["lag_ms"]
    nodes = "satellites and ground stations"
    if part := part_of(record.scenario):
        nodes += f", a part of {part['of']:,}: {part['which']}; to the others there are no links"
    found = [
        (f"{len(network.satellites)} + {len(network.stations)}", nodes),
        (f"{media['isl']} + {media['gsl']}", "laser and ground links that came up"),
    ]
    if rtt := summary["rtt"]:
        worst = max(rtt, key=lambda row: abs(row["error_us"] or 0.0))
        sent, lost = sum(row["sent"] for row in rtt), sum(row["lost"] for row in rtt)
        error = seconds(abs(worst["error_us"] or 0.0) * 1e-6)
        found.append((error, f"median round-trip error, worst of {count(len(rtt), 'pair')}"))
        found.append((f"{lost:,}", f"of {sent:,} probes lost"))
    if lag.get("p99") is not None:
        found.append((seconds(lag["p99"] / 1e3), f"lag that 99{NBSP}% of the steps kept within"))
    if (converged_s := summary["routing"].get("converged_s")) is not None:
        found.append((seconds(converged_s), "for routing to converge before the start"))
    return found


def _labels(answers: Sequence[Answer]) -> list[str]:
    """Name each answer: by its strategy, and by its satellite where there are several."""
    several = len({answer.source for answer in answers}) > 1
    names = [figures.STRATEGIES.get(answer.strategy, answer.strategy) for answer in answers]
    return [f"{n}, {a.source}" if several else n for n, a in zip(names, answers, strict=True)]


def _latency(record: RunRecord) -> list[str]:
    answers = record.answers()
    title = heading("From the image to its answer on the ground")
    if record.many:
        return [title, *totals(record)]
    if not answers:
        return [title, paragraph("No offload workload in this scenario.", "absent")]
    labels = _labels(answers)
    head = ["Strategy", "Total, s", *(f"{part.capitalize()}, s" for part in figures.PART_COLOURS)]
    rows = []
    for label, answer in zip(labels, answers, strict=True):
        parts = answer.parts_s or {}
        times = [answer.latency_s, *(parts.get(part) for part in figures.PART_COLOURS)]
        rows.append([label, *("–" if t is None else f"{t:,.3f}" for t in times)])
    explained = (
        "Raw downlink: the image waits for its satellite's own contact, goes down, and is computed "
        "on the ground. Processed on board: the satellite computes, and the answer waits for "
        "contact. Offloaded by laser: the image goes over lasers to the satellite that has contact "
        "first, goes down there, and is computed on the ground. “Other” is what remains of the "
        "total: routing convergence, TCP connection and slow start, queueing."
    )
    drawing = figures.latency_bars(answers, labels, record.end_s)
    return [title, figure(drawing, explained), table(head, rows), _routes(record, answers, labels)]


def _routes(record: RunRecord, answers: Sequence[Answer], labels: Sequence[str]) -> str:
    scale = record.summary["rate_scale"]
    head = ["Strategy", "Image", "Path", "Delivered to", "Content verified"]
    rows = []
    for label, answer in zip(labels, answers, strict=True):
        image = size(answer.object_bytes)
        if scale != 1:
            image += f", sent as {size(answer.object_bytes / scale)}"
        verified = "yes" if answer.verified else "NO" if answer.latency_s is not None else "–"
        rows.append([label, image, " → ".join(answer.path), answer.delivered_to, verified])
    return table(head, rows)


def _timeline(record: RunRecord, known: Sequence[Link]) -> list[str]:
    title = heading("Who could see whom")
    if not known:
        return [title, paragraph("The plan holds no contact.", "absent")]
    caption = "Bars: planned contacts, from acquisition to loss. "
    if record.answers():
        caption += "● image complete, ◆ answer on the ground; the vertical lines carry both "
        caption += "through all links. Blue: an object under way. "
    if any(link.faults for link in known):
        caption += "Red hatching: taken down by a fault."
    drawing = timeline(record, known, _labels(record.answers()))
    parts = [title, *([figure(drawing, caption.strip())] if drawing else [])]
    lasers = sum(link.medium == "isl" for link in known)
    if lasers > MOST_ROWS:
        parts.append(figure(laser_count(record, known), f"{lasers} laser links, summed up."))
    return parts


def _delays(record: RunRecord, known: Sequence[Link]) -> list[str]:
    plans = delays(record)
    parts = [heading("Delay of each link")]
    if not known and not record.probes:
        return [*parts, paragraph("The plan holds no contact.", "absent")]
    if record.probes:
        text = (
            "Solid: one-way propagation delay from the orbits. Dotted: half of the round trip "
            "expected of a probe, with its own time on the line. Dots: half of the measured round "
            "trip, the median probe of each of 60 spans of time. "
            f"▲{NBSP}a probe beyond the scale, ×{NBSP}a lost one."
        )
    else:
        text = (
            "Solid: one-way propagation delay from the orbits. No measured points: "
            f"{record.missing.get('probes', 'no probes')}."
        )
    parts.append(paragraph(text, "note"))
    neighbours = {link.pair for link in known}
    distant = sorted({pair_of(p.a, p.b) for p in record.probes} - neighbours)
    groups = {
        "Lasers": [(link.a, link.b) for link in known if link.medium == "isl"],
        "Ground links": [(link.a, link.b) for link in known if link.medium == "gsl"],
        "Over several links": distant,
    }
    if max(len(groups["Lasers"]), len(groups["Ground links"])) > MOST_ROWS:
        caption = "Shortest to longest (band) and median (line) of all links in contact."
        parts.append(figure(figures.delay_bands(plans, record.end_s), caption))
    for name, pairs in groups.items():
        parts.extend(_panels(record, name, pairs, plans))
    return parts


def _panels(
    record: RunRecord, name: str, pairs: list[Pair], plans: dict[str, dict[Pair, Delay]]
) -> list[str]:
    if not pairs or len(pairs) > MOST_ROWS:
        return []
    plan = plans["isl"] if name == "Lasers" else plans["gsl"]
    plan = {} if name == "Over several links" else plan
    slug = name.lower().replace(" ", "-")
    drawing = figures.delay_panels(slug, pairs, plan, record)
    return [heading(name, 3), f"<figure>{drawing}</figure>"]


def _fidelity(record: RunRecord) -> list[str]:
    parts = [heading("Does it keep to physics, and to time?")]
    step_ms, p99_ms = record.plan.step_s * 1e3, record.summary["lag_ms"].get("p99")
    if p99_ms is not None and p99_ms > step_ms:
        late = f"The player did not keep up: 1 % of steps were late by more than {p99_ms:,.0f} ms, "
        parts.append(paragraph(late + f"a step being {plain(step_ms)} ms.", "warning"))
    answered = record.measured()
    reason = record.missing.get("probes", "no probe was answered")
    left = absent("No round trips", reason)
    if answered:
        caption = "How far each round trip was from the expected one."
        if record.summary["clock"] == "real":
            caption += " It contains the time that this machine took to forward and to stamp it."
        left = figure(figures.error_histogram(answered), caption)
    right = absent("No lag", record.missing.get("steps", ""))
    if record.steps:
        caption = "Lag: how long after its time each step of the sky was in force."
        right = figure(figures.lag_plot(record.steps, record.end_s), caption)
    parts.append(f'<div class="halves">{left}{right}</div>')
    return [*parts, *_rtt_table(record)]


def _rtt_table(record: RunRecord) -> list[str]:
    rows = sorted(record.summary["rtt"], key=lambda row: -abs(row["error_us"] or 0.0))
    if not rows:
        return []
    head = ["Pair", "Expected, ms", "Measured, ms", "Error, µs", "Sent", "Lost"]
    cells = [
        [
            f"{row['a']} – {row['b']}",
            _fixed(row["expected_ms"], 4),
            _fixed(row["measured_ms"], 4),
            _fixed(row["error_us"], 1, "+"),
            f"{row['sent']:,}",
            f"{row['lost']:,}",
        ]
        for row in rows[:MOST_ROWS]
    ]
    shown = "Round trips by pair (medians), the largest error first"
    if len(rows) > MOST_ROWS:
        shown += f"; {MOST_ROWS} of {len(rows):,} pairs"
    return [heading(shown, 3), table(head, cells)]


def _fixed(value: float | None, decimals: int, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign},.{decimals}f}"


def _events(record: RunRecord, known: Sequence[Link]) -> list[str]:
    parts = [heading("Events")]
    if reason := record.missing.get("events"):
        parts.append(absent("Events", reason))
    shown = unforeseen(record, known)
    if left := len(record.events) - len(shown):
        changes = count(left, "link change")
        parts.append(paragraph(f"Without the {changes} that the plan foresaw.", "note"))
    if len(shown) > _MOST_EVENTS:
        rest = Counter(event["event"] for event in shown[_MOST_EVENTS:])
        words = listing([f"{number:,} × {name}" for name, number in sorted(rest.items())])
        parts.append(paragraph(f"The first {_MOST_EVENTS}; after them {words}.", "note"))
    rows = [
        ["–" if e["t_s"] is None else f"+{e['t_s']:,.3f}", e["event"], _details(e)]
        for e in shown[:_MOST_EVENTS]
    ]
    if rows:
        parts.append(table(["Time, s", "Event", "Details"], rows, "narrow"))
    elif not record.events and "events" not in record.missing:
        parts.append(absent("No events", "events.jsonl is empty"))
    return parts


def _details(event: dict[str, Any]) -> str:
    """Return what an event says in a line; tables and long lists stand elsewhere in the report."""
    ends = [plainly(event[key]) for key in ("a", "b") if key in event]
    said = [
        _said(key, value)
        for key, value in event.items()
        if key not in ("t_s", "event", "a", "b", "path", "parts_s")
        and not (isinstance(value, list) and len(value) > 2)
    ]
    return ", ".join(filter(None, [" – ".join(ends), *said]))


def _said(key: str, value: Any) -> str:
    """Put a figure's unit, which its key ends with, behind it: until_s 156 is until 156 s."""
    for suffix, unit in _UNITS.items():
        if key.endswith(suffix):
            return f"{key.removesuffix(suffix).replace('_', ' ')} {plainly(value)}{unit}"
    return f"{key.replace('_', ' ')} {plainly(value)}"
