"""Scenario tables for the unit tests, before they are loaded."""

from typing import Any


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
