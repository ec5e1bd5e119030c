"""In which order links come up while routing starts: neighbourhoods first, then ever larger ones.

A link-state protocol floods every change of a router to all routers it is joined to. When a
whole sky lights up at once, each router's several changes cross every link: packets grow with the
square of the nodes. Here blocks of nodes converge by themselves, then pairs of blocks are joined:
what two blocks know crosses between them in bulk, and only routers at the seam change. Pure.
"""

import numpy as np

from emulator.network import Network

FIRST_BLOCK = 64
"""Nodes of a block of the first stage. Below twice as many all links come up at once."""


def stages(network: Network, state: np.ndarray, dark: np.ndarray) -> list[np.ndarray]:
    """Return the states (PORT_STATE) to go through from ``dark``; the last one is ``state``.

    Blocks are runs of nodes in the scenario's order, plane by plane for a Walker shell, and
    double from stage to stage. A link comes up with the stage whose block holds both its ends.
    """
    lit = np.flatnonzero(state["peer"] >= 0)
    near, far = network.port_node[lit], network.port_node[state["peer"][lit]]
    found: list[np.ndarray] = []
    block, shown = FIRST_BLOCK, 0
    while 2 * block <= len(network.nodes):
        inside = lit[near // block == far // block]
        if shown < len(inside) < len(lit):
            stage = dark.copy()
            stage[inside] = state[inside]
            found.append(stage)
            shown = len(inside)
        block *= 2
    return [*found, state]
