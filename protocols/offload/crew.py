"""The agents of all nodes: started, watched, started again when killed, and counted at the end."""

import gc
import math
import os
import select
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.clock import Clock
from emulator.reboots import reboots
from emulator.units import NS_PER_S
from protocols.base import Nodes, Record
from protocols.offload.agent import Agent
from protocols.offload.shelf import inventory

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle
    from protocols.offload import Offload

_RESTART_S = 1.0
"""From the death of an agent to the start of the next: what a watchdog takes."""
_END_S = 5.0
_MOST_OF_IT = 0.998


@dataclass(slots=True)
class _Member:
    """One node's agent: its process while it runs, else when the next begins."""

    handle: "NodeHandle"
    process: Any = None
    watch: int = -1
    died_ns: int | None = None
    starts_s: float = 0.0


class Crew:
    """The agents of one run."""

    def __init__(
        self, work: "Offload", nodes: Nodes, clock: Clock, start: float, record: Record
    ) -> None:
        self.work = work
        self.clock = clock
        self.start = start
        self.record = record
        handles = {handle.node.index: handle for handle in nodes.values()}
        self.members = {node: _Member(handles[node]) for node in work.crew}
        self.reboots = reboots(work.plan)

    def now_s(self) -> float:
        """Seconds since the scenario's start."""
        return self.clock.now() - self.start

    def run(self) -> None:
        """Run all agents to the scenario's end, then list what is where."""
        assert self.work.placements and self.work.jobs is not None  # known before they are shared
        gc.freeze()  # children then share it
        poller = select.poll()
        for member in self.members.values():
            self._begin(member, poller)
        if (late_s := self.now_s()) > 0:  # in real time, on a machine that is slow to fork
            what = {"what": "agents", "late_s": round(late_s, 3)}
            self.record({"event": "late start", "t_s": round(late_s, 6), **what})
        while self.now_s() < self.work.end_s:
            for watch, _ in poller.poll(self._patience_ms()):
                poller.unregister(watch)
                self._died(next(m for m in self.members.values() if m.watch == watch))
            self._due(poller)
        for member in self.members.values():
            if member.process and member.process.wait(_END_S):
                self._check(member)
        self._list()

    def _begin(self, member: _Member, poller: select.poll) -> None:
        died_ns, log = member.died_ns, member.handle.state_dir / "offload.out"
        member.process = member.handle.fork(lambda mine: self._be(mine, died_ns), log)
        member.watch = os.pidfd_open(member.process.pid)
        poller.register(member.watch, select.POLLIN)
        (member.handle.state_dir / "offload.pid").write_text(f"{member.process.pid}\n")

    def _be(self, handle: "NodeHandle", died_ns: int | None) -> None:
        Agent(self.work, handle, self.now_s, self.record).main(died_ns)

    def _patience_ms(self) -> int:
        """How long nothing is due, a little less where that is long: polls may last longer."""
        due_s = [m.starts_s for m in self.members.values() if not m.process]
        due_s += [at_s for at_s, *_ in self.reboots[:1]]
        left_s = max(0.0, min([self.work.end_s, *due_s]) - self.now_s())
        return math.ceil(1e3 * (left_s * _MOST_OF_IT if left_s > 1 else left_s))

    def _due(self, poller: select.poll) -> None:
        while self.reboots and self.reboots[0][0] <= self.now_s():
            _, until_s, node = self.reboots.pop(0)
            member = self.members.get(node)
            if not member:
                continue
            if not member.process:  # killed a moment ago: what would start it again is down too
                member.starts_s = max(member.starts_s, until_s)
                continue
            member.process.kill()
            member.process.wait()
            poller.unregister(member.watch)
            self._died(member, until_s)
        for member in self.members.values():
            if not member.process and member.starts_s <= self.now_s():
                self._begin(member, poller)
                self._tell(member, "agent started")

    def _died(self, member: _Member, until_s: float | None = None) -> None:
        """Note a death, and when the next agent begins. Raises RuntimeError where it failed."""
        os.close(member.watch)
        member.process.wait(_END_S)
        if self.now_s() < self.work.end_s:
            self._check(member)
            member.died_ns = round(self.now_s() * NS_PER_S)
            member.starts_s = self.now_s() + _RESTART_S if until_s is None else until_s
            member.process = None
            self._tell(member, "agent killed")

    def _check(self, member: _Member) -> None:
        if member.process.returncode >= 0:
            log = member.handle.state_dir / "offload.out"
            said = log.read_text() if log.exists() else ""
            code = member.process.returncode
            raise RuntimeError(f"the agent of {member.handle.name} ended with {code}:\n{said}")

    def _tell(self, member: _Member, event: str) -> None:
        self.record({"event": event, "t_s": round(self.now_s(), 6), "node": member.handle.name})

    def _list(self) -> None:
        """Record every entry that is neither answered nor handed on."""
        folders = {self.work.folder(member.handle) for member in self.members.values()}
        names = [node.name for node in self.work.network.nodes]
        for folder in sorted(folders):
            for each in inventory(folder) if folder.exists() else ():
                self.record({"left": each["job"], **each, "node": names[each["node"]]})
