"""Mean element sets (SGP4) as frozen figures, read from TLE and OMM text.

Formats: two-line elements (Space-Track), and CCSDS 502.0-B Orbit Mean-Elements Messages as
JSON, CSV or XML in the field names that CelesTrak and Space-Track use.
"""

import csv
import io
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

_OMM_FIELDS = {
    "mean_motion_rev_day": "MEAN_MOTION",
    "eccentricity": "ECCENTRICITY",
    "inclination_deg": "INCLINATION",
    "raan_deg": "RA_OF_ASC_NODE",
    "arg_perigee_deg": "ARG_OF_PERICENTER",
    "mean_anomaly_deg": "MEAN_ANOMALY",
    "bstar": "BSTAR",
}


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
    """Turn a catalogue name into a node name: lower case, digits, hyphens ('SCS-01 A' → 'scs-01-a')."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def parse(text: str, suffix: str) -> tuple[ElementSet, ...]:
    """Read element sets from ``text``; ``suffix`` of its file chooses the format.

    ``.json``, ``.csv`` and ``.xml`` are OMM, everything else is TLE. Raises ValueError naming the
    line or record at fault.
    """
    match suffix.lower():
        case ".json":
            records = json.loads(text)
        case ".csv":
            records = list(csv.DictReader(io.StringIO(text)))
        case ".xml":
            root = ElementTree.fromstring(text)
            records = [{e.tag: e.text for e in omm.iter()} for omm in root.iter("omm")]
        case _:
            return _parse_tle(text)
    if not isinstance(records, list) or not records:
        raise ValueError("holds no element sets")
    return tuple(_from_omm(record, number) for number, record in enumerate(records, 1))


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
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"record {number} is not an OMM element set ({error!r})") from None


def _parse_tle(text: str) -> tuple[ElementSet, ...]:
    lines = [
        (number, line.rstrip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    found = []
    name = ""
    while lines:
        number, line = lines.pop(0)
        if not line.startswith("1 ") or len(line) < 69:
            name = line.removeprefix("0 ").strip()
            continue
        if not lines or not lines[0][1].startswith("2 "):
            raise ValueError(f"line {number}: line 1 of an element set without its line 2")
        second = lines.pop(0)[1]
        for shift, text_line in enumerate((line, second)):
            _verify_checksum(text_line, number + shift)
        try:
            found.append(_from_tle(name or line[2:7], line, second))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        name = ""
    if not found:
        raise ValueError("holds no element sets")
    return tuple(found)


def _verify_checksum(line: str, number: int) -> None:
    digits = sum(int(c) if c.isdigit() else c == "-" for c in line[:68])
    if len(line) < 69 or line[68] != str(digits % 10):
        raise ValueError(f"line {number}: checksum is {line[68:69]!r}, computed {digits % 10}")


def _from_tle(name: str, first: str, second: str) -> ElementSet:
    year = int(first[18:20])
    start = datetime(1900 + year if year >= 57 else 2000 + year, 1, 1, tzinfo=UTC)
    mantissa, exponent = first[53:59], first[59:61]
    return ElementSet(
        name=slug(name),
        catalogue=int(first[2:7]),
        epoch=start + timedelta(days=float(first[20:32]) - 1),
        mean_motion_rev_day=float(second[52:63]),
        eccentricity=float("0." + second[26:33].strip()),
        inclination_deg=float(second[8:16]),
        raan_deg=float(second[17:25]),
        arg_perigee_deg=float(second[34:42]),
        mean_anomaly_deg=float(second[43:51]),
        bstar=float(f"{mantissa.strip()}e-5") * 10.0 ** int(exponent),
    )
