"""The table ``routes`` of a run → what every node's kernel held for every other node, over time.

Announcements tell no metric, so of several routes to one prefix the newest counts, as it does in
the kernel where a daemon puts the better one beside the worse before it takes that away.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np

from emulator.network import Network

CHANGE = np.dtype([("t_s", "<f8"), ("node", "<i4"), ("to", "<i4"), ("bits", "u1"), ("ways", "<u8")])
"""From ``t_s`` on ``node``'s route to node ``to``, by a prefix of ``bits``, goes by the ports whose
offsets among the node's own are the bits set in ``ways``. 0: there is none, or one by no port."""

_HOST_BITS = 128
"""Of a route to a node itself, of either family: no prefix is longer."""


@dataclass(frozen=True)
class Tables:
    """All nodes' routes over time. No routes hold before the first change."""

    nodes: int
    changes: np.ndarray
    """dtype :data:`CHANGE`, by time, and of one moment in the order of the announcements."""
    lost: tuple[tuple[float, str], ...] = ()
    """When a node's announcements came too fast to be heard: what it holds since is not known."""

    @classmethod
    def of(cls, network: Network, rows: Iterable[tuple[Any, ...]]) -> "Tables":
        """Replay ``rows`` (t_s, node, action, destination, ports, protocol) in their order.

        ``action`` is add, replace, delete or lost; ``destination`` a node's name or a prefix;
        ``ports`` the names of the next hops' interfaces, blanks between.
        """
        number = {node.name: node.index for node in network.nodes}
        offset = [{p.name: i for i, p in enumerate(node.ports)} for node in network.nodes]
        covered = _Prefixes(network, number)
        held: dict[tuple[int, str], list[int]] = {}
        changes, lost = [], []
        for t_s, name, action, destination, ports, _ in rows:
            if action == "lost":
                lost.append((t_s, name))
                continue
            node = number[name]
            ways = sum(1 << offset[node][port] for port in ports.split())
            routes = held.setdefault((node, destination), [])
            if action == "replace" and routes:
                routes.pop()
            if action != "delete":
                routes.append(ways)
            else:
                _withdraw(routes, ways)
            now = routes[-1] if routes else 0
            changes += [(t_s, node, to, bits, now) for to, bits in covered[destination]]
        table = np.array(changes, dtype=CHANGE)
        return cls(network.size, table[np.argsort(table["t_s"], kind="stable")], tuple(lost))

    @cached_property
    def moments(self) -> np.ndarray:
        """Times of changes, ascending, each once."""
        return np.unique(self.changes["t_s"])

    def before(self, t_s: float) -> int:
        """Return how many of the changes have happened by ``t_s``, those at ``t_s`` included."""
        return int(np.searchsorted(self.changes["t_s"], t_s, side="right"))

    def empty(self) -> np.ndarray:
        """Return tables without routes, ``(lengths, nodes, destinations)`` of uint64.

        One table for each length of prefixes, the longest first.
        """
        return np.zeros((len(self._bits), self.nodes, self.nodes), dtype=np.uint64)

    def play(self, held: np.ndarray, first: int, last: int) -> np.ndarray:
        """Bring ``held`` from change ``first`` to ``last`` (excluded); return who was their aim."""
        rows = self.changes[first:last]
        held[self._layer[first:last], rows["node"], rows["to"]] = rows["ways"]
        return np.unique(rows["to"])

    def at(self, t_s: float) -> np.ndarray:
        """Return the tables at ``t_s``, changes of that very moment included, as :meth:`empty`."""
        held = self.empty()
        self.play(held, 0, self.before(t_s))
        return held

    def ways(self, node: int, to: int, t_s: float) -> Iterator[int]:
        """Iterate over ``node``'s routes to ``to`` at ``t_s``: ports as bits, longest first."""
        keys, t, ways = self._histories
        for layer in range(len(self._bits)):
            key = self._key(layer, node, to)
            first, last = np.searchsorted(keys, (key, key + 1))
            latest = first + int(np.searchsorted(t[first:last], t_s, side="right")) - 1
            if latest >= first:
                yield int(ways[latest])

    @cached_property
    def _bits(self) -> np.ndarray:
        return np.unique(self.changes["bits"])[::-1]

    @cached_property
    def _layer(self) -> np.ndarray:
        return len(self._bits) - 1 - np.searchsorted(self._bits[::-1], self.changes["bits"])

    def _key(self, layer: Any, node: Any, to: Any) -> Any:
        return (layer * self.nodes + node) * self.nodes + to

    @cached_property
    def _histories(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keys, times and ways of all changes, by key and then time."""
        changes = self.changes
        keys = self._key(self._layer, changes["node"].astype(np.int64), changes["to"])
        order = np.argsort(keys, kind="stable")
        return keys[order], changes["t_s"][order], changes["ways"][order]


class _Prefixes(dict[str, list[tuple[int, int]]]):
    """(node, length of the prefix) of all nodes that a destination covers."""

    def __init__(self, network: Network, number: dict[str, int]) -> None:
        super().__init__({name: [(index, _HOST_BITS)] for name, index in number.items()})
        self._network = network

    def __missing__(self, destination: str) -> list[tuple[int, int]]:
        prefix = ip_network(destination)
        self[destination] = [
            (node.index, prefix.prefixlen)
            for node in self._network.nodes
            if ip_address(node.address(prefix.version)) in prefix
        ]
        return self[destination]


def _withdraw(routes: list[int], ways: int) -> None:
    """Take the newest route by just these ``ways`` out, or else these out of one that has more."""
    newest = range(len(routes) - 1, -1, -1)
    if ways in routes:
        del routes[next(i for i in newest if routes[i] == ways)]
    elif wider := [i for i in newest if ways and routes[i] & ways == ways]:
        routes[wider[0]] &= ~ways
