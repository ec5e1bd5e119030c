"""LinkPlan → Fabric: one namespace that plays the vacuum, and one socket that retunes it.

Every port is a veth pair: one end in its node, the other (``pN``) here. What a port sends is
redirected by tc to the egress of its peer's ``pN``, whose netem is the channel between them:

    node A: isl0 ── pA ┐                                        ┌ pB ── isl0 :node B
                       ├─ ingress of pA: mirred action number A ┤
                       └─ egress of pB: netem = channel A → B ──┘

A handover aims action A at another port. A dark port is aimed at ``void0``; where the scenario
says that losing light drops the carrier, its ``pN`` goes down as well.
"""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emulator.kernel import build, messages, namespaces
from emulator.kernel.counters import Counters
from emulator.kernel.netlink import NetlinkSocket
from emulator.kernel.node import PORT_IFINDEX, NodeHandle, write_sysctls
from emulator.linkplan import PORT_STATE, moved
from emulator.network import Network
from emulator.sizing import tcp_sysctls

if TYPE_CHECKING:
    from protocols.base import Counted

_VOID, _VOID_END = 900, 901
_FIRST_PORT = 1000
"""Interface index of port 0's fabric end; port n has _FIRST_PORT + n. Action indices are n + 1."""

_RETUNED = [name for name in PORT_STATE.names if name != "peer"]


def _netem_differs(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.any([before[f] != after[f] for f in _RETUNED], axis=0))


class Fabric:
    """The patch panel of the sky. ``silent``: losing light is not to be noticed by carrier."""

    def __init__(self, network: Network, namespace: str, state_dir: Path, silent: bool) -> None:
        self.network = network
        self.namespace = namespace
        self.silent = silent
        self.nodes = {
            node.name: NodeHandle(node, f"{namespace}-{node.name}", state_dir / node.name)
            for node in network.nodes
        }
        ports = np.arange(len(network.ports))
        self.state = np.zeros(len(ports), dtype=PORT_STATE)
        self._noticed = 0
        """How many nodes, in their order, have noticed their light since the last change."""
        self._netem = messages.netem(_FIRST_PORT + ports)
        self._aim = messages.mirred(ports + 1)
        self._aim["target_ifindex"] = _VOID
        self._down = messages.link_flags(_FIRST_PORT + ports, up=False)
        self._up = messages.link_flags(_FIRST_PORT + ports, up=True)
        self._socket: NetlinkSocket | None = None

    def build(self, dark: np.ndarray) -> float:
        """Create all namespaces, ports and channels in state ``dark``; return the seconds it took.

        Raises KernelError naming what was refused. Call :meth:`close` whatever happens.
        """
        began = time.monotonic()
        namespaces.prepare()
        namespaces.create(self.namespace)
        with namespaces.entered(self.namespace):
            write_sysctls({f"ipv6/conf/{scope}/disable_ipv6": 1 for scope in ("all", "default")})
            self._socket = NetlinkSocket()
        buffers = tcp_sysctls(self.network)
        for handle in self.nodes.values():
            handle.create(buffers)
        self._create_ports(self._socket)
        for handle in self.nodes.values():
            handle.configure()
        self.state = dark.copy()
        self._send(self._netem, np.arange(len(dark)), dark, "give {} its channel")
        if self.silent:
            self._send_rows(self._up, "raise {}")
        return time.monotonic() - began

    def _create_ports(self, socket: NetlinkSocket) -> None:
        ports = self.network.ports
        batch = build.void_pair("void0", _VOID, "void1", _VOID_END)
        labels = ["void0"] * len(batch) + [self.network.port_label(p.index) for p in ports]
        opened: dict[int, int] = {}
        try:
            for port in ports:
                node = self.network.nodes[port.node]
                if port.node not in opened:
                    path = namespaces.NETNS_DIR / self.nodes[node.name].namespace
                    opened[port.node] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                offset = PORT_IFINDEX + port.index - node.ports[0].index
                index = _FIRST_PORT + port.index
                name = f"p{port.index}"
                batch.append(build.port_pair(name, index, port.name, offset, opened[port.node]))
            socket.send(batch, lambda i: f"create port {labels[i]}")
        finally:
            for descriptor in opened.values():
                os.close(descriptor)
        self._send_rows(self._aim, "aim {} at nothing")
        hooks = [messages.clsact(_FIRST_PORT + port.index) for port in ports]
        socket.send(hooks, lambda i: f"give {self.network.port_label(i)} an ingress hook")
        filters = [messages.redirect_all(_FIRST_PORT + p.index, p.index + 1) for p in ports]
        socket.send(filters, lambda i: f"redirect {self.network.port_label(i)}")

    def apply(self, state: np.ndarray, silent: bool = False) -> int:
        """Make the kernel hold ``state`` and return how many ports changed. Sends only what moved.

        ``silent``: leave all carriers as they are; whoever does so sees to it that they are right
        again when ``state`` is one that lasts. Order: light goes out, channels are tuned, terminals
        are aimed, light comes on. So no packet ever crosses a channel that is not the plan's.
        """
        before, self.state = self.state, state.copy()
        self._noticed = 0
        repatched = before["peer"] != state["peer"]
        lit, was_lit = state["peer"] >= 0, before["peer"] >= 0
        silent = silent or self.silent
        if not silent:
            self._send_rows(self._down[repatched & was_lit], "take the light from {}")
        self._send(self._netem, _netem_differs(before, state), state, "retune {}")
        aimed = np.flatnonzero(repatched)
        self._aim["target_ifindex"][aimed] = np.where(
            lit[aimed], _FIRST_PORT + state["peer"][aimed], _VOID
        )
        self._send_rows(self._aim[aimed], "aim {}")
        if not silent:
            self._send_rows(self._up[repatched & lit], "give light to {}")
        return len(moved(before, state))

    def observe(self) -> np.ndarray:
        """Read back what the kernel holds, as PORT_STATE rows: two dumps, and one for carriers.

        A port counts as joined to a peer when its light is aimed there and, unless losses are
        silent, its fabric end is up.
        """
        socket = self._open()
        held = np.zeros(len(self.network.ports), dtype=PORT_STATE)
        held["peer"] = -1
        for _, body in socket.dump(messages.dump_qdiscs()):
            read = messages.read_netem(body)
            if read:
                ifindex, channel = read
                for field, value in channel.items():
                    held[field][ifindex - _FIRST_PORT] = value
        for _, body in socket.dump(messages.dump_actions("mirred")):
            for index, target in messages.read_mirred(body):
                held["peer"][index - 1] = target - _FIRST_PORT if target != _VOID else -1
        if not self.silent:
            flags = dict(messages.read_link(body) for _, body in socket.dump(messages.dump_links()))
            for port in range(len(held)):
                if not flags.get(_FIRST_PORT + port, 0) & messages.IFF_UP:
                    held["peer"][port] = -1
        return held

    def counters(self, own: "Counted | None" = None) -> Counters:
        """Begin to count what every port sends, by protocol. Raises KernelError.

        ``own``: what a protocol of the user's own declares its own.
        """
        counters = Counters(self._open(), _FIRST_PORT, len(self.network.ports), own)
        counters.install(self.network.port_label)
        return counters

    def noticed(self) -> bool:
        """Whether both ends of every port that has light now have noticed it.

        The kernel works off carrier changes a hundred at a time and about once a second; until
        then no route may use a port's one end, and its other drops what it is to send.
        """
        lit = self.state["peer"] >= 0
        handles = list(self.nodes.values())
        while self._noticed < len(handles):
            handle = handles[self._noticed]
            passing = handle.ready_ports()
            if any(lit[port.index] and port.index not in passing for port in handle.node.ports):
                return False
            self._noticed += 1
        ready = dict(messages.read_ready(b) for _, b in self._open().dump(messages.dump_links()))
        return all(ready[_FIRST_PORT + port] for port in np.flatnonzero(lit).tolist())

    def _open(self) -> NetlinkSocket:
        if self._socket is None:
            with namespaces.entered(self.namespace):
                self._socket = NetlinkSocket()
        return self._socket

    def _send(self, rows: np.ndarray, which: np.ndarray, state: np.ndarray, attempt: str) -> None:
        chosen = rows[which]
        messages.tune(chosen, state[which])
        self._send_rows(chosen, attempt)

    def _send_rows(self, rows: np.ndarray, attempt: str) -> None:
        def describe(row: int) -> str:
            kernel_index = "index" if "index" in rows.dtype.names else "ifindex"
            port = int(rows[kernel_index][row]) - (1 if kernel_index == "index" else _FIRST_PORT)
            return attempt.format(self.network.port_label(port))

        self._open().send(rows, describe)

    def close(self) -> None:
        """Close sockets and delete every namespace of this fabric, as far as they exist."""
        if self._socket:
            self._socket.close()
            self._socket = None
        for handle in self.nodes.values():
            handle.close()
            namespaces.delete(handle.namespace)
        namespaces.delete(self.namespace)
