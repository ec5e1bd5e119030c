"""What this machine can do for Lasermesh, and what to install for the rest."""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from emulator.errors import CapabilityError
from emulator.kernel import image, probe
from emulator.session import choose_kernel
from protocols.babeld import Babeld
from protocols.bird import Bird
from protocols.frr_ospf import FrrOspf
from protocols.iperf3 import Iperf3
from protocols.irtt import Irtt


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``trouble`` is '' where all is well; ``remedy`` says what to do."""

    subject: str
    good: str
    trouble: str = ""
    remedy: str = ""


def examine() -> tuple[list[Finding], str]:
    """Look at everything and return (findings, which kernel a run would use or '')."""
    host = probe.this_kernel()
    usermode = probe.user_mode_kernel()
    modules = "load sch_netem, cls_matchall and act_mirred, or use the user-mode kernel"
    release = os.uname().release
    findings = [
        Finding("Python", platform.python_version()),
        Finding("host kernel", release),
        Finding("  network namespaces", "yes", host.namespaces, "run as root"),
        Finding("  veth", "yes", host.veth, "modprobe veth"),
        Finding("  netem", "yes", host.netem, modules),
        Finding("  tc redirect", "yes", host.redirect, modules),
        Finding(
            "user-mode kernel", _usermode_release(), usermode, "apt-get install user-mode-linux"
        ),
        Finding(
            "virtual-time kernel", str(image.find()), image.missing(), "lasermesh kernel build"
        ),
        Finding("FRR (ospfd)", "yes", FrrOspf.missing(), "apt-get install frr"),
        Finding("BIRD", "yes", Bird.missing(), "apt-get install bird2"),
        Finding("babeld", "yes", Babeld.missing(), "apt-get install babeld"),
        Finding("iperf3", "yes", Iperf3.program(), "apt-get install iperf3"),
        Finding("irtt", "yes", Irtt.missing(), "apt-get install irtt"),
        Finding("aioquic", "yes", _quic_trouble(), "pip install 'lasermesh[quic]'"),
        Finding("memory", *_memory()),
        Finding("packages share one folder", "yes", _package_trouble(), "install in a venv"),
    ]
    try:
        return findings, choose_kernel("auto", "auto")
    except CapabilityError:
        return findings, ""


def _usermode_release() -> str:
    found = [path.name for path in probe.UML_MODULES.glob("*")]
    return f"{', '.join(sorted(found))} ({shutil.which(probe.UML_BINARY)})"


def _memory() -> tuple[str, str, str]:
    available_kb = 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available_kb = int(line.split()[1])
    text = f"{available_kb / 1048576:.1f} GiB available"
    low = f"only {text}" if available_kb < 2 << 20 else ""
    return text, low, "free 2 GiB for twelve satellites with OSPF"


def _quic_trouble() -> str:
    return "" if find_spec("aioquic") else "not installed"


def _package_trouble() -> str:
    """The bare package names must be ours: another distribution may own one in a shared site."""
    roots = set()
    for name in ("emulator", "topologies", "protocols"):
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            return f"package {name} is missing"
        roots.add(Path(spec.origin).parent.parent)
    return "" if len(roots) == 1 else f"packages come from {', '.join(map(str, sorted(roots)))}"
