"""Limits → Panel: which terminal points at which, from step to step.

The patch panel of one medium. Terminals are integers: who is wanted finds a free one at both ends
or no link. A link lights up when its pointing (``pointing.NEXT``) says so; a terminal that changes
peers stays dark for a step at least, so that daemons see the light go.
"""

import numpy as np

from emulator.acquiring import Durations
from emulator.causes import PASSING, Cause
from emulator.lasers import Wanted
from emulator.limits import Limits
from emulator.network import Network
from emulator.pointing import CAUSE, Event, State, after
from emulator.sky import Sky

CONTACT = np.dtype([("a", "<i4"), ("b", "<i4"), ("start", "<i4"), ("end", "<i4"), ("ended", "u1")])
"""Ports a and b are joined during steps ``start`` ≤ k < ``end``; ``ended``: by which Cause."""

LINK = np.dtype(
    [
        ("key", "<i8"),
        ("a", "<i4"),
        ("b", "<i4"),
        ("port_a", "<i4"),
        ("port_b", "<i4"),
        ("state", "u1"),
        ("event", "u1"),
        ("cause", "u1"),
        ("until_s", "<f8"),
        ("earliest", "<i4"),
        ("start", "<i4"),
    ]
)
"""A pair of nodes whose terminals are assigned. ``state`` lasts until ``until_s`` and ends by
``event``; ``cause``: what blocks it; ``start``: since which step it is lit, -1: dark."""

_NOW_S = 1e-9
_COASTS = (State.UP, State.COAST, State.REACQUIRE)


def pair_key(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return one integer for each pair of nodes, in whichever order."""
    a, b = np.asarray(a, dtype=np.int64), np.asarray(b, dtype=np.int64)
    return np.minimum(a, b) << 32 | np.maximum(a, b)


class Panel:
    """The links of one medium over time. ``links`` (LINK) is sorted by key."""

    def __init__(
        self,
        network: Network,
        limits: Limits,
        durations: Durations,
        dark_steps: int = 1,
        spare: np.ndarray | None = None,
    ) -> None:
        self.network, self.limits, self.durations = network, limits, durations
        self.dark_steps = dark_steps
        self.first, self.capacity = limits.first, limits.count
        self.spare = np.zeros(network.size, dtype=np.int64) if spare is None else spare
        ports = len(network.port_node)
        self.free = np.ones(ports, dtype=bool)
        self.dark_since = np.full(ports, -1)
        self.looks_at = np.zeros((ports, 3))
        """Where each terminal looked last, in its node's frame; 0: it has not looked yet."""
        self.links = np.empty(0, dtype=LINK)
        self.known: set[int] = set()
        self.found: list[tuple[int, int, int, int, int]] = []

    @property
    def held(self) -> np.ndarray:
        """Rows ``(a, b, port a, port b)`` of all links, lit or not."""
        each = self.links
        return np.column_stack([each["a"], each["b"], each["port_a"], each["port_b"]])

    def ports_of(self, keys: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Return the ports that link each pair, -1 where none do, ``(n, 2)``, ``first``'s first."""
        which = self.find(keys)
        ports = np.full((len(keys), 2), -1, dtype=np.int32)
        linked = which >= 0
        link = self.links[which[linked]]
        ports[linked, 0], ports[linked, 1] = link["port_a"], link["port_b"]
        turned = np.flatnonzero(linked)[link["a"] != first[linked]]
        ports[turned] = ports[turned, ::-1]
        return ports

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return where in ``links`` each pair is, -1 where it is not."""
        if not len(self.links):
            return np.full(len(keys), -1)
        where = np.minimum(np.searchsorted(self.links["key"], keys), len(self.links) - 1)
        return np.where(self.links["key"][where] == keys, where, -1)

    def point(self, sky: Sky, wanted: Wanted) -> np.ndarray:
        """Turn terminals to what is ``wanted``; return each row's Cause, 0 where it is lit."""
        rows, cause = wanted.rows, wanted.cause
        keys = pair_key(rows[:, 0], rows[:, 1])
        where = self.find(keys)
        state = np.full(len(keys), State.IDLE)
        state[where >= 0] = self.links["state"][where[where >= 0]]
        # Whoever had light points on for a while where only something in between has come.
        coasting = np.isin(cause, PASSING) & np.isin(state, _COASTS)
        admitted = self._admit(rows, keys, (cause == 0) | coasting)
        self._drop(sky, keys, cause, admitted, where)
        self._block(sky, keys[admitted], cause[admitted])
        self._join(sky, rows[admitted], keys[admitted])
        self._advance(sky)
        self._light(sky.step)
        return self._status(keys, cause, admitted)

    def finish(self, steps: int) -> np.ndarray:
        """End what is still linked and return the contacts, dtype :data:`CONTACT`."""
        self._end(np.arange(len(self.links)), steps, np.full(len(self.links), Cause.END))
        return np.array(self.found, dtype=CONTACT)

    def _admit(self, rows: np.ndarray, keys: np.ndarray, admissible: np.ndarray) -> np.ndarray:
        """Which rows get terminals, in order of precedence, as far as these reach."""
        chosen = np.flatnonzero(admissible)
        once = np.unique(keys[chosen], return_index=True)[1]
        chosen = chosen[np.sort(once)]
        limit = self.capacity - self.spare
        wished = np.bincount(rows[chosen, :2].ravel(), minlength=len(limit))
        if (wished > limit).any():
            chosen = self._greedy(rows, chosen, limit)
            chosen = self._overlapping(rows, keys, chosen, admissible)
        admitted = np.zeros(len(rows), dtype=bool)
        admitted[chosen] = True
        return admitted

    def _greedy(self, rows: np.ndarray, chosen: np.ndarray, limit: np.ndarray) -> np.ndarray:
        left = limit.tolist()
        taken = []
        for index, (a, b) in zip(chosen.tolist(), rows[chosen, :2].tolist(), strict=True):
            if left[a] > 0 and left[b] > 0:
                left[a] -= 1
                left[b] -= 1
                taken.append(index)
        return np.array(taken, dtype=np.int64)

    def _overlapping(
        self, rows: np.ndarray, keys: np.ndarray, chosen: np.ndarray, admissible: np.ndarray
    ) -> np.ndarray:
        """Make before break: add lit links that are to go, while their successors are dark."""
        if not self.spare.any():
            return chosen
        where = self.find(keys)
        lit = np.zeros(len(rows), dtype=bool)
        lit[where >= 0] = self.links["start"][where[where >= 0]] >= 0
        used = np.bincount(rows[chosen, :2].ravel(), minlength=len(self.capacity))
        coming = np.zeros(len(self.capacity), dtype=np.int64)
        np.add.at(coming, rows[chosen[~lit[chosen]], :2].ravel(), 1)
        kept = chosen.tolist()
        going = np.setdiff1d(np.flatnonzero(admissible & lit), chosen)
        for index, (a, b) in zip(going.tolist(), rows[going, :2].tolist(), strict=True):
            waits = any(self.spare[node] and coming[node] for node in (a, b))
            if waits and used[a] < self.capacity[a] and used[b] < self.capacity[b]:
                used[[a, b]] += 1
                kept.append(index)
        return np.array(kept, dtype=np.int64)

    def _drop(
        self,
        sky: Sky,
        keys: np.ndarray,
        cause: np.ndarray,
        admitted: np.ndarray,
        where: np.ndarray,
    ) -> None:
        """Give up all links that are not admitted, for the cause that their row has."""
        if not len(self.links):
            return
        keep = np.zeros(len(self.links), dtype=bool)
        keep[where[admitted & (where >= 0)]] = True
        why = np.full(len(self.links), Cause.NOT_CHOSEN, dtype=np.uint8)
        given_up = (where >= 0) & ~admitted & (cause > 0)
        why[where[given_up]] = cause[given_up]
        self._release(np.flatnonzero(~keep), sky, why)

    def _release(self, which: np.ndarray, sky: Sky, why: np.ndarray) -> None:
        if not len(which):
            return
        self._end(which, sky.step, why[which])
        self._look(sky, self.links[which])
        for name in ("port_a", "port_b"):
            ports = self.links[name][which]
            self.free[ports] = True
            self.dark_since[ports] = sky.step
        self.links = np.delete(self.links, which)

    def _end(self, which: np.ndarray, step: int, why: np.ndarray) -> None:
        """Write down the contacts of links that go dark."""
        links = self.links
        for index, cause in zip(which.tolist(), why.tolist(), strict=True):
            _, _, _, port_a, port_b, *_, start = links[index].tolist()
            if 0 <= start < step:
                self.found.append((port_a, port_b, start, step, cause))
        links["start"][which] = -1

    def _block(self, sky: Sky, keys: np.ndarray, cause: np.ndarray) -> None:
        """Tell links what has come in between, or gone."""
        where = self.find(keys)
        linked = where >= 0
        where, cause = where[linked], cause[linked]
        blocked = where[
            (cause > 0) & np.isin(self.links["state"][where], (State.UP, State.REACQUIRE))
        ]
        self.links["cause"][where] = cause
        if len(blocked):
            self._end(blocked, sky.step, self.links["cause"][blocked])
            for name in ("port_a", "port_b"):
                self.dark_since[self.links[name][blocked]] = sky.step
            self.links["earliest"][blocked] = sky.step + 1
            self._happen(blocked, Event.BLOCKED, np.full(len(blocked), sky.t_s))
        clear = where[(cause == 0) & (self.links["state"][where] == State.COAST)]
        if len(clear):
            self._happen(clear, Event.CLEAR, np.full(len(clear), sky.t_s))

    def _join(self, sky: Sky, rows: np.ndarray, keys: np.ndarray) -> None:
        """Assign terminals to pairs that have none yet."""
        new = np.flatnonzero(self.find(keys) < 0)
        if not len(new):
            return
        added = np.zeros(len(new), dtype=LINK)
        added["key"], added["a"], added["b"] = keys[new], rows[new, 0], rows[new, 1]
        added["port_a"], added["port_b"] = self._take(sky, rows[new])
        added["start"] = -1
        ports = np.stack((added["port_a"], added["port_b"]))
        if sky.step == 0:
            added["state"], added["until_s"] = State.UP, np.inf
        else:
            dark = self.dark_since[ports].max(0)
            settled = np.where(dark >= 0, dark + self.dark_steps, sky.step)
            added["earliest"] = np.maximum(sky.step, settled)
            added["state"] = after(np.full(len(new), State.IDLE), Event.ASSIGNED)
            added["until_s"] = sky.t_s + self._slew_s(sky, added)
            added["event"] = Event.DONE
        self._look(sky, added)
        self.links = np.concatenate((self.links, added))
        self.links = self.links[np.argsort(self.links["key"], kind="stable")]

    def _take(self, sky: Sky, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a free port at each end of ``rows``: the one wished for, where it can be had."""
        wish = self.first[rows[:, :2]] + rows[:, 2:]
        usable = (rows[:, 2:] >= 0) & (rows[:, 2:] < self.capacity[rows[:, :2]])
        simple = not self.limits.has_fields and usable.all() and self.free[wish].all()
        if simple and len(np.unique(wish)) == wish.size:
            self.free[wish] = False
            return wish[:, 0], wish[:, 1]
        taken = np.empty((len(rows), 2), dtype=np.int64)
        for index, (a, b, wish_a, wish_b) in enumerate(rows.tolist()):
            taken[index] = self._pick(sky, a, b, wish_a), self._pick(sky, b, a, wish_b)
        return taken[:, 0], taken[:, 1]

    def _pick(self, sky: Sky, near: int, far: int, wish: int) -> int:
        first = int(self.first[near])
        ports = first + np.flatnonzero(self.free[first : first + int(self.capacity[near])])
        if wish >= 0 and first + wish in ports and not self.limits.has_fields:
            port = first + wish
        else:
            # The one that looks there best; of several such the one that may shine first.
            dark = self.dark_since[ports]
            order = [np.where(dark < 0, 0, np.maximum(dark + self.dark_steps - sky.step, 0))]
            if self.limits.has_fields:
                ends = np.full(len(ports), near), np.full(len(ports), far)
                order.append(self.limits.off_axis_deg(sky, *ends, ports))
            port = int(ports[np.lexsort(order)[0]])
        self.free[port] = False
        return port

    def _slew_s(self, sky: Sky, links: np.ndarray) -> np.ndarray:
        """How long the slower end of each new link turns from where it looked last."""
        slew_s = np.zeros(len(links))
        for near, far, name in (("a", "b", "port_a"), ("b", "a", "port_b")):
            direction = self.limits.direction(sky, links[near], links[far])
            port = links[name]
            cosine = np.clip((direction * self.looks_at[port]).sum(1), -1.0, 1.0)
            angle = np.where(self.looks_at[port].any(1), np.arccos(cosine), 0.0)
            kinds = self.network.port_kind[port].tolist()
            own_s = [
                self.durations.slew_s(k, x) for k, x in zip(kinds, angle.tolist(), strict=True)
            ]
            slew_s = np.maximum(slew_s, own_s)
        return slew_s

    def _look(self, sky: Sky, links: np.ndarray) -> None:
        for near, far, name in (("a", "b", "port_a"), ("b", "a", "port_b")):
            self.looks_at[links[name]] = self.limits.direction(sky, links[near], links[far])

    def _advance(self, sky: Sky) -> None:
        """Let the time of states run out, as often as it does up to this step."""
        while True:
            due = np.flatnonzero(self.links["until_s"] <= sky.t_s + _NOW_S)
            if not len(due):
                break
            for event in np.unique(self.links["event"][due]):
                some = due[self.links["event"][due] == event]
                self._happen(some, Event(event), self.links["until_s"][some])
        given_up = np.flatnonzero(self.links["state"] == State.IDLE)
        self._release(given_up, sky, self.links["cause"])

    def _happen(self, which: np.ndarray, event: Event, at_s: np.ndarray) -> None:
        """Move links to the state that follows ``event`` at ``at_s``."""
        links = self.links
        links["state"][which] = after(links["state"][which], event)
        kind = self.network.port_kind
        for index, t_s in zip(which.tolist(), at_s.tolist(), strict=True):
            key, a, b, port_a, port_b, state, *_ = links[index].tolist()
            if state == State.UP:
                self.known.add(key)
            ends = int(kind[port_a]), int(kind[port_b])
            lasts_s, ends_by = self.durations.entering(
                State(state), ends, (a, b), t_s, key in self.known
            )
            links["until_s"][index] = t_s + lasts_s
            links["event"][index] = ends_by

    def _light(self, step: int) -> None:
        links = self.links
        dark = (links["state"] == State.UP) & (links["start"] < 0) & (links["earliest"] <= step)
        links["start"][dark] = step
        self.known.update(links["key"][dark].tolist())

    def _status(self, keys: np.ndarray, cause: np.ndarray, admitted: np.ndarray) -> np.ndarray:
        where = self.find(keys)
        linked = where >= 0
        status = np.where(cause > 0, cause, np.uint8(Cause.NO_TERMINAL))
        link = self.links[where[linked]]
        lit = link["start"] >= 0
        status[linked] = np.where(lit, np.uint8(0), self.waits_for(link))
        return status

    def waits_for(self, links: np.ndarray) -> np.ndarray:
        """Return what keeps links dark that have terminals, a Cause each."""
        up = links["state"] == State.UP
        waits = np.where(up, np.uint8(Cause.SWITCHING), CAUSE[links["state"]])
        return np.where(links["cause"] > 0, links["cause"], waits)
