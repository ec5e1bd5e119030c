"""Who may link with whom: ISL patterns as lists of candidate pairs.

A static pattern (ring, grid, pairs) is known from the constellation alone; a dynamic one
(nearest, visible) is chosen anew from the positions of each step. Line of sight, range and
the number of terminals limit both, elsewhere (``emulator.contacts``).

A candidate row is ``(a, b, terminal_a, terminal_b)``: two satellite indices and the terminal
each would like to use (-1: any free one).
"""

import numpy as np
from scipy.spatial import cKDTree

FORE, AFT, LEFT, RIGHT = range(4)
ANY = -1
_TIES = 4
"""So many satellites of a symmetric shell may be equally far from one."""


def ring(order: np.ndarray, arc: bool = False) -> np.ndarray:
    """Join each satellite of ``order`` with the next, the last with the first: ``(n, 4)``.

    Of an ``arc`` the last is not joined to the first. ``order`` may be many rings ``(rings, n)``.
    """
    order = np.atleast_2d(order)
    if order.shape[1] < 2:
        return np.empty((0, 4), dtype=np.int32)
    pairs = np.stack((order, np.roll(order, -1, axis=1)), axis=-1)
    if order.shape[1] == 2 or arc:
        pairs = pairs[:, :-1]
    return _with_terminals(pairs.reshape(-1, 2), FORE, AFT)


def grid(
    planes: int, per_plane: int, first: int, closed: bool, phasing: float = 0, arc: bool = False
) -> np.ndarray:
    """+Grid over a Walker pattern whose satellites start at index ``first``, plane-major.

    Each satellite links fore and aft in its plane and to the same slot of the next plane.
    ``closed`` joins the last plane to the first (delta patterns); a star pattern keeps the seam
    open. Once around, the phase between planes adds up to ``phasing`` slots, so the last plane
    joins the slot that many ahead: every link across planes then has the same geometry. A plane
    that is an ``arc`` has no link from its last satellite to its first.
    """
    index = first + np.arange(planes * per_plane).reshape(planes, per_plane)
    sides = [np.stack((index[:-1], index[1:]), axis=-1).reshape(-1, 2)]
    if closed and planes > 2:
        sides.append(np.column_stack((index[-1], np.roll(index[0], -round(phasing)))))
    across = _with_terminals(np.concatenate(sides), RIGHT, LEFT)
    return np.concatenate((ring(index, arc), across))


def pairs(rows: list[tuple[int, int]]) -> np.ndarray:
    """Return exactly the pairs that the scenario names."""
    return _with_terminals(np.array(rows, dtype=np.int32).reshape(-1, 2), ANY, ANY)


def nearest(
    position_km: np.ndarray,
    members: np.ndarray,
    k: int,
    range_km: float,
    asked: np.ndarray | None = None,
    held: np.ndarray | None = None,
    hysteresis: float = 0.0,
) -> np.ndarray:
    """Each of ``members`` nominates its ``k`` nearest within ``range_km``; shortest pairs first.

    ``position_km`` has shape ``(satellites, 3)``. Nominated are other members, or satellites of
    ``asked`` if there are any. A pair of ``held`` ``(n, 2)`` counts as nearer than it is: its range
    is divided by 1 + ``hysteresis``, so that it is given up only for one nearer by that share.
    """
    others = members if asked is None or not len(asked) else asked
    # One more than k for itself, and all that tie with the last: which of them the tree would
    # give hangs on the last bit.
    places = np.arange(1, min(k + 1 + _TIES, len(others)) + 1)
    distance, other = cKDTree(position_km[others]).query(
        position_km[members], places, distance_upper_bound=range_km
    )
    close = np.isfinite(distance)
    found = _keys(np.repeat(members, len(places))[close.ravel()], others[other[close]])
    kept = np.empty(0, dtype=np.int64)
    if held is not None and len(held):
        # Both ends may have nominated; in which order, a held pair does not tell.
        a, b = np.concatenate((held, held[:, ::-1])).T
        kept = _keys(a, b)[np.isin(a, members) & np.isin(b, others)]
    every = np.unique(np.concatenate((found, kept)))
    own, other = every >> 32, every & 0xFFFFFFFF
    span_km = _span_km(position_km, own, other)
    rank_km = np.round(np.where(np.isin(every, kept), span_km / (1 + hysteresis), span_km), 6)
    order = np.lexsort((other, rank_km, own))
    order = order[(own != other)[order] & (span_km <= range_km)[order]]
    own, other, rank_km = own[order], other[order], rank_km[order]
    chosen = np.arange(len(own)) - np.searchsorted(own, own) < k
    near, far = np.minimum(own, other)[chosen], np.maximum(own, other)[chosen]
    _, first = np.unique(_keys(near, far), return_index=True)
    first = first[np.argsort(rank_km[chosen][first], kind="stable")]
    return _with_terminals(np.column_stack((near[first], far[first])), ANY, ANY)


def visible(position_km: np.ndarray, members: np.ndarray, range_km: float) -> np.ndarray:
    """Every pair of ``members`` within ``range_km``, shortest first."""
    tree = cKDTree(position_km[members])
    return _shortest_first(tree.query_pairs(range_km, output_type="ndarray"), position_km, members)


def _keys(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One integer for each directed pair, in the order of both."""
    return a.astype(np.int64) << 32 | b


def _span_km(position_km: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    x, y, z = (position_km[a] - position_km[b]).T
    return np.sqrt(x * x + y * y + z * z)


def _shortest_first(found: np.ndarray, position_km: np.ndarray, members: np.ndarray) -> np.ndarray:
    joined = np.unique(np.sort(members[found], axis=1), axis=0).reshape(-1, 2)
    # Rounded to a millimetre so that equal ranges of a symmetric shell are ties, ordered by index.
    order = np.argsort(np.round(_span_km(position_km, *joined.T), 6), kind="stable")
    return _with_terminals(joined[order], ANY, ANY)


def _with_terminals(pair: np.ndarray, terminal_a: int, terminal_b: int) -> np.ndarray:
    wish = np.broadcast_to([terminal_a, terminal_b], (len(pair), 2))
    return np.column_stack((pair, wish)).astype(np.int32)
