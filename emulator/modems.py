"""Budgets → rates: which rung the modem of each channel is on, with hysteresis and dwell.

A channel is known by the port at which it arrives. A modem goes down at once and up only after its
dwell and with something to spare, so its rung depends on what was before: it is followed from
step to step and written down where it changes.
"""

import numpy as np

from emulator.budget import IDEAL_DB, Budgets
from emulator.network import Network

RATE = np.dtype([("port", "<i4"), ("start", "<i4"), ("rung", "<i2"), ("changed", "?")])
"""From step ``start`` on the channel that arrives at ``port`` is on this rung of its pair of kinds.
``changed``: it was on another one before, without a pause between."""


class Modems:
    """The rungs of all channels of a network over time."""

    def __init__(self, network: Network, budgets: Budgets, step_s: float) -> None:
        self.network, self.budgets = network, budgets
        self.min_margin_db = budgets.setting("min_margin_db")
        self.up_margin_db = self.min_margin_db + budgets.setting("hysteresis_db")
        dwell = budgets.setting("dwell_s") / step_s
        self.dwell_steps = np.ceil(dwell - 1e-9).astype(np.int64)
        ports = len(network.port_node)
        self.rung = np.zeros(ports, dtype=np.int64)
        self.since = np.full(ports, -1)
        self.lit_at = np.full(ports, -2)
        """The last step at which each channel was lit."""
        self.found: list[np.ndarray] = []

    def follow(
        self, step: int, sender: np.ndarray, receiver: np.ndarray, level_db: np.ndarray
    ) -> None:
        """Choose the rungs of the channels that are lit at this step, by their ports."""
        kinds = self.network.port_kind
        modem = self.budgets.adaptive[kinds[sender]] & (level_db < IDEAL_DB / 2)
        receiver, level_db = receiver[modem], level_db[modem]
        if not len(receiver):
            return
        ends = kind, _ = kinds[sender[modem]], kinds[receiver]
        fresh = self.lit_at[receiver] != step - 1
        now = self.rung[receiver]
        enough = self.budgets.highest_rung(*ends, level_db - self.min_margin_db[kind])
        enough = np.maximum(enough, 0)
        plenty = self.budgets.highest_rung(*ends, level_db - self.up_margin_db[kind])
        settled = step - self.since[receiver] >= self.dwell_steps[kind]
        rung = np.where(fresh | (enough < now), enough, now)
        rung = np.where(~fresh & settled & (plenty > now), plenty, rung)
        changed = np.flatnonzero(fresh | (rung != now))
        self.rung[receiver[changed]] = rung[changed]
        self.since[receiver[changed]] = step
        self.lit_at[receiver] = step
        if len(changed):
            rows = np.zeros(len(changed), dtype=RATE)
            rows["port"], rows["start"], rows["rung"] = receiver[changed], step, rung[changed]
            rows["changed"] = ~fresh[changed]
            self.found.append(rows)

    def finish(self) -> np.ndarray:
        """Return all choices, dtype :data:`RATE`, by port and start."""
        rows = np.concatenate([np.empty(0, dtype=RATE), *self.found])
        return np.sort(rows, order=["port", "start"])
