"""Weather against its statistics in closed form: bands are four standard errors wide."""

from timeit import repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.physics.weather import (
    RAIN_RATE_PER_S,
    Weather,
    availability,
    great_circle_km,
    rain_exceedance_percent,
)
from emulator.units import DAY_S, EARTH_RADIUS_KM

HOUR_S = 3600.0
ONE_METRE_KM = 1e-3
ONE_SECOND = 1.0
CORRELATION_ERROR = 0.05
"""By which chances of copying may miss the correlations of a crowd of sites (rms)."""


def draw(seed: int, sites: int, share: float, spell_s: float, days: float, **options) -> Weather:
    """Sites anywhere, independent of each other unless ``correlation_km`` is given."""
    place = np.random.default_rng(99).uniform(-60, 60, (2, sites))
    options = {"correlation_km": 0.0} | options
    rng = np.random.default_rng(seed)
    return Weather.draw(rng, *place, share, spell_s, days * DAY_S, **options)


def on_a_parallel(distance_km: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of sites on the equator."""
    return np.zeros(len(distance_km)), np.degrees(np.array(distance_km) / EARTH_RADIUS_KM)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.7])
def test_the_share_of_clouds_is_the_one_asked_for(share: float) -> None:
    sites, days, spell_s = 60, 10.0, 2 * HOUR_S
    cloudy = draw(1, sites, share, spell_s, days).cloudy
    # An exponentially forgetting chain: twice its memory counts as one independent look.
    looks = sites * days * DAY_S / (2 * spell_s * (1 - share))
    assert cloudy.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / looks))


def test_the_first_step_is_as_cloudy_as_any() -> None:
    share = 0.3
    starts = np.concatenate([draw(seed, 50, share, HOUR_S, 0.0).cloudy[:, 0] for seed in range(60)])
    error = np.sqrt(share * (1 - share) / len(starts))
    assert starts.mean() == pytest.approx(share, abs=4 * error)


@pytest.mark.parametrize("share", [0.35, 0.7])
def test_spells_are_geometric_with_the_mean_asked_for(share: float) -> None:
    spell_s, step_s = 2 * HOUR_S, 60.0
    cloudy = draw(2, 40, share, spell_s, 20.0).cloudy
    steps = np.arange(cloudy.shape[1])
    begun = np.maximum.accumulate(np.where(cloudy, 0, steps), axis=1)
    age = (steps - begun)[:, :-1]
    ends = cloudy[:, :-1] & ~cloudy[:, 1:]
    middle = spell_s / step_s
    # A geometric spell does not age: young and old ones end with the same chance a step.
    for spells in ((age > 0) & (age <= middle), age > middle):
        chance = step_s / spell_s
        error = np.sqrt(chance / spells.sum())
        assert ends[spells].mean() == pytest.approx(chance, abs=4 * error)


def test_skies_that_are_always_or_never_clear() -> None:
    cloudy = draw(3, 2, np.array([0.0, 1.0]), HOUR_S, 1.0).cloudy
    assert not cloudy[0].any()
    assert cloudy[1].all()


@pytest.mark.parametrize("step_s", [60.0, 600.0])
def test_clouds_and_rain_correlate_by_distance_whatever_the_step(step_s: float) -> None:
    distance_km = [0.0, 0.0, 30.0, 100.0, 300.0, 900.0, 5000.0]
    days, spell_s, share = 200.0, HOUR_S, 0.5
    weather = Weather.draw(
        np.random.default_rng(4),
        *on_a_parallel(distance_km),
        share,
        spell_s,
        days * DAY_S,
        step_s=step_s,
        rain_rate_per_s=1e-3,
    )
    expected = np.exp(-np.array(distance_km) / 300.0)
    cloud_looks = days * DAY_S / (2 * spell_s * (1 - share))
    rain_looks = days * DAY_S * 1e-3
    for series, looks in ((weather.cloudy, cloud_looks), (weather.rain_z, rain_looks)):
        correlation = np.corrcoef(series)[0]
        assert correlation == pytest.approx(expected, abs=4 / np.sqrt(looks) + CORRELATION_ERROR)
        assert (np.diff(correlation[1:6]) < 0).all()
        assert np.array_equal(series[0], series[1])


def test_the_first_step_correlates_as_all_others() -> None:
    latitude, longitude = on_a_parallel([0.0, 100.0])
    draws = 3000
    starts = np.array(
        [
            Weather.draw(np.random.default_rng(seed), latitude, longitude, 0.5, HOUR_S, 0.0).cloudy
            for seed in range(draws)
        ]
    ).squeeze(-1)
    correlation = np.corrcoef(starts.T)[0, 1]
    assert correlation == pytest.approx(np.exp(-1 / 3), abs=4 / np.sqrt(draws))


def test_a_crowd_of_sites_correlates_as_asked() -> None:
    place = np.random.default_rng(8).uniform((40, -5), (55, 25), (30, 2)).T
    rng = np.random.default_rng(9)
    weather = Weather.draw(rng, *place, 0.5, HOUR_S, 300 * DAY_S, step_s=600.0)
    expected = np.exp(-great_circle_km(*place) / 300.0)
    apart = np.corrcoef(weather.cloudy) - expected
    assert np.sqrt((apart**2).mean()) < CORRELATION_ERROR


def test_rain_is_normal_and_forgets_at_its_rate() -> None:
    sites, days = 40, 20.0
    z = draw(5, sites, 0.5, HOUR_S, days).rain_z.astype(float)
    assert z.shape == (40, 20 * 1440 + 1)
    looks = sites * days * DAY_S * RAIN_RATE_PER_S / 2
    assert z.mean() == pytest.approx(0.0, abs=4 / np.sqrt(looks))
    assert z.var() == pytest.approx(1.0, abs=4 / np.sqrt(looks))
    for lag in (1, 60, 180):
        product = (z[:, lag:] * z[:, :-lag]).mean()
        expected = np.exp(-RAIN_RATE_PER_S * 60.0 * lag)
        assert product == pytest.approx(expected, abs=4 / np.sqrt(looks))
    percent = rain_exceedance_percent(z)
    for p in (1.0, 10.0, 50.0):
        error = np.sqrt(p / 100 * (1 - p / 100) / looks)
        assert (percent < p).mean() == pytest.approx(p / 100, abs=4 * error)


def test_exceedance_of_the_normal_law() -> None:
    z = np.array([0.0, 1.2815516, 2.3263479, 3.0902323, 4.264891, -1.644854], dtype=np.float32)
    percent = np.array([50, 10, 1, 0.1, 0.001, 95])
    assert rain_exceedance_percent(z) == pytest.approx(percent, rel=1e-5)


@pytest.mark.parametrize(
    ("sites", "clear", "percent"), [(3, 0.65, 95.71), (4, 0.50, 93.75), (1, 0.3, 30.0)]
)
def test_site_diversity(sites: int, clear: float, percent: float) -> None:
    expected = availability(np.full(sites, clear))
    assert 100 * expected == pytest.approx(percent, abs=0.005)
    # The same from sites a quarter of the Earth apart, drawn together with correlation.
    places = np.array([[0.0, 0.0], [0.0, 90.0], [0.0, 180.0], [90.0, 0.0]])[:sites].T
    days, spell_s = 400.0, HOUR_S
    rng = np.random.default_rng(6)
    weather = Weather.draw(rng, *places, 1 - clear, spell_s, days * DAY_S, step_s=300.0)
    looks = days * DAY_S / (2 * spell_s)
    error = np.sqrt(expected * (1 - expected) / looks)
    assert (~weather.cloudy).any(axis=0).mean() == pytest.approx(expected, abs=4 * error)


def test_availability_takes_the_last_axis() -> None:
    shares = np.array([[0.5, 0.5], [0.0, 1.0], [0.2, 0.0]])
    assert availability(shares) == pytest.approx(np.array([0.75, 1.0, 0.2]))


@given(st.integers(1, 12), st.integers(0, 2**32), st.floats(0.0, 2000.0))
def test_a_site_more_or_a_longer_run_changes_nothing(
    sites: int, seed: int, correlation_km: float
) -> None:
    place = np.random.default_rng(seed).uniform(40, 50, (2, sites + 1))
    share = np.linspace(0.2, 0.8, sites + 1)

    def drawn(count: int, duration_s: float) -> Weather:
        rng = np.random.default_rng(seed)
        latitude, longitude = place[:, :count]
        return Weather.draw(
            rng,
            latitude,
            longitude,
            share[:count],
            HOUR_S,
            duration_s,
            correlation_km=correlation_km,
        )

    few, more, longer = drawn(sites, 7200.0), drawn(sites + 1, 7200.0), drawn(sites, 9000.0)
    for field in ("cloudy", "rain_z"):
        ours = getattr(few, field)
        assert np.array_equal(ours, getattr(more, field)[:sites])
        assert np.array_equal(ours, getattr(longer, field)[:, : ours.shape[1]])


def test_a_seed_repeats_and_a_second_draw_is_other_weather() -> None:
    def two(sites: int) -> list[Weather]:
        rng = np.random.default_rng(7)
        place = np.linspace(0, 50, 2 * sites).reshape(2, sites)
        return [Weather.draw(rng, *place, 0.5, HOUR_S, DAY_S) for _ in range(2)]

    first, second = two(3)
    again, next_one = two(3)
    assert np.array_equal(first.rain_z, again.rain_z)
    assert np.array_equal(second.cloudy, next_one.cloudy)
    assert not np.array_equal(first.cloudy, second.cloudy)
    assert not np.array_equal(first.rain_z, second.rain_z)
    # How many sites the first draw had says nothing to the second.
    assert np.array_equal(two(1)[1].rain_z[0], second.rain_z[0])


def test_clouds_do_not_touch_the_rain() -> None:
    clear, dull = (draw(11, 4, share, HOUR_S, 1.0, correlation_km=300.0) for share in (0.1, 0.9))
    assert np.array_equal(clear.rain_z, dull.rain_z)
    assert clear.cloudy.mean() < dull.cloudy.mean()


def test_the_weather_at_a_time() -> None:
    weather = draw(12, 3, 0.5, HOUR_S, 0.1, step_s=0.1)
    assert weather.cloudy.dtype == bool
    assert weather.rain_z.dtype == np.float32
    assert [weather.column(t_s) for t_s in (0.0, 0.099, 0.1, 0.3, 8640.0)] == [0, 0, 1, 3, 86400]
    cloudy, rain_z = weather.at(0.3)
    assert np.array_equal(cloudy, weather.cloudy[:, 3])
    assert np.array_equal(rain_z, weather.rain_z[:, 3])
    for t_s in (-1.0, 8640.2):
        with pytest.raises(ValueError, match=r"no weather at .* draw it for the whole duration"):
            weather.at(t_s)


@pytest.mark.parametrize(
    ("share", "spell_s"), [(0.5, 119.0), (0.9, 599.0), (-0.1, 1e4), (1.1, 1e4), (0.5, np.nan)]
)
def test_clouds_that_cannot_be_drawn_are_named(share: float, spell_s: float) -> None:
    with pytest.raises(ValueError, match=r"clouds of site 1: share .* use longer spells"):
        draw(13, 2, np.array([0.5, share]), np.array([1e4, spell_s]), 1.0)


def test_distances_on_the_sphere() -> None:
    quarter_km = np.pi / 2 * EARTH_RADIUS_KM
    distance_km = great_circle_km(np.array([0.0, 0.0, 90.0, 0.0]), np.array([0.0, 90.0, 7.0, 180]))
    assert distance_km[0] == pytest.approx(quarter_km * np.array([0, 1, 1, 2]), abs=ONE_METRE_KM)
    assert np.array_equal(distance_km, distance_km.T)


def test_a_day_of_a_hundred_sites_is_drawn_within_a_second() -> None:
    def day() -> Weather:
        return draw(14, 100, 0.5, 6 * HOUR_S, 1.0, correlation_km=300.0)

    assert min(repeat(day, number=1, repeat=3)) < ONE_SECOND
