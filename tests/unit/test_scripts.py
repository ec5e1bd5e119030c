"""What the scripts do, with small executables standing for the machine: apt, dpkg, id, python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Says "installed" of every package but those named in $ABSENT.
DPKG_QUERY = """
shift 2
for package; do
    case " $ABSENT " in *" $package "*) ;; *) echo "$package=installed" ;; esac
done
"""
# `python3 -m venv --clear DIR` puts this same stub into DIR/bin; all else succeeds.
PYTHON = """
echo "python $*" >>"$CALLS"
[ "$1" = -V ] && echo "Python 3.11.2"
[ "$2" != venv ] || { mkdir -p "$4/bin" && cp "$0" "$4/bin/python"; }
"""


class Machine:
    """A copy of the scripts on a machine whose commands are stubs."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "check out"
        self.stubs = folder / "stubs"
        self.calls = folder / "calls"
        self.root.mkdir()
        self.stubs.mkdir()
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        for name in ("setup.cfg", "pyproject.toml"):
            shutil.copy(ROOT / name, self.root)
        self.stub("dpkg-query", DPKG_QUERY)
        self.stub("python3", PYTHON)
        self.stub("apt-get", 'echo "apt-get $*" >>"$CALLS"')
        self.stub("systemctl", 'echo "systemctl $*" >>"$CALLS"')
        self.stub("id", "echo 1000")
        self.stub("modprobe", "exit 0")

    def stub(self, name: str, body: str) -> None:
        path = self.stubs / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(
        self, script: str, *arguments: str, absent: str = ""
    ) -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        environment = os.environ | {
            "PATH": f"{self.stubs}:{os.environ['PATH']}",
            "ABSENT": absent,
            "CALLS": str(self.calls),
        }
        return subprocess.run(
            [self.root / "scripts" / script, *arguments],
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def called(self, word: str) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if word in line]

    def files(self) -> set[Path]:
        return set(self.root.rglob("*"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("script", ["setup.sh", "run", "test"])
def test_without_root_the_missing_packages_are_named_and_nothing_is_done(
    machine: Machine, script: str
) -> None:
    before = machine.files()
    done = machine.run(script, absent="frr iproute2")
    assert done.returncode == 3
    assert "sudo apt-get install -y iproute2 frr" in done.stderr.splitlines()
    assert done.stdout == ""
    assert machine.calls.read_text() == ""
    assert machine.files() == before


def test_on_an_empty_machine_every_package_is_named(machine: Machine) -> None:
    machine.stub("dpkg-query", "exit 1")
    done = machine.run("setup.sh")
    assert done.returncode == 3
    assert "sudo apt-get install -y python3-venv iproute2 frr bird2 babeld" in done.stderr


def test_root_installs_and_leaves_no_router_running(machine: Machine) -> None:
    machine.stub("id", "echo 0")
    done = machine.run("setup.sh", absent="frr bird2 babeld")
    assert done.returncode == 0, done.stderr
    assert "Installing Debian packages: frr bird2 babeld" in done.stderr
    [install] = machine.called("apt-get")
    assert install.endswith("install -y --no-install-recommends frr bird2 babeld")
    assert machine.called("systemctl") == [
        f"systemctl disable --now {service}" for service in ("frr", "bird", "babeld")
    ]


def test_who_had_a_router_before_keeps_its_service(machine: Machine) -> None:
    machine.stub("id", "echo 0")
    assert machine.run("setup.sh", absent="iproute2").returncode == 0
    assert machine.called("apt-get")
    assert not machine.called("systemctl")


def test_lists_are_fetched_only_when_needed_and_may_partly_fail(machine: Machine) -> None:
    machine.stub("id", "echo 0")
    fetched = machine.root.parent / "fetched"
    machine.stub(
        "apt-get",
        f"""
        echo "apt-get $*" >>"$CALLS"
        case "$*" in *update) touch '{fetched}'; exit 100 ;; esac
        [ -e '{fetched}' ]
        """,
    )
    done = machine.run("setup.sh", absent="frr")
    assert done.returncode == 0, done.stderr
    assert len(machine.called("apt-get")) == 3


def test_apt_speaks_only_when_it_fails(machine: Machine) -> None:
    machine.stub("id", "echo 0")
    machine.stub("apt-get", 'echo "E: the disk is full"; exit 100')
    done = machine.run("setup.sh", absent="frr")
    assert done.returncode == 1
    assert "E: the disk is full" in done.stderr
    assert "apt-get could not install: frr" in done.stderr
    assert not machine.called("pip")


def test_pip_runs_exactly_when_metadata_change_or_extras_grow(machine: Machine) -> None:
    def pip_target(*extras: str) -> str:
        done = machine.run("setup.sh", *extras)
        assert done.returncode == 0, done.stderr
        calls = machine.called("pip install")
        assert len(calls) <= 1
        return calls[0].partition("--editable ")[2] if calls else ""

    root = str(machine.root)
    assert pip_target() == root
    assert pip_target() == ""
    assert pip_target("test") == f"{root}[test]"
    assert pip_target("test") == ""
    assert pip_target() == ""

    setup_cfg = machine.root / "setup.cfg"
    setup_cfg.write_text(setup_cfg.read_text() + "\n# changed\n")
    assert pip_target() == f"{root}[test]"
    assert pip_target("test") == ""
    assert pip_target("test", "dev") == f"{root}[test,dev]"


def test_a_broken_interpreter_is_replaced(machine: Machine) -> None:
    assert machine.run("setup.sh").returncode == 0
    (machine.root / ".venv/bin/python").unlink()
    assert machine.run("setup.sh").returncode == 0
    assert machine.called("-m venv")
    assert machine.called("pip install")


def test_a_failed_install_is_tried_again(machine: Machine) -> None:
    machine.stub("python3", PYTHON + '[ "$3" != install ]')
    assert machine.run("setup.sh").returncode != 0
    machine.stub("python3", PYTHON)
    shutil.copy(machine.stubs / "python3", machine.root / ".venv/bin/python")
    assert machine.run("setup.sh").returncode == 0
    assert machine.called("pip install")


def test_an_old_python_is_named(machine: Machine) -> None:
    for name in ("python3", "python3.12", "python3.11"):
        machine.stub(name, '[ "$1" = -V ] && echo "Python 3.9.2"')
    done = machine.run("setup.sh")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.2" in done.stderr
    assert not (machine.root / ".venv").exists()


@pytest.mark.parametrize(
    ("arguments", "passed_on"),
    [((), "run three-body"), (("mine.toml", "--seed", "3"), "run mine.toml --seed 3")],
)
def test_run_passes_its_arguments_on(
    machine: Machine, arguments: tuple[str, ...], passed_on: str
) -> None:
    assert machine.run("setup.sh").returncode == 0
    command = machine.root / ".venv/bin/lasermesh"
    command.write_text('#!/bin/sh\necho "lasermesh $*"\n')
    command.chmod(0o755)
    assert machine.run("run", *arguments).stdout == f"lasermesh {passed_on}\n"


def test_an_unknown_tier_is_refused(machine: Machine) -> None:
    done = machine.run("test", "e3e")
    assert done.returncode == 2
    assert "usage:" in done.stderr


# --- the count ---------------------------------------------------------------

PASSED = '<testcase classname="tests.unit.test_a" name="test_1"/>'
FAILED = (
    '<testcase classname="t" name="f"><failure message="assert 1 == 2">...</failure></testcase>'
)
BROKEN = '<testcase classname="t" name="b"><error message="fixture failed">...</error></testcase>'
SKIPPED = (
    '<testcase classname="t" name="s">'
    '<skipped type="pytest.skip" message="no netem &lt;here&gt;">t.py:1: ...</skipped></testcase>'
)


def count(tmp_path: Path, **tiers: list[str]) -> tuple[int, list[str]]:
    for tier, cases in tiers.items():
        (tmp_path / f"{tier}.xml").write_text(
            f'<testsuites><testsuite name="pytest">{"".join(cases)}</testsuite></testsuites>'
        )
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "scripts/count_tests.py",
            *(f"{tier}={tmp_path / tier}.xml" for tier in ("unit", "kernel")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_count_adds_up_the_tiers(tmp_path: Path) -> None:
    code, lines = count(tmp_path, unit=[PASSED, PASSED, SKIPPED], kernel=[PASSED, SKIPPED, SKIPPED])
    assert code == 0
    assert lines == [
        "",
        "unit: 2 executed, 0 failed, 1 skipped",
        "  1 skipped: no netem <here>",
        "kernel: 1 executed, 0 failed, 2 skipped",
        "  2 skipped: no netem <here>",
        "3 passed, 0 failed, 3 skipped",
    ]


def test_count_fails_with_any_failure_or_error(tmp_path: Path) -> None:
    code, lines = count(tmp_path, unit=[PASSED, FAILED], kernel=[PASSED, BROKEN])
    assert code == 1
    assert lines[-1] == "2 passed, 2 failed, 0 skipped"


@pytest.mark.parametrize("cases", [[], [SKIPPED, SKIPPED]], ids=["empty", "all skipped"])
def test_no_kernel_test_executed_is_a_failure(tmp_path: Path, cases: list[str]) -> None:
    code, lines = count(tmp_path, unit=[PASSED], kernel=cases)
    assert code == 1
    assert "  FAILURE: not one kernel test was executed" in lines
    assert lines[-1] == f"1 passed, 1 failed, {len(cases)} skipped"


def test_a_missing_report_is_a_failure(tmp_path: Path) -> None:
    code, lines = count(tmp_path, unit=[PASSED])
    assert code == 1
    assert "the kernel tests left no report" in "\n".join(lines)
    assert lines[-1] == "1 passed, 1 failed, 0 skipped"
