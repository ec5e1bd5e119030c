"""By which contact bundles leave: volumes, queues, dead contacts; against exhaustive search."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.cgr import HOP
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.units import FRAME_BYTES, SEGMENT_BYTES
from protocols.bundles.forwarding import _OVERHEAD_BYTES, Forwarder, contacts_of
from tests.unit.toys import walker_table

KBPS = 8000.0
"""A thousand bytes a second."""
KB = 1000 - _OVERHEAD_BYTES
"""A bundle that takes one second of it."""


def contacts(*rows: tuple) -> np.ndarray:
    return np.array(list(rows), dtype=HOP)


def test_bundles_fill_a_contact_and_the_next_takes_the_next() -> None:
    # Three seconds of the first contact, then a later one by another way.
    found = Forwarder(contacts((0, 1, 10, 13, 0.5, KBPS), (0, 1, 20, 30, 0.25, KBPS)), 0)
    routes = [found.route(1, KB, 0.0) for _ in range(5)]
    assert [each.hops for each in routes] == [(0,), (0,), (0,), (1,), (1,)]
    assert [each.arrival_s for each in routes] == [11.5, 12.5, 13.5, 21.25, 22.25]
    assert found.route(1, 20_000, 0.0) is None  # of no contact is enough left


def test_a_queue_sends_a_bundle_by_the_slower_way() -> None:
    # Direct at 1 kB/s, or over 2: later, until two bundles wait for the direct contact.
    rows = contacts((0, 1, 0, 99, 0, KBPS), (0, 2, 0, 99, 0.25, KBPS), (2, 1, 0, 99, 0.25, KBPS))
    found = Forwarder(rows, 0)
    assert [found.route(1, KB, 0.0).hops for _ in range(4)] == [(0,), (0,), (1, 2), (0,)]


def test_a_dead_contact_is_avoided_for_a_while_and_bookings_are_forgotten() -> None:
    rows = contacts((0, 1, 0, 100, 0, KBPS), (0, 2, 50, 60, 0, KBPS), (2, 1, 50, 60, 0, KBPS))
    found = Forwarder(rows, 0)
    for _ in range(40):
        assert found.route(1, KB, 0.0).hops == (0,)
    found.avoid(0, 30.0)
    found.clear(0.0)
    assert found.route(1, KB, 0.0).arrival_s == 31.0
    found.avoid(0, 60.0)
    found.clear(31.0)
    assert found.route(1, KB, 31.0).hops == (1, 2)
    found.clear(65.0)
    assert found.route(2, KB, 65.0) is None
    assert found.route(1, KB, 65.0).arrival_s == 66.0


def test_a_bundle_goes_back_to_its_sender_only_where_there_is_no_other_way() -> None:
    rows = contacts((0, 1, 0, 9, 0, KBPS), (1, 3, 0, 9, 0, KBPS), (0, 2, 5, 9, 0, KBPS))
    rows = np.concatenate((rows, contacts((2, 3, 5, 9, 0, KBPS))))
    for sender, first in ((None, 0), (1, 2), (2, 0)):
        assert Forwarder(rows, 0).route(3, KB, 0.0, sender).hops[0] == first
    found = Forwarder(rows, 0)
    found.avoid(2, 10.0)
    found.clear(0.0)
    assert found.route(3, KB, 0.0, 1).hops == (0, 1)


def test_what_is_leaving_is_booked_as_it_is() -> None:
    found = Forwarder(contacts((0, 1, 0, 10, 0, KBPS)), 0)
    found.book(0, 3 * 1000 - _OVERHEAD_BYTES, 2.0)
    assert found.route(1, KB, 2.0).arrival_s == 6.0
    found.book(0, 20_000, 2.0)  # never through, but it is not for us to say
    assert found.route(1, KB, 6.0).arrival_s == 7.0


@given(
    st.lists(
        st.tuples(
            *(st.integers(0, 4), st.integers(0, 4), st.integers(0, 30), st.integers(1, 20)),
            *(st.integers(0, 3), st.sampled_from([KBPS, 2 * KBPS])),
        ).filter(lambda row: row[0] != row[1]),
        max_size=5,
    ),
    st.integers(0, 20),
)
def test_no_order_of_contacts_brings_the_first_bundle_earlier(rows, at_s: int) -> None:
    hops = contacts(*((a, b, s, s + long, d / 4, rate) for a, b, s, long, d, rate in rows))
    best_s = np.inf
    for length in range(1, len(hops) + 1):
        for way in permutations(range(len(hops)), length):
            now_s, node = float(at_s), 0
            for hop in hops[list(way)]:
                leaves_s = max(now_s, hop["start_s"]) + 8000 / hop["rate_bps"]
                if hop["tail"] != node or leaves_s > hop["end_s"]:
                    break
                now_s, node = leaves_s + hop["delay_s"], hop["head"]
            else:
                best_s = min(best_s, now_s) if node == 1 else best_s
    found = Forwarder(hops, 0).route(1, KB, at_s)
    assert (found.arrival_s if found else np.inf) == best_s


def test_the_contacts_of_a_plan() -> None:
    plan = LinkPlan.of(Scenario.from_table(walker_table()))
    hops, ports = contacts_of(plan)
    assert len(hops) == 2 * len(plan.contacts) == len(ports)
    assert (plan.network.port_node[ports] == hops["tail"]).all()
    rate_bps = plan.network.port_rate_bps[ports] * SEGMENT_BYTES / FRAME_BYTES
    assert hops["rate_bps"] == pytest.approx(rate_bps, rel=1e-12)
    own = Forwarder(hops, 3).own()
    assert (hops["tail"][own] == 3).all() and len(own) == (hops["tail"] == 3).sum()
    assert (np.diff(hops["start_s"][own]) >= 0).all()
