"""Every preset is planned: as many satellites as declared, as declared, links that can be."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from emulator.ephemeris import Ephemeris
from emulator.linkplan import LinkPlan
from emulator.part import emulated
from emulator.scenario import Scenario
from emulator.units import EARTH_RADIUS_KM, J2, MU_KM3_S2
from topologies import presets
from topologies.elements import parse

A_KILOMETRE = 1.0
A_TWENTIETH_DEG = 0.05
A_TENTH_MS = 0.1
MOST_STEPS = 3
MOST_EMULATED = 250

GUOWANG_FILED = {"a1": (480, 590, 85.0), "a2": (2000, 600, 50.0), "a3": (3600, 508, 55.0)}
GUOWANG_FILED |= {f"b{n}": (1728, 1145, 20.0 + 10 * n) for n in (1, 2, 3, 4)}
STAR_COMPUTE = {"low": (600, 800, 45.0), "polar": (400, 600, 97.8)}
MESH = (1584, 550, 53.0)
SHELLS: dict[str, dict[str, tuple[int, float, float]]] = {
    "three-body-ring": {"tb": (12, 500, 97.4)},
    "three-body-arc": {"tb": (12, 500, 97.4)},
    "three-body-1000": {"tb": (1000, 500, 97.4)},
    "star-compute-1000": STAR_COMPUTE,
    "star-compute-2800": {
        "low": (1600, 800, 45.0),
        "polar": (800, 600, 97.8),
        "train": (400, 700, 98.19),
    },
    "computing-star-network": STAR_COMPUTE | {"tb": (12, 500, 97.4)},
    "guowang-star": {"gw": (60, 1168, 86.5)},
    "guowang-50": {"gw": (108, 1149, 50.0)},
    "guowang-full": GUOWANG_FILED,
    "qianfan-deployed": {"qf": (168, 1068, 89.0)},
    "qianfan-648": {"qf": (648, 1068, 89.0)},
    "meo-leo-hybrid": {"low": (7, 1150, 55.0), "medium": (3, 8000, 55.0)},
    "demonstrator-2028": {"demo": (2, 525, 97.5)},
    "ai1-nodes": {"ai": (1000, 650, 98.0)},
    "starcloud": {"sc": (60, 700, 98.2), "s": MESH},
    "condor-ultra": {"condor": (48, 600, 97.8), "s": MESH},
    "suncatcher": {"sun": (81, 650, 98.0)},
    "starlink-1": {"s": MESH},
    "starlink-2": {"s": (720, 570, 70.0)},
    "starlink-3": {"s": (348, 560, 97.6)},
    "starlink-4": {"s": (1584, 540, 53.2)},
    "starlink-5": {"s": (172, 560, 97.6)},
    "kuiper": {"k1": (1156, 630, 51.9), "k2": (1296, 610, 42.0), "k3": (784, 590, 33.0)},
    "oneweb": {"ow": (588, 1200, 87.9)},
    "telesat": {"polar": (78, 1015, 98.98), "inclined": (120, 1325, 50.88)},
    "iridium-next": {"ir": (66, 778, 86.4)},
    "sda-t1": {"t1": (126, 1000, 81.3)},
    "shell-72x22": {"s": MESH},
}
"""Satellites, height and inclination of each constellation, as published, filed or fitted."""

TOTALS = {"project-sunrise": 51_600, "million-satellites": 1_000_000, "guowang-full": 12_992}
TOTALS |= {"star-compute-2800": 2800, "star-compute-1000": 1000, "kuiper": 3236, "telesat": 198}
TOTALS |= {"gaofen-jilin": 72, "tiangong": 2, "qps-sar": 9, "three-body": 12, "geo-relay": 7}


LASER_LINKS = {"three-body-ring": 12, "three-body-arc": 66, "three-body-train6": 15}
LASER_LINKS |= {"guowang-50": 2 * 108, "oneweb": 0, "qianfan-deployed": 0, "qps-sar": 0}
# Of a grid: two a satellite, of a star one less for each of the last plane; near the poles all.
LASER_LINKS |= {"million-satellites": 5 * 200_000 + 5 * (200_000 - 400), "kuiper": 2 * 3236}
LASER_LINKS |= {"project-sunrise": 12 * (2 * 4300 - 430), "starlink-1": 2 * 1584}
"""Links between satellites at the start, by combinatorics and lines of sight."""


@lru_cache(maxsize=1)
def planned(name: str) -> LinkPlan:
    """The plan of the first steps of a preset."""
    scenario = Scenario.load(name)
    run = scenario.scenario
    steps = min(scenario.steps, MOST_STEPS if scenario.constellation[0].size < 1e5 else 1)
    run = run.model_copy(update={"duration_s": steps * run.step_s})
    bare = {"scenario": run, "workload": (), "event": ()}
    return LinkPlan.of(scenario.model_copy(update=bare))


def whole(name: str) -> LinkPlan:
    return LinkPlan.of(Scenario.load(name))


def orbits(scenario: Scenario) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Heights and inclinations of each constellation's satellites, from where they are."""
    position_km, velocity_km_s = Ephemeris.of(scenario).states(np.zeros(1))
    found, first = {}, 0
    for each in scenario.constellation:
        own = slice(first, first + each.size)
        at_km, speed = position_km[own, 0], velocity_km_s[own, 0]
        pole = np.cross(at_km, speed)
        tilt_deg = np.degrees(np.arccos(pole[:, 2] / np.linalg.norm(pole, axis=1)))
        found[each.name] = np.linalg.norm(at_km, axis=1) - EARTH_RADIUS_KM, tilt_deg
        first += each.size
    return found


def lasers(plan: LinkPlan, step: int = 0) -> np.ndarray:
    links = plan.links(step)
    return links[plan.network.port_medium[links["a"]]]


def ground(plan: LinkPlan, step: int, constellation: str) -> np.ndarray:
    """Links to stations of satellites whose names begin like this."""
    links = plan.links(step)
    links = links[~plan.network.port_medium[links["a"]]]
    names = [plan.network.port_label(int(port)) for port in links["a"]]
    return links[[name.startswith(constellation) for name in names]]


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_is_planned(name: str) -> None:
    plan = planned(name)
    network = plan.network
    if name in TOTALS:
        assert len(network.satellites) == TOTALS[name]
    if name in LASER_LINKS:
        assert len(lasers(plan)) == LASER_LINKS[name]
    reach_km = network.port_range_km
    lowest_km = EARTH_RADIUS_KM + plan.scenario.scenario.grazing_height_km
    for step in {0, plan.steps - 1}:
        links, position_km = plan.links(step), plan.sky(step).position_km
        a, b = (
            position_km[network.port_node[links["a"]]],
            position_km[network.port_node[links["b"]]],
        )
        far_km = np.sqrt(((a - b) ** 2).sum(axis=1))
        assert (far_km <= np.minimum(reach_km[links["a"]], reach_km[links["b"]])).all()
        light_ns = far_km / 299_792.458 * 1e9
        assert np.abs(links["delay_ns"] - light_ns).max(initial=0) <= 0.5001
        laser = network.port_medium[links["a"]]
        for share in np.linspace(0, 1, 21):
            point_km = a[laser] + share * (b[laser] - a[laser])
            assert np.sqrt((point_km**2).sum(axis=1)).min(initial=np.inf) >= lowest_km


@pytest.mark.parametrize("name", sorted(SHELLS))
def test_satellites_are_as_many_as_high_and_as_inclined_as_declared(name: str) -> None:
    found = orbits(Scenario.load(name))
    assert set(found) == set(SHELLS[name])
    for constellation, (count, height_km, tilt_deg) in SHELLS[name].items():
        heights, tilts = found[constellation]
        assert len(heights) == count
        # Elements for SGP4 are means: the cluster's heights come and go by J2.
        allowed_km = 15 * A_KILOMETRE if name == "suncatcher" else A_KILOMETRE
        assert heights == pytest.approx(height_km, abs=allowed_km)
        assert tilts == pytest.approx(tilt_deg, abs=A_TWENTIETH_DEG)


@pytest.mark.parametrize("name", ["project-sunrise", "million-satellites"])
def test_giants_are_where_their_filings_have_them(name: str) -> None:
    for heights, tilts in orbits(Scenario.load(name)).values():
        assert heights.min() > 499 and heights.max() < 2001
        inclined = np.abs(tilts - 30.0) < A_TWENTIETH_DEG
        # Sun-synchronous: the node's secular rate is the Sun's, 0.9856 degrees a day.
        radius_km = EARTH_RADIUS_KM + heights
        rate = -1.5 * np.sqrt(MU_KM3_S2 / radius_km**3) * J2 * (EARTH_RADIUS_KM / radius_km) ** 2
        deg_day = np.degrees(rate * np.cos(np.radians(tilts))) * 86400
        assert (inclined | (np.abs(deg_day - 0.9856) < 0.005)).all()


@pytest.mark.parametrize("name", sorted(presets()))
def test_what_is_to_be_emulated_of_a_preset_fits_a_machine(name: str) -> None:
    scenario = Scenario.load(name)
    size = sum(each.size for each in scenario.constellation)
    if scenario.emulate is None:
        assert size <= MOST_EMULATED or name == "shell-72x22"
    elif not scenario.emulate.planned_only:
        part = emulated(scenario)
        assert 10 <= sum(each.size for each in part.constellation) <= MOST_EMULATED
        assert len(LinkPlan.of(part).contacts)
        if scenario.ground.station:
            [served] = {len(ground(LinkPlan.of(part), 0, "")) > 0}
            assert served, "no station of the part has a satellite at the start"


@pytest.mark.parametrize("name", ["three-body-ring", "three-body-arc"])
def test_a_ring_has_12_of_66_pairs_and_an_arc_has_them_all(name: str) -> None:
    links = lasers(planned(name))
    hops = {"three-body-ring": (12, 3560, 3560), "three-body-arc": (66, 432, 4660)}[name]
    assert len(links) == hops[0]
    assert links["range_km"].min() == pytest.approx(hops[1], abs=A_KILOMETRE)
    assert links["range_km"].max() == pytest.approx(hops[2], abs=A_KILOMETRE)
    if name == "three-body-ring":
        assert links["delay_ns"] / 1e6 == pytest.approx(11.88, abs=0.01)


def test_all_pairs_of_the_train_are_in_sight_of_each_other_all_the_time() -> None:
    plan = whole("three-body-train6")
    for step in range(plan.steps):
        links = lasers(plan, step)
        assert len(links) == 15
        # 2,350 km from first to last at midnight; the train breathes by some tens of kilometres.
        assert links["range_km"].max() == pytest.approx(2350, abs=50)


def test_neighbours_in_a_plane_of_guowang_are_40_degrees_apart() -> None:
    plan = planned("guowang-50")
    links = lasers(plan)
    assert len(links) == 2 * 108
    chord_km = 2 * (EARTH_RADIUS_KM + 1149) * np.sin(np.radians(20))
    assert chord_km == pytest.approx(5149, abs=A_KILOMETRE)
    assert np.sum(np.abs(links["range_km"] - chord_km) < A_KILOMETRE) == 108


@pytest.mark.parametrize(
    ("constellation", "least_ms", "most_ms"), [("low", 3.83, 10.17), ("medium", 26.68, 39.46)]
)
def test_the_hybrid_answers_within_the_closed_form(
    constellation: str, least_ms: float, most_ms: float
) -> None:
    # Straight overhead and at 10 degrees of elevation, one way: 1,150 and 8,000 km.
    plan = whole("meo-leo-hybrid")
    one_way_ms = np.concatenate(
        [ground(plan, step, constellation)["delay_ns"] / 1e6 for step in range(plan.steps)]
    )
    assert len(one_way_ms) > 50
    assert one_way_ms.min() > least_ms - A_TENTH_MS and one_way_ms.max() < most_ms + A_TENTH_MS


def test_the_space_station_is_near_by_day_and_half_a_second_away_by_its_relay() -> None:
    plan = whole("tiangong")
    node = plan.network.port_node
    css, relay = (plan.network.node(n).index for n in ("css-tianhe", "tianlian-2-01"))
    direct, relayed = [], []
    for step in range(plan.steps):
        links = plan.links(step)
        delay_ms, a = links["delay_ns"] / 1e6, node[links["a"]]
        laser = plan.network.port_medium[links["a"]]
        direct += (2 * delay_ms[~laser & (a == css)]).tolist()
        up_ms = delay_ms[laser]
        relayed += (2 * (up_ms + delay_ms[~laser & (a == relay)][:, None])).ravel().tolist()
    assert len(direct) > 10 and 2.6 <= min(direct) <= max(direct) <= 12.0
    assert 470 <= min(relayed) <= max(relayed) <= 555


def test_cities_of_star_compute_have_a_satellite_above_25_degrees_all_the_time() -> None:
    plan = whole("star-compute-1000")
    for step in range(0, plan.steps, 5):
        served = {plan.network.port_node[row["b"]] for row in ground(plan, step, "")}
        assert served == set(plan.network.stations.tolist())


def test_suncatchers_neighbours_are_half_a_microsecond_away() -> None:
    links = lasers(planned("suncatcher"))
    assert (links["delay_ns"] >= 320).all() and (links["delay_ns"] <= 834).all()
    assert 300 <= links["delay_ns"].min() <= 680


@pytest.mark.parametrize(
    ("name", "source", "station_s"),
    [("gaofen-jilin", "gaofen-2", 180), ("qps-sar", "qps-sar-14", 240)],
)
def test_who_takes_images_passes_over_a_station(name: str, source: str, station_s: float) -> None:
    plan = whole(name)
    seen = sum(len(ground(plan, step, f"{source}:")) > 0 for step in range(plan.steps))
    assert seen * plan.step_s >= station_s


@pytest.mark.parametrize(
    ("name", "file", "low_km", "high_km", "tilt_deg", "apart_deg"),
    [
        ("guowang-50", "guowang_hulianwang.tle", 1130, 1165, 50.0, 2.5),
        ("qianfan-deployed", "qianfan.tle", 1060, 1075, 89.0, 5.0),
    ],
)
def test_deployed_shells_are_where_the_catalogue_has_them(
    tle_folder: Path,
    name: str,
    file: str,
    low_km: float,
    high_km: float,
    tilt_deg: float,
    apart_deg: float,
) -> None:
    """All that the catalogue has at that height are close to one of ours, moved there by J2."""
    scenario = Scenario.load(name)
    ours_km = Ephemeris.of(scenario).satellites_km(np.zeros(1))[:, 0]
    ours = ours_km / np.linalg.norm(ours_km, axis=1)[:, None]
    known = 0
    for each in parse((tle_folder / file).read_text(encoding="utf-8"), ".tle"):
        mean_motion = each.mean_motion_rev_day * 2 * np.pi / 86400
        axis_km = (MU_KM3_S2 / mean_motion**2) ** (1 / 3)
        if (
            not low_km < axis_km - EARTH_RADIUS_KM < high_km
            or abs(each.inclination_deg - tilt_deg) > 1
        ):
            continue
        known += 1
        late_s = (scenario.scenario.start - each.epoch).total_seconds()
        tilt = np.radians(each.inclination_deg)
        rate = 1.5 * mean_motion * J2 * (EARTH_RADIUS_KM / axis_km) ** 2
        node = np.radians(each.raan_deg) - rate * np.cos(tilt) * late_s
        along = np.radians(each.arg_perigee_deg + each.mean_anomaly_deg)
        along += (mean_motion + rate * (2 - 2.5 * np.sin(tilt) ** 2)) * late_s
        place = np.array(
            [
                np.cos(node) * np.cos(along) - np.sin(node) * np.sin(along) * np.cos(tilt),
                np.sin(node) * np.cos(along) + np.cos(node) * np.sin(along) * np.cos(tilt),
                np.sin(along) * np.sin(tilt),
            ]
        )
        assert np.degrees(np.arccos((ours @ place).max())) < apart_deg, each.name
    assert known >= len(ours)
