"""The time of a transfer, against round-by-round counting and the cases one can do by hand."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.transfer_time import Hop, expected_s, ideal_s

PAYLOAD, FRAME, ACKNOWLEDGEMENT = 1448, 1514, 66
LASER = Hop(delay_s=1500 / 299_792.458, rate_bps=100e9)


def rounds_s(size: int, path: list[Hop]) -> float:
    """Packet by packet: a sender that may have ten segments out, and two more for each echo."""
    slowest = min(hop.rate_bps for hop in path)
    frame_s = 8 * FRAME / slowest
    light_s = sum(hop.delay_s for hop in path)
    echo_s = 2 * light_s + sum(8 * FRAME / hop.rate_bps for hop in path)
    echo_s += sum(8 * ACKNOWLEDGEMENT / (hop.return_bps or hop.rate_bps) for hop in path)
    count = -(-size // PAYLOAD)
    free_s, sent = 0.0, []  # when the line is free, when each segment went
    for number in range(count):
        # Segment 10 + 2k and the one after it wait for the echo of segment k.
        allowed_s = sent[(number - 10) // 2] + echo_s if number >= 10 else 0.0
        sent.append(max(free_s, allowed_s))
        free_s = sent[-1] + frame_s
    last_bytes = size - (count - 1) * PAYLOAD + FRAME - PAYLOAD
    end_s = sent[-1] + sum(8 * last_bytes / hop.rate_bps for hop in path) + light_s
    return 4 * light_s + end_s


@pytest.mark.parametrize("size", [1, 10 * PAYLOAD, 10 * PAYLOAD + 1, 10**6, 10**8, 4 * 10**8])
def test_slow_start_counted_packet_by_packet(size: int) -> None:
    assert expected_s(size, [LASER]) == pytest.approx(rounds_s(size, [LASER]), rel=2e-4)


@given(
    size=st.integers(1, 3 * 10**6),
    hops=st.lists(
        st.builds(
            Hop, st.floats(1e-4, 0.05), st.floats(1e6, 1e11), st.none() | st.floats(1e6, 1e11)
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_any_path(size: int, hops: list[Hop]) -> None:
    ideal, expected = ideal_s(size, hops), expected_s(size, hops)
    light_s = sum(hop.delay_s for hop in hops)
    assert light_s < ideal < ideal + 4 * light_s <= expected * (1 + 1e-12)
    assert expected == pytest.approx(rounds_s(size, hops), rel=0.02)


def test_one_packet_takes_three_ways_more_and_its_own() -> None:
    wire_s = 8 * (100 + 66) / 100e9
    assert ideal_s(100, [LASER]) == pytest.approx(LASER.delay_s + wire_s, rel=1e-12)
    assert expected_s(100, [LASER]) == pytest.approx(5 * LASER.delay_s + wire_s, rel=1e-12)


def test_a_long_object_goes_at_the_share_of_the_line_that_is_payload() -> None:
    ideal = ideal_s(10**10, [LASER])
    assert ideal - LASER.delay_s == pytest.approx(8 * 10**10 / 100e9 * FRAME / PAYLOAD, rel=1e-6)
    # 13 windows of 10 × 2^k do not fill 10 ms of 100 Gbit/s, so about 12 round trips are lost.
    assert expected_s(10**10, [LASER]) - ideal == pytest.approx(0.140, abs=0.001)


def test_the_slowest_link_sets_the_pace_and_the_others_add_a_packet_each() -> None:
    slow = Hop(0.002, 1e9)
    path = [LASER, slow, LASER]
    alone = ideal_s(10**7, [slow])
    last_s = 8 * (10**7 % PAYLOAD + 66) / 100e9
    for order in itertools.permutations(path):
        more = 2 * (LASER.delay_s + last_s)
        assert ideal_s(10**7, order) == pytest.approx(alone + more, rel=1e-12)


@pytest.mark.parametrize(("segments", "stalls"), [(10, 0), (30, 1), (31, 2)])
def test_a_slow_way_back_makes_the_stalls_longer_and_nothing_else(
    segments: int, stalls: int
) -> None:
    # A stall lasts until the first acknowledgement of a window: of 10 segments, of 20.
    size, slow = segments * PAYLOAD, Hop(LASER.delay_s, LASER.rate_bps, return_bps=1e6)
    later_s = 8 * ACKNOWLEDGEMENT * (1 / 1e6 - 1 / LASER.rate_bps)
    assert ideal_s(size, [slow]) == ideal_s(size, [LASER])
    expected = expected_s(size, [LASER]) + stalls * later_s
    assert expected_s(size, [slow]) == pytest.approx(expected, rel=1e-12)
