"""Figures as inline SVG: one look for all of them, the same bytes for the same run."""

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 10.0
HALF_IN = 4.9

# From light to dark in the order of the stack, so that the parts differ in grey as well.
PART_COLOURS = {
    "wait": "#dfe3e8",
    "queue": "#c3cad3",
    "compute": "#f2b035",
    "transmit": "#4a9bd4",
    "propagate": "#7d4fa0",
    "retransmit": "#b3261e",
    "other": "#33373d",
}
INK = "#2a2f36"
FAINT = "#8a929c"
GRID = "#e4e7eb"
CONTACT_COLOURS = {"isl": "#a9b8c9", "gsl": "#b5c9a8"}
PLANNED = "#5b6b7d"
MEASURED = "#d1580b"
FAULT = "#b3261e"

_LOOK = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "axes.unicode_minus": True,
    "font.size": 8,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 7.5,
}


def svg(name: str, alt: str, size_in: tuple[float, float], draw: Callable[["Figure"], None]) -> str:
    """Return what ``draw`` puts on a figure of ``size_in`` as an SVG element for HTML."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # The user's matplotlibrc must not change a report.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_LOOK, "svg.hashsalt": name})
        figure = Figure(figsize=size_in)
        FigureCanvasSVG(figure)
        draw(figure)
        text = io.StringIO()
        unstamped = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=unstamped)
    return _for_html(text.getvalue(), alt)


def _for_html(text: str, alt: str) -> str:
    """Drop what HTML has no use for: prologue, namespaces, fonts, counted ids, excess digits."""
    from html import escape

    text = text[text.index("<svg") :]
    view = re.search(r'viewBox="[^"]*"', text)
    opening = f'<svg {view.group() if view else ""} role="img" aria-label="{escape(alt)}">'
    text = opening + text[text.index(">") + 1 :]
    text = re.sub(r"\s*<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<defs>\s*</defs>\s*", "", text)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="(?!bar-)[^"]*">', "<g>", text)
    text = re.sub(r"font: ([\d. a-z]*px)[^;\"]*", r"font-size: \1", text)
    text = re.sub(r"(\.\d\d)\d+", r"\1", text)
    return re.sub(r"\n\s*", "\n", text.replace("xlink:href", "href")).strip()


def time_axis(axes: "Axes", end_s: float) -> None:
    """Give ``axes`` the run's time from start to end."""
    axes.set_xlim(0, end_s)
    axes.set_xlabel("time since the start, s")
