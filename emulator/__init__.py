"""Lasermesh: an emulator of inter-satellite laser links and the space-ground network.

    scenario.toml ─> Scenario ─> Ephemeris ─> Visibility ─> Contacts ─> LinkPlan ─> Fabric ──> nodes
    (text)           (frozen)    (arrays)     (arrays)      (who points  (arrays   (netlink)
                                                             at whom)     per epoch)
    ───────────────── pure: no root, no clock, deterministic ───────────────────┤├── effects ───────

Front door: ``Scenario.load``, ``plan``, ``Emulation``. Everything left of the bar works anywhere.
"""

from typing import TYPE_CHECKING, Any

from emulator.errors import (
    CapabilityError,
    DaemonError,
    KernelError,
    LasermeshError,
    PhysicsError,
    RunError,
    ScenarioError,
)

if TYPE_CHECKING:
    from emulator.emulation import Emulation
    from emulator.linkplan import LinkPlan
    from emulator.scenario import Scenario

__version__ = "0.1.0"

__all__ = [
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

_HOMES = {
    "Emulation": "emulator.emulation",
    "LinkPlan": "emulator.linkplan",
    "Scenario": "emulator.scenario",
}


def plan(scenario: "Scenario") -> "LinkPlan":
    """Work out what the kernel will be told at every step of ``scenario``. Needs no root."""
    from emulator.linkplan import LinkPlan

    return LinkPlan.of(scenario)


def __getattr__(name: str) -> Any:
    """Import heavy names on first use: the command line must answer --help at once."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
