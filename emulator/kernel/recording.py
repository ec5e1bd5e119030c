"""The one fake: a fabric that keeps state and remembers what it was told, without a kernel."""

import numpy as np

from emulator.linkplan import moved


class RecordingFabric:
    """Stands in for :class:`emulator.kernel.fabric.Fabric` in tests of the player."""

    def __init__(self) -> None:
        self.state = np.zeros(0)
        self.applied: list[np.ndarray] = []
        self.closed = False

    def build(self, dark: np.ndarray) -> float:
        """Take ``dark`` as the state."""
        self.state = dark.copy()
        return 0.0

    def apply(self, state: np.ndarray) -> int:
        """Remember ``state`` and count the ports that changed."""
        before, self.state = self.state, state.copy()
        self.applied.append(self.state)
        return len(moved(before, state))

    def observe(self) -> np.ndarray:
        """Return the state as applied."""
        return self.state.copy()

    def close(self) -> None:
        """Remember that the fabric was taken down."""
        self.closed = True
