"""`lasermesh compare` where protocols fail: each failure is told by node and time, others go on."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from emulator.kernel import image
from protocols.babeld import Babeld
from protocols.bird_ospf import BirdOspf
from protocols.frr_ospf import FrrOspf
from tests.e2e.conftest import Command

pytestmark = pytest.mark.skipif(bool(image.missing()), reason=image.missing() or "it is here")

NODE, DIES_AT = "toy-02-03", 10
OWN = f"""
import time
from protocols.own import OwnDaemon

class Raises(OwnDaemon):
    def main(self, node):
        if node.name == "{NODE}":
            raise ValueError("no way here")
        time.sleep(1000)

class Exits(OwnDaemon):
    def converge(self, state, deadline_s):
        '''Routes are nothing that this protocol makes.'''

    def main(self, node):
        if node.name == "{NODE}":
            time.sleep({DIES_AT + 0.25})
            print("I have had enough")
            raise SystemExit(3)
        time.sleep(1000)
"""
DAEMONS = f"""
import os, signal
from protocols.babeld import Babeld
from protocols.bird_ospf import BirdOspf
from protocols.frr_ospf import FrrOspf

class Dying:
    steps = 0

    def step(self, state):
        super().step(state)
        self.steps += 1
        if self.steps == {DIES_AT} + 1:  # one before the first, when there is light
            os.kill(self.daemons["{NODE}", self.speaker].pid, signal.SIGKILL)

class Frr(Dying, FrrOspf): pass
class Bird(Dying, BirdOspf): pass
class Babel(Dying, Babeld): pass
"""


def failures(done: Any, folder: Path) -> dict[str, dict[str, Any]]:
    """What compare.json says of the runs that failed, by protocol, after looking at the rest."""
    assert done.returncode == 1, done.stdout + done.stderr
    [found] = (folder / "runs").glob("compare-*")
    told = json.loads((found / "compare.json").read_text())
    rows = {
        row["routing"]: row
        for row in csv.DictReader((found / "compare.csv").read_text().splitlines())
    }
    assert (rows["static"]["runs"], rows["static"]["failed"]) == ("1", "0")
    assert float(rows["static"]["lost_percent"]) == 0 and float(rows["static"]["rtt_ms"]) > 0
    failed = {run["routing"]: run["failure"] for run in told["runs"] if run["failure"]}
    assert set(failed) == set(rows) - {"static"}
    markdown = (found / "compare.md").read_text()
    for routing in failed:
        assert (rows[routing]["runs"], rows[routing]["failed"]) == ("0", "1")
        assert rows[routing]["lost_percent"] == ""
        for text in (done.stdout, markdown):
            assert re.search(rf"(?m)^{re.escape(routing)}, seed 0: .* of {NODE} failed", text)
    return failed


def test_protocols_that_cannot_start_or_end_in_mid_run(lasermesh: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    words = "mine.py:Raises,static,mine.py:Exits"
    found = failures(lasermesh("compare", "smoke-3x4", "--routing", words), tmp_path)
    raised, ended = found["mine.py:Raises"], found["mine.py:Exits"]
    assert (raised["node"], raised["daemon"], raised["phase"]) == (NODE, "main", "converging")
    assert raised["t_s"] < 1.0
    assert "ValueError: no way here" in raised["said"]
    assert (ended["node"], ended["daemon"], ended["phase"]) == (NODE, "main", "playing")
    # It lives from half a second before the run on, and is looked at once a second.
    assert ended["t_s"] == pytest.approx(DIES_AT, abs=1e-3)
    assert f"At second {ended['t_s']:g}: main of {NODE} ended with exit code 3." in ended["said"]
    assert "I have had enough" in ended["said"]


def test_daemons_killed_in_mid_run(lasermesh: Command, tmp_path: Path) -> None:
    for each in (FrrOspf, BirdOspf, Babeld):
        if lacking := each.missing():
            pytest.skip(lacking)
    (tmp_path / "die.py").write_text(DAEMONS)
    words = "die.py:Frr,die.py:Bird,die.py:Babel,static"
    found = failures(lasermesh("compare", "smoke-3x4", "--routing", words), tmp_path)
    for name, daemon in (("Frr", "ospfd"), ("Bird", "bird"), ("Babel", "babeld")):
        told = found[f"die.py:{name}"]
        assert (told["node"], told["daemon"], told["phase"]) == (NODE, daemon, "playing")
        assert told["t_s"] == pytest.approx(DIES_AT, abs=1e-3)
        assert f"{daemon} of {NODE} ended with signal 9 (Killed)" in told["said"]
