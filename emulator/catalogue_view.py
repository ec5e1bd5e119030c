"""The catalogue of terminals as rows: what there is, and where every figure comes from."""

import difflib
from typing import Any

from emulator.errors import RunError
from emulator.terminals import catalogue

COLUMNS = (
    "name",
    "about",
    "rate_gbps",
    "max_range_km",
    "aperture_m",
    "wavelength_nm",
    "frequency_ghz",
    "power_w",
    "assumed",
)
FIGURE_COLUMNS = ("figure", "value", "source")

_ASSUMED = "assumed:"


def figures(entry: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the figures of an entry by dotted key: 'optical.tx_power_w' for one of a table."""
    found: dict[str, Any] = {}
    for key, value in entry.items():
        if not prefix and key in ("about", "source"):
            continue
        if isinstance(value, dict):
            found |= figures(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def is_assumed(source: str) -> bool:
    """Whether a source says that there is none."""
    return source.startswith(_ASSUMED)


def terminal_rows() -> list[dict[str, Any]]:
    """One row an entry, with :data:`COLUMNS`; None where it has no such figure.

    ``aperture_m`` of a radio is its antenna's; ``assumed`` is how many of its figures are.
    """
    return [_row(name, entry) for name, entry in catalogue().items()]


def _row(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    known = figures(entry)
    assumed = sum(map(is_assumed, entry["source"].values()))
    return {
        "name": name,
        "about": entry["about"],
        "rate_gbps": known["rate_gbps"],
        "max_range_km": known["max_range_km"],
        "aperture_m": known.get("optical.aperture_m", known.get("radio.antenna_m")),
        "wavelength_nm": known.get("optical.wavelength_nm"),
        "frequency_ghz": known.get("radio.frequency_ghz"),
        "power_w": known.get("power_w"),
        "assumed": f"{assumed} of {len(known)}",
    }


def figure_rows(name: str) -> list[dict[str, Any]]:
    """One row a figure of an entry, with :data:`FIGURE_COLUMNS`. Raises RunError."""
    known = catalogue()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        remedy = f"Did you mean {close[0]!r}?" if close else "`lasermesh terminals` lists them"
        raise RunError(f"the catalogue has no terminal {name!r}. {remedy}")
    entry = known[name]
    return [
        {"figure": key, "value": value, "source": entry["source"][key]}
        for key, value in figures(entry).items()
    ]
