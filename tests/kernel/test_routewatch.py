"""What kernels announce of their routes, heard in all nodes and brought into run.sqlite."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from emulator import record
from emulator.clock import RealClock
from emulator.kernel import routewatch
from emulator.kernel.fabric import Fabric
from emulator.kernel.routewatch import RouteWatch
from emulator.linkplan import LinkPlan
from tests.kernel.toys import Build, walker


@pytest.fixture
def fabric(build: Build) -> Fabric:
    """Four satellites in a ring, all lit."""
    plan = LinkPlan.of(walker(total=4))
    fabric = build(plan)
    fabric.apply(plan.at(0))
    return fabric


@pytest.fixture
def watch(fabric: Fabric, tmp_path: Path) -> Iterator[RouteWatch]:
    """A watch over them that has begun."""
    watch = RouteWatch(fabric.nodes, RealClock(), tmp_path / record.ROUTES)
    assert watch.begin() == ""
    yield watch
    watch.end()


def rows(run_dir: Path) -> list[tuple]:
    """What run.sqlite then says."""
    record.write_tables(run_dir, [], [])
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        return database.execute("SELECT * FROM routes ORDER BY rowid").fetchall()


def test_every_change_is_recorded_with_node_port_and_time(
    fabric: Fabric, watch: RouteWatch, tmp_path: Path
) -> None:
    began = RealClock().now()
    first, third = fabric.nodes["toy-01-01"], fabric.nodes["toy-01-03"]
    first.write_routes(np.array([1, 2]), np.array([1, 1]), np.array([0, 0]))
    third.write_routes(np.array([0]), np.array([1]), np.array([1]))
    first.write_routes(np.array([2]), np.array([3]), np.array([1]))
    first.remove_routes(np.array([1]))
    assert watch.finish(began) == ""
    took_s = RealClock().now() - began
    found = rows(tmp_path)
    moments = [row[0] for row in found]
    assert moments == sorted(moments) and moments[0] >= 0 and moments[-1] < took_s
    assert [row[1:] for row in found if row[1] == "toy-01-01"] == [
        ("toy-01-01", "add", "toy-01-02", "isl0", "lasermesh"),
        ("toy-01-01", "add", "toy-01-03", "isl0", "lasermesh"),
        ("toy-01-01", "replace", "toy-01-03", "isl1", "lasermesh"),
        ("toy-01-01", "delete", "toy-01-02", "isl0", "lasermesh"),
    ]
    assert [row[1:] for row in found if row[1] != "toy-01-01"] == [
        ("toy-01-03", "add", "toy-01-01", "isl1", "lasermesh")
    ]


def test_changes_that_were_lost_are_said_to_be(
    fabric: Fabric, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(routewatch, "_BUFFER_BYTES", 1)
    watch = RouteWatch(fabric.nodes, RealClock(), tmp_path / record.ROUTES)
    assert watch.begin() == ""
    many = np.arange(10, 3000)
    os.kill(watch._worker.pid, signal.SIGSTOP)
    fabric.nodes["toy-01-02"].write_routes(many, np.zeros_like(many), np.zeros_like(many))
    os.kill(watch._worker.pid, signal.SIGCONT)
    assert watch.finish(0.0) == ""
    watch.end()
    lost = [row for row in rows(tmp_path) if row[2] == "lost"]
    assert lost and all(row[1:] == ("toy-01-02", "lost", None, None, None) for row in lost)


def test_a_watch_that_dies_says_so_and_stops_nobody(watch: RouteWatch, tmp_path: Path) -> None:
    os.kill(watch._worker.pid, signal.SIGKILL)
    assert "ended with code -9" in watch.finish(0.0)
    assert rows(tmp_path) == []
