"""Platform → Energy: sunlight, batteries and loads of the satellites, and what has to be shed.

Panels face the Sun. A battery that sinks to its floor sheds what the platform names (its computer,
or its lasers and radios) until it has charged to ``resume``. An empty one sheds both: no light
without power. The bus is never shed.
"""

from collections.abc import Iterator

import numpy as np

from emulator.constellations import Platform
from emulator.network import Network
from emulator.physics import power
from emulator.physics.sun import sunlit
from emulator.scenario import Scenario
from emulator.sky import Sky

SHED = np.dtype([("node", "<i4"), ("start", "<i4"), ("end", "<i4"), ("lasers", "?")])
"""A satellite was without its computer, or (``lasers``) its terminals, from step to step."""

MOST_SAMPLES = 1000
"""How many times the charge of batteries is written down at most."""

LOADS = "compute", "lasers"
_COMPUTE, _LASERS = 0, 1


def powered(scenario: Scenario) -> tuple[np.ndarray, list[Platform]]:
    """Return the satellites that have a platform, as nodes ``(n,)``, and their platforms."""
    nodes: list[int] = []
    platforms: list[Platform] = []
    first = 0
    for each in scenario.constellation:
        if each.platform:
            nodes += range(first, first + each.size)
            platforms += [each.platform] * each.size
        first += each.size
    return np.array(nodes, dtype=np.int64), platforms


def sample_steps(scenario: Scenario) -> int:
    """Return how many steps lie between two samples of the charge."""
    return -(-scenario.steps // MOST_SAMPLES)


class Energy:
    """The batteries of all satellites that have a platform, step by step.

    ``energy_wh`` is what they hold, shape ``(n,)``; ``off`` which of their :data:`LOADS` are shed,
    ``(2, n)``.
    """

    def __init__(self, scenario: Scenario, network: Network) -> None:
        self.step_s = scenario.scenario.step_s
        self.nodes, platforms = powered(scenario)
        of = {name: np.array([getattr(p, name) for p in platforms]) for name in _FIGURES}
        self.solar_w = power.solar_w(
            of["solar_area_m2"], of["solar_efficiency"], of["solar_degradation"]
        )
        self.capacity_wh, self.bus_w = of["battery_wh"], of["bus_w"]
        self.compute_w = of["compute_w"] * of["compute_duty"]
        self.energy_wh = of["charge"] * self.capacity_wh
        self.resume_wh = of["resume"] * self.capacity_wh
        named = np.array([[p.shed == load for p in platforms] for load in LOADS], dtype=bool)
        self.trip_wh = np.where(named, of["floor"] * self.capacity_wh, 0.0)
        self.off = np.zeros(named.shape, dtype=bool)
        self.terminal_w = np.array([kind.power_w for kind in network.kinds])[network.port_kind]
        self.port_node = network.port_node
        self._since = np.zeros(named.shape, dtype=np.int64)
        self._every = sample_steps(scenario)
        self.charge: list[np.ndarray] = []
        self.found: list[tuple[int, int, int, bool]] = []
        self._settle(0)

    def dark_nodes(self) -> np.ndarray:
        """Return the satellites whose terminals are switched off now."""
        return self.nodes[self.off[_LASERS]]

    def follow(self, sky: Sky, ports: np.ndarray) -> None:
        """Let a step pass in which the terminals ``ports`` are in use."""
        if not len(self.nodes):
            return
        if sky.step % self._every == 0:
            self.charge.append((self.energy_wh / self.capacity_wh).astype(np.float32))
        lit = sunlit(sky.position_km[self.nodes], sky.sun)
        drawn_w = np.bincount(
            self.port_node[ports], self.terminal_w[ports], minlength=sky.position_km.shape[0]
        )[self.nodes]
        used_w = self.bus_w + np.where(self.off[_COMPUTE], 0.0, self.compute_w) + drawn_w
        self.energy_wh = power.charge(
            self.energy_wh, self.solar_w * lit, used_w, self.step_s, self.capacity_wh
        )
        self._settle(sky.step + 1)

    def _settle(self, step: int) -> None:
        """Shed and take up loads as the batteries are when ``step`` begins."""
        low, enough = self.energy_wh <= self.trip_wh, self.energy_wh >= self.resume_wh
        self._change(step, power.latch(self.off, low, enough))

    def _change(self, step: int, off: np.ndarray) -> None:
        if np.array_equal(off, self.off):
            return
        for load, index in np.argwhere(self.off & ~off).tolist():
            node, since = int(self.nodes[index]), int(self._since[load, index])
            self.found.append((node, since, step, load == _LASERS))
        self._since[off & ~self.off] = step
        self.off = off

    def finish(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (what was shed, dtype :data:`SHED`; charge as shares ``(samples, satellites)``).

        The samples are :func:`sample_steps` apart, from step 0; the satellites are ``nodes``.
        """
        self._change(steps, np.zeros_like(self.off))
        kept = [row for row in self.found if row[1] < steps]
        charge = np.array(self.charge, dtype=np.float32).reshape(len(self.charge), len(self.nodes))
        return np.sort(np.array(kept, dtype=SHED), order=["start", "node", "lasers"]), charge


def changes(shed: np.ndarray, step: int) -> Iterator[tuple[str, str, list[int]]]:
    """Yield (``shed`` or ``resumed``, load, satellites) for what changes at a step (SHED rows)."""
    for event, when in (("shed", "start"), ("resumed", "end")):
        now = shed[shed[when] == step]
        for load, lasers in zip(LOADS, (False, True), strict=True):
            if len(nodes := now["node"][now["lasers"] == lasers]):
                yield event, load, nodes.tolist()


_FIGURES = ("solar_area_m2", "solar_efficiency", "solar_degradation", "battery_wh", "bus_w")
_FIGURES += ("compute_w", "compute_duty", "floor", "resume", "charge")
