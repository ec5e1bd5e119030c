"""Link budgets down to the kernel: it holds, and loses, what the physics says of each step."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest

from emulator.linkplan import LinkPlan
from emulator.physics import fading, optics
from emulator.scenario import Scenario
from emulator.units import FRAME_BYTES
from tests.kernel.test_loss import ALWAYS, SIGMAS, Crossing
from tests.kernel.toys import Build

PACKETS = 40_000
JITTER_RAD, JITTER_HZ, APERTURE_M = 0.5e-6, 50.0, 0.25
OPTICAL = {"tx_power_w": 1.0, "aperture_m": APERTURE_M, "min_margin_db": 0.0}
THIN = {**OPTICAL, "photons_per_bit": 204.0, "jitter_urad": JITTER_RAD * 1e6}
SWING = {**OPTICAL, "photons_per_bit": 400.0, "jitter_urad": 0.6}
SWING["ladder_gbps"] = (2.5, 5.0, 10.0, 20.0)
DOWN = {"frequency_ghz": 20.0, "symbol_rate_mbaud": 50.0, "eirp_dbw": 45.0, "g_over_t_db_k": 10.0}
UP = {**DOWN, "frequency_ghz": 30.0, "eirp_dbw": 55.0, "g_over_t_db_k": 25.0}


def scenario() -> Scenario:
    """Three satellites with a thin margin that never changes, four of changing range, a station."""
    line = {"max_range_km": 60_000.0}
    laser = {**line, "rate_gbps": 40.0, "optical": SWING}
    table = {
        "scenario": {
            "name": "budgets",
            "start": datetime(2026, 1, 1, tzinfo=UTC),
            "duration_s": 43_200.0,
            "step_s": 600.0,
            "rate_scale": 1000.0,
        },
        "terminals": {
            "thin": {**line, "rate_gbps": 10.0, "buffer_packets": 20_000, "optical": THIN},
            "strong": {**laser, "optical": {**SWING, "tx_power_w": 2.0}},
            "weak": laser,
            "down": {**line, "rate_gbps": 0.2, "radio": DOWN},
            "up": {**line, "rate_gbps": 1.0, "radio": UP},
        },
        "constellation": [
            {"name": "thin", "walker": "53:3/1/0", "isl": {"kind": "thin", "count": 2}},
            {"name": "strong", "walker": "53:2/1/0", "isl": {"kind": "strong", "count": 2}},
            {
                "name": "weak",
                "walker": "90:2/1/0",
                "raan_start_deg": 70.0,
                "isl": {"kind": "weak", "count": 2},
            },
        ],
        "isl": [
            {"pattern": "ring", "constellations": ["thin"]},
            {"pattern": "nearest", "k": 2, "constellations": ["strong"], "to": ["weak"]},
        ],
        "ground": {
            "station": [
                {
                    "name": "site",
                    "latitude_deg": 20.0,
                    "longitude_deg": 0.0,
                    "antennas": {"kind": "up", "count": 1},
                    "climate": {"rain_mm_h": 60.0, "cloudy_share": 0.3, "wet_refractivity": 60.0},
                }
            ]
        },
        "routing": {"protocol": "none"},
    }
    for each in table["constellation"]:
        each["altitude_km"] = 20_000.0
        if each["name"] != "thin":
            each["gsl"] = {"kind": "down", "count": 1}
    return Scenario.from_table(table)


@pytest.fixture(scope="module")
def plan() -> LinkPlan:
    return LinkPlan.of(scenario())


@pytest.mark.real_time
def test_the_kernel_holds_what_the_budgets_say(build: Build, plan: LinkPlan) -> None:
    fabric = build(plan)
    seen: dict[str, set[int]] = {}
    asymmetric = 0
    for step in range(0, plan.steps, 6):
        state = plan.at(step)
        fabric.apply(state)
        assert np.array_equal(fabric.observe(), state)
        for name in state.dtype.names:
            seen.setdefault(name, set()).update(state[name].tolist())
        lit = np.flatnonzero(state["peer"] >= 0)
        asymmetric += (state["rate_bps"][lit] != state["rate_bps"][state["peer"][lit]]).any()
    for name, values in seen.items():
        assert len(values) > 5, f"{name} hardly changes"
    assert asymmetric


def expected_share(plan: LinkPlan, port: int) -> tuple[float, float]:
    """Share of packets that arrive at ``port`` never, by code and by fades, at its margin."""
    [link] = [each for each in plan.links(0) if port in (each["a"], each["b"])][:1]
    margin_db = float(link["margin_db"] if port == link["b"] else link["return_margin_db"])
    half_angle_rad = np.sqrt(8) * 1550e-9 / (np.pi * APERTURE_M)
    beta = fading.pointing_beta(half_angle_rad, JITTER_RAD)
    by_code = optics.packet_loss_coded(margin_db, FRAME_BYTES, 8416, 0.3)
    return float(by_code), float(fading.combined_fade_probability(beta, beta, margin_db))


@pytest.fixture
def crossing(build: Build, plan: LinkPlan) -> Iterator[Crossing]:
    """A link of the thin ring."""
    opened = Crossing(build(plan), plan)
    yield opened
    opened.close()


@pytest.mark.real_time
def test_a_thin_margin_loses_what_it_must(crossing: Crossing, plan: LinkPlan) -> None:
    """A burst loses by the code's cliff and by fades: within the 99 % band of both."""
    by_code, faded = expected_share(plan, crossing.port)
    assert 0.005 < by_code < 0.1
    assert 0.005 < faded < 0.1
    told = crossing.state[crossing.port]
    assert told["loss_ppb"] == pytest.approx(by_code * ALWAYS, abs=1)
    p, r = told["fade_start_ppb"] / ALWAYS, told["fade_end_ppb"] / ALWAYS
    assert p / (p + r) == pytest.approx(faded, rel=1e-6)
    crossing.seed(1)
    lost = crossing.lost(PACKETS)
    share = 1 - (1 - by_code) * (1 - faded)
    memory = 1 - p - r
    sigma = np.sqrt(
        (by_code * (1 - by_code) + faded * (1 - faded) * (1 + memory) / (1 - memory)) / PACKETS
    )
    assert lost.mean() == pytest.approx(share, abs=SIGMAS * sigma)
