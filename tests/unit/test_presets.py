"""The presets of relays, poles and movers: what makes each of them worth running holds."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emulator.captures import jobs
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from topologies.elements import parse
from topologies.isl import LEFT, RIGHT

A_KILOMETRE = 1.0
ONE_METRE_A_SECOND = 1.0


@pytest.fixture(scope="module")
def star() -> LinkPlan:
    return LinkPlan.of(Scenario.load("guowang-star"))


@pytest.fixture(scope="module")
def relay() -> LinkPlan:
    return LinkPlan.of(Scenario.load("geo-relay"))


@pytest.fixture(scope="module")
def movers() -> LinkPlan:
    return LinkPlan.of(Scenario.load("air-and-sea"))


def labels(plan: LinkPlan, step: int) -> set[tuple[str, str]]:
    """Return the links of a step as pairs of nodes, each pair both ways."""
    ends = [
        [plan.network.nodes[plan.network.ports[int(row[end])].node].name for end in ("a", "b")]
        for row in plan.links(step)
    ]
    return {(a, b) for a, b in ends} | {(b, a) for a, b in ends}


def test_planes_of_the_star_alternate_by_half_a_slot(star: LinkPlan) -> None:
    # Fitted to the catalogue of 2026-08-22: 30.3 degrees a plane, 36 degrees a slot, 1,168 km.
    position_km = star.ephemeris.positions_km(np.zeros(1))[:60, 0].reshape(6, 10, 3)
    radius_km = np.linalg.norm(position_km, axis=-1)
    assert radius_km == pytest.approx(6378.137 + 1168, abs=A_KILOMETRE)
    # A chord of 36 degrees: 2 r sin 18.
    neighbour_km = np.linalg.norm(position_km[:, 0] - position_km[:, 1], axis=-1)
    assert neighbour_km == pytest.approx(2 * 7546.137 * np.sin(np.radians(18)), abs=A_KILOMETRE)
    normal = np.cross(position_km[:, 0], position_km[:, 1])
    node_deg = np.degrees(np.arctan2(normal[:, 0], -normal[:, 1]))
    assert np.diff(np.unwrap(node_deg, period=360)) == pytest.approx([30.3] * 5, abs=1e-6)
    node = np.radians(node_deg)
    along = position_km[:, 0, 0] * np.cos(node) + position_km[:, 0, 1] * np.sin(node)
    across = position_km[:, 0, 2] / np.sin(np.radians(86.5))
    first_deg = np.degrees(np.arctan2(across, along)) % 36
    a_thousandth_of_a_degree = 1e-3
    shift_deg = (first_deg - first_deg[0] + 1) % 36 - 1
    assert shift_deg == pytest.approx([0, 18, 0, 18, 0, 18], abs=a_thousandth_of_a_degree)


def test_no_laser_across_planes_is_lit_near_a_pole_nor_across_the_seam(star: LinkPlan) -> None:
    lit = 0
    for step in range(star.steps):
        position_km = star.ephemeris.positions_km(np.array([step * star.step_s]))[:, 0]
        latitude = np.arcsin(np.abs(position_km[:, 2]) / np.linalg.norm(position_km, axis=1))
        for row in star.links(step):
            ports = [star.network.ports[int(row[end])] for end in ("a", "b")]
            if all(port.name in (f"isl{LEFT}", f"isl{RIGHT}") for port in ports):
                nodes = [port.node for port in ports]
                assert latitude[nodes].mean() <= np.radians(70)
                planes = [node // 10 for node in nodes]
                assert abs(planes[0] - planes[1]) == 1
                lit += 1
    assert lit > 20 * star.steps


def test_the_six_of_the_train_are_those_of_the_constellation(relay: LinkPlan) -> None:
    whole = {e.name: e for e in Scenario.load("three-body").constellation[0].satellite}
    train = next(c for c in relay.scenario.constellation if c.name == "scs-01")
    assert {e.name[-1] for e in train.satellite} == set("ceaflk")
    assert all(whole[e.name] == e for e in train.satellite)


def test_the_relay_has_the_elements_of_its_catalogue(relay: LinkPlan, tle_folder: Path) -> None:
    text = (tle_folder / "relay_geo_tianlian_edrs.tle").read_text(encoding="utf-8")
    known = next(e for e in parse(text, ".tle") if e.name == "tianlian-2-01")
    ours = relay.scenario.constellation[0].satellite[0]
    half_a_microsecond_s = 5e-7
    assert abs((ours.epoch - known.epoch).total_seconds()) <= half_a_microsecond_s
    for field in ("catalogue", "mean_motion_rev_day", "eccentricity", "inclination_deg"):
        assert getattr(ours, field) == getattr(known, field)
    for field in ("raan_deg", "arg_perigee_deg", "mean_anomaly_deg", "bstar"):
        assert getattr(ours, field) == getattr(known, field)


def test_the_train_reaches_china_by_the_relay_alone(relay: LinkPlan) -> None:
    for step in range(relay.steps):
        links = labels(relay, step)
        for station in ("miyun", "kashi"):
            assert {a for a, b in links if b == station} == {"tianlian-2-01"}
        served = {a for a, b in links if b == "tianlian-2-01"} - {"miyun", "kashi"}
        assert "scs-01-k" in served and len(served) <= 2
        order = [f"scs-01-{letter}" for letter in "ceaflk"]
        assert set(pairwise(order)) <= links


def test_from_space_to_kashi_it_is_a_quarter_of_a_second(relay: LinkPlan) -> None:
    graph = relay.graph(relay.steps * relay.step_s / 2)
    up_s = graph["scs-01-k"]["tianlian-2-01"]["delay_s"]
    down_s = graph["tianlian-2-01"]["kashi"]["delay_s"]
    # From 35,786 km overhead to 41,679 km at the horizon, and to it again for a low orbit.
    assert 35_786 / 299_792.458 < down_s < 41_679 / 299_792.458
    assert 35_000 / 299_792.458 < up_s < 45_000 / 299_792.458


def test_aircraft_and_ship_are_never_without_a_satellite(movers: LinkPlan) -> None:
    for step in range(movers.steps):
        links = labels(movers, step)
        for station in ("airliner", "ship", "galway"):
            assert any(b == station for _, b in links), (station, step)


def test_satellites_are_chosen_anew_at_slots_of_15_seconds_only(movers: LinkPlan) -> None:
    stations = ("airliner", "ship", "galway")
    before = labels(movers, 0)
    changes = 0
    for step in range(1, movers.steps):
        links = labels(movers, step)
        new = [(a, b) for a, b in links - before if b in stations]
        changes += len(new)
        if new:
            assert step * movers.step_s % 15 == 0
        before = links
    assert changes > 2


def test_the_airliner_flies_at_250_metres_a_second_and_the_ship_sails_at_20_knots(
    movers: LinkPlan,
) -> None:
    t_s = np.array([0.0, 100.0])
    position_km, _ = movers.ephemeris.stations_km(t_s)
    turned = np.radians(100 / 86_164.0905 * 360)
    east = np.array(
        [
            [np.cos(turned), np.sin(turned), 0],
            [-np.sin(turned), np.cos(turned), 0],
            [0, 0, 1],
        ]
    )
    speed_m_s = np.linalg.norm(position_km[:, 1] @ east.T - position_km[:, 0], axis=1) * 10
    assert speed_m_s[0] == pytest.approx(250, abs=20 * ONE_METRE_A_SECOND)
    assert speed_m_s[1] == pytest.approx(20 * 1852 / 3600, abs=ONE_METRE_A_SECOND)
    assert speed_m_s[2] == pytest.approx(0, abs=ONE_METRE_A_SECOND)


def test_rain_slows_the_ship_and_not_the_airliner(movers: LinkPlan) -> None:
    # The dish's carrier bears 450 Mbit/s, its rates divided by 100.
    full_bps = 450e6 / movers.scenario.scenario.rate_scale
    at_sea, in_the_air = slowest_bps(movers, "ship"), slowest_bps(movers, "airliner")
    assert at_sea < 0.7 * full_bps
    assert in_the_air == pytest.approx(full_bps, rel=1e-3)


def slowest_bps(plan: LinkPlan, station: str) -> int:
    """Return the least rate at which a station is heard by its satellite."""
    own = {port.index for port in plan.network.node(station).ports}
    heard = []
    for step in range(plan.steps):
        state = plan.at(step)
        peers = np.flatnonzero(np.isin(state["peer"], list(own)))
        heard += state["rate_bps"][peers].tolist()
    return min(heard)


def test_a_day_has_an_image_an_hour_of_each_of_the_twelve() -> None:
    day, short = Scenario.load("three-body-day"), Scenario.load("three-body")
    assert day.constellation[0].satellite == short.constellation[0].satellite
    assert day.ground == short.ground and day.scenario.duration_s == 86_400
    found = jobs(LinkPlan.of(day.model_copy(update={"isl": ()})))
    assert len(found) == 12 * 24 * 4
    assert {job.image.at_s % 3600 for job in found} == {60.0}
