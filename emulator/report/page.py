"""HTML of the report: the page, tables, and numbers as people read them."""

import json
from collections.abc import Iterable, Sequence
from html import escape
from math import floor, log10
from typing import Any

NBSP = "\u00a0"

Cell = str | float | int | None

_STYLE = """
:root { color-scheme: light; --ink: #2a2f36; --soft: #5c6570; --line: #dfe3e8; --pale: #f5f7f9; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 2rem 1.5rem 4rem; background: #fff;
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", Arial,
  sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; border-top: 1px solid var(--line);
  padding-top: 1.2rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .2rem; }
p { margin: .4rem 0; max-width: 50rem; }
.facts, figcaption, .note, .absent { color: var(--soft); font-size: .9rem; }
.answer { font-size: 1.3rem; line-height: 1.4; margin: 1.2rem 0 .4rem; max-width: none;
  border-left: 4px solid #4a9bd4; padding: .1rem 0 .1rem 1rem; }
.where { padding-left: calc(1rem + 4px); max-width: none; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .6rem;
  margin: 1.4rem 0 0; }
.tiles div { background: var(--pale); border-radius: 6px; padding: .6rem .8rem; }
.tiles b { display: block; font-size: 1.25rem; font-weight: 600; }
.tiles span { color: var(--soft); font-size: .82rem; line-height: 1.3; display: block; }
figure { margin: .8rem 0; break-inside: avoid; }
figure svg { display: block; width: 100%; height: auto; }
svg text { font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans", Arial, sans-serif; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
.facts { max-width: none; }
.halves { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1.5rem; }
.absent { background: var(--pale); border-radius: 6px; padding: .6rem .8rem; }
.warning { border-left: 4px solid #b3261e; padding-left: .8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; margin: .6rem 0; width: 100%; }
th { text-align: left; font-weight: 600; border-bottom: 1.5px solid var(--soft); }
td { border-bottom: 1px solid var(--line); vertical-align: top; }
th, td { padding: .25rem .9rem .25rem 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.narrow { width: auto; min-width: 55%; }
tr { break-inside: avoid; }
@media (max-width: 700px) { .facts { max-width: none; }
.halves { grid-template-columns: 1fr; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { margin-top: 1.4rem; padding-top: .7rem; } h2, h3 { break-after: avoid; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(95px, 1fr)); }
  .tiles div, .absent { border: 1px solid var(--line); } .scroll { overflow: visible; } }
@page { margin: 15mm; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return a complete HTML document that needs nothing but itself."""
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """Return ``text`` as a paragraph."""
    mark = f' class="{kind}"' if kind else ""
    return f"<p{mark}>{escape(text)}</p>"


def absent(what: str, reason: str) -> str:
    """Return what stands in the place of something that the run directory does not hold."""
    return paragraph(f"{what}: {reason}." if reason else f"{what}.", "absent")


def heading(text: str, level: int = 2) -> str:
    """Return a heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def figure(drawing: str, caption: str) -> str:
    """Return an SVG element with its caption."""
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], kind: str = "") -> str:
    """Return a table; columns whose cells are numbers stand to the right."""
    rows = [list(row) for row in rows]
    right = [
        any(isinstance(row[i], str) and _is_number(row[i]) for row in rows)
        and all(_is_number(row[i]) for row in rows)
        for i in range(len(head))
    ]
    marks = [' class="number"' if number else "" for number in right]

    def line(tag: str, cells: Sequence[Cell]) -> str:
        columns = zip(marks, cells, strict=True)
        return "".join(f"<{tag}{mark}>{escape(_text(cell))}</{tag}>" for mark, cell in columns)

    body = "\n".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    mark = f' class="{kind}"' if kind else ""
    return (
        f'<div class="scroll"><table{mark}><thead><tr>{line("th", head)}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def tiles(facts: Iterable[tuple[str, str]]) -> str:
    """Return key figures: (value, what it is)."""
    cells = (f"<div><b>{escape(v)}</b><span>{escape(what)}</span></div>" for v, what in facts)
    return f'<div class="tiles">{"".join(cells)}</div>'


def significant(value: float, digits: int = 3) -> str:
    """Return ``value`` with that many significant digits, never in powers of ten."""
    if value == 0:
        return "0"
    decimals = digits - 1 - floor(log10(abs(float(f"{value:.{digits - 1}e}"))))
    return f"{value:,.{max(0, decimals)}f}"


def seconds(value_s: float | None) -> str:
    """Return a time in the unit that suits it; the two are not parted at the end of a line."""
    if value_s is None:
        return "–"
    if value_s == 0 or abs(value_s) >= 0.9995:
        return f"{significant(value_s)}{NBSP}s"
    if abs(value_s) >= 0.9995e-3:
        return f"{significant(value_s * 1e3)}{NBSP}ms"
    return f"{significant(value_s * 1e6)}{NBSP}µs"


def percent(share: float) -> str:
    """Return a share of 100; what is only nearly all is not called all."""
    return f"over 99{NBSP}%" if 99.5 <= share < 100 else f"{share:.0f}{NBSP}%"


def plain(value: float) -> str:
    """Return a figure of the scenario as its author wrote it: 15, 0.5, 1,000."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def size(value_bytes: float) -> str:
    """Return bytes in decimal units."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value_bytes >= scale:
            return f"{plain(float(f'{value_bytes / scale:.3g}'))}{NBSP}{unit}"
    return f"{plain(value_bytes)} bytes"


def listing(words: Sequence[str]) -> str:
    """Return words as a sentence lists them: one, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plainly(value: Any) -> str:
    """Return a value of a JSON file in words."""
    if isinstance(value, list):
        return " ".join(plainly(each) for each in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(cell: Cell) -> str:
    if cell is None:
        return "–"
    return cell if isinstance(cell, str) else f"{cell:,}"


def _is_number(cell: Cell) -> bool:
    if not isinstance(cell, str):
        return True
    return cell == "–" or cell.replace(",", "").lstrip("+-−").replace(".", "", 1).isdigit()
