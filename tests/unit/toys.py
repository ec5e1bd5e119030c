"""Scenario tables for the unit tests, before they are loaded."""

import copy
from typing import Any

Table = dict[str, Any]


def walker_table(
    walker: str = "53:12/3/1", altitude_km: float = 550.0, form: str = "delta", **sections: Any
) -> Table:
    """One Walker shell with four lasers and one radio a satellite; ``sections`` are merged in."""
    table: Table = {
        "scenario": {
            "name": "toy",
            "start": "2026-08-22T12:00:00Z",
            "duration_s": 60.0,
            "step_s": 10.0,
        },
        "terminals": {
            "laser": {"rate_gbps": 10.0, "max_range_km": 9000.0},
            "radio": {"rate_gbps": 1.0, "max_range_km": 9000.0},
        },
        "constellation": [
            {
                "name": "sat",
                "walker": walker,
                "altitude_km": altitude_km,
                "form": form,
                "isl": {"kind": "laser", "count": 4},
                "gsl": {"kind": "radio", "count": 1},
            }
        ],
    }
    for name, section in sections.items():
        known = table.get(name)
        both = isinstance(known, dict) and isinstance(section, dict)
        table[name] = {**known, **section} if both else section
    return copy.deepcopy(table)


def put(table: dict, path: str, value: Any) -> None:
    """Set ``a.0.b`` in nested tables and lists; ``...`` removes it, ``[]`` at the end appends."""
    *steps, last = path.split(".")
    for step in steps:
        table = table[int(step)] if isinstance(table, list) else table.setdefault(step, {})
    if last == "[]":
        table.append(value)
    elif value is ...:
        del table[last]
    else:
        table[int(last) if isinstance(table, list) else last] = value
