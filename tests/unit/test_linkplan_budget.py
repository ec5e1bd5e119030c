"""A plan of terminals with budgets: rates, margins, losses and fades are what the physics says."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.causes import Cause
from emulator.linkplan import PORT_STATE, LinkPlan
from emulator.physics import fading, optics, radio
from emulator.physics.modcods import S2X_LADDER
from emulator.scenario import Scenario
from emulator.units import FRAME_BYTES
from tests.unit.toys import Table, walker_table

A_ROUNDED_SUM_DB = 2e-3
"""Worked budgets are sums of two figures, each given to a thousandth of a decibel."""
A_THOUSANDTH = 1e-3
A_FEW_KM = 2.0
"""What a thousandth of a decibel is to a range of 3000 km, and more."""
ALWAYS = 10**9
LOSSES = ("loss_ppb", "fade_start_ppb", "fade_end_ppb")
HALF_A_PPB = 0.5 + 1e-6

SCOT80_LIKE = {"tx_power_w": 1.0, "aperture_m": 0.08, "pointing_error_urad": 1.0}
SCOT80_LIKE |= {"photons_per_bit": 100.0}
SDA_LIKE = SCOT80_LIKE | {"tx_efficiency": 0.7, "rx_efficiency": 0.6, "pointing_error_urad": 2.0}
SDA_LIKE |= {"photons_per_bit": 90.0}
W_RAD = np.sqrt(8) * 1550e-9 / (np.pi * 0.08)
"""1/e² half angle of the beam of an 80 mm aperture: w² = 8/G."""
TOP = {"rate_gbps": 10.0, "max_range_km": 9000.0}
ACROSS = ["sat-01-01", "sat-02-01"]


def planned(table: Table) -> LinkPlan:
    return LinkPlan.of(Scenario.from_table(table))


def ring(optical: dict, altitude_km: float = 5317.0, **run: Any) -> LinkPlan:
    """Nine satellites in a ring, whose ranges do not change: 8000 km at 5317 km of altitude."""
    terminals = {"laser": TOP | {"optical": optical}}
    isl = [{"pattern": "ring"}]
    return planned(
        walker_table("53:9/1/0", altitude_km, scenario=run, terminals=terminals, isl=isl)
    )


def swing(
    optical: dict | None, other: dict | None = None, rate_gbps: float = 10.0, **run: Any
) -> LinkPlan:
    """Two satellites in neighbouring planes: their range swings between 1547 and 3998 km.

    ``other``: the second one's terminal, where it is not like the first one's.
    """
    run = {"duration_s": 6000.0, "step_s": 10.0, **run}
    own = TOP | {"rate_gbps": rate_gbps} | ({"optical": optical} if optical else {})
    table = walker_table(
        "86.4:66/6/2",
        780.0,
        "star",
        scenario=run,
        terminals={"laser": own, "other": other or own},
        isl=[{"pattern": "pairs", "pairs": [ACROSS]}],
    )
    [shell] = table["constellation"]
    if other:
        # The same shell twice, so that the second satellite of the pair has terminals of its own.
        twin = shell | {"name": "twin", "isl": {"kind": "other", "count": 1}}
        table["constellation"].append(twin)
        table["isl"][0]["pairs"] = [["sat-01-01", "twin-02-01"]]
    return planned(table)


def ranges_km(plan: LinkPlan) -> np.ndarray:
    """Range of the only pair at each step, linked or not."""
    [isl] = plan.scenario.isl
    [(a, b)] = [[plan.network.node(name).index for name in pair] for pair in isl.pairs]
    position_km = plan.ephemeris.positions_km(np.arange(plan.steps) * plan.step_s)
    return np.linalg.norm(position_km[a] - position_km[b], axis=-1)


def channels(plan: LinkPlan, step: int) -> list[tuple[int, int, int, float]]:
    """Every channel as (sending port, receiving port, rate, margin)."""
    found = []
    for a, b, _, _, rate, back, margin, back_margin in plan.links(step).tolist():
        found += [(a, b, rate, margin), (b, a, back, back_margin)]
    return found


def of_pair(plan: LinkPlan, name: str) -> np.ndarray:
    """A LINK field of the only pair at each step; nan while it is dark."""
    rows = [plan.links(step)[name] for step in range(plan.steps)]
    return np.array([row[0] if len(row) else np.nan for row in rows])


@pytest.mark.parametrize(
    ("optical", "altitude_km", "worked_km", "received_dbm", "photons"),
    [(SCOT80_LIKE, 5317.0, 8000.0, -40.010, 50.0), (SDA_LIKE, 2000.0, 5500.0, -39.269, 60.0)],
)
def test_margins_are_those_of_worked_budgets(
    optical: dict, altitude_km: float, worked_km: float, received_dbm: float, photons: float
) -> None:
    """SCOT80-like and SDA-like power at the receiver, against photons a bit at 10 Gbit/s."""
    plan = ring(optical | {"photons_per_bit": photons}, altitude_km)
    links = plan.links(0)
    assert len(links) == 9
    nearer_db = 20 * np.log10(worked_km / links["range_km"])
    energy_j = 6.62607015e-34 * 299_792_458 / 1550e-9
    needed_dbm = 10 * np.log10(1e3 * photons * energy_j * 10e9)
    expected = received_dbm + nearer_db - needed_dbm
    assert links["margin_db"] == pytest.approx(expected, abs=A_ROUNDED_SUM_DB)
    assert (links["margin_db"] == links["return_margin_db"]).all()


@pytest.fixture(scope="module")
def ladder() -> LinkPlan:
    """A laser of 100 Gbit/s with a ladder, without hysteresis and dwell."""
    optical = SCOT80_LIKE | {"ladder_gbps": (2.5, 10.0, 20.0, 30.0, 40.0, 60.0)}
    optical |= {"hysteresis_db": 0.0, "dwell_s": 0.0, "min_margin_db": 0.0}
    return swing(optical, rate_gbps=100.0)


def test_the_rate_is_the_square_of_range_floored_onto_the_ladder(ladder: LinkPlan) -> None:
    """R(d) = R_ref (d_ref/d)²; -1.087 dB at 8000 km is 10 Gbit/s at 7059 km (reference case B)."""
    closes_km = 8000.0 * 10 ** ((-40.010 + 38.923) / 20)
    gbps = np.array([2.5, 10.0, 20.0, 30.0, 40.0, 60.0, 100.0])
    exact = 10.0 * (closes_km / ranges_km(ladder)) ** 2
    floored = np.array([gbps[gbps <= each].max() for each in exact])
    near_a_rung = np.abs(exact[:, None] / gbps - 1).min(axis=1) < 1e-3
    assert near_a_rung.sum() < 10
    found = of_pair(ladder, "rate_bps") / 1e9
    assert (found[~near_a_rung] == floored[~near_a_rung]).all()
    assert set(found) == {30.0, 40.0, 60.0, 100.0}
    assert (of_pair(ladder, "return_bps") / 1e9 == found).all()


def test_hysteresis_and_dwell_hold_a_rung(ladder: LinkPlan) -> None:
    """No step up before its time and without something to spare, none down before it must."""
    optical = SCOT80_LIKE | {"ladder_gbps": (10.0, 20.0, 30.0, 40.0, 60.0), "dwell_s": 200.0}
    plan = swing(optical, rate_gbps=100.0)
    rates_bps, margin_db = of_pair(plan, "rate_bps"), of_pair(plan, "margin_db")
    free_bps = of_pair(ladder, "rate_bps")
    assert (rates_bps <= free_bps).all()
    ups, downs = (np.flatnonzero(sign * np.diff(rates_bps) > 0) + 1 for sign in (1, -1))
    assert len(ups) >= 4
    assert len(downs) >= 4
    assert (margin_db[ups] >= 1.5 + 1.0).all()
    assert (margin_db[downs] >= 1.5).all()
    changes = np.sort(np.concatenate([[0], ups, downs]))
    for up in ups.tolist():
        assert up - changes[changes < up].max() >= 20
    # The margin is let down to the least there is before a step down, and no further.
    assert (margin_db >= 1.5).all()
    assert (margin_db[downs - 1] < 1.6).all()


def test_relocking_costs_its_share_of_the_step() -> None:
    optical = SCOT80_LIKE | {"ladder_gbps": (10.0, 40.0), "relock_s": 0.25, "min_margin_db": 3.0}
    plan = swing(optical, rate_gbps=100.0, step_s=2.0, duration_s=2400.0)
    rates_bps = of_pair(plan, "rate_bps")
    changes = np.flatnonzero(np.diff(rates_bps)) + 1
    assert len(changes) >= 2
    for step in range(plan.steps):
        expected = 0.125 if step in changes else 0.0
        state = plan.at(step)
        lit = state["peer"] >= 0
        assert lit.sum() == 2
        assert state["loss_ppb"][lit] == pytest.approx(expected * ALWAYS, abs=1)


def test_a_relock_longer_than_a_step_costs_all_of_it() -> None:
    optical = SCOT80_LIKE | {"ladder_gbps": (10.0, 40.0), "relock_s": 20.0}
    plan = swing(optical, rate_gbps=100.0)
    changes = np.flatnonzero(np.diff(of_pair(plan, "rate_bps"))) + 1
    state = plan.at(int(changes[0]))
    assert (state["loss_ppb"][state["peer"] >= 0] == ALWAYS).all()


def test_each_direction_has_its_own_rate() -> None:
    """A strong sender with a small telescope, and a weak one with a large one."""
    strong = SCOT80_LIKE | {"tx_power_w": 4.0, "ladder_gbps": (1.0, 2.5, 5.0, 10.0, 20.0, 40.0)}
    weak = strong | {"tx_power_w": 0.5}
    plan = swing(strong, TOP | {"rate_gbps": 60.0, "optical": weak}, rate_gbps=100.0)
    for step in range(0, plan.steps, 10):
        [link] = plan.links(step)
        a, b = int(link["a"]), int(link["b"])
        state = plan.at(step)
        assert state["rate_bps"][b] == link["rate_bps"]
        assert state["rate_bps"][a] == link["return_bps"]
        assert link["rate_bps"] > link["return_bps"]
        # 9 dB of power, at the same receiver's sensitivity
        level_db = 10 * np.log10(float(link["rate_bps"])) + link["margin_db"]
        back_db = 10 * np.log10(float(link["return_bps"])) + link["return_margin_db"]
        assert level_db - back_db == pytest.approx(10 * np.log10(8))
        assert state["delay_ns"][a] == state["delay_ns"][b]
        waiting = state["limit_packets"][[b, a]] - 1000
        flying = link[["rate_bps", "return_bps"]].tolist()
        in_flight = np.array(flying) * link["delay_ns"] * 1e-9 / 8 / FRAME_BYTES
        assert (waiting == np.ceil(in_flight)).all()


def test_no_rate_above_the_peers_line() -> None:
    """The sender of 100 Gbit/s runs at the other's 2.5, and its margin is for that rate."""
    slow = TOP | {"rate_gbps": 2.5, "optical": SCOT80_LIKE}
    plan = swing(SCOT80_LIKE | {"ladder_gbps": (10.0, 40.0)}, slow, rate_gbps=100.0)
    assert set(of_pair(plan, "rate_bps")) == set(of_pair(plan, "return_bps")) == {2.5e9}
    assert of_pair(plan, "margin_db") == pytest.approx(of_pair(plan, "return_margin_db"))


def test_who_has_no_budget_links_with_anyone_at_the_slower_line_rate() -> None:
    jittery = SCOT80_LIKE | {"jitter_urad": 5.0, "ladder_gbps": (1.0,)}
    for rate_gbps in (2.0, 40.0):
        plan = swing(jittery, TOP | {"rate_gbps": rate_gbps})
        for step in (0, plan.steps // 2):
            [link] = plan.links(step)
            assert link["rate_bps"] == link["return_bps"] == min(10.0, rate_gbps) * 1e9
            assert np.isposinf([link["margin_db"], link["return_margin_db"]]).all()
            state = plan.at(step)
            assert not any(state[name].any() for name in LOSSES)


@pytest.fixture(scope="module")
def closes_at_3000_km() -> dict:
    """A terminal that has 0 dB at 3000 km and 1.5 at 2524."""
    gain = 10 ** ((-40.010 + 38.923) / 10) * (8000.0 / 3000.0) ** 2
    return SCOT80_LIKE | {"photons_per_bit": 100.0 * gain}


@pytest.mark.parametrize("powers_w", [(1.0, 1.0), (1.0, 0.8), (0.8, 1.0)])
def test_a_link_begins_with_a_margin_and_is_held_to_the_threshold(
    closes_at_3000_km: dict, powers_w: tuple[float, float]
) -> None:
    """Both by the weaker direction: 0.8 W reach √0.8 as far."""
    one, other = (closes_at_3000_km | {"tx_power_w": power_w} for power_w in powers_w)
    plan = swing(one, TOP | {"optical": other})
    lost_km = 3000.0 * np.sqrt(min(powers_w))
    found_km = lost_km * 10 ** (-1.5 / 20)
    away_km = ranges_km(plan)
    margin_db = np.fmin(of_pair(plan, "margin_db"), of_pair(plan, "return_margin_db"))
    contacts = plan.contacts
    assert len(contacts) >= 2
    lit = np.isfinite(margin_db)
    for _, _, start, end, ended in contacts.tolist():
        assert lit[start:end].all()
        assert margin_db[start] >= 1.5
        assert (margin_db[start:end] >= 0).all()
        if start:
            assert away_km[start] < found_km + A_FEW_KM < away_km[start - 1] + 2 * A_FEW_KM
        if end < plan.steps:
            assert ended == Cause.MARGIN
            assert away_km[end - 1] < lost_km + A_FEW_KM < away_km[end] + 2 * A_FEW_KM
    assert lit.sum() == (contacts["end"] - contacts["start"]).sum()


@pytest.fixture(scope="module")
def jittery() -> dict:
    """Terminals with a thin margin and fades of milliseconds."""
    return SCOT80_LIKE | {"jitter_urad": 2.5, "jitter_hz": 80.0, "ladder_gbps": (20.0, 40.0)}


def test_scaling_divides_rates_and_leaves_margins_and_losses(jittery: dict) -> None:
    whole, scaled = (
        swing(jittery | {"photons_per_bit": 12.0}, rate_gbps=100.0, rate_scale=scale, seed=7)
        for scale in (1.0, 1000.0)
    )
    assert (whole.contacts == scaled.contacts).all()
    faded = 0
    for step in range(0, whole.steps, 7):
        for own, other in zip(whole.links(step), scaled.links(step), strict=True):
            for name in ("margin_db", "return_margin_db", "range_km", "delay_ns"):
                assert own[name] == other[name]
            for name in ("rate_bps", "return_bps"):
                assert own[name] == 1000 * other[name]
        one, other = whole.at(step), scaled.at(step)
        assert (one["loss_ppb"] == other["loss_ppb"]).all()
        # A thousandth of the packets, each a thousand times as likely to begin or end a fade.
        for name in ("fade_start_ppb", "fade_end_ppb"):
            if one["fade_start_ppb"].any():
                expected = 1000.0 * one[name]
                assert other[name] == pytest.approx(expected, rel=A_THOUSANDTH, abs=600)
        faded += bool(one["fade_start_ppb"].any())
    assert faded > 10


def expected_loss(optical: dict, margin_db: float) -> float:
    """Share of full packets lost, one by one."""
    if optical.get("coding") == "none":
        # For preamplified DPSK ½ exp(−N), with the N of 1e-9 at the threshold.
        photons = -np.log(2e-9) * 10 ** (margin_db / 10)
        return float(optics.packet_loss_uncoded(0.5 * np.exp(-photons), FRAME_BYTES))
    return float(optics.packet_loss_coded(margin_db, FRAME_BYTES, 8416, 0.3))


def expected_fades(optical: dict, margin_db: float, rate_bps: int) -> tuple[float, float]:
    """p and r a packet of both ends' jitter."""
    beta = fading.pointing_beta(W_RAD, optical["jitter_urad"] * 1e-6)
    share = fading.combined_fade_probability(beta, beta, margin_db)
    hz = optical["jitter_hz"]
    rate_hz = fading.combined_fade_rate_hz(beta, beta, margin_db, hz, hz)
    mean_s = fading.mean_fade_s(share, rate_hz)
    p, r = fading.gilbert_elliott(rate_hz, mean_s, share, rate_bps / 8 / FRAME_BYTES)
    return float(p), float(r)


@given(
    st.floats(5, 25),
    st.floats(0, 6),
    st.floats(5, 500),
    st.sampled_from(["cliff", "none"]),
    st.sampled_from([1.0, 100.0, 1000.0]),
)
@settings(max_examples=25, deadline=None)
def test_the_kernel_is_told_what_the_physics_says(
    photons: float, jitter_urad: float, jitter_hz: float, coding: str, scale: float
) -> None:
    optical = SCOT80_LIKE | {"photons_per_bit": photons, "coding": coding, "min_margin_db": 0.0}
    optical |= {"jitter_urad": jitter_urad, "jitter_hz": jitter_hz, "relock_s": 0.0}
    optical |= {"modulation": "preamplified-dpsk", "ladder_gbps": (10.0, 40.0)}
    weaker = TOP | {"rate_gbps": 100.0, "optical": optical | {"tx_power_w": 0.8}}
    run = {"rate_scale": scale, "duration_s": 3000.0, "step_s": 100.0}
    plan = swing(optical, weaker, rate_gbps=100.0, **run)
    for step in range(0, plan.steps, 3):
        state = plan.at(step)
        assert_in_range(plan, state)
        for _, receiver, rate_bps, margin_db in channels(plan, step):
            told = state[receiver]
            loss_ppb = ALWAYS * expected_loss(optical, margin_db)
            assert told["loss_ppb"] == pytest.approx(loss_ppb, abs=HALF_A_PPB)
            p, r = expected_fades(optical, margin_db, rate_bps) if jitter_urad else (0.0, 1.0)
            assert told["fade_start_ppb"] == pytest.approx(
                ALWAYS * p, rel=A_THOUSANDTH, abs=HALF_A_PPB
            )
            if told["fade_start_ppb"]:
                assert told["fade_end_ppb"] == pytest.approx(
                    ALWAYS * r, rel=A_THOUSANDTH, abs=HALF_A_PPB
                )


def assert_in_range(plan: LinkPlan, state: np.ndarray) -> None:
    """Check that the kernel can hold this state, and that it makes sense."""
    assert state.dtype == PORT_STATE
    for name in LOSSES:
        assert (state[name] <= ALWAYS).all()
        assert (state[name][state["peer"] < 0] == 0).all()
    assert ((state["fade_start_ppb"] > 0) == (state["fade_end_ppb"] > 0)).all()
    assert (state["rate_bps"] > 0).all()
    assert (state["rate_bps"] % 8 == 0).all()
    assert (state["rate_bps"] <= plan.network.port_rate_bps).all()
    assert (state["delay_ns"] >= 0).all()
    lit = np.flatnonzero(state["peer"] >= 0)
    assert (state["peer"][state["peer"][lit]] == lit).all()


def test_plans_with_budgets_are_byte_identical_in_any_order(jittery: dict) -> None:
    optical = jittery | {"photons_per_bit": 12.0}
    one, other = (swing(optical, rate_gbps=100.0, duration_s=2000.0) for _ in range(2))
    assert one.timeline.rates.tobytes() == other.timeline.rates.tobytes()
    backwards = [other.at(step).tobytes() for step in reversed(range(other.steps))]
    assert backwards[::-1] == [state.tobytes() for state in one]


RADIO = {"frequency_ghz": 19.0, "symbol_rate_mbaud": 100.0, "eirp_dbw": 24.0}
RADIO |= {"g_over_t_db_k": 8.0, "dwell_s": 0.0}
DISH = RADIO | {"frequency_ghz": 29.0, "eirp_dbw": 38.0, "g_over_t_db_k": 20.0}
DISH_BPS, SYMBOLS_S = 300_000_000, 100e6
A_BYTE_S = 8
"""In bit/s: netem counts whole bytes."""


@pytest.fixture(scope="module")
def passes() -> LinkPlan:
    """A shell of radios over a station."""
    line = {"max_range_km": 3000.0}
    table = walker_table(
        "53:66/6/1",
        scenario={"duration_s": 5400.0, "step_s": 5.0},
        terminals={
            "radio": line | {"rate_gbps": 10.0, "radio": RADIO},
            "dish": line | {"rate_gbps": DISH_BPS / 1e9, "radio": DISH},
        },
        ground={
            "station": [
                {
                    "name": "site",
                    "latitude_deg": 40.0,
                    "longitude_deg": 10.0,
                    "min_elevation_deg": 10.0,
                    "antennas": {"kind": "dish", "count": 1},
                }
            ],
            "selection": "fewest-switches",
        },
    )
    return planned(table)


def es_n0_db(plan: LinkPlan, step: int, sender: int, receiver: int) -> float:
    """Of one channel, by its own frequency, EIRP and G/T, and the air's loss in its direction."""
    ends = plan.network.port_node[[sender, receiver]]
    station = plan.network.node("site").index
    down = int(ends[1]) == station
    tx, rx = (RADIO, DISH) if down else (DISH, RADIO)
    satellite = ends[:1] if down else ends[1:]
    lost_db = plan.planner.ground.attenuation_db(plan.sky(step), satellite, np.array([station]))
    [range_km] = plan.links(step)["range_km"]
    air_db = float(lost_db[0 if down else 1][0])
    figures = tx["eirp_dbw"], rx["g_over_t_db_k"], tx["frequency_ghz"]
    return float(radio.es_n0_db(*figures, range_km, air_db, SYMBOLS_S))


def test_radios_choose_as_dvb_s2x_says(passes: LinkPlan) -> None:
    """Within the hysteresis: not above what 1.5 dB allows, not below what 2 dB do."""
    rates_bps = np.minimum(S2X_LADDER.efficiency * SYMBOLS_S, DISH_BPS)
    seen = set()
    for step in range(0, passes.steps, 3):
        for sender, receiver, rate_bps, margin_db in channels(passes, step):
            arrives_db = es_n0_db(passes, step, sender, receiver)
            least, most = (
                rates_bps[max(int(radio.choose_modcod(arrives_db, spare)), 0)]
                for spare in (2.0, 1.5)
            )
            assert least - A_BYTE_S <= rate_bps <= most + A_BYTE_S
            mode = int(np.argmin(np.abs(rates_bps - rate_bps)))
            needs_db = S2X_LADDER.threshold_db[mode]
            assert margin_db == pytest.approx(arrives_db - needs_db, abs=1e-6)
            seen.add(rate_bps)
    assert len(seen) > 10
    assert max(seen) == DISH_BPS


def test_over_a_pass_the_rate_rises_and_falls(passes: LinkPlan) -> None:
    whole = [c for c in passes.contacts.tolist() if c[2] > 0 and c[3] < passes.steps]
    assert len(whole) >= 3
    risen = 0
    for _, _, start, end, _ in whole:
        links = np.concatenate([passes.links(step) for step in range(start, end)])
        assert len(links) == end - start
        top = int(np.argmin(links["range_km"]))
        for name in ("rate_bps", "return_bps"):
            changes = np.diff(links[name])
            assert (changes[:top] >= 0).all()
            assert (changes[top:] <= 0).all()
            risen += bool(changes[:top].any() and changes[top:].any())
    assert risen >= 2


def test_light_and_radio_side_by_side_link_each_with_its_own() -> None:
    line = {"rate_gbps": 1.0, "max_range_km": 6000.0}
    green = SCOT80_LIKE | {"wavelength_nm": 1064.0}
    table = walker_table(
        "53:66/6/1",
        1200.0,
        scenario={"duration_s": 1200.0},
        terminals={
            "radio": line | {"radio": RADIO},
            "red": line | {"optical": SCOT80_LIKE},
            "green": line | {"optical": green},
        },
    )
    kinds = ("radio", "red", "green")
    [shell] = table["constellation"]
    table["constellation"] = [
        shell | {"name": kind, "gsl": {"kind": kind, "count": 1}, "raan_start_deg": 7.0 * n}
        for n, kind in enumerate(kinds)
    ]
    here = {"latitude_deg": 40.0, "longitude_deg": 10.0}
    table["ground"] = {
        "station": [
            here | {"name": f"at-{kind}", "antennas": {"kind": kind, "count": 2}} for kind in kinds
        ]
    }
    plan = planned(table)
    joined = plan.contacts
    network = plan.network
    assert len(joined) > 6
    assert (network.port_kind[joined["a"]] == network.port_kind[joined["b"]]).all()
    assert set(network.port_kind[joined["b"]].tolist()) == {
        list(plan.scenario.terminals).index(kind) for kind in kinds
    }


SLOW = SCOT80_LIKE | {"photons_per_bit": 50.0, "jitter_urad": 3.0, "jitter_hz": 0.02}
SLOW_STEPS = 2000


@pytest.fixture(scope="module")
def fading_ring() -> tuple[LinkPlan, np.ndarray]:
    """Nine links of constant 1.92 dB that fade for seconds, and which ports are lost when."""
    plan = ring(SLOW, duration_s=float(SLOW_STEPS), step_s=1.0)
    lost = np.zeros((SLOW_STEPS, len(plan.network.port_node)), dtype=bool)
    for step in range(SLOW_STEPS):
        state = plan.at(step)
        assert not state["fade_start_ppb"].any(), "the kernel has no part in slow fades"
        assert len(plan.links(step)) == 9, "who fades stays linked"
        lost[step] = state["loss_ppb"] == ALWAYS
        assert (state["loss_ppb"][~lost[step]] < 1000).all()
    return plan, lost[:, state["peer"] >= 0]


def test_slow_fades_are_as_frequent_and_as_long_as_jitter_makes_them(
    fading_ring: tuple[LinkPlan, np.ndarray],
) -> None:
    """18 channels for 2000 s: some 440 fades of 9 s, so both are known to a tenth or so."""
    plan, lost = fading_ring
    margin_db = float(plan.links(0)["margin_db"][0])
    beta = fading.pointing_beta(W_RAD, 3e-6)
    share = float(fading.combined_fade_probability(beta, beta, margin_db))
    rate_hz = float(fading.combined_fade_rate_hz(beta, beta, margin_db, 0.02, 0.02))
    assert lost.shape == (SLOW_STEPS, 18)
    begun = (lost[1:] & ~lost[:-1]).sum()
    assert begun == pytest.approx(SLOW_STEPS * 18 * rate_hz, rel=0.15)
    assert lost.mean() == pytest.approx(share, rel=0.2)
    # Fades between two steps are not seen: those seen are half a step longer on average.
    assert lost.sum() / begun == pytest.approx(share / rate_hz + 0.5, rel=0.15)


def test_channels_fade_each_by_itself(fading_ring: tuple[LinkPlan, np.ndarray]) -> None:
    _, lost = fading_ring
    together = np.corrcoef(lost.T.astype(float))
    # 2000 s of fades of 9 s hold some 110 independent looks: a tenth is one sigma.
    assert np.abs(together[~np.eye(18, dtype=bool)]).max() < 0.4


def test_slow_fades_do_not_depend_on_the_order_of_asking(
    fading_ring: tuple[LinkPlan, np.ndarray],
) -> None:
    plan, _ = fading_ring
    again = LinkPlan(plan.scenario, plan.network, plan.ephemeris, plan.timeline)
    for step in (1500, 3, 1999, 0):
        assert again.at(step).tobytes() == plan.at(step).tobytes()


def test_slow_fades_are_the_seeds_and_no_other_links(
    fading_ring: tuple[LinkPlan, np.ndarray],
) -> None:
    plan, lost = fading_ring
    run = {"duration_s": float(SLOW_STEPS), "step_s": 1.0}
    other = ring(SLOW, seed=1, **run)
    steps = range(0, SLOW_STEPS, 20)
    reseeded = np.array([other.at(step)["loss_ppb"] == ALWAYS for step in steps])
    assert (reseeded[:, other.at(0)["peer"] >= 0] != lost[::20]).any(axis=0).all()
    # A second constellation after the first one moves none of its ports.
    table = walker_table(
        "53:9/1/0",
        5317.0,
        scenario=run,
        terminals={"laser": TOP | {"optical": SLOW}},
        isl=[{"pattern": "ring"}],
    )
    table["constellation"].append(table["constellation"][0] | {"name": "more", "altitude_km": 5400})
    table["constellation"][1]["walker"] = "60:9/1/0"
    more = planned(table)
    count = len(plan.network.port_node)
    for step in steps:
        assert (more.at(step)[:count]["loss_ppb"] == plan.at(step)["loss_ppb"]).all()


def test_how_a_contact_fades_is_decided_once(closes_at_3000_km: dict) -> None:
    """By the margin in its middle: the first pass comes as near as 1547 km, of the second there is
    only a beginning, with 2 dB in its middle. At 2 dB fades last 13 s, at 5.7 dB half of that."""
    optical = closes_at_3000_km | {"jitter_urad": 3.0, "jitter_hz": 0.014}
    plan = swing(optical, step_s=2.0, duration_s=4000.0, rate_scale=1000.0)
    states = [plan.at(step) for step in range(plan.steps)]
    quick, slow = (
        [state[[port]] for state in states[start:end] for port in (a, b)]
        for a, b, start, end, _ in plan.contacts.tolist()
    )
    assert all(state["fade_start_ppb"] > 0 for state in quick)
    assert not any(state["loss_ppb"] == ALWAYS for state in quick)
    assert not any(state["fade_start_ppb"] for state in slow)
    assert any(state["loss_ppb"] == ALWAYS for state in slow)
    assert not all(state["loss_ppb"] == ALWAYS for state in slow)


def test_fades_on_the_edge_of_slow() -> None:
    """Five steps of mean duration is where the controller begins to play them."""
    fades = {}
    for step_s in (1.5, 2.5):
        plan = ring(SLOW, duration_s=40.0, step_s=step_s)
        fades[step_s] = plan.at(0)["fade_start_ppb"].any()
    # They last 9.2 s: six steps of 1.5 s, less than four of 2.5 s.
    assert fades == {1.5: False, 2.5: True}


def test_a_fade_that_begins_also_ends() -> None:
    """At 0.27 dB nine tenths of the time are fades, here of 4000 s or 3.3e9 packets each."""
    optical = SCOT80_LIKE | {"jitter_urad": 3.0, "jitter_hz": 0.000277, "min_margin_db": 0.0}
    plan = ring(optical | {"photons_per_bit": 73.1}, duration_s=7200.0, step_s=3600.0)
    faster = ring(optical | {"photons_per_bit": 73.1, "jitter_hz": 27.7})
    assert faster.at(0)["fade_end_ppb"].max() > 1
    state = plan.at(0)
    lit = state["peer"] >= 0
    assert lit.any()
    assert (state["fade_start_ppb"][lit] > 1).all()
    assert (state["fade_end_ppb"][lit] == 1).all()
