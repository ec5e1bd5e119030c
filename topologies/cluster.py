"""Clusters: many satellites within a kilometre, around the place of one on a circular orbit.

In the Hill frame all stay in the orbital plane: each runs once per orbit around an ellipse twice
as long along the flight as it is high (W. H. Clohessy and R. S. Wiltshire, J. Aerospace Sci. 27
(1960)), which is what a small eccentricity does. Places are those of a square lattice of radial
offset and half the offset along track: there the ellipses are circles, so the whole cluster turns
like a disc, and neighbours of the lattice are between one spacing and two apart.
"""

import math
from dataclasses import replace

from topologies.elements import ElementSet


def lattice(count: int) -> list[tuple[float, float]]:
    """Return the ``count`` places of a square lattice that are nearest to its centre, in order.

    The centre is amid four places: SGP4 takes no eccentricity below 1e-6, which are seven metres.
    """
    half = math.isqrt(count) + 1
    line = [n + 0.5 for n in range(-half, half)]
    places = [(x, y) for x in line for y in line]
    return sorted(places, key=lambda at: (at[0] ** 2 + at[1] ** 2, at))[:count]


def cluster(chief: ElementSet, count: int, spacing_m: float, radius_km: float) -> list[ElementSet]:
    """Return ``count`` satellites around ``chief``, which is on a circle of ``radius_km``.

    ``chief`` names them, ``NAME-01`` and so on.
    """
    found = []
    for number, (up, ahead) in enumerate(lattice(count), 1):
        eccentricity = math.hypot(up, ahead) * spacing_m * 1e-3 / radius_km
        # Radially a satellite is at -a e cos M, along track at 2 a e sin M.
        mean = math.degrees(math.atan2(ahead, -up))
        latitude = chief.arg_perigee_deg + chief.mean_anomaly_deg
        found.append(
            replace(
                chief,
                name=f"{chief.name}-{number:02d}",
                eccentricity=eccentricity,
                arg_perigee_deg=(latitude - mean) % 360.0,
                mean_anomaly_deg=mean % 360.0,
            )
        )
    return found
