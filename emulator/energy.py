"""Platform → Energy: sunlight, batteries and loads of the satellites, and what has to be shed.

Panels face the Sun. A battery that sinks to its floor sheds what the platform names (its computer,
or its lasers and radios) until it has charged to ``resume``.
"""

from typing import Any

import numpy as np

from emulator.network import Network
from emulator.physics import power
from emulator.physics.sun import sunlit
from emulator.scenario import Scenario
from emulator.sky import Sky

SHED = np.dtype([("node", "<i4"), ("start", "<i4"), ("end", "<i4"), ("lasers", "?")])
"""A satellite was without its computer, or (``lasers``) its terminals, from step to step."""

SAMPLE_S = 60.0
"""How often the charge of batteries is written down."""


class Energy:
    """The batteries of all satellites that have a platform, step by step."""

    def __init__(self, scenario: Scenario, network: Network) -> None:
        self.step_s = scenario.scenario.step_s
        owners: list[int] = []
        platforms: list[Any] = []
        first = 0
        for each in scenario.constellation:
            if each.platform:
                owners += range(first, first + each.size)
                platforms += [each.platform] * each.size
            first += each.size
        self.nodes = np.array(owners, dtype=np.int64)
        of = {name: np.array([getattr(p, name) for p in platforms]) for name in _FIGURES}
        self.solar_w = power.solar_w(
            of["solar_area_m2"], of["solar_efficiency"], of["solar_degradation"], 1.0
        )
        self.capacity_wh, self.bus_w = of["battery_wh"], of["bus_w"]
        self.compute_w = of["compute_w"] * of["compute_duty"]
        self.floor_wh = of["floor"] * self.capacity_wh
        self.resume_wh = of["resume"] * self.capacity_wh
        self.energy_wh = of["charge"] * self.capacity_wh
        self.sheds_lasers = np.array([p.shed == "lasers" for p in platforms], dtype=bool)
        self.shed = np.zeros(len(owners), dtype=bool)
        self.terminal_w = np.array([kind.power_w for kind in network.kinds])[network.port_kind]
        self.port_node = network.port_node
        self._since = np.zeros(len(owners), dtype=np.int64)
        self._every = max(1, round(SAMPLE_S / self.step_s))
        self.charge: list[np.ndarray] = []
        self.found: list[tuple[int, int, int, bool]] = []

    def dark_nodes(self) -> np.ndarray:
        """Return the satellites whose terminals are switched off now."""
        return self.nodes[self.shed & self.sheds_lasers]

    def follow(self, sky: Sky, ports: np.ndarray) -> None:
        """Let a step pass in which the terminals ``ports`` are in use."""
        if not len(self.nodes):
            return
        lit = sunlit(sky.position_km[self.nodes], sky.sun)
        drawn_w = np.bincount(
            self.port_node[ports], self.terminal_w[ports], minlength=sky.position_km.shape[0]
        )[self.nodes]
        computing_w = np.where(self.shed & ~self.sheds_lasers, 0.0, self.compute_w)
        used_w = self.bus_w + computing_w + drawn_w
        self.energy_wh, _, _ = power.charge(
            self.energy_wh, self.solar_w * lit, used_w, self.step_s, self.capacity_wh
        )
        if sky.step % self._every == 0:
            self.charge.append((self.energy_wh / self.capacity_wh).astype(np.float32))
        self._change(
            sky.step + 1,
            power.latch(
                self.shed, self.energy_wh <= self.floor_wh, self.energy_wh >= self.resume_wh
            ),
        )

    def _change(self, step: int, shed: np.ndarray) -> None:
        for index in np.flatnonzero(self.shed & ~shed).tolist():
            row = int(self.nodes[index]), int(self._since[index]), step
            self.found.append((*row, bool(self.sheds_lasers[index])))
        self._since[shed & ~self.shed] = step
        self.shed = shed

    def finish(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (what was shed, dtype :data:`SHED`; charge as shares ``(samples, satellites)``).

        The samples are :data:`SAMPLE_S` apart, the satellites those of ``nodes``.
        """
        self._change(steps, np.zeros_like(self.shed))
        kept = [row for row in self.found if row[1] < steps]
        charge = np.array(self.charge, dtype=np.float32).reshape(len(self.charge), len(self.nodes))
        return np.sort(np.array(kept, dtype=SHED), order=["start", "node"]), charge


_FIGURES = ("solar_area_m2", "solar_efficiency", "solar_degradation", "battery_wh", "bus_w")
_FIGURES += ("compute_w", "compute_duty", "floor", "resume", "charge")
