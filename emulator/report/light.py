"""What light was lost by, and how the batteries fared: as the plan has it, faults included."""

from typing import TYPE_CHECKING

import numpy as np

from emulator.causes import TEXT
from emulator.energy import LOADS, powered
from emulator.faults import all_outages
from emulator.outages import lost
from emulator.record import batteries, charge_t_s
from emulator.report.page import count, figure, heading, paragraph, percent, plain, table
from emulator.report.record import RunRecord
from emulator.report.svg import (
    FAINT,
    FAULT,
    MEASURED,
    PART_COLOURS,
    PLANNED,
    WIDTH_IN,
    svg,
    time_axis,
)
from emulator.report.timeline import MOST_ROWS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE_COLOURS = (
    PLANNED,
    MEASURED,
    *(PART_COLOURS[p] for p in ("transmit", "propagate", "compute")),
)
"""More satellites than these are summed up instead of drawn one by one."""


def causes_of_loss(record: RunRecord) -> list[str]:
    """Return the section that counts contacts and outages by cause."""
    plan = record.plan
    rows = [
        [TEXT[each.cause], f"{each.contacts:,}", f"{each.outages:,}", f"{each.dark_s:,.1f}"]
        for each in lost(plan.contacts, all_outages(plan), plan.step_s)
    ]
    title = heading("What light was lost by")
    if not rows:
        return [title, paragraph("No light was lost.", "absent")]
    text = (
        "Outages are of pairs that a pattern of the scenario always asks for, and of any other "
        "pair while terminals are turned to each other. The times of all pairs are added up; each "
        "outage is in run.sqlite."
    )
    head = ["Cause", "Contacts ended", "Outages", "Dark, s"]
    return [title, paragraph(text, "note"), table(head, rows, "narrow")]


def charge_of_batteries(record: RunRecord) -> list[str]:
    """Return the section on batteries; none where no satellite has a platform."""
    found = batteries(record.plan)
    if found is None:
        return []
    lowest = found["lowest"]
    said = (
        f"{count(found['satellites'], 'satellite')} with batteries. The lowest charge seen is "
        f"{percent(100 * lowest['charge'])}, of {lowest['node']} at +{plain(lowest['t_s'])} s."
    )
    parts = [heading("Batteries"), paragraph(said), figure(_drawing(record), _caption(record))]
    shed = record.plan.timeline.shed
    if not len(shed):
        return [*parts, paragraph("Nothing was shed.", "note")]
    names, step_s = record.plan.network.nodes, record.plan.step_s
    rows = [
        [names[node].name, LOADS[lasers], f"{start * step_s:,.1f}", f"{end * step_s:,.1f}"]
        for node, start, end, lasers in shed[:MOST_ROWS].tolist()
    ]
    shown = "Loads shed"
    if len(shed) > MOST_ROWS:
        shown += f": the first {MOST_ROWS} of {len(shed):,} times"
    head = ["Satellite", "Off", "From, s", "To, s"]
    return [*parts, heading(shown, 3), table(head, rows, "narrow")]


def _caption(record: RunRecord) -> str:
    nodes, platforms = powered(record.scenario)
    lines = "Lowest to highest (band) and median (line) of all batteries. "
    if len(nodes) <= len(_LINE_COLOURS):
        lines = ""
    floors = {each.floor for each in platforms}
    dashed = "Dashed: the floor at which loads are shed." if any(floors) else ""
    return f"{lines}{dashed} Below: how many are off.".strip()


def _drawing(record: RunRecord) -> str:
    """Charge over time, and how many loads are off."""
    nodes, platforms = powered(record.scenario)
    names = [record.plan.network.nodes[node].name for node in nodes]
    shed = record.plan.timeline.shed

    def draw(figure: "Figure") -> None:
        top = 0.30 if len(shed) else 0.16
        axes = figure.add_axes((0.06, top, 0.915, 0.97 - top))
        _charge(axes, charge_t_s(record.plan), 100 * record.plan.timeline.charge, names)
        for floor in sorted({each.floor for each in platforms}):
            axes.axhline(100 * floor, color=FAINT, linewidth=0.8, linestyle=(0, (3, 2)))
        axes.set_ylim(0, 103)
        axes.set_ylabel("charge, %")
        time_axis(axes, record.end_s)
        if len(shed):
            axes.set_xlabel("")
            axes.tick_params(labelbottom=False)
            _off(figure.add_axes((0.06, 0.14, 0.915, 0.12)), record)

    return svg("batteries", "Charge of batteries over time", (WIDTH_IN, 3.0), draw)


def _charge(axes: "Axes", t_s: np.ndarray, percents: np.ndarray, names: list[str]) -> None:
    if len(names) > len(_LINE_COLOURS):
        low, middle, high = np.percentile(percents, (0, 50, 100), axis=1)
        axes.fill_between(t_s, low, high, color=PLANNED, alpha=0.22, linewidth=0)
        axes.plot(t_s, middle, color=PLANNED, linewidth=1.4)
        return
    for name, line, colour in zip(names, percents.T, _LINE_COLOURS, strict=False):
        axes.plot(t_s, line, color=colour, linewidth=1.4, label=name)
    axes.legend(loc="lower left", ncols=len(names))


def _off(axes: "Axes", record: RunRecord) -> None:
    shed = record.plan.timeline.shed
    edges, which = np.unique(np.concatenate((shed["start"], shed["end"])), return_inverse=True)
    change = np.repeat([1.0, -1.0], len(shed))
    off = np.cumsum(np.bincount(which, change)).tolist()
    t_s = [*(edges * record.plan.step_s).tolist(), record.end_s]
    axes.fill_between(t_s, [*off, off[-1]], step="post", color=FAULT, alpha=0.6, linewidth=0)
    axes.set_ylim(0, max(off))
    axes.set_yticks([0, max(off)])
    axes.set_ylabel("off")
    time_axis(axes, record.end_s)
