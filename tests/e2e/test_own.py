"""A protocol of the user's own, copied, run and compared as protocols/README.md writes it."""

import csv
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from emulator.kernel import image
from emulator.lab.measure import measure
from emulator.lab.walking import Outcome
from tests.e2e.conftest import REPOSITORY, argv

pytestmark = pytest.mark.skipif(bool(image.missing()), reason=image.missing() or "it is here")


def test_the_commands_of_the_documentation_work(
    environment: dict[str, str], tmp_path: Path
) -> None:
    written = (REPOSITORY / "protocols/README.md").read_text()
    [commands] = re.findall(r"(?s)```sh\n(.*?)```", written)
    assert "compare" in commands
    (tmp_path / "protocols").symlink_to(REPOSITORY / "protocols")
    entry = " ".join(argv(()))
    done = subprocess.run(
        ["bash", "-ec", f'lasermesh() {{ {entry} "$@"; }}\n{commands}'],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    measured = measure((tmp_path / "runs/latest").resolve())
    assert measured is not None
    found = measured.reachability
    assert np.nanmin(found.hop_stretch) == np.nanmax(found.hop_stretch) == 1.0
    reached, apart = (found.pairs[:, each] for each in (Outcome.REACHED, Outcome.APART))
    assert not len(found.outages) and (reached + apart == 15 * 14).all() and reached.all()
    [comparison] = (tmp_path / "runs").glob("compare-*/compare.csv")
    static, mine = csv.DictReader(comparison.read_text().splitlines())
    assert (static["routing"], mine["routing"]) == ("static", "mine.py:HopCount")
    # A message a second, hello_s, of 60 bytes and more at every port.
    assert float(mine["own_packets_s"]) == pytest.approx(1.0, abs=0.05)
    assert float(mine["own_bytes_s"]) > 60 and float(static["own_bytes_s"]) == 0
    assert float(mine["control_bytes_s"]) >= float(mine["own_bytes_s"])
