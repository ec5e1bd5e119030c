"""What runs record of their routes, walked: all reached, by the shortest ways of the metric."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from emulator.kernel import image
from emulator.lab.measure import Measured, measure
from emulator.lab.walking import Outcome
from tests.e2e.conftest import Command, needs

pytestmark = pytest.mark.skipif(bool(image.missing()), reason=image.missing() or "it is here")

FAULT_S, REPAIR_S, END_S = 5.0, 20.0, 40.0
WRITING_S = 1e-3
"""What computing, which takes no virtual time, may still need between retune and routes."""
BIRD_S = 12.0
"""BIRD renews its LSA every five seconds at most, at either end, and computes each second."""
ERROR_US = 20.0
"""Of a round trip over several hops, by the grain of the clock and the age of a step."""
NEIGHBOURS_RTT_S = 0.31

SCENARIO = f"""
[scenario]
name = "torus"
start = "2026-01-01T00:00:00Z"
duration_s = {END_S}
rate_scale = 1000.0

[terminals.laser]
rate_gbps = 100.0
max_range_km = 60000.0

[[constellation]]
name = "toy"
walker = "53:9/3/1"
altitude_km = 20000.0
isl = {{ kind = "laser", count = 4 }}

[[isl]]
pattern = "grid"

[[workload]]
kind = "ping"
interval_s = 0.1
pairs = [["toy-01-01", "toy-01-02"], ["toy-01-01", "toy-02-02"]]

[[event]]
at_s = {FAULT_S}
action = "link down"
target = ["toy-01-01", "toy-01-02"]

[[event]]
at_s = {REPAIR_S}
action = "link up"
target = ["toy-01-01", "toy-01-02"]
"""


def ran(lasermesh: Command, folder: Path, routing: str) -> tuple[Measured, Path]:
    """Run the scenario; return what its routes tell, and the run directory."""
    path = folder / "torus.toml"
    path.write_text(SCENARIO)
    done = lasermesh("run", str(path), "--clock", "virtual", "--routing", routing)
    assert done.returncode == 0, done.stdout + done.stderr
    run_dir = folder / "runs" / "latest"
    measured = measure(run_dir)
    assert measured is not None and not measured.tables.lost
    return measured, run_dir


def test_static_routes_are_the_quickest_at_every_moment(lasermesh: Command, tmp_path: Path) -> None:
    measured, run_dir = ran(lasermesh, tmp_path, "static")
    found = measured.reachability
    assert found.pairs[:, Outcome.APART].max() == 0
    assert found.lengths_s.max(initial=0.0) < WRITING_S
    assert np.nanmax(found.stretch) == pytest.approx(1.0, abs=1e-6)
    assert np.isfinite(found.stretch).sum() == END_S * 9 * 8
    first, second = measured.convergence
    assert (first.event.faults, second.event.repairs) == (1, 1)
    assert 0 <= first.first_s <= first.last_s < WRITING_S and first.nodes >= 2
    for row in json.loads((run_dir / "summary.json").read_text())["rtt"]:
        assert abs(row["error_us"]) < ERROR_US


def test_bird_comes_back_to_the_fewest_hops(lasermesh: Command, tmp_path: Path) -> None:
    needs("/usr/sbin/bird")
    measured, run_dir = ran(lasermesh, tmp_path, "bird-ospf")
    found = measured.reachability
    first, second = measured.convergence
    assert (first.event.t_s, second.event.t_s) == (FAULT_S, REPAIR_S)
    for each in (first, second):
        assert not each.cut_short and 2 <= each.nodes <= 9
        assert 0 <= each.first_s <= each.last_s < BIRD_S
    assert measured.settled_s(planned=False).tolist() == [first.last_s, second.last_s]
    assert len(measured.settled_s(planned=True)) == 0
    settled = (found.sample_s < FAULT_S) | (found.sample_s > REPAIR_S + second.last_s)
    settled |= (found.sample_s > FAULT_S + first.last_s) & (found.sample_s < REPAIR_S)
    assert settled.sum() > END_S / 3
    hops = found.hop_stretch[settled]
    assert np.isfinite(hops).sum() == settled.sum() * 9 * 8
    assert np.nanmax(hops) == np.nanmin(hops) == 1.0
    assert np.nanmin(found.stretch) == pytest.approx(1.0, abs=1e-6)
    out = found.outages
    assert ((out["start_s"] >= FAULT_S) & (out["end_s"] <= REPAIR_S)).all()
    [[start_s, end_s]] = [(o["start_s"], o["end_s"]) for o in out if (o["a"], o["b"]) == (0, 1)]
    probes = probes_of(run_dir, "toy-01-01", "toy-01-02")
    within = {t_s for t_s, _ in probes if start_s <= t_s < end_s}
    beside = {t_s for t_s, _ in probes if t_s + NEIGHBOURS_RTT_S < start_s or t_s >= end_s}
    lost = {t_s for t_s, rtt_ms in probes if rtt_ms is None}
    assert within and within <= lost and not lost & beside


def probes_of(run_dir: Path, *pair: str) -> list[tuple[float, float | None]]:
    """(t_s, rtt_ms) of the probes between two nodes."""
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        query = "SELECT t_s, rtt_ms FROM probes WHERE a = ? AND b = ?"
        return database.execute(query, pair).fetchall()
