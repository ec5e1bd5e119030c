"""What runs inside is the code that was started, not another checkout's that is installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.kernel import image
from emulator.kernel.usermode import KERNEL_MARK
from tests.e2e.conftest import REPOSITORY

pytestmark = pytest.mark.skipif(bool(image.missing()), reason=image.missing() or "it is here")


def test_a_copy_runs_itself_inside(environment: dict[str, str], tmp_path: Path) -> None:
    for package in ("emulator", "topologies", "protocols"):
        shutil.copytree(REPOSITORY / package, tmp_path / package)
    scheme = tmp_path / "protocols/unrouted.py"
    scheme.write_text(
        f"import os\nif {KERNEL_MARK!r} in os.environ:\n    raise ImportError('this is the copy')\n"
        + scheme.read_text()
    )
    table = (tmp_path / "topologies/smoke-3x4.toml").read_text()
    (tmp_path / "mine.toml").write_text(table.replace('"static"', '"none"'))
    done = subprocess.run(
        [sys.executable, "-m", "emulator", "run", "mine.toml", "--clock", "virtual"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "this is the copy" in done.stdout + done.stderr, done.stdout + done.stderr
