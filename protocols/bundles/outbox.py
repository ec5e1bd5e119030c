"""What a node holds, and in which order it leaves by each contact."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocols.bundles.bundle import BundleId, Primary

if TYPE_CHECKING:
    from protocols.bundles.agent import Agent


@dataclass(slots=True)
class Held:
    """A bundle on the disk, as far as forwarding goes."""

    id: BundleId
    primary: Primary
    destination: int | None
    """Index of the node, None where there is none of that name."""
    size: int
    expires_s: float
    contact: int | None = None
    """Whose outbox it is in."""
    leaving: bool = False
    again: bool = False
    """It has come again while it left: when it has left, it is still here."""
    sender: int | None = None
    """Who sent it here, as long as the way onward is as good as it seemed."""

    @property
    def name(self) -> str:
        """What the store calls it."""
        return str(self.id)


class Box:
    """An outbox: names of bundles that wait for a contact, in order."""

    def __init__(self, agent: "Agent", contact: int) -> None:
        self.agent, self.contact = agent, contact
        self.names: list[str] = []
        self.leaving: list[str] = []
        self.changed = asyncio.Event()

    def take(self) -> tuple[str, bytes] | None:
        """Return the next bundle that can still leave before the contact ends."""
        agent = self.agent
        while self.names:
            held = agent.held.get(self.names[0])
            if held is not None:
                left_s = float(agent.shared.hops["end_s"][self.contact]) - agent.now_s()
                if agent.forwarder.sending_s(self.contact, held.size) > left_s:
                    agent.failed(self.contact, float("inf"))
                    return None
            self.names.pop(0)
            data = agent.leaving(held.name) if held else None
            if held is not None and data is not None:
                held.leaving = True
                self.leaving.append(held.name)
                return held.name, data
        return None

    def done(self, name: str) -> None:
        """The next node has it: it is ours no more."""
        self.leaving.remove(name)
        self.agent.forwarded(name, self.contact)

    def refused(self, name: str) -> None:
        """The next node does not take it: try again after all others. Raises ConnectionError."""
        if name in self.leaving:
            self.leaving.remove(name)
        if held := self.agent.held.pop(name, None):
            held.leaving = held.again = False
            self.agent.held[name] = held
        raise ConnectionError(f"{name} was refused")

    def give_back(self) -> bool:
        """Let what was on its way wait again; whether anything does."""
        for name in self.leaving:
            if held := self.agent.held.get(name):
                held.leaving = held.again = False
        some = bool(self.leaving or self.names)
        self.leaving.clear()
        return some
