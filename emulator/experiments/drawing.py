"""Figures of experiments, in the look of the reports."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emulator.report.svg import FAINT, MEASURED, PLANNED, WIDTH_IN, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""


def bars(
    name: str,
    alt: str,
    places: Sequence[str],
    series: Mapping[str, tuple[Sequence[float | None], str]],
    axis: str,
    log: bool = False,
    limit: tuple[float, str] | None = None,
) -> str:
    """Bars side by side at each place: label → (values, colour); ``limit``: a line and its name."""

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        at, width = np.arange(len(places)), 0.8 / len(series)
        for number, (label, (values, colour)) in enumerate(series.items()):
            heights = [np.nan if value is None else value for value in values]
            shift = (number - (len(series) - 1) / 2) * width
            axes.bar(at + shift, heights, width * 0.95, color=colour, label=label)
        if limit:
            axes.axhline(limit[0], color=FAINT, linewidth=0.8, linestyle="--", label=limit[1])
        axes.set_xticks(at, places)
        axes.set_ylabel(axis)
        axes.grid(False, axis="x")
        if log:
            axes.set_yscale("log")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        figure.tight_layout()

    return svg(name, alt, (WIDTH_IN, 2.8), draw)


def lines(
    name: str,
    alt: str,
    series: Mapping[str, tuple[Sequence[float], Sequence[float], str, str]],
    axes_names: tuple[str, str],
    log: str = "",
) -> str:
    """Curves: label → (x, y, colour, style as of matplotlib: ``-``, ``--``, ``.``, ``o``).

    ``log``: which axes are logarithmic, ``x``, ``y``, ``xy`` or none.
    """

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for label, (x, y, colour, style) in series.items():
            axes.plot(x, y, style, color=colour, label=label, linewidth=1, markersize=3)
        if all(float(each).is_integer() for x, *_ in series.values() for each in x):
            axes.locator_params(axis="x", integer=True)
        axes.set_xlabel(axes_names[0])
        axes.set_ylabel(axes_names[1])
        if "x" in log:
            axes.set_xscale("log")
        if "y" in log:
            axes.set_yscale("log")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        figure.tight_layout()

    return svg(name, alt, (WIDTH_IN, 3.0), draw)


__all__ = ["COLOURS", "FAINT", "MEASURED", "PLANNED", "bars", "lines"]
