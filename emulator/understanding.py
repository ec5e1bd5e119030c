"""Whether the terminals of a scenario can understand each other, and its weather their frequencies.

Works on plain values, as ``scenario_checks.py`` does, whose checks these belong to.
"""

from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

from emulator.errors import Problem
from emulator.roster import Roster


def isl_terminal_checks(known: Any, constellations: Any, file: str) -> Iterator[Problem]:
    """Of each ``[[isl]]``: constellations whose lasers can never link, but are to."""
    carried = {each.name: each.isl.kind for each in constellations if each.isl}
    roster = Roster(constellations)
    for index, isl in enumerate(known.get("isl", ())):
        own = list(isl.constellations or (each.name for each in constellations))
        if isl.pattern == "pairs":
            key, asked = (
                "pairs",
                [(_name_of(roster.owner(a)), _name_of(roster.owner(b))) for a, b in isl.pairs],
            )
        elif isl.to:
            key, asked = "to", list(product(own, isl.to))
        elif isl.pattern in ("nearest", "visible"):
            key, asked = "constellations", list(combinations(own, 2))
        else:
            continue
        for a, b in dict.fromkeys(asked):
            kinds = carried.get(a), carried.get(b)
            if not _may_understand(*kinds, known["terminals"]):
                reason = f"are to link, but {_never(*kinds, known['terminals'])}"
                remedy = f"Give both one kind, or leave one of them out of this [[isl]]; {_REASONS}"
                yield Problem(file, f"isl[{index}].{key}", f"{a!r}, {b!r}", reason, remedy)


def _name_of(constellation: Any) -> str | None:
    return constellation and constellation.name


def ground_terminal_checks(
    constellations: Any, stations: Any, terminals: Any, file: str
) -> Iterator[Problem]:
    """Antennas and satellites' ground terminals that nobody on the other side understands.

    Some may find no partner in one part of a scenario, as light and radio stand side by side.
    """
    up = {f"constellation[{i}].gsl": each.gsl for i, each in enumerate(constellations)}
    down = {f"ground.station[{i}].antennas": each.antennas for i, each in enumerate(stations)}
    for own, others in ((up, down), (down, up)):
        kinds = sorted({fit.kind for fit in others.values() if fit and fit.count})
        for key, fit in own.items():
            if not (fit and fit.count and kinds):
                continue
            if not any(_may_understand(fit.kind, kind, terminals) for kind in kinds):
                reason = f"can link with no one: {_never(fit.kind, kinds[0], terminals)}"
                remedy = f"Give both sides one kind; {_REASONS}"
                yield Problem(file, f"{key}.kind", repr(fit.kind), reason, remedy)


def climate_checks(
    constellations: Any, stations: Any, terminals: Any, file: str
) -> Iterator[Problem]:
    """Radios that send through weather at frequencies that its models were not made for."""
    above = {each.gsl.kind for each in constellations if each.gsl and each.gsl.count}
    for climate_key, model, low_ghz, high_ghz in _MODELS_GHZ:
        blamed: dict[str, str] = {}
        for station in stations:
            below, antennas = station.antennas.kind, station.antennas.count
            if antennas and getattr(station.climate, climate_key) > 0:
                heard = [k for k in above if _radios(k, below, terminals)]
                blamed.update(dict.fromkeys([*heard, *([below] if heard else [])], station.name))
        for kind, name in sorted(blamed.items()):
            ghz = terminals[kind].radio.frequency_ghz
            if not low_ghz <= ghz <= high_ghz:
                key, reason = f"terminals.{kind}.radio.frequency_ghz", f"is outside {model}"
                reason += f", {low_ghz:g} to {high_ghz:g} GHz, which {name!r} asks for"
                remedy = f"Choose another frequency or set {climate_key} of its climate to 0"
                yield Problem(file, key, f"{ghz:g}", reason, remedy)


_MODELS_GHZ = (
    ("rain_mm_h", "the ITU's model of rain on a path (P.618)", 1.0, 55.0),
    ("wet_refractivity", "the ITU's model of scintillation (P.618)", 4.0, 55.0),
)
"""Key of a climate, what it switches on, and the frequencies that this holds for."""


def _radios(a: str, b: str, terminals: Any) -> bool:
    """Whether two kinds are radios that link with each other."""
    known = a in terminals and b in terminals and terminals[a].radio and terminals[b].radio
    return bool(known and terminals[a].understands(terminals[b]))


_REASONS = "light and radio never fit, nor wavelengths more than 100 nm apart, nor bands of radio"


def _may_understand(a: str | None, b: str | None, terminals: Any) -> bool:
    """Whether terminals of two kinds can link; kinds that are unknown are told elsewhere."""
    return not (a in terminals and b in terminals) or terminals[a].understands(terminals[b])


def _never(a: str, b: str, terminals: Any) -> str:
    words = [f"{kind!r} ({_sends(terminals[kind])})" for kind in (a, b)]
    return f"{' and '.join(words)} never understand each other"


def _sends(terminal: Any) -> str:
    optical, radio = terminal.optical, terminal.radio
    return f"light of {optical.wavelength_nm:g} nm" if optical else f"{radio.frequency_ghz:g} GHz"
