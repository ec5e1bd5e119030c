"""Why a link is dark at a moment. One word each: what stands first in this order is told."""

from enum import IntEnum

import numpy as np


class Cause(IntEnum):
    """What keeps two terminals apart; 0 where light passes."""

    LINKED = 0
    EARTH = 1
    RANGE = 2
    LATITUDE = 3
    BELOW_MASK = 4
    FIELD = 5
    DOPPLER = 6
    TRACKING = 7
    POWER = 8
    SUN = 9
    CLOUD = 10
    MARGIN = 11
    NO_TERMINAL = 12
    SLEWING = 13
    ACQUIRING = 14
    LOCKING = 15
    REACQUIRING = 16
    SWITCHING = 17
    NOT_CHOSEN = 18
    END = 19
    FAULT = 20

    @property
    def word(self) -> str:
        """The name that files and tables have for it: ``below-mask``."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def of(cls, word: str) -> "Cause":
        """Return the cause of that name; KeyError where there is none."""
        return cls[word.replace("-", "_").upper()]


PASSING = (Cause.SUN, Cause.CLOUD, Cause.MARGIN)
"""Terminals point on for their coasting time: the peer is where it was."""

IS_PASSING = np.isin(np.arange(len(Cause)), PASSING)
"""``PASSING`` by cause, for arrays of them."""

TEXT = {
    Cause.LINKED: "linked",
    Cause.EARTH: "the Earth or its atmosphere is in the way",
    Cause.RANGE: "out of range",
    Cause.LATITUDE: "too near to a pole for links across planes",
    Cause.BELOW_MASK: "below the station's minimum elevation",
    Cause.FIELD: "outside the field of regard",
    Cause.DOPPLER: "the range changes too fast",
    Cause.TRACKING: "the line of sight turns too fast",
    Cause.POWER: "a battery has reached its floor",
    Cause.SUN: "the Sun blinds a receiver",
    Cause.CLOUD: "clouds over the station",
    Cause.MARGIN: "no margin left",
    Cause.NO_TERMINAL: "no terminal is free",
    Cause.SLEWING: "a terminal is turning",
    Cause.ACQUIRING: "acquiring",
    Cause.LOCKING: "locking",
    Cause.REACQUIRING: "acquiring anew after a short loss",
    Cause.SWITCHING: "dark between two peers",
    Cause.NOT_CHOSEN: "not chosen",
    Cause.END: "the end of the plan",
    Cause.FAULT: "an event of the scenario",
}
