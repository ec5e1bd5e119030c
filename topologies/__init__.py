"""Who is there and who may link: element sets, Walker patterns, ISL patterns, presets.

Pure: nothing here touches the kernel, a clock or the network. Presets are the
``*.toml`` files of this folder.
"""

from pathlib import Path

CATALOGUE = Path(__file__).parent / "catalogue" / "terminals.toml"
"""Figures of known laser terminals and radios, each with its source."""


def presets() -> dict[str, Path]:
    """Return the presets by name, sorted: the TOML files that ship with this package."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.toml"))}
