"""Up, exec, inspect, down; signals; and death by kill -9 after which nothing may be left."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from emulator.kernel import namespaces
from emulator.kernel.ownership import wait_for
from tests.e2e.conftest import CLOCKS, Command, argv

UP_S = 120.0


def owned_processes(state: str) -> list[int]:
    """Pids whose command line names this test's state folder: its user-mode kernels."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"uml_dir={state}".encode() in line:
                found.append(int(entry.name))
    return found


def assert_nothing_left(environment: dict[str, str], spaces: list[str]) -> None:
    """No process, namespace, device (they go with namespaces) or file of a run."""
    state = Path(environment["LASERMESH_STATE"])
    assert wait_for(lambda: owned_processes(str(state)) == [], 10.0)
    assert namespaces.names("lm-") == spaces
    assert not state.exists() or list(state.iterdir()) == []


def start(
    short: Path, environment: dict[str, str], clock: str = "real"
) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a run that is long enough to be interrupted, and wait until it plays."""
    long = short.with_name("long.toml")
    long.write_text(short.read_text().replace("duration_s = 20", "duration_s = 7200"))
    log = short.parent / "run.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv(["run", str(long), "--clock", clock]),
            cwd=short.parent,
            env=environment,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    assert wait_for(lambda: b"up: run" in log.read_bytes(), UP_S), log.read_text()
    return process, log


def test_up_exec_inspect_down(lasermesh: Command, short: Path, environment) -> None:
    spaces = namespaces.names("lm-")
    up = lasermesh("up", str(short), "-d", "--routing", "static")
    assert up.returncode == 0, up.stdout + up.stderr
    assert lasermesh("exec", "scs-01-a", "--", "sh", "-c", "exit 7").returncode == 7
    heard = lasermesh("exec", "scs-01-a", "--", "ping", "-c", "1", "-W", "2", "10.0.0.6")
    assert heard.returncode == 0 and "1 received" in heard.stdout
    unknown = lasermesh("exec", "nowhere", "--", "true")
    assert unknown.returncode == 1 and "has no node 'nowhere'" in unknown.stderr
    assert_streams_are_whole(short.parent, environment)
    table = lasermesh("inspect")
    assert table.returncode == 0 and "0 of 51 ports differ" in table.stdout
    rows = json.loads(lasermesh("inspect", "--format", "json").stdout)
    assert len(rows) == 51 and all(row["desired"] == row["kernel"] for row in rows)
    down = lasermesh("down")
    assert down.returncode == 0 and ": down" in down.stdout
    assert_nothing_left(environment, spaces)
    again = lasermesh("down")
    assert again.returncode == 0 and "nothing is up" in again.stdout


def assert_streams_are_whole(folder: Path, environment: dict[str, str]) -> None:
    """A reader that comes late gets all; a command that reads nothing holds nobody up."""
    big = folder / "big"
    big.write_bytes(os.urandom(1_000_000))
    execute = argv(["exec", "scs-01-a", "--"])
    with big.open("rb") as stdin:
        deaf = subprocess.Popen([*execute, "sleep", "200"], stdin=stdin, env=environment)
    with (
        big.open("rb") as stdin,
        subprocess.Popen(
            [*execute, "cat"], stdin=stdin, stdout=subprocess.PIPE, env=environment
        ) as echo,
    ):
        assert echo.stdout is not None
        assert echo.stdout.read(10) + echo.stdout.read() == big.read_bytes()
    still_there = deaf.poll() is None
    deaf.terminate()
    assert deaf.wait(60) == 128 + signal.SIGTERM
    assert echo.returncode == 0 and still_there


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_nothing(
    lasermesh, short: Path, environment, number: int, clock: str
) -> None:
    spaces = namespaces.names("lm-")
    process, log = start(short, environment, clock)
    process.send_signal(number)
    assert process.wait(60) == 130, log.read_text()
    assert_nothing_left(environment, spaces)


@pytest.mark.parametrize("clock", CLOCKS)
def test_kill_9_then_down_leaves_nothing(
    lasermesh: Command, short: Path, environment, clock: str
) -> None:
    spaces = namespaces.names("lm-")
    process, _ = start(short, environment, clock)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    down = lasermesh("down")
    assert down.returncode == 0 and ": down" in down.stdout
    assert_nothing_left(environment, spaces)


def test_next_run_cleans_after_a_killed_one(lasermesh: Command, short: Path, environment) -> None:
    spaces = namespaces.names("lm-")
    process, _ = start(short, environment)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = lasermesh("run", str(short), "--routing", "static")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "removed what the dead run" in done.stdout
    assert_nothing_left(environment, spaces)


def test_a_daemon_that_dies_fails_the_run_by_name(lasermesh, short: Path, environment) -> None:
    process, log = start(short, environment)
    found = lasermesh("exec", "scs-01-c", "--", "sh", "-c", KILL_OWN_OSPFD)
    assert found.returncode == 0, found.stdout + found.stderr
    assert process.wait(60) == 1
    assert "ospfd of scs-01-c ended with signal 9 (Killed)" in log.read_text()
    assert "Last lines of ospfd of scs-01-c" in log.read_text()


KILL_OWN_OSPFD = "kill -9 $(cat ${LASERMESH_STATE:-/run/lasermesh}/*/scs-01-c/ospfd.pid)"
