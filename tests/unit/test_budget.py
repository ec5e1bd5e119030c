"""Link budgets: worked cases, ladders, losses, fades by the physics that they are made of."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erfc, erfcinv, j1

from emulator.budget import IDEAL_DB, Budgets, fade_chances
from emulator.physics import fading, optics, radio
from emulator.physics.modcods import S2X_LADDER
from emulator.terminals import Terminal

A_ROUNDED_SUM_DB = 2e-3
"""Worked budgets are sums of two figures, each given to a thousandth of a decibel."""
ONE_IN_TEN_THOUSAND = 1e-4
A_THOUSANDTH = 1e-3
MICRORADIAN = 1e-6

SCOT80_LIKE = {"tx_power_w": 1.0, "aperture_m": 0.08, "pointing_error_urad": 1.0}
SDA_LIKE = SCOT80_LIKE | {"tx_efficiency": 0.7, "rx_efficiency": 0.6, "pointing_error_urad": 2.0}
EDRS_LIKE = {"tx_power_w": 2.2, "aperture_m": 0.135, "wavelength_nm": 1064.0}
EDRS_LIKE |= {"tx_efficiency": 0.7, "rx_efficiency": 0.7, "modulation": "homodyne-bpsk"}
KA_BAND = {"frequency_ghz": 20.0, "symbol_rate_mbaud": 400.0, "eirp_dbw": 40.0}
KA_BAND |= {"g_over_t_db_k": 26.0}


def laser(rate_gbps: float = 10.0, photons_per_bit: float = 100.0, **optical: Any) -> Terminal:
    return Terminal(
        rate_gbps=rate_gbps,
        max_range_km=1e6,
        optical={**SCOT80_LIKE, "photons_per_bit": photons_per_bit, **optical},
    )


def modem(rate_gbps: float = 100.0, **figures: Any) -> Terminal:
    return Terminal(rate_gbps=rate_gbps, max_range_km=1e6, radio={**KA_BAND, **figures})


IDEAL = Terminal(rate_gbps=100.0, max_range_km=1e6)
HERE, THERE = np.array([0]), np.array([1])


def margin_db(budgets: Budgets, range_km: float, rung: int = 0) -> float:
    """Margin from kind 0 to the last kind at one of its rungs."""
    last = np.array([len(budgets.kinds) - 1])
    level_db = budgets.level_db(HERE, last, np.array([range_km]))
    return float((level_db - budgets.rungs[0][HERE, last, rung])[0])


@pytest.mark.parametrize(
    ("sender", "receiver", "range_km", "received_dbm", "required_dbm"),
    [
        # SCOT80-like, 100 photons a bit of 1550 nm at 10 Gbit/s
        (laser(), laser(), 8000.0, -40.010, -38.923),
        # EDRS-like, 9 photons a bit of 1064 nm at 1.8 Gbit/s, and only the sender points badly
        (
            laser(1.8, 9.0, **EDRS_LIKE),
            laser(1.8, 9.0, **EDRS_LIKE | {"pointing_error_urad": 0.0}),
            45_000.0,
            -40.852,
            -55.193,
        ),
        # SDA-like, 90 photons a bit of 1550 nm at 2.5 Gbit/s
        (laser(2.5, 90.0, **SDA_LIKE), laser(2.5, 90.0, **SDA_LIKE), 5500.0, -39.269, -45.401),
    ],
)
def test_worked_budgets(
    sender: Terminal, receiver: Terminal, range_km: float, received_dbm: float, required_dbm: float
) -> None:
    found_db = margin_db(Budgets((sender, receiver), 1.0), range_km)
    assert found_db == pytest.approx(received_dbm - required_dbm, abs=A_ROUNDED_SUM_DB)


@pytest.mark.parametrize(
    ("elevation_deg", "es_n0_db"), [(10, 24.93), (25, 29.10), (40, 31.92), (90, 35.30)]
)
def test_worked_budgets_by_radio(elevation_deg: float, es_n0_db: float) -> None:
    budgets = Budgets((modem(), modem()), 1.0)
    range_km = radio.slant_km(np.array([550.0]), np.array([elevation_deg]))
    assert budgets.level_db(HERE, THERE, range_km)[0] == pytest.approx(es_n0_db, abs=5e-3)


def test_implementation_loss_is_the_receivers_and_power_the_senders() -> None:
    plain, lossy = laser(), laser(implementation_loss_db=3.0)
    strong = laser(tx_power_w=2.0)
    base_db = Budgets((plain, lossy, strong), 1.0).base_db
    assert base_db[0, 1] - base_db[0, 0] == pytest.approx(-3.0)
    assert base_db[1, 0] == base_db[0, 0]
    assert base_db[2, 0] - base_db[0, 0] == pytest.approx(10 * np.log10(2))
    assert base_db[0, 2] == base_db[0, 0]


def test_attenuation_and_range_lower_the_level() -> None:
    budgets = Budgets((laser(), modem()), 1.0)
    for kind in (HERE, THERE):
        near, far, dim = budgets.level_db(
            kind, kind, np.array([1000.0, 2000.0, 1000.0]), np.array([0.0, 0.0, 4.5])
        )
        assert near - far == pytest.approx(20 * np.log10(2))
        assert near - dim == pytest.approx(4.5)


def test_who_does_not_understand_gets_nothing() -> None:
    kinds = (laser(), laser(**EDRS_LIKE), laser(wavelength_nm=1530.0), modem(), IDEAL)
    base_db = Budgets(kinds, 1.0).base_db
    apart = np.isneginf(base_db)
    expected = np.zeros((5, 5), dtype=bool)
    for a, b in ((0, 1), (1, 2), (0, 3), (1, 3), (2, 3)):
        expected[a, b] = expected[b, a] = True
    assert (apart == expected).all()
    assert (base_db[4] == IDEAL_DB).all()
    assert (base_db[:, 4] == IDEAL_DB).all()
    for a, first in enumerate(kinds):
        for b, second in enumerate(kinds):
            assert first.understands(second) == (not apart[a, b])


@given(st.floats(0.02, 0.3), st.floats(50, 50_000))
def test_rate_falls_with_the_square_of_range_floored_onto_the_ladder(
    aperture_m: float, range_km: float
) -> None:
    """R(d) = R_ref (d_ref / d)², with the reference that the budget itself closes exactly at."""
    gbps = np.array([0.5, 1.0, 2.5, 10.0, 40.0, 100.0])
    kind = laser(100.0, aperture_m=aperture_m, ladder_gbps=tuple(gbps[:-1]))
    budgets = Budgets((kind, kind), 1.0)
    reach_km = 1000.0 * 10 ** (margin_db(budgets, 1000.0, rung=3) / 20)
    level_db = budgets.level_db(HERE, THERE, np.array([range_km]))
    [rung] = budgets.highest_rung(HERE, THERE, level_db)
    rate_gbps = 10.0 * (reach_km / range_km) ** 2
    if np.abs(rate_gbps / gbps - 1).min() > 1e-9:
        assert rung == np.flatnonzero(gbps <= rate_gbps).max(initial=-1)


@pytest.mark.parametrize(
    ("range_km", "gbps"),
    [(15_999.0, 2.5), (8000.0, 10), (4001.0, 10), (4000.0, 40), (2529.9, 40), (2529.8, 100)],
)
def test_a_laser_made_for_8000_km(range_km: float, gbps: float) -> None:
    made = laser(10.0)
    spare_db = margin_db(Budgets((made, made), 1.0), 8000.0 * (1 + 1e-12))
    kind = laser(100.0, 100.0 * 10 ** (spare_db / 10), ladder_gbps=(2.5, 10.0, 40.0))
    budgets = Budgets((kind, kind), 1.0)
    level_db = budgets.level_db(HERE, THERE, np.array([range_km]))
    rung = budgets.highest_rung(HERE, THERE, level_db)
    assert budgets.rungs[1][0, 1, rung] == gbps * 1e9


@pytest.mark.parametrize("scale", [1.0, 7.0, 1000.0])
def test_rungs_rise_to_the_slower_ends_line_rate(scale: float) -> None:
    kinds = (
        laser(100.0, ladder_gbps=(1.0, 10.0, 40.0)),
        laser(10.0, ladder_gbps=(1.0, 2.5, 40.0)),
        laser(0.5),
        modem(1.0),
        modem(),
        IDEAL,
    )
    need_db, rate_bps = Budgets(kinds, scale).rungs
    for a, tx in enumerate(kinds):
        for b, rx in enumerate(kinds):
            real = np.isfinite(need_db[a, b])
            assert real[0]
            assert (np.diff(need_db[a, b][real]) > 0).all()
            assert (np.diff(rate_bps[a, b]) >= 0).all()
            slower_bps = min(tx.rate_gbps, rx.rate_gbps) * 1e9 / scale
            if not (tx.radio and rx.radio and slower_bps > 2.4e9 / scale):
                assert rate_bps[a, b, -1] == pytest.approx(slower_bps, abs=4)
            assert (rate_bps[a, b] > 0).all()
            assert (rate_bps[a, b] % 8 == 0).all()

    def ladder_gbps(a: int, b: int) -> list[float]:
        rungs = rate_bps[a, b][np.isfinite(need_db[a, b])]
        return [round(float(rate) * scale / 1e9, 3) for rate in rungs]

    assert ladder_gbps(0, 0) == [1, 10, 40, 100]
    assert ladder_gbps(0, 1) == [1, 10], "none above the receiver's line rate"
    assert ladder_gbps(1, 0) == [1, 2.5, 10], "none above its own"
    assert ladder_gbps(0, 2) == [0.5]
    # What a rung needs is for the rate it runs at: 0.5 Gbit/s, not the sender's lowest of 1.
    assert need_db[0, 2, 0] == pytest.approx(10 * np.log10(0.5e9))


def test_dvb_s2x_ends_with_the_first_mode_that_carries_the_line_rate() -> None:
    need_db, rate_bps = Budgets((modem(1.0), modem()), 1.0).rungs
    efficiency = S2X_LADDER.efficiency
    enough = int(np.argmax(efficiency * 400e6 >= 1e9))
    for pair in ((0, 0), (0, 1), (1, 0)):
        rungs = np.isfinite(need_db[pair]).sum()
        assert rungs == enough + 1
        assert rate_bps[pair][enough] == 10**9
        assert rate_bps[pair][enough - 1] == pytest.approx(efficiency[enough - 1] * 400e6, abs=4)
    assert np.isfinite(need_db[1, 1]).sum() == len(efficiency)
    assert rate_bps[1, 1, -1] == pytest.approx(2.36e9, rel=A_THOUSANDTH), "256APSK 3/4"


@given(st.lists(st.floats(-10, 30), min_size=1, max_size=50))
def test_radios_choose_as_radio_says(es_n0_db: list[float]) -> None:
    level_db = np.array(es_n0_db)
    budgets = Budgets((laser(), modem()), 1.0)
    ends = np.ones(len(level_db), dtype=int), np.ones(len(level_db), dtype=int)
    assert (budgets.highest_rung(*ends, level_db) == radio.choose_modcod(level_db)).all()


def test_rungs_of_many_pairs_at_once_are_those_of_each() -> None:
    kinds = (laser(ladder_gbps=(1.0,)), laser(40.0, ladder_gbps=(10.0,)), modem(), IDEAL)
    budgets = Budgets(kinds, 1.0)
    draw = np.random.default_rng(1)
    sender, receiver = draw.integers(0, 4, (2, 500))
    level_db = draw.uniform(-10, 120, 500)
    rung = budgets.highest_rung(sender, receiver, level_db)
    for n in range(500):
        need_db = budgets.rungs[0][sender[n], receiver[n]]
        assert rung[n] == (need_db <= level_db[n]).sum() - 1


def test_settings_are_each_modems_own() -> None:
    budgets = Budgets((laser(relock_s=0.25), modem(min_margin_db=2.5), IDEAL), 1.0)
    assert budgets.setting("relock_s").tolist() == [0.25, 0.0, 0.0]
    assert budgets.setting("min_margin_db").tolist() == [1.5, 2.5, 0.0]
    assert budgets.setting("hysteresis_db").tolist() == [1.0, 0.5, 0.0]
    assert budgets.adaptive.tolist() == [True, True, False]


def test_no_kinds_no_budgets() -> None:
    empty = Budgets((), 1.0)
    assert empty.base_db.shape == (0, 0)
    assert empty.adaptive.shape == (0,)
    assert empty.rungs[0].shape == (0, 0, 0)


@given(st.floats(-3, 8), st.floats(0.05, 2), st.sampled_from([512, 8416, 30_000]))
def test_coded_losses_are_the_cliff(margin: float, cliff_db: float, frame_bits: int) -> None:
    """Any of the k code frames that hold a full packet of 1514 bytes loses it."""
    kinds = (laser(), laser(cliff_db=cliff_db, frame_bits=frame_bits))
    [lost] = Budgets(kinds, 1.0).loss(THERE, np.array([margin]))
    frame_loss = max(0.5 * erfc(margin / cliff_db / np.sqrt(2)), 1e-12)
    frames = np.ceil(8 * 1514 / frame_bits) + 1
    assert lost == pytest.approx(1 - (1 - frame_loss) ** frames, rel=1e-6, abs=1e-13)


@pytest.mark.parametrize("modulation", optics.MODULATIONS)
def test_without_a_code_a_packet_survives_if_all_its_bits_do(modulation: str) -> None:
    kind = laser(coding="none", modulation=modulation)
    budgets = Budgets((kind,), 1.0)
    lost = budgets.loss(np.zeros(3, dtype=int), np.array([-3.0, 0.0, 3.0]))
    # At the threshold the bit error rate is 1e-9.
    assert lost[1] == pytest.approx(8 * 1514 * 1e-9, rel=ONE_IN_TEN_THOUSAND)
    assert lost[0] > 100 * lost[1]
    assert lost[2] < lost[1] / 1000


def test_at_its_threshold_a_radio_is_quasi_error_free() -> None:
    """EN 302 307-2: one frame in 1e-5. A packet is in one or two frames of 64,800 bits."""
    [lost] = Budgets((modem(),), 1.0).loss(HERE, np.array([0.0]))
    assert lost == pytest.approx(2e-5, rel=0.05)


def test_who_has_no_budget_loses_nothing() -> None:
    budgets = Budgets((laser(jitter_urad=5.0), IDEAL), 1.0)
    margin = np.array([np.inf, np.inf, np.inf])
    sender, receiver = np.array([0, 1, 1]), np.array([1, 0, 1])
    assert not budgets.loss(receiver, margin).any()
    assert not np.any(budgets.fading(sender, receiver, margin))


def test_the_worked_fade() -> None:
    """w = 7.5 µrad, σ = 1.5 µrad, f = 50 Hz, 3 dB; at 10,000 packets a second."""
    sender = laser(divergence_urad=15.0, jitter_urad=1.5, jitter_hz=50.0)
    budgets = Budgets((sender, laser()), 1.0)
    share, mean_s = budgets.fading(HERE, THERE, np.array([3.0]))
    assert share[0] == pytest.approx(1.33352e-2, rel=ONE_IN_TEN_THOUSAND)
    assert mean_s[0] == pytest.approx(2.71529e-3, rel=ONE_IN_TEN_THOUSAND)
    p, r = fade_chances(share, mean_s, np.array([10_000 * 8 * 1514]))
    assert p[0] == pytest.approx(4.97753e-4, rel=ONE_IN_TEN_THOUSAND)
    assert r[0] == pytest.approx(3.68285e-2, rel=ONE_IN_TEN_THOUSAND)


def test_an_apertures_jitter_is_by_its_airy_pattern() -> None:
    """Near its axis (2 J1(x) / x)², x = π D θ / λ, is the Gaussian beam whose fades are counted.

    A fade of 0.2 dB by an error θ is as likely as a Rayleigh error beyond θ: exp(−θ²/2σ²).
    """
    sender = laser(jitter_urad=2.0)
    depth_db, x = 0.2, np.linspace(1e-3, 1.0, 200_000)
    pattern_db = -20 * np.log10(2 * j1(x) / x)
    error_rad = np.interp(depth_db, pattern_db, x) * 1550e-9 / (np.pi * 0.08)
    likely = np.exp(-(error_rad**2) / 2 / (2.0 * MICRORADIAN) ** 2)
    share, _ = Budgets((sender, laser()), 1.0).fading(HERE, THERE, np.array([depth_db]))
    assert np.log(share[0]) == pytest.approx(np.log(likely), rel=0.01)


def test_a_receivers_jitter_is_by_its_aperture() -> None:
    """Whatever beam a terminal sends, it receives by its aperture."""
    wide = laser(divergence_urad=200.0, jitter_urad=2.0)
    still, margin = laser(), np.array([1.0])
    budgets = Budgets((wide, still, laser(jitter_urad=2.0)), 1.0)
    receiving = budgets.fading(THERE, HERE, margin)
    like = budgets.fading(THERE, np.array([2]), margin)
    assert np.concatenate(receiving) == pytest.approx(np.concatenate(like))
    assert budgets.fading(HERE, THERE, margin)[0] < receiving[0]


@given(
    st.floats(0, 8),
    st.floats(0, 8),
    st.floats(0.01, 1000),
    st.floats(0.01, 1000),
    st.lists(st.floats(1e-4, 40), min_size=1, max_size=20),
)
def test_fades_are_what_fading_says(
    jitter_a_urad: float, jitter_b_urad: float, hz_a: float, hz_b: float, margins: list[float]
) -> None:
    """The table of mean fades agrees with the quadrature that it is made of, between its points."""
    kinds = (
        laser(jitter_urad=jitter_a_urad, jitter_hz=hz_a),
        laser(divergence_urad=40.0, jitter_urad=jitter_b_urad, jitter_hz=hz_b),
    )
    margin = np.array(margins)
    ends = np.zeros(len(margin), dtype=int), np.ones(len(margin), dtype=int)
    share, mean_s = Budgets(kinds, 1.0).fading(*ends, margin)
    half_angle = np.sqrt(8) * 1550e-9 / (np.pi * 0.08)
    beta = fading.pointing_beta(half_angle, np.array([jitter_a_urad, jitter_b_urad]) * MICRORADIAN)
    if not np.isfinite(beta).any():
        assert not share.any()
        assert not mean_s.any()
        return
    expected = fading.combined_fade_probability(*beta, margin)
    rate_hz = fading.combined_fade_rate_hz(*beta, margin, hz_a, hz_b)
    assert share == pytest.approx(expected, rel=1e-9, abs=1e-300)
    seen = rate_hz > 1e-280
    expected_s = expected[seen] / rate_hz[seen]
    assert mean_s[seen] == pytest.approx(expected_s, rel=A_THOUSANDTH)


def test_without_margin_all_time_is_one_fade_but_only_where_there_is_jitter() -> None:
    budgets = Budgets((laser(), laser(jitter_urad=1e-3)), 1.0)
    margin = np.array([-2.0, 0.0])
    still, moving = np.array([0, 0]), np.array([1, 1])
    assert not np.any(budgets.fading(still, still, margin))
    for sender, receiver in ((still, moving), (moving, still), (moving, moving)):
        share, mean_s = budgets.fading(sender, receiver, margin)
        assert (share == 1).all()
        assert np.isinf(mean_s).all()


def test_neither_light_of_another_colour_nor_radio_fades_by_jitter() -> None:
    kinds = (laser(jitter_urad=2.0), laser(**EDRS_LIKE), modem())
    budgets = Budgets(kinds, 1.0)
    for other in (1, 2):
        fades = budgets.fading(HERE, np.array([other]), np.array([1.0]))
        assert not np.any(fades)


@given(st.floats(0, 1), st.floats(1e-6, 1e6), st.floats(8, 1e14))
def test_chances_of_a_fade_keep_its_share_of_packets(
    share: float, mean_s: float, rate_bps: float
) -> None:
    lasts = np.array([mean_s if 0 < share < 1 else 0.0 if share == 0 else np.inf])
    p, r = fade_chances(np.array([share]), lasts, np.array([rate_bps]))
    assert 0 <= p[0] <= 1
    assert 0 <= r[0] <= 1
    assert p[0] / (p[0] + r[0]) == pytest.approx(share, rel=1e-9)
    packets_s = rate_bps / 8 / 1514
    if 0 < share < 1 and p[0] + r[0] < 1 - 1e-9:
        assert 1 / r[0] == pytest.approx(mean_s * packets_s, rel=1e-9)


def test_the_cliff_is_where_the_threshold_is() -> None:
    """Half of the frames at no margin; one in 1e-5 at the 4.265 σ that the normal law says."""
    sigmas = np.sqrt(2) * erfcinv(2e-5)
    one_frame = laser(frame_bits=10_000_000)
    lost = Budgets((one_frame,), 1.0).loss(np.array([0, 0]), np.array([0.0, 0.3 * sigmas]))
    assert lost == pytest.approx([0.75, 2e-5], rel=A_THOUSANDTH)
