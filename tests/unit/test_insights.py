"""Age of information against closed forms; percentiles; what passes bring."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.insights import age, goodput_bps, percentiles


def periodic(every_s: float, delay_s: float, count: int) -> list[tuple[float, float]]:
    return [(k * every_s, k * every_s + delay_s) for k in range(count)]


@given(st.floats(1, 1e4), st.floats(0, 1e4), st.integers(2, 50))
def test_periodic_answers_age_as_the_sawtooth_says(T: float, D: float, count: int) -> None:
    # Kaul, Yates, Gruteser 2012: from D to T + D between updates, mean T / 2 + D, peak T + D.
    found = age(periodic(T, D, count), D, D + (count - 1) * T, 0.0)
    assert found.mean_s == pytest.approx(T / 2 + D)
    assert found.peak_s == pytest.approx(T + D)
    assert found.p99_s == pytest.approx(D + 0.99 * T)


def test_without_answers_the_age_is_the_time_that_passes() -> None:
    found = age([], 100.0, 300.0, 100.0)
    assert (found.mean_s, found.peak_s, found.p99_s) == (100.0, 200.0, pytest.approx(198.0))


def test_what_is_older_than_what_is_known_changes_nothing() -> None:
    news, late = [(50.0, 60.0)], [(10.0, 70.0)]
    assert age(news + late, 0.0, 100.0, 0.0) == age(news, 0.0, 100.0, 0.0)
    assert age([*news, (90.0, 150.0)], 0.0, 100.0, 0.0) == age(news, 0.0, 100.0, 0.0)


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 300)), max_size=8))
def test_age_counted_second_by_second(drawn: list[tuple[int, int]]) -> None:
    answers = [(float(taken), float(taken + delay)) for taken, delay in drawn]
    found = age(answers, 0.0, 1000.0, 0.0)
    # In the middle of each second, as all answers come at whole ones.
    middles = np.arange(1000) + 0.5
    newest = [max([0.0, *(taken for taken, there in answers if there <= t)]) for t in middles]
    ages = middles - np.array(newest)
    assert found.mean_s == pytest.approx(ages.mean())
    assert found.peak_s == pytest.approx(ages.max() + 0.5)
    assert found.p99_s == pytest.approx(np.sort(ages)[989] + 0.5, abs=1.0)


def test_percentiles_are_numpys_and_none_of_nothing() -> None:
    assert percentiles([1.0, 2.0, 3.0, 4.0]) == {
        "mean": 2.5,
        "p50": 2.5,
        "p90": pytest.approx(3.7),
        "p99": pytest.approx(3.97),
    }
    assert set(percentiles([]).values()) == {None}


def test_a_pass_has_what_was_sent_from_its_start_to_the_next() -> None:
    passes = [(10.0, 20.0), (100.0, 104.0)]
    assert goodput_bps(passes, [(10.0, 5), (15.0, 5), (103.0, 2)]) == [8.0, 4.0]
    assert goodput_bps(passes, []) == [0.0, 0.0]
