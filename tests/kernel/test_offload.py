"""Objects over real TCP between real namespaces: whole, verified, resumed, in order of size."""

import asyncio
import time
from pathlib import Path

import pytest

from emulator.bench.transfer import in_a_row, light, measure
from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from emulator.sizing import tcp_sysctls
from emulator.units import SEGMENT_BYTES
from protocols.objects import Content, Receiver, send_object
from protocols.static import Static
from tests.kernel.toys import NOTICED_S, VIRTUAL, Build, walker

PAUSE_S = 1.0


@pytest.fixture
def pair(build: Build) -> tuple[Fabric, LinkPlan]:
    """Six satellites in a ring with routes; the first two exchange objects."""
    plan = LinkPlan.of(walker(rate_scale=10_000.0))
    fabric = build(plan)
    fabric.apply(plan.at(0))
    assert wait_for(fabric.noticed, NOTICED_S)
    Static(plan, fabric.nodes).step(plan.at(0))
    return fabric, plan


def test_an_object_arrives_whole_and_takes_its_time(pair) -> None:
    fabric, plan = pair
    a, b = (fabric.nodes[f"toy-01-0{n}"] for n in (1, 2))
    content = Content(1, "image", 500_000)
    rate_bps = int(plan.at(0)["rate_bps"].max())

    async def transfer():
        receiver = Receiver(b.socket, time.monotonic)
        serving = asyncio.create_task(receiver.serve())
        await send_object(a.socket, b.node.ipv4, "image", content, line_rate_bps=rate_bps)
        got = await receiver.expect("image")
        serving.cancel()
        receiver.close()
        return got

    got = asyncio.run(transfer())
    assert got.verified
    # never quicker than the laser's line rate: the first chunk apart, all bytes crossed it
    assert got.last_byte_s - got.first_byte_s > 0.8 * content.size * 8 / rate_bps


def test_a_broken_transfer_resumes_where_it_ended(pair) -> None:
    fabric, plan = pair
    a, b = (fabric.nodes[f"toy-01-0{n}"] for n in (1, 2))
    content = Content(1, "image", 2_000_000)
    rate_bps = int(plan.at(0)["rate_bps"].max())

    async def transfer():
        receiver = Receiver(b.socket, time.monotonic)
        serving = asyncio.create_task(receiver.serve())

        def send():
            return send_object(a.socket, b.node.ipv4, "image", content, line_rate_bps=rate_bps)

        first = asyncio.create_task(send())
        while receiver.held("image") < 200_000:
            await asyncio.sleep(0.01)
        first.cancel()
        held = receiver.held("image")
        await asyncio.sleep(PAUSE_S)
        tcp = await send()
        got = await receiver.expect("image")
        serving.cancel()
        receiver.close()
        return got, held, tcp, receiver.held("image")

    got, held, tcp, arrived = asyncio.run(transfer())
    assert 200_000 <= held < content.size
    # the hash is over all bytes in order: nothing is lost, and nothing there twice
    assert got.verified and arrived == content.size
    # what was held is not sent again; header, digest and what did not fill a segment are more
    fresh = tcp["segments"] - tcp["retransmitted"] - 2
    assert fresh * SEGMENT_BYTES < content.size - held + 50 * SEGMENT_BYTES
    # the pause belongs to waiting, not to transmitting
    assert got.transmit_s < got.last_byte_s - got.first_byte_s - 0.9 * PAUSE_S


def test_a_damaged_object_is_refused_and_begun_again(pair) -> None:
    fabric, _plan = pair
    a, b = (fabric.nodes[f"toy-01-0{n}"] for n in (1, 2))
    content, other = Content(1, "image", 50_000), Content(2, "image", 50_000)

    async def transfer():
        receiver = Receiver(b.socket, time.monotonic)
        serving = asyncio.create_task(receiver.serve())
        arrived = receiver.expect("image")
        damaged = Content(1, "image", 50_000)
        damaged.digest = other.digest
        with pytest.raises(ConnectionError, match="different hash"):
            await send_object(a.socket, b.node.ipv4, "image", damaged, line_rate_bps=10**7)
        assert not arrived.done() and receiver.held("image") == 0
        await send_object(a.socket, b.node.ipv4, "image", content, line_rate_bps=10**7)
        serving.cancel()
        receiver.close()
        return await arrived

    assert asyncio.run(transfer()).verified


@pytest.mark.skipif(not VIRTUAL, reason="in real time it is the machine that would be measured")
@pytest.mark.parametrize(("size", "lasers"), [(10**6, 1), (10**9, 1), (10**8, 4)])
def test_lasers_of_100_gigabits_carry_what_theory_says(
    build: Build, size: int, lasers: int
) -> None:
    plan = LinkPlan.of(in_a_row(lasers))
    fabric = build(plan)
    light(fabric, plan)
    row = measure(fabric, plan, size)
    assert row["km"] == pytest.approx(1500.0 * lasers) and row["hash"] == "equal"
    assert row["measured s"] == pytest.approx(row["with slow start s"], rel=0.01)
    assert row["retransmitted"] == row["receiver_limited_us"] == row["buffer_limited_us"] == 0


def test_a_node_has_the_buffers_that_its_links_need(build: Build) -> None:
    plan = LinkPlan.of(in_a_row())
    [handle, _] = build(plan).nodes.values()
    for name, limits in tcp_sysctls(plan.network).items():
        with handle.entered():
            assert Path("/proc/sys/net", name).read_text().split() == limits.split()
        assert Path("/proc/sys/net", name).read_text().split() != limits.split(), "the machine's"


def test_no_route_is_an_error_not_a_wait(pair) -> None:
    fabric, plan = pair
    handle = fabric.nodes["toy-01-01"]
    handle.remove_routes(range(1, len(plan.network.nodes)))

    async def transfer() -> None:
        address, content = plan.network.nodes[1].ipv4, Content(1, "image", 1)
        await send_object(handle.socket, address, "image", content, line_rate_bps=10**6)

    with pytest.raises(OSError, match="unreachable"):
        asyncio.run(transfer())
