"""Faults of a scenario: told by file, key, value and remedy, and all at once."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import protocols
from emulator.errors import Problem, ScenarioError
from emulator.scenario import Scenario
from emulator.scenario_checks import MAX_NODES, MAX_STEPS
from tests.unit.toys import put

FILE = Path("sky.toml")
EXAMPLE = Path(protocols.__file__).parent / "examples" / "hop_count.py"


def problems(table: Any, path: Path = FILE) -> tuple[Problem, ...]:
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_table(table, path)
    for each in caught.value.problems:
        assert each.key
        assert each.reason
        assert each.remedy
        assert str(each) in str(caught.value)
    return caught.value.problems


LASERS = {"kind": "laser", "count": 2}
SHELL = {"name": "shell", "walker": "53:12/3/1", "altitude_km": 550.0, "isl": LASERS}
CATALOGUE = {"name": "shell", "elements_file": "no.tle", "isl": LASERS}
LINK_DOWN = {"at_s": 1.0, "action": "link down"}


def fault(
    path: str, new: Any, reason: str, remedy: str, key: str | None = None, value: str | None = None
) -> Any:
    """Change the preset at ``path`` to ``new`` and expect a problem there, or at ``key``."""
    told_key = re.sub(r"\.(\d+)", r"[\1]", path) if key is None else key
    told = new is not ... and key is None
    told_value = value if value is not None else repr(new) if told else ""
    return pytest.param(path, new, told_key, told_value, reason, remedy, id=f"{path}={new}"[:60])


_NO_PORT = ("no port of kashi", "gsl0")
_ONE_WAY = {"direction": "a-to-b", "action": "terminal down"}
_IPERF3 = {"kind": "iperf3", "pairs": [["scs-01-a", "miyun"]]}
_OFFLOAD = {"kind": "offload", "source": "scs-01-f", "object_bytes": 9, "operations": 1.0}
_OFFLOAD |= {"result_bytes": 1}
_STORM = {"at_s": 0.0, "duration_s": 9.0, "latitude_deg": [0.0, 9.0]}

STRATEGIES = "workload[1].strategies"

FAULTS = [
    fault("scenario.name", "Big Sky", "match pattern", "lower-case letters"),
    fault("scenario.name", "a" * 41, "match pattern", "up to 40", value="'aaa"),
    fault("scenario.start", "2026-08-22", "has no time zone", "schema"),
    fault("scenario.start", datetime(2026, 8, 22), "write it in UTC", "schema", value="2026"),
    fault("scenario.start", datetime(1, 1, 1, tzinfo=UTC), "1957 to 2056", "schema", value=""),
    fault("scenario.start", ..., "required", "Add this key"),
    fault("scenario.duration_s", 0, "greater than 0", "greater than 0"),
    fault("scenario.duration_s", True, "valid number", "schema"),
    fault("scenario.step_s", 0.001, "0.01", "at least 0.01"),
    fault("scenario.rate_scale", float("nan"), "finite", "finite number", value="nan"),
    fault("scenario.rate_scale", float("inf"), "finite", "finite number", value="inf"),
    fault("scenario.light_lost", "dim", "'carrier' or 'silent'", "Choose"),
    fault("scenario.ut1_utc_s", 37.0, "0.9", "at most 0.9"),
    fault("scenario.seed", 1.5, "integer", "schema"),
    fault("scenario.colour", "red", "not a known key", "spelling"),
    fault("scenario", ..., "required", "Add this key"),
    fault("colour", 1, "not a known key", "Remove it"),
    fault("terminals.laser.rate_gbps", -1, "greater", "greater than 0"),
    fault("terminals.laser.rate_gbps", "fast", "number", "schema"),
    fault("terminals.laser.max_range_km", 1e300, "", "at most"),
    fault("terminals.laser.buffer_packets", 0, "", "at least 1"),
    fault("constellation", [], "at least 1", "at least 1", value="()"),
    fault("constellation.0.name", "", "match pattern", "lower-case"),
    fault(
        "constellation.0.walker", "53:66/6/1", "exactly one of", "schema", key="constellation[0]"
    ),
    fault("constellation.0.altitude_km", 500, "belong together", "schema", key="constellation[0]"),
    fault(
        "constellation.[]",
        SHELL | {"walker": "53:13/3/1"},
        "not divisible by P = 3",
        "schema",
        key="constellation[1].walker",
        value="'53:13/3/1'",
    ),
    fault(
        "constellation.[]",
        SHELL | {"walker": "53:12/3/9"},
        "less than P = 3",
        "schema",
        key="constellation[1].walker",
        value="'53:12/3/9'",
    ),
    fault(
        "constellation.[]",
        SHELL | {"form": "ring"},
        "'delta' or 'star'",
        "Choose one of",
        key="constellation[1].form",
        value="'ring'",
    ),
    fault(
        "constellation.[]",
        SHELL | {"name": "scs-01"},
        "used 2 times",
        "unique",
        key="constellation name",
        value="'scs-01'",
    ),
    fault(
        "constellation.[]",
        CATALOGUE,
        "No such file",
        "TLE file, or OMM",
        key="constellation[1].elements_file",
        value="'no.tle'",
    ),
    fault(
        "constellation.[]",
        SHELL | {"walker": f"53:{MAX_NODES}/1/0"},
        f"makes {MAX_NODES + 15} nodes",
        "Name a part",
        key="constellation",
        value="",
    ),
    fault("constellation.0.isl.kind", "lasr", "no terminal kind", "Did you mean 'laser'"),
    fault("constellation.0.gsl.count", 65, "64", "at most 64"),
    fault(
        "constellation.0.isl",
        ...,
        "no laser terminals",
        "Add isl",
        key="isl[0].constellations",
        value="'scs-01'",
    ),
    fault("constellation.0.satellite.1.name", "scs-01-a", "used 2", "unique", key="node name"),
    fault("constellation.0.satellite.1.eccentricity", 1.0, "less than 1", "less than 1"),
    fault("constellation.0.satellite.2.inclination_deg", ..., "required", "Add this key"),
    fault("isl.0.pattern", "star", "'ring'", "Choose one of"),
    fault("isl.0.pattern", "grid", "planes and slots", "ring, nearest"),
    fault("isl.0.pattern", "pairs", "does not fit pattern", "pairs = [", key="isl[0].pairs"),
    fault("isl.0.constellations", ["scs"], "no constellation", "scs-01", value="'scs'"),
    fault(
        "isl.[]",
        {"pattern": "pairs", "pairs": [["scs-01-a", "scs-01-z"]]},
        "no satellite",
        "Did you mean",
        key="isl[1].pairs",
        value="'scs-01-z'",
    ),
    fault(
        "isl.[]",
        {"pattern": "pairs", "pairs": [["scs-01-a", "scs-01-a"]]},
        "to itself",
        "two different",
        key="isl[1].pairs",
    ),
    fault(
        "isl.[]",
        {"pattern": "pairs", "pairs": [["scs-01-a", "scs-01-b"]], "constellations": ["scs-01"]},
        "does not fit",
        "Leave it out",
        key="isl[1].constellations",
    ),
    fault("ground.selection", "best", "'highest-elevation'", "Choose"),
    fault("ground.station.0.latitude_deg", 91, "90", "at most 90"),
    fault("ground.station.0.antennas.kind", "ka-band", "no terminal kind", "x-band"),
    fault("ground.station.1.name", "sanya", "used 2 times", "unique", key="node name"),
    fault("ground.station.2.name", "scs-01-f", "used 2 times", "unique", key="node name"),
    fault("routing.protocol", "frr-osfp", "no routing protocol", "Did you mean 'frr-ospf'"),
    fault("routing.protocol", "/nowhere/own.py:Own", "No such file", "FILE.py:Class"),
    fault(
        "routing.protocol", f"{EXAMPLE}:HopCuont", "no class", "mean 'HopCount'", value="HopCuont"
    ),
    fault("routing.dead_s", 1, "", "at least 2"),
    fault("routing.hello_s", 4, "greater than hello_s", "schema", key="routing"),
    fault(
        "workload.0.kind",
        "pong",
        "'pong'",
        "Choose one of 'ping', 'offload', 'tcp', 'irtt', 'iperf3', 'bundles'",
        key="workload[0]",
    ),
    fault("workload.0.kind", ..., "discriminator", "Add the key 'kind'", key="workload[0]"),
    fault("workload.0.pairs", [["miyun", "scs"]], "no node", "Known", value="'scs'"),
    fault("workload.0.interval_s", 0.0, "0.01", "at least 0.01"),
    fault("workload.1.source", "miyun", "no satellite", "scs-01-a"),
    fault("workload.1.capture_s", 1e6, "after the end", "lengthen"),
    fault("workload.1.strategies", [], "at least 1", "at least 1", value="()"),
    fault("workload.1.operations", "1", "number", "schema"),
    fault("workload.1.operations", ..., "one of operations", "schema", key="workload[1]"),
    fault("workload.1.result_ratio", 0.1, "one of result_bytes", "schema", key="workload[1]"),
    fault("workload.1.sources", ["scs-01"], "one of source", "schema", key="workload[1]"),
    fault("workload.1.every_s", 60.0, "one of capture_s", "schema", key="workload[1]"),
    fault("workload.1.first_s", 60.0, "belongs to every_s", "schema", key="workload[1]"),
    fault("workload.1.strategies", ["split"], "belongs to", "schema", key="workload[1]"),
    fault("workload.1.strategies", ["raw"] * 2, "one twice", "schema", key="workload[1]"),
    fault("workload.1.strategies", ["relay"], "belongs to", "schema", key="workload[1]"),
    fault("workload.1.relay", ["scs-01"], "belongs to", "schema", key="workload[1]"),
    fault("workload.1.transport", "udp", "'tcp' or 'quic'", "Choose"),
    fault(
        "workload",
        [_OFFLOAD | {"transport": "quic", "congestion": "bbr"}],
        'has congestion "cubic" or "reno"',
        "schema",
        key="workload[0]",
    ),
    fault("workload.1.memory_gb", -1.0, "greater than or equal to 0", "at least 0"),
    fault("constellation.0.computer", ..., "'scs-01' has none", "Add computer", key=STRATEGIES),
    fault("ground.station.1.computer", ..., "'kashi' has none", "leave", key=STRATEGIES),
    fault("ground.station.1.computer.tops", 0, "greater than 0", "greater than 0"),
    fault(
        "workload",
        [_IPERF3 | {"duration_s": 2, "bytes": 9}],
        "not both",
        "schema",
        key="workload[0]",
    ),
    fault(
        "workload",
        [_IPERF3 | {"udp_mbps": 2.0, "congestion": "bbr"}],
        "congestion, which is TCP's",
        "schema",
        key="workload[0]",
    ),
    fault("ground", {}, "no ground", "[[ground.station]]", key="workload[1]"),
    fault(
        "event",
        [LINK_DOWN | {"target": ["scs-01-a", "b"]}],
        "no node",
        "Known",
        key="event[0].target",
        value="'b'",
    ),
    fault(
        "event",
        [LINK_DOWN | {"target": ["scs-01-a"]}],
        "two names",
        "schema",
        key="event[0]",
        value="",
    ),
    fault(
        "event",
        [LINK_DOWN | {"target": ["miyun"], "action": "satellite down"}],
        "no satellite",
        "Known",
        key="event[0].target",
        value="'miyun'",
    ),
    fault(
        "event",
        [LINK_DOWN | {"target": ["miyun", "kashi"], "at_s": 1e9}],
        "after the end",
        "earlier",
        key="event[0].at_s",
        value="1000000000",
    ),
    *(
        fault(
            "event", [LINK_DOWN | {"target": target} | event], *said, key=f"event[0]{key}", value=v
        )
        for target, event, said, key, v in (
            (["kashi", "isl0"], {"action": "terminal down"}, _NO_PORT, ".target", "'isl0'"),
            (["kashi", "miyun"], {"silent": True, "action": "link up"}, ("goes down", ""), "", ""),
            (["kashi", "miyun"], {"for_s": 3.0, "action": "link up"}, ("goes down", ""), "", ""),
            (["kashi", "gsl0"], _ONE_WAY, ("direction is for links", "schema"), "", ""),
        )
    ),
    fault("failures.links_per_hour", 61.0, "60", "at most 60"),
    fault("failures.repair_s", 0.0, "", "greater than 0"),
    *(
        fault("storm", [{"at_s": 0.0, "duration_s": 9.0} | storm], *said, key="storm[0]", value="")
        for storm, *said in (
            ({}, "needs latitude_deg, or centre_deg", "schema"),
            ({"latitude_deg": [0, 9], "radius_km": 500.0}, "and not both", "schema"),
            ({"centre_deg": [0, 9]}, "needs latitude_deg", "schema"),
            ({"latitude_deg": [9, 0]}, "from south to north", "schema"),
            ({"latitude_deg": [0, 0.5]}, "at least 1 degree", "schema"),
            ({"centre_deg": [99, 0], "radius_km": 500.0}, "not on the globe", "schema"),
        )
    ),
    fault(
        "storm", [_STORM | {"at_s": 1e9}], "after the end", "", key="storm[0].at_s", value="1000"
    ),
]


@pytest.mark.parametrize(("path", "new", "key", "value", "reason", "remedy"), FAULTS)
def test_each_fault_is_told(
    three_body_table: dict, path: str, new: Any, key: str, value: str, reason: str, remedy: str
) -> None:
    put(three_body_table, path, new)
    found = problems(three_body_table)
    told = [each for each in found if each.key == key]
    assert told, [str(each) for each in found]
    assert any(reason in each.reason for each in told), [str(each) for each in told]
    assert any(remedy in each.remedy for each in told), [str(each) for each in told]
    assert any(value in each.value for each in told), [str(each) for each in told]
    assert all(each.file == "sky.toml" for each in found)


# Without these sections much else is missing too.
SINGLE = [each for each in FAULTS if each.values[0] not in ("ground", "constellation", "scenario")]


@pytest.mark.parametrize(("path", "new", "key", "value", "reason", "remedy"), SINGLE)
def test_one_fault_is_one_problem(
    three_body_table: dict, path: str, new: Any, key: str, value: str, reason: str, remedy: str
) -> None:
    put(three_body_table, path, new)
    assert [each.key for each in problems(three_body_table)] == [key]


def test_five_faults_in_five_sections_are_told_at_once(three_body_table: dict) -> None:
    put(three_body_table, "scenario.duration_s", -1)
    put(three_body_table, "terminals.laser.rate_gbps", "fast")
    put(three_body_table, "constellation.0.gsl.kind", "ka-band")
    put(three_body_table, "ground.station.0.latitude_deg", 100.0)
    put(three_body_table, "routing.protocol", "rip")
    keys = {each.key for each in problems(three_body_table)}
    assert keys >= {
        "scenario.duration_s",
        "terminals.laser.rate_gbps",
        "ground.station[0].latitude_deg",
        "routing.protocol",
    }


def test_five_references_to_nothing_are_told_at_once(three_body_table: dict) -> None:
    put(three_body_table, "constellation.0.isl.kind", "maser")
    put(three_body_table, "ground.station.1.antennas.kind", "ka-band")
    put(three_body_table, "workload.1.source", "scs-02-a")
    put(three_body_table, "isl.0.constellations", ["scs-02"])
    put(three_body_table, "event", [LINK_DOWN | {"target": ["miyun", "kasgar"]}])
    assert sorted(each.key for each in problems(three_body_table)) == [
        "constellation[0].isl.kind",
        "event[0].target",
        "ground.station[1].antennas.kind",
        "isl[0].constellations",
        "workload[1].source",
    ]


def test_an_unread_file_does_not_make_its_satellites_unknown(three_body_table: dict) -> None:
    shell = three_body_table["constellation"][0]
    del shell["satellite"]
    shell["elements_file"] = "missing.tle"
    put(three_body_table, "constellation.0.gsl.kind", "ka-band")
    put(three_body_table, "isl.0", {"pattern": "pairs", "pairs": [["scs-01-a", "scs-01-b"]]})
    assert sorted(each.key for each in problems(three_body_table)) == [
        "constellation[0].elements_file",
        "constellation[0].gsl.kind",
    ]


def test_too_many_steps(three_body_table: dict) -> None:
    three_body_table["scenario"] |= {"duration_s": 86400.0, "step_s": 0.05}
    [problem] = problems(three_body_table)
    assert problem.key == "scenario.step_s"
    assert problem.remedy.endswith(f"below {MAX_STEPS} steps")


@pytest.mark.parametrize("table", [None, 1, "text", [], [{}]])
def test_what_is_no_table_is_refused(table: Any) -> None:
    [problem] = problems(table)
    assert problem.reason == "holds no tables"


INFRARED = {"optical": {"tx_power_w": 1.0, "aperture_m": 0.1, "photons_per_bit": 100.0}}
YAG = {"optical": {**INFRARED["optical"], "wavelength_nm": 1064.0}}
KA_BAND = {"frequency_ghz": 20.0, "symbol_rate_mbaud": 100.0, "eirp_dbw": 40.0}
KA_BAND = {"radio": {**KA_BAND, "g_over_t_db_k": 20.0}}
NEVER = "never understand each other"


def two_shells(a: dict, b: dict, isl: dict, **sections: Any) -> dict:
    """Two shells whose lasers are of kinds ``a`` and ``b``."""
    figures = {"rate_gbps": 10.0, "max_range_km": 9000.0}
    return {
        "scenario": {"name": "toy", "start": datetime(2026, 8, 22, tzinfo=UTC), "duration_s": 9.0},
        "terminals": {"first": figures | a, "second": figures | b},
        "constellation": [
            SHELL | {"isl": {"kind": "first", "count": 2}},
            SHELL | {"name": "other", "isl": {"kind": "second", "count": 2}, "raan_start_deg": 9.0},
        ],
        "isl": [isl],
        **sections,
    }


ACROSS = [
    pytest.param({"pattern": "visible"}, "constellations", id="visible"),
    pytest.param({"pattern": "nearest", "k": 2}, "constellations", id="nearest"),
    pytest.param(
        {"pattern": "nearest", "constellations": ["shell"], "to": ["other"]}, "to", id="nearest to"
    ),
    pytest.param(
        {"pattern": "pairs", "pairs": [["shell-01-01", "other-01-01"]]}, "pairs", id="pairs"
    ),
]
WITHIN = [
    {"pattern": "ring"},
    {"pattern": "grid"},
    {"pattern": "visible", "constellations": ["other"]},
    {"pattern": "pairs", "pairs": [["other-01-01", "other-01-02"]]},
]
MISFITS = [(INFRARED, KA_BAND), (KA_BAND, INFRARED), (INFRARED, YAG)]


@pytest.mark.parametrize(("isl", "key"), ACROSS)
@pytest.mark.parametrize(("a", "b"), MISFITS)
def test_lasers_that_never_understand_each_other(a: dict, b: dict, isl: dict, key: str) -> None:
    [problem] = problems(two_shells(a, b, isl))
    assert problem.key == f"isl[0].{key}"
    assert problem.value == "'shell', 'other'"
    assert NEVER in problem.reason
    assert "100 nm" in problem.remedy
    for kind in ("'first'", "'second'"):
        assert kind in problem.reason


@pytest.mark.parametrize("isl", WITHIN)
@pytest.mark.parametrize(("a", "b"), MISFITS)
def test_misfits_that_are_not_to_link_are_fine(a: dict, b: dict, isl: dict) -> None:
    Scenario.from_table(two_shells(a, b, isl))


@pytest.mark.parametrize(("isl", "key"), ACROSS)
def test_ideal_lasers_and_near_wavelengths_fit(isl: dict, key: str) -> None:
    near = {"optical": {**INFRARED["optical"], "wavelength_nm": 1450.0}}
    for a, b in ((INFRARED, {}), ({}, KA_BAND), (INFRARED, near), (KA_BAND, KA_BAND)):
        Scenario.from_table(two_shells(a, b, isl))


def with_ground(up: list[str], down: list[str], **kinds: dict) -> dict:
    """Shells with ground terminals of the kinds ``up`` and stations with antennas of ``down``."""
    figures = {"rate_gbps": 1.0, "max_range_km": 9000.0}
    table = two_shells({}, {}, {"pattern": "ring"})
    table["terminals"] |= {name: figures | kind for name, kind in kinds.items()}
    for shell, kind in zip(table["constellation"], up, strict=False):
        shell["gsl"] = {"kind": kind, "count": 1}
    station = {"latitude_deg": 0.0, "longitude_deg": 0.0}
    table["ground"] = {
        "station": [
            {**station, "name": f"site-{n}", "antennas": {"kind": kind, "count": 1}}
            for n, kind in enumerate(down)
        ]
    }
    return table


def test_antennas_that_no_satellite_understands() -> None:
    kinds = {"dish": KA_BAND, "lens": INFRARED, "green": YAG}
    [problem, *rest] = problems(with_ground(["dish", "dish"], ["dish", "lens"], **kinds))
    assert not rest
    assert problem.key == "ground.station[1].antennas.kind"
    assert problem.value == "'lens'"
    assert "no one" in problem.reason
    assert "1550 nm" in problem.reason
    assert "20 GHz" in problem.reason
    [problem] = problems(with_ground(["dish", "green"], ["dish"], **kinds))
    assert problem.key == "constellation[1].gsl.kind"
    assert NEVER in problem.reason
    both = {each.key for each in problems(with_ground(["lens"], ["green"], **kinds))}
    assert both == {"constellation[0].gsl.kind", "ground.station[0].antennas.kind"}


def test_light_and_radio_may_stand_side_by_side() -> None:
    kinds = {"dish": KA_BAND, "lens": INFRARED, "ideal": {}}
    Scenario.from_table(with_ground(["dish", "lens"], ["lens", "dish"], **kinds))
    Scenario.from_table(with_ground(["ideal"], ["lens", "dish"], **kinds))
    Scenario.from_table(with_ground(["lens"], ["ideal"], **kinds))
    Scenario.from_table(with_ground(["lens"], [], **kinds))
    Scenario.from_table(with_ground([], ["lens"], **kinds))


@pytest.mark.parametrize(
    ("key", "value", "pattern"),
    [
        ("k", 3, "nearest"),
        ("hysteresis", 0.5, "nearest"),
        ("seam", "open", "grid"),
        ("latitude_cut_deg", 70.0, "grid"),
    ],
)
def test_keys_of_one_pattern_do_not_stand_with_another(key: str, value: Any, pattern: str) -> None:
    Scenario.from_table(two_shells({}, {}, {"pattern": pattern, key: value}))
    [problem] = problems(two_shells({}, {}, {"pattern": "ring", key: value}))
    assert (problem.key, problem.value) == (f"isl[0].{key}", repr(value))
    assert f'choose pattern = "{pattern}"' in problem.remedy


def test_an_unknown_model_is_one_problem() -> None:
    laser = {"model": "tesat-scot81", "optical": {"jitter_urad": 0.5}}
    table = two_shells({}, {}, {"pattern": "ring"})
    table["terminals"]["first"] = laser
    [problem] = problems(table)
    assert problem.key == "terminals.first.model"
    assert "Did you mean 'tesat-scot80'" in problem.remedy
    laser["optical"]["jiter_hz"] = 3.0
    assert [each.key for each in problems(table)][1:] == ["terminals.first.optical.jiter_hz"]


def test_to_is_for_nearest_and_names_constellations_with_lasers() -> None:
    isl = {"pattern": "nearest", "constellations": ["shell"], "to": ["othr"]}
    [problem] = problems(two_shells({}, {}, isl))
    assert (problem.key, problem.value) == ("isl[0].to", "'othr'")
    assert "Did you mean 'other'" in problem.remedy
    [problem] = problems(two_shells({}, {}, {"pattern": "ring", "to": ["other"]}))
    assert problem.key == "isl[0].to"
    assert "does not fit pattern 'ring'" in problem.reason
    assert 'choose pattern = "nearest"' in problem.remedy
    table = two_shells({}, {}, isl | {"to": ["other"]})
    del table["constellation"][1]["isl"]
    [problem] = problems(table)
    assert (problem.key, problem.value) == ("isl[0].to", "'other'")
    assert "no laser terminals" in problem.reason


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("event", [LINK_DOWN | {"target": ["miyun", "kashi"], "silent": False}]),
        ("storm", [_STORM | {"silent": False}]),
        ("failures", {"silent": False}),
    ],
)
def test_carriers_cannot_drop_where_light_is_lost_in_silence(
    three_body_table: dict, path: str, table: Any
) -> None:
    put(three_body_table, path, table)
    Scenario.from_table(three_body_table)
    put(three_body_table, "scenario.light_lost", "silent")
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_table(three_body_table)
    [problem] = caught.value.problems
    assert problem.key == (f"{path}[0].silent" if isinstance(table, list) else f"{path}.silent")
    assert "cannot drop carriers" in problem.reason and "silent = true" in problem.remedy


def test_more_failures_than_can_be_played_are_refused(three_body_table: dict) -> None:
    put(three_body_table, "scenario.duration_s", 31 * 86400.0)
    put(three_body_table, "scenario.step_s", 60.0)
    put(three_body_table, "failures", {"satellites_per_hour": 12.0})
    with pytest.raises(ScenarioError, match="makes some 107136 failures"):
        Scenario.from_table(three_body_table)
