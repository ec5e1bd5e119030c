"""A bundle node: takes bundles in, keeps them on disk, and sends each on by the contact plan.

One process a node. For each contact by which the node can send there is an outbox; a bundle is put
into that of the first contact of its route (forwarding.py) when it comes, and leaves the disk when
the next node has acknowledged it. Whenever a contact fails or ends with bundles left, all that
waits is routed anew. So a bundle may cross a contact twice, where only an acknowledgement was
lost; its destination delivers it once.

Contacts are used by the terminal that has them: connections are bound to their port at both ends,
so that no routing is needed, and none can lead bundles by another way.
"""

import asyncio
import hashlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulator.clock import Clock
from protocols.bundles import carriers
from protocols.bundles.bundle import (
    BUNDLE_AGE,
    HOP_COUNT,
    PREVIOUS_NODE,
    BlockFlag,
    Bundle,
    BundleFlag,
    BundleId,
    Primary,
    bundle_of,
    decode,
)
from protocols.bundles.cbor import BundleError
from protocols.bundles.eid import Eid
from protocols.bundles.forwarding import Forwarder
from protocols.bundles.fragments import whole
from protocols.bundles.outbox import Box, Held
from protocols.bundles.records import Reason, StatusReport, report_on
from protocols.bundles.shared import Network, endpoint
from protocols.bundles.store import Store

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

Record = Callable[[dict[str, Any]], None]

_CONNECT_S, _RETRY_S = 1.0, 1.0
_SETTLE_S = 0.01
"""From the beginning of a contact to the first connection: its ports see the light meanwhile."""
_MOST_OF_IT = 0.998
"""A poll may last a thousandth longer than it was told (Linux, fs/select.c)."""


class Agent:
    """The bundle node of one satellite or station."""

    def __init__(
        self, shared: Network, handle: "NodeHandle", clock: Clock, start: float, record: Record
    ) -> None:
        self.shared, self.handle, self.clock, self.start = shared, handle, clock, start
        self.name = handle.name
        self.node_id = str(endpoint(self.name).node)
        self._record = record
        self._index = {node.name: node.index for node in shared.plan.network.nodes}
        self._names = [node.name for node in shared.plan.network.nodes]
        self.store = Store(handle.state_dir / f"bundles-{shared.number}.sqlite")
        self.forwarder = Forwarder(shared.hops, handle.node.index)
        self.held: dict[str, Held] = {}
        self.boxes: dict[int, Box] = {}
        self._reports = 0

    def now_s(self) -> float:
        """Seconds since the scenario's start."""
        return self.clock.now() - self.start

    def now_ms(self) -> int:
        """DTN time."""
        return self.shared.epoch_ms + round(self.now_s() * 1000)

    async def run(self) -> None:
        """Work until the scenario ends, then tell what is still here."""
        for name, since_ms, data in list(self.store):
            held = self._hold(decode(data), name, since_ms, len(data))
            if held.expires_s <= self.now_s():
                self._expire(held)
        if self.now_s() < self.shared.plan.scenario.scenario.duration_s:
            await self._work()
        for held in self.held.values():
            self._note("stored", held.name, bytes=held.size)
        self.store.close()

    async def _work(self) -> None:
        end_s = self.shared.plan.scenario.scenario.duration_s
        now_s = self.now_s()
        later = [c for c in self.forwarder.own() if self.shared.hops["end_s"][c] > now_s]
        self.boxes = {contact: Box(self, contact) for contact in later}
        self.route_anew()
        listeners = [self._listener(port.name) for port in self.handle.node.ports]
        work = [self._contact(contact) for contact in later]
        work += [self._serve(each) for each in (*listeners, self._listener("lo"))]
        if self.name in self.shared.spec.sources:
            work.append(self._make())
        tasks = [asyncio.create_task(each) for each in work]
        left_s = max(0.0, end_s - self.now_s())
        await asyncio.wait(tasks, timeout=left_s, return_when=asyncio.FIRST_EXCEPTION)
        await _ended(tasks)

    async def _sleep_until(self, t_s: float) -> None:
        await asyncio.sleep(_MOST_OF_IT * max(0.0, t_s - self.now_s()))
        await asyncio.sleep(max(0.0, t_s - self.now_s()))

    def _note(self, what: str, name: str, **more: Any) -> None:
        row = {"bundle": name, "what": what, "t_s": round(self.now_s(), 6), "node": self.name}
        self._record({**row, "workload": self.shared.number, **more})

    # Bundles

    async def _make(self) -> None:
        """Make this source's bundles, those too that were due while the node was down."""
        while (due_s := self.shared.due_s(self.store.made)) < float("inf"):
            await self._sleep_until(due_s)
            bundle = self.shared.made(self.name, self.store.made)
            name, data = str(bundle.id), bundle.encode()
            self._note("created", name, bytes=len(bundle.payload))
            self.store.make(name, self.now_ms(), data)
            self._put(self._hold(bundle, name, self.now_ms(), len(data)))

    def take(self, data: bytes) -> bool:
        """Take in a bundle that a peer has sent; False if it is none for us (RFC 9171, 5.6)."""
        try:
            bundle = decode(data)
            if not bundle.dated:
                raise BundleError("neither a creation time nor a bundle age", "RFC 9171, 4.4.2")
        except BundleError as error:
            self._note("refused", "", why=str(error))
            return False
        name = str(bundle.id)
        peer = bundle.previous_node.host if bundle.previous_node else None
        unknown = bundle.unknown()
        self._report(bundle, BundleFlag.REPORT_RECEPTION)
        if any(BlockFlag.DELETE_BUNDLE in each.flags for each in unknown):
            self._note("dropped", name, why="a block not understood asks for it", peer=peer)
            self._report(bundle, BundleFlag.REPORT_DELETION, Reason.BLOCK_UNKNOWN)
            return True
        bundle = bundle.without(tuple(e for e in unknown if BlockFlag.DISCARD in e.flags))
        if bundle.primary.destination.host == self.name:
            self._deliver(bundle, name, peer)
            return True
        kept = bundle.encode()
        if self.store.keep(name, self.now_ms(), kept):
            self._note("received", name, peer=peer)
            self._put(self._hold(bundle, name, self.now_ms(), len(kept)))
        elif name in self.held:
            # To accept it is to answer for it, and the next node may be about to take ours.
            self.held[name].again = self.held[name].leaving
        return True

    def _deliver(self, bundle: Bundle, name: str, peer: str | None = None) -> None:
        parts: tuple[str, ...] = ()
        if bundle.primary.offset is not None:
            parent = str(BundleId(*bundle.id[:3]))
            if self.store.delivered(parent):
                return
            self.store.keep(name, self.now_ms(), bundle.encode())
            found = {n: decode(data) for n, _, data in self.store if n.startswith(f"{parent}+")}
            together = whole(found.values())
            if together is None:
                self._hold(bundle, name, self.now_ms(), len(bundle.payload))
                return
            bundle, name, parts = together, parent, tuple(found)
        if self._expires_s(bundle, self.now_ms()) <= self.now_s():
            self._note("expired", name)
            self._report(bundle, BundleFlag.REPORT_DELETION, Reason.EXPIRED)
            self.store.drop(name)
        elif not self.store.deliver(name, name, *parts):
            self._note("again", name, peer=peer)
        elif BundleFlag.ADMINISTRATIVE in bundle.primary.flags:
            self._hear(bundle)
        else:
            self._note("delivered", name, peer=peer, **self._found(bundle))
            self._report(bundle, BundleFlag.REPORT_DELIVERY)
        for each in (name, *parts):
            self.held.pop(each, None)

    def _report(self, on: Bundle | Held, what: BundleFlag, reason: Reason = Reason.NONE) -> None:
        """Send a status report, if the bundle asks for it (RFC 9171, 6.1.1)."""
        now_ms = self.now_ms()
        report = report_on(on.id, on.primary, what, now_ms, reason)
        if report is None:
            return
        self._reports += 1
        primary = Primary(
            destination=on.primary.report_to,
            source=Eid.parse(self.node_id),
            created_ms=now_ms,
            sequence=self._reports,
            lifetime_ms=on.primary.lifetime_ms,
            flags=BundleFlag.ADMINISTRATIVE,
        )
        self.take(bundle_of(primary, report.encode()).encode())

    def _hear(self, bundle: Bundle) -> None:
        """Note what somebody reports."""
        try:
            report = StatusReport.decode(bundle.payload)
        except BundleError as error:
            self._note("dropped", str(bundle.id), why=str(error))
            return
        self._note(
            "reported", str(report.subject), peer=bundle.primary.source.host, why=str(report)
        )

    def _found(self, bundle: Bundle) -> dict[str, Any]:
        """What is to be said of a bundle that is delivered."""
        first, shared = bundle.primary, self.shared
        verified = None
        if first.source.host in shared.spec.sources and first.source == endpoint(first.source.host):
            own = shared.made(first.source.host, first.sequence)
            verified = own.id == bundle.id and own.payload == bundle.payload
        created_s = (first.created_ms - shared.epoch_ms) / 1000 if first.created_ms else None
        return {
            "bytes": len(bundle.payload),
            "latency_s": None if created_s is None else round(self.now_s() - created_s, 6),
            "sha256": hashlib.sha256(bundle.payload).hexdigest(),
            "verified": verified,
        }

    def _expires_s(self, bundle: Bundle, since_ms: int) -> float:
        first = bundle.primary
        born_ms = first.created_ms or since_ms - (bundle.age_ms or 0)
        return (born_ms + first.lifetime_ms - self.shared.epoch_ms) / 1000

    def _hold(self, bundle: Bundle, name: str, since_ms: int, size: int) -> Held:
        host = bundle.primary.destination.host
        expires_s = self._expires_s(bundle, since_ms)
        sender = bundle.previous_node.host if bundle.previous_node else ""
        held = Held(bundle.id, bundle.primary, self._index.get(host), size, expires_s)
        held.sender = self._index.get(sender)
        self.held[name] = held
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, expires_s - self.now_s()), self._expire, held)
        return held

    def _expire(self, held: Held) -> None:
        if self.held.get(held.name) is held:
            self.discard(held.name)
            self._note("expired", held.name)
            self._report(held, BundleFlag.REPORT_DELETION, Reason.EXPIRED)

    def discard(self, name: str) -> None:
        """Hold a bundle no longer."""
        self.held.pop(name, None)
        self.store.drop(name)

    def leaving(self, name: str) -> bytes | None:
        """Return a bundle's bytes as they are to leave now, None if it may not (5.4)."""
        since_ms, data = self.store.data(name)
        bundle = decode(data)
        if bundle.hops is not None:
            limit, count = bundle.hops
            if count >= limit:
                self.discard(name)
                self._note("dropped", name, why=f"more than {limit} hops")
                self._report(bundle, BundleFlag.REPORT_DELETION, Reason.HOPS_EXCEEDED)
                return None
            bundle = bundle.with_value(HOP_COUNT, (limit, count + 1))
        if bundle.age_ms is not None:
            bundle = bundle.with_value(BUNDLE_AGE, bundle.age_ms + self.now_ms() - since_ms)
        return bundle.with_value(PREVIOUS_NODE, Eid.parse(self.node_id).item()).encode()

    # Forwarding

    def _put(self, held: Held) -> None:
        """Route a bundle and put it into its outbox."""
        held.contact = None
        if held.destination is None or held.destination == self.forwarder.node:
            return
        route = self.forwarder.route(held.destination, held.size, self.now_s(), held.sender)
        if route is not None and route.hops[0] in self.boxes:
            held.contact = route.hops[0]
            box = self.boxes[held.contact]
            box.names.append(held.name)
            box.changed.set()

    def route_anew(self) -> None:
        """Route all that waits, oldest first."""
        now_s = self.now_s()
        self.forwarder.clear(now_s)
        for box in self.boxes.values():
            box.names.clear()
        for held in self.held.values():
            if held.leaving and held.contact is not None:
                self.forwarder.book(held.contact, held.size, now_s)
        for held in self.held.values():
            if not held.leaving:
                self._put(held)

    def forwarded(self, name: str, contact: int) -> None:
        """The node at a contact's other end has a bundle."""
        peer = self._names[int(self.shared.hops["head"][contact])]
        self._note("forwarded", name, peer=peer)
        held = self.held.get(name)
        if held is None:
            return
        self._report(held, BundleFlag.REPORT_FORWARDING)
        if held.again:
            held.again = held.leaving = False
            self._put(held)
        else:
            self.discard(name)

    def failed(self, contact: int, for_s: float = _RETRY_S) -> None:
        """A contact does not do what it should: pass it over for a while."""
        for held in self.held.values():
            if held.contact == contact:
                held.sender = None
        self.forwarder.avoid(contact, self.now_s() + for_s)
        self.route_anew()

    async def _contact(self, contact: int) -> None:
        """Send what is in a contact's outbox while the contact lasts."""
        box, hop = self.boxes[contact], self.shared.hops[contact]
        await self._sleep_until(float(hop["start_s"]) + _SETTLE_S)
        try:
            async with asyncio.timeout(max(0.0, float(hop["end_s"]) - self.now_s())):
                while True:
                    await self._some(box)
                    try:
                        await self._connected(contact, box)
                    except OSError:
                        box.give_back()
                        self.failed(contact)
                        await asyncio.sleep(_RETRY_S)
        except TimeoutError:
            pass
        del self.boxes[contact]
        lost = any(each.contact is None for each in self.held.values())
        if box.give_back() or lost:
            self.route_anew()

    @staticmethod
    async def _some(box: Box) -> None:
        while not box.names:
            box.changed.clear()
            await box.changed.wait()

    async def _connected(self, contact: int, box: Box) -> None:
        """Connect to the node at a contact's other end and send. Raises OSError."""
        shared, port = self.shared, int(self.shared.ports[contact])
        device = shared.plan.network.ports[port].name
        there = shared.plan.network.nodes[int(shared.hops["head"][contact])].ipv4
        with self.handle.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            carriers.prepare(connection, shared.line_rate_bps(port, self.now_s()))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            try:
                async with asyncio.timeout(_CONNECT_S):
                    address = (there, shared.carrier.port)
                    await asyncio.get_running_loop().sock_connect(connection, address)
                await shared.carrier.send(connection, self.node_id, box)
            except BaseException:
                carriers.abandon(connection)
                raise

    # Reception

    def _listener(self, device: str) -> socket.socket:
        listener = self.handle.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        listener.bind(("", self.shared.carrier.port))
        listener.listen()
        return listener

    async def _serve(self, listener: socket.socket) -> None:
        """Take in what comes by one port."""
        loop, serving = asyncio.get_running_loop(), set()
        with listener:
            try:
                while True:
                    connection, _ = await loop.sock_accept(listener)
                    task = asyncio.create_task(self._serve_one(connection))
                    serving.add(task)
                    task.add_done_callback(serving.discard)
            finally:
                await _ended(list(serving))

    async def _serve_one(self, connection: socket.socket) -> None:
        with connection:
            connection.setblocking(False)
            carriers.watch(connection)
            try:
                await self.shared.carrier.receive(connection, self.node_id, self.take)
            except OSError:  # light has gone: the sender has what was not acknowledged
                carriers.abandon(connection)


async def _ended(tasks: list["asyncio.Task[None]"]) -> None:
    """Cancel tasks and raise what one of them has failed of."""
    for task in tasks:
        task.cancel()
    for each in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(each, Exception):
            raise each


def work(shared: Network, handle: "NodeHandle", clock: Clock, start: float, record: Record) -> None:
    """Be the bundle node of ``handle`` until the scenario ends."""

    async def main() -> None:
        await Agent(shared, handle, clock, start, record).run()

    asyncio.run(main())
