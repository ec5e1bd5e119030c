"""One satellite or station as a network namespace, configured in process.

A protocol or workload reaches the kernel only through the :class:`NodeHandle` it is given.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from emulator.errors import KernelError
from emulator.kernel import build, namespaces, route_messages, segments
from emulator.kernel.forked import Forked
from emulator.kernel.messages import dump_links, read_ready
from emulator.kernel.netlink import NetlinkSocket
from emulator.kernel.parentage import DEFAULT_SLACK_NS, set_timer_slack, timer_slack
from emulator.kernel.route_messages import dump_routes, read_host_route, read_route, route_to
from emulator.network import Family, Node, ipv4_words

PORT_IFINDEX = 10
"""Interface index of a node's first port inside its namespace; the others follow."""
_LOOPBACK_IFINDEX = 1

_LISTS_AT_ONCE, _REFILL_S = 64, 1e-4
"""The kernel takes a part of each list from a small reserve, which a worker of its own refills."""

OWNED_PATHS = "owned-paths"
"""File of a run's state folder that lists, a line each, what else on disk is the run's."""

_SYSCTLS = {
    "ipv4/ip_forward": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    # While routes change, what a node has sent may come back through it on its new way.
    "ipv4/conf/all/accept_local": 1,
    "ipv4/conf/all/ignore_routes_with_linkdown": 1,
    "ipv4/conf/default/ignore_routes_with_linkdown": 1,
    "ipv4/conf/all/accept_redirects": 0,
    "ipv4/conf/default/accept_redirects": 0,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/default/send_redirects": 0,
    "ipv4/fib_multipath_hash_policy": 1,
    # A paced sender shall keep to its line rate and else send as acknowledgements come: by itself
    # Linux spreads each window of slow start over half a round trip and more.
    "ipv4/tcp_pacing_ss_ratio": 1000,
    "ipv6/conf/all/forwarding": 1,
    "ipv6/conf/default/forwarding": 1,
    "ipv6/conf/default/addr_gen_mode": 1,
    "ipv6/conf/default/accept_dad": 0,
    "ipv6/conf/default/keep_addr_on_down": 1,
    "ipv6/conf/all/ignore_routes_with_linkdown": 1,
    "ipv6/conf/default/ignore_routes_with_linkdown": 1,
    "ipv6/fib_multipath_hash_policy": 1,
}


def write_sysctls(values: Mapping[str, int | str]) -> None:
    """Write below /proc/sys/net of the calling thread's namespace, as far as the kernel has it."""
    for path, value in values.items():
        target = Path("/proc/sys/net", path)
        if target.exists():
            target.write_text(str(value))


class NodeHandle:
    """A node of a running emulation: its facts, and the few things one may do inside it."""

    def __init__(self, node: Node, namespace: str, state_dir: Path) -> None:
        self.node = node
        self.namespace = namespace
        self.state_dir = state_dir
        """A folder of this node's own for configurations and logs; removed with the run."""
        self._netlink: NetlinkSocket | None = None

    @property
    def name(self) -> str:
        """Name of the satellite or station."""
        return self.node.name

    def create(self, buffers: Mapping[str, str]) -> None:
        """Create the namespace and set its sysctls, before any port arrives in it.

        ``buffers``: those that depend on the scenario's links (sizing.py).
        """
        namespaces.create(self.namespace)
        with namespaces.entered(self.namespace):
            write_sysctls({**_SYSCTLS, **buffers})
            self._netlink = NetlinkSocket()

    def configure(self) -> None:
        """Give the node its addresses: one a family, on the loopback and borrowed by every port."""
        node = self.node
        ports = range(PORT_IFINDEX, PORT_IFINDEX + len(node.ports))
        batch = [build.link_up(ifindex) for ifindex in (_LOOPBACK_IFINDEX, *ports)]
        for ifindex in (_LOOPBACK_IFINDEX, *ports):
            batch.append(build.address(ifindex, node.ipv4, 32))
        if Path("/proc/sys/net/ipv6").exists():
            batch.append(build.address(_LOOPBACK_IFINDEX, node.ipv6, 128))
            batch += [build.address(ifindex, node.link_local, 64) for ifindex in ports]
        self.netlink.send(batch, lambda i: f"configure {self.name} (message {i})")

    @property
    def netlink(self) -> NetlinkSocket:
        """The node's own rtnetlink socket, opened once and kept."""
        if self._netlink is None:
            with self.entered():
                self._netlink = NetlinkSocket()
        return self._netlink

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Move the calling thread into the node for the length of a ``with`` block."""
        with namespaces.entered(self.namespace):
            yield

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Return a socket that lives in this node, whoever holds it."""
        with self.entered():
            return socket.socket(family, kind, protocol)

    def spawn(
        self, argv: Sequence[str], log: Path, timer_slack_ns: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process in the node, in a session of its own, output appended to ``log``.

        ``timer_slack_ns`` is how late its timers may be. Above the default, a process that polls
        in vain until a timer is due is put to sleep for as long in virtual time.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        ours = timer_slack()
        with self.entered(), log.open("ab") as output:
            set_timer_slack(
                timer_slack_ns or DEFAULT_SLACK_NS
            )  # inherited; a preexec_fn would cost a copying fork
            try:
                return subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"},
                )
            finally:
                set_timer_slack(ours)

    def fork(self, work: Callable[["NodeHandle"], None], log: Path) -> Forked:
        """Run ``work(handle)`` in the node in a process of its own, output appended to ``log``.

        The handle it is given is this node's, with a netlink socket of its own.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        ours = timer_slack()
        with self.entered():
            set_timer_slack(DEFAULT_SLACK_NS)
            try:
                mine = NodeHandle(self.node, self.namespace, self.state_dir)
                return Forked(lambda: work(mine), log)
            finally:
                set_timer_slack(ours)

    def anew(self, node: Node) -> "NodeHandle":
        """Return a handle of another node of the run, for a process of its own.

        Whoever is forked shares the netlink sockets of the handles that it was given, and with them
        the answers that come; this one opens its own.
        """
        prefix = self.namespace.removesuffix(self.name)
        return NodeHandle(node, f"{prefix}{node.name}", self.state_dir.parent / node.name)

    def own(self, path: Path) -> None:
        """Have ``path``, which a daemon will leave elsewhere, removed however the run ends."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with (self.state_dir.parent / OWNED_PATHS).open("a") as owned:
            print(path, file=owned)

    def write_routes(self, to: np.ndarray, via: np.ndarray, offset: np.ndarray) -> None:
        """Set this node's host routes to nodes ``to`` by neighbours ``via``, all by index.

        ``offset`` says by which of this node's ports. A port that goes dark keeps its routes; the
        kernel passes over them.
        """
        oif, source = PORT_IFINDEX + np.asarray(offset), ipv4_words(self.node.index)
        rows = route_messages.host_routes(ipv4_words(to), ipv4_words(via), oif, source)
        self.netlink.send(rows, lambda i: f"set the route of {self.name} to node {to[i]}")

    def remove_routes(self, to: np.ndarray) -> None:
        """Remove host routes that :meth:`write_routes` has set."""
        rows = route_messages.no_host_routes(ipv4_words(to))
        self.netlink.send(rows, lambda i: f"remove the route of {self.name} to node {to[i]}")

    def serve_segments(self) -> None:
        """Serve this node's own segments (segments.py), for lists that others impose."""
        with self.entered():  # routes by a port that goes dark, and lead nowhere: they shall stay
            write_sysctls({f"ipv6/conf/{self.node.ports[0].name}/ignore_routes_with_linkdown": 0})
        rows = segments.own_segments(self.node.index, PORT_IFINDEX)
        self.netlink.send(rows, lambda i: f"make {self.name} serve its segment {i + 1}")

    def write_locators(self, to: np.ndarray, offset: np.ndarray) -> None:
        """Set this node's routes to the segments of nodes ``to`` by its ports ``offset``."""
        rows = segments.locators(to, PORT_IFINDEX + np.asarray(offset))
        self.netlink.send(rows, lambda i: f"set the route of {self.name} to segments of {to[i]}")

    def remove_locators(self, to: np.ndarray) -> None:
        """Remove routes that :meth:`write_locators` has set."""
        rows = segments.no_locators(to)
        self.netlink.send(rows, lambda i: f"remove the route of {self.name} to segments of {to[i]}")

    def write_lists(self, to: np.ndarray, waypoint: np.ndarray, offset: np.ndarray) -> None:
        """Send packets for nodes ``to`` by segment lists: each a waypoint (-1: none) and ``to``.

        ``offset`` says by which port the first leg leaves. :meth:`remove_routes` undoes it.
        """
        source = ipv4_words(self.node.index)
        for kind in (np.flatnonzero(waypoint < 0), np.flatnonzero(waypoint >= 0)):
            for first in range(0, len(kind), _LISTS_AT_ONCE):
                which = kind[first : first + _LISTS_AT_ONCE]
                there = to[which]
                ways = [segments.sids(there, segments.END_DX4)]
                if waypoint[which[0]] >= 0:
                    ways.insert(0, segments.sids(waypoint[which], segments.END))
                oif = PORT_IFINDEX + offset[which]
                lists = np.stack(ways, axis=1)
                rows = segments.headend_routes(ipv4_words(there), lists, oif, source)
                self.netlink.send(
                    rows, lambda i, there=there: f"set the list of {self.name} to node {there[i]}"
                )
                time.sleep(_REFILL_S)

    def next_port(self, to: str) -> int | None:
        """Index of the port by which this node's kernel would send to an address; None: none."""
        try:
            body = self.netlink.get(route_to(to), f"look up {self.name}'s route to {to}")
        except KernelError:
            return None
        ifindex, _ = read_route(body)
        offset = ifindex - PORT_IFINDEX
        return self.node.ports[offset].index if 0 <= offset < len(self.node.ports) else None

    def ready_ports(self) -> set[int]:
        """Indices of this node's ports that its kernel knows to have light."""
        links = (read_ready(body) for _, body in self.netlink.dump(dump_links()))
        passing = {ifindex - PORT_IFINDEX for ifindex, ready in links if ready}
        return {p.index for offset, p in enumerate(self.node.ports) if offset in passing}

    def routes(self, family: Family = 4) -> dict[str, frozenset[int]]:
        """Host routes of the node's main table, whoever wrote them, with offsets of their ports."""
        found = (read_host_route(body) for _, body in self.netlink.dump(dump_routes(family)))
        return {
            destination: frozenset(ifindex - PORT_IFINDEX for ifindex in interfaces)
            for destination, interfaces in filter(None, found)
        }

    def close(self) -> None:
        """Close what this handle holds open; the namespace itself is the fabric's to delete."""
        if self._netlink:
            self._netlink.close()
            self._netlink = None
