"""Bundles out of an outbox, over a pair of sockets, into a store: acknowledged or still there."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.bundles import carriers
from protocols.bundles.carriers import CARRIERS
from protocols.bundles.mtcp import frame
from protocols.bundles.store import Store
from protocols.bundles.tcpcl_messages import contact_header

SOON_S = 5.0


class Box:
    """An outbox that holds what it is given."""

    def __init__(self, *bundles: bytes) -> None:
        self.waiting = [(str(n), data) for n, data in enumerate(bundles)]
        self.changed = asyncio.Event()
        self.told: list[tuple[str, str]] = []

    def take(self) -> tuple[str, bytes] | None:
        return self.waiting.pop(0) if self.waiting else None

    def done(self, name: str) -> None:
        self.told.append(("done", name))

    def refused(self, name: str) -> None:
        self.told.append(("refused", name))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriers, "_IDLE_S", 0.05)


def connected() -> tuple[socket.socket, socket.socket]:
    """A TCP connection: a broken one is told by RST, which socket pairs do not have."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        here = socket.create_connection(listener.getsockname())
        there, _ = listener.accept()
    for each in (here, there):
        each.setblocking(False)
    return here, there


def carried(layer: str, box: Box, take: Callable[[bytes], bool]) -> list[BaseException | None]:
    """Carry what is in ``box``; how the sender and the receiver ended."""

    async def both() -> list[BaseException | None]:
        here, there = connected()

        async def closing(which: socket.socket, work: object) -> None:
            with which:
                await work

        carrier = CARRIERS[layer]
        async with asyncio.timeout(SOON_S):
            return await asyncio.gather(
                closing(here, carrier.send(here, "dtn://a/", box)),
                closing(there, carrier.receive(there, "dtn://b/", take)),
                return_exceptions=True,
            )

    return asyncio.run(both())


@pytest.mark.parametrize("layer", CARRIERS)
def test_bundles_arrive_in_order_and_are_acknowledged(layer: str) -> None:
    bundles = [bytes([n]) * (10 ** (n % 6)) for n in range(8)]
    box, found = Box(*bundles), []
    assert carried(layer, box, lambda data: found.append(data) or True) == [None, None]
    assert found == bundles
    assert box.told == [("done", str(n)) for n in range(8)]


def test_tcpcl_s_refusal_is_told_of_the_bundle_and_mtcp_s_of_none() -> None:
    box = Box(b"good", b"bad", b"good")
    assert carried("tcpcl", box, lambda data: data == b"good") == [None, None]
    assert box.told == [("done", "0"), ("refused", "1"), ("done", "2")]
    box = Box(b"good", b"bad", b"good")
    ended = carried("mtcp", box, lambda data: data == b"good")
    # It cannot know which of them has arrived: all are still its own.
    assert isinstance(ended[1], ConnectionError) and not box.told


def test_mtcp_takes_no_more_at_once_than_it_may_have_to_send_again() -> None:
    box, found = Box(*[b"x"] * 20), []
    assert carried("mtcp", box, lambda data: found.append(data) or True) == [None, None]
    assert len(found) == len(box.told) == 8 and len(box.waiting) == 12


@pytest.mark.parametrize("layer", CARRIERS)
def test_what_a_receiver_fails_of_is_not_acknowledged(layer: str) -> None:
    def fail(data: bytes) -> bool:
        raise OSError("disk full")

    box = Box(b"bundle")
    ended = carried(layer, box, fail)
    assert "disk full" in str(ended[1]) and not box.told


@pytest.mark.parametrize(
    ("layer", "sent", "said"),
    [
        ("tcpcl", b"GET / HTTP/1.1", "no contact header"),
        ("tcpcl", contact_header() + b"\x99", "type of a message: 153"),
        ("tcpcl", contact_header()[:3], "peer closed within a session"),
        ("mtcp", b"\x81", "no byte string"),
        ("mtcp", frame(b"bundle")[:4], "ended within a bundle"),
    ],
)
def test_a_peer_of_another_kind_is_given_up(layer: str, sent: bytes, said: str) -> None:
    async def receive() -> None:
        here, there = connected()
        with here, there:
            here.sendall(sent)
            here.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(SOON_S):
                await CARRIERS[layer].receive(there, "dtn://b/", lambda data: True)

    with pytest.raises(ConnectionError, match=said):
        asyncio.run(receive())


def test_a_peer_that_says_nothing_is_given_up_by_the_sender() -> None:
    async def send() -> None:
        here, there = connected()
        with here, there:
            await CARRIERS["tcpcl"].send(here, "dtn://a/", Box(b"bundle"))

    with pytest.raises(ConnectionError, match="neither begins a session nor ends one"):
        asyncio.run(send())


def test_a_store_keeps_what_it_has_when_its_process_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path / "node" / "bundles.sqlite")
    assert store.keep("a", 5, b"1") and not store.keep("a", 6, b"2")
    store.make("b", 7, b"3")
    store.make("c", 8, b"4")
    again = Store(tmp_path / "node" / "bundles.sqlite")  # the first one was never closed
    assert list(again) == [("a", 5, b"1"), ("b", 7, b"3"), ("c", 8, b"4")]
    assert again.made == 2 and again.data("b") == (7, b"3")
    again.drop("b", "nobody")
    assert again.made == 2 and [name for name, *_ in again] == ["a", "c"]
    assert again.deliver("d", "a", "c") and not again.deliver("d")
    assert store.delivered("d") and not store.delivered("a") and list(store) == []
    with pytest.raises(KeyError):
        store.data("a")
    for each in (store, again):
        each.close()
