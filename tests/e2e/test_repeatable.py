"""In virtual time a run repeats to the byte: on a busy machine, elsewhere, for somebody else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulator.kernel import image
from tests.e2e.conftest import argv, needs

pytestmark = pytest.mark.skipif(bool(image.missing()), reason=image.missing() or "it is here")

OF_THE_MACHINE = ("machine.json", "report.html")
"""Files of a run directory that tell of the machine and the wall clock too."""


@pytest.mark.parametrize(
    ("routing", "transport"),
    [("static", "quic"), ("frr-ospf", "tcp"), ("bird-ospf", "tcp"), ("frr-ospf6", "tcp")],
)
def test_a_run_repeats_to_the_byte(
    routing: str, transport: str, short: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    if routing != "static":
        needs("/usr/lib/frr/ospf6d" if routing.startswith("frr") else "/usr/sbin/bird")
    if transport == "quic":
        pytest.importorskip("aioquic", reason="QUIC needs aioquic")
    text = short.read_text().replace("duration_s = 20", "duration_s = 10")
    carried = f'kind = "offload"\ntransport = "{transport}"\n'
    short.write_text(text.replace('kind = "offload"\n', carried))
    first = contents(run(short, routing, tmp_path / "runs", environment))
    elsewhere = tmp_path / "a-folder-of-quite-another-name"
    elsewhere.mkdir()
    others = {**environment, "HOME": "/nonexistent", "TERM": "dumb", "LANG": "xx_XX.UTF-8"}
    others |= {"PATH": "/bin:/usr/bin", "OPENBLAS_CORETYPE": "Nehalem", "FILLER": "x" * 5000}
    others["XDG_CACHE_HOME"] = str(image.cache_dir().parents[1])
    with every_processor_busy():
        again = contents(run(short, routing, elsewhere / "runs", others))
    assert {"summary.json", "events.jsonl", "run.sqlite", "plan.npz", "scenario.json"} <= set(first)
    assert first.keys() == again.keys()
    assert [name for name in first if first[name] != again[name]] == []


def test_a_comparison_repeats_to_the_byte(environment: dict[str, str], tmp_path: Path) -> None:
    """Tables, figures, and what is told of a protocol that fails."""
    needs("/usr/sbin/bird")
    (tmp_path / "mine.py").write_text(OWN)
    words = "static,bird-ospf,../mine.py:Tells,../mine.py:Fails"
    written = []
    for name in ("once", "and-once-again"):
        folder = tmp_path / name
        folder.mkdir()
        command = argv(["compare", "smoke-3x4", "--routing", words, "--clock", "virtual"])
        with (folder / "output").open("w") as output:
            done = subprocess.run(
                command, cwd=folder, env=environment, stdout=output, stderr=output, check=False
            )
        assert done.returncode == 1, (folder / "output").read_text()  # one fails
        [found] = (folder / "runs").glob("compare-*")
        written.append({p.name: p.read_bytes() for p in sorted(found.iterdir()) if p.is_file()})
    once, again = written
    assert {"compare.csv", "compare.json", "compare.md", "overhead.svg"} <= once.keys()
    assert once == again


OWN = """
import time
from protocols.own import OwnDaemon

class Tells(OwnDaemon):
    def converge(self, state, deadline_s):
        pass

    def main(self, node):
        while True:
            for port in node.lit():
                node.send(port, b"here I am")
            time.sleep(node.routing.hello_s)

class Fails(Tells):
    def main(self, node):
        time.sleep(7)
        raise ValueError(node.name)
"""
"""Protocols that make no routes."""


def run(scenario: Path, routing: str, runs: Path, environment: dict[str, str]) -> Path:
    """Run a scenario from the folder above ``runs`` and return its run directory."""
    done = subprocess.run(
        argv(
            ["run", str(scenario), "--clock", "virtual", "--routing", routing, "--runs", str(runs)]
        ),
        cwd=runs.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return runs / "latest"


def contents(run_dir: Path) -> dict[str, bytes]:
    """Every file of a run directory, daemons' logs included, that is to be the same again."""
    paths = (path for path in run_dir.rglob("*") if path.is_file())
    named = {str(path.relative_to(run_dir)): path for path in paths}
    return {n: named[n].read_bytes() for n in sorted(named) if n not in OF_THE_MACHINE}


@contextmanager
def every_processor_busy() -> Iterator[None]:
    """Keep all processors busy for the length of a ``with`` block."""
    loop = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(loop) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()
