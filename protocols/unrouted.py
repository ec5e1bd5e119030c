"""No routing at all: nothing beyond a neighbour is reachable. For link-level studies."""

import numpy as np

from emulator.linkplan import LinkPlan
from protocols.base import Nodes
from protocols.static import neighbour_routes


class Unrouted:
    """Routes to direct neighbours only, so that a link can be pinged without any protocol."""

    def __init__(self, plan: LinkPlan, nodes: Nodes) -> None:
        self.plan = plan
        self.nodes = nodes
        self._written: dict[str, dict[str, tuple[str, int]]] = {name: {} for name in nodes}

    @staticmethod
    def missing() -> str:
        """Nothing is needed."""
        return ""

    @staticmethod
    def version() -> str:
        """No program is run."""
        return ""

    def start(self) -> None:
        """Nothing to start."""

    def step(self, state: np.ndarray) -> None:
        """Write the routes to the neighbours of this moment."""
        routes = neighbour_routes(self.plan.network, state)
        for name, wanted in routes.items():
            self._written[name] = self.nodes[name].replace_routes(self._written[name], wanted)

    def converge(self, state: np.ndarray, deadline_s: float) -> None:
        """Routes stand as soon as they are written."""

    def check(self) -> None:
        """Nothing can die."""

    def stop(self) -> None:
        """Nothing to stop."""
