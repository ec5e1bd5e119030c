"""The report of a synthetic run directory: what it says, and that it needs nothing but itself."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from emulator.errors import RunError
from emulator.report import write_report
from emulator.report.links import links, unforeseen
from emulator.report.page import count, listing, percent, seconds, significant, size, table
from emulator.report.record import RunRecord
from emulator.scenario import Scenario
from tests.unit.toys import walker_table

SIX = walker_table(
    "53:6/1/0",
    1500,
    scenario={
        "name": "six",
        "description": "One plane, one station",
        "duration_s": 12,
        "step_s": 1,
        "seed": 7,
        "rate_scale": 250,
    },
    terminals={"radio": {"rate_gbps": 1, "max_range_km": 4000}},
    isl=[{"pattern": "ring"}],
    ground={
        "station": [
            {
                "name": "below",
                "latitude_deg": 0,
                "longitude_deg": 210,
                "antennas": {"kind": "radio", "count": 1},
                "computer": {"tops": 2000, "utilisation": 0.3},
            }
        ]
    },
    workload=[
        {
            "kind": "offload",
            "source": "w-01-02",
            "capture_s": 1.5,
            "object_bytes": 2_500_000_000,
            "result_bytes": 1_000_000,
            "operations": 8.0e13,
        }
    ],
)
SIX["constellation"][0] |= {"name": "w", "isl": {"kind": "laser", "count": 2}}
SIX["constellation"][0] |= {"computer": {"tops": 744, "utilisation": 0.3}}
PARTS = {"wait": 1.111, "compute": 0.358, "transmit": 2.222, "propagate": 0.033, "other": 1.444}
SUMMARY = {
    "scenario": "six",
    "seed": 7,
    "kernel": "usermode",
    "clock": "virtual",
    "rate_scale": 250.0,
    "nodes": 7,
    "ports": 19,
    "steps": 12,
    "changes": 1234,
    "lag_ms": {"p50": 0.25, "p99": 3.21},
    "rtt": [
        {
            "a": "w-01-01",
            "b": "w-01-02",
            "expected_ms": 52.5565,
            "measured_ms": 52.5691,
            "error_us": 12.6,
            "sent": 11,
            "lost": 2,
        }
    ],
    "offload": [
        {
            "strategy": strategy,
            "source": "w-01-02",
            "captured_s": 1.5,
            "object_bytes": 2_500_000_000,
            "latency_s": latency_s,
            "parts_s": parts_s,
            "verified": latency_s is not None,
            "path": ["w-01-02", "w-01-01", "below"],
            "delivered_to": "below" if latency_s else None,
        }
        for strategy, latency_s, parts_s in (
            ("raw", None, None),
            ("onboard", 5.168, PARTS),
            ("laser", 3.057, {**PARTS, "transmit": 0.111}),
        )
    ],
    "routing": {"protocol": "frr-ospf", "converged_s": 6.54},
}
TABLES = """
CREATE TABLE steps(step INTEGER, t_s REAL, lag_ms REAL, apply_ms REAL, changes INTEGER);
CREATE TABLE probes(t_s REAL, a TEXT, b TEXT, seq INTEGER, rtt_ms REAL, expected_ms REAL);
CREATE TABLE flows(strategy TEXT, leg INTEGER, source TEXT, destination TEXT, bytes INTEGER,
    start_s REAL, first_byte_s REAL, end_s REAL, verified INTEGER);
"""
ROWS = {
    "steps": [(k, float(k), 0.2 + k / 10, 0.1, 14) for k in range(12)],
    "probes": [
        *((k + 0.5, "w-01-01", "w-01-02", k, 52.56 + k / 1000, 52.5565) for k in range(9)),
        (9.5, "w-01-01", "w-01-02", 9, None, 52.5565),
        (9.7, "w-01-01", "below", 9, 12.5, None),
        (10.5, "w-01-01", "w-01-02", 10, 400.0, 52.5565),
        *((k + 0.5, "w-01-03", "below", k, 131.0 + k / 100, 131.0) for k in range(3)),
    ],
    "flows": [
        ("laser", 0, "w-01-02", "w-01-01", 10_000_000, 1.5, 1.6, 3.0, 1),
        ("raw", 0, "w-01-02", "below", 10_000_000, 1.5, None, None, 0),
    ],
}
EVENTS = [
    {"event": "converged", "seconds": 6.540000001},
    {"t_s": 0.001, "event": "link up", "a": "w-01-01", "b": "below"},
    {"t_s": 1.5, "event": "captured", "source": "w-01-02"},
    {"t_s": 4.0, "event": "link down", "a": "w-01-01", "b": "w-01-02"},
    {"t_s": 4.0, "event": "step", "step": 4, "lag_ms": 0.6},
    {"t_s": 7.0, "event": "fault", "action": "link up", "target": ["w-01-02", "w-01-01"]},
    {"t_s": 9.0, "event": "never heard of", "note": "<script>alert(1)</script>"},
]


@dataclass
class Page(HTMLParser):
    """What a browser would make of the report: its text, its links, unclosed tags."""

    source: str
    text: str = ""
    wanted: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "iframe", "link", "img", "object", "embed", "image")
        self.wanted += [value or "" for name, value in attrs if name.endswith(("src", "href"))]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data + " "


def run_directory(
    folder: Path, table: dict[str, Any] = SIX, rows: dict[str, list[tuple]] = ROWS, **changes: Any
) -> Path:
    """Write a run directory as a run does."""
    (folder / "scenario.json").write_text(Scenario.from_table(table).to_json())
    (folder / "summary.json").write_text(json.dumps({**SUMMARY, **changes}))
    machine = {"versions": {"linux": "6.1.140"}, "load_1min": 0.42, "wall_clock_s": 201.5}
    (folder / "machine.json").write_text(json.dumps(machine))
    (folder / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in EVENTS))
    with closing(sqlite3.connect(folder / "run.sqlite")) as base:
        base.executescript(TABLES)
        for name, content in rows.items():
            if content:
                marks = ", ".join("?" * len(content[0]))
                base.executemany(f"INSERT INTO {name} VALUES ({marks})", content)
        base.commit()
    return folder


def read(run_dir: Path) -> Page:
    """Write the report of ``run_dir`` and open it; every tag must be closed."""
    page = Page(write_report(run_dir).read_text(encoding="utf-8"))
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of the whole synthetic run."""
    return read(run_directory(tmp_path_factory.mktemp("run")))


def test_the_answer_stands_at_the_top_fastest_first(page: Page) -> None:
    text = page.text
    answer = (
        "An image of 2.5 GB taken by w-01-02 at +1.5 s was answered on the ground after "
        "3.06 s by laser and 5.17 s on board; not raw before the run ended."
    )
    assert answer in text
    assert text.index(answer) < text.index("From the image to its answer")


@pytest.mark.parametrize(
    "figure",
    [
        *("six", "One plane, one station", "2026-08-22 12:00:00 UTC", "seed 7", "frr-ospf"),
        *("7 nodes", "19 terminals", "12 steps", "1,234 changes", "3.21 ms", "6.54 s"),
        *("52.5565", "52.5691", "+12.6", "2 of 11 probes lost"),
        *("5.168", "3.057", "1.111", "0.358", "2.222", "0.033", "1.444", "0.111"),
        *("2.5 GB, sent as 10 MB", "w-01-02 → w-01-01 → below"),
        *("user-mode Linux kernel", "virtual time", "6.1.140", "201.5", "0.42"),
    ],
)
def test_it_has_the_numbers_of_the_run(page: Page, figure: str) -> None:
    assert figure in page.text


def test_a_part_is_told_with_what_it_is_a_part_of(tmp_path: Path, page: Page) -> None:
    table = {**SIX, "emulate": {"satellites": ["w-*"], "whole": 60}}
    text = read(run_directory(tmp_path, table)).text
    assert "a part of 60: w-*; to the others there are no links" in text
    assert "a part of" not in page.text


def test_it_says_what_was_scaled_and_what_other_contains(page: Page) -> None:
    text = page.text
    assert "every rate and every object size was divided by 250" in text
    assert "delays and compute times were not" in text
    assert "routing convergence, TCP connection and slow start" in text


def test_pauses_of_the_computer_are_told_where_there_were_any(tmp_path: Path, page: Page) -> None:
    said = "pauses in which a battery had the satellite's computer off"
    assert said not in page.text
    run_dir = run_directory(tmp_path)
    pause = {"event": "throttled", "t_s": 2.0, "strategy": "onboard", "node": "w-01-02"}
    with (run_dir / "events.jsonl").open("a") as log:
        print(json.dumps(pause | {"until_s": 3.5}), file=log)
    text = read(run_dir).text
    assert said in text
    assert "throttled strategy onboard, node w-01-02, until 3.5 s" in text


def test_the_work_of_every_offload_is_told(tmp_path: Path) -> None:
    [image] = [each for each in SIX["workload"] if each["kind"] == "offload"]
    light = image | {"operations": image["operations"] / 4}
    table = SIX | {"workload": [*SIX["workload"], light]}
    whole, quarter = (significant(each["operations"] / 1e12) for each in (image, light))
    text = read(run_directory(tmp_path, table)).text
    assert f"{quarter} × 10¹² and {whole} × 10¹² operations by satellites" in text


def test_an_unscaled_run_is_called_so(tmp_path: Path) -> None:
    assert "Rate scale 1: all rates" in read(run_directory(tmp_path, rate_scale=1.0)).text


def test_every_strategy_has_a_bar_with_its_parts(page: Page) -> None:
    bars = re.findall(r'id="bar-\d-(\w+)-(\w+)"', page.source)
    assert bars == [
        ("raw", "none"),
        *(("onboard", part) for part in PARTS),
        *(("laser", part) for part in PARTS),
    ]


def test_it_refers_to_nothing_outside_itself(page: Page) -> None:
    assert all(link.startswith("#") for link in page.wanted)
    assert not re.search(r"https?:|@import|url\((?!#)", page.source)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run_dir = run_directory(tmp_path)
    assert write_report(run_dir).read_bytes() == write_report(run_dir).read_bytes()


def test_what_a_run_wrote_is_shown_not_obeyed(page: Page) -> None:
    assert "<script>" not in page.source
    assert "never heard of" in page.text
    assert "– converged seconds 6.54 +1.500 captured" in page.text


def test_a_run_without_workload_or_tables_says_so(tmp_path: Path) -> None:
    idle = {key: value for key, value in SIX.items() if key != "workload"}
    run_dir = run_directory(
        tmp_path, idle, {}, rtt=[], offload=[], lag_ms={"p50": None, "p99": None}
    )
    text = read(run_dir).text
    assert "nothing was measured" in text
    assert "No offload workload" in text
    assert "table probes of run.sqlite is empty" in text
    assert "table steps of run.sqlite is empty" in text


def test_absent_files_are_named_where_they_are_missed(tmp_path: Path) -> None:
    run_dir = run_directory(tmp_path)
    for name in ("machine.json", "run.sqlite", "events.jsonl"):
        (run_dir / name).unlink()
    text = read(run_dir).text
    for name in ("machine.json", "run.sqlite", "events.jsonl"):
        assert f"the run directory has no {name}" in text


def test_broken_files_are_named_too(tmp_path: Path) -> None:
    run_dir = run_directory(tmp_path)
    (run_dir / "run.sqlite").write_bytes(b"no database at all")
    (run_dir / "machine.json").write_text("{")
    with (run_dir / "events.jsonl").open("a") as log:
        log.write('{"t_s": 11.0, "ev')
    text = read(run_dir).text
    assert "file is not a database" in text
    assert "machine.json cannot be read" in text
    assert "1 unreadable lines of events.jsonl are left out" in text


@pytest.mark.parametrize("name", ["scenario.json", "summary.json"])
def test_an_unfinished_run_has_no_report(tmp_path: Path, name: str) -> None:
    (run_directory(tmp_path) / name).unlink()
    with pytest.raises(RunError, match=f"holds no {name}"):
        write_report(tmp_path)


def test_a_late_player_is_called_late(tmp_path: Path) -> None:
    late = read(run_directory(tmp_path, lag_ms={"p50": 900.0, "p99": 2500.0})).text
    assert "did not keep up" in late


def test_faults_are_what_was_down_during_a_contact(tmp_path: Path) -> None:
    record = RunRecord.read(run_directory(tmp_path))
    faults = {(link.a, link.b): link.faults for link in links(record) if link.faults}
    assert faults == {("w-01-01", "w-01-02"): ((4.0, 7.0),)}


def test_a_fallen_satellite_takes_its_links_along(tmp_path: Path) -> None:
    event = [{"at_s": 5.0, "action": "satellite down", "target": ["w-01-01"]}]
    record = RunRecord.read(run_directory(tmp_path, {**SIX, "event": event}))
    hit = [link for link in links(record) if "w-01-01" in link.pair]
    assert len(hit) == 3
    assert all(link.faults[-1] == (pytest.approx(5.0, abs=1), 12.0) for link in hit)


def test_only_events_that_the_plan_did_not_foresee_are_listed(tmp_path: Path) -> None:
    record = RunRecord.read(run_directory(tmp_path))
    assert [e["t_s"] for e in unforeseen(record, links(record))] == [None, 1.5, 4.0, 7.0, 9.0]


def test_many_links_are_summed_up(tmp_path: Path) -> None:
    shell = {**SIX["constellation"][0], "walker": "53:48/6/1", "isl": {"kind": "laser", "count": 4}}
    table = {**SIX, "constellation": [shell], "isl": [{"pattern": "grid"}]}
    text = read(run_directory(tmp_path, table)).text
    assert "96 laser links, summed up" in text
    assert "Shortest to longest" in text


PLATFORM = {"solar_area_m2": 1e-30, "battery_wh": 100.0, "bus_w": 28_800.0, "shed": "lasers"}
"""Panels that give nothing, and 8 % of the battery a second: below the floor after 9 seconds."""


def powered(count: int) -> dict[str, Any]:
    shell = {**SIX["constellation"][0], "platform": PLATFORM, "walker": f"53:{count}/1/0"}
    return {**SIX, "constellation": [shell]}


def test_causes_of_lost_light_are_listed_with_faults_among_them(tmp_path: Path) -> None:
    event = [{"at_s": 5.0, "action": "link down", "target": ["w-01-01", "w-01-02"]}]
    text = read(run_directory(tmp_path, {**powered(6), "event": event})).text
    # Six ring pairs and the station's link end at 9 s; 3 s of darkness each for the six.
    assert "Contacts ended Outages Dark, s a battery has reached its floor 7 6 18.0" in text
    assert "an event of the scenario 0 1 4.0" in text


def test_a_sky_without_loss_says_so(tmp_path: Path) -> None:
    idle = {key: value for key, value in SIX.items() if key not in ("ground", "workload")}
    run_dir = run_directory(tmp_path, idle, offload=[])
    text = read(run_dir).text
    assert "No light was lost." in text
    assert "Batteries" not in text


@pytest.mark.parametrize(("satellites", "drawn"), [(4, "w-01-04"), (48, "Lowest to highest")])
def test_batteries_are_shown_one_by_one_or_as_a_band(
    tmp_path: Path, satellites: int, drawn: str
) -> None:
    page = read(run_directory(tmp_path, powered(satellites)))
    _, after = page.text.split("Batteries", 1)
    lowest = "The lowest charge seen is 12 %, of w-01-01 at +11 s."
    assert f"{satellites} satellites with batteries. {lowest}" in after
    assert drawn in after.split("Loads shed")[0]
    assert "Loads shed" + (": the first 40 of 48 times" if satellites > 40 else "") in after
    assert "w-01-01 lasers 9.0 12.0" in after
    assert 'aria-label="Charge of batteries over time"' in page.source


def test_enough_power_needs_no_table(tmp_path: Path) -> None:
    table = powered(6)
    table["constellation"][0]["platform"] = {**PLATFORM, "bus_w": 0.0}
    assert "Nothing was shed." in read(run_directory(tmp_path, table)).text


@pytest.mark.parametrize(
    ("value_s", "said"),
    [
        (None, "–"),
        (0.0, "0 s"),
        (2e-7, "0.200 µs"),
        (0.0125, "12.5 ms"),
        (0.9996, "1.00 s"),
        (12.34, "12.3 s"),
        (162.7, "163 s"),
        (5400.0, "5,400 s"),
    ],
)
def test_times_are_said_in_the_unit_that_suits_them(value_s: float | None, said: str) -> None:
    assert seconds(value_s).replace("\u00a0", " ") == said


def test_numbers_in_words() -> None:
    assert significant(999.6) == "1,000"
    assert percent(99.7) == "over 99\u00a0%"
    assert significant(-0.05) == "-0.0500"
    assert size(2.5e9).replace("\u00a0", " ") == "2.5 GB"
    assert size(12) == "12 bytes"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing(["a"]) == "a"
    assert (count(1, "node"), count(1200, "node")) == ("1 node", "1,200 nodes")


def test_only_columns_of_numbers_stand_to_the_right() -> None:
    shown = table(["Name", "Value"], [["s1-2", "1,234.5"], ["s2-3", "–"]])
    assert '<td>s1-2</td><td class="number">1,234.5</td>' in shown
