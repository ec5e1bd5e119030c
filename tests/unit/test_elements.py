"""Element sets as TLE and OMM, against sgp4's own readers, writers and verification run."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from sgp4.api import Satrec, SatrecArray
from sgp4.exporter import export_omm

from emulator.constellations import Satellite
from emulator.ephemeris import Ephemeris, julian_date, satrec
from emulator.scenario import Scenario
from topologies.elements import ElementSet, parse, slug

ONE_MILLIMETRE_KM = 1e-6
ONE_METRE_KM = 1e-3
ONE_MICROSECOND = timedelta(microseconds=1)

VANGUARD = """\
# The first case of the SGP4 verification run (Vallado et al. 2006).
VANGUARD 1
1 00005U 58002B   00179.78495062  .00000023  00000-0  28098-4 0  4753
2 00005  34.2682 348.7242 1859667 331.7664  19.3264 10.82419157413667
"""
TWO = (
    VANGUARD
    + """\
0 DELTA 1 DEB
1 06251U 62025E   06176.82412014  .00008885  00000-0  12808-3 0  3985
2 06251  58.0579  54.0425 0030035 139.1568 221.1854 15.56387291  6774
"""
)
# Minutes since epoch; TEME km: tcppver.out, satellite 00005.
VANGUARD_KM = [
    (0.0, (7022.46529266, -1400.08296755, 0.03995155)),
    (360.0, (-7154.03120202, -3783.17682504, -3536.19412294)),
]

OMM_MEAN = ("EPOCH", "MEAN_MOTION", "ECCENTRICITY", "INCLINATION", "RA_OF_ASC_NODE")
OMM_MEAN += ("ARG_OF_PERICENTER", "MEAN_ANOMALY")


def records() -> list[dict]:
    """The two satellites as OMM fields, written by sgp4."""
    lines = [line for line in TWO.splitlines() if line[:2] in ("1 ", "2 ")]
    names = ("VANGUARD 1", "DELTA 1 DEB")
    pairs = zip(names, lines[0::2], lines[1::2], strict=True)
    return [export_omm(Satrec.twoline2rv(first, second), name) for name, first, second in pairs]


def as_json() -> str:
    return json.dumps(records())


def as_csv() -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records()[0]))
    writer.writeheader()
    writer.writerows(records())
    return text.getvalue()


def as_xml() -> str:
    """Nest as CelesTrak does: ndm, omm, body, segment, metadata and data."""
    ndm = ElementTree.Element("ndm")
    for record in records():
        omm = ElementTree.SubElement(ndm, "omm", id="CCSDS_OMM_VERS", version="2.0")
        segment = ElementTree.SubElement(ElementTree.SubElement(omm, "body"), "segment")
        data = ElementTree.SubElement(segment, "data")
        parts = {
            "mean": ElementTree.SubElement(data, "meanElements"),
            "tle": ElementTree.SubElement(data, "tleParameters"),
            "name": ElementTree.SubElement(segment, "metadata"),
        }
        for key, value in record.items():
            part = "mean" if key in OMM_MEAN else "name" if key.startswith("OBJECT") else "tle"
            ElementTree.SubElement(parts[part], key).text = f" {value}\n"
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(
        ndm, encoding="unicode"
    )


@pytest.mark.parametrize(
    ("suffix", "text"), [(".json", as_json()), (".csv", as_csv()), (".xml", as_xml())]
)
def test_every_omm_form_is_the_tle(suffix: str, text: str) -> None:
    expected = parse(TWO, ".tle")
    found = parse(text, suffix)
    assert len(found) == len(expected) == 2
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.name, ours.catalogue) == (theirs.name, theirs.catalogue)
        assert abs(ours.epoch - theirs.epoch) <= ONE_MICROSECOND
        for figure in ElementSet.__slots__[3:]:
            assert getattr(ours, figure) == pytest.approx(getattr(theirs, figure), rel=1e-9)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [(".tle", TWO), (".txt", TWO), (".json", as_json()), (".csv", as_csv()), (".xml", as_xml())],
)
def test_a_scenario_reads_each_form(tmp_path: Path, suffix: str, text: str) -> None:
    (tmp_path / f"sky{suffix}").write_text(text, encoding="utf-8")
    (tmp_path / "scenario.toml").write_text(
        f"""
        [scenario]
        name = "old"
        start = 2006-06-25T20:00:00Z
        duration_s = 10
        [[constellation]]
        name = "c"
        elements_file = "sky{suffix}"
        """
    )
    scenario = Scenario.load(tmp_path / "scenario.toml")
    assert [each.name for each in scenario.constellation[0].satellite] == [
        "vanguard-1",
        "delta-1-deb",
    ]
    assert scenario.constellation[0].elements_file is None, "the figures are in the scenario now"


def test_vanguard_is_where_the_verification_run_has_it() -> None:
    [elements] = parse(VANGUARD, ".tle")
    assert elements.epoch == datetime(2000, 6, 27, 18, 50, 19, 733568, tzinfo=UTC)
    assert elements.bstar == pytest.approx(0.28098e-4, rel=1e-12)
    table = {
        "scenario": {"name": "v", "start": elements.epoch, "duration_s": 1.0},
        "constellation": [{"name": "c", "satellite": [as_table(elements)]}],
    }
    ephemeris = Ephemeris.of(Scenario.from_table(table))
    for minutes, expected_km in VANGUARD_KM:
        found_km = ephemeris.satellites_km(np.array([minutes * 60]))[0, 0]
        assert np.linalg.norm(found_km - expected_km) < ONE_MILLIMETRE_KM


def as_table(elements: ElementSet) -> dict:
    return {key: getattr(elements, key) for key in ElementSet.__slots__}


REAL = {
    "beidou": 55,
    "geesat": 63,
    "guowang_hulianwang": 182,
    "iridium_next": 80,
    "kuiper": 391,
    "oneweb": 651,
    "relay_geo_tianlian_edrs": 8,
    "three_body_scs01": 12,
}


@pytest.mark.parametrize(("file", "count"), REAL.items())
def test_real_files_are_read_as_sgp4_reads_them(tle_folder: Path, file: str, count: int) -> None:
    text = (tle_folder / f"{file}.tle").read_text()
    found = parse(text, ".tle")
    assert len(found) == count
    assert len({each.name for each in found}) == count
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    theirs = SatrecArray(
        [Satrec.twoline2rv(*pair) for pair in zip(lines[1::3], lines[2::3], strict=True)]
    )
    ours = SatrecArray([satrec(Satellite(**as_table(each))) for each in found])
    date = julian_date(datetime(2026, 8, 22, tzinfo=UTC), np.array([0.0, 43200.0]))
    error, theirs_km, _ = theirs.sgp4(*date)
    assert not error.any()
    ours_km = ours.sgp4(*date)[1]
    assert np.linalg.norm(ours_km - theirs_km, axis=-1).max() < ONE_METRE_KM


def test_without_names_the_catalogue_number_names() -> None:
    bare = "\n".join(line for line in TWO.splitlines() if line[:2] in ("1 ", "2 "))
    assert [each.name for each in parse(bare, "")] == ["00005", "06251"]


def test_a_name_that_recurs_gets_its_catalogue_number() -> None:
    twice = TWO.replace("0 DELTA 1 DEB", "VANGUARD 1")
    assert [each.name for each in parse(twice, "")] == ["vanguard-1-5", "vanguard-1-6251"]


def rewritten(columns: slice, new: str, which: slice) -> ElementSet:
    """Vanguard with other text in those columns of those lines, and right checksums."""
    lines = VANGUARD.splitlines()[2:]
    for number in range(2)[which]:
        body = lines[number][: columns.start] + new + lines[number][columns.stop : 68]
        digits = sum(int(c) if c.isdigit() else c == "-" for c in body)
        lines[number] = body + str(digits % 10)
    return parse("\n".join(lines), "")[0]


def test_numbers_beyond_99999_are_alpha_5() -> None:
    assert rewritten(slice(2, 7), "B1234", slice(0, 2)).catalogue == 111234


@pytest.mark.parametrize(
    ("digits", "year"), [("57", 1957), ("99", 1999), ("00", 2000), ("56", 2056)]
)
def test_two_digit_years_turn_in_1957(digits: str, year: int) -> None:
    assert rewritten(slice(18, 20), digits, slice(0, 1)).epoch.year == year


@pytest.mark.parametrize(
    ("name", "node"),
    [("SCS-01 A", "scs-01-a"), ("BEIDOU-3 M1 (C19)", "beidou-3-m1-c19"), (" *ISS* ", "iss")],
)
def test_slugs(name: str, node: str) -> None:
    assert slug(name) == node


def edited(old: str, new: str) -> str:
    assert TWO.count(old) == 1
    return TWO.replace(old, new)


LINES = TWO.splitlines()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no element sets"),
        ("# nothing\nNAME\n", "holds no element sets"),
        (edited("28098-4 0  4753", "28098-4 0  4754"), "line 3: checksum is '4', computed 3"),
        (edited("348.7242", "348.7243"), "line 4: checksum is '7', computed 8"),
        (edited("15.56387291  6774", "15.56387291  677"), "line 7: checksum"),
        (edited("0  3985", "0  398"), "line 6: checksum"),
        (edited(" 28098-4 0  4753", ""), "line 3: checksum"),
        ("\n".join(LINES[:3] + LINES[4:]), "line 4: line 2 of the element set is missing"),
        ("\n".join(LINES[:2] + LINES[3:]), "line 3: line 1 of the element set is missing"),
        ("\n".join(LINES[:-1]), "ends within an element set"),
        ("\n".join([*LINES[:3], LINES[6]]), "line 4: line 1 is of 00005, line 2 of 06251"),
    ],
)
def test_a_faulty_tle_is_named_by_its_line(text: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text, ".tle")
    assert words in str(caught.value)


def without(key: str) -> str:
    broken = records()
    del broken[1][key]
    return json.dumps(broken)


def with_value(key: str, value: object) -> str:
    broken = records()
    broken[1][key] = value
    return json.dumps(broken)


@pytest.mark.parametrize(
    ("suffix", "text", "words"),
    [
        (".json", "{", "Expecting"),
        (".json", "{}", "not a list"),
        (".json", "[]", "holds no element sets"),
        (".json", "[1]", "record 1 is not an OMM"),
        (".json", "[" * 100_000, "nested too deeply"),
        (".json", without("MEAN_MOTION"), "record 2 is not an OMM element set (KeyError('MEAN_"),
        (".json", with_value("EPOCH", "yesterday"), "record 2"),
        (".json", with_value("BSTAR", None), "record 2"),
        (".json", with_value("ECCENTRICITY", "round"), "record 2"),
        (".json", with_value("MEAN_MOTION", 10**400), "record 2"),
        (".json", with_value("NORAD_CAT_ID", "A"), "record 2"),
        (".csv", "", "holds no element sets"),
        (".csv", "A,B\n1,2\n", "record 1"),
        (".csv", "A\n" + "x" * 200_000, "field larger than field limit"),
        (".xml", "", "no element found"),
        (".xml", "<ndm><omm>", "no element found"),
        (".xml", "<ndm/>", "holds no element sets"),
        (".xml", "<ndm><omm><EPOCH/></omm></ndm>", "record 1"),
    ],
)
def test_a_faulty_omm_is_named_by_its_record(suffix: str, text: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text, suffix)
    assert words in str(caught.value)
