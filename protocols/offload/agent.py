"""The agent of one node: takes images, computes, stores, and hands on what it holds.

It runs in the node's namespace in a process of its own, and sleeps until the next thing is due.
What it does with a job, and from when to when, it records as spans (emulator/ledger.py).
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from emulator.captures import Job
from emulator.computers import pauses
from emulator.placement import GROUND
from emulator.units import NS_PER_S
from protocols.base import Record
from protocols.objects import Content, Progress, Refused
from protocols.offload.carriers import listeners, sender
from protocols.offload.entries import ANSWERED, EXPIRED, GONE, HELD, REFUSED, Entry
from protocols.offload.paths import Paths, Reach
from protocols.offload.shelf import FileShelf
from protocols.offload.turns import Turns
from protocols.parts import Header, Received

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle
    from protocols.offload import Offload

_RETRY_S, _SLOWEST_RETRY_S = 0.1, 5.0
_REFUSED_S = 60.0
"""Until a store that was full is asked again."""
_SETTLE_S = 0.01
_MOST_OF_IT = 0.998


class Agent:
    """What one node does for an offload."""

    def __init__(
        self, work: "Offload", handle: "NodeHandle", now_s: Callable[[], float], record: Record
    ) -> None:
        self.work = work
        self.node = handle.node.index
        self.name = handle.name
        self.handle = handle
        self.now_s = now_s
        """Seconds since the scenario's start."""
        self.record = record
        self.paths = Paths(work.plan, work.faults, handle, work.family)
        self.on_ground = handle.node.kind == "station"
        folder, capacity = work.folder(handle), work.capacity_bytes(self.node)
        self.shelf = FileShelf(folder, self.node, capacity, self._arrived)
        self.computer = Turns()
        self.channels: dict[int, Turns] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wrong: BaseException | None = None

    def now_ns(self) -> int:
        """Nanoseconds since the scenario's start."""
        return round(self.now_s() * NS_PER_S)

    def main(self, died_ns: int | None) -> None:
        """Work until the scenario ends. ``died_ns``: when an agent before this one was killed."""
        asyncio.run(self.run(died_ns))

    async def run(self, died_ns: int | None) -> None:
        """Take up what is on disk, then do what comes."""
        work = self.work
        receiving = listeners(work, self.handle, self.now_s, self.shelf)
        self._ending = asyncio.create_task(self.sleep_until(work.end_s))
        for each in receiving:
            self._run(each.serve())
        for entry in list(self.shelf.entries.values()):
            if entry.state == HELD:
                self._recover(entry, died_ns or 0)
                self._begin(entry)
        for job in self.work.jobs_of(self.node):
            self._run(self._take(job, died_ns))
        with contextlib.suppress(asyncio.CancelledError):
            await self._ending
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in receiving:
            each.close()
        if self._wrong:
            raise self._wrong

    async def sleep_until(self, t_s: float) -> None:
        """Sleep until ``t_s`` of the scenario."""
        # A poll may last a thousandth longer than it was told, up to 0.1 s (Linux, fs/select.c).
        while (left_s := t_s - self.now_s()) > 0:
            await asyncio.sleep(left_s * _MOST_OF_IT if left_s > _SETTLE_S else left_s)

    def _run(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() and not self._wrong:
            self._wrong = task.exception()
            self._ending.cancel()

    # What comes in

    async def _take(self, job: Job, died_ns: int | None) -> None:
        """Take an image for one strategy, when it is due."""
        if f"{job.number}.0" in self.shelf.entries:
            return
        image, at_ns = job.image, round(job.image.at_s * NS_PER_S)
        if died_ns is not None and at_ns < self.now_ns():
            if at_ns >= died_ns:  # of earlier ones an agent before this one has told
                self.tell("missed", job, at_ns)
            return
        await self.sleep_until(image.at_s)
        options = self.work.placement(job.number).options(job.strategy, self.node, image.at_s)
        if not options:
            self.tell("refused", job, at_ns, reason="nobody can compute it")
            return
        entry = Entry(job.number, 0, 0, options[0], [self.name], self.node, since_ns=at_ns)
        if not self.shelf.room(entry.size_bytes):
            entry.state = REFUSED
            self.shelf.save(entry)
            self.tell("refused", job, at_ns, reason="the store is full")
            return
        self.shelf.save(entry)
        due_s = options[0].finish_s
        self.tell("captured", job, at_ns, expected_s=None if due_s == float("inf") else due_s)
        self._begin(entry)

    def _arrived(self, entry: Entry, got: Received, header: Header) -> None:
        entry.since_ns = self.now_ns()
        entry.path = [*entry.path, *header["by"]]
        job = self.work.jobs[entry.job]
        self.record(
            {
                "flow": entry.name,
                "job": entry.job,
                "leg": entry.leg,
                "strategy": job.strategy,
                "source": header["from"],
                "destination": self.name,
                "bytes": int(header["bytes"]),
                "start_s": header["began_s"],
                "first_byte_s": got.first_byte_s,
                "end_s": got.last_byte_s,
                "verified": True,
                "on_ground": self.on_ground,
            }
        )
        self.shelf.save(entry)
        self._begin(entry)

    def _recover(self, entry: Entry, died_ns: int) -> None:
        """Tell what an agent that was killed could not."""
        if entry.part == "send":
            self._sent(entry, Progress(held=-1), None, died_ns)
        else:
            self._span(entry, entry.part, died_ns)
        entry.since_ns = died_ns
        self._span(entry, "retransmit", self.now_ns())

    # What is told

    def tell(self, state: str, job: Job, t_ns: int, **what: Any) -> None:
        """Record what has become of a job."""
        about = {"job": job.number, "state": state, "node": self.name, "t_ns": t_ns}
        self.record({"offload": state, **about, **what})
        self.work.announce(self.record, state, job, self.name, t_ns, what)

    def _span(self, entry: Entry, part: str, to_ns: int) -> None:
        if to_ns > entry.since_ns:
            self.record(
                {
                    "span": part,
                    "job": entry.job,
                    "leg": entry.leg,
                    "node": self.name,
                    "from_ns": entry.since_ns,
                    "to_ns": to_ns,
                }
            )

    @contextlib.contextmanager
    def doing(self, entry: Entry, part: str) -> Iterator[None]:
        """Record what is done in a ``with`` block, however it ends."""
        entry.part, entry.since_ns = part, self.now_ns()
        self.shelf.save(entry)
        try:
            yield
        finally:
            self._span(entry, part, self.now_ns())
            entry.part, entry.since_ns = "other", self.now_ns()

    # What is done

    def _begin(self, entry: Entry) -> None:
        self._run(self._carry(entry))

    async def _carry(self, entry: Entry) -> None:
        """Do what there is to be done with an entry, until it is no longer here or has expired."""
        expires_s = self.work.expires_s(entry.job)
        while entry.state == HELD:
            left_s = None if entry.doubt is not None else max(0.0, expires_s - self.now_s())
            try:
                async with asyncio.timeout(None if left_s == float("inf") else left_s):
                    await self._next(entry)
            except TimeoutError:
                if entry.doubt is None and self.now_s() >= expires_s:
                    entry.state = EXPIRED
                    self.shelf.save(entry)
                    job = self.work.jobs[entry.job]
                    self.tell("expired", job, self.now_ns(), bytes=entry.size_bytes)

    async def _next(self, entry: Entry) -> None:
        target, whole = entry.target, entry.stage == len(entry.option.tasks)
        here = self.on_ground if target == GROUND else target == self.node
        if not here or entry.doubt is not None:
            await self._move(entry)
        elif not whole:
            await self._compute(entry)
        else:
            self._answered(entry)

    async def _compute(self, entry: Entry) -> None:
        """Wait for the computer, then for it to have done the next task."""
        task, job = entry.option.tasks[entry.stage], self.work.jobs[entry.job]
        placement = self.work.placement(entry.job)
        computer = placement.computers[self.node]
        by_priority = computer is not None and computer.queue == "priority"
        turn = self.computer.turn(-self.work.priority(entry.job) if by_priority else 0)
        took_s = placement.compute_s(self.node, task.operations)
        async with self._turn(entry, turn):
            entry.part, entry.since_ns = "compute", self.now_ns()
            self.shelf.save(entry)
            begun_s, rests_s = self.now_s(), 0.0
            off = self.work.computer_off(self.node)
            for from_s, to_s in pauses(begun_s, took_s, off):
                await self.sleep_until(from_s)
                self.tell("throttled", job, self.now_ns(), until_s=to_s)
                rests_s += to_s - from_s
            await self.sleep_until(begun_s + took_s + rests_s)
            # What a timer was late by is not computing.
            self._span(entry, "compute", entry.since_ns + round((took_s + rests_s) * NS_PER_S))
        self.record({"computed": entry.job, "node": self.name, "seconds": took_s})
        now_ns = self.now_ns()
        done = Entry(
            entry.job, entry.leg + 1, entry.stage + 1, entry.option, entry.path, self.node,
            since_ns=now_ns,
        )  # fmt: skip
        self.shelf.save(done)
        entry.state = GONE
        self.shelf.save(entry)
        self._begin(done)

    @contextlib.asynccontextmanager
    async def _turn(self, entry: Entry, turn: Any) -> Any:
        """Hold a turn; the time until then is queueing."""
        async with contextlib.AsyncExitStack() as stack:
            with self.doing(entry, "queue"):
                await stack.enter_async_context(turn)
            yield

    def _answered(self, entry: Entry) -> None:
        entry.state = ANSWERED
        self.shelf.save(entry)
        job = self.work.jobs[entry.job]
        self.tell("answered", job, entry.since_ns, path=entry.path)

    def _reach(self, entry: Entry) -> Reach | None:
        placement = self.work.placement(entry.job)
        return self.paths.reach(placement, entry, entry.target, self.now_s())

    async def _move(self, entry: Entry) -> None:
        """Wait for a way, for its channel, then send along it as far as there is light."""
        reach = self._reach(entry)
        if reach is None or reach.opens_s > self.now_s():
            job = self.work.jobs[entry.job]
            with self.doing(entry, "wait"):
                if reach is None:
                    self.tell("no contact", job, self.now_ns())
                    await asyncio.Event().wait()  # not again in this scenario
                else:
                    self.tell("waits", job, self.now_ns(), until_s=reach.opens_s)
                    await self.sleep_until(reach.opens_s)
            return
        channel = self.channels.setdefault(self.paths.first_port(reach), Turns(_SETTLE_S))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, reach.until_s - self.now_s())) as limit:
                rank = -self.work.priority(entry.job), entry.size_bytes
                # What is sent can go on later: it gives way to what is more urgent or smaller.
                turn = channel.turn(*rank, give_way=lambda: _end(limit))
                async with self._turn(entry, turn):
                    if reach.port < 0:  # only radios stop at a moment; routes may find other ways
                        limit.reschedule(None)
                    await self._send(entry, reach)
                if entry.refused:
                    entry.refused = False
                    with self.doing(entry, "queue"):
                        await asyncio.sleep(_REFUSED_S)

    async def _send(self, entry: Entry, reach: Reach) -> None:
        """Send until it has arrived, or the way is another."""
        pause_s, began_s = _RETRY_S, self.now_s()
        header = entry.header() | {"from": self.name, "began_s": began_s}
        while entry.state == HELD:
            progress, facts = Progress(), None
            entry.tried = self._about(entry, reach)
            entry.part, entry.since_ns = "send", self.now_ns()
            self.shelf.save(entry)
            try:
                try:
                    facts = await self._attempt(entry, reach, header, progress)
                except Refused:
                    entry.refused = True
                    return
                except OSError:  # TimeoutError of a connection among them
                    await asyncio.sleep(pause_s)
            finally:
                self._sent(entry, progress, facts, self.now_ns())
                entry.part, entry.since_ns = "other", self.now_ns()
            pause_s = min(2 * pause_s, _SLOWEST_RETRY_S)
            if facts is not None:
                entry.state, entry.doubt = GONE, None
                self.shelf.save(entry)
            elif self._reach(entry) != reach:
                return

    async def _attempt(
        self, entry: Entry, reach: Reach, header: Header, progress: Progress
    ) -> dict[str, int]:
        network = self.work.network
        to, family = network.nodes[reach.goal], self.work.family
        # No route is needed for it, as none is for IPv4 where the device is said.
        local = reach.port >= 0 and family == 6
        address = to.link_local if local else to.address(family)
        content = self.shelf.bytes_of(entry) or Content(
            self.work.seed, entry.name, entry.size_bytes
        )

        def in_doubt() -> None:
            entry.doubt = (
                GROUND if reach.goal in self.work.placement(entry.job).stations else reach.goal
            )
            self.shelf.save(entry)

        return await sender(self.work.transport(entry.job))(
            self.handle.socket,
            address,
            entry.name,
            content,
            line_rate_bps=self.paths.line_rate_bps(reach, self.now_s()),
            congestion=self.work.congestion(entry.job),
            device=network.ports[reach.port].name if reach.port >= 0 else "",
            port=self.work.port,
            about=header | {"by": entry.tried["path"][1:]},
            progress=progress,
            before_last=in_doubt,
        )

    def _about(self, entry: Entry, reach: Reach) -> dict[str, Any]:
        """What is known of an attempt to send as it begins."""
        now_s = self.now_s()
        path = self.paths.walked(reach, now_s)
        return {
            "goal": self.work.network.nodes[reach.goal].name,
            "size": entry.size_bytes,
            "rate_bps": self.paths.slowest_bps(path, now_s),
            "delay_ns": self.paths.delay_ns(path, now_s),
            "path": self.paths.names(path),
        }

    def _sent(
        self, entry: Entry, progress: Progress, facts: dict[str, int] | None, to_ns: int
    ) -> None:
        """Record an attempt to send. ``held`` is -1 where nobody knows what the receiver had."""
        on_ground = self.work.network.node(entry.tried["goal"]).kind == "station"
        if on_ground and (progress.held or 0) > 0:
            entry.down_bytes = progress.held or 0
        self.record(
            {
                "sending": entry.job,
                "leg": entry.leg,
                "node": self.name,
                "from_ns": entry.since_ns,
                "to_ns": to_ns,
                "held": progress.held,
                "whole": facts is not None,
                "retransmitted": facts["retransmitted"] if facts else 0,
                **entry.tried,
            }
        )


def _end(limit: asyncio.Timeout) -> None:
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time())
