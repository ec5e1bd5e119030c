"""Desired and held: what a running emulation was told, beside what its kernel says."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import Run
from emulator.linkplan import PORT_STATE
from emulator.network import Network
from emulator.scenario import Scenario

_LOOKS, _SETTLE_S = 5, 0.05
"""A drift is believed when it is seen this often, so far apart: a retune is over by then."""


@dataclass(frozen=True)
class Inspection:
    """The ports of a run: ``desired`` and ``held`` are PORT_STATE arrays."""

    network: Network
    desired: np.ndarray
    held: np.ndarray

    @property
    def drifted(self) -> np.ndarray:
        """Ports whose kernel state differs from what was told."""
        return np.flatnonzero(self.desired != self.held)

    def rows(self) -> list[dict[str, Any]]:
        """One plain dict a port, for tables and JSON."""
        return [
            {
                "node": self.network.nodes[port.node].name,
                "address": self.network.nodes[port.node].ipv4,
                "port": port.name,
                "desired": self._channel(self.desired[port.index]),
                "kernel": self._channel(self.held[port.index]),
                "equal": bool(self.desired[port.index] == self.held[port.index]),
            }
            for port in self.network.ports
        ]

    def _channel(self, state: np.void) -> dict[str, Any]:
        channel = {name: int(state[name]) for name in PORT_STATE.names}
        peer = channel["peer"]
        return {**channel, "peer": self.network.port_label(peer) if peer >= 0 else None}


def inspect(run: Run) -> Inspection:
    """Look at a run of this very kernel. Raises KernelError where its fabric is not there."""
    scenario = Scenario.load(Path(run.run_dir) / "scenario.json")
    network = Network.of(scenario)
    silent = scenario.scenario.light_lost == "silent"
    fabric = Fabric(network, run.namespace, run.state_dir, silent)
    for _ in range(_LOOKS):
        found = Inspection(network, np.load(run.state_dir / "desired.npy"), fabric.observe())
        if not len(found.drifted):
            break
        time.sleep(_SETTLE_S)
    return found
