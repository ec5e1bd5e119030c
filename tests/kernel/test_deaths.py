"""Daemons that die while a run plays: the run ends, and says whose, where and when."""

import os
import signal
from typing import Any

import pytest

from emulator import Emulation, Scenario
from emulator.errors import DaemonError
from protocols import base
from tests.kernel.toys import VIRTUAL, walker

KILLED_STEP, NODE = 2, "toy-01-03"


def routed_by(protocol: str, **routing: Any) -> Scenario:
    """Six satellites in a ring for three seconds; skips where the protocol is not installed."""
    if lacking := base.load("lasermesh.routing", protocol).missing():
        pytest.skip(lacking)
    toy = walker(total=6, duration_s=3.0, step_s=0.5)
    section = toy.routing.model_copy(update={"protocol": protocol, **routing})
    return toy.model_copy(update={"routing": section})


@pytest.mark.parametrize(
    ("protocol", "daemon", "bfd_ms"),
    [
        ("frr-ospf", "zebra", 0),
        ("frr-ospf", "bfdd", 300),
        ("frr-isis", "isisd", 0),
        ("bird-bgp", "bird", 0),
        ("babeld", "babeld", 0),
    ],
)
def test_a_daemon_killed_in_mid_run_is_told_by_node_and_time(
    protocol: str, daemon: str, bfd_ms: int
) -> None:
    told: list[dict[str, Any]] = []

    def watch(event: dict[str, Any]) -> None:
        told.append(event)
        if event["event"] == "step" and event["step"] == KILLED_STEP:
            os.kill(emulation.routing.daemons[NODE, daemon].pid, signal.SIGKILL)

    with (
        Emulation(routed_by(protocol, bfd_ms=bfd_ms), notify=watch) as emulation,
        pytest.raises(DaemonError) as caught,
    ):
        emulation.play()
    assert (caught.value.node, caught.value.daemon) == (NODE, daemon)
    [event] = [each for each in told if each["event"] == "daemon failed"]
    assert (event["node"], event["daemon"], event["phase"]) == (NODE, daemon, "playing")
    seen_s = 0.5 * (KILLED_STEP + 1)
    assert event["t_s"] == pytest.approx(seen_s, abs=1e-3 if VIRTUAL else 0.4)
    said = f"At second {event['t_s']:g}: {daemon} of {NODE} ended with signal 9 (Killed).\n"
    assert str(caught.value).startswith(said)
    assert [each["step"] for each in told if each["event"] == "step"] == list(
        range(KILLED_STEP + 1)
    )


def test_a_daemon_killed_in_the_last_step_is_told() -> None:
    told: list[dict[str, Any]] = []

    def watch(event: dict[str, Any]) -> None:
        told.append(event)
        if event["event"] == "step" and event["step"] == 5:
            os.kill(emulation.routing.daemons[NODE, "bird"].pid, signal.SIGKILL)

    with (
        Emulation(routed_by("bird-ospf"), notify=watch) as emulation,
        pytest.raises(DaemonError, match=f"At second 3.*: bird of {NODE}"),
    ):
        emulation.play()
    assert told[-1]["event"] == "daemon failed"
