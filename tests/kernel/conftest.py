"""Fixtures of the tests that need a kernel with netem: run them by scripts/test kernel."""

import faulthandler
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.kernel import namespaces, ownership, probe
from emulator.kernel.fabric import Fabric
from emulator.linkplan import LinkPlan
from tests.kernel.toys import Build


@pytest.fixture(scope="session", autouse=True)
def capable() -> None:
    """Skip, with the reason, where the kernel under us cannot carry an emulation."""
    if lacks := probe.this_kernel().lacks:
        pytest.skip(lacks)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test may leave a namespace or a state folder behind."""
    before = namespaces.names("lm-"), [run.run_id for run in ownership.runs()]
    yield
    assert (namespaces.names("lm-"), [run.run_id for run in ownership.runs()]) == before


@pytest.fixture
def long_by_the_virtual_clock() -> None:
    """Let a test last: minutes that are seconds of wall time are no reason to print stacks."""
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def build() -> Iterator[Build]:
    """Return a function that builds the fabric of a plan; all are taken down afterwards."""
    built: list[Fabric] = []
    # Not tmp_path, which is the user's alone: daemons drop root and must reach their folders.
    state_dir = Path(tempfile.mkdtemp(prefix="lasermesh-test-"))
    state_dir.chmod(0o711)

    def make(plan: LinkPlan, silent: bool = False) -> Fabric:
        fabric = Fabric(plan.network, f"lm-test{len(built):02d}", state_dir, silent)
        built.append(fabric)
        fabric.build(plan.dark())
        return fabric

    yield make
    for fabric in built:
        fabric.close()
    shutil.rmtree(state_dir)
