"""Objects as streams: any part of them at any time, one hash, and how their receiver is woken."""

import asyncio
import hashlib
import os
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.objects import BLOCK_BYTES, Content, Receiver, paced, send_object, wake_bytes


def whole(content: Content, offset: int = 0) -> bytes:
    return b"".join(content.blocks(offset))


@given(size=st.integers(1, 3 * BLOCK_BYTES), share=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_an_object_goes_on_from_any_byte(size: int, share: float) -> None:
    offset = int(share * size)
    everything = whole(Content(1, "image", size))
    assert len(everything) == size
    assert whole(Content(1, "image", size), offset) == everything[offset:]


def test_a_shorter_object_is_the_beginning_of_a_longer_one_and_no_two_are_alike() -> None:
    objects = [whole(Content(seed, name, 5000)) for seed in (1, 2) for name in ("a", "b")]
    assert len(set(objects)) == 4
    assert whole(Content(1, "a", 3000)) == objects[0][:3000]
    blocks = list(Content(1, "a", 3 * BLOCK_BYTES).blocks())
    assert len({bytes(block) for block in blocks}) == 3


@pytest.mark.parametrize("size", [1, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 7])
def test_the_digest_is_of_all_bytes_whatever_was_made_before(size: int) -> None:
    right = hashlib.sha256(whole(Content(1, "image", size))).digest()
    fresh, resumed, broken = (Content(1, "image", size) for _ in range(3))
    assert fresh.digest() == fresh.digest() == right
    whole(resumed, size // 2)  # another attempt had sent the first half
    assert resumed.digest() == right
    next(broken.blocks())
    whole(broken, 1)
    assert whole(broken) and broken.digest() == right


def test_blocks_cannot_be_written_to() -> None:
    assert next(Content(1, "image", 10).blocks()).readonly


def test_a_receiver_is_woken_for_twenty_milliseconds_of_bytes() -> None:
    assert wake_bytes(100_000, 0.1) == 20_000
    assert wake_bytes(10_000, 0.1) == 2000
    assert wake_bytes(BLOCK_BYTES, 1e-5) == BLOCK_BYTES == wake_bytes(BLOCK_BYTES, 0.0)
    assert wake_bytes(1448, 1e-7) == 2 * 1448, "two packets at once are not yet a fast line"


@pytest.mark.parametrize(("family", "payload"), [(4, 1448), (6, 1428)])
def test_a_paced_sender_never_outruns_netem(family, payload) -> None:
    assert paced(1, family) == 1
    for rate_bps in (8_000, 10**6, 1_200_000, 10**9, 100 * 10**9):
        paced_bytes_s = paced(rate_bps, family)
        assert paced_bytes_s <= rate_bps / 8 * payload / 1514
        # Both the kernel's pacing and netem round a frame's nanoseconds down.
        assert payload * 10**9 // paced_bytes_s >= 1514 * 10**9 // (rate_bps // 8)


@pytest.mark.parametrize("congestion", ["cubic", "reno"])
def test_an_object_goes_under_the_congestion_control_that_is_asked_for(congestion: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    twins = []

    def make_socket(family: int, kind: int) -> socket.socket:
        made = socket.socket(family, kind)
        twins.append(socket.socket(fileno=os.dup(made.fileno())))
        return made

    async def transfer() -> None:
        receiver = Receiver(socket.socket, time.monotonic, port)
        serving = asyncio.create_task(receiver.serve())
        await send_object(
            make_socket,
            "127.0.0.1",
            "image",
            Content(1, "image", 5000),
            line_rate_bps=10**9,
            congestion=congestion,
            port=port,
        )
        assert (await receiver.expect("image")).verified
        serving.cancel()
        receiver.close()

    asyncio.run(transfer())
    [twin] = twins
    with twin:
        name = twin.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    assert name.rstrip(b"\0").decode() == congestion
