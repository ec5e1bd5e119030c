"""Every nanosecond of a job in exactly one part, whatever agents have told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.ledger import PARTS, Sending, Span, account, laid_end_to_end, line_ns

SECOND = 10**9


def sending(**keys: object) -> Sending:
    known = {"size_bytes": 1448, "held_bytes": 0, "sent_bytes": 1448, "rate_bps": 1514 * 8}
    return Sending(**{**known, "delay_ns": 5, "retransmitted": 0, "whole": True, **keys})


sendings = st.builds(
    Sending,
    size_bytes=st.integers(1, 10**9),
    held_bytes=st.none() | st.integers(0, 10**9),
    sent_bytes=st.integers(0, 10**9),
    rate_bps=st.integers(0, 10**11),
    delay_ns=st.integers(0, 10**9),
    retransmitted=st.integers(0, 1000),
    whole=st.booleans(),
)
spans = st.builds(
    lambda leg, start, length, part, sent: Span(leg, start, start + length, part, sent),
    st.integers(0, 4),
    st.integers(-1000, 10**12),
    st.integers(0, 10**11),
    st.sampled_from(PARTS),
    st.none() | sendings,
)


@given(st.lists(spans, max_size=12), st.integers(0, 10**11), st.integers(0, 10**12))
def test_the_parts_sum_to_the_latency_and_none_is_negative(
    told: list[Span], from_ns: int, length_ns: int
) -> None:
    parts = account(told, from_ns, from_ns + length_ns)
    assert tuple(parts) == PARTS
    assert sum(parts.values()) == length_ns
    assert all(isinstance(ns, int) and ns >= 0 for ns in parts.values())


@given(st.lists(spans, max_size=12), st.integers(0, 10**11), st.integers(0, 10**12))
def test_no_moment_is_told_twice(told: list[Span], from_ns: int, length_ns: int) -> None:
    laid = laid_end_to_end(told, from_ns, from_ns + length_ns)
    edges = [from_ns, *(edge for span in laid for edge in (span.from_ns, span.to_ns))]
    assert [*edges, from_ns + length_ns] == sorted([*edges, from_ns + length_ns])


def test_a_custodian_takes_over_when_it_says_so_not_when_the_sender_hears_of_it() -> None:
    told = [Span(0, 0, 100, "queue"), Span(1, 70, 90, "compute"), Span(0, 0, 20, "wait")]
    assert [(s.part, s.from_ns, s.to_ns) for s in laid_end_to_end(told, 0, 100)] == [
        ("queue", 0, 70),
        ("compute", 70, 90),
    ]
    assert account(told, 0, 100)["other"] == 10


def test_a_whole_sending_is_light_line_losses_and_the_rest() -> None:
    # One full frame of 1514 bytes at 1514 bytes a second.
    parts = sending().parts(3 * SECOND)
    assert parts["propagate"] == 5 and parts["transmit"] == SECOND
    assert parts["other"] == 2 * SECOND - 5
    lossy = sending(retransmitted=1).parts(3 * SECOND)
    assert lossy["retransmit"] == SECOND and lossy["other"] == SECOND - 5
    assert line_ns(1448, 1514 * 8) == SECOND


def test_a_broken_sending_is_what_came_over_and_recovery() -> None:
    parts = sending(whole=False, sent_bytes=724).parts(2 * SECOND)
    assert parts["transmit"] == SECOND // 2 and parts["retransmit"] == 3 * SECOND // 2
    assert sending(held_bytes=None, whole=False).parts(SECOND)["other"] == SECOND


def test_more_than_the_time_is_never_booked() -> None:
    parts = sending(sent_bytes=14480).parts(SECOND)
    assert parts["transmit"] == SECOND - 5 and sum(parts.values()) == SECOND


@pytest.mark.parametrize("rate_bps", [0, 1])
def test_a_line_without_rate_takes_no_time_of_its_own(rate_bps: int) -> None:
    assert (line_ns(100, rate_bps) == 0) == (rate_bps == 0)
