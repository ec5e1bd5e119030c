"""Limits, panels, modems and batteries, step by step → Contacts: what happens when, and why.

One pass over all steps; what it writes down grows with the number of events, not with time.
"""

from dataclasses import dataclass

import numpy as np

from emulator.acquiring import Durations
from emulator.budget import Budgets
from emulator.causes import Cause
from emulator.energy import Energy
from emulator.ephemeris import Ephemeris
from emulator.ground import GroundSegment
from emulator.lasers import Lasers, Wanted, pair_key
from emulator.limits import Limits
from emulator.modems import RATE, Modems
from emulator.network import Network
from emulator.outages import OUTAGE, OutageLog
from emulator.panel import CONTACT, Panel
from emulator.scenario import Scenario
from emulator.sky import Sky, skies
from emulator.visibility import range_km
from emulator.weather import Skyward


@dataclass(frozen=True)
class Contacts:
    """Everything about links that depends on what was before."""

    contacts: np.ndarray
    """dtype :data:`~emulator.panel.CONTACT`, by start and ports."""
    outages: np.ndarray
    """dtype :data:`~emulator.outages.OUTAGE`, by start and nodes: of pairs that a static pattern
    wants, always; of others, while terminals are assigned to them."""
    rates: np.ndarray
    """dtype :data:`~emulator.modems.RATE`, by port and start."""
    shed: np.ndarray
    """dtype :data:`~emulator.energy.SHED`."""
    charge: np.ndarray
    """Batteries as shares, ``(samples, satellites)``: those of :func:`~emulator.energy.powered`,
    every :func:`~emulator.energy.sample_steps` from step 0 on."""


class Planner:
    """The state of a sky, from one step to the next."""

    def __init__(self, scenario: Scenario, network: Network, ephemeris: Ephemeris) -> None:
        run = scenario.scenario
        self.network = network
        self.budgets = Budgets.of(network)
        self.skyward = Skyward(scenario, network)
        self.limits = {
            medium: Limits(scenario, network, self.budgets, medium) for medium in ("isl", "gsl")
        }
        durations = Durations.of(network, run.seed)
        self.lasers = Lasers(scenario, network, ephemeris, self.limits["isl"])
        self.ground = GroundSegment(scenario, network, ephemeris, self.limits["gsl"], self.skyward)
        spare = np.zeros(network.size, dtype=np.int64)
        spare[network.stations] = self.ground.spare
        gap_steps = max(1, int(np.ceil(scenario.ground.gap_s / run.step_s - 1e-9)))
        self.panels = {
            "isl": Panel(network, self.limits["isl"], durations),
            "gsl": Panel(network, self.limits["gsl"], durations, gap_steps, spare),
        }
        self.static_keys = pair_key(*self.lasers.static[:, :2].T)
        self.log = OutageLog(self.lasers.static[:, :2])
        self.modems = Modems(network, self.budgets, run.step_s)
        self.energy = Energy(scenario, network)

    def step(self, sky: Sky) -> None:
        """Go through one step."""
        isl, gsl = self.panels["isl"], self.panels["gsl"]
        dark = self.energy.dark_nodes()
        static = self.lasers.static
        for panel in self.panels.values():
            panel.elapse(sky)
        status = isl.point(sky, _without(self.lasers.wanted(sky, isl.held), dark))
        if len(self.network.stations):
            gsl.point(sky, _without(self.ground.wanted(sky, gsl.held), dark))
        self.log.note(sky.step, status[: len(static)], self._acquiring())
        self._follow(sky)

    def _acquiring(self) -> dict[tuple[int, int], int]:
        """Causes of pairs that have terminals but no light, but for those of static patterns."""
        found = {}
        for panel in self.panels.values():
            waiting = panel.links[panel.links["start"] < 0]
            if not len(waiting):
                continue
            waiting = waiting[~np.isin(waiting["key"], self.static_keys)]
            for link, cause in zip(waiting, panel.waits_for(waiting).tolist(), strict=True):
                found[int(link["a"]), int(link["b"])] = cause
        return found

    def _follow(self, sky: Sky) -> None:
        """Let modems and batteries know which terminals are in use."""
        used = [np.empty(0, dtype=np.int32)]
        for medium, panel in self.panels.items():
            links = panel.links
            used += [links["port_a"], links["port_b"]]
            limits = self.limits[medium]
            if not limits.has_budget:
                continue
            lit = links[links["start"] >= 0]
            level_db = self.levels_db(medium, sky, lit["a"], lit["b"])
            a, b = lit["port_a"], lit["port_b"]
            self.modems.follow(
                sky.step, np.concatenate((a, b)), np.concatenate((b, a)), np.concatenate(level_db)
            )
        self.energy.follow(sky, np.concatenate(used))

    def levels_db(
        self, medium: str, sky: Sky, a: np.ndarray, b: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the levels of the channels a → b and b → a between nodes at a moment."""
        away_km = range_km(sky.position_km[a], sky.position_km[b])
        limits, lost_db = self.limits[medium], 0.0
        if medium == "gsl":
            lost_db = self.ground.attenuation_db(sky, a, b)
        return limits.levels_db(a, b, away_km, lost_db)

    def finish(self, steps: int) -> Contacts:
        """End everything at the end of the plan."""
        found = np.concatenate([panel.finish(steps) for panel in self.panels.values()])
        shed, charge = self.energy.finish(steps)
        return Contacts(
            contacts=np.sort(found, order=["start", "a", "b"]),
            outages=self.log.finish(steps),
            rates=self.modems.finish(),
            shed=shed,
            charge=charge,
        )


def contacts(scenario: Scenario, network: Network, ephemeris: Ephemeris) -> Contacts:
    """Go through all steps of the scenario."""
    planner = Planner(scenario, network, ephemeris)
    for sky in skies(ephemeris, np.arange(scenario.steps) * scenario.scenario.step_s):
        planner.step(sky)
    return planner.finish(scenario.steps)


def _without(wanted: Wanted, dark: np.ndarray) -> Wanted:
    """The same wishes, but for satellites whose terminals are off."""
    if not len(dark):
        return wanted
    off = np.isin(wanted.rows[:, :2], dark).any(axis=1)
    off &= (wanted.cause == Cause.LINKED) | (wanted.cause > Cause.POWER)
    return Wanted(wanted.rows, np.where(off, np.uint8(Cause.POWER), wanted.cause))


__all__ = ["CONTACT", "OUTAGE", "RATE", "Contacts", "Planner", "contacts"]
