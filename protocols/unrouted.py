"""No routing at all: nothing beyond a neighbour is reachable. For link-level studies."""

from protocols.static import Precomputed, neighbour_routes


class Unrouted(Precomputed):
    """Routes to direct neighbours only, so that a link can be pinged without any protocol."""

    routes = staticmethod(neighbour_routes)
