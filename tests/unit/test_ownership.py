"""Ownership without a kernel: who is alive, what is dead, and that pids are not trusted alone."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.errors import RunError
from emulator.kernel import ownership


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state root of this test's own."""
    monkeypatch.setenv("LASERMESH_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_claimed_run_is_alive_and_found(tmp_path: Path) -> None:
    run = ownership.claim("toy", tmp_path, "host")
    assert run.alive and ownership.find(None) == ownership.find(run.run_id) == run
    assert ownership.sweep_dead() == []
    ownership.discard(run)
    assert ownership.runs() == []


def test_a_pid_that_another_process_got_does_not_keep_a_run_alive(tmp_path: Path) -> None:
    run = ownership.claim("toy", tmp_path, "host")
    assert not replace(run, pid_started=run.pid_started + 1).alive
    assert not replace(run, pid_started=0).alive


def test_an_ended_child_is_dead_before_it_is_reaped() -> None:
    child = subprocess.Popen(["true"])
    assert ownership.wait_for(lambda: ownership.start_time(child.pid) == 0, 5.0)
    child.wait()


def test_a_process_that_got_the_guests_pid_is_spared(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        run = ownership.has_guest(ownership.claim("toy", tmp_path, "usermode"), bystander.pid)
        dead = replace(run, pid_started=1, guest_started=run.guest_started + 1)
        ownership.take_down(dead)
        assert bystander.poll() is None
        ownership.take_down(replace(run, pid_started=1))
        assert bystander.wait(5) == -9
    finally:
        bystander.kill()
        bystander.wait()


def test_what_a_dead_run_owned_is_removed_and_nothing_else(tmp_path: Path, state: Path) -> None:
    run = ownership.claim("toy", tmp_path, "host")
    (tmp_path / "left").mkdir()
    (tmp_path / "mine").touch()
    (run.state_dir / "owned-paths").write_text(f"{tmp_path / 'left'}\n{tmp_path / 'gone'}\n")
    ownership.take_down(replace(run, pid_started=1))
    assert not (tmp_path / "left").exists() and (tmp_path / "mine").exists()
    assert list(state.iterdir()) == []


def test_an_unreadable_description_is_a_dead_run(state: Path) -> None:
    (state / "abcdef").mkdir(parents=True)
    (state / "abcdef/run.json").write_text("{")
    assert [(run.run_id, run.alive) for run in ownership.runs()] == [("abcdef", False)]
    assert len(ownership.sweep_dead()) == 1 and list(state.iterdir()) == []


def test_no_run_is_an_error_that_says_how_to_start_one() -> None:
    with pytest.raises(RunError, match="lasermesh up SCENARIO"):
        ownership.find(None)


def test_other_things_in_a_state_root_are_not_touched(state: Path) -> None:
    """LASERMESH_STATE=$HOME must cost nobody their files."""
    (state / "Documents/letters").mkdir(parents=True)
    (state / "notes.txt").touch()
    assert ownership.runs() == [] and ownership.sweep_dead() == []
    assert sorted(path.name for path in state.iterdir()) == ["Documents", "notes.txt"]


def test_a_state_root_that_others_can_fill_is_not_believed(tmp_path: Path, state: Path) -> None:
    state.mkdir()
    state.chmod(0o777)
    for action in (ownership.runs, lambda: ownership.claim("toy", tmp_path, "host")):
        with pytest.raises(RunError, match="not a folder of this user alone"):
            action()


def test_the_newest_run_is_the_one_that_began_last(tmp_path: Path) -> None:
    old, new = (ownership.claim(name, tmp_path, "host") for name in ("old", "new"))
    earlier = replace(old, pid_started=old.pid_started - 1)
    ownership._describe(earlier, old.state_dir)
    (old.state_dir / "desired.npy").touch()
    assert [run.scenario for run in ownership.runs()] == ["old", "new"]
    assert new.state_dir.stat().st_mtime <= old.state_dir.stat().st_mtime
