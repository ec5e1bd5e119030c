"""Packed messages against pyroute2's encoder, where it can say the same, and read back."""

import numpy as np
import pytest
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


def by_pyroute2(delay_ticks: int, limit: int, loss: int, rate_bytes_s: int) -> bytes:
    """The same message as pyroute2's message class encodes it (it knows no 64-bit attributes)."""
    message = tcmsg()
    message["header"] = {"type": 36, "flags": 0x501, "pid": 0, "sequence_number": 0}
    message["index"], message["handle"], message["parent"] = 7, 0x10000, 0xFFFFFFFF
    options = dict.fromkeys(BASE_FIELDS, 0) | {"delay": delay_ticks, "limit": limit}
    options["loss"] = loss
    rate = {"rate": rate_bytes_s, "packet_overhead": 0, "cell_size": 0, "cell_overhead": 0}
    options["attrs"] = [["TCA_NETEM_RATE", rate]]
    message["attrs"] = [["TCA_KIND", "netem"], ["TCA_OPTIONS", options]]
    message.encode()
    return bytes(message.data)


@pytest.mark.parametrize(
    ("delay_us", "limit", "loss_ppm", "rate_bps"),
    [(64, 1000, 0, 8_000_000), (6400, 139, 10_000, 100_000_000), (150_016, 1, 1_000_000, 8)],
)
def test_packed_bytes_equal_pyroute2s(
    delay_us: int, limit: int, loss_ppm: int, rate_bps: int
) -> None:
    ours = packed(
        delay_ns=delay_us * 1000, limit_packets=limit, loss_ppm=loss_ppm, rate_bps=rate_bps
    )
    loss = round(loss_ppm / 1e6 * 0xFFFFFFFF)
    theirs = by_pyroute2(delay_us * 1000 // 64, limit, loss, rate_bps // 8)
    # ours goes on with RATE64 and LATENCY64: 24 bytes, counted in two length fields
    assert len(ours) == len(theirs) + 24
    expected = bytearray(theirs)
    for offset in (0, 48):
        length = int.from_bytes(expected[offset : offset + 2], "little") + 24
        expected[offset : offset + 2] = length.to_bytes(2, "little")
    assert ours[: len(theirs)] == bytes(expected)
    assert ours[len(theirs) :] == (
        (12).to_bytes(2, "little")
        + (8).to_bytes(2, "little")
        + (rate_bps // 8).to_bytes(8, "little")
        + (12).to_bytes(2, "little")
        + (10).to_bytes(2, "little")
        + (delay_us * 1000).to_bytes(8, "little")
    )


@pytest.mark.parametrize("rate_bps", [8, 34_359_738_360, 34_359_738_368, 100_000_000_000])
def test_what_is_packed_is_read_back(rate_bps: int) -> None:
    """Also above 34.36 Gbit/s, where pyroute2 raises struct.error, and to the nanosecond."""
    fields = {"delay_ns": 6_577_727, "limit_packets": 77, "loss_ppm": 123, "rate_bps": rate_bps}
    body = packed(**fields)[16:]
    assert messages.read_netem(body) == (7, fields)


def test_pyroute2_cannot_say_100_gbit() -> None:
    import struct

    with pytest.raises(struct.error):
        by_pyroute2(0, 1, 0, 100_000_000_000 // 8)


def test_mirred_is_read_back() -> None:
    rows = messages.mirred(np.array([5]))
    rows["target_ifindex"] = 1234
    assert list(messages.read_mirred(rows.tobytes()[16:])) == [(5, 1234)]


def test_every_length_field_is_that_of_its_block() -> None:
    for rows in (messages.netem(np.array([1, 2])), messages.mirred(np.array([1, 2]))):
        assert set(rows["length"]) == {rows.dtype.itemsize}
        assert len(rows.tobytes()) == 2 * rows.dtype.itemsize
