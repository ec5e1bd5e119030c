"""Timeline of the run: who could see whom, what failed, and when the answers came down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emulator.report.links import Link, merged
from emulator.report.page import seconds
from emulator.report.record import Answer, Flow, RunRecord, Span
from emulator.report.svg import (
    CONTACT_COLOURS,
    FAINT,
    FAULT,
    INK,
    PART_COLOURS,
    PLANNED,
    WIDTH_IN,
    svg,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 40
"""More links than this are summed up instead of drawn one by one."""

_ROW_IN = 0.19
_LABEL_IN_PER_CHARACTER = 0.062


@dataclass(frozen=True)
class _Row:
    """One line of the timeline: a heading, a strategy, or a link."""

    label: str
    heading: bool = False
    medium: str = "isl"
    contacts: tuple[Span, ...] = ()
    faults: tuple[Span, ...] = ()
    answer: Answer | None = None
    flows: tuple[Flow, ...] = ()


def timeline(record: RunRecord, links: Sequence[Link], labels: Sequence[str]) -> str:
    """Return the timeline; ``labels`` name the answers of the record, in their order.

    '' where there is no row to draw: lasers alone, and too many of them.
    """
    rows = [*_answer_rows(record, labels), *_laser_rows(links), *_ground_rows(record, links)]
    if not rows:
        return ""
    left_in = min(3.6, 0.25 + _LABEL_IN_PER_CHARACTER * max(len(row.label) for row in rows))
    width_in = WIDTH_IN - left_in - _right_margin_in(record)
    height_in = 0.62 + _ROW_IN * len(rows)

    def draw(figure: "Figure") -> None:
        box_in = (left_in, 0.42, width_in, height_in - 0.62)
        sides_in = (WIDTH_IN, height_in, WIDTH_IN, height_in)
        axes = figure.add_axes([edge / side for edge, side in zip(box_in, sides_in, strict=True)])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        time_axis(axes, record.end_s)
        for index, row in enumerate(rows):
            _draw_row(axes, index, row, record.end_s)
        _moments(axes, record)
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        axes.spines["left"].set_visible(False)
        for text, row in zip(axes.get_yticklabels(), rows, strict=True):
            text.set_fontweight("bold" if row.heading else "normal")

    alt = "Contacts of every link over time, with faults, the image and its answers"
    return svg("timeline", alt, (WIDTH_IN, height_in), draw)


def laser_count(record: RunRecord, links: Sequence[Link]) -> str:
    """Return the number of lasers in contact over time, where they are too many for rows."""
    lasers = [link for link in links if link.medium == "isl"]
    edges = sorted({t for link in lasers for span in link.contacts for t in span} | {0.0})
    edges = [t for t in edges if t < record.end_s]
    spans = np.array([span for link in lasers for span in link.contacts])
    up = [int(((spans[:, 0] <= t) & (t < spans[:, 1])).sum()) for t in edges]

    def draw(figure: "Figure") -> None:
        axes = figure.add_axes((0.06, 0.24, 0.925, 0.68))
        axes.step([*edges, record.end_s], [*up, up[-1]], where="post", color=PLANNED)
        axes.set_ylim(0, max(up) * 1.1)
        axes.set_ylabel("lasers in contact")
        axes.yaxis.get_major_locator().set_params(integer=True)
        time_axis(axes, record.end_s)

    return svg("lasers", "Number of lasers in contact over time", (WIDTH_IN, 1.9), draw)


def _right_margin_in(record: RunRecord) -> float:
    """Room that the words behind the latest answers need beyond the end of the run."""
    needed_in = [0.15]
    for answer in record.answers():
        inside_in = 7.0 * (1 - _stop_s(answer, record.end_s) / record.end_s)
        words_in = 0.2 + _LABEL_IN_PER_CHARACTER * len(_outcome(answer))
        needed_in.append(words_in - inside_in)
    return max(needed_in)


def _stop_s(answer: Answer, end_s: float) -> float:
    if answer.latency_s is None:
        return end_s
    return min(end_s, answer.capture_s + answer.latency_s)


def _outcome(answer: Answer) -> str:
    if answer.latency_s is None:
        return "not delivered"
    station = f", {answer.delivered_to}" if answer.delivered_to else ""
    return seconds(answer.latency_s) + station


def _answer_rows(record: RunRecord, labels: Sequence[str]) -> list[_Row]:
    answers = record.answers()
    rows = [_Row("Answers", heading=True)] if answers else []
    several = len({answer.source for answer in answers}) > 1
    for answer, label in zip(answers, labels, strict=True):
        flows = tuple(
            flow
            for flow in record.flows
            if flow.strategy == answer.strategy and (not several or flow.source in answer.path)
        )
        rows.append(_Row(label, answer=answer, flows=flows))
    return rows


def _laser_rows(links: Sequence[Link]) -> list[_Row]:
    lasers = [link for link in links if link.medium == "isl"]
    if not lasers or len(lasers) > MOST_ROWS:
        return []
    rows = [
        _Row(f"{link.a} – {link.b}", contacts=link.contacts, faults=link.faults) for link in lasers
    ]
    return [_Row("Lasers", heading=True), *rows]


def _ground_rows(record: RunRecord, links: Sequence[Link]) -> list[_Row]:
    nodes = record.plan.network.nodes
    ground: dict[str, list[Link]] = {node.name: [] for node in nodes if node.kind == "station"}
    for link in links:
        if link.medium == "gsl":
            ground[link.b].append(link)
    if sum(map(len, ground.values())) > MOST_ROWS:
        return _station_rows(ground)
    rows: list[_Row] = []
    for station, own in ground.items():
        rows.append(_Row(f"Station {station}" if own else f"{station}: no contact", heading=True))
        for link in own:
            rows.append(_Row(link.a, medium="gsl", contacts=link.contacts, faults=link.faults))
    return rows


def _station_rows(ground: dict[str, list[Link]]) -> list[_Row]:
    """One row a station, where its links are too many for one each."""
    rows = [_Row("Stations with any contact", heading=True)]
    for station, own in list(ground.items())[:MOST_ROWS]:
        spans = merged(span for link in own for span in link.contacts)
        rows.append(_Row(f"{station} ({len(own)} satellites)", medium="gsl", contacts=spans))
    return rows


def _draw_row(axes: "Axes", index: int, row: _Row, end_s: float) -> None:
    widths = [(start, end - start) for start, end in row.contacts]
    colour = CONTACT_COLOURS[row.medium]
    axes.broken_barh(widths, (index - 0.34, 0.68), facecolors=colour, linewidth=0)
    for start, end in row.faults:
        look = {"facecolor": "white", "edgecolor": FAULT, "hatch": "//////", "linewidth": 0.8}
        axes.broken_barh([(start, end - start)], (index - 0.34, 0.68), zorder=3, **look)
    if row.answer is not None:
        _draw_answer(axes, index, row.answer, row.flows, end_s)


def _draw_answer(
    axes: "Axes", index: int, answer: Answer, flows: Sequence[Flow], end_s: float
) -> None:
    start_s, stop_s = answer.capture_s, _stop_s(answer, end_s)
    axes.plot([start_s, stop_s], [index, index], color=FAINT, linewidth=1.2, zorder=2)
    for flow in flows:
        if flow.start_s is None:
            continue
        until_s = end_s if flow.end_s is None else flow.end_s
        look = {"facecolors": PART_COLOURS["transmit"], "linewidth": 0, "zorder": 3}
        axes.broken_barh([(flow.start_s, until_s - flow.start_s)], (index - 0.3, 0.6), **look)
    axes.plot([start_s], [index], "o", color=INK, markersize=3.6, zorder=4)
    if answer.latency_s is not None:
        axes.plot([stop_s], [index], "D", color=INK, markersize=4.2, zorder=4)
    axes.annotate(
        _outcome(answer),
        (stop_s, index),
        xytext=(7, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
        zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
    )


def _moments(axes: "Axes", record: RunRecord) -> None:
    """Carry the image and each delivery through all rows."""
    for answer in record.answers():
        axes.axvline(answer.capture_s, color=INK, linewidth=0.9, zorder=1.5)
        if answer.latency_s is not None:
            at_s = _stop_s(answer, record.end_s)
            axes.axvline(at_s, color=INK, linewidth=0.7, linestyle=(0, (2, 2)), zorder=2.5)
