"""Figures of a comparison, for a paper: SVG and PDF, the same to the byte for the same figures."""

from collections.abc import Callable, Sequence
from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.lab import figures
from emulator.lab.figures import Figure
from emulator.lab.forms import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from emulator.lab.compare import Comparison
    from emulator.lab.metrics import Metrics

_COLUMN_IN, _PAGE_IN = 3.5, 7.16
"""Widths of a column and of a page of a two-column paper."""
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's palette, which colour-blind readers can tell apart. """
_LINES = _COLOURS[:-1]
"""Without yellow, too weak for lines."""
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)))
"""Lines beyond the seventh are told apart by these."""
_GREY = "#999999"
_SHORTEST_S = 1e-4
"""What a logarithmic axis begins with: outages below it are drawn there."""
_LEAST_PERCENT = 1e-2
"""Between 0 and this the axis of pairs not reached is linear."""
_STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "svg.hashsalt": "lasermesh",
    "pdf.fonttype": 42,
}
_SMALL = 6.5


def draw(comparison: "Comparison", folder: Path) -> None:
    """Write the distribution of outages, reachability over time, and bars of what it costs."""
    if not comparison.found:
        return
    shown = [routing for routing in comparison.routings if comparison.runs(routing)]
    height_in = 2.2 + 0.14 * -(-len(shown) // 3)
    _save(folder / "outages", (_COLUMN_IN, height_in), _outages, comparison, shown)
    walked = [name for name in shown if any(m.routes for m in comparison.runs(name))]
    if walked:
        height_in = 0.6 + 0.42 * len(walked)
        _save(folder / "reachability", (_COLUMN_IN, height_in), _reachability, comparison, walked)
    _save(folder / "overhead", (_PAGE_IN, 1.0 + 0.17 * len(shown)), _overhead, comparison, shown)


def _save(
    path: Path,
    size_in: tuple[float, float],
    fill: Callable[["Canvas", "Comparison", list[str]], None],
    comparison: "Comparison",
    shown: list[str],
) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=size_in, layout="constrained")
        fill(canvas, comparison, shown)
        canvas.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
        canvas.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None, "Producer": None})


def _outages(canvas: "Canvas", comparison: "Comparison", shown: list[str]) -> None:
    """The share of outages that are no longer than so long, a line a protocol.

    By the tables of all nodes where they are followed, else by probes. With several seeds the
    line is the mean of their shares, and the band its confidence interval.
    """
    axes = canvas.add_subplot()
    found = {name: [_gaps(each) for each in comparison.runs(name)] for name in shown}
    end_s = 1.2 * max((float(gaps.max()) for runs in found.values() for gaps in runs if len(gaps)),
                      default=0.0)  # fmt: skip
    looks = cycle(product(_DASHES, _LINES))
    for (routing, runs), (dash, colour) in zip(found.items(), looks, strict=False):
        walked = comparison.runs(routing)[0].routes
        count = sum(map(len, runs)) / len(runs)
        label = f"{routing} ({number(count)}{'' if walked else ', probes'})"
        look = {"linestyle": dash, "color": colour, "label": label}
        told = [np.sort(gaps) for gaps in runs if len(gaps)]
        if not told:
            axes.plot([], [], **look)
            continue
        t_s = np.unique(np.concatenate([[_SHORTEST_S, end_s], *told]))
        share = np.stack([np.searchsorted(gaps, t_s, side="right") / len(gaps) for gaps in told])
        _line(axes, t_s, 100 * share, **look)
    if not end_s:
        axes.text(0.5, 0.5, "no outage", transform=axes.transAxes, ha="center")
    axes.set_xlim(_SHORTEST_S, max(end_s, 10 * _SHORTEST_S))
    axes.set_xscale("log")
    axes.set_ylim(0, 102)
    axes.set_xlabel("length of an outage of a pair of nodes, seconds")
    axes.set_ylabel("outages no longer, %")
    axes.grid(alpha=0.3, linewidth=0.4)
    canvas.legend(
        loc="outside lower center", ncols=2, frameon=False, fontsize=_SMALL, handlelength=1.6,
        columnspacing=1.0, title="protocol (outages a run)", title_fontsize=_SMALL,
    )  # fmt: skip


def _gaps(run: "Metrics") -> np.ndarray:
    found = run.routes.outages_s if run.routes else run.outages_s
    return np.maximum(np.array(found, dtype=float), _SHORTEST_S)


def _reachability(canvas: "Canvas", comparison: "Comparison", shown: list[str]) -> None:
    """Pairs that light joins and routes do not, over time: a strip a protocol, one scale."""
    strips = canvas.subplots(len(shown), sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, routing in zip(strips, shown, strict=True):
        lines = [each.routes.timeline for each in comparison.runs(routing) if each.routes]
        end_s = max(each.routes.end_s for each in comparison.runs(routing) if each.routes)
        t_s = np.unique([t for line in lines for t, _ in line] + [end_s])
        missed = np.stack([100 * (1 - _held(line, t_s)) for line in lines])
        _line(axes, t_s, missed, color=_COLOURS[0], linewidth=0.7)
        axes.fill_between(t_s, missed.mean(axis=0), step="post", color=_COLOURS[0], alpha=0.35,
                          linewidth=0)  # fmt: skip
        axes.set_yscale("symlog", linthresh=_LEAST_PERCENT, linscale=0.3)
        axes.set_ylim(0, 100)
        axes.set_yticks([0.01, 1, 100], ["0.01", "1", "100"], fontsize=5.5)
        axes.set_yticks([], minor=True)
        axes.set_xlim(0, end_s)
        axes.set_ylabel(routing, rotation=0, ha="right", va="center")
        axes.tick_params(axis="x", length=0)
    strips[-1].tick_params(axis="x", length=3)
    strips[0].set_title("pairs of nodes not reached, %", fontsize=8, loc="left")
    strips[-1].set_xlabel("seconds")


def _held(line: Sequence[tuple[float, float]], t_s: np.ndarray) -> np.ndarray:
    """What a step function, given by its changes, is at moments ``t_s``."""
    moments, values = np.array(line).T
    return values[np.maximum(np.searchsorted(moments, t_s, side="right") - 1, 0)]


def _line(axes: "Axes", x: np.ndarray, rows: np.ndarray, **look: Any) -> None:
    """Draw the mean of ``rows``, shape ``(seeds, moments)``, and its confidence interval."""
    from emulator.lab.compare import quantile

    mean = rows.mean(axis=0)
    axes.step(x, mean, where="post", **{"linewidth": 1.0, **look})
    if len(rows) > 1:
        half = quantile(len(rows)) * rows.std(axis=0, ddof=1) / len(rows) ** 0.5
        low, high = np.clip(mean - half, 0, 100), np.clip(mean + half, 0, 100)
        axes.fill_between(x, low, high, step="post", color=look["color"], alpha=0.2, linewidth=0)


def _overhead(canvas: "Canvas", comparison: "Comparison", shown: list[str]) -> None:
    """Bars of control traffic, by protocol, of memory, and of changes of routes."""
    panels = {
        "control bytes a second\nand direction": "control_bytes_s",
        "control packets a second\nand direction": "control_packets_s",
        "memory of a node's\ndaemons, MB": "memory_mb",
        "changes of\nall nodes' routes": "changes",
    }
    by_key = {f.key: f for group in comparison.groups for f in group.figures}
    names = figures.spoken(list(comparison.found.values()))
    all_axes = canvas.subplots(1, len(panels), sharey=True)
    for axes, (label, key) in zip(all_axes, panels.items(), strict=True):
        unit = key.removeprefix("control_")
        parts = [by_key[f"{name}_{unit}"] for name in names] if unit != key else []
        _bars(axes, comparison, shown, by_key[key], parts)
        axes.set_xlabel(label)
    all_axes[0].set_yticks(range(len(shown)), shown)
    all_axes[0].set_ylim(len(shown) - 0.5, -0.5)
    if names:
        from matplotlib.patches import Patch

        canvas.legend(
            handles=[Patch(color=_colour(name), label=name) for name in names],
            loc="outside upper center", ncols=len(names), frameon=False, fontsize=_SMALL,
            handlelength=1.0, columnspacing=1.2,
        )  # fmt: skip


def _bars(
    axes: "Axes", comparison: "Comparison", shown: list[str], whole: Figure, parts: list[Figure]
) -> None:
    """One bar a protocol, of ``parts`` one after the other, with the interval of the whole."""
    most = 0.0
    for place, routing in enumerate(shown):
        total = comparison.estimate(routing, whole)
        if total is None:
            axes.annotate("–", (0, place), (2, 0), textcoords="offset points", va="center",
                          fontsize=_SMALL)  # fmt: skip
            continue
        left = 0.0
        for part in parts or [whole]:
            found = comparison.estimate(routing, part)
            if found and found.mean:
                colour = _colour(part.heading) if parts else _GREY
                axes.barh(place, found.mean, left=left, height=0.65, color=colour)
                left += found.mean
        half = total.half_width or 0.0
        if half:
            axes.errorbar(total.mean, place, xerr=half, color="black", linewidth=0.7, capsize=1.5,
                          capthick=0.7)  # fmt: skip
        axes.annotate(number(total.mean), (total.mean + half, place), (2, 0), va="center",
                      textcoords="offset points", fontsize=_SMALL)  # fmt: skip
        most = max(most, total.mean + half)
    axes.set_xlim(0, 1.3 * most or 1.0)
    axes.tick_params(axis="y", length=0)


def _colour(name: str) -> str:
    """The colour of a protocol's traffic, the same in every comparison."""
    return _COLOURS[list(figures.SAID).index(name)]
