"""Routes over time from announcements: who held what when."""

import numpy as np
import pytest

from emulator.lab.fib import Tables
from emulator.network import Network
from emulator.scenario import Scenario
from tests.unit.toys import walker_table

A, B, C, D = (f"sat-01-0{i}" for i in (1, 2, 3, 4))
OSPF = "ospf"


@pytest.fixture(scope="module")
def network() -> Network:
    """Four satellites with ports isl0 to isl3 and gsl0."""
    return Network.of(Scenario.from_table(walker_table("53:4/1/0", isl=[{"pattern": "ring"}])))


def held(tables: Tables, t_s: float) -> dict[tuple[int, int], list[int]]:
    """Non-empty cells at ``t_s``: (node, to) → ways by length, longest first."""
    table = tables.at(t_s)
    cells = np.argwhere(table.any(axis=0)).tolist()
    return {(node, to): table[:, node, to].tolist() for node, to in cells}


def test_routes_are_added_replaced_and_deleted(network: Network) -> None:
    rows = [
        (-1.0, A, "add", C, "isl0 isl2", OSPF),
        (2.0, B, "add", A, "isl1", OSPF),
        (3.0, A, "replace", C, "isl1", OSPF),
        (4.0, A, "delete", C, "isl1", OSPF),
    ]
    tables = Tables.of(network, rows)
    assert held(tables, -1.5) == {}
    assert held(tables, 1.0) == {(0, 2): [0b101]}
    assert held(tables, 2.0) == {(0, 2): [0b101], (1, 0): [0b10]}
    assert held(tables, 3.5) == {(0, 2): [0b10], (1, 0): [0b10]}
    assert held(tables, 4.0) == {(1, 0): [0b10]}
    assert tables.moments.tolist() == [-1.0, 2.0, 3.0, 4.0]
    assert [list(tables.ways(0, 2, t)) for t in (-2.0, -1.0, 3.0, 4.0)] == [[], [5], [2], [0]]


def test_a_better_route_beside_the_worse_stays_when_that_goes(network: Network) -> None:
    """What a daemon does whose routes have other metrics: never a moment without any."""
    for second in ("isl1", "isl0"):  # other ports, and the same at another metric
        rows = [
            (0.0, A, "add", C, "isl0", "babel"),
            (1.0, A, "add", C, second, "babel"),
            (1.0, A, "delete", C, "isl0", "babel"),
            (2.0, A, "delete", C, second, "babel"),
        ]
        tables = Tables.of(network, rows)
        assert held(tables, 1.0) == {(0, 2): [2 if second == "isl1" else 1]}
        assert held(tables, 2.0) == {}


def test_deleting_what_was_never_announced_changes_nothing(network: Network) -> None:
    rows = [(0.0, A, "add", C, "isl0", OSPF), (1.0, A, "delete", C, "isl3", OSPF)]
    assert held(Tables.of(network, rows), 1.0) == {(0, 2): [1]}


def test_of_an_ipv6_route_of_several_ways_one_may_go(network: Network) -> None:
    rows = [
        (0.0, A, "add", C, "isl0", OSPF),
        (1.0, A, "replace", C, "isl0 isl1 isl2", OSPF),
        (2.0, A, "delete", C, "isl1", OSPF),
        (3.0, A, "delete", C, "isl1", OSPF),
        (4.0, A, "delete", C, "isl0 isl2", OSPF),
    ]
    tables = Tables.of(network, rows)
    assert [held(tables, t).get((0, 2), []) for t in range(5)] == [[1], [7], [5], [5], []]


def test_prefixes_of_ipv6_cover_whom_they_cover(network: Network) -> None:
    """Nodes are fd4c:6d00::1 to ::4: ::2/127 holds the second and third."""
    rows = [
        (0.0, A, "add", "::/0", "isl0", OSPF),
        (1.0, A, "add", "fd4c:6d00::2/127", "isl1", OSPF),
        (2.0, A, "add", C, "isl2", OSPF),
        (3.0, A, "add", "fe80::/64", "isl3", "kernel"),
    ]
    tables = Tables.of(network, rows)
    assert {to: ways for (_, to), ways in held(tables, 3.0).items()} == {
        0: [0, 0, 1],
        1: [0, 2, 1],
        2: [4, 2, 1],
        3: [0, 0, 1],
    }


def test_longer_prefixes_come_first_and_cover_whom_they_cover(network: Network) -> None:
    """Nodes are 10.0.0.1 to 10.0.0.4: 10.0.0.2/31 holds the second and third."""
    rows = [
        (0.0, A, "add", "0.0.0.0/0", "isl0", OSPF),
        (1.0, A, "add", "10.0.0.2/31", "isl1", OSPF),
        (2.0, A, "add", C, "isl2", OSPF),
        (3.0, A, "add", "192.0.2.9", "isl3", OSPF),
    ]
    tables = Tables.of(network, rows)
    assert {to: ways for (_, to), ways in held(tables, 3.0).items()} == {
        0: [0, 0, 1],
        1: [0, 2, 1],
        2: [4, 2, 1],
        3: [0, 0, 1],
    }
    assert list(tables.ways(0, 2, 3.0)) == [4, 2, 1]


def test_playing_forward_is_the_same_as_looking_up(network: Network) -> None:
    rows = [(float(t), A, "replace", (B, C, D)[t % 3], f"isl{t % 4}", OSPF) for t in range(12)]
    tables = Tables.of(network, rows)
    held, row = tables.empty(), 0
    for t_s in np.arange(0.0, 12.0, 2.5):
        last = tables.before(t_s)
        aims = tables.play(held, row, last)
        assert set(aims) <= {1, 2, 3}
        assert np.array_equal(held, tables.at(t_s))
        for to in range(4):
            assert max(tables.ways(0, to, t_s), default=0) == held[:, 0, to].max(initial=0)
        row = last


def test_nodes_that_lost_announcements_are_named(network: Network) -> None:
    tables = Tables.of(network, [(1.5, B, "lost", None, None, None)])
    assert tables.lost == ((1.5, B),) and held(tables, 9.0) == {}
