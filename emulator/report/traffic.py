"""Flows of the run: what they brought, and what TCP saw of the sky that changed under them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from emulator.lab.traffic import told
from emulator.report.links import Link
from emulator.report.page import figure, heading, paragraph, size, table
from emulator.report.record import Reading, RunRecord, Sample
from emulator.report.svg import FAINT, FAULT, MEASURED, WIDTH_IN, svg
from emulator.units import SEGMENT_BYTES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_FLOWS, _MOST_POINTS, _MOST_ROWS = 8, 400, 40


@dataclass(frozen=True)
class Course:
    """One TCP flow over time; ``window`` in segments."""

    a: str
    b: str
    what: str
    t_s: tuple[float, ...]
    goodput_mbps: tuple[float, ...]
    rtt_ms: tuple[float, ...]
    window: tuple[float, ...]


def traffic(record: RunRecord, known: Sequence[Link]) -> list[str]:
    """Return the section on flows; nothing where the scenario has none."""
    rows = told(record.summary)
    if not rows:
        return []
    parts = [heading("Traffic"), _table(record, rows[:_MOST_ROWS])]
    if len(rows) > _MOST_ROWS:
        parts.append(paragraph(f"{_MOST_ROWS} of {len(rows):,} flows.", "note"))
    if courses := _courses(record):
        text = (
            "TCP's own figures at the sender: what it brought, its round trip, its congestion "
            "window. Lines: a link of either end began or ended, as planned (grey) or by a "
            "fault (red)."
        )
        if len(courses) > _MOST_FLOWS:
            text += f" The first {_MOST_FLOWS} of {len(courses)} flows."
        parts.append(figure(_drawing(courses[:_MOST_FLOWS], known, record.end_s), text))
    return parts


def _table(record: RunRecord, rows: Sequence[dict]) -> str:
    head = ["From – to", "Flow", "Arrived", "Goodput, Mbit/s", "Sent again", "Lost"]
    head += ["Round trips, ms", "Outcome"]
    cells = [
        [
            f"{row['a']} – {row['b']}",
            row["what"],
            "–" if row["bytes"] is None else size(row["bytes"]),
            "–" if row["goodput_bps"] is None else f"{row['goodput_bps'] / 1e6:,.3f}",
            "–" if row["retransmitted"] is None else f"{row['retransmitted']:,}",
            "–" if row["packets"] is None else f"{row['lost']:,} of {row['packets']:,}",
            _span(row["min_rtt_ms"], row["max_rtt_ms"]),
            row["outcome"] or "–",
        ]
        for row in rows
    ]
    return table(head, cells)


def _span(least_ms: float | None, most_ms: float | None) -> str:
    return "–" if least_ms is None else f"{least_ms:,.3f} to {most_ms:,.3f}"


def _courses(record: RunRecord) -> list[Course]:
    found = []
    for row in record.summary.get("tcp", ()):
        samples = [each for each in record.tcp if each.flow == row["flow"] and each.rtt_ms > 0]
        if len(samples) > 1:
            found.append(_of_samples(row["a"], row["b"], f"TCP {row['congestion']}", samples))
    for row in record.summary.get("iperf3", ()):
        readings = [r for r in record.iperf3 if r.flow == row["flow"] and r.rtt_ms and r.bytes]
        if len(readings) > 1:
            what = f"iperf3, TCP {row['congestion']}"
            found.append(_of_readings(row["a"], row["b"], what, readings))
    return found


def _of_samples(a: str, b: str, what: str, samples: Sequence[Sample]) -> Course:
    """Thin out, then take the goodput from one sample to the next."""
    samples = samples[:: -(-len(samples) // _MOST_POINTS)]
    pairs = list(pairwise(samples))
    return Course(
        *(a, b, what),
        t_s=tuple(s.t_s for _, s in pairs),
        goodput_mbps=tuple(
            8e-6 * (s.bytes_acked - before.bytes_acked) / (s.t_s - before.t_s)
            for before, s in pairs
        ),
        rtt_ms=tuple(s.rtt_ms for _, s in pairs),
        window=tuple(float(s.cwnd) for _, s in pairs),
    )


def _of_readings(a: str, b: str, what: str, readings: Sequence[Reading]) -> Course:
    readings = readings[:: -(-len(readings) // _MOST_POINTS)]
    return Course(
        *(a, b, what),
        t_s=tuple(r.t_s for r in readings),
        goodput_mbps=tuple(8e-6 * (r.bytes or 0) / r.interval_s for r in readings),
        rtt_ms=tuple(r.rtt_ms or 0.0 for r in readings),
        window=tuple((r.cwnd_bytes or 0) / SEGMENT_BYTES for r in readings),
    )


def handovers(flow: Course, known: Sequence[Link]) -> tuple[tuple[float, ...], ...]:
    """Return when links of either end of a flow began or ended: as planned, and by faults."""
    own = [link for link in known if {link.a, link.b} & {flow.a, flow.b}]
    faults = {t_s for link in own for span in link.faults for t_s in span}
    planned = {t_s for link in own for span in link.contacts for t_s in span} - faults
    first, last = flow.t_s[0], flow.t_s[-1]
    return tuple(tuple(sorted(t for t in s if first < t < last)) for s in (planned, faults))


def _drawing(courses: Sequence[Course], known: Sequence[Link], end_s: float) -> str:
    columns: tuple[tuple[str, Callable[[Course], Sequence[float]]], ...] = (
        ("goodput, Mbit/s", lambda flow: flow.goodput_mbps),
        ("round trip, ms", lambda flow: flow.rtt_ms),
        ("window, segments", lambda flow: flow.window),
    )

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(len(courses), len(columns), squeeze=False)
        for row, flow in zip(panels, courses, strict=True):
            planned, faults = handovers(flow, known)
            for axes, (label, values) in zip(row, columns, strict=True):
                _panel(axes, flow.t_s, values(flow), end_s)
                axes.set_ylabel(label)
                for moments, colour in ((planned, FAINT), (faults, FAULT)):
                    for t_s in moments:
                        axes.axvline(t_s, color=colour, linewidth=0.8, linestyle=(0, (3, 2)))
            row[0].set_title(f"{flow.a} – {flow.b}, {flow.what}", loc="left", pad=3)
        for axes in panels[-1]:
            axes.set_xlabel("time since the start, s")
        inch = 1 / figure.get_figheight()
        figure.subplots_adjust(
            left=0.06, right=0.99, bottom=0.42 * inch, top=1 - 0.24 * inch, wspace=0.24
        )
        figure.subplots_adjust(hspace=0.4)

    alt = "Goodput, round trip and congestion window of each TCP flow over time"
    return svg("traffic", alt, (WIDTH_IN, 0.5 + 1.5 * len(courses)), draw)


def _panel(axes: "Axes", t_s: Sequence[float], values: Sequence[float], end_s: float) -> None:
    axes.plot(t_s, values, color=MEASURED, linewidth=1.0)
    axes.set_xlim(0, end_s)
    axes.set_ylim(0, max(values) * 1.1 or 1.0)
    axes.locator_params(axis="both", nbins=5)
