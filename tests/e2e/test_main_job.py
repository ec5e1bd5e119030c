"""The main job, shortened: what a stranger runs, and what other programs read afterwards."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from emulator.kernel import image
from emulator.ledger import PARTS
from tests.e2e.conftest import CLOCKS, Command

EARLY_US, LATE_US = {"virtual": 5.0, "real": 5.0}, {"virtual": 5.0, "real": 20_000.0}
"""How far the median RTT may be from geometry, by clock: in real time, a busy machine shows in it
(0.3 ms on an idle one), but nothing makes light early."""


@pytest.mark.parametrize("clock", CLOCKS)
def test_summary_is_the_contract(
    lasermesh: Command, short: Path, tmp_path: Path, clock: str
) -> None:
    done = lasermesh("run", str(short), "--clock", clock)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "runs/latest/summary.json").read_text())
    assert summary["scenario"] == "three-body" and summary["clock"] == clock
    assert (summary["nodes"], summary["ports"], summary["steps"]) == (15, 51, 20)
    assert summary["rate_scale"] == 1000 and summary["seed"] == 1
    assert summary["changes"] > 20 and summary["lag_ms"]["p50"] <= summary["lag_ms"]["p99"]
    assert {tuple(sorted((r["a"], r["b"]))) for r in summary["rtt"]} >= {("scs-01-a", "scs-01-f")}
    for pair in summary["rtt"]:
        assert -EARLY_US[clock] < pair["error_us"] < LATE_US[clock], pair
    assert [row["strategy"] for row in summary["offload"]] == ["raw", "onboard", "laser"]
    for row in summary["offload"]:
        assert row["verified"] and row["object_bytes"] == 100_000_000
        assert tuple(row["parts_s"]) == PARTS
        assert sum(row["parts_ns"].values()) == row["latency_ns"]
        assert row["state"] == "answered" and row["copies"] == 1
        assert row["path"][0] == "scs-01-f" and row["path"][-1] == row["delivered_to"]
    raw = summary["offload"][0]
    # 100 kB over 1.2 Mbit/s with 66 bytes of headers in every 1514: no less, and not much more
    assert 0.66 < raw["last_byte_s"] - raw["first_byte_s"] < 2.5
    assert 0.5 < raw["parts_s"]["transmit"] < 0.70


def test_run_directory_holds_everything(lasermesh: Command, short: Path, tmp_path: Path) -> None:
    done = lasermesh("run", str(short))
    assert done.returncode == 0, done.stdout + done.stderr
    run_dir, printed = tmp_path / "runs/latest", done.stdout
    for name in ("scenario.toml", "scenario.json", "plan.npz", "events.jsonl", "report.html"):
        assert (run_dir / name).stat().st_size > 500, name
    machine = json.loads((run_dir / "machine.json").read_text())
    assert {"versions", "load_before", "load_after", "kernel_release"} <= set(machine)
    assert machine["clock_s"]["playing"] > 20 and machine["wall_s"]["playing"] > 0
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        count = {t: database.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES}
    assert count["steps"] == 20 and count["probes"] > 100 and count["flows"] >= 3
    events = [json.loads(line) for line in (run_dir / "events.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events if e["event"] == "answered"] == ["answered"] * 3
    assert "answer on the ground at sanya" in printed and "report.html" in printed
    assert (run_dir / "logs/scs-01-a/ospfd.conf").exists()


TABLES = ("steps", "probes", "flows")


def test_static_routing_is_one_word(lasermesh: Command, short: Path, tmp_path: Path) -> None:
    short.write_text(short.read_text().replace('protocol = "frr-ospf"', 'protocol = "static"'))
    done = lasermesh("run", str(short))
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "runs/latest/summary.json").read_text())
    assert summary["routing"]["protocol"] == "static"
    assert all(row["verified"] for row in summary["offload"])
    assert all(pair["lost"] == 0 for pair in summary["rtt"])


@pytest.mark.skipif(bool(image.missing()), reason=image.missing() or "it is here")
@pytest.mark.parametrize("routing", ["frr-ospf6", "bird-ospf6"])
def test_the_job_is_done_by_ipv6_as_well(
    lasermesh: Command, short: Path, tmp_path: Path, routing: str
) -> None:
    """Objects go by routes and, straight down, by a radio of which no route tells."""
    done = lasermesh("run", str(short), "--clock", "virtual", "--routing", routing)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "runs/latest/summary.json").read_text())
    assert summary["routing"]["protocol"] == routing
    assert [row["strategy"] for row in summary["offload"]] == ["raw", "onboard", "laser"]
    assert all(row["verified"] for row in summary["offload"])
    for pair in summary["rtt"]:
        assert -EARLY_US["virtual"] < pair["error_us"] < LATE_US["virtual"], pair
    # 100 kB over 1.2 Mbit/s with 86 bytes of headers in every 1514; the answer goes between
    raw = summary["offload"][0]
    assert 0.66 < raw["last_byte_s"] - raw["first_byte_s"] < 2.5
    assert 0.5 < raw["parts_s"]["transmit"] < 0.71
    assert summary["control"]["bytes_s"]["ospf"]["mean"] > 50


def test_faults_of_the_scenario_cut_light(lasermesh: Command, short: Path, tmp_path: Path) -> None:
    short.write_text(
        short.read_text().replace('protocol = "frr-ospf"', 'protocol = "static"')
        + '\n[[event]]\nat_s = 5\naction = "link down"\ntarget = ["scs-01-a", "scs-01-f"]\n'
        + '\n[[event]]\nat_s = 10\naction = "link up"\ntarget = ["scs-01-f", "scs-01-a"]\n'
        + '\n[[event]]\nat_s = 8\naction = "satellite down"\ntarget = ["scs-01-m"]\n'
    )
    done = lasermesh("run", str(short))
    assert done.returncode == 0, done.stdout + done.stderr
    with closing(sqlite3.connect(tmp_path / "runs/latest/run.sqlite")) as database:
        times = {
            pair: {
                round(t)
                for (t,) in database.execute("SELECT t_s FROM probes WHERE a = ? AND b = ?", pair)
            }
            for pair in (("scs-01-a", "scs-01-f"), ("scs-01-m", "scs-01-j"))
        }
    assert not times["scs-01-a", "scs-01-f"] & {6, 7, 8, 9}
    assert times["scs-01-a", "scs-01-f"] >= {2, 3, 12, 13}
    assert max(times["scs-01-m", "scs-01-j"]) <= 9
