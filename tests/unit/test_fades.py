"""Slow fades: which are played, when, and that a step is lost as often as its moment is faded."""

import numpy as np
import pytest

from emulator.fades import SLOW_STEPS, SlowFades
from emulator.linkplan import CONTACT

STEPS = 100_000
PORTS = np.arange(8)


def drawn(
    share: float,
    mean_s: float,
    step_s: float = 1.0,
    spans: tuple[tuple[int, int], ...] = ((0, STEPS),),
    seed: int = 1,
) -> SlowFades:
    """The slow fades of a link of ports 2 and 5 during ``spans`` of steps."""
    contacts = np.array([(2, 5, *span, 0) for span in spans], dtype=CONTACT)
    each = np.ones((len(contacts), 2))
    return SlowFades.draw(seed, contacts, share * each, mean_s * each, step_s, STEPS)


def played(fades: SlowFades, steps: int = STEPS) -> np.ndarray:
    """Whether each port is in a fade, ``(steps, ports)``."""
    return np.array([fades.lost(step, PORTS) for step in range(steps)])


@pytest.mark.parametrize("step_s", [0.1, 1.0, 4.0])
def test_fades_of_five_steps_are_slow(step_s: float) -> None:
    assert SLOW_STEPS == 5
    assert drawn(0.1, 5 * step_s, step_s).slow.all()
    assert not drawn(0.1, 4.99 * step_s, step_s).slow.any()
    assert not len(drawn(0.1, 4.99 * step_s, step_s).fades)
    assert not drawn(0.0, 0.0, step_s).slow.any()


@pytest.mark.parametrize(("share", "mean_s"), [(0.3, 5.0), (0.05, 20.0), (0.9, 50.0)])
def test_their_share_of_steps_is_that_of_time(share: float, mean_s: float) -> None:
    """Also of short ones: exponential fades of 5 s are shorter than a step of 1 s one in five."""
    lost = played(drawn(share, mean_s))
    ours = lost[:, [2, 5]]
    # Of N fades and N pauses, both exponential, the share is known to (1 - P) √(2/N) of itself.
    fades = STEPS * share / mean_s
    sigma = share * (1 - share) * np.sqrt(2 / fades)
    assert ours.mean(axis=0) == pytest.approx(share, abs=4 * sigma)
    assert not lost[:, np.setdiff1d(PORTS, [2, 5])].any()
    assert (ours[:, 0] != ours[:, 1]).any()


def test_fades_stay_within_their_contact() -> None:
    fades = drawn(0.5, 10.0, spans=((10, 60), (70, 71), (200, 900)))
    lost = played(fades, 1000)[:, [2, 5]].any(axis=1)
    assert not lost[:10].any()
    assert not lost[60:70].any()
    assert not lost[71:200].any()
    assert not lost[900:].any()
    assert lost[10:60].any()
    assert lost[200:900].any()


def test_what_has_no_margin_is_lost_from_the_start_to_the_end() -> None:
    lost = played(drawn(1.0, np.inf, spans=((3, 40),)), 50)
    assert lost[3:40, [2, 5]].all()
    assert lost.sum() == 2 * 37


def test_each_contact_has_its_own_random_numbers() -> None:
    """Whether others come before, and how long it lasts, does not matter."""
    both = played(drawn(0.3, 10.0, spans=((0, 400), (500, 900))), 1000)
    alone = played(drawn(0.3, 10.0, spans=((500, 900),)), 1000)
    shorter = played(drawn(0.3, 10.0, spans=((500, 700),)), 1000)
    assert (both[500:] == alone[500:]).all()
    assert (alone[:700] == shorter[:700]).all()
    first, second = both[:400, 2], both[500:900, 2]
    assert (first != second).any()
    assert (played(drawn(0.3, 10.0, seed=2), 400)[:, 2] != both[:400, 2]).any()


def test_a_plan_without_links_has_no_fades() -> None:
    nothing = SlowFades.draw(1, np.empty(0, dtype=CONTACT), *np.empty((2, 0, 2)), 1.0, STEPS)
    assert nothing.slow.shape == (0, 2)
    assert not nothing.lost(3, PORTS).any()
