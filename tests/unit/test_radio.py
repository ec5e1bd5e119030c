"""The radio link against closed forms, the frame arithmetic of DVB-S2, and Shannon."""

from fractions import Fraction

import numpy as np
import pytest

from emulator.physics.modcods import DVB_S2, DVB_S2X, S2_LADDER, S2X_LADDER, Ladder, Modcod
from emulator.physics.radio import (
    choose_modcod,
    es_n0_db,
    free_space_path_loss_db,
    rate_bps,
    slant_km,
)
from emulator.units import C_KM_S, EARTH_RADIUS_KM

ONE_METRE_KM = 1e-3
ONE_MILLIMETRE_KM = 1e-6
A_THOUSANDTH_DB = 1e-3
A_HUNDREDTH_DB = 1e-2
SIX_DECIMALS = 5.1e-7
"""What the standards' tables print of an efficiency, and a rounding of the last digit."""


def test_slant_range_of_the_worked_example() -> None:
    found = slant_km(550.0, np.array([5, 10, 25, 40, 90]))
    assert found == pytest.approx([2205.895, 1815.652, 1123.418, 812.107, 550], abs=ONE_METRE_KM)
    assert slant_km(550.0, 25.0) / C_KM_S * 1e3 == pytest.approx(3.74732, abs=1e-5)


def test_slant_range_is_where_the_line_of_sight_meets_the_orbit() -> None:
    altitude_km = np.array([160.0, 550.0, 35786.0])[:, None]
    elevation_deg = np.linspace(0, 90, 19)
    elevation = np.radians(elevation_deg)
    range_km = slant_km(altitude_km, elevation_deg)
    radius_km = np.hypot(
        range_km * np.cos(elevation), EARTH_RADIUS_KM + range_km * np.sin(elevation)
    )
    assert range_km.shape == (3, 19)
    assert radius_km - EARTH_RADIUS_KM - altitude_km == pytest.approx(0, abs=ONE_MILLIMETRE_KM)


@pytest.mark.parametrize(
    ("frequency_ghz", "elevation_deg", "loss_db"),
    [(20, 25, 179.479), (20, 90, 173.276), (12, 90, 168.839), (12, 25, 175.042), (30, 25, 183.001)],
)
def test_free_space_loss_from_550_km(
    frequency_ghz: float, elevation_deg: float, loss_db: float
) -> None:
    found = free_space_path_loss_db(frequency_ghz, slant_km(550.0, elevation_deg))
    assert found == pytest.approx(loss_db, abs=A_THOUSANDTH_DB)


def test_symbol_energy_of_the_worked_example() -> None:
    range_km = slant_km(550.0, np.array([10, 25, 40, 90]))
    clear = es_n0_db(40.0, 26.0, 20.0, range_km, 0.0, 400e6)
    assert clear == pytest.approx([24.93, 29.10, 31.92, 35.30], abs=A_HUNDREDTH_DB)
    rain_db = np.array([0.0, 3.0, 12.5])[:, None]
    assert clear - es_n0_db(40.0, 26.0, 20.0, range_km, rain_db, 400e6) == pytest.approx(
        np.broadcast_to(rain_db, (3, 4))
    )


def frame_efficiency(modcod: Modcod) -> float:
    """Bits per symbol by EN 302 307-1: clause 5.3 for the codes, 5.5 for the header."""
    modulation, code = modcod.name.removesuffix("-L").split()
    bits = {"QPSK": 2, "8PSK": 3, "8APSK": 3}.get(modulation) or int(
        modulation.removesuffix("APSK")
    ).bit_length() - 1
    bch_bits = 192
    if modcod in DVB_S2:
        bch_bits = {"2/3": 160, "5/6": 160, "8/9": 128, "9/10": 128}.get(code, 192)
    payload = 64800 * Fraction(code) - bch_bits - 80
    slots = -(-64800 // (90 * bits))
    return float(payload / (90 * (slots + 1)))


@pytest.mark.parametrize("modcod", DVB_S2 + DVB_S2X, ids=lambda row: row.name)
def test_each_efficiency_is_what_its_frame_carries(modcod: Modcod) -> None:
    assert modcod.efficiency == pytest.approx(frame_efficiency(modcod), abs=SIX_DECIMALS)


@pytest.mark.parametrize("modcod", DVB_S2 + DVB_S2X, ids=lambda row: row.name)
def test_each_threshold_lies_shortly_above_shannons(modcod: Modcod) -> None:
    # Up to 3.7 dB above: 8PSK 9/10, whose ring is far from the Gaussian that Shannon's limit takes.
    shannon_db = 10 * np.log10(2**modcod.efficiency - 1)
    assert shannon_db + 0.5 < modcod.threshold_db < shannon_db + 3.7


def test_both_tables_are_whole() -> None:
    assert len(DVB_S2) == 28
    assert len(DVB_S2X) == 38
    assert len({row.name for row in DVB_S2 + DVB_S2X}) == 66


# Thresholds of all rungs, as public simulators of LEO constellations list them (an array named
# db_thresholds, its first, QPSK 2/9, left out): another hand's reading of the same two tables.
SECOND_READING_DB = (
    (-2.35, -2.03, -1.24, -0.30, 0.22, 1.00, 1.45, 2.23, 3.10, 4.03, 4.68, 4.73, 5.13, 5.50, 5.97),
    (6.55, 6.84, 7.41, 8.10, 8.38, 8.43, 8.97, 9.27, 9.71, 10.21, 10.65, 11.03, 11.10, 11.61),
    (11.75, 12.17, 12.73, 13.05, 13.64, 13.98, 14.81, 15.47, 15.87, 16.55, 16.98, 17.24, 18.10),
    (18.59, 18.84, 19.57),
)


def test_a_second_reading_of_the_standards_has_the_same_rungs() -> None:
    assert S2X_LADDER.threshold_db.tolist() == [db for line in SECOND_READING_DB for db in line]


@pytest.mark.parametrize(
    ("margin_db", "name", "efficiency"),
    [(0.0, "16APSK 13/18", 2.856231), (1.5, "16APSK 2/3-L", 2.635236)],
)
def test_choice_at_10_db(margin_db: float, name: str, efficiency: float) -> None:
    index = choose_modcod(10.0, margin_db)
    assert S2X_LADDER.names[index] == name
    assert S2X_LADDER.efficiency[index] == efficiency


@pytest.mark.parametrize(
    ("ladder", "rows"), [(S2X_LADDER, DVB_S2 + DVB_S2X), (S2_LADDER, DVB_S2)], ids=["S2X", "S2"]
)
def test_no_row_that_closes_carries_more_than_the_chosen(
    ladder: Ladder, rows: tuple[Modcod, ...]
) -> None:
    es_n0 = np.linspace(-5, 25, 3001)
    closes = es_n0[:, None] >= [row.threshold_db for row in rows]
    best = np.where(closes, [row.efficiency for row in rows], 0.0).max(axis=1)
    assert rate_bps(choose_modcod(es_n0, 0.0, ladder), 1.0, ladder) == pytest.approx(best, abs=0)


@pytest.mark.parametrize("ladder", [S2X_LADDER, S2_LADDER], ids=["S2X", "S2"])
def test_each_rung_needs_more_and_carries_more(ladder: Ladder) -> None:
    assert (np.diff(ladder.threshold_db) > 0).all()
    assert (np.diff(ladder.efficiency) > 0).all()


def test_where_nothing_closes_no_bit_is_carried() -> None:
    index = choose_modcod(np.array([-np.inf, np.nan, -2.36, -2.35, 99.0]))
    assert index.tolist() == [-1, -1, -1, 0, len(S2X_LADDER.names) - 1]
    assert rate_bps(index, 400e6)[:3].tolist() == [0, 0, 0]


def test_rate_of_a_saturated_link() -> None:
    sky = es_n0_db(40.0, 26.0, 20.0, slant_km(550.0, 25.0), 0.0, 400e6)
    assert rate_bps(choose_modcod(sky, 1.5), 400e6) == pytest.approx(2.36e9, rel=1e-3)


def test_choice_broadcasts() -> None:
    index = choose_modcod(
        np.linspace(-3, 20, 24).reshape(4, 6), np.array([0.0, 1.5])[:, None, None]
    )
    assert index.shape == (2, 4, 6)
    assert (index[1] <= index[0]).all()
    assert rate_bps(index, np.array([1e6, 2e6])[:, None, None]).shape == (2, 4, 6)
