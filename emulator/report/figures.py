"""Figures of the report other than the timeline: latency parts, delays, errors, lag."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emulator.report.links import Delay, Pair, pair_of
from emulator.report.page import percent, plain, seconds
from emulator.report.record import Answer, Measured, RunRecord, Step
from emulator.report.svg import (
    FAINT,
    HALF_IN,
    INK,
    MEASURED,
    PART_COLOURS,
    PLANNED,
    WIDTH_IN,
    svg,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRATEGIES = {
    "raw": "Raw downlink",
    "onboard": "Processed on board",
    "split": "Split, board and ground",
    "laser": "Offloaded by laser",
    "onboard-laser": "On board, answer by laser",
    "neighbour": "Computed by a neighbour",
    "next-contact": "Computed next to contact",
    "relay": "Raw through relays",
    "onboard-relay": "On board, answer by relays",
}
PART_NAMES = {
    "wait": "wait for a contact",
    "queue": "queue",
    "compute": "compute",
    "transmit": "transmit",
    "propagate": "propagate",
    "retransmit": "retransmit and recover",
    "other": "other",
}

_COLUMNS = 4
_POINTS_PER_PANEL = 60
_FLOOR_US = 0.1


def latency_bars(answers: Sequence[Answer], labels: Sequence[str], end_s: float) -> str:
    """Return one stacked bar a strategy, in seconds and again as shares of its own total."""

    def draw(figure: "Figure") -> None:
        inch = 1 / figure.get_figheight()
        bottom, height = 0.46 * inch, 1 - 0.80 * inch
        left = min(0.03 + 0.0068 * max(map(len, labels)), 0.35)
        times = figure.add_axes((left, bottom, 0.69 - left, height))
        shares = figure.add_axes((0.72, bottom, 0.265, height))
        for index, answer in enumerate(answers):
            _latency_bar(times, index, answer, end_s)
            _share_bar(shares, index, answer)
        for axes in (times, shares):
            axes.set_ylim(len(answers) - 0.5, -0.5)
            axes.set_yticks(range(len(answers)), labels, fontsize=9)
            axes.tick_params(axis="y", length=0)
            axes.grid(False, axis="y")
            axes.spines["left"].set_visible(False)
        times.set_xlim(0, max(_shown_s(answer, end_s) for answer in answers) * 1.22)
        times.set_xlabel("time since the image was complete, s")
        shares.set_xlim(0, 100)
        shares.set_xlabel("share of its own total, %")
        shares.tick_params(labelleft=False)
        _part_legend(figure, left)

    size_in = (WIDTH_IN, 0.85 + 0.42 * len(answers))
    return svg("latency", "Latency of the answer by strategy and part", size_in, draw)


def _shown_s(answer: Answer, end_s: float) -> float:
    if answer.latency_s is None:
        return max(end_s - answer.capture_s, 1e-9)
    return max(answer.latency_s, 1e-9)


def _latency_bar(axes: "Axes", index: int, answer: Answer, end_s: float) -> None:
    total_s = _shown_s(answer, end_s)
    said = seconds(answer.latency_s)
    if answer.latency_s is None:
        look = {"facecolor": "none", "edgecolor": FAINT, "hatch": "////", "linestyle": "--"}
        gid = f"bar-{index}-{answer.strategy}-none"
        axes.barh(index, total_s, height=0.62, linewidth=0.8, gid=gid, **look)
        said = "not delivered"
    elif answer.parts_s is None:
        gid = f"bar-{index}-{answer.strategy}-total"
        axes.barh(index, total_s, height=0.62, color=FAINT, gid=gid)
    else:
        _stack(axes, index, answer.parts_s, f"bar-{index}-{answer.strategy}")
    axes.annotate(
        said,
        (total_s, index),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=10,
        fontweight="bold",
    )


def _share_bar(axes: "Axes", index: int, answer: Answer) -> None:
    total_s = sum((answer.parts_s or {}).values())
    if total_s <= 0 or answer.parts_s is None:
        return
    shares = {part: 100 * part_s / total_s for part, part_s in answer.parts_s.items()}
    for part, middle in _stack(axes, index, shares, f"bar-share-{index}-{answer.strategy}").items():
        if shares[part] >= 12:
            colour = "white" if part in ("transmit", "propagate", "other") else INK
            look = {"ha": "center", "va": "center", "fontsize": 7.5, "color": colour}
            axes.text(middle, index, percent(shares[part]), **look)


def _stack(axes: "Axes", index: int, parts: dict[str, float], gid: str) -> dict[str, float]:
    """Draw the parts one after the other and return the middle of each."""
    left, middles = 0.0, {}
    for part, colour in PART_COLOURS.items():
        width = parts.get(part) or 0.0
        if width <= 0:
            continue
        look = {"color": colour, "edgecolor": "white", "linewidth": 0.7, "gid": f"{gid}-{part}"}
        axes.barh(index, width, left=left, height=0.62, **look)
        middles[part] = left + width / 2
        left += width
    return middles


def _part_legend(figure: "Figure", left: float) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=colour, edgecolor=FAINT, linewidth=0.4, label=PART_NAMES[part])
        for part, colour in PART_COLOURS.items()
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left - 0.01, 1.0),
        ncols=len(handles),
        handlelength=1.2,
        columnspacing=2.0,
        borderaxespad=0.2,
    )


def delay_panels(
    name: str, shown: Sequence[Pair], plan: dict[Pair, Delay], record: RunRecord
) -> str:
    """Return a small plot a pair: planned one-way delay, and half of each measured round trip."""
    pairs = [pair_of(*names) for names in shown]
    measured: dict[Pair, list[Measured]] = {pair: [] for pair in pairs}
    for probe in record.measured():
        measured.get(pair_of(probe.a, probe.b), []).append(probe)
    lost: dict[Pair, list[float]] = {pair: [] for pair in pairs}
    for each in record.probes:
        if each.rtt_ms is None:
            lost.get(pair_of(each.a, each.b), []).append(each.t_s)
    rows = -(-len(pairs) // _COLUMNS)

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for number, (axes, pair) in enumerate(zip(panels, pairs, strict=False)):
            line = plan.get(pair, Delay())
            _delay_panel(axes, line, measured[pair], lost[pair], record.end_s)
            axes.set_title(" – ".join(shown[number]), loc="left", pad=3)
            if number + _COLUMNS >= len(pairs):
                axes.set_xlabel("time since the start, s")
            else:
                axes.tick_params(labelbottom=False)
            if number % _COLUMNS == 0:
                axes.set_ylabel("one way, ms")
        for axes in panels[len(pairs) :]:
            axes.set_visible(False)
        inch = 1 / figure.get_figheight()
        figure.subplots_adjust(
            left=0.055, right=0.99, bottom=0.42 * inch, top=1 - 0.24 * inch, wspace=0.24
        )
        figure.subplots_adjust(hspace=0.46)

    size_in = (WIDTH_IN, 0.5 + 1.3 * rows)
    return svg(name, "One-way delay of each pair over time", size_in, draw)


def _delay_panel(
    axes: "Axes", line: Delay, probes: Sequence[Measured], lost: Sequence[float], end_s: float
) -> None:
    points = _middle_of_each_span(probes, end_s)
    expected_ms = [each.expected_ms / 2 for each in points]
    low_ms, high_ms = _delay_limits([*line.ms, *expected_ms], [p.rtt_ms / 2 for p in points])
    inside = [each for each in points if each.rtt_ms / 2 <= high_ms]
    beyond = [each for each in probes if each.rtt_ms / 2 > high_ms]
    top_ms = high_ms - 0.04 * (high_ms - low_ms)
    bottom_ms = low_ms + 0.05 * (high_ms - low_ms)
    axes.plot(line.t_s, line.ms, color=PLANNED, linewidth=1.4)
    axes.plot([p.t_s for p in points], expected_ms, color=PLANNED, linewidth=0.8, linestyle=":")
    look = {"color": MEASURED, "linestyle": "none", "markeredgewidth": 0}
    axes.plot([p.t_s for p in inside], [p.rtt_ms / 2 for p in inside], "o", markersize=2.2, **look)
    axes.plot([p.t_s for p in beyond], [top_ms] * len(beyond), "^", markersize=3.6, **look)
    axes.plot(lost, [bottom_ms] * len(lost), "x", color=INK, markersize=3.2)
    axes.set_xlim(0, end_s)
    axes.set_ylim(low_ms, high_ms)
    axes.locator_params(axis="both", nbins=4)
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")


def _delay_limits(planned_ms: Sequence[float], measured_ms: Sequence[float]) -> tuple[float, float]:
    """Limits that show the plan well: noise is not blown up, queues do not flatten it."""
    known = [each for each in planned_ms if np.isfinite(each)] or measured_ms or (0.0, 1.0)
    low_ms, high_ms = min(known), max(known)
    span_ms = max(high_ms - low_ms, 0.1 * high_ms, 0.2)
    near = [each for each in measured_ms if each <= high_ms + 1.5 * span_ms]
    high_ms = max([high_ms, *near])
    low_ms = min([low_ms, *near])
    margin_ms = max(span_ms - (high_ms - low_ms), 0.3 * span_ms) / 2
    return max(0.0, low_ms - margin_ms), high_ms + margin_ms


def _middle_of_each_span(probes: Iterable[Measured], end_s: float) -> list[Measured]:
    """Return at most :data:`_POINTS_PER_PANEL` probes: the median of each span of time."""
    spans: dict[int, list[Measured]] = {}
    for probe in probes:
        spans.setdefault(int(probe.t_s / end_s * _POINTS_PER_PANEL), []).append(probe)
    middle = [sorted(each, key=lambda probe: probe.excess_ms) for each in spans.values()]
    return [each[len(each) // 2] for each in middle]


def delay_bands(plans: dict[str, dict[Pair, Delay]], end_s: float) -> str:
    """Return shortest, median and longest planned delay over time, where links are many."""
    titles = {"isl": "Lasers", "gsl": "Ground links"}
    shown = [medium for medium in titles if plans.get(medium)]

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(1, len(shown), squeeze=False)[0]
        for axes, medium in zip(panels, shown, strict=True):
            at: dict[float, list[float]] = {}
            for line in plans[medium].values():
                for t_s, ms in zip(line.t_s, line.ms, strict=True):
                    if np.isfinite(ms):
                        at.setdefault(t_s, []).append(ms)
            t_s = sorted(at)
            low, middle, high = np.array([np.percentile(at[t], (0, 50, 100)) for t in t_s]).T
            axes.fill_between(t_s, low, high, color=PLANNED, alpha=0.22, linewidth=0)
            axes.plot(t_s, middle, color=PLANNED, linewidth=1.4)
            axes.set_title(f"{titles[medium]}: {len(plans[medium])} pairs", loc="left")
            axes.set_ylabel("one way, ms")
            axes.set_ylim(0, max(high) * 1.1)
            time_axis(axes, end_s)
        figure.subplots_adjust(left=0.06, right=0.99, bottom=0.17, top=0.9, wspace=0.16)

    return svg("bands", "Range of one-way delays over time", (WIDTH_IN, 2.6), draw)


def error_histogram(probes: Iterable[Measured]) -> str:
    """Return the distribution of |measured - expected| round trip, logarithmic."""
    errors_us = np.array([1e3 * abs(probe.excess_ms) for probe in probes])
    errors_us = np.maximum(errors_us, _FLOOR_US)

    def draw(figure: "Figure") -> None:
        axes = figure.add_axes((0.11, 0.18, 0.83, 0.70))
        low, high = np.floor(np.log10(errors_us.min())), np.ceil(np.log10(errors_us.max()))
        decades = int(max(high - low, 1))
        bins = np.logspace(low, low + decades, max(8, 40 // decades) * decades + 1)
        axes.hist(errors_us, bins=bins, color=MEASURED, edgecolor="white", linewidth=0.5)
        axes.set_xscale("log")
        axes.set_xlim(bins[0], bins[-1])
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(lambda us, _: _decade(us))
        axes.set_xlabel("difference between measured and expected round trip")
        axes.set_ylabel("probes")
        axes.grid(False, axis="x")
        _percentile_lines(axes.axvline, axes, errors_us, lambda us: seconds(us * 1e-6))

    return svg("errors", "Histogram of round-trip errors", (HALF_IN, 2.5), draw)


def _decade(us: float) -> str:
    """Name a power of ten: 0.1 µs, 1 µs, … 100 ms, 1 s."""
    for unit, scale in (("s", 1e6), ("ms", 1e3), ("µs", 1.0)):
        if us >= 0.999 * scale:
            return f"{plain(us / scale)} {unit}"
    return f"{plain(us)} µs"


def _percentile_lines(
    line: Callable[..., object], axes: "Axes", values: np.ndarray, said: Callable[[float], str]
) -> None:
    """Mark the median and the 99th percentile, named above the plot so that nothing is covered."""
    median, tail = np.percentile(values, (50, 99))
    line(median, color=INK, linewidth=0.9)
    line(tail, color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
    text = f"median {said(median)} (solid), 99 % within {said(tail)} (dashed)"
    axes.set_title(text, loc="left")


def lag_plot(steps: Sequence[Step], end_s: float) -> str:
    """Return how late each step was applied."""

    def draw(figure: "Figure") -> None:
        axes = figure.add_axes((0.12, 0.18, 0.85, 0.70))
        lag_ms = np.array([each.lag_ms for each in steps])
        t_s = np.array([each.t_s for each in steps])
        positive = lag_ms[lag_ms > 0]
        if len(positive):
            lag_ms = np.maximum(lag_ms, positive.min())
            axes.set_yscale("log")
            axes.minorticks_off()
            low, high = np.floor(np.log10(positive.min())), np.ceil(np.log10(positive.max()))
            axes.set_ylim(10**low, 10 ** max(high, low + 1))
            axes.yaxis.set_major_formatter(lambda ms, _: plain(ms))
        axes.plot(t_s, lag_ms, "o", color=PLANNED, markersize=2.2, markeredgewidth=0)
        axes.set_ylabel("lag, ms")
        time_axis(axes, end_s)
        _percentile_lines(axes.axhline, axes, lag_ms, lambda ms: seconds(ms * 1e-3))

    return svg("lag", "Lag of each step", (HALF_IN, 2.5), draw)
