"""Pointing, acquisition and tracking: one table of states, no clock and no input or output.

    IDLE ─ASSIGNED→ SLEW ─DONE→ SCAN ─DONE→ LOCK ─DONE→ UP ─BLOCKED→ COAST ─DONE→ IDLE
                                 ↺ FAILED                ↑             │ CLEAR
                                                         └─DONE─ REACQUIRE

Both terminals of a link share its state: they have to find each other. Each state but IDLE and UP
ends by itself after a time, with the event DONE (or FAILED, where an acquisition does not find its
peer). A link that is no longer wanted ends in whatever state it is. What happens when is worked
out for arrays of links by ``panel``; what follows what stands in ``NEXT``.
"""

from enum import IntEnum

import numpy as np

from emulator.causes import Cause


class State(IntEnum):
    """Where a link is on its way to light. Only UP carries packets."""

    IDLE = 0
    SLEW = 1
    SCAN = 2
    LOCK = 3
    UP = 4
    COAST = 5
    REACQUIRE = 6


class Event(IntEnum):
    """What can happen to a link."""

    ASSIGNED = 0
    DONE = 1
    FAILED = 2
    BLOCKED = 3
    CLEAR = 4


_IDLE, _SLEW, _SCAN, _LOCK, _UP, _COAST, _REACQUIRE = State

NEXT = np.array(
    [
        # ASSIGNED    DONE        FAILED      BLOCKED     CLEAR
        [_SLEW,       _IDLE,      _IDLE,      _IDLE,      _IDLE],       # IDLE
        [_SLEW,       _SCAN,      _SLEW,      _SLEW,      _SLEW],       # SLEW
        [_SCAN,       _LOCK,      _SCAN,      _SCAN,      _SCAN],       # SCAN
        [_LOCK,       _UP,        _SCAN,      _LOCK,      _LOCK],       # LOCK
        [_UP,         _UP,        _UP,        _COAST,     _UP],         # UP
        [_COAST,      _IDLE,      _COAST,     _COAST,     _REACQUIRE],  # COAST
        [_REACQUIRE,  _UP,        _REACQUIRE, _COAST,     _REACQUIRE],  # REACQUIRE
    ],
    dtype=np.uint8,
)  # fmt: skip
"""``NEXT[state, event]``: the state that follows. Where a state stays, its time runs on."""

CAUSE = np.array(
    [
        Cause.NO_TERMINAL,
        Cause.SLEWING,
        Cause.ACQUIRING,
        Cause.LOCKING,
        Cause.LINKED,
        Cause.REACQUIRING,
        Cause.REACQUIRING,
    ],
    dtype=np.uint8,
)
"""Why a link in each state is dark; a coasting one has what blocks it as its cause."""


def after(state: np.ndarray, event: Event) -> np.ndarray:
    """Return the states that follow ``state`` on ``event``."""
    return NEXT[state, event]
