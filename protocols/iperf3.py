"""Throughput by iperf3, where it is installed: its JSON of both ends, joined by interval.

In virtual time a loop that never waits lets no time pass, and iperf3 has several (3.12):

* Its client waits for its server's word, before the test and after it, in a select() that has the
  sockets it sends by in it, which return at once. So here the sender is the server and the receiver
  its client (-R): a sending server does not wait for the client's word.
* With -P that server waits for its second stream beside its first: so parallel streams are tests of
  their own, side by side.
* When a test has ended by itself, its client still selects the stream, closed by then, until the
  server's word comes: at once, or after a second where the word was lost in a full queue. So a
  test that lasts some time is ended from here: told so, both ends write what they have. One of so
  many bytes ends by itself, and a word lost there costs minutes of wall time.

From 3.16 on every stream has a thread; those of 3.16 and 3.17 spin until a UDP packet is due, which
takes a processor in real time and no end in virtual time (3.18 sleeps).

TCP is paced to the fastest of the sender's own terminals, as in tcp.py, but for the whole of a
test; from 34 Gbit/s on it is not paced at all, since iperf3 has 32 bits for bytes a second.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.clock import Clock
from emulator.linkplan import LinkPlan
from emulator.workloads import Iperf3Workload
from protocols.base import Nodes, Record, family
from protocols.objects import paced
from protocols.tcp import lacks

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle

_PORT, _MOST_TESTS = 5201, 500
_LOOK_S, _RETRY_S, _CONNECT_MS = 0.01, 0.1, 1000
_LATE_S = 5.0
"""How long after the scenario's end a sender may hear of the end of its test."""
_ENDED_S = 2.0
"""How long an iperf3 that was told to end may take to write what it has."""
_LONGEST_S = 86_400
"""iperf3 runs no longer, and without data gives up after no longer."""
_SLACK_NS = 100_000
"""iperf3's event loop polls in vain when a timer is overdue that only a running test looks after:
in virtual time that is let rest (node.py)."""
_FQ_RATE_BELOW_BYTES_S = 1 << 32
_ESTABLISHED = "01"


class Iperf3:
    """Runs iperf3 between pairs of nodes, all at once."""

    def __init__(self, spec: Iperf3Workload, plan: LinkPlan) -> None:
        self.spec = spec
        self.plan = plan
        self.family = family(plan.scenario)
        self.number = next((n for n, each in enumerate(plan.scenario.workload) if each is spec), 0)
        self.end_s = plan.scenario.scenario.duration_s
        scale = plan.scenario.scenario.rate_scale
        self.size = max(1, round(spec.bytes / scale)) if spec.bytes else None
        self.udp_bps = max(1, round(1e6 * spec.udp_mbps / scale)) if spec.udp_mbps else None
        self.congestion = None if self.udp_bps else spec.congestion or "cubic"

    @staticmethod
    def program() -> str:
        """Return '' where iperf3 is installed, else how to get it."""
        return "" if shutil.which("iperf3") else "iperf3 is not installed: apt-get install iperf3"

    def missing(self) -> str:
        """Return '' where iperf3 and the congestion control are there, else how to get them."""
        return self.program() or (lacks(self.congestion) if self.congestion else "")

    def run(self, nodes: Nodes, clock: Clock, start: float, record: Record) -> None:
        """Run all tests; record intervals and flow of each when it has ended."""
        clock.wait_until(start + self.spec.start_s)
        left = [
            _Test(self, n, nodes[a], nodes[b], clock, start)
            for n, (a, b) in enumerate(self.spec.pairs * self.spec.streams)
        ]
        tests = list(left)
        try:
            while left and clock.now() - start < self.end_s + _LATE_S:
                left = [test for test in left if not test.ended()]
                time.sleep(_LOOK_S if left else 0.0)
        finally:
            for test in tests:
                test.end()
        for test in tests:
            for row in test.rows():
                record(row)

    def server(self, address: str, port: int, found: Path) -> list[str]:
        """Return the sender's command line."""
        return ["iperf3", "-s", "-1", "-B", address, *self._common(port, found)]

    def client(self, address: str, port: int, found: Path, rate_bps: int) -> list[str]:
        """Return the receiver's command line; ``rate_bps``: line rate of the sender."""
        argv = ["iperf3", "-c", address, "-R"]
        argv += ["--connect-timeout", str(_CONNECT_MS), "--rcv-timeout", str(1000 * _LONGEST_S)]
        argv += ["-n", str(self.size)] if self.size else ["-t", str(_LONGEST_S)]
        if self.udp_bps:
            argv += ["-u", "-b", str(self.udp_bps)]
        else:
            # Bursts of one write, without a rate: a sender that has sent -n bytes would spin else.
            argv += ["-C", str(self.congestion), "-b", "0/1"]
            if paced(rate_bps, self.family) < _FQ_RATE_BELOW_BYTES_S:
                # iperf3 paces a server that sends only with one of -N, -M, -w (iperf_tcp.c).
                argv += ["-N", "--fq-rate", str(8 * paced(rate_bps, self.family))]
        return [*argv, *self._common(port, found)]

    def _common(self, port: int, found: Path) -> list[str]:
        argv = ["-p", str(port), "-i", f"{self.spec.interval_s:g}", "-J"]
        return [*argv, "--logfile", str(found)]

    def flow(self, sent: dict[str, Any], received: dict[str, Any]) -> dict[str, Any]:
        """Return what a test came to, from the JSON of its sender and its receiver.

        Of UDP, ``packets`` are those that the receiver knows of, ``lost`` ones included: it misses
        a packet when a later one comes.
        """
        udp = self.udp_bps is not None
        total = received.get("end", {}).get("sum_received", {})
        size, seconds = total.get("bytes", 0), total.get("end", 0.0)
        again = [row["retransmits"] for row in intervals(sent, received)]
        again = [each for each in again if each is not None]
        return {
            "transport": "udp" if udp else "tcp",
            "congestion": self.congestion,
            "bytes": size,
            "seconds": seconds,
            "goodput_bps": round(8 * size / seconds) if size else None,
            "retransmits": sum(again) if again else None,
            "packets": total.get("packets", 0) if udp else None,
            "lost": total.get("lost_packets", 0) if udp else None,
        }


def intervals(sent: dict[str, Any], received: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row an interval from iperf3's JSON of both ends (iperf 3.12), of one stream.

    ``at_s`` is the interval's end since the test's start. Bytes, packets, losses and jitter are the
    receiver's; retransmits, window and round trip, that of TCP_INFO at the interval's end, the
    sender's. None where that end says nothing.
    """
    ends = ((each["streams"][0] for each in end.get("intervals", ())) for end in (received, sent))
    for got, gave in zip_longest(*ends, fillvalue={}):
        rtt_us, timed = gave.get("rtt"), got or gave
        yield {
            "at_s": timed["end"],
            "interval_s": round(timed["end"] - timed["start"], 6),
            "bytes": got.get("bytes"),
            "retransmits": gave.get("retransmits"),
            "cwnd_bytes": gave.get("snd_cwnd"),
            "rtt_ms": None if rtt_us is None else rtt_us / 1e3,
            "packets": got.get("packets"),
            "lost": got.get("lost_packets"),
            "jitter_ms": got.get("jitter_ms"),
        }


class _Test:
    """One iperf3 test from node ``a`` to node ``b``, begun anew until there is a connection."""

    def __init__(
        self, work: Iperf3, n: int, a: "NodeHandle", b: "NodeHandle", clock: Clock, start: float
    ) -> None:
        self.work, self.a, self.b, self.clock, self.start = work, a, b, clock, start
        self.name = f"{work.number}-{n}"
        self.port = _PORT + _MOST_TESTS * work.number + n
        self.sent = a.state_dir / f"iperf3-server-{self.name}.json"
        self.received = b.state_dir / f"iperf3-client-{self.name}.json"
        self.server: subprocess.Popen[bytes] | None = None
        self.client: subprocess.Popen[bytes] | None = None
        self.next_s = work.spec.start_s
        self.start_s: float | None = None
        self.told = self.finished = False
        rates_bps = work.plan.network.port_rate_bps
        self.rate_bps = max(int(rates_bps[port.index]) for port in a.node.ports)

    def _now_s(self) -> float:
        return self.clock.now() - self.start

    def ended(self) -> bool:
        """Do what is due; return whether both ends have ended, or there is no time left."""
        now_s = self._now_s()
        if self.client is None or self.server is None:
            if self.next_s <= now_s < self.work.end_s:
                self._begin()
            return now_s >= self.work.end_s
        if self.start_s is None and self._connected():  # which iperf3 does not tell
            self.start_s = round(now_s, 6)
        if not self.told and self._is_due(now_s):
            self.told = True
            self.client.terminate()
        if self.client.poll() is None:
            return False
        if self.start_s is None:
            self.client, self.next_s = None, now_s + _RETRY_S
            return False
        return self.server.poll() is not None

    def _is_due(self, now_s: float) -> bool:
        """Whether it is time to end; note where the test has had all its time."""
        work = self.work
        if self.start_s is not None and not work.size:
            last_s = self.start_s + (work.spec.duration_s or _LONGEST_S)
            self.finished = now_s >= min(work.end_s, last_s)
        return self.finished or now_s >= work.end_s

    def _connected(self) -> bool:
        """Whether the sender has the stream, beside the control connection."""
        assert self.server
        wanted, table = (1, "udp") if self.work.udp_bps else (2, "tcp")
        table += "6" if self.work.family == 6 else ""
        return connected(self.server.pid, table, self.port) >= wanted

    def _begin(self) -> None:
        work = self.work
        address = self.a.node.address(work.family)
        if self.server is None or self.server.poll() is not None:
            self.sent.unlink(missing_ok=True)
            argv = work.server(address, self.port, self.sent)
            self.server = self.a.spawn(argv, self.sent.with_suffix(".log"))
        self.received.unlink(missing_ok=True)
        argv = work.client(address, self.port, self.received, self.rate_bps)
        self.client = self.b.spawn(argv, self.received.with_suffix(".log"), _SLACK_NS)

    def end(self) -> None:
        """Have both ends write what they have, and end."""
        for process in filter(None, (self.client, self.server)):
            if process.poll() is None:
                process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_ENDED_S)
            process.kill()
            process.wait()

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the intervals of the test, then its flow."""
        sent, received = _read(self.sent), _read(self.received)
        flow = self.work.flow(sent, received)
        seconds, ends = flow.pop("seconds"), {"a": self.a.name, "b": self.b.name}
        if self.start_s is not None:
            for row in intervals(sent, received):
                t_s = round(self.start_s + row.pop("at_s"), 6)
                yield {"iperf3": self.name, "t_s": t_s, **row}
        end_s = None if self.start_s is None else round(self.start_s + seconds, 6)
        outcome = "finished" if self.finished or (received and "error" not in received) else ""
        if not outcome:
            error = received.get("error", "")
            outcome = "unfinished" if self.told or not error else f"broken: {error}"
        times = {"start_s": self.start_s, "end_s": end_s}
        yield {"iperf3_flow": self.name, **ends, **flow, **times, "outcome": outcome}


def connected(pid: int, table: str, port: int) -> int:
    """How many sockets at local ``port`` of a process's node have a partner.

    ``table``: tcp, tcp6, udp or udp6, as in /proc/PID/net (proc(5)). 0 where the process has ended.
    """
    try:
        lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    except OSError:
        return 0
    rows = (line.split()[1:4] for line in lines)
    return sum(
        int(local.partition(":")[2], 16) == port and state == _ESTABLISHED
        for local, _, state in rows
    )


def _read(path: Path) -> dict[str, Any]:
    """Return what an iperf3 has written; nothing where it was killed before that."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}
