"""By which contact a bundle leaves: earliest arrival over the contacts that remain. Pure.

After Schedule-Aware Bundle Routing (CCSDS 734.3-B-1), on the search of emulator.cgr. Volume and
queue: what a node has sent by a contact, or means to send, keeps it for so long, so for the next
bundle the contact begins when the last one has left; where not enough of it remains, it is passed
over. Each node knows of its own bundles only. Bundles leave by a contact in the order in which they
were given to it.

A contact that turns out to be dead is passed over for a while, and all that waits is routed anew:
by then another contact may be the better one.
"""

import numpy as np

from emulator.cgr import Route, find_route, hops_of, passage_s
from emulator.contactplan import ContactPlan
from emulator.linkplan import LinkPlan
from emulator.units import FRAME_BYTES, SEGMENT_BYTES

_OVERHEAD_BYTES = 256
"""What carries a bundle besides its payload: its own blocks and those of a convergence layer."""


def contacts_of(plan: LinkPlan) -> tuple[np.ndarray, np.ndarray]:
    """Return the contacts of a plan, both ways, and the port by which each leaves.

    dtype HOP of emulator.cgr, rates being those of TCP's payload in full frames at the contact's
    mean rate; ports by index.
    """
    hops, contacts = hops_of(plan), ContactPlan.of(plan).contacts
    there, back = (
        [getattr(c, name) for c in contacts] for name in ("rate_mean_bps", "return_mean_bps")
    )
    hops["rate_bps"] = np.array(there + back, dtype=float) * SEGMENT_BYTES / FRAME_BYTES
    return hops, np.concatenate([plan.contacts[end] for end in ("a", "b")])


class Forwarder:
    """What one node knows of the contacts and has booked on them."""

    def __init__(self, hops: np.ndarray, node: int) -> None:
        """``hops``: dtype HOP; ``node``: the index of this one."""
        self.node = node
        self._plan = hops
        self._free = hops.copy()
        self._dead_until_s: dict[int, float] = {}

    def own(self) -> list[int]:
        """Return the contacts by which this node can send, by index, in order of start."""
        mine = np.flatnonzero(self._plan["tail"] == self.node)
        return mine[np.argsort(self._plan["start_s"][mine], kind="stable")].tolist()

    def sending_s(self, contact: int, size_bytes: int) -> float:
        """Return how long a bundle of a size takes to leave by a contact."""
        return 8 * (size_bytes + _OVERHEAD_BYTES) / float(self._plan["rate_bps"][contact])

    def clear(self, now_s: float) -> None:
        """Forget all that is booked."""
        left = self._plan["end_s"] > now_s
        self._free = self._plan.copy()
        self._free["end_s"][~left] = -np.inf
        for contact, until_s in self._dead_until_s.items():
            self._free["start_s"][contact] = max(until_s, float(self._plan["start_s"][contact]))

    def avoid(self, contact: int, until_s: float) -> None:
        """Pass a contact over until then; takes effect with the next :meth:`clear`."""
        self._dead_until_s[contact] = until_s

    def route(
        self, destination: int, size_bytes: int, now_s: float, sender: int | None = None
    ) -> Route | None:
        """Return the route by which a bundle arrives first, and book it; None: there is none.

        A bundle does not go back to its ``sender``, who knew of contacts no less, as long as there
        is another way: else two nodes of which one knows that a contact is dead would play ball.
        """
        size_bytes += _OVERHEAD_BYTES
        found = None
        if sender is not None:
            onward = self._free.copy()
            back = (onward["tail"] == self.node) & (onward["head"] == sender)
            onward["end_s"][back] = -np.inf
            found = find_route(onward, self.node, destination, now_s, size_bytes)
        if found is None:
            found = find_route(self._free, self.node, destination, now_s, size_bytes)
        if found is not None:
            self._book(found.hops, size_bytes, now_s)
        return found

    def book(self, contact: int, size_bytes: int, now_s: float) -> None:
        """Book a bundle that is leaving by a contact."""
        self._book((contact,), size_bytes + _OVERHEAD_BYTES, now_s)

    def _book(self, contacts: tuple[int, ...], size_bytes: int, now_s: float) -> None:
        for contact in contacts:
            free = self._free[contact : contact + 1]
            there_s = float(passage_s(free, now_s, size_bytes)[0])
            if not np.isfinite(there_s):  # of one that is leaving, and late
                return
            self._free["start_s"][contact] = there_s - float(free["delay_s"][0])
            now_s = there_s
