"""What carries objects between agents: TCP in every run, and QUIC where a workload asks for it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from protocols import objects
from protocols.parts import Shelf

if TYPE_CHECKING:
    from emulator.kernel.node import NodeHandle
    from protocols.offload import Offload


class Listener(Protocol):
    """The receiver of one transport."""

    async def serve(self) -> None:
        """Accept connections until cancelled."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


def listeners(
    work: "Offload", handle: "NodeHandle", now_s: Callable[[], float], shelf: Shelf
) -> list[Listener]:
    """Return a listener in a node for each transport of the run."""
    make, port, family = handle.socket, work.port, work.family
    found: list[Listener] = [objects.Receiver(make, now_s, port, family, shelf)]
    if work.by_quic:
        from protocols import quic  # needs aioquic, which only such a run must have

        found.append(quic.Receiver(make, now_s, shelf, work.seed, port, family))
    return found


def sender(transport: str) -> Callable[..., Awaitable[dict[str, int]]]:
    """Return the ``send_object`` of a transport."""
    if transport == "quic":
        from protocols import quic

        return quic.send_object
    return objects.send_object
