"""A routing protocol of the user's own: one class, whose ``main`` runs in every node.

What ``main`` is given is a :class:`Speaker`: a socket at every port, and the node's routes. A
protocol that is a program says its command line by ``argv`` instead. See README.md beside this.
"""

import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emulator.linkplan import LinkPlan
from protocols.base import Counted, Footprint, Programless
from protocols.daemons import Daemons

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

UDP_PORT = 1966
_TO_NEIGHBOUR = ("255.255.255.255", UDP_PORT)
"""Limited broadcast needs no route and goes no further than the link."""
_MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Doorway:
    """A port of a node, as a protocol sees it."""

    number: int
    """Counted from 0 within the node."""
    name: str
    cost: int
    """``isl_cost`` or ``gsl_cost`` of the scenario."""
    socket: socket.socket
    """UDP, bound to this port: what is sent leaves here, what is received came in here."""


Routes = Mapping[str, tuple[Doorway, str]]
"""By which port, and which neighbour at its other end, to go to an address."""


class Speaker:
    """What a protocol sees of the node that it runs in, and may do there."""

    def __init__(self, plan: LinkPlan, handle: "NodeHandle") -> None:
        self.name = handle.name
        self.address = handle.node.ipv4
        """The node's loopback address, which all its ports borrow."""
        self.routing = plan.scenario.routing
        """The scenario's [routing]: hello_s, dead_s and so on."""
        self.folder = handle.state_dir
        """For files; what is named NAME.log is kept with the run."""
        self.ports = [
            Doorway(number, port.name, self.routing.cost(port.kind), self._socket(port.name))
            for number, port in enumerate(handle.node.ports)
        ]
        self._handle = handle
        self._number = {node.ipv4: node.index for node in plan.network.nodes}
        self._set: dict[str, tuple[Doorway, str]] = {}

    @staticmethod
    def _socket(device: str) -> socket.socket:
        found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        found.bind(("", UDP_PORT))
        return found

    def lit(self) -> list[Doorway]:
        """Return the ports that have light, as far as the node's kernel knows."""
        ready, first = self._handle.ready_ports(), self._handle.node.ports
        return [port for port in self.ports if first[port.number].index in ready]

    def send(self, port: Doorway, message: bytes) -> bool:
        """Send ``message`` to whoever is at the other end of ``port``; False where it could not."""
        try:
            port.socket.sendto(message, _TO_NEIGHBOUR)
        except OSError:  # its light has just gone
            return False
        return True

    def heard(self, seconds: float) -> Iterator[tuple[Doorway, str, bytes]]:
        """Yield the port, the neighbour's address and the message, of all that comes until then."""
        end = time.monotonic() + seconds
        waiting = {port.socket: port for port in self.ports}
        while (rest_s := end - time.monotonic()) > 0:
            for ready in select.select(list(waiting), [], [], rest_s)[0]:
                message, (address, _) = ready.recvfrom(_MOST_BYTES)
                yield waiting[ready], address, message

    def set_routes(self, routes: Routes) -> None:
        """Make ``routes`` the node's routes: the kernel is told of what has changed."""
        new = [(to, *way) for to, way in routes.items() if self._set.get(to) != way]
        old = [self._number[to] for to in self._set if to not in routes]
        if new:
            to, ports, via = zip(*new, strict=True)
            self._handle.write_routes(
                np.array([self._number[each] for each in to]),
                np.array([self._number[each] for each in via]),
                np.array([port.number for port in ports]),
            )
        if old:
            self._handle.remove_routes(np.array(old))
        self._set = dict(routes)


class OwnDaemon(Programless, Daemons):
    """Base of a user's own protocol: override ``main``, or ``argv``, and name it in errors."""

    protocol = "the protocol"
    speaker = "main"
    footprint = Footprint(processes=1, node_mb=24.0)
    counted = Counted(udp=(UDP_PORT,))
    """By what its packets are known, so that they count as control traffic and not as data."""

    def main(self, node: Speaker) -> None:
        """Speak the protocol in ``node``, for ever. Runs in a process of the node's own.

        What it prints, and what it dies of, stands in the node's folder in main.out.
        """
        raise NotImplementedError("a protocol of your own overrides main or argv")

    def argv(self, handle: "NodeHandle") -> Sequence[str]:
        """Return the command line of a program to run in the node instead, () for ``main``.

        Its configuration may be written into ``handle.state_dir`` here.
        """
        return ()

    def start(self) -> None:
        """Start all at once."""
        for name, handle in self.nodes.items():
            handle.state_dir.mkdir(parents=True, exist_ok=True)
            if argv := self.argv(handle):
                self.spawn(name, self.speaker, argv)
            else:
                log = handle.state_dir / f"{self.speaker}.out"
                self.daemons[name, self.speaker] = handle.fork(self._speak, log)

    def _speak(self, handle: "NodeHandle") -> None:
        self.main(Speaker(self.plan, handle))
