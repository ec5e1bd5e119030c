"""Contacts → LinkPlan: what the kernel is told about every port at every epoch. Integers only.

A plan is a pure value of its scenario: contacts are worked out once, the array of an epoch on
demand, so memory does not grow with the duration. This is the one place where floats are
quantised.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emulator.budget import IDEAL_DB, Budgets, fade_chances
from emulator.contacts import CONTACT, Contacts, Planner, contacts
from emulator.ephemeris import Ephemeris
from emulator.fades import LEAST_MARGIN_DB, SLOW_STEPS, SlowFades
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sky import Sky, skies
from emulator.units import C_KM_S, FRAME_BYTES, NS_PER_S
from emulator.visibility import range_km

_MAX_LIMIT_PACKETS = 2**32 - 1

PORT_STATE = np.dtype(
    [
        ("peer", "<i4"),
        ("loss_ppb", "<u4"),
        ("fade_start_ppb", "<u4"),
        ("fade_end_ppb", "<u4"),
        ("limit_packets", "<u4"),
        ("delay_ns", "<i8"),
        ("rate_bps", "<i8"),
    ]
)
"""The channel that *arrives* at a port, from ``peer`` (-1: dark). One row a port.

``loss_ppb``: share of packets lost one by one, all of them in a slow fade. ``fade_start_ppb`` and
``fade_end_ppb``: the chance, a packet, that a fade (in which all is lost) begins or ends: p and r
of a Gilbert-Elliott chain, for the fades of milliseconds.
"""

LINK = np.dtype(
    [
        ("a", "<i4"),
        ("b", "<i4"),
        ("range_km", "<f8"),
        ("delay_ns", "<i8"),
        ("rate_bps", "<i8"),
        ("return_bps", "<i8"),
        ("margin_db", "<f8"),
        ("return_margin_db", "<f8"),
    ]
)
"""One row a link: ports a and b. ``rate_bps`` and ``margin_db`` are of the channel a → b, those
with ``return`` of b → a. The margin is infinite where a terminal has no budget."""

ALL_LOST_PPB = 10**9
"""``loss_ppb`` of a channel that lets nothing through."""

_PPB = 1e9


@dataclass(frozen=True)
class LinkPlan:
    """The whole run, worked out beforehand: ``at(step)`` is the state of every port."""

    scenario: Scenario
    network: Network
    ephemeris: Ephemeris
    timeline: Contacts

    @classmethod
    def of(cls, scenario: Scenario) -> "LinkPlan":
        """Work out ``scenario``. Raises PhysicsError where an orbit cannot be propagated."""
        network, ephemeris = Network.of(scenario), Ephemeris.of(scenario)
        return cls(scenario, network, ephemeris, contacts(scenario, network, ephemeris))

    @property
    def contacts(self) -> np.ndarray:
        """All contacts, dtype :data:`CONTACT`, by start and ports."""
        return self.timeline.contacts

    @property
    def steps(self) -> int:
        """Number of epochs."""
        return self.scenario.steps

    @property
    def step_s(self) -> float:
        """Seconds between epochs."""
        return self.scenario.scenario.step_s

    def step_of(self, t_s: float) -> int:
        """Return the epoch in force ``t_s`` seconds after the start (clamped to the plan)."""
        return int(np.clip(np.floor(t_s / self.step_s + 1e-9), 0, self.steps - 1))

    def dark(self) -> np.ndarray:
        """Return the state in which no port sees any light, dtype :data:`PORT_STATE`."""
        state = np.zeros(len(self.network.port_node), dtype=PORT_STATE)
        state["peer"] = -1
        state["rate_bps"] = self.network.port_rate_bps
        state["limit_packets"] = self.network.port_buffer
        return state

    def joined(self, step: int) -> np.ndarray:
        """Return the contacts in force at ``step``, dtype CONTACT."""
        return self.contacts[self._joined(step)]

    def _joined(self, step: int) -> np.ndarray:
        return np.flatnonzero((self.contacts["start"] <= step) & (step < self.contacts["end"]))

    def at(self, step: int) -> np.ndarray:
        """Return the state of every port at ``step``, dtype :data:`PORT_STATE`."""
        state = self.dark()
        links = self.links(step)
        flying = np.ceil(_bits_in_flight(links["rate_bps"], links) / 8 / FRAME_BYTES)
        back = np.ceil(_bits_in_flight(links["return_bps"], links) / 8 / FRAME_BYTES)
        for way, (receiver, sender, rate, margin, packets) in enumerate(
            (
                (links["b"], links["a"], "rate_bps", "margin_db", flying),
                (links["a"], links["b"], "return_bps", "return_margin_db", back),
            )
        ):
            state["peer"][receiver] = sender
            state["delay_ns"][receiver] = links["delay_ns"]
            state["rate_bps"][receiver] = links[rate]
            limit = packets + self.network.port_buffer[sender]
            state["limit_packets"][receiver] = np.minimum(limit, _MAX_LIMIT_PACKETS)
            if self.budgets.adaptive.any():
                self._lose(state, step, way, sender, receiver, links[margin], links[rate])
        return state

    def _lose(
        self,
        state: np.ndarray,
        step: int,
        way: int,
        sender: np.ndarray,
        receiver: np.ndarray,
        margin_db: np.ndarray,
        rate_bps: np.ndarray,
    ) -> None:
        """Write into ``state`` what is lost one way of all links, which have these margins."""
        tx, rx = self.network.port_kind[sender], self.network.port_kind[receiver]
        lost = self.budgets.loss(rx, margin_db)
        if (changes := self._rung_changes(step, receiver)).any():
            gap = np.minimum(self.budgets.setting("relock_s")[tx] / self.step_s, 1.0)
            lost = 1 - (1 - lost) * (1 - gap * changes)
        share, mean_s = self.budgets.fading(tx, rx, margin_db)
        slow = self._slow.slow[self._joined(step), way]
        lost[slow & self._slow.lost(step, receiver)] = 1.0
        start, end = fade_chances(share, mean_s, rate_bps)
        start_ppb = np.where(slow, 0, np.rint(start * _PPB))
        state["loss_ppb"][receiver] = np.rint(lost * _PPB)
        state["fade_start_ppb"][receiver] = start_ppb
        # Fades that begin also end.
        end_ppb = np.where(start_ppb > 0, np.maximum(1, np.rint(end * _PPB)), 0)
        state["fade_end_ppb"][receiver] = end_ppb

    @cached_property
    def _slow(self) -> SlowFades:
        """The fades that are played from step to step, of all contacts."""
        contacts, fading = self.contacts, self.budgets.fading
        kind = self.network.port_kind[np.column_stack((contacts["a"], contacts["b"]))]
        margin_db = np.full((len(contacts), 2), LEAST_MARGIN_DB)
        longest_s = [fading(kind[:, i], kind[:, 1 - i], margin_db[:, i])[1] for i in (0, 1)]
        able = np.max(longest_s, axis=0) >= SLOW_STEPS * self.step_s
        middle = (contacts["start"] + contacts["end"] - 1) // 2
        for step in np.unique(middle[able]).tolist():
            index, links = self._joined(step), self.links(step)
            own = able[index] & (middle[index] == step)
            for i, name in enumerate(("margin_db", "return_margin_db")):
                margin_db[index[own], i] = np.maximum(links[name][own], LEAST_MARGIN_DB)
        found = [fading(kind[:, i], kind[:, 1 - i], margin_db[:, i]) for i in (0, 1)]
        share, mean_s = np.stack(found, axis=-1) * able[:, None]
        seed = self.scenario.scenario.seed
        return SlowFades.draw(seed, contacts, share, mean_s, self.step_s, self.steps)

    def rate_rows(self, step: np.ndarray | int, receiver: np.ndarray) -> np.ndarray:
        """Return the last row of ``timeline.rates`` up to ``step`` that is of each channel's port.

        Channels go by the port at which they arrive; one that never had a rung gets another's row.
        """
        key = receiver.astype(np.int64) * self.steps + step
        return np.searchsorted(self._rate_keys, key, side="right") - 1

    def _rung_changes(self, step: int, receiver: np.ndarray) -> np.ndarray:
        """Whether a modem changes its rate at this step."""
        rates = self.timeline.rates
        if not len(rates):
            return np.zeros(len(receiver), dtype=bool)
        row = rates[np.maximum(self.rate_rows(step, receiver), 0)]
        return row["changed"] & (row["port"] == receiver) & (row["start"] == step)

    @cached_property
    def _rate_keys(self) -> np.ndarray:
        rates = self.timeline.rates
        return rates["port"].astype(np.int64) * self.steps + rates["start"]

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self.at, range(self.steps))

    def links(self, step: int) -> np.ndarray:
        """Return every link at ``step``, dtype :data:`LINK`."""
        joined = self.joined(step)
        sky = self.sky(step)
        a, b = joined["a"], joined["b"]
        near, far = self.network.port_node[a], self.network.port_node[b]
        links = np.zeros(len(joined), dtype=LINK)
        links["a"], links["b"] = a, b
        links["range_km"] = range_km(sky.position_km[near], sky.position_km[far])
        links["delay_ns"] = np.rint(links["range_km"] / C_KM_S * NS_PER_S)
        rate_bps = self.network.port_rate_bps
        links["rate_bps"] = links["return_bps"] = np.minimum(rate_bps[a], rate_bps[b])
        links["margin_db"] = links["return_margin_db"] = np.inf
        if self.budgets.adaptive.any():
            self._add_budgets(links, sky)
        return links

    def _add_budgets(self, links: np.ndarray, sky: Sky) -> None:
        """Write rates and margins of links between terminals that have budgets."""
        kind, node = self.network.port_kind, self.network.port_node
        laser = self.network.port_medium[links["a"]]
        for medium, chosen in (("isl", laser), ("gsl", ~laser)):
            which = np.flatnonzero(chosen)
            if not len(which) or not self.planner.limits[medium].has_budget:
                continue
            a, b = links["a"][which], links["b"][which]
            there_db, back_db = self.planner.levels_db(medium, sky, node[a], node[b])
            for sender, receiver, level_db, rate, margin in (
                (a, b, there_db, "rate_bps", "margin_db"),
                (b, a, back_db, "return_bps", "return_margin_db"),
            ):
                some = np.flatnonzero(
                    self.budgets.adaptive[kind[sender]] & (level_db < IDEAL_DB / 2)
                )
                port, ends = receiver[some], (kind[sender[some]], kind[receiver[some]])
                rung = self.timeline.rates["rung"][self.rate_rows(sky.step, port)]
                need_db, rung_bps = self.budgets.rungs
                links[rate][which[some]] = rung_bps[*ends, rung]
                links[margin][which[some]] = level_db[some] - need_db[*ends, rung]

    def sky(self, step: int) -> Sky:
        """Return where everything is at ``step``."""
        [sky] = skies(self.ephemeris, np.array([step * self.step_s]), step)
        return sky

    @cached_property
    def planner(self) -> Planner:
        """The limits, budgets and rules of this scenario, before its first step."""
        return Planner(self.scenario, self.network, self.ephemeris)

    @property
    def budgets(self) -> Budgets:
        """The link budgets among the scenario's terminals."""
        return self.planner.budgets

    def graph(self, t_s: float) -> Any:
        """Return the links in force at ``t_s`` as a networkx.Graph over node names.

        Edges carry ``delay_s``, ``rate_bps``, ``range_km`` and ``ports``: each node's interface.
        """
        import networkx

        graph = networkx.Graph(t_s=t_s, scenario=self.scenario.scenario.name)
        for node in self.network.nodes:
            graph.add_node(node.name, kind=node.kind, ipv4=node.ipv4)
        for row in self.links(self.step_of(t_s)):
            ends = [self.network.ports[row["a"]], self.network.ports[row["b"]]]
            ports = {self.network.nodes[port.node].name: port.name for port in ends}
            graph.add_edge(
                *ports,
                range_km=float(row["range_km"]),
                delay_s=int(row["delay_ns"]) / NS_PER_S,
                rate_bps=int(min(row["rate_bps"], row["return_bps"])),
                ports=ports,
            )
        return graph

    def digest(self) -> str:
        """SHA-256 over every state of the plan: equal plans have equal digests."""
        total = hashlib.sha256()
        for state in self:
            total.update(state.tobytes())
        return total.hexdigest()


def _bits_in_flight(rate_bps: np.ndarray, links: np.ndarray) -> np.ndarray:
    return rate_bps * (links["delay_ns"] / NS_PER_S)


def moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Indices of the ports whose state differs between two states."""
    return np.flatnonzero(before != after)


def both_ways(state: np.ndarray) -> np.ndarray:
    """Indices of the ports that are joined to a port that is joined to them (PORT_STATE).

    Where a fault takes one direction of a link, the port that still sees light is not among them.
    """
    lit = np.flatnonzero(state["peer"] >= 0)
    return lit[state["peer"][state["peer"][lit]] == lit]


def carrying(state: np.ndarray) -> np.ndarray:
    """Indices of the ports whose link lets packets through, both ways (PORT_STATE)."""
    ports, lost = both_ways(state), state["loss_ppb"] >= ALL_LOST_PPB
    return ports[~(lost[ports] | lost[state["peer"][ports]])]


__all__ = ["ALL_LOST_PPB", "CONTACT", "LINK", "PORT_STATE", "LinkPlan", "both_ways"]
__all__ += ["carrying", "moved"]
