"""Wanted → Panel: which terminal points at which, from step to step.

The patch panel of one medium. A link lights up when its pointing (``pointing.NEXT``) says so; a
terminal that changes peers stays dark for a step at least, so that daemons see the light go.
"""

import numpy as np

from emulator.acquiring import Durations
from emulator.assigning import Assigner
from emulator.causes import IS_PASSING, Cause
from emulator.lasers import Wanted, pair_key
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
_COASTS = np.isin(np.arange(len(State)), (State.UP, State.COAST, State.REACQUIRE))
_SHINES = np.isin(np.arange(len(State)), (State.UP, State.REACQUIRE))


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
        self.assigner = Assigner(limits, spare)
        ports = len(network.port_node)
        self.free = np.ones(ports, dtype=bool)
        self.dark_since = np.full(ports, -1)
        """The step at which each terminal last lost its light, -1: it never had any."""
        self.looks_at = np.zeros((ports, 3))
        """Where each terminal looked last, in its node's frame; 0: it has not looked yet."""
        self.links = np.empty(0, dtype=LINK)
        self.known: set[int] = set()
        self.found: list[np.ndarray] = []

    @property
    def held(self) -> np.ndarray:
        """Rows ``(a, b, port a, port b)`` of all links, lit or not."""
        each = self.links
        return np.column_stack([each["a"], each["b"], each["port_a"], each["port_b"]])

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return where in ``links`` each pair is, -1 where it is not."""
        if not len(self.links):
            return np.full(len(keys), -1)
        where = np.minimum(np.searchsorted(self.links["key"], keys), len(self.links) - 1)
        return np.where(self.links["key"][where] == keys, where, -1)

    def elapse(self, sky: Sky) -> None:
        """Let pass the time before this step: what was to happen by then has happened."""
        self._advance(sky, sky.t_s - _NOW_S)

    def point(self, sky: Sky, wanted: Wanted) -> np.ndarray:
        """Turn terminals to what is ``wanted``; return each row's Cause, 0 where it is lit."""
        rows, cause = wanted.rows, wanted.cause
        keys = pair_key(rows[:, 0], rows[:, 1])
        where = self.find(keys)
        if self._settled(cause, where):
            return cause
        state = np.full(len(keys), State.IDLE)
        state[where >= 0] = self.links["state"][where[where >= 0]]
        # Whoever had light points on for a while where only something in between has come.
        coasting = IS_PASSING[cause] & _COASTS[state]
        lit = self.links["start"] >= 0
        admitted, ports = self.assigner.admit(
            sky, rows, (cause == 0) | coasting, self.held, lit, self._waits
        )
        self._drop(sky, cause, admitted, where)
        self._block(sky, keys[admitted], cause[admitted])
        self._join(sky, rows[admitted], keys[admitted], ports[admitted])
        self._advance(sky, sky.t_s + _NOW_S)
        self._light(sky.step)
        return self._status(keys, cause)

    def _settled(self, cause: np.ndarray, where: np.ndarray) -> bool:
        """Whether all who may be linked are, have light, and nobody else is: most steps."""
        linked = where >= 0
        lit = self.links["start"] >= 0
        named = np.zeros_like(lit)
        named[where[linked]] = True
        return bool((named & lit).all() and (linked == (cause == 0)).all())

    def finish(self, steps: int) -> np.ndarray:
        """End what is still linked and return the contacts, dtype :data:`CONTACT`."""
        self._end(np.arange(len(self.links)), steps, np.full(len(self.links), Cause.END))
        return np.concatenate([np.empty(0, dtype=CONTACT), *self.found])

    def _drop(self, sky: Sky, cause: np.ndarray, admitted: np.ndarray, where: np.ndarray) -> None:
        """Give up all links that are not admitted, for the cause that their row has.

        That of its first row, if several patterns name a pair. Those that have no row are out of
        reach: the ground segment's, below the mask.
        """
        if not len(self.links):
            return
        keep = np.zeros(len(self.links), dtype=bool)
        keep[where[admitted & (where >= 0)]] = True
        why = np.full(len(self.links), Cause.BELOW_MASK, dtype=np.uint8)
        rows = np.flatnonzero(where >= 0)[::-1]
        why[where[rows]] = np.where(cause[rows] > 0, cause[rows], Cause.NOT_CHOSEN)
        self._release(np.flatnonzero(~keep), sky, why)

    def _release(self, which: np.ndarray, sky: Sky, why: np.ndarray) -> None:
        if not len(which):
            return
        self._end(which, sky.step, why[which])
        self._look(sky, self.links[which])
        for name in ("port_a", "port_b"):
            self.free[self.links[name][which]] = True
        self.links = np.delete(self.links, which)

    def _end(self, which: np.ndarray, step: int, why: np.ndarray) -> None:
        """Write down the contacts of links that go dark."""
        lit = self.links["start"][which] >= 0
        which, why = which[lit], why[lit]
        if not len(which):
            return
        ended = np.empty(len(which), dtype=CONTACT)
        ended["a"], ended["b"] = self.links["port_a"][which], self.links["port_b"][which]
        ended["start"], ended["end"], ended["ended"] = self.links["start"][which], step, why
        self.found.append(ended)
        self.dark_since[ended["a"]] = self.dark_since[ended["b"]] = step
        self.links["start"][which] = -1

    def _block(self, sky: Sky, keys: np.ndarray, cause: np.ndarray) -> None:
        """Tell links what has come in between, or gone."""
        where = self.find(keys)
        linked = where >= 0
        where, cause = where[linked], cause[linked]
        blocked = where[(cause > 0) & _SHINES[self.links["state"][where]]]
        self.links["cause"][where] = cause
        if len(blocked):
            self._end(blocked, sky.step, self.links["cause"][blocked])
            self.links["earliest"][blocked] = sky.step + 1
            self._happen(blocked, Event.BLOCKED, np.full(len(blocked), sky.t_s))
        clear = where[(cause == 0) & (self.links["state"][where] == State.COAST)]
        if len(clear):
            self._happen(clear, Event.CLEAR, np.full(len(clear), sky.t_s))

    def _join(self, sky: Sky, rows: np.ndarray, keys: np.ndarray, ports: np.ndarray) -> None:
        """Assign terminals to pairs that have none yet: their ``ports`` if these are free."""
        new = np.flatnonzero(self.find(keys) < 0)
        if not len(new):
            return
        waits = self._waits(sky.step)
        added = np.zeros(len(new), dtype=LINK)
        added["key"], added["a"], added["b"] = keys[new], rows[new, 0], rows[new, 1]
        added["port_a"], added["port_b"] = self._take(rows[new, :2], ports[new], waits).T
        added["start"] = -1
        if sky.step == 0:
            added["state"], added["until_s"] = State.UP, np.inf
        else:
            added["earliest"] = sky.step + np.maximum(
                waits[added["port_a"]], waits[added["port_b"]]
            )
            added["state"] = after(np.full(len(new), State.IDLE), Event.ASSIGNED)
            added["until_s"] = sky.t_s + self._slew_s(sky, added)
            added["event"] = Event.DONE
        self._look(sky, added)
        self.links = np.concatenate((self.links, added))
        self.links = self.links[np.argsort(self.links["key"], kind="stable")]

    def _take(self, nodes: np.ndarray, ports: np.ndarray, waits: np.ndarray) -> np.ndarray:
        """Occupy a port at each end, ``(n, 2)``: the one given, or any where that is not free."""
        if (ports >= 0).all() and self.free[ports].all() and np.bincount(ports.ravel()).max() < 2:
            self.free[ports] = False
            return ports
        taken = []
        for node, port in zip(nodes.ravel().tolist(), ports.ravel().tolist(), strict=True):
            usable = port >= 0 and self.free[port]
            taken.append(port if usable else self._any_free(node, waits))
            self.free[taken[-1]] = False
        return np.array(taken).reshape(ports.shape)

    def _any_free(self, node: int, waits: np.ndarray) -> int:
        """A free port of a node; of several the one that may shine first."""
        first, count = int(self.limits.first[node]), int(self.limits.count[node])
        free = first + np.flatnonzero(self.free[first : first + count])
        return int(free[np.argmin(waits[free])])

    def _waits(self, step: int) -> np.ndarray:
        """For how many steps each terminal would stay dark if it turned to another peer now."""
        since = self.dark_since
        waits = np.where(since < 0, 0, np.maximum(since + self.dark_steps - step, 0))
        lit = self.links[self.links["start"] >= 0]
        waits[lit["port_a"]] = waits[lit["port_b"]] = self.dark_steps
        return waits

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

    def _advance(self, sky: Sky, now_s: float) -> None:
        """Let the time of states run out, as often as it does up to now."""
        while True:
            due = np.flatnonzero(self.links["until_s"] <= now_s)
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

    def _status(self, keys: np.ndarray, cause: np.ndarray) -> np.ndarray:
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
