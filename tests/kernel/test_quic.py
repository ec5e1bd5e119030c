"""Objects over QUIC between real namespaces: the contract of TCP, with aioquic on UDP."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from emulator.bench.transfer import in_a_row, light
from emulator.kernel.fabric import Fabric
from emulator.linkplan import LinkPlan
from emulator.units import FRAME_BYTES
from protocols.objects import STALLED_S, Content
from protocols.parts import MemoryShelf
from tests.kernel.test_agents import LATE_S, LINE_S, RESTART_S, SIZE, kill, proven, ring, run
from tests.kernel.toys import VIRTUAL, Build, walker

quic = pytest.importorskip("protocols.quic", reason="QUIC needs aioquic")

MORE_BYTES = 1472 - 1434
"""What QUIC adds to the data of a full datagram: 1 byte of header, 8 of connection id, 2 of packet
number, 16 of tag (RFC 9001, 5.3), and up to 11 of a stream frame's type, id, offset and length."""
LONGER = 1448 / 1434
"""A full frame holds so much less than TCP's."""
QUIC = {"transport": "quic"}


@pytest.fixture
def pair(build: Build) -> tuple[Fabric, LinkPlan]:
    """Six satellites in a ring with routes; the first two exchange objects at 10 Mbit/s."""
    plan = LinkPlan.of(walker(rate_scale=10_000.0))
    fabric = build(plan)
    light(fabric, plan)
    return fabric, plan


class Ends:
    """A receiver in one node, and sending to it from its neighbour."""

    def __init__(self, fabric: Fabric, plan: LinkPlan) -> None:
        self.a, self.b = (fabric.nodes[f"toy-01-0{n}"] for n in (1, 2))
        self.rate_bps = int(plan.at(0)["rate_bps"].max())
        self.delay_s = float(plan.at(0)["delay_ns"].max()) / 1e9
        self.shelf = MemoryShelf()

    async def send(self, content: Any, congestion: str = "cubic") -> dict[str, int]:
        return await quic.send_object(
            self.a.socket,
            self.b.node.ipv4,
            "image",
            content,
            line_rate_bps=self.rate_bps,
            congestion=congestion,
        )

    async def serving(self, work: Callable[[], Awaitable[Any]]) -> Any:
        receiver = quic.Receiver(self.b.socket, time.monotonic, self.shelf, 1)
        async with asyncio.TaskGroup() as group:
            serve = group.create_task(receiver.serve())
            found = await work()
            serve.cancel()
        receiver.close()
        return found


@pytest.mark.parametrize("congestion", ["cubic", "reno"])
def test_an_object_arrives_whole_at_the_line_rate(pair, congestion: str) -> None:
    ends = Ends(*pair)
    size = 2_000_000

    async def transfer():
        facts = await ends.send(Content(1, "image", size), congestion)
        return facts, await ends.shelf.expect("image")

    facts, got = asyncio.run(ends.serving(transfer))
    assert got.verified and ends.shelf.held("image") == size
    assert facts["retransmitted"] == 0 and facts["least_rtt_us"] >= 2e6 * ends.delay_s
    line_s = 8 * size * FRAME_BYTES / (1472 - MORE_BYTES) / ends.rate_bps
    took_s = got.last_byte_s - got.first_byte_s
    assert took_s > 8 * size / ends.rate_bps
    if VIRTUAL:  # in real time it is the machine that would be measured
        # Slow start waits for at most five round trips: 10 << 5 packets are more than the line has.
        assert 0.99 * line_s < took_s < line_s + 5 * 2 * ends.delay_s


def test_an_outage_ends_the_attempt_and_the_next_goes_on(pair) -> None:
    fabric, plan = pair
    ends, content = Ends(fabric, plan), Content(1, "image", 2_000_000)

    async def transfer():
        first = asyncio.create_task(ends.send(content))
        while ends.shelf.held("image") < 500_000:
            await asyncio.sleep(0.01)
        fabric.apply(plan.dark())
        cut_s = time.monotonic()
        with pytest.raises(ConnectionError):
            await first
        ended_s, held = time.monotonic() - cut_s, ends.shelf.held("image")
        light(fabric, plan)
        facts = await ends.send(content)
        return ended_s, held, facts, await ends.shelf.expect("image")

    ended_s, held, facts, got = asyncio.run(ends.serving(transfer))
    assert STALLED_S < ended_s < STALLED_S + 2.0
    assert 500_000 <= held < content.size
    assert got.verified and ends.shelf.held("image") == content.size
    # What was held is not sent again: fifty packets are for the handshake and what it leaves.
    sent = facts["segments"] - facts["retransmitted"]
    assert sent * (1472 - MORE_BYTES) < content.size - held + 50 * 1472
    # The outage belongs to waiting, not to transmitting.
    assert got.transmit_s < got.last_byte_s - got.first_byte_s - 0.9 * STALLED_S


def test_a_damaged_object_is_refused_and_begun_again(pair) -> None:
    ends = Ends(*pair)
    content, other = Content(1, "image", 50_000), Content(2, "image", 50_000)

    async def transfer():
        damaged = Content(1, "image", 50_000)
        damaged.digest = other.digest
        with pytest.raises(ConnectionError, match="different hash"):
            await ends.send(damaged)
        assert ends.shelf.held("image") == 0
        await ends.send(content)
        return await ends.shelf.expect("image")

    assert asyncio.run(ends.serving(transfer)).verified


@pytest.mark.skipif(not VIRTUAL, reason="in real time aioquic does not fill the line")
@pytest.mark.parametrize("congestion", ["cubic", "reno"])
def test_packets_that_the_queue_drops_are_sent_again_and_told(
    build: Build, congestion: str
) -> None:
    plan = LinkPlan.of(in_a_row(range_km=1500.0, rate_gbps=1.0))
    fabric = build(plan)
    light(fabric, plan)
    a, b = fabric.nodes.values()
    shelf, counters, twice_bps = MemoryShelf(), fabric.counters(), 2 * 10**9

    async def transfer():
        receiver = quic.Receiver(b.socket, time.monotonic, shelf, 1)
        serve = asyncio.create_task(receiver.serve())
        facts = await quic.send_object(
            a.socket,
            b.node.ipv4,
            "image",
            Content(1, "image", 10**7),
            line_rate_bps=twice_bps,
            congestion=congestion,
        )
        serve.cancel()
        await asyncio.gather(serve, return_exceptions=True)
        receiver.close()
        return facts, await shelf.expect("image")

    before = counters.read()
    facts, got = asyncio.run(transfer())
    dropped = int((counters.read().dropped - before.dropped).sum())
    assert got.verified
    assert facts["retransmitted"] == dropped > 100, "the kernel's own count"


def test_where_nobody_listens_or_no_route_leads_is_an_error_at_once(pair) -> None:
    fabric, plan = pair
    ends, began_s = Ends(fabric, plan), time.monotonic()
    with pytest.raises(ConnectionError):
        asyncio.run(ends.send(Content(1, "image", 1)))
    assert time.monotonic() - began_s < 0.9, "it did not wait for the time limit"
    ends.a.remove_routes(range(1, len(plan.network.nodes)))
    with pytest.raises(OSError, match="unreachable"):
        asyncio.run(ends.send(Content(1, "image", 1)))


@pytest.mark.parametrize("routing", ["static", "bird-ospf6"])
def test_raw_goes_down_as_by_tcp(routing: str) -> None:
    more = {"routing": {"protocol": routing}} if routing != "static" else {}
    [row], records, ground = run(ring(["raw"], work=dict(QUIC), **more))
    proven(row, ground)
    parts = row["parts_s"]
    assert parts["transmit"] == pytest.approx(LINE_S, rel=1e-6)
    assert parts["retransmit"] == 0.0 and parts["wait"] == 0.0
    assert parts["other"] < LATE_S + (LONGER - 1) * LINE_S
    assert [r["event"] for r in records if "event" in r] == ["captured", "answered"]


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_a_node_killed_in_the_middle_costs_a_restart_and_no_byte_twice(who: str) -> None:
    source = ring(["raw"]).workload[0].source
    victim = source if who == "sender" else "pad"
    [row], records, ground = run(ring(["raw"], work=dict(QUIC)), kill(victim, 3.0))
    proven(row, ground)
    told = [(r["event"], r["node"]) for r in records if r.get("event", "").startswith("agent")]
    assert told == [("agent killed", victim), ("agent started", victim)]
    attempts = [r for r in records if "sending" in r]
    assert not attempts[0]["whole"] and attempts[-1]["whole"]
    assert 0.3 * SIZE < attempts[-1]["held"] < 0.7 * SIZE
    assert row["parts_s"]["transmit"] == pytest.approx(LINE_S, rel=0.02)
    assert row["latency_s"] < 0.1 + LONGER * LINE_S + RESTART_S + 3 * LATE_S


def test_a_gap_in_the_contact_is_waited_for_and_resumed_over() -> None:
    source = ring(["raw"]).workload[0].source
    gap = {"at_s": 3.0, "for_s": 4.0, "action": "link down", "target": [source, "pad"]}
    [row], records, ground = run(ring(["raw"], work=dict(QUIC), event=[gap]))
    proven(row, ground)
    assert row["parts_s"]["wait"] == pytest.approx(4.0, abs=0.1)
    assert [r for r in records if "sending" in r][-1]["held"] > 0.3 * SIZE


def test_a_relay_takes_it_and_hands_it_on_as_by_tcp() -> None:
    rows = []
    for transport in ("tcp", "quic"):
        work = {"hidden": True, "transport": transport}
        [row], records, ground = run(ring(["laser"], work=work))
        proven(row, ground)
        assert len([r for r in records if "flow" in r]) == 2, "each custodian took it once"
        rows.append(row)
    tcp, by_quic = rows
    assert by_quic["path"] == tcp["path"]
    assert by_quic["latency_s"] == pytest.approx(LONGER * tcp["latency_s"], abs=2 * LATE_S)
