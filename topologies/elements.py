"""Mean element sets (SGP4) as frozen figures, read from TLE and OMM text.

Formats: two-line elements (Space-Track), and CCSDS 502.0-B Orbit Mean-Elements Messages as
JSON, CSV or XML in the field names that CelesTrak and Space-Track use.
"""

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from sgp4.alpha5 import from_alpha5

_OMM_FIELDS = {
    "mean_motion_rev_day": "MEAN_MOTION",
    "eccentricity": "ECCENTRICITY",
    "inclination_deg": "INCLINATION",
    "raan_deg": "RA_OF_ASC_NODE",
    "arg_perigee_deg": "ARG_OF_PERICENTER",
    "mean_anomaly_deg": "MEAN_ANOMALY",
    "bstar": "BSTAR",
}
_LINE_1 = re.compile(r"1 [0-9A-Z ][0-9 ]{3}[0-9][A-Z ]")
_LINE_2 = re.compile(r"2 [0-9A-Z ][0-9 ]{3}[0-9] ")


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementSet:
    """SGP4 mean elements of one satellite. ``mean_motion_rev_day`` is the Kozai mean motion."""

    name: str
    catalogue: int
    epoch: datetime
    mean_motion_rev_day: float
    eccentricity: float
    inclination_deg: float
    raan_deg: float
    arg_perigee_deg: float
    mean_anomaly_deg: float
    bstar: float


def slug(name: str) -> str:
    """Turn a catalogue name into a node name: 'SCS-01 A' → 'scs-01-a'."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def parse(text: str, suffix: str) -> tuple[ElementSet, ...]:
    """Read element sets from ``text``; ``suffix`` of its file chooses the format.

    ``.json``, ``.csv`` and ``.xml`` are OMM, everything else is TLE. Names that occur more than
    once get the catalogue number behind them. Raises ValueError naming the line or record at fault.
    """
    read = {".json": _read_json, ".csv": _read_csv, ".xml": _read_xml}.get(suffix.lower())
    found = _parse_omm(read(text)) if read else _parse_tle(text)
    if not found:
        raise ValueError("holds no element sets")
    times = Counter(each.name for each in found)
    return tuple(
        replace(each, name=f"{each.name}-{each.catalogue}") if times[each.name] > 1 else each
        for each in found
    )


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _read_csv(text: str) -> Any:
    try:
        return list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise ValueError(str(error)) from None


def _read_xml(text: str) -> Any:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None
    return [{e.tag: (e.text or "").strip() for e in omm.iter()} for omm in root.iter("omm")]


def _parse_omm(records: Any) -> list[ElementSet]:
    if not isinstance(records, list):
        raise ValueError("is not a list of element sets")
    return [_from_omm(record, number) for number, record in enumerate(records, 1)]


def _from_omm(record: dict[str, str], number: int) -> ElementSet:
    try:
        epoch = datetime.fromisoformat(str(record["EPOCH"]).rstrip("Z")).replace(tzinfo=UTC)
        figures = {ours: float(record[theirs]) for ours, theirs in _OMM_FIELDS.items()}
        return ElementSet(
            name=slug(str(record["OBJECT_NAME"])),
            catalogue=int(record.get("NORAD_CAT_ID") or number),
            epoch=epoch,
            **figures,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"record {number} is not an OMM element set ({error!r})") from None


def _parse_tle(text: str) -> list[ElementSet]:
    """Read two-line element sets, with or without a line of the name before each.

    A line counts as line 1 or 2 by its beginning, however it ends: a damaged one is an error
    and never mistaken for a name.
    """
    found = []
    name = first = ""
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if _LINE_1.match(line) and not first:
                first = _checked(line)
            elif _LINE_2.match(line) and first:
                found.append(_from_tle(name, first, _checked(line)))
                name = first = ""
            elif first:
                raise ValueError("line 2 of the element set is missing")
            elif _LINE_2.match(line):
                raise ValueError("line 1 of the element set is missing")
            elif line.strip() and not line.startswith("#"):
                name = line.removeprefix("0 ").strip()
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    if first:
        raise ValueError("ends within an element set")
    return found


def _checked(line: str) -> str:
    line = line.rstrip()
    digits = sum(int(c) if c in "0123456789" else c == "-" for c in line[:68])
    if len(line) < 69 or line[68] != str(digits % 10):
        raise ValueError(f"checksum is {line[68:69]!r}, computed {digits % 10}")
    return line


def _from_tle(name: str, first: str, second: str) -> ElementSet:
    if first[2:7] != second[2:7]:
        raise ValueError(f"line 1 is of {first[2:7]}, line 2 of {second[2:7]}")
    year = int(first[18:20])
    start = datetime(1900 + year if year >= 57 else 2000 + year, 1, 1, tzinfo=UTC)
    mantissa, exponent = first[53:59], first[59:61]
    return ElementSet(
        name=slug(name or first[2:7]),
        catalogue=from_alpha5(first[2:7]),
        epoch=start + timedelta(days=float(first[20:32]) - 1),
        mean_motion_rev_day=float(second[52:63]),
        eccentricity=float("0." + second[26:33].strip()),
        inclination_deg=float(second[8:16]),
        raan_deg=float(second[17:25]),
        arg_perigee_deg=float(second[34:42]),
        mean_anomaly_deg=float(second[43:51]),
        bstar=float(f"{mantissa.strip()}e-5") * 10.0 ** int(exponent),
    )
