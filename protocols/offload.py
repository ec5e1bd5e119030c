"""On-orbit to ground: one image, and its answer on the ground by each strategy, over real TCP.

raw      the image waits for the source's own contact, goes down, and is computed on the ground
onboard  the source computes, and the small answer waits for contact and goes down
laser    the image goes by laser to the satellite that has (or first gets) contact, down from
         there, and is computed on the ground

The bytes are real (scaled as the rates are) and verified by hash at each stop. Computing is a
timed wait of operations / (TOPS × utilisation), not scaled; while its battery has a satellite's
computer off, nothing is computed there. Latency runs from the completed image to the answer on the
ground; its parts come from one timeline and sum to it exactly.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from emulator.captures import Capture, captures
from emulator.clock import Clock
from emulator.computers import Computer
from emulator.faults import Faults
from emulator.linkplan import LinkPlan
from emulator.units import NS_PER_S
from emulator.workloads import OffloadWorkload
from protocols.base import Nodes, Record, family
from protocols.objects import PORT, Content, Received, Receiver, send_object
from protocols.static import next_hops, walk

_RETRY_S = 0.1
_SETTLE_S = 0.01
_MOST_OF_IT = 0.998


@dataclass(frozen=True, slots=True)
class GroundContact:
    """A satellite's contact with a station, in seconds of the scenario."""

    satellite: int
    station: int
    port: int
    """The satellite's radio."""
    start_s: float
    end_s: float


@dataclass(slots=True)
class Timeline:
    """Where the time of one strategy went, in seconds."""

    wait: float = 0.0
    compute: float = 0.0
    transmit: float = 0.0
    propagate: float = 0.0
    path: list[str] = field(default_factory=list)
    verified: bool = True
    """Whether the hash was equal at every stop so far."""

    def parts(self, latency_s: float) -> dict[str, float]:
        """Return the parts; ``other`` is what no single cause explains, so the sum is exact."""
        known = self.wait + self.compute + self.transmit + self.propagate
        return {
            "wait": self.wait,
            "compute": self.compute,
            "transmit": self.transmit,
            "propagate": self.propagate,
            "other": latency_s - known,
        }


def pauses(
    begin_s: float, work_s: float, off: Iterable[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Return when ``work_s`` seconds of computing, begun at ``begin_s``, stand still: (from, to).

    ``off``: the spans in which the computer is off, in order and apart.
    """
    now_s, left_s, found = begin_s, work_s, []
    for start_s, end_s in off:
        if end_s <= now_s:
            continue
        if start_s >= now_s + left_s:
            break
        left_s -= max(0.0, start_s - now_s)
        found.append((max(start_s, now_s), end_s))
        now_s = end_s
    return found


def _left(start: int, end: int, cut: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what spans, in order, leave of the steps ``start`` ≤ k < ``end``."""
    pieces = []
    for first, last in (*cut, (end, end)):
        if start < first:
            pieces.append((start, first))
        start = max(start, last)
    return pieces


class Offload:
    """Runs all strategies of all images of a workload side by side."""

    def __init__(self, spec: OffloadWorkload, plan: LinkPlan) -> None:
        self.spec = spec
        self.plan = plan
        self.network = plan.network
        self.faults = Faults.of(plan)
        self.family = family(plan.scenario)
        # Workloads are processes of their own, so each listens at a port of its own.
        number = next((n for n, each in enumerate(plan.scenario.workload) if each is spec), 0)
        self.tcp_port = PORT + number
        self.captures = captures(spec, plan)
        scale = plan.scenario.scenario.rate_scale
        self.object_bytes = max(1, round(spec.object_bytes / scale))
        self.result_bytes = max(1, round(spec.answer_bytes / scale))

    def compute_s(self, node: int) -> float:
        """How long the computer of ``node`` takes for an image, its pauses not counted."""
        computer = self.computers[node]
        assert computer is not None, "checked with the scenario"
        return computer.seconds(self.spec.work)

    @cached_property
    def computers(self) -> list[Computer | None]:
        """The computer of each node."""
        scenario = self.plan.scenario
        shells = [[each.computer] * each.size for each in scenario.constellation]
        return [*itertools.chain(*shells), *(each.computer for each in scenario.ground.station)]

    def run(self, nodes: Nodes, clock: Clock, start: float, record: Record) -> None:
        """Take the image, run the strategies, record flows and answers as they happen."""
        asyncio.run(_Attempt(self, nodes, clock, start, record).run())

    def computer_off(self, satellite: int) -> list[tuple[float, float]]:
        """When a satellite's battery has its computer off: (from, to) in seconds, in order."""
        rows = self.plan.timeline.shed
        own = rows[(rows["node"] == satellite) & ~rows["lasers"]]
        step_s = self.plan.step_s
        return [(start * step_s, end * step_s) for _, start, end, _ in own.tolist()]

    @cached_property
    def ground_contacts(self) -> list[GroundContact]:
        """Contacts between satellites and stations, faults cut out, in order of start."""
        step_s = self.plan.step_s
        cut: dict[int, list[tuple[int, int]]] = {}
        for index, *span in self.faults.breaks(self.plan.contacts, step_s):
            cut.setdefault(index, []).append(tuple(span))
        found = []
        for index, row in enumerate(self.plan.contacts):
            ends = [int(self.network.port_node[row[port]]) for port in ("a", "b")]
            kinds = [self.network.nodes[end].kind for end in ends]
            if sorted(kinds) != ["satellite", "station"]:
                continue
            up, down = ("a", "b") if kinds[0] == "satellite" else ("b", "a")
            pair = int(self.network.port_node[row[up]]), int(self.network.port_node[row[down]])
            for first, last in _left(int(row["start"]), int(row["end"]), cut.get(index, ())):
                found.append(GroundContact(*pair, int(row[up]), first * step_s, last * step_s))
        return sorted(found, key=lambda c: (c.start_s, c.end_s))

    def next_contact(self, satellite: int, now_s: float) -> GroundContact | None:
        """The contact of ``satellite`` that is open at ``now_s``, or else opens first."""
        own = [c for c in self.ground_contacts if c.satellite == satellite and c.end_s > now_s]
        return min(own, key=lambda c: max(c.start_s, now_s), default=None)

    def relay(self, source: int, now_s: float) -> int:
        """The satellite, reachable by laser at ``now_s``, with ground contact soonest.

        Of those equally soon, the one with the shortest light path; the source itself if it is
        as good as any.
        """
        distance_s = self.light_time_s(source, now_s)
        best = (float("inf"), float("inf"), source)
        for satellite in self.network.satellites.tolist():
            contact = self.next_contact(satellite, now_s)
            if contact and np.isfinite(distance_s[satellite]):
                opens_s = max(contact.start_s, now_s)
                best = min(best, (opens_s, float(distance_s[satellite]), satellite))
        return best[2]

    def light_time_s(self, source: int, now_s: float) -> np.ndarray:
        """One-way delay from a satellite to every satellite over lasers alone, inf where none."""
        state = self.state(now_s)
        hops = next_hops(self.network, state)
        delay_s = np.full(len(self.network.nodes), np.inf)
        for node in self.network.satellites.tolist():
            path = walk(hops, source, node)
            if path and all(self.network.nodes[hop].kind == "satellite" for hop in path):
                delay_s[node] = self.propagation_s(path, state)
        return delay_s

    def state(self, now_s: float) -> np.ndarray:
        """PORT_STATE at ``now_s`` without the links that are broken, noticed or not."""
        wanted = self.plan.at(self.plan.step_of(now_s))
        return self.faults.without(wanted, self.plan.dark(), now_s)

    def sending_rate_bps(self, port: int, now_s: float) -> int:
        """Rate of the channel that leaves by ``port`` at ``now_s``; in the dark, the port's own."""
        state = self.state(now_s)
        peer = int(state["peer"][port])
        return int(state["rate_bps"][peer] if peer >= 0 else self.network.port_rate_bps[port])

    def path(self, a: int, b: int, now_s: float) -> list[int]:
        """Nodes of the quickest path from a to b at ``now_s``, [] where there is none."""
        return walk(next_hops(self.network, self.state(now_s)), a, b)

    def propagation_s(self, path: list[int], state: np.ndarray) -> float:
        """One-way light time along ``path`` in ``state``."""
        node, total_ns = self.network.port_node, 0
        for a, b in itertools.pairwise(path):
            arriving = np.flatnonzero((node == b) & (state["peer"] >= 0))
            total_ns += min(
                int(state["delay_ns"][p]) for p in arriving if node[state["peer"][p]] == a
            )
        return total_ns / NS_PER_S


class _Attempt:
    """One run of an :class:`Offload`: the clock, the receivers and the satellites' send queues."""

    def __init__(
        self, work: Offload, nodes: Nodes, clock: Clock, start: float, record: Record
    ) -> None:
        self.work = work
        self.handles = {handle.node.index: handle for handle in nodes.values()}
        self.clock = clock
        self.start = start
        self.record = record
        self.receivers: dict[int, Receiver] = {}
        self.down: dict[int, _Downlink] = {}

    def now_s(self) -> float:
        """Seconds since the scenario's start."""
        return self.clock.now() - self.start

    async def run(self) -> None:
        """Open a receiver in every node, then let the strategies run until the scenario ends."""
        work = self.work
        for index, handle in self.handles.items():
            self.receivers[index] = Receiver(handle.socket, self.now_s, work.tcp_port, work.family)
        serving = [asyncio.create_task(each.serve()) for each in self.receivers.values()]
        end_s = work.plan.scenario.scenario.duration_s
        jobs = [(name, each) for each in work.captures for name in work.spec.strategies]
        tasks = [asyncio.create_task(self.strategy(*job)) for job in jobs]
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=max(0.0, end_s - self.now_s()))
            serving += unfinished
        for task in serving:
            task.cancel()
        await asyncio.gather(*tasks, *serving, return_exceptions=True)
        for (name, _), task in zip(jobs, tasks, strict=True):
            if not task.cancelled() and task.exception():
                raise RuntimeError(f"strategy {name} failed") from task.exception()
        for each in self.receivers.values():
            each.close()

    async def sleep_until(self, t_s: float) -> None:
        """Sleep until ``t_s`` of the scenario."""
        # A poll may last a thousandth longer than it was told, up to 0.1 s (Linux, fs/select.c).
        await asyncio.sleep(_MOST_OF_IT * max(0.0, t_s - self.now_s()))
        await asyncio.sleep(max(0.0, t_s - self.now_s()))

    def note(self, event: str, **what: object) -> None:
        """Record an event with its time."""
        self.record({"event": event, "t_s": round(self.now_s(), 6), **what})

    async def strategy(self, name: str, image: Capture) -> None:
        """Bring one answer to the ground and record its latency and parts."""
        work, timeline, source = self.work, Timeline(), image.source
        await self.sleep_until(image.at_s)
        if name == work.spec.strategies[0]:
            self.note("captured", node=self.name(source), object_bytes=work.spec.object_bytes)
        timeline.path.append(self.name(source))
        key = name if len(work.captures) == 1 else f"{name}-{self.name(source)}-{image.at_s:g}"
        if name == "onboard":
            await self.compute_on_board(name, source, timeline)
            station = await self.down_from(source, key, work.result_bytes, timeline)
        elif name == "raw":
            station = await self.down_from(source, key, work.object_bytes, timeline)
        else:
            relay = work.relay(source, self.now_s())
            if relay != source:
                await self.transfer(key, source, relay, work.object_bytes, timeline)
            station = await self.down_from(relay, key, work.object_bytes, timeline)
        if name != "onboard":
            await self.compute(work.compute_s(station), timeline)
        latency_s = self.now_s() - image.at_s
        self.record(
            {
                "event": "answered",
                "t_s": round(self.now_s(), 6),
                "strategy": name,
                "source": self.name(source),
                "captured_s": image.at_s,
                "object_bytes": work.spec.object_bytes,
                "latency_s": latency_s,
                "parts_s": timeline.parts(latency_s),
                "verified": timeline.verified,
                "path": timeline.path,
                "delivered_to": self.name(station),
            }
        )

    async def compute(self, duration_s: float, timeline: Timeline) -> None:
        """Let the computing time pass."""
        await self.sleep_until(self.now_s() + duration_s)
        timeline.compute += duration_s

    async def compute_on_board(self, name: str, source: int, timeline: Timeline) -> None:
        """Let the source's computing time pass, longer where its computer is off meanwhile."""
        work, begun_s, rests_s = self.work, self.now_s(), 0.0
        onboard_s = work.compute_s(source)
        for from_s, to_s in pauses(begun_s, onboard_s, work.computer_off(source)):
            await self.sleep_until(from_s)
            self.note("throttled", strategy=name, node=self.name(source), until_s=to_s)
            rests_s += to_s - from_s
        took_s = onboard_s + rests_s
        await self.sleep_until(begun_s + took_s)
        timeline.compute += took_s

    async def down_from(self, satellite: int, name: str, size: int, timeline: Timeline) -> int:
        """Wait for the satellite's next contact and its turn, send down, return the station."""
        self.down.setdefault(satellite, _Downlink())
        while True:
            ready_s = self.now_s()
            contact = self.work.next_contact(satellite, ready_s)
            if contact is None:
                self.note("no contact", strategy=name, node=self.name(satellite))
                await asyncio.Event().wait()  # not again in this scenario: ends as unanswered
                continue
            if contact.start_s > ready_s:
                self.note(
                    "waits", strategy=name, node=self.name(satellite), until_s=contact.start_s
                )
                await self.sleep_until(contact.start_s)
                timeline.wait += contact.start_s - ready_s
            async with self.down[satellite].turn(size):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, contact.end_s - self.now_s())):
                        await self.transfer(
                            name, satellite, contact.station, size, timeline, contact.port
                        )
                        return contact.station

    def walked(self, source: int, destination: int, t_s: float, port: int) -> list[int]:
        """The path that the kernels' own tables give at this moment, node by node.

        Where they give none (a table in the middle of a change), the quickest path of the plan.
        """
        network, state = self.work.network, self.work.state(t_s)
        path, address = [source], network.nodes[destination].address(self.work.family)
        while path[-1] != destination and len(path) <= len(network.nodes):
            if port < 0:
                found = self.handles[path[-1]].next_port(address)
                port = -1 if found is None else found
            peer = int(state["peer"][port]) if port >= 0 else -1
            if peer < 0:
                break
            path.append(int(network.port_node[peer]))
            port = -1
        return path if path[-1] == destination else self.work.path(source, destination, t_s)

    def line_rate_bps(self, source: int, address: str, port: int) -> int:
        """Rate of the channel by which ``source`` sends to ``address`` at this moment.

        That of its fastest terminal where no route leads there: the attempt will say so.
        """
        network = self.work.network
        if port < 0:
            found = self.handles[source].next_port(address)
            if found is None:
                return max(int(network.port_rate_bps[p.index]) for p in network.nodes[source].ports)
            port = found
        return self.work.sending_rate_bps(port, self.now_s())

    def name(self, node: int) -> str:
        """Name of a node."""
        return self.work.network.nodes[node].name

    async def transfer(
        self,
        name: str,
        source: int,
        destination: int,
        size: int,
        timeline: Timeline,
        port: int = -1,
    ) -> None:
        """Send an object by TCP until it has arrived whole; broken connections resume.

        With ``port`` it leaves by that radio, else by whichever port routing says.
        """
        network = self.work.network
        to, direct = network.nodes[destination], port >= 0
        # No route is needed for it, as none is for IPv4 where the device is said.
        local = direct and self.work.family == 6
        address = to.link_local if local else to.address(self.work.family)
        key = f"{name}-{size}"
        content = Content(self.work.plan.scenario.scenario.seed, key, size)
        began_s = self.now_s()
        arrived = self.receivers[destination].expect(key)
        while not arrived.done():
            try:
                make_socket = self.handles[source].socket
                await send_object(
                    make_socket,
                    address,
                    key,
                    content,
                    line_rate_bps=self.line_rate_bps(source, address, port),
                    device=network.ports[port].name if direct else "",
                    port=self.work.tcp_port,
                )
            except (OSError, TimeoutError):
                await asyncio.sleep(_RETRY_S)
        got: Received = await arrived
        path = self.walked(source, destination, got.last_byte_s, port)
        timeline.transmit += got.transmit_s
        timeline.verified &= got.verified
        timeline.propagate += self.work.propagation_s(path, self.work.state(got.last_byte_s))
        timeline.path.extend(self.name(hop) for hop in path[1:])
        self.record(
            {
                "flow": key,
                "strategy": name.partition("-")[0],
                "source": self.name(source),
                "destination": self.name(destination),
                "bytes": size,
                "start_s": began_s,
                "first_byte_s": got.first_byte_s,
                "end_s": got.last_byte_s,
                "verified": got.verified,
            }
        )


class _Downlink:
    """One satellite's radio: objects go one after another, the smallest of those ready first."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int]] = []
        self._busy = False
        self._changed = asyncio.Condition()
        self._numbers = itertools.count()

    @contextlib.asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Hold the radio for the length of an ``async with`` block."""
        mine = (size, next(self._numbers))
        self._waiting.append(mine)
        try:
            # Whoever becomes ready at the same contact gets the chance to queue first.
            await asyncio.sleep(_SETTLE_S)
            async with self._changed:
                await self._changed.wait_for(lambda: not self._busy and min(self._waiting) == mine)
                self._busy = True
        finally:
            self._waiting.remove(mine)
        try:
            yield
        finally:
            self._busy = False
            async with self._changed:
                self._changed.notify_all()
