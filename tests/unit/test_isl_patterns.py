"""ISL patterns: the combinatorial truths of ring, +Grid, nearest and visible."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topologies import isl
from topologies.walker import Walker

sizes = st.tuples(st.integers(3, 12), st.integers(3, 12))


def degrees(rows: np.ndarray) -> Counter[int]:
    """Number of links of each satellite."""
    return Counter(rows[:, :2].ravel().tolist())


def pairs_of(rows: np.ndarray) -> set[tuple[int, int]]:
    return {(min(a, b), max(a, b)) for a, b in rows[:, :2].tolist()}


@given(st.integers(3, 60), st.integers(0, 100))
def test_a_ring_of_n_has_n_links_and_two_neighbours_each(n: int, first: int) -> None:
    rows = isl.ring(np.arange(first, first + n))
    assert len(pairs_of(rows)) == len(rows) == n
    assert set(degrees(rows).values()) == {2}
    assert (rows[:, 2:] == [isl.FORE, isl.AFT]).all()


@pytest.mark.parametrize(("n", "links"), [(0, 0), (1, 0), (2, 1)])
def test_a_ring_too_small_to_close(n: int, links: int) -> None:
    assert len(isl.ring(np.arange(n))) == links


@given(sizes, st.integers(0, 100))
def test_a_delta_grid_has_2n_links_and_four_neighbours_each(
    size: tuple[int, int], first: int
) -> None:
    planes, per_plane = size
    rows = isl.grid(planes, per_plane, first, closed=True)
    total = planes * per_plane
    assert len(pairs_of(rows)) == len(rows) == 2 * total
    assert degrees(rows) == dict.fromkeys(range(first, first + total), 4)
    wishes = Counter(map(tuple, np.concatenate((rows[:, [0, 2]], rows[:, [1, 3]])).tolist()))
    assert set(wishes.values()) == {1}, "two links want one terminal"


@given(sizes)
def test_a_star_grid_leaves_the_seam_open(size: tuple[int, int]) -> None:
    planes, per_plane = size
    rows = isl.grid(planes, per_plane, 0, closed=False)
    assert len(rows) == 2 * planes * per_plane - per_plane
    last_plane = (planes - 1) * per_plane
    assert not any(a < per_plane and b >= last_plane for a, b in pairs_of(rows))


@given(sizes, st.data())
def test_every_link_across_planes_has_the_phase_of_the_pattern(
    size: tuple[int, int], data: st.DataObject
) -> None:
    planes, per_plane = size
    shell = Walker(
        inclination_deg=53.0,
        total=planes * per_plane,
        planes=planes,
        phasing=data.draw(st.integers(0, planes - 1)),
        altitude_km=550.0,
        raan_start_deg=0.0,
        raan_spacing_deg=360.0 / planes,
    )
    rows = isl.grid(planes, per_plane, 0, closed=True, phasing=shell.phasing)
    assert degrees(rows) == dict.fromkeys(range(shell.total), 4)
    across = rows[rows[:, 2] == isl.RIGHT]
    assert len(across) == shell.total
    for angle, step in (
        (shell.raan_deg(), 360 / planes),
        (shell.argument_of_latitude_deg(), 360 * shell.phasing / shell.total),
    ):
        off = (angle[across[:, 1]] - angle[across[:, 0]] - step + 180) % 360 - 180
        assert off == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("planes", "per_plane", "links"), [(1, 5, 5), (2, 5, 15), (1, 1, 0), (5, 1, 5), (2, 2, 4)]
)
def test_small_grids_name_no_pair_twice(planes: int, per_plane: int, links: int) -> None:
    rows = isl.grid(planes, per_plane, 0, closed=True)
    assert len(rows) == len(pairs_of(rows)) == links


def test_pairs_are_those_named() -> None:
    assert isl.pairs([(3, 1), (0, 2)]).tolist() == [[3, 1, -1, -1], [0, 2, -1, -1]]
    assert isl.pairs([]).shape == (0, 4)


clouds = st.integers(1, 25).flatmap(
    lambda n: st.integers(0, 2**32 - 1).map(
        lambda seed: np.random.default_rng(seed).uniform(-8e3, 8e3, (n + 2, 3))
    )
)


@given(clouds, st.integers(1, 5), st.floats(100, 2e4))
def test_nearest_joins_what_either_end_nominates(
    position_km: np.ndarray, k: int, reach_km: float
) -> None:
    members = np.arange(1, len(position_km) - 1)
    rows = isl.nearest(position_km, members, k, reach_km)
    apart_km = np.linalg.norm(position_km[:, None] - position_km, axis=-1)
    expected = set()
    for own in members.tolist():
        others = sorted((o for o in members.tolist() if o != own), key=lambda o: apart_km[own, o])
        expected |= {(min(own, o), max(own, o)) for o in others[:k] if apart_km[own, o] < reach_km}
    assert pairs_of(rows) == expected
    assert len(rows) == len(expected)
    assert_shortest_first(rows, apart_km)


def some_pairs(data: st.DataObject, members: np.ndarray) -> np.ndarray:
    """Pairs of different members, in either order: what might be linked."""
    if len(members) < 2:
        return np.empty((0, 2), dtype=np.int32)
    own = st.sampled_from(members.tolist())
    pair = st.tuples(own, own).filter(lambda ends: ends[0] != ends[1])
    pairs = data.draw(st.lists(pair, max_size=12, unique_by=frozenset))
    return np.array(pairs, dtype=np.int32).reshape(-1, 2)


@given(clouds, st.integers(1, 5), st.floats(100, 2e4), st.data())
def test_without_hysteresis_it_does_not_matter_who_is_linked(
    position_km: np.ndarray, k: int, reach_km: float, data: st.DataObject
) -> None:
    members = np.arange(1, len(position_km) - 1)
    held = some_pairs(data, members)
    plain = isl.nearest(position_km, members, k, reach_km)
    assert np.array_equal(
        isl.nearest(position_km, members, k, reach_km, held=held, hysteresis=0.0), plain
    )


@given(clouds, st.integers(1, 4), st.floats(100, 2e4), st.floats(0, 1), st.data())
def test_a_neighbour_is_kept_until_k_others_are_nearer_by_the_share(
    position_km: np.ndarray, k: int, reach_km: float, hysteresis: float, data: st.DataObject
) -> None:
    members = np.arange(1, len(position_km) - 1)
    held = some_pairs(data, members)
    apart_km = np.linalg.norm(position_km[:, None] - position_km, axis=-1)
    rank_km = apart_km.copy()
    a, b = held.T
    rank_km[a, b] = rank_km[b, a] = apart_km[a, b] / (1 + hysteresis)
    rows = isl.nearest(position_km, members, k, reach_km, held=held, hysteresis=hysteresis)
    chosen, a_millimetre_km = pairs_of(rows), 1e-6
    for own in members.tolist():
        others = [o for o in members.tolist() if o != own and apart_km[own, o] <= reach_km]
        for other in others:
            nearer = sum(
                rank_km[own, o] <= rank_km[own, other] + a_millimetre_km
                for o in others
                if o != other
            )
            if (min(own, other), max(own, other)) not in chosen:
                assert nearer >= k
    ranks = rank_km[rows[:, 0], rows[:, 1]]
    assert (np.diff(ranks) >= -2 * a_millimetre_km).all(), "who is kept comes first, too"


@given(clouds, st.integers(1, 4), st.floats(100, 2e4))
def test_others_that_are_asked_do_not_ask_themselves(
    position_km: np.ndarray, k: int, reach_km: float
) -> None:
    members, asked = np.arange(1, len(position_km), 2), np.arange(0, len(position_km), 2)
    rows = isl.nearest(position_km, members, k, reach_km, asked)
    apart_km = np.linalg.norm(position_km[:, None] - position_km, axis=-1)
    expected = set()
    for own in members.tolist():
        for other in sorted(asked.tolist(), key=lambda o: apart_km[own, o])[:k]:
            if apart_km[own, other] < reach_km:
                expected.add((min(own, other), max(own, other)))
    assert pairs_of(rows) == expected


@pytest.mark.parametrize("k", [1, 2, 3])
def test_neighbours_equally_far_are_told_apart_by_their_index_only(k: int) -> None:
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = 7000.0 * np.column_stack((np.cos(turn), np.sin(turn), np.zeros(12)))
    expected = isl.nearest(circle, np.arange(12), k, 2e4)
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(scale=1e-11, size=circle.shape)
        assert np.array_equal(isl.nearest(circle + noise, np.arange(12), k, 2e4), expected)


@given(clouds, st.floats(100, 2e4))
def test_visible_is_every_pair_within_reach(position_km: np.ndarray, reach_km: float) -> None:
    members = np.arange(1, len(position_km) - 1)
    rows = isl.visible(position_km, members, reach_km)
    apart_km = np.linalg.norm(position_km[:, None] - position_km, axis=-1)
    expected = {
        (a, b)
        for a in members.tolist()
        for b in members.tolist()
        if a < b and apart_km[a, b] <= reach_km
    }
    assert pairs_of(rows) == expected
    assert_shortest_first(rows, apart_km)


def assert_shortest_first(rows: np.ndarray, apart_km: np.ndarray) -> None:
    ranges = apart_km[rows[:, 0], rows[:, 1]].round(6)
    assert (np.diff(ranges) >= 0).all()
    assert (rows[:, 2:] == isl.ANY).all()


def test_equal_ranges_are_ordered_by_index() -> None:
    corners = 1000.0 * np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]])
    jitter = np.array([[0, 0, 0], [1e-9, 0, 0], [0, -1e-9, 0], [0, 0, 1e-9]])
    rows = isl.visible(corners + jitter, np.arange(4), 2001.0)
    assert rows[:, :2].tolist() == [[0, 1], [0, 3], [1, 2], [2, 3]]
