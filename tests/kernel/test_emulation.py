"""The whole emulation on the kernel under us, by the Python API and by the command line."""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from emulator import Emulation, Scenario
from emulator.errors import CapabilityError, RunError
from emulator.kernel import namespaces, ownership
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from emulator.sections import Event
from protocols import base
from protocols.frr import CRASH_DIR, FRR_RUN
from protocols.frr_isis import FrrIsis
from protocols.frr_ospf import FrrOspf
from protocols.static import NO_ROUTE, Static
from tests.kernel.toys import VIRTUAL, Build, walker
from topologies import presets

UP_S = 60.0
LOOKED_S = 1e-3
"""What reading tables and clocks may take, in virtual time."""


def test_the_python_api() -> None:
    scenario = walker(total=6)
    seen: list[str] = []
    with Emulation(scenario, notify=lambda event: seen.append(event["event"])) as emulation:
        assert set(emulation.nodes) == {f"toy-01-{n:02d}" for n in range(1, 7)}
        with emulation["toy-01-01"].entered():
            shown = subprocess.run(
                ["ip", "-br", "addr"], capture_output=True, text=True, check=True
            )
        assert "10.0.0.1/32" in shown.stdout and "isl3" in shown.stdout
    assert seen == ["building", "built", "lit", "routing started", "converged"]


@pytest.mark.skipif(not VIRTUAL, reason="the machine's time of day is not ours to set")
@pytest.mark.skipif(bool(FrrIsis.missing()), reason=FrrIsis.missing() or "it is here")
def test_the_time_of_day_is_the_skys_and_is_never_set_back_under_a_daemon() -> None:
    """isisd counts the seconds between versions of its LSP by the time of day."""
    toy = walker(total=6, duration_s=3.0, step_s=0.5)
    cut = Event(at_s=1.0, action="link down", target=("toy-01-01", "toy-01-02"))
    routing = toy.routing.model_copy(update={"protocol": "frr-isis"})
    toy = toy.model_copy(update={"routing": routing, "event": (cut,)})
    ahead_s: list[float] = []
    with Emulation(toy, notify=lambda _: ahead_s.append(time.time() - time.monotonic())) as sky:
        first, second = sky.plan.network.nodes[:2]
        before = sky[first.name].next_port(second.ipv4)
        sky.play()
        lasted_s = time.time() - toy.scenario.start.timestamp()
        assert lasted_s == pytest.approx(toy.scenario.duration_s, abs=LOOKED_S)
        assert (np.diff(ahead_s) > -LOOKED_S).all()
        assert sky[first.name].next_port(second.ipv4) not in (before, None)


@pytest.mark.real_time
def test_play_ends_on_time_and_proves_the_kernel() -> None:
    scenario = walker(total=6, duration_s=2.0, step_s=0.25)
    steps: list[dict] = []
    with Emulation(
        scenario, notify=lambda e: e["event"] == "step" and steps.append(e)
    ) as emulation:
        emulation.play()
        assert np.array_equal(emulation.fabric.observe(), emulation.plan.at(7))
    assert [step["step"] for step in steps] == list(range(8))


def test_a_kernel_that_holds_something_else_is_noticed() -> None:
    with Emulation(walker(total=6, duration_s=0.5, step_s=0.25)) as emulation:
        other = emulation.plan.at(0)
        other["delay_ns"][0] += 64
        emulation.fabric.apply(other)
        emulation.player.fabric = type("Deaf", (), {"apply": lambda self, state: 0})()
        with pytest.raises(RunError, match="does not hold what it was told at 1 ports"):
            emulation.play()


def test_missing_routing_is_said_before_anything_starts(monkeypatch) -> None:
    monkeypatch.setattr(Static, "missing", staticmethod(lambda: "the moon is in the way"))
    table = walker(total=3).model_copy()
    routing = table.routing.model_copy(update={"protocol": "static"})
    with (
        pytest.raises(CapabilityError, match="the moon is in the way"),
        Emulation(table.model_copy(update={"routing": routing})),
    ):
        raise AssertionError("it started")


@pytest.mark.parametrize(("protocol", "heeded"), [("static", False), ("bird-ospf", True)])
def test_bfd_that_a_protocol_does_not_have_is_told(protocol: str, heeded: bool) -> None:
    if lacking := base.load("lasermesh.routing", protocol).missing():
        pytest.skip(lacking)
    toy, told = walker(total=6), []
    routing = toy.routing.model_copy(update={"protocol": protocol, "bfd_ms": 300})
    with Emulation(toy.model_copy(update={"routing": routing}), notify=told.append):
        notes = [event for event in told if event["event"] == "setting not used"]
    reason = "routing 'static' has no BFD: bfd_ms = 300 changes nothing"
    said = {"event": "setting not used", "key": "routing.bfd_ms", "reason": reason}
    assert notes == ([] if heeded else [said])


def test_routing_is_told_of_a_cut_before_it_comes(monkeypatch) -> None:
    scenario = Scenario.load("three-body")
    start = scenario.scenario.start + timedelta(seconds=145)  # five before a link to a station ends
    run = scenario.scenario.model_copy(update={"start": start, "duration_s": 8.0})
    routing = {"protocol": "static", "cost_out_s": 2.0, "dead_s": 2}
    told: list[set[str]] = []

    def cost_out(scheme: Static, ports: frozenset[int]) -> None:
        told.append({scheme.plan.network.port_label(port) for port in ports})

    monkeypatch.setattr(Static, "cost_out", cost_out, raising=False)
    update = {"scenario": run, "routing": scenario.routing.model_copy(update=routing)}
    with Emulation(scenario.model_copy(update=update | {"workload": ()})) as emulation:
        emulation.play()
        [contact] = emulation.plan.contacts[emulation.plan.contacts["end"] < 8]
        ends = {emulation.plan.network.port_label(int(contact[end])) for end in "ab"}
        assert contact["end"] == 5
    assert told == [set()] * 3 + [ends] * 4 + [set()]


def test_static_routes_follow_the_plan(build: Build) -> None:
    plan = LinkPlan.of(Scenario.load("three-body"))
    fabric = build(plan)
    routing = Static(plan, fabric.nodes)
    for step in (0, 80, 200):
        fabric.apply(plan.at(step))
        routing.step(plan.at(step))
        for handle in fabric.nodes.values():
            reached = np.flatnonzero(routing.written[handle.node.index] != NO_ROUTE)
            assert set(handle.routes()) == {plan.network.nodes[n].ipv4 for n in reached}
    assert "10.0.0.15" in fabric.nodes["scs-01-f"].routes()


@pytest.mark.real_time
@pytest.mark.skipif(bool(FrrOspf.missing()), reason=FrrOspf.missing() or "FRR is here")
def test_kill_9_on_this_kernel_then_down_leaves_nothing(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^duration_s = .*$", "duration_s = 60", presets()["three-body"].read_text())
    scenario = tmp_path / "long.toml"
    scenario.write_text(text)
    before = namespaces.names("lm-"), set(FRR_RUN.iterdir()), processes()
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "emulator", "run", str(scenario), "--kernel", "host"]
        run = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output)
    events = tmp_path / "runs/latest/events.jsonl"

    def playing() -> bool:
        assert run.poll() is None, log.read_text()
        return events.exists() and '"event": "step"' in events.read_text()

    assert wait_for(playing, UP_S)
    assert len(namespaces.names("lm-")) == len(before[0]) + 16
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert [each.alive for each in ownership.runs()] == [False]
    down = [sys.executable, "-m", "emulator", "down"]
    done = subprocess.run(down, capture_output=True, text=True, check=True)
    assert ": down" in done.stdout
    assert namespaces.names("lm-") == before[0]
    assert set(FRR_RUN.iterdir()) == before[1]
    assert not CRASH_DIR.exists() or list(CRASH_DIR.iterdir()) == []
    assert wait_for(lambda: processes() <= before[2], 10.0), processes() - before[2]
    assert ownership.runs() == []


def processes() -> set[str]:
    """Command lines of all processes: the run's daemons and workers must be gone."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            found.add((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, ValueError):
            continue
    return {line for line in found if "frr" in line or "emulator" in line}
