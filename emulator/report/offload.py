"""Offloads of many images: what each strategy came to, as sentences, tables and a figure."""

from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.report.figures import PART_NAMES, STRATEGIES
from emulator.report.page import NBSP, count, figure, heading, paragraph, percent, seconds, table
from emulator.report.record import RunRecord
from emulator.report.svg import WIDTH_IN, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STATES = ("answered", "stored", "expired", "refused", "missed", "lost")
_MEGA = 1e6


def totals_sentences(record: RunRecord) -> list[str]:
    """Return a sentence a strategy."""
    said = []
    for row, name in _named(record):
        text = (
            f"{name}: {row['answered']:,} of {count(row['jobs'], 'image')} answered on the ground"
        )
        if row["answered"]:
            latency = row["latency_s"]
            text += f", half of them within {seconds(latency['p50'])}, "
            text += f"90{NBSP}% within {seconds(latency['p90'])}"
        rest = [f"{row[state]:,} {state}" for state in _STATES[1:] if row[state]]
        said.append(text + (f"; {', '.join(rest)}" if rest else "") + ".")
    return said


def totals(record: RunRecord) -> list[str]:
    """Return what stands under the heading of offloads when they are many."""
    rows = _named(record)
    return [
        figure(_distribution(record), _CAPTION),
        heading("Latency, seconds", 3),
        table(["Strategy", *_LATENCY_HEAD], [_latency(row, name) for row, name in rows]),
        heading("Where the time went, mean of the answered, seconds", 3),
        table(["Strategy", *map(str.capitalize, PART_NAMES.values())], _parts(rows)),
        heading("What became of the images", 3),
        table(["Strategy", *map(str.capitalize, _STATES), "Late", "Energy, J"], _ends(rows)),
        heading("Age of information on the ground, seconds", 3),
        table(["Strategy", "Mean", "99 % of the time below", "Peak"], _ages(rows)),
        paragraph(_passes(record), "note"),
    ]


_CAPTION = (
    "Share of all images that are answered on the ground so long after they were taken. Answers "
    "that never came are those that a line lacks to 100 %."
)
_LATENCY_HEAD = ["First byte, median", "Last byte, median", "Answer, mean", "p50", "p90", "p99"]


def _named(record: RunRecord) -> list[tuple[dict[str, Any], str]]:
    rows = record.summary["offload_totals"]
    several = len({row["workload"] for row in rows}) > 1
    names = [STRATEGIES.get(row["strategy"], row["strategy"]) for row in rows]
    return [
        (row, f"{name} (offload {row['workload'] + 1})" if several else name)
        for row, name in zip(rows, names, strict=True)
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.3f}"


def _latency(row: dict[str, Any], name: str) -> list[str]:
    latency = row["latency_s"]
    firsts = [row[key]["p50"] for key in ("first_byte_s", "last_byte_s")]
    return [name, *map(_number, [*firsts, *(latency[k] for k in ("mean", "p50", "p90", "p99"))])]


def _parts(rows: list[tuple[dict[str, Any], str]]) -> list[list[str]]:
    return [[name, *(_number(row["parts_s"][part]) for part in PART_NAMES)] for row, name in rows]


def _ends(rows: list[tuple[dict[str, Any], str]]) -> list[list[str]]:
    return [
        [name, *(f"{row[s]:,}" for s in (*_STATES, "late")), _number(row["energy_j"])]
        for row, name in rows
    ]


def _ages(rows: list[tuple[dict[str, Any], str]]) -> list[list[str]]:
    aged = [(row["age_s"], name) for row, name in rows if row["age_s"]]
    return [[name, *(_number(each[key]) for key in ("mean", "p99", "peak"))] for each, name in aged]


def _passes(record: RunRecord) -> str:
    found = record.summary["passes"]
    used = percent(100 * found["used"] / found["passes"]) if found["passes"] else "none"
    text = f"Passes over stations: {found['passes']:,}, {used} of them used, "
    text += f"{found['bytes'] / _MEGA:,.1f}{NBSP}MB down (scaled)"
    if found["goodput_bps"]["p50"] is not None:
        text += "; goodput of those, over the whole pass: median "
        text += f"{found['goodput_bps']['p50'] / _MEGA:,.3f}{NBSP}Mbit/s"
    return text + "."


def _distribution(record: RunRecord) -> str:
    rows = record.summary["offload"]

    def draw(figure: "Figure") -> None:
        axes = figure.add_axes((0.07, 0.17, 0.66, 0.78))
        for total, name in _named(record):
            own = [r for r in rows if all(r[k] == total[k] for k in ("workload", "strategy"))]
            there = sorted(r["latency_s"] for r in own if r["latency_s"] is not None)
            if there:
                share = np.arange(1, len(there) + 1) / len(own)
                axes.step(there, 100 * share, where="post", label=name)
        axes.set_xscale("log")
        axes.set_ylim(0, 101)
        axes.set_xlabel("seconds since the image was complete")
        axes.set_ylabel("answered, %")
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="center right", frameon=False)

    return svg("distribution", "Share answered over time by strategy", (WIDTH_IN, 3.0), draw)
