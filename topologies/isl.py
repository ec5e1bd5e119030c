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


def ring(order: np.ndarray) -> np.ndarray:
    """Join each satellite of ``order`` with the next, the last with the first: ``(n, 4)``."""
    if len(order) < 2:
        return np.empty((0, 4), dtype=np.int32)
    pairs = np.column_stack((order, np.roll(order, -1)))
    if len(order) == 2:
        pairs = pairs[:1]
    return _with_terminals(pairs, FORE, AFT)


def grid(planes: int, per_plane: int, first: int, closed: bool, phasing: float = 0) -> np.ndarray:
    """+Grid over a Walker pattern whose satellites start at index ``first``, plane-major.

    Each satellite links fore and aft in its plane and to the same slot of the next plane.
    ``closed`` joins the last plane to the first (delta patterns); a star pattern keeps the seam
    open. Once around, the phase between planes adds up to ``phasing`` slots, so the last plane
    joins the slot that many ahead: every link across planes then has the same geometry.
    """
    index = first + np.arange(planes * per_plane).reshape(planes, per_plane)
    rows = [ring(plane) for plane in index]
    sides = [(index[plane], index[plane + 1]) for plane in range(planes - 1)]
    if closed and planes > 2:
        sides.append((index[-1], np.roll(index[0], -round(phasing))))
    rows += [_with_terminals(np.column_stack(side), RIGHT, LEFT) for side in sides]
    return np.concatenate(rows)


def pairs(rows: list[tuple[int, int]]) -> np.ndarray:
    """Return exactly the pairs that the scenario names."""
    return _with_terminals(np.array(rows, dtype=np.int32).reshape(-1, 2), ANY, ANY)


def nearest(position_km: np.ndarray, members: np.ndarray, k: int, range_km: float) -> np.ndarray:
    """Each of ``members`` nominates its ``k`` nearest within ``range_km``; shortest pairs first.

    ``position_km`` has shape ``(satellites, 3)``.
    """
    tree = cKDTree(position_km[members])
    distance, other = tree.query(
        position_km[members], k=min(k + 1, len(members)), distance_upper_bound=range_km
    )
    distance, other = np.atleast_2d(distance.T).T, np.atleast_2d(other.T).T
    own = np.repeat(np.arange(len(members)), other.shape[1])
    found = np.column_stack((own, other.ravel()))[np.isfinite(distance.ravel())]
    return _shortest_first(found[found[:, 0] != found[:, 1]], position_km, members)


def visible(position_km: np.ndarray, members: np.ndarray, range_km: float) -> np.ndarray:
    """Every pair of ``members`` within ``range_km``, shortest first."""
    tree = cKDTree(position_km[members])
    return _shortest_first(tree.query_pairs(range_km, output_type="ndarray"), position_km, members)


def _shortest_first(found: np.ndarray, position_km: np.ndarray, members: np.ndarray) -> np.ndarray:
    joined = np.unique(np.sort(members[found], axis=1), axis=0).reshape(-1, 2)
    span = position_km[joined[:, 0]] - position_km[joined[:, 1]]
    # Rounded to a millimetre so that equal ranges of a symmetric shell are ties, ordered by index.
    order = np.argsort(np.round(np.linalg.norm(span, axis=1), 6), kind="stable")
    return _with_terminals(joined[order], ANY, ANY)


def _with_terminals(pair: np.ndarray, terminal_a: int, terminal_b: int) -> np.ndarray:
    wish = np.broadcast_to([terminal_a, terminal_b], (len(pair), 2))
    return np.column_stack((pair, wish)).astype(np.int32)
