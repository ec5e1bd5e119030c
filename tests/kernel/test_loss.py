"""What the kernel loses: as much as it was told, one by one and in fades, also while retuned."""

import socket
import struct
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest

from emulator.bench.transfer import light
from emulator.kernel import messages, namespaces
from emulator.kernel.fabric import Fabric
from emulator.kernel.netlink import NetlinkSocket
from emulator.linkplan import LinkPlan
from tests.kernel.toys import VIRTUAL, Build, walker

PACKETS, BATCH = 200_000, 10_000
ALWAYS = 10**9
SIGMAS = 2.576 if VIRTUAL else 5.0
"""Half width of the normal distribution's 99 % band. Where chance does not repeat itself, one run
in a hundred must not fail: five sigmas."""
SILENCE_S = 0.5
"""So long after the last arrival no more is to come: the ring's own delays are 0.1 s and less."""
_SO_RCVBUFFORCE, _TCA_NETEM_PRNG_SEED = 33, 14


class Crossing:
    """One direction of one link of a ring of six, and the packets that cross it."""

    def __init__(self, fabric: Fabric, plan: LinkPlan) -> None:
        light(fabric, plan)
        self.fabric, self.state = fabric, plan.at(0)
        a, b = plan.network.nodes[:2]
        ours = [port.index for port in a.ports]
        self.port = next(p.index for p in b.ports if self.state["peer"][p.index] in ours)
        self.sender, self.receiver = (
            fabric.nodes[node.name].socket(socket.AF_INET, socket.SOCK_DGRAM) for node in (a, b)
        )
        self.receiver.bind(("", 9))
        self.sender.connect((b.ipv4, 9))
        self.receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 25)
        # not settimeout, which would make two system calls of each one
        patience = struct.pack("ll", 0, int(SILENCE_S * 1e6))
        self.receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)

    def tell(self, **fields: int) -> None:
        """Retune the channel: what is not named stays."""
        for name, value in fields.items():
            self.state[name][self.port] = value
        self.fabric.apply(self.state)
        assert np.array_equal(self.fabric.observe(), self.state)

    def seed(self, number: int) -> None:
        """Begin the channel's random numbers anew, so that no other test has a part in them.

        Linux 6.1 does not know this attribute and passes over it.
        """
        with namespaces.entered(self.fabric.namespace):
            kernel = NetlinkSocket()
            rows = messages.netem(np.array([socket.if_nametoindex(f"p{self.port}")]))
        messages.tune(rows, self.state[[self.port]])
        attribute = messages.attribute(_TCA_NETEM_PRNG_SEED, struct.pack("<Q", number))
        for length in ("length", "options_len"):
            rows[length] += len(attribute)
        kernel.send([rows.tobytes() + attribute], lambda _: f"seed the netem of port {self.port}")
        kernel.close()

    def lost(self, count: int) -> np.ndarray:
        """Send ``count`` numbered packets and return for each whether it never came."""
        missing = np.ones(count, dtype=bool)
        for first in range(0, count, BATCH):
            for number in range(first, min(first + BATCH, count)):
                self.sender.send(number.to_bytes(4, "little"))
            missing[list(self._heard())] = False
        return missing

    def _heard(self) -> Iterator[int]:
        while True:
            try:
                yield int.from_bytes(self.receiver.recv(4), "little")
            except BlockingIOError:
                return

    def close(self) -> None:
        """Close the sockets."""
        self.sender.close()
        self.receiver.close()


@pytest.fixture
def crossing(build: Build) -> Iterator[Crossing]:
    """A millisecond of a 100 Mbit/s laser with room for a batch."""
    plan = LinkPlan.of(walker())
    opened = Crossing(build(plan), plan)
    opened.tell(delay_ns=1_000_000, limit_packets=2 * BATCH)
    yield opened
    opened.close()


@pytest.mark.real_time
def test_losses_one_by_one_are_a_binomial_share(crossing: Crossing) -> None:
    share = 0.01
    crossing.tell(loss_ppb=int(share * ALWAYS))
    crossing.seed(1)
    lost = crossing.lost(PACKETS)
    sigma = np.sqrt(share * (1 - share) / PACKETS)
    assert lost.mean() == pytest.approx(share, abs=SIGMAS * sigma)
    # and no loss makes the next one likelier: as many pairs as chance gives
    pairs = (lost[1:] & lost[:-1]).sum()
    assert pairs == pytest.approx(PACKETS * share**2, abs=SIGMAS * np.sqrt(PACKETS) * share)


@pytest.mark.real_time
def test_fades_are_as_frequent_and_as_long_as_told(crossing: Crossing) -> None:
    """Gilbert-Elliott: share lost p / (p + r), mean burst 1 / r, correlation 1 - p - r a packet."""
    p, r = 0.01, 0.1
    crossing.tell(fade_start_ppb=int(p * ALWAYS), fade_end_ppb=int(r * ALWAYS))
    crossing.seed(1)
    lost = crossing.lost(PACKETS)
    share, memory = p / (p + r), 1 - p - r
    sigma = np.sqrt(share * (1 - share) * (1 + memory) / (1 - memory) / PACKETS)
    assert lost.mean() == pytest.approx(share, abs=SIGMAS * sigma)
    bursts = (lost[1:] & ~lost[:-1]).sum() + lost[0]
    assert lost.sum() / bursts == pytest.approx(1 / r, rel=0.1)


@pytest.mark.real_time
def test_never_and_always_are_meant(crossing: Crossing) -> None:
    assert not crossing.lost(BATCH).any()
    crossing.tell(loss_ppb=ALWAYS)
    assert crossing.lost(BATCH).all()
    crossing.tell(loss_ppb=0)
    assert not crossing.lost(BATCH).any()


@pytest.mark.skipif(not VIRTUAL, reason="other kernels end a fade at each retune")
def test_a_retune_does_not_end_a_fade(crossing: Crossing) -> None:
    crossing.tell(fade_start_ppb=ALWAYS)
    # the packet that a fade begins with is the last to pass
    assert list(crossing.lost(4)) == [False, True, True, True]
    crossing.tell(delay_ns=2_000_000)
    assert crossing.lost(4).all()
    # also not where only its odds change
    crossing.tell(fade_start_ppb=ALWAYS // 2, fade_end_ppb=1)
    assert crossing.lost(4).all()
    # without fades there is none to be in
    crossing.tell(fade_start_ppb=0, fade_end_ppb=0)
    assert not crossing.lost(4).any()


@pytest.mark.real_time
def test_every_chance_is_held_as_told(build: Build) -> None:
    plan = LinkPlan.of(walker())
    fabric = build(plan)
    state, draw = plan.at(0), np.random.default_rng(1)
    for name in ("loss_ppb", "fade_start_ppb", "fade_end_ppb"):
        state[name] = draw.integers(0, ALWAYS, len(state), endpoint=True)
        state[name][:4] = 0, 1, ALWAYS - 1, ALWAYS
    fabric.apply(state)
    assert np.array_equal(fabric.observe(), state)
    for name in ("loss_ppb", "fade_start_ppb", "fade_end_ppb"):
        state[name][0] += 1
        assert fabric.apply(state) == 1
        assert np.array_equal(fabric.observe(), state)


def test_a_chain_is_what_tc_reads(crossing: Crossing) -> None:
    """iproute2 as the outside authority on where p, r, h and k1 are; it shows h as 1 - h."""
    crossing.tell(fade_start_ppb=10**7, fade_end_ppb=ALWAYS // 4, loss_ppb=ALWAYS // 2)
    with namespaces.entered(crossing.fabric.namespace):
        command = ["tc", "qdisc", "show", "dev", f"p{crossing.port}"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "loss gemodel p 1% r 25% 1-h 100% 1-k 50%" in shown
