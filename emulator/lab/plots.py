"""Figures of a comparison, for a paper: SVG and PDF, the same to the byte for the same figures."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from emulator.lab.compare import Comparison

_COLUMN_IN = 3.5
"""Width of a column of a two-column paper."""
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
_SHORTEST_S = 1e-4
"""What a logarithmic axis begins with: outages below it are drawn there."""
_STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "lasermesh",
    "pdf.fonttype": 42,
}


def draw(comparison: "Comparison", folder: Path) -> None:
    """Write the distribution of outages, reachability over time, and bars of what it costs."""
    if not comparison.found:
        return
    _save(folder, "outages", comparison, _outages)
    _save(folder, "reachability", comparison, _reachability)
    _save(folder, "overhead", comparison, _bars)


def _save(folder: Path, name: str, comparison: "Comparison", fill: object) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_COLUMN_IN, 2.4), layout="constrained")
        fill(figure, comparison)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None, "Producer": None})


def _outages(figure: object, comparison: "Comparison") -> None:
    """The share of outages that are no longer than so long, one step line a protocol.

    By the tables of all nodes where they were recorded, else by probes.
    """
    axes: Axes = figure.add_subplot()
    any_gap = False
    for routing, colour in zip(comparison.routings, _cycle(), strict=False):
        runs = comparison.runs(routing)
        found = [each.routes.outages_s if each.routes else each.outages_s for each in runs]
        gaps = np.sort([max(gap, _SHORTEST_S) for each in found for gap in each])
        label = f"{routing} ({len(gaps)})"
        if len(gaps):
            any_gap = True
            share = np.arange(len(gaps) + 1) / len(gaps)
            axes.step([gaps[0], *gaps], share, color=colour, label=label, linewidth=1)
        else:
            axes.plot([], [], color=colour, label=label)
    axes.set_xlabel("outage of a pair, seconds")
    axes.set_ylabel("share of outages")
    if any_gap:
        axes.set_xscale("log")
    axes.legend(frameon=False, fontsize=6)


def _reachability(figure: object, comparison: "Comparison") -> None:
    """Pairs that reach each other of those that light joins: the worst seed, over time."""
    axes: Axes = figure.add_subplot()
    for routing, colour in zip(comparison.routings, _cycle(), strict=False):
        runs = [each.routes for each in comparison.runs(routing) if each.routes]
        if not runs:
            continue
        t_s, share = zip(*min(runs, key=lambda each: each.reached).timeline, strict=True)
        axes.step(t_s, [100 * each for each in share], where="post", color=colour,
                  label=routing, linewidth=0.8)  # fmt: skip
    axes.set_xlabel("seconds")
    axes.set_ylabel("pairs reached, %")
    if axes.lines:
        axes.legend(frameon=False, fontsize=6)


def _bars(figure: object, comparison: "Comparison") -> None:
    """Probes lost and changes of routes, with confidence intervals."""
    rows = comparison.rows()
    place = np.arange(len(rows))
    for number, heading in enumerate(("lost %", "changes"), start=1):
        axes: Axes = figure.add_subplot(1, 2, number)
        known = [(at, row[heading]) for at, row in zip(place, rows, strict=True) if row[heading]]
        means = [estimate.mean for _, estimate in known]
        spread = [estimate.half_width or 0.0 for _, estimate in known]
        axes.barh([at for at, _ in known], means, xerr=spread, color=_COLOURS[0], height=0.6)
        names = [row["routing"] for row in rows] if number == 1 else [""] * len(rows)
        axes.set_yticks(place, names)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(heading)


def _cycle() -> list[str]:
    return list(_COLOURS) * 4
