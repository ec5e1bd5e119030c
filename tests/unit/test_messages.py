"""Packed messages against pyroute2's encoder, where it can say the same, and read back."""

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from emulator.kernel import messages
from emulator.linkplan import PORT_STATE

BASE_FIELDS = ("delay", "limit", "loss", "gap", "duplicate", "jitter")


def state_of(**fields: int) -> np.ndarray:
    """One row of PORT_STATE."""
    state = np.zeros(1, dtype=PORT_STATE)
    for name, value in fields.items():
        state[name] = value
    return state


def packed(**fields: int) -> bytes:
    """The netem message for one channel."""
    rows = messages.netem(np.array([7]))
    messages.tune(rows, state_of(**fields))
    return rows.tobytes()


def by_pyroute2(delay_ticks: int, limit: int, rate_bytes_s: int) -> bytes:
    """The same message as pyroute2 encodes it (no 64-bit attributes, no model of loss)."""
    message = tcmsg()
    message["header"] = {"type": 36, "flags": 0x501, "pid": 0, "sequence_number": 0}
    message["index"], message["handle"], message["parent"] = 7, 0x10000, 0xFFFFFFFF
    options = dict.fromkeys(BASE_FIELDS, 0) | {"delay": delay_ticks, "limit": limit}
    rate = {"rate": rate_bytes_s, "packet_overhead": 0, "cell_size": 0, "cell_overhead": 0}
    options["attrs"] = [["TCA_NETEM_RATE", rate]]
    message["attrs"] = [["TCA_KIND", "netem"], ["TCA_OPTIONS", options]]
    message.encode()
    return bytes(message.data)


@pytest.mark.parametrize(
    ("delay_us", "limit", "loss_ppb", "rate_bps"),
    [(64, 1000, 0, 8_000_000), (6400, 139, 10**7, 10**8), (150_016, 1, 10**9, 8)],
)
def test_packed_bytes_equal_pyroute2s(
    delay_us: int, limit: int, loss_ppb: int, rate_bps: int
) -> None:
    ours = packed(
        delay_ns=delay_us * 1000,
        limit_packets=limit,
        loss_ppb=loss_ppb,
        fade_start_ppb=10**9,
        fade_end_ppb=5 * 10**8,
        rate_bps=rate_bps,
    )
    theirs = by_pyroute2(delay_us * 1000 // 64, limit, rate_bps // 8)
    # ours goes on with RATE64, LATENCY64 and LOSS: 48 bytes, counted in two length fields
    assert len(ours) == len(theirs) + 48
    expected = bytearray(theirs)
    for offset in (0, 48):
        length = int.from_bytes(expected[offset : offset + 2], "little") + 48
        expected[offset : offset + 2] = length.to_bytes(2, "little")
    assert ours[: len(theirs)] == bytes(expected)
    # by linux/pkt_sched.h; a chain's p, r, h and k1 are shares of 2^32
    k1 = min(round(loss_ppb * 2**32 / 10**9), 2**32 - 1)
    assert ours[len(theirs) :] == (
        struct.pack("<HHQ", 12, 8, rate_bps // 8)
        + struct.pack("<HHq", 12, 10, delay_us * 1000)
        + struct.pack("<HHHHIIII", 24, 5, 20, 2, 2**32 - 1, 2**31, 0, k1)
    )


@pytest.mark.parametrize("rate_bps", [8, 34_359_738_360, 34_359_738_368, 100_000_000_000])
def test_what_is_packed_is_read_back(rate_bps: int) -> None:
    """Also above 34.36 Gbit/s, where pyroute2 raises struct.error, and to the nanosecond."""
    fields = dict.fromkeys(PORT_STATE.names, 0)
    del fields["peer"]
    fields |= {"delay_ns": 6_577_727, "limit_packets": 77, "rate_bps": rate_bps}
    assert messages.read_netem(packed(**fields)[16:]) == (7, fields)


PPB = st.integers(0, 10**9)


@example(0, 1, 10**9)
@example(10**9 - 1, 10**9, 2)
@given(PPB, PPB, PPB)
def test_every_part_per_billion_is_read_back(loss: int, start: int, end: int) -> None:
    body = packed(loss_ppb=loss, fade_start_ppb=start, fade_end_ppb=end)[16:]
    _, channel = messages.read_netem(body)
    held = channel["loss_ppb"], channel["fade_start_ppb"], channel["fade_end_ppb"]
    assert held == (loss, start, end)


def test_a_loss_that_is_none_of_ours_is_read_too() -> None:
    """What ``tc qdisc change ... loss 25%`` leaves must show as a drift: no model, base loss."""
    theirs = struct.pack("<4xiIII", 7, 0x10000, 0xFFFFFFFF, 0) + messages.attribute(1, b"netem\0")
    theirs += messages.attribute(2, struct.pack("<6I", 0, 77, 2**30, 0, 0, 0))
    _, channel = messages.read_netem(theirs)
    assert channel["loss_ppb"] == 250_000_000
    assert channel["fade_start_ppb"] == channel["fade_end_ppb"] == 0


def test_pyroute2_cannot_say_100_gbit() -> None:
    with pytest.raises(struct.error):
        by_pyroute2(0, 1, 100_000_000_000 // 8)


def test_mirred_is_read_back() -> None:
    rows = messages.mirred(np.array([5]))
    rows["target_ifindex"] = 1234
    assert list(messages.read_mirred(rows.tobytes()[16:])) == [(5, 1234)]


def test_every_length_field_is_that_of_its_block() -> None:
    for rows in (messages.netem(np.array([1, 2])), messages.mirred(np.array([1, 2]))):
        assert set(rows["length"]) == {rows.dtype.itemsize}
        assert len(rows.tobytes()) == 2 * rows.dtype.itemsize
