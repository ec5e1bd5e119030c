"""TCP flows between nodes under a chosen congestion control, with what TCP says of itself.

Bytes that mean nothing, from one connection a pair. As in objects.py a sender is paced to the rate
of the channel that it sends by, here looked up again at every sample: so a real terminal's own
interface would hold it back, whatever routing and handovers make of the path behind it.

A flow is never given up before TCP itself does: what an outage does to it is the measurement.
"""

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.clock import Clock
from emulator.faults import Faults
from emulator.linkplan import LinkPlan
from emulator.workloads import TcpWorkload
from protocols.base import Nodes, Record, family
from protocols.objects import ADDRESS_FAMILY, BLOCK_BYTES, TCP_INFO, paced, readable, wake_bytes

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

_RETRY_S = 0.1
_NOTSENT_LOWAT, _SO_MAX_PACING_RATE = 25, 47
_UNSENT_S, _LEAST_UNSENT_BYTES = 0.01, 16_384
"""How much a sender's kernel may hold besides what is in flight: little, or a flow that ends at a
moment would go on for as long as that lasts."""
_MOST_OF_IT = 0.998
"""A poll may last a thousandth longer than it was told (Linux, fs/select.c)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What TCP_INFO (linux/tcp.h) says of a sender; ``retransmits`` counts segments since SYN."""

    rtt_us: int
    rttvar_us: int
    cwnd: int
    retransmits: int
    delivery_rate_bps: int
    bytes_acked: int

    @classmethod
    def parse(cls, raw: bytes) -> "Sample":
        """Read struct tcp_info as the kernel gives it, at least up to Linux 4.10's fields."""
        fields = TCP_INFO.unpack_from(raw)
        return cls(
            rtt_us=fields[23],
            rttvar_us=fields[24],
            cwnd=fields[26],
            retransmits=fields[31],
            delivery_rate_bps=8 * fields[42],
            bytes_acked=fields[34],
        )

    @classmethod
    def of(cls, connection: socket.socket) -> "Sample":
        """Ask a connection's kernel."""
        return cls.parse(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size))


class Tcp:
    """Flows of one ``[[workload]] kind = "tcp"``, all at once."""

    def __init__(self, spec: TcpWorkload, plan: LinkPlan) -> None:
        self.spec = spec
        self.plan = plan
        self.faults = Faults.of(plan)
        self.number = next((n for n, each in enumerate(plan.scenario.workload) if each is spec), 0)
        scale = plan.scenario.scenario.rate_scale
        self.size = max(1, round(spec.bytes / scale)) if spec.bytes else None
        self.family = family(plan.scenario)

    def missing(self) -> str:
        """Return '' where this kernel has the congestion control, else how to get it."""
        return lacks(self.spec.congestion)

    def run(self, nodes: Nodes, clock: Clock, start: float, record: Record) -> None:
        """Let the flows run, record samples as they come and each flow when it ends."""
        asyncio.run(self._run(nodes, clock, start, record))

    async def _run(self, nodes: Nodes, clock: Clock, start: float, record: Record) -> None:
        flows = [
            Flow(self, f"{self.number}-{n}", nodes[a], nodes[b], lambda: clock.now() - start)
            for n, (a, b) in enumerate(self.spec.pairs)
        ]
        tasks = [asyncio.create_task(flow.run(record)) for flow in flows]
        end_s = self.plan.scenario.scenario.duration_s
        await asyncio.wait(tasks, timeout=max(0.0, end_s - (clock.now() - start)))
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for flow in flows:
            record(flow.row())
        for error in ended:
            if isinstance(error, Exception):
                raise error

    def line_rate_bps(self, handle: "NodeHandle", address: str, t_s: float) -> int:
        """Rate of the channel by which a node sends to ``address``; its fastest, where no route."""
        rates_bps = self.plan.network.port_rate_bps
        port = handle.next_port(address)
        if port is None:
            return max(int(rates_bps[each.index]) for each in handle.node.ports)
        wanted = self.plan.at(self.plan.step_of(t_s))
        state = self.faults.without(wanted, self.plan.dark(), t_s)
        peer = int(state["peer"][port])
        return int(state["rate_bps"][peer] if peer >= 0 else rates_bps[port])


def lacks(congestion: str) -> str:
    """Return '' where TCP may use ``congestion`` on this kernel, else what to do."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
        except OSError as error:
            return (
                f"this kernel's TCP has no {congestion!r} ({os.strerror(error.errno)}): "
                f"modprobe tcp_{congestion}, or take --clock virtual, whose kernel has it"
            )
    return ""


class Flow:
    """One connection from node ``a`` to node ``b``: its sender, its receiver and its samples."""

    def __init__(
        self, work: Tcp, name: str, a: "NodeHandle", b: "NodeHandle", now_s: Callable[[], float]
    ) -> None:
        self.work, self.name, self.now_s = work, name, now_s
        self.a, self.b = a, b
        self.start_s: float | None = None
        self.first_byte_s: float | None = None
        self.end_s: float | None = None
        self.received = 0
        self.retransmits = 0
        self.outcome = "unfinished"
        self._rate_bps = 0

    def row(self) -> dict[str, object]:
        """Return the flow as its record: what arrived, from when to when, and how it ended."""
        return {
            "tcp_flow": self.name,
            "a": self.a.name,
            "b": self.b.name,
            "congestion": self.work.spec.congestion,
            "bytes": self.received,
            "start_s": self.start_s,
            "first_byte_s": self.first_byte_s,
            "end_s": self.end_s,
            "retransmits": self.retransmits,
            "outcome": self.outcome,
        }

    async def run(self, record: Record) -> None:
        """Send from the workload's start on; returns when all has arrived or TCP gives up."""
        await self._sleep_until(self.work.spec.start_s)
        self.start_s = self.now_s()
        with self.b.socket(ADDRESS_FAMILY[self.work.family], socket.SOCK_STREAM) as listener:
            listener.setblocking(False)
            listener.bind(("", 0))
            listener.listen()
            receiving = asyncio.create_task(self._receive(listener))
            try:
                await self._send(listener.getsockname()[1], record)
                await receiving
                self.outcome = "finished"
            except OSError as error:
                self.outcome = f"broken: {errno.errorcode.get(error.errno or 0, error)}"
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)

    async def _send(self, port: int, record: Record) -> None:
        address = self.b.node.address(self.work.family)
        connection = await self._connect(address, port)
        with connection:
            sampling = asyncio.create_task(self._sample(connection, address, record))
            try:
                await self._pour(connection)
                connection.shutdown(socket.SHUT_WR)
                # The receiver closes when it has everything: only then is the last sample due.
                await asyncio.get_running_loop().sock_recv(connection, 1)
            finally:
                sampling.cancel()
                await asyncio.gather(sampling, return_exceptions=True)
                self._take(connection, record)

    async def _connect(self, address: str, port: int) -> socket.socket:
        """Try until there is a connection: before routes and light there is none."""
        while True:
            connection = self.a.socket(ADDRESS_FAMILY[self.work.family], socket.SOCK_STREAM)
            connection.setblocking(False)
            tcp = socket.IPPROTO_TCP
            congestion = self.work.spec.congestion.encode()
            connection.setsockopt(tcp, socket.TCP_CONGESTION, congestion)
            connection.setsockopt(tcp, socket.TCP_NODELAY, 1)
            self._rate_bps = 0
            self._pace(connection, address)
            try:
                self.start_s = self.now_s()
                await asyncio.get_running_loop().sock_connect(connection, (address, port))
                return connection
            except OSError:
                connection.close()
                await asyncio.sleep(_RETRY_S)
            except asyncio.CancelledError:
                connection.close()
                raise

    def _pace(self, connection: socket.socket, address: str) -> None:
        rate_bps = self.work.line_rate_bps(self.a, address, self.now_s())
        if rate_bps != self._rate_bps:
            self._rate_bps = rate_bps
            pace = struct.pack("@L", paced(rate_bps, self.work.family))
            connection.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, pace)
            unsent = min(4 * BLOCK_BYTES, int(rate_bps / 8 * _UNSENT_S))
            unsent = max(_LEAST_UNSENT_BYTES, unsent)
            connection.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, unsent)

    async def _pour(self, connection: socket.socket) -> None:
        loop, block, left = asyncio.get_running_loop(), bytes(BLOCK_BYTES), self.work.size
        if left is not None:
            while left > 0:
                await loop.sock_sendall(connection, memoryview(block)[:left])
                left -= BLOCK_BYTES
            return
        until_s = self.work.spec.start_s + (self.work.spec.duration_s or float("inf"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until_s - self.now_s())):
                while True:
                    await loop.sock_sendall(connection, block)

    async def _sample(self, connection: socket.socket, address: str, record: Record) -> None:
        number, begun_s = 0, self.now_s()
        while True:
            self._take(connection, record)
            self._pace(connection, address)
            number += 1
            await self._sleep_until(begun_s + number * self.work.spec.sample_s)

    def _take(self, connection: socket.socket, record: Record) -> None:
        sample = Sample.of(connection)
        self.retransmits = sample.retransmits
        record(
            {
                "tcp": self.name,
                "t_s": round(self.now_s(), 6),
                "rtt_ms": sample.rtt_us / 1e3,
                "rttvar_ms": sample.rttvar_us / 1e3,
                "cwnd": sample.cwnd,
                "retransmits": sample.retransmits,
                "delivery_rate_bps": sample.delivery_rate_bps,
                "bytes_acked": sample.bytes_acked,
            }
        )

    async def _receive(self, listener: socket.socket) -> None:
        """Take in everything up to the sender's end."""
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        buffer = memoryview(bytearray(BLOCK_BYTES))
        with connection:
            connection.setblocking(False)
            while True:
                await readable(connection)
                count = connection.recv_into(buffer)
                if not count:
                    return
                now_s = self.now_s()
                least = 1
                if self.first_byte_s is None:
                    self.first_byte_s = now_s
                else:
                    least = max(1, wake_bytes(count, now_s - (self.end_s or now_s)))
                self.received, self.end_s = self.received + count, now_s
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)

    async def _sleep_until(self, t_s: float) -> None:
        await asyncio.sleep(_MOST_OF_IT * max(0.0, t_s - self.now_s()))
        await asyncio.sleep(max(0.0, t_s - self.now_s()))
