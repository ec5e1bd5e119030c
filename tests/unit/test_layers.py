"""Who may import whom: read from the sources, so that no import runs unnoticed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import emulator
import protocols
import topologies

ROOT = Path(emulator.__file__).parents[1]
PACKAGES = ("emulator", "topologies", "protocols")

PURE = {
    f"emulator.{name}"
    for name in (
        *("errors", "units", "fields", "terminals", "sections", "network", "scenario"),
        *("scenario_checks", "frames", "ephemeris", "sky", "visibility", "budget", "causes"),
        *("limits", "lasers", "ground", "remaining", "weather", "pointing", "acquiring"),
        *("assigning", "panel", "modems", "energy", "outages", "fades", "contacts", "linkplan"),
        *("cgr", "contactplan", "tvr", "planview", "catalogue_view", "workloads", "understanding"),
        *("events", "faults", "explain", "passes", "coldstart", "costout", "sizing"),
        *("computers", "regions", "captures", "workload_checks", "placement", "ledger", "insights"),
        *("sunsync", "constellations", "expanding", "roster", "part", "reboots"),
    )
}
LAB = ("convergence", "course", "fib", "pcap", "reachability", "walking")
PURE |= {f"emulator.lab.{name}" for name in LAB}
_EXPERIMENTS = ("base", "formulas", "lattice", "scenes", "tracks")
PURE |= {f"emulator.experiments.{name}" for name in _EXPERIMENTS}
PHYSICS = ("acquisition", "fading", "gas", "modcods", "optics", "power", "radio", "rain", "sun")
PURE |= {f"emulator.physics.{name}" for name in (*PHYSICS, "turbulence", "weather")}
PURE |= {"emulator.physics"}
BUNDLES = ("bundle", "cbor", "eid", "forwarding", "fragments", "mtcp", "records")
BUNDLES += ("tcpcl", "tcpcl_messages")
PURE |= {f"protocols.bundles.{name}" for name in BUNDLES}
IMPURE = {"pyroute2", "scapy", "ctypes", "subprocess", "multiprocessing", "threading", "asyncio"}
IMPURE |= {"socket", "select", "signal", "time", "random", "secrets", "tempfile", "shutil"}
KERNEL_LIBRARIES = {"pyroute2", "ctypes"}


@dataclass(frozen=True)
class Import:
    """One import statement's module; ``typing_only`` where it stands under TYPE_CHECKING."""

    module: str
    typing_only: bool

    def within(self, package: str) -> bool:
        return self.module == package or self.module.startswith(package + ".")


def sources() -> dict[str, Path]:
    """Every module of the three packages by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> list[Import]:
    """Every import of a file, at its top or within functions."""
    return list(_walk(ast.parse(path.read_text(encoding="utf-8")), typing_only=False))


def _walk(node: ast.AST, typing_only: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, typing_only) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        yield Import(node.module, typing_only)
        yield from (Import(f"{node.module}.{alias.name}", typing_only) for alias in node.names)
    guarded = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    for child in ast.iter_child_nodes(node):
        in_body = guarded and child in node.body
        yield from _walk(child, typing_only or in_body)


SOURCES = sources()
TOPOLOGIES = {name for name in SOURCES if name.split(".")[0] == "topologies"}


def test_the_pure_modules_are_all_here() -> None:
    assert set(SOURCES) >= PURE
    assert "topologies.walker" in TOPOLOGIES


@pytest.mark.parametrize("module", sorted(PURE | TOPOLOGIES))
def test_pure_modules_touch_no_kernel_process_or_clock(module: str) -> None:
    for each in imports(SOURCES[module]):
        assert each.module.split(".")[0] not in IMPURE, each
        if each.within("emulator") and not each.typing_only:
            assert any(each.within(pure) for pure in PURE) or each.module == "emulator", each
        if each.within("protocols"):
            assert module.startswith("protocols."), each
            assert any(each.within(pure) for pure in PURE), each


@pytest.mark.parametrize("module", sorted(TOPOLOGIES))
def test_topologies_know_nothing_of_the_emulator(module: str) -> None:
    for each in imports(SOURCES[module]):
        allowed = each.within("emulator.errors") or each.within("emulator.units")
        assert not each.within("emulator") or allowed, each


@pytest.mark.parametrize("module", sorted(set(SOURCES)))
def test_only_the_kernel_package_speaks_to_the_kernel(module: str) -> None:
    if module.startswith(("emulator.kernel", "emulator.bench")):  # which compares us with them
        return
    libraries = {each.module.split(".")[0] for each in imports(SOURCES[module])}
    assert not libraries & KERNEL_LIBRARIES


@pytest.mark.parametrize("module", sorted(n for n in SOURCES if n.split(".")[0] == "protocols"))
def test_a_protocol_reaches_the_kernel_only_by_the_handle_it_is_given(module: str) -> None:
    for each in imports(SOURCES[module]):
        if each.within("emulator.kernel"):
            assert each.typing_only, each
            assert each.within("emulator.kernel.node"), each


def test_the_front_door_is_what_it_says() -> None:
    assert emulator.__all__ == [
        "CapabilityError",
        "DaemonError",
        "Emulation",
        "KernelError",
        "LasermeshError",
        "LinkPlan",
        "PhysicsError",
        "RunError",
        "Scenario",
        "ScenarioError",
        "plan",
    ]
    for name in emulator.__all__:
        assert getattr(emulator, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Emulator'"):
        emulator.Emulator  # noqa: B018


def test_the_three_packages_stand_side_by_side() -> None:
    # Their bare names are common: another distribution's would be found elsewhere.
    homes = {Path(package.__file__).parents[1] for package in (emulator, topologies, protocols)}
    assert len(homes) == 1
