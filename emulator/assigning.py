"""Wanted → assigned: which pairs of nodes get terminals at a step, and which ones.

Terminals are integers: who is wanted finds a free one at both ends, or no link. In order of
precedence; nothing here remembers anything.
"""

from collections.abc import Callable

import numpy as np

from emulator.lasers import held_ports, pair_key
from emulator.limits import Limits
from emulator.sky import Sky


class Assigner:
    """Shares out the terminals of one medium, of which each node keeps ``spare`` in reserve."""

    def __init__(self, limits: Limits, spare: np.ndarray | None = None) -> None:
        self.limits, self.capacity = limits, limits.count
        self.spare = np.zeros_like(self.capacity) if spare is None else spare

    def admit(
        self,
        sky: Sky,
        rows: np.ndarray,
        admissible: np.ndarray,
        held: np.ndarray,
        lit: np.ndarray,
        waits: Callable[[int], np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which of ``rows`` get terminals, and the ports that each would like to have.

        ``held``: rows (a, b, port a, port b) of the links there are, of which some are ``lit``;
        ``waits(step)``: for how many steps each port would stay dark if it changed peers. The
        ports returned are ``(rows, 2)``, -1: any; with fields of regard they are those to take.
        """
        ports = self._wishes(rows)
        chosen = np.flatnonzero(admissible)
        once = np.unique(pair_key(*rows[chosen, :2].T), return_index=True)[1]
        chosen = chosen[np.sort(once)]
        limit = self.capacity - self.spare
        scarce = (np.bincount(rows[chosen, :2].ravel(), minlength=len(limit)) > limit).any()
        if scarce or self.limits.has_fields:
            own = held_ports(rows, held)
            if not self.limits.has_fields:
                chosen = _greedy(rows, chosen, limit)
            elif scarce or (own[chosen, 0] < 0).any():
                chosen = self._fit(sky, rows, chosen, limit, own, ports, waits(sky.step))
            if scarce and self.spare.any():
                going = admissible & np.isin(own[:, 0], held[lit, 2:])
                chosen = self._overlap(rows, chosen, going, own, ports)
        admitted = np.zeros(len(rows), dtype=bool)
        admitted[chosen] = True
        return admitted, ports

    def _wishes(self, rows: np.ndarray) -> np.ndarray:
        """Terminals that rows wish for, as ports; -1 where there is no such terminal."""
        known = (rows[:, 2:] >= 0) & (rows[:, 2:] < self.capacity[rows[:, :2]])
        return np.where(known, self.limits.first[rows[:, :2]] + rows[:, 2:], -1)

    def _fit(
        self,
        sky: Sky,
        rows: np.ndarray,
        chosen: np.ndarray,
        limit: np.ndarray,
        own: np.ndarray,
        ports: np.ndarray,
        waits: np.ndarray,
    ) -> np.ndarray:
        """Give each of ``chosen`` that is new the free terminal that looks closest to its peer.

        Of several such it is the one that may shine first. Where only terminals in use can turn
        to the peer, it takes one from who is wanted less.
        """
        ports[chosen] = own[chosen]
        new = chosen[own[chosen, 0] < 0]
        near, far = rows[new, :2].T
        ahead_deg = self.limits.off_axes_deg(sky, near, far).tolist()
        back_deg = self.limits.off_axes_deg(sky, far, near).tolist()
        first, left = self.limits.first.tolist(), limit.tolist()
        in_use, taken, kept = set(own[chosen].ravel().tolist()), {-1}, []
        looks = iter(zip(ahead_deg, back_deg, strict=True))
        each = zip(chosen.tolist(), rows[chosen, :2].tolist(), own[chosen].tolist(), strict=True)
        for index, (a, b), linked_by in each:
            pair = linked_by
            if pair[0] < 0:
                there, back = next(looks)
                pair = ports[index] = (
                    _closest(first[a], there, taken, in_use, waits),
                    _closest(first[b], back, taken, in_use, waits),
                )
            if left[a] > 0 and left[b] > 0 and taken.isdisjoint(pair):
                left[a] -= 1
                left[b] -= 1
                taken.update(pair)
                kept.append(index)
        return np.array(kept, dtype=np.int64)

    def _overlap(
        self,
        rows: np.ndarray,
        chosen: np.ndarray,
        lit: np.ndarray,
        own: np.ndarray,
        ports: np.ndarray,
    ) -> np.ndarray:
        """Make before break: add lit links that are to go, while their successors are dark."""
        nodes = len(self.capacity)
        used = np.bincount(rows[chosen, :2].ravel(), minlength=nodes)
        coming = np.bincount(rows[chosen[~lit[chosen]], :2].ravel(), minlength=nodes)
        taken, kept = set(ports[chosen].ravel().tolist()), chosen.tolist()
        going = np.setdiff1d(np.flatnonzero(lit), chosen)
        for index, (a, b) in zip(going.tolist(), rows[going, :2].tolist(), strict=True):
            waits = any(self.spare[node] and coming[node] for node in (a, b))
            if not waits or not taken.isdisjoint(own[index].tolist()):
                continue
            if used[a] < self.capacity[a] and used[b] < self.capacity[b]:
                used[[a, b]] += 1
                kept.append(index)
        return np.array(kept, dtype=np.int64)


def _greedy(rows: np.ndarray, chosen: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Those of ``chosen`` for which terminals are left at both ends."""
    left = limit.tolist()
    taken = []
    for index, (a, b) in zip(chosen.tolist(), rows[chosen, :2].tolist(), strict=True):
        if left[a] > 0 and left[b] > 0:
            left[a] -= 1
            left[b] -= 1
            taken.append(index)
    return np.array(taken, dtype=np.int64)


def _closest(
    first: int, off_deg: list[float], taken: set[int], in_use: set[int], waits: np.ndarray
) -> int:
    """The best of a node's terminals from port ``first`` on that is not ``taken``, -1 for none."""
    able = [
        (port in in_use, angle_deg, waits[port], port)
        for port, angle_deg in enumerate(off_deg, first)
        if angle_deg < np.inf and port not in taken
    ]
    return min(able)[3] if able else -1
