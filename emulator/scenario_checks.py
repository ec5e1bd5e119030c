"""What is wrong with a scenario, in the user's words: schema errors explained, names cross-checked.

Works on plain values so that ``sections.py`` stays the description of the file's form.
"""

import ast
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from emulator import understanding
from emulator.errors import Problem, unknown
from emulator.roster import Roster
from emulator.workload_checks import workload_checks

MAX_STEPS = 1_000_000
MAX_NODES = 65_000
MAX_PLANNED = 1_100_000
MAX_FAILURES = 100_000

_REMEDIES = {
    "missing": "Add this key",
    "greater_than": "Give a value greater than {gt}",
    "greater_than_equal": "Give a value of at least {ge}",
    "less_than": "Give a value less than {lt}",
    "less_than_equal": "Give a value of at most {le}",
    "literal_error": "Choose one of {expected}",
    "union_tag_invalid": "Choose one of {expected_tags}",
    "union_tag_not_found": "Add the key {discriminator}",
    "finite_number": "Give a finite number",
    "string_pattern_mismatch": "Use up to 40 lower-case letters, digits and inner hyphens",
    "too_short": "Give at least {min_length}",
    "too_long": "Give at most {max_length}",
}


def explain(errors: Iterable[Any], file: str) -> Iterator[Problem]:
    """Turn pydantic's errors into Problems with key paths and remedies."""
    for error in errors:
        # Of a list with a faulty entry pydantic also says that it is empty.
        if error["type"] != "too_short" or not error["input"]:
            yield _explain(error, file)


def _explain(error: Any, file: str) -> Problem:
    kind, context = error["type"], error.get("ctx", {})
    location = error["loc"]
    if location[0] == "workload":
        # pydantic names the member of the union between the index and the key.
        location = location[:2] + location[3:]
    key = _key_path(location)
    value = "" if kind == "missing" else _shorten(error["input"])
    reason = error["msg"].removeprefix("Value error, ").rstrip(".")
    reason = reason[:1].lower() + reason[1:]
    if kind == "extra_forbidden":
        return Problem(file, key, value, "is not a known key", "Remove it or correct its spelling")
    remedy = _REMEDIES.get(kind, "See `lasermesh schema` for what belongs here").format(**context)
    return Problem(file, key, value, reason, remedy)


def _key_path(location: Iterable[str | int]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "file"


def _shorten(value: Any, limit: int = 60) -> str:
    if isinstance(value, (dict, list, tuple)) and len(repr(value)) > limit:
        return f"({len(value)} entries)"
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plugin_names(group: str) -> list[str]:
    """Names registered under an entry-point group, sorted."""
    return sorted(entry_points(group=group).names)


def cross_checks(known: dict[str, Any], file: str) -> Iterator[Problem]:
    """Yield what no single section can know; sections missing from ``known`` are passed over."""
    constellations = known.get("constellation", ())
    stations = known["ground"].station if "ground" in known else ()
    satellites = Roster(constellations)
    nodes = Roster(constellations, [station.name for station in stations])
    # An elements_file that still stands there could not be read: its satellites are not known.
    unread = any(each.elements_file for each in constellations)
    complete = "constellation" in known and "ground" in known and not unread
    yield from _size_checks(known, len(nodes), file)
    yield from _duplicates(nodes.repeated(), "node name", file)
    yield from _duplicates(Counter(e.name for e in constellations), "constellation name", file)
    if "terminals" in known:
        yield from _terminal_checks(constellations, stations, known["terminals"], file)
    if "constellation" in known:
        listed = None if unread else satellites
        yield from _isl_checks(known.get("isl", ()), constellations, listed, file)
        if "terminals" in known:
            yield from understanding.isl_terminal_checks(known, constellations, file)
    if complete and "terminals" in known:
        yield from understanding.ground_terminal_checks(
            constellations, stations, known["terminals"], file
        )
        yield from understanding.climate_checks(constellations, stations, known["terminals"], file)
    if complete:
        yield from workload_checks(known, satellites, nodes, file)
        yield from _event_checks(known, satellites, nodes, file)
    if "routing" in known:
        protocols = plugin_names("lasermesh.routing")
        word = known["routing"].protocol
        if own := own_class(word):
            yield from _own_checks(word, *own, file)
        else:
            yield from unknown([word], protocols, "routing.protocol", "routing protocol", file)
        if word in _ON_GRIDS and "constellation" in known:
            yield from _grid_checks(word, constellations, known.get("isl", ()), file)


def own_class(word: str) -> tuple[Path, str] | None:
    """Return the file and the class that ``FILE.py:Class`` names, None where it is no such word."""
    path, colon, name = word.rpartition(":")
    return (Path(path), name) if colon and path.endswith(".py") else None


def whole(word: str, folder: Path) -> str:
    """Return ``word`` with the whole path of the file that it names relative to ``folder``."""
    return os.path.abspath(folder / word) if own_class(word) else word


def _own_checks(word: str, path: Path, name: str, file: str) -> Iterator[Problem]:
    """Read the file, but do not run it: to look at a scenario runs nobody's code."""
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except (OSError, ValueError, SyntaxError) as error:
        reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        remedy = "Name a Python file as FILE.py:Class, relative to the scenario's"
        yield Problem(file, "routing.protocol", repr(word), reason, remedy)
        return
    classes = [each.name for each in body if isinstance(each, ast.ClassDef)]
    yield from unknown([name], classes, "routing.protocol", "class", file, path.name)


_ON_GRIDS = ("grid",)
"""Routing that goes by planes and slots."""


def _grid_checks(word: str, constellations: Any, isls: Any, file: str) -> Iterator[Problem]:
    names = [each.name for each in constellations]
    grids = [each for each in constellations if each.full_pattern()]
    laid = any(
        i.pattern == "grid" and (not i.constellations or names[0] in i.constellations) for i in isls
    )
    if len(names) != 1:
        reason = f"needs one grid of planes and slots, but there are {len(names)} constellations"
    elif not grids:
        reason = f"needs planes and slots, but {names[0]!r} is no whole Walker pattern"
    elif not laid:
        reason = f"needs links to all four neighbours, but no [[isl]] lays a grid over {names[0]!r}"
    else:
        return
    remedy = "Use one Walker constellation with a grid, or another protocol"
    yield Problem(file, "routing.protocol", repr(word), reason, remedy)


def _size_checks(known: dict[str, Any], nodes: int, file: str) -> Iterator[Problem]:
    if "scenario" in known:
        run = known["scenario"]
        steps = run.duration_s / run.step_s
        if steps > MAX_STEPS:
            remedy = f"Shorten duration_s or lengthen step_s to stay below {MAX_STEPS} steps"
            yield Problem(
                file, "scenario.step_s", str(run.step_s), f"makes {steps:.0f} steps", remedy
            )
    emulate = known.get("emulate")
    if nodes > (MAX_PLANNED if emulate and emulate.whole is None else MAX_NODES):
        remedy = f"Name a part to run in [emulate], of at most {MAX_NODES} nodes"
        if nodes > MAX_PLANNED:
            remedy = f"Split the scenario: at most {MAX_PLANNED} are planned"
        yield Problem(file, "constellation", "", f"makes {nodes} nodes", remedy)
    if emulate and emulate.around and "ground" in known:
        names = [station.name for station in known["ground"].station]
        named = emulate.around.stations
        yield from unknown(named, names, "emulate.around.stations", "station", file)


def _duplicates(times: Mapping[str, int], what: str, file: str) -> Iterator[Problem]:
    for name, count in times.items():
        if count > 1:
            yield Problem(file, what, repr(name), f"is used {count} times", "Make names unique")


def _terminal_checks(
    constellations: Any, stations: Any, terminals: Any, file: str
) -> Iterator[Problem]:
    fits = [
        (f"constellation[{i}].{kind}", fit)
        for i, each in enumerate(constellations)
        for kind, fit in (("isl", each.isl), ("gsl", each.gsl))
        if fit is not None
    ]
    fits += [(f"ground.station[{i}].antennas", each.antennas) for i, each in enumerate(stations)]
    for key, fit in fits:
        yield from unknown([fit.kind], terminals, f"{key}.kind", "terminal kind", file)


def _isl_checks(isls: Any, constellations: Any, satellites: Any, file: str) -> Iterator[Problem]:
    by_name = {each.name: each for each in constellations}
    for index, isl in enumerate(isls):
        key = f"isl[{index}]"
        yield from unknown(
            isl.constellations, by_name, f"{key}.constellations", "constellation", file
        )
        yield from unknown(isl.to, by_name, f"{key}.to", "constellation", file)
        for name, pattern in _PATTERN_KEYS.items():
            value = getattr(isl, name)
            if isl.pattern != pattern and value != type(isl).model_fields[name].default:
                remedy = f'Leave it out, or choose pattern = "{pattern}"'
                reason = f"does not fit pattern {isl.pattern!r}"
                yield Problem(file, f"{key}.{name}", repr(value), reason, remedy)
        if isl.pattern == "pairs" or isl.pairs:
            yield from _pair_checks(isl, key, satellites, file)
            named = [name for pair in isl.pairs for name in pair]
            chosen = [e for e in constellations if any(e.index(n) is not None for n in named)]
        else:
            chosen = [by_name[n] for n in isl.constellations or by_name if n in by_name]
        if isl.pattern == "grid" and any(each.walker is None for each in chosen):
            remedy = "Use grid with Walker constellations; ring, nearest or visible with elements"
            yield Problem(file, f"{key}.pattern", "'grid'", "needs planes and slots", remedy)
        asked = [by_name[n] for n in isl.to if n in by_name]
        for where, each in [("constellations", e) for e in chosen] + [("to", e) for e in asked]:
            if each.isl is None or each.isl.count == 0:
                remedy = 'Add isl = { kind = "…", count = 2 } to the constellation'
                yield Problem(
                    file, f"{key}.{where}", repr(each.name), "has no laser terminals", remedy
                )


_PATTERN_KEYS = {"k": "nearest", "to": "nearest", "hysteresis": "nearest"}
_PATTERN_KEYS |= {"seam": "grid", "latitude_cut_deg": "grid"}
"""Keys of an ``[[isl]]`` that mean something to one pattern only."""


def _pair_checks(isl: Any, key: str, satellites: Any, file: str) -> Iterator[Problem]:
    """Check the pairs of one ``[[isl]]``; ``satellites`` is None where nobody knows the names."""
    reason = f"does not fit pattern {isl.pattern!r}"
    if bool(isl.pairs) != (isl.pattern == "pairs"):
        remedy = 'Give pairs = [["a", "b"], …] with pattern = "pairs" and only there'
        yield Problem(file, f"{key}.pairs", "", reason, remedy)
    elif isl.constellations:
        remedy = "Leave it out: the pairs name their satellites"
        yield Problem(file, f"{key}.constellations", repr(isl.constellations), reason, remedy)
    if satellites is not None:
        named = [name for pair in isl.pairs for name in pair]
        yield from unknown(named, satellites, f"{key}.pairs", "satellite", file)
    for pair in isl.pairs:
        if pair[0] == pair[1]:
            remedy = "Name two different satellites"
            yield Problem(file, f"{key}.pairs", repr(pair), "links a satellite to itself", remedy)


def _event_checks(known: Any, satellites: Any, nodes: Any, file: str) -> Iterator[Problem]:
    for index, event in enumerate(known.get("event", ())):
        key, what = f"event[{index}]", event.action.split()[0]
        named = event.target[:1] if what == "terminal" else event.target
        allowed, kind = (satellites, "satellite") if what == "satellite" else (nodes, "node")
        yield from unknown(named, allowed, f"{key}.target", kind, file)
        if what == "terminal" and (own := _ports(known, named[0])) is not None:
            yield from unknown(event.target[1:], own, f"{key}.target", "port", file, named[0])
        yield from _begins_in_time(known, key, event.at_s, file)
    for index, storm in enumerate(known.get("storm", ())):
        yield from _begins_in_time(known, f"storm[{index}]", storm.at_s, file)
    yield from _silence_checks(known, file)
    yield from _failure_checks(known, len(satellites), file)


def _ports(known: Any, name: str) -> list[str] | None:
    """Names of the ports of a node, None where there is no such node."""
    for each in known["constellation"]:
        if each.index(name) is not None:
            fits = {"isl": each.isl, "gsl": each.gsl}
            return [f"{medium}{n}" for medium, fit in fits.items() if fit for n in range(fit.count)]
    for station in known["ground"].station:
        if station.name == name:
            return [f"gsl{n}" for n in range(station.antennas.count)]
    return None


def _begins_in_time(known: Any, key: str, at_s: float, file: str) -> Iterator[Problem]:
    if "scenario" in known and at_s >= known["scenario"].duration_s:
        remedy = "Move it earlier or lengthen duration_s"
        yield Problem(file, f"{key}.at_s", str(at_s), "is after the end", remedy)


def _silence_checks(known: Any, file: str) -> Iterator[Problem]:
    """Carriers never drop in a scenario whose light is lost in silence."""
    if "scenario" not in known or known["scenario"].light_lost != "silent":
        return
    tables = {"failures": known["failures"]} if "failures" in known else {}
    for name in ("event", "storm"):
        tables |= {f"{name}[{i}]": each for i, each in enumerate(known.get(name, ()))}
    for key, table in tables.items():
        if table.silent is False:
            reason = 'cannot drop carriers where scenario.light_lost is "silent"'
            remedy = 'Set light_lost = "carrier", and silent = true at the others'
            yield Problem(file, f"{key}.silent", "False", reason, remedy)


def _failure_checks(known: Any, satellites: int, file: str) -> Iterator[Problem]:
    if "scenario" not in known or "failures" not in known:
        return
    # A link is two terminals at least, so there are some two of them a satellite.
    rate = known["failures"].satellites_per_hour + 2 * known["failures"].links_per_hour
    expected = satellites * rate * known["scenario"].duration_s / 3600.0
    if expected > MAX_FAILURES:
        remedy = f"Lower the rates or shorten duration_s: at most {MAX_FAILURES} are played"
        yield Problem(file, "failures", "", f"makes some {expected:.0f} failures", remedy)
