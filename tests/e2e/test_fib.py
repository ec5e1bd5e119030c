"""What runs record of their routes, walked: all reached, by the shortest ways of the metric."""

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from emulator.kernel import image
from emulator.lab.measure import Measured, measure
from emulator.lab.walking import Outcome
from emulator.linkplan import LinkPlan
from tests.e2e.conftest import Command, needs

pytestmark = pytest.mark.skipif(bool(image.missing()), reason=image.missing() or "it is here")

FAULT_S, REPAIR_S, END_S = 5.0, 20.0, 40.0
WRITING_S = 1e-3
"""What computing, which takes no virtual time, may still need between retune and routes."""
BIRD_S = 12.0
"""BIRD renews its LSA every five seconds at most, at either end, and computes each second."""
FRR_S = 3.0
"""FRR says and computes at once what is new; a hello a second finds a link that is back."""
ERROR_US = 20.0
"""Of a round trip over several hops, by the grain of the clock and the age of a step."""
NEIGHBOURS_RTT_S, PROBES_S = 0.31, 0.1

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
interval_s = {PROBES_S}
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


@pytest.mark.parametrize(
    ("routing", "daemon", "within_s"),
    [
        ("bird-ospf", "/usr/sbin/bird", BIRD_S),
        ("bird-ospf6", "/usr/sbin/bird", BIRD_S),
        ("frr-ospf6", "/usr/lib/frr/ospf6d", FRR_S),
    ],
)
def test_ospf_comes_back_to_the_fewest_hops(
    lasermesh: Command, tmp_path: Path, routing: str, daemon: str, within_s: float
) -> None:
    needs(daemon)
    measured, run_dir = ran(lasermesh, tmp_path, routing)
    found = measured.reachability
    first, second = measured.convergence
    assert (first.event.t_s, second.event.t_s) == (FAULT_S, REPAIR_S)
    for each in (first, second):
        assert not each.cut_short and 2 <= each.nodes <= 9
        assert 0 <= each.first_s <= each.last_s < within_s
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
    assert within or end_s - start_s < PROBES_S
    assert within <= lost and not lost & beside


def test_a_comparison_of_ipv6_with_ipv4_is_whole(lasermesh: Command, tmp_path: Path) -> None:
    """Every figure is there, and all of the tables' ways are the cheapest by OSPF's metric."""
    needs("/usr/sbin/bird")
    needs("/usr/lib/frr/ospf6d")
    words = ["frr-ospf6", "bird-ospf6", "static"]
    done = lasermesh("compare", "smoke-3x4", "--routing", ",".join(words), timeout_s=400)
    assert done.returncode == 0, done.stdout + done.stderr
    [folder] = (tmp_path / "runs").glob("compare-*")
    with (folder / "compare.csv").open() as text:
        rows = {row["routing"]: row for row in csv.DictReader(text)}
    assert list(rows) == words
    told = {key for key, value in rows["static"].items() if value}
    assert len(told) > 10
    for row in rows.values():
        assert told <= {key for key, value in row.items() if value}, row
    for routing in words[:2]:
        measured = measure(folder / f"{routing}-0" / "latest")
        assert measured.reachability.share.min() == 1.0
        plan, tables = measured.course.plan, measured.tables.at(np.inf)
        assert dearer(plan, plan.at(plan.steps - 1), tables[0]) == []


def dearer(plan: LinkPlan, state: np.ndarray, ways: np.ndarray) -> list[tuple[str, str]]:
    """Pairs whose ways, ports as bits, are none or do not all begin a cheapest one (scipy)."""
    network, lit = plan.network, np.flatnonzero(state["peer"] >= 0)
    cost = np.array([plan.scenario.routing.cost(port.kind) for port in network.ports])
    ends = network.port_node[lit], network.port_node[state["peer"][lit]]
    cheapest = dijkstra(coo_array((cost[lit], ends), shape=(network.size,) * 2).tocsr())
    found = []
    for a, b in np.argwhere(np.isfinite(cheapest) & ~np.eye(network.size, dtype=bool)).tolist():
        ports = [p.index for i, p in enumerate(network.nodes[a].ports) if int(ways[a, b]) >> i & 1]
        onward = cheapest[network.port_node[state["peer"][ports]], b]
        if not ports or (cost[ports] + onward != cheapest[a, b]).any():
            found.append((network.nodes[a].name, network.nodes[b].name))
    return found


def probes_of(run_dir: Path, *pair: str) -> list[tuple[float, float | None]]:
    """(t_s, rtt_ms) of the probes between two nodes."""
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        query = "SELECT t_s, rtt_ms FROM probes WHERE a = ? AND b = ?"
        return database.execute(query, pair).fetchall()
