"""Which links routing shall avoid because the plan is about to cut them. Pure.

A link whose cost goes up while it still carries what is sent loses nothing: all others hear of it,
turn away, and only then does the light go.
"""

from math import ceil

import numpy as np


class CostOut:
    """The ports to be avoided, step by step.

    ``contacts``: dtype CONTACT. A link is avoided from the last step that is at least
    ``cost_out_s`` before its planned end, and at least one step. Its ports stay costly for
    ``linger_s`` after it, or until they are joined anew: daemons that do not notice that the light
    is gone would else be invited back.
    """

    def __init__(
        self,
        contacts: np.ndarray,
        steps: int,
        step_s: float,
        cost_out_s: float,
        linger_s: float,
    ) -> None:
        self.contacts = contacts
        # Rounding may leave a quotient just above a whole number.
        early = max(1, ceil(cost_out_s / step_s - 1e-9))
        self._cut = contacts["end"] < steps  # what the plan's own end cuts is no cut
        self._from = contacts["end"] - early
        self._until = contacts["end"] + ceil(linger_s / step_s - 1e-9)

    def at(self, step: int) -> frozenset[int]:
        """Return the indices of both ports of every link to be avoided at ``step``."""
        contacts = self.contacts
        joined = (contacts["start"] <= step) & (step < contacts["end"])
        avoided = self._cut & (self._from <= step) & (step < self._until)
        staying = _ports(contacts[joined & ~avoided])
        starting = contacts["start"] <= step
        return frozenset(_ports(contacts[avoided & starting]) - staying)


def _ports(contacts: np.ndarray) -> set[int]:
    return {*contacts["a"].tolist(), *contacts["b"].tolist()}
