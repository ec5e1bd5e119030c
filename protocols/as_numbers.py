"""Autonomous system numbers for BGP: one a node, or one a plane. Pure."""

import numpy as np

from emulator.ephemeris import members
from emulator.scenario import Scenario

FIRST_AS = 4_200_000_000
"""First number for private use of four octets (RFC 6996)."""


def as_numbers(scenario: Scenario) -> np.ndarray:
    """Return the AS of every node by index, dtype int64, as ``routing.bgp_as`` says.

    "satellite": every node is an AS. "plane": a Walker constellation has an AS for each of its
    planes, any other constellation is one AS, and every station is one.
    """
    sizes: list[int] = []
    for each in scenario.constellation:
        if scenario.routing.bgp_as == "satellite":
            sizes += [1] * each.size
        elif walker := each.walker_pattern():
            own = np.arange(walker.total)[members(each)] // walker.per_plane
            sizes += np.unique(own, return_counts=True)[1].tolist()
        else:
            sizes.append(each.size)
    sizes += [1] * len(scenario.ground.station)
    return FIRST_AS + np.repeat(np.arange(len(sizes)), sizes)
