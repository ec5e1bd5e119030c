"""Objects over real TCP between real namespaces: whole, verified, resumed, in order of size."""

import asyncio
import time

import pytest

from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from protocols.objects import Receiver, make_object, send_object
from protocols.offload import Offload
from protocols.static import Static
from tests.kernel.toys import NOTICED_S, Build, walker

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
    content = make_object(1, "image", 500_000)

    async def transfer():
        receiver = Receiver(b.socket, time.monotonic)
        serving = asyncio.create_task(receiver.serve())
        await send_object(a.socket, b.node.ipv4, "image", content)
        got = await receiver.expect("image")
        serving.cancel()
        receiver.close()
        return got

    got = asyncio.run(transfer())
    rate_bps = int(plan.at(0)["rate_bps"].max())
    assert got.verified
    # never quicker than the laser's line rate: the first chunk apart, all bytes crossed it
    assert got.last_byte_s - got.first_byte_s > 0.8 * len(content) * 8 / rate_bps


def test_a_broken_transfer_resumes_where_it_ended(pair) -> None:
    fabric, _plan = pair
    a, b = (fabric.nodes[f"toy-01-0{n}"] for n in (1, 2))
    content = make_object(1, "image", 2_000_000)

    async def transfer():
        receiver = Receiver(b.socket, time.monotonic)
        serving = asyncio.create_task(receiver.serve())
        first = asyncio.create_task(send_object(a.socket, b.node.ipv4, "image", content))
        while len(receiver._held.get("image", b"")) < 200_000:
            await asyncio.sleep(0.01)
        first.cancel()
        held = len(receiver._held["image"])
        await asyncio.sleep(PAUSE_S)
        sent: list[int] = []

        def counting(family: int, kind: int):
            made = a.socket(family, kind)
            sent.append(made.fileno())
            return made

        await send_object(counting, b.node.ipv4, "image", content)
        got = await receiver.expect("image")
        serving.cancel()
        receiver.close()
        return got, held, bytes(receiver._held["image"])

    got, held, arrived = asyncio.run(transfer())
    assert 200_000 <= held < len(content)
    assert got.verified and arrived == content
    # the pause belongs to waiting, not to transmitting
    assert got.transmit_s < got.last_byte_s - got.first_byte_s - 0.9 * PAUSE_S


def test_no_route_is_an_error_not_a_wait(pair) -> None:
    fabric, plan = pair
    handle = fabric.nodes["toy-01-01"]
    handle.remove_routes(range(1, len(plan.network.nodes)))

    async def transfer() -> None:
        await send_object(handle.socket, plan.network.nodes[1].ipv4, "image", b"x")

    with pytest.raises(OSError, match="unreachable"):
        asyncio.run(transfer())


def test_each_offload_listens_at_a_port_of_its_own() -> None:
    preset = Scenario.load("three-body")
    first = preset.workload[1]
    second = first.model_copy(update={"source": "scs-01-l"})
    plan = LinkPlan.of(preset.model_copy(update={"workload": (first, second)}))
    assert Offload(first, plan).tcp_port != Offload(second, plan).tcp_port
