"""What a constellation may be besides a plain Walker pattern, against its closed forms."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from skyfield.api import load

from emulator import sunsync
from emulator.ephemeris import Ephemeris
from emulator.errors import ScenarioError
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.units import EARTH_RADIUS_KM
from tests.unit.toys import Table, walker_table
from topologies.cluster import lattice

A_METRE = 1e-3
A_HUNDREDTH_DEG = 0.01
A_TWENTIETH_DEG = 0.05


def shell(**keys: object) -> Table:
    """One shell with a grid of lasers over it."""
    table = walker_table(isl=[{"pattern": "grid"}])
    table["constellation"][0] |= keys
    return table


def loaded(**keys: object) -> Scenario:
    return Scenario.from_table(shell(**keys))


def same_angles(angles_deg: np.ndarray, expected_deg: np.ndarray) -> bool:
    """Whether angles agree to a twentieth of a degree: J2 tilts what is read from velocities."""
    apart_deg = (angles_deg - np.asarray(expected_deg) + 180) % 360 - 180
    return bool(np.abs(apart_deg).max() < A_TWENTIETH_DEG)


def angles_deg(scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """RAAN and argument of latitude of every satellite, from where it is and how it moves."""
    position_km, velocity_km_s = Ephemeris.of(scenario).states(np.zeros(1))
    satellites = sum(each.size for each in scenario.constellation)
    position_km, velocity_km_s = position_km[:satellites, 0], velocity_km_s[:satellites, 0]
    pole = np.cross(position_km, velocity_km_s)
    node = np.arctan2(pole[:, 0], -pole[:, 1])
    to_node = np.column_stack((np.cos(node), np.sin(node), np.zeros(satellites)))
    pole /= np.linalg.norm(pole, axis=1)[:, None]
    along = np.arctan2(
        (np.cross(pole, to_node) * position_km).sum(axis=1), (to_node * position_km).sum(axis=1)
    )
    return np.degrees(node) % 360, np.degrees(along) % 360


def joined(scenario: Scenario) -> set[tuple[str, str]]:
    """Pairs of nodes that are linked at the start."""
    plan = LinkPlan.of(scenario)
    node, names = plan.network.port_node, [each.name for each in plan.network.nodes]
    return {(names[node[row["a"]]], names[node[row["b"]]]) for row in plan.links(0)}


def test_planes_at_a_free_spacing_with_a_free_phase_step() -> None:
    # Guowang's shell at 50 degrees: every second slot of 50:216/12/7, a step of 7 · 360 / 216.
    scenario = loaded(walker="50:108/12/0", altitude_km=1149.0, phase_step_deg=11.67)
    raan, latitude = angles_deg(scenario)
    assert same_angles(raan.reshape(12, 9)[:, 0], np.arange(12) * 30)
    assert same_angles(latitude.reshape(12, 9)[:, 0], np.arange(12) * 11.67)
    spaced = loaded(walker="86.5:60/6/3", altitude_km=1168.0, form="star", raan_spacing_deg=30.3)
    nodes = angles_deg(spaced)[0].reshape(6, 10)[:, 0]
    assert same_angles(nodes, np.arange(6) * 30.3)


def test_an_arc_has_its_step_and_no_link_from_its_last_to_its_first() -> None:
    # Twelve satellites 3.6 degrees apart at 500 km: neighbours are 2 r sin 1.8 apart.
    table = shell(name="arc", walker="97.4:12/1/0", altitude_km=500.0, slot_spacing_deg=3.6)
    for pattern in ("ring", "grid"):
        table["isl"] = [{"pattern": pattern}]
        scenario = Scenario.from_table(table)
        expected = {(f"arc-01-{n:02d}", f"arc-01-{n + 1:02d}") for n in range(1, 12)}
        assert joined(scenario) == expected
        assert same_angles(angles_deg(scenario)[1], np.arange(12) * 3.6)
        chord_km = 2 * (EARTH_RADIUS_KM + 500) * np.sin(np.radians(1.8))
        ranges = LinkPlan.of(scenario).links(0)["range_km"]
        assert ranges == pytest.approx(chord_km, abs=A_METRE)


def test_planes_where_they_are_said_to_be() -> None:
    planes = [(10.0, 0.0), (50.0, 25.0), (95.0, 50.0)]
    scenario = loaded(walker="53:12/3/0", altitude_km=1200.0, planes=planes)
    raan, latitude = angles_deg(scenario)
    for plane, (node_deg, first_deg) in enumerate(planes):
        own = slice(4 * plane, 4 * plane + 4)
        assert same_angles(raan[own], np.full(4, node_deg))
        assert same_angles(latitude[own], first_deg + 90 * np.arange(4))


def test_the_seam_of_given_planes_joins_what_is_nearest_in_phase() -> None:
    # Six planes with one slot between neighbours: once around, the phase adds up to six of eight.
    planes = [(60.0 * n, 45.0 * n) for n in range(6)]
    given = shell(walker="53:48/6/0", altitude_km=1200.0, planes=planes)
    given["isl"] = [{"pattern": "grid", "seam": "closed"}]
    plain = shell(walker="53:48/6/5.999999", altitude_km=1200.0)
    plain["isl"] = [{"pattern": "grid"}]
    assert joined(Scenario.from_table(given)) == joined(Scenario.from_table(plain))


@pytest.mark.parametrize(
    ("altitude_km", "inclination_deg"),
    # Textbook values (Vallado, Fundamentals of Astrodynamics, figure 11-8; Landsat 8: 705, 98.2).
    [(500, 97.40), (705, 98.21), (800, 98.60), (1000, 99.48)],
)
def test_sun_synchronous_inclinations_are_those_of_the_textbook(
    altitude_km: float, inclination_deg: float
) -> None:
    scenario = loaded(walker="sso:12/3/1", altitude_km=altitude_km)
    pattern = scenario.constellation[0].walker_pattern()
    assert pattern is not None
    assert pattern.inclination_deg == pytest.approx(inclination_deg, abs=A_HUNDREDTH_DEG)


def test_a_sun_synchronous_plane_turns_once_a_year() -> None:
    table = shell(walker="sso:4/1/0", altitude_km=700.0)
    table["isl"] = []
    ephemeris = Ephemeris.of(Scenario.from_table(table))
    nodes = []
    for t_s in (0.0, 30 * 86400.0):
        position_km, velocity_km_s = ephemeris.states(np.array([t_s]))
        pole = np.cross(position_km[0, 0], velocity_km_s[0, 0])
        nodes.append(np.degrees(np.arctan2(pole[0], -pole[1])))
    turned_deg = (nodes[1] - nodes[0]) % 360
    assert turned_deg == pytest.approx(30 * 360 / 365.24219, abs=A_HUNDREDTH_DEG)


@pytest.mark.parametrize("start", ["2026-03-20T12:00:00Z", "2026-08-22T00:00:00Z"])
@pytest.mark.parametrize("ltan_h", [6.0, 18.0, 22.5])
def test_a_node_is_at_its_local_time_as_sidereal_time_has_it(start: str, ltan_h: float) -> None:
    # Local mean solar time at a node: that of Greenwich and its longitude, RAAN less GMST.
    moment = datetime.fromisoformat(start)
    gmst_h = load.timescale(builtin=True).from_datetime(moment).gmst
    table = shell(ltan_h=ltan_h, walker="sso:12/1/0", altitude_km=600.0)
    table["scenario"]["start"] = start
    table["isl"] = []
    node_h = angles_deg(Scenario.from_table(table))[0][0] / 15
    local_h = (moment.astimezone(UTC).hour + node_h - gmst_h) % 24
    half_a_minute_h = 0.5 / 60
    assert local_h == pytest.approx(ltan_h, abs=half_a_minute_h)


def test_no_plane_turns_with_the_sun_from_too_far_up() -> None:
    with pytest.raises(ValueError, match="5,970"):
        sunsync.inclination_deg(6000.0)
    assert sunsync.inclination_deg(5960.0) > 170


CLUSTER = {"name": "sc", "walker": "sso:1/1/0", "altitude_km": 650.0}
CLUSTER |= {"cluster": {"count": 81, "spacing_m": 100.0}}


def test_a_cluster_turns_like_a_disc_of_a_kilometre() -> None:
    table = shell(**CLUSTER)
    table["isl"] = []
    scenario = Scenario.from_table(table)
    assert scenario.constellation[0].size == 81
    period_s = 97.73 * 60
    position_km = Ephemeris.of(scenario).satellites_km(np.linspace(0.0, period_s, 121))
    centre_km = position_km.mean(axis=0)
    away_m = 1e3 * np.linalg.norm(position_km - centre_km, axis=-1)
    # The farthest of 81 places of a lattice of 100 m is at most 5.1 spacings from its centre.
    outermost = np.hypot(*np.array(lattice(81)).T).max() * 100.0
    two_metres = 2.0
    two_per_cent = 0.02  # of which J2 makes the most
    assert away_m.max() == pytest.approx(2 * outermost, rel=two_per_cent)
    assert away_m.max() < 1100.0
    apart_m = 1e3 * np.linalg.norm(position_km[:, None] - position_km[None], axis=-1)
    nearest = np.where(np.eye(81, dtype=bool)[..., None], np.inf, apart_m).min(axis=1)
    assert nearest.min() == pytest.approx(100.0, abs=two_metres)
    # The next of the lattice, half a turn through, is twice as far.
    neighbour = apart_m[0, 1]
    assert neighbour.min() == pytest.approx(100.0, abs=two_metres)
    assert neighbour.max() == pytest.approx(200.0, abs=two_metres)


def test_what_stands_for_figures_is_figures_in_the_effective_scenario() -> None:
    table = shell(**CLUSTER, ltan_h=18.0)
    table["isl"] = []
    scenario = Scenario.from_table(table)
    again = Scenario.from_table(json.loads(scenario.to_json()))
    assert again == scenario
    assert again.constellation[0].cluster is None and len(again.constellation[0].satellite) == 81


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"slot_spacing_deg": 120.0}, "more than once"),
        ({"walker": "53:12/3/0", "planes": [(0.0, 0.0)]}, "planes are 1"),
        ({"planes": [(0.0, 0.0)] * 3, "raan_spacing_deg": 3.0}, "take the place"),
        ({"phase_step_deg": 3.0}, "F must be 0"),
        ({"ltan_h": 6.0, "raan_start_deg": 10.0}, "either"),
        ({"walker": "sso:12/3/1", "altitude_km": 7000.0}, "Sun-synchronous"),
        ({"cluster": {"count": 9, "spacing_m": 100.0}}, "of one satellite"),
        ({"only": (3, 2)}, "must rise"),
        ({"only": (3, 12)}, "less than 12"),
    ],
)
def test_what_cannot_be_is_explained(keys: Table, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        loaded(**keys)


def test_figures_of_a_pattern_belong_to_a_pattern(three_body_table: Table) -> None:
    three_body_table["constellation"][0]["phase_step_deg"] = 3.0
    with pytest.raises(ScenarioError, match="phase_step_deg belong to a walker"):
        Scenario.from_table(three_body_table)
