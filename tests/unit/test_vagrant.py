"""The scripts and the Vagrantfile, as far as they can be judged without running them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path
    for folder in ("scripts", ".ci", "vagrant")
    for path in (ROOT / folder).iterdir()
    if path.is_file() and path.read_text().startswith("#!/usr/bin/env bash\n")
)


def run(*argv: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_scripts_are_found() -> None:
    assert {relative(path) for path in SCRIPTS} >= {
        ".ci/run",
        "scripts/run",
        "scripts/setup.sh",
        "scripts/test",
        "vagrant/provision.sh",
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=relative)
def test_script_is_executable_and_parses(script: Path) -> None:
    assert os.access(script, os.X_OK)
    parsed = run("bash", "-n", str(script))
    assert parsed.returncode == 0, parsed.stderr


def test_shellcheck_is_content() -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    checked = run("shellcheck", "-x", *map(relative, SCRIPTS))
    assert checked.returncode == 0, checked.stdout


def test_vagrant_validates_the_machine(tmp_path: Path) -> None:
    if not shutil.which("vagrant"):
        pytest.skip("vagrant is not installed")
    environment = {
        "VAGRANT_HOME": str(tmp_path / "home"),
        "VAGRANT_DOTFILE_PATH": str(tmp_path / "dotfile"),
        "VAGRANT_CHECKPOINT_DISABLE": "1",
    }
    folder = ROOT / "vagrant"
    validated = run("vagrant", "validate", cwd=folder, **environment)
    if "No usable default provider" in validated.stderr:
        # All but the provider's block can still be judged.
        validated = run("vagrant", "validate", "--ignore-provider", cwd=folder, **environment)
    assert validated.returncode == 0, validated.stdout + validated.stderr
