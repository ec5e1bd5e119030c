"""The command line in process: exit codes, formats, and that bad input creates nothing."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from emulator.cli import cli, main
from emulator.kernel import namespaces
from tests.unit.test_scenario_damage import FILES, damaged
from topologies import presets


def lasermesh(*arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(cli, list(arguments))


def test_two_hundred_damaged_files_give_exit_code_2(tmp_path: Path) -> None:
    """Never a traceback, never a namespace, never a run directory."""
    before = namespaces.names("lm-")
    for number in range(FILES):
        path = tmp_path / f"{number}.toml"
        path.write_bytes(damaged(number))
        done = lasermesh("run", str(path), "--runs", str(tmp_path / "runs"))
        assert done.exit_code == 2, (number, done.output, done.exception)
        assert path.name in done.stderr and "Traceback" not in done.output
    assert namespaces.names("lm-") == before
    assert not (tmp_path / "runs").exists()


def test_every_preset_is_sound_and_listed() -> None:
    listed = lasermesh("scenarios")
    assert listed.exit_code == 0
    for name in presets():
        assert name in listed.stdout
        assert lasermesh("check", name).exit_code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--explain", "a", "b", "--format", "json"], "--format does not go with --explain"),
        (["--explain", "a", "b", "-o", "file"], "-o does not go with --explain"),
        (["--explain", "a", "b", "--passes"], "--passes and --explain do not go together"),
        (["--passes", "--events"], "--passes and --events do not go together"),
        (["--passes", "--at", "3"], "--at does not go with --passes"),
        (["--offload", "--at", "3"], "--at does not go with --offload"),
        (["--events", "--format", "npz", "-o", "file"], "--format npz does not go with --events"),
    ],
)
def test_options_of_a_plan_that_do_not_fit_are_refused(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = lasermesh("plan", "three-body", *options)
    assert done.exit_code == 2 and said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_presets_are_listed_with_what_of_them_is_emulated() -> None:
    rows = json.loads(lasermesh("scenarios", "--format", "json").stdout)
    told = {row["preset"]: (row["satellites"], row["emulated"]) for row in rows}
    assert told["three-body"] == (12, "yes")
    assert told["guowang-full"] == (12_992, "part: 72")
    assert told["million-satellites"] == (1_000_000, "planned only")


@pytest.mark.parametrize("command", ["run", "up", "compare"])
def test_what_is_planned_only_does_not_run(command: str, tmp_path: Path) -> None:
    more = ["--routing", "static"] if command == "compare" else []
    done = lasermesh(command, "million-satellites", *more, "--runs", str(tmp_path / "runs"))
    assert done.exit_code == 1
    assert "1,000,000 satellites and is for planning only: use `lasermesh plan`" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_what_is_expected_of_each_image_is_told_without_a_run() -> None:
    done = lasermesh("plan", "three-body", "--offload", "--format", "json")
    rows = {row["strategy"]: row for row in json.loads(done.stdout)}
    assert list(rows) == ["raw", "onboard", "laser"]
    assert rows["onboard"]["computed_by"] == "scs-01-f" and rows["raw"]["image_s"] == 15.0
    # F rises over Sanya 156 s after the start; 2.5 GB take 17.4 s on the line, laser or not.
    line_s = 8 * 2.5e9 * 1514 / 1448 / 1.2e9
    assert rows["raw"]["answer_s"] == pytest.approx(156 + line_s + 8e13 / 6e14, abs=0.1)
    assert rows["onboard"]["answer_s"] == pytest.approx(156 + 12 / 2500 * line_s, abs=0.1)
    assert rows["laser"]["latency_s"] == pytest.approx(line_s * 1.012 + 8e13 / 6e14, abs=0.05)


def test_check_reports_all_files(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[scenario]\nname = 'x'\nstep_s = -1\n")
    done = lasermesh("check", "three-body", str(bad))
    assert done.exit_code == 2
    assert "three-body: sound" in done.stdout
    assert "scenario.step_s = -1" in done.stderr and "scenario.start" in done.stderr


def test_check_knows_of_the_part_that_a_run_would_take(tmp_path: Path) -> None:
    text = presets()["shell-72x22"].read_text()
    part = tmp_path / "part.toml"
    part.write_text(text + '\n[emulate]\nsatellites = ["nix-*"]\n')
    done = lasermesh("check", str(part))
    assert done.exit_code == 2 and "emulate.satellites = 'nix-*': is no satellite" in done.stderr


def test_formats_of_a_plan_agree(tmp_path: Path) -> None:
    as_json = json.loads(lasermesh("plan", "three-body", "--at", "160", "--format", "json").stdout)
    text = lasermesh("plan", "three-body", "--at", "160", "--format", "csv").stdout
    as_csv = list(csv.DictReader(io.StringIO(text)))
    assert [row["a"] for row in as_json] == [row["a"] for row in as_csv] and len(as_json) == 15
    target = tmp_path / "plan.npz"
    assert lasermesh("plan", "three-body", "--format", "npz", "-o", str(target)).exit_code == 0
    with np.load(target) as held:
        state, ports = held["state"][160], held["ports"].tolist()
    for row in as_json:
        there = state[ports.index(row["b"])]
        assert ports[there["peer"]] == row["a"] and there["delay_ns"] == row["delay_ns"]
    assert {row["margin_db"] for row in as_json} == {None} and as_csv[0]["margin_db"] == ""


def test_a_plan_has_the_rates_of_both_ways_and_the_lesser_margin(tmp_path: Path) -> None:
    target = tmp_path / "plan.npz"
    lasermesh("plan", "geo-relay", "--format", "npz", "-o", str(target))
    with np.load(target) as held:
        state, ports = held["state"][100], held["ports"].tolist()
    rows = json.loads(lasermesh("plan", "geo-relay", "--at", "100", "--format", "json").stdout)
    assert any(row["rate_bps"] > row["return_bps"] for row in rows)
    for row in rows:
        assert row["rate_bps"] == state["rate_bps"][ports.index(row["b"])]
        assert row["return_bps"] == state["rate_bps"][ports.index(row["a"])]
        told = lasermesh("plan", "geo-relay", "--at", "100", "--explain", *nodes_of(row)).stdout
        assert f"margin {row['margin_db']:.1f} dB" in told


def nodes_of(row: dict) -> list[str]:
    return [row[end].partition(":")[0] for end in ("a", "b")]


def test_two_plans_are_byte_identical(tmp_path: Path) -> None:
    written = []
    for name in ("first", "second"):
        target = tmp_path / f"{name}.npz"
        lasermesh("plan", "three-body", "--format", "npz", "-o", str(target))
        written.append(target.read_bytes())
    assert written[0] == written[1]


def test_the_moment_may_be_utc() -> None:
    by_time = lasermesh("plan", "three-body", "--at", "2026-08-22T14:01:30Z", "--format", "csv")
    assert (
        by_time.stdout == lasermesh("plan", "three-body", "--at", "160", "--format", "csv").stdout
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "three-body", "--at", "1e9"), "outside the scenario"),
        (("plan", "three-body", "--at", "noon"), "neither seconds nor an ISO time"),
        (("plan", "three-body", "--format", "npz"), "name a file with -o"),
        (("exec", "nobody", "--", "true"), "is up. Start one"),
        (("inspect",), "is up. Start one"),
        (("down", "ffffff"), "no such run"),
    ],
)
def test_errors_are_one_line_and_exit_code_1(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("LASERMESH_STATE", str(tmp_path))
    done = lasermesh(*arguments)
    assert done.exit_code == 1 and said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_unknown_preset_lists_what_there_is() -> None:
    done = lasermesh("run", "three-bodies")
    assert done.exit_code == 2 and "three-body" in done.stderr


def test_unknown_routing_is_named_before_anything_is_created(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    done = lasermesh("run", "three-body", "--routing", "frr-osfp", "--runs", str(runs))
    assert done.exit_code == 2 and "Did you mean 'frr-ospf'" in done.stderr
    assert not runs.exists()


def test_main_returns_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nosuch"]) == 2
    assert main(["--version"]) == 0
    assert "lasermesh" in capsys.readouterr().out


def test_schema_names_every_section() -> None:
    schema = json.loads(lasermesh("schema").stdout)
    assert {"scenario", "terminals", "constellation", "isl", "ground", "routing"} <= set(
        schema["properties"]
    )
