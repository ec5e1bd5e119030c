"""Contacts: terminals are integers, light needs sight and time, stations follow their rule."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.ephemeris import julian_date
from emulator.frames import gmst_rad
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.visibility import elevation_deg, in_sight, range_km

STATIONS = [
    {"name": "equator", "latitude_deg": 0.0, "longitude_deg": 10.0},
    {"name": "north", "latitude_deg": 50.0, "longitude_deg": 30.0},
    {"name": "south", "latitude_deg": -40.0, "longitude_deg": 200.0},
]


def station(index: int, count: int, mask_deg: float) -> dict[str, Any]:
    fit = {"min_elevation_deg": mask_deg, "antennas": {"kind": "radio", "count": count}}
    return STATIONS[index] | fit


@st.composite
def small_tables(draw: st.DrawFn, walker_table: Callable[..., dict]) -> dict[str, Any]:
    planes = draw(st.integers(1, 4))
    per_plane = draw(st.integers(1, 8))
    phasing = draw(st.integers(0, planes - 1))
    inclination = draw(st.sampled_from([0, 53, 97.6]))
    patterns = draw(st.lists(st.sampled_from(["ring", "grid", "nearest", "visible"]), max_size=2))
    table = walker_table(
        f"{inclination}:{planes * per_plane}/{planes}/{phasing}",
        draw(st.sampled_from([400.0, 780.0, 1500.0, 8000.0])),
        draw(st.sampled_from(["delta", "star"])),
        scenario={
            "duration_s": draw(st.sampled_from([60.0, 610.0, 3000.0])),
            "step_s": draw(st.sampled_from([10.0, 25.0])),
        },
        isl=[{"pattern": pattern, "k": draw(st.integers(1, 3))} for pattern in patterns],
        ground={
            "selection": draw(
                st.sampled_from(["highest-elevation", "longest-remaining", "fewest-switches"])
            ),
            "station": [
                station(index, draw(st.integers(1, 3)), draw(st.sampled_from([0.0, 10.0, 40.0])))
                for index in range(draw(st.integers(0, 3)))
            ],
        },
    )
    for kind in table["terminals"].values():
        kind["max_range_km"] = draw(st.sampled_from([1500.0, 4000.0, 20000.0]))
        kind["pointing"] = {"acquisition_s": draw(st.sampled_from([0.0, 9.0, 30.0]))}
    shell = table["constellation"][0]
    shell["isl"]["count"] = draw(st.integers(1, 4))
    shell["gsl"]["count"] = draw(st.integers(0, 2))
    return table


@dataclass
class Sky:
    """A plan and what its nodes could reach, worked out apart from it."""

    plan: LinkPlan

    def __post_init__(self) -> None:
        run = self.plan.scenario.scenario
        t_s = np.arange(self.plan.steps) * run.step_s
        self.position_km = self.plan.ephemeris.positions_km(t_s).swapaxes(0, 1)
        _, up = self.plan.ephemeris.stations_km(t_s)
        self.up = up.swapaxes(0, 1)
        self.grazing_height_km = run.grazing_height_km

    def elevation_deg(self, satellite: int, node: int) -> np.ndarray:
        """Elevation at every step."""
        site = self.up[:, node - len(self.plan.network.satellites)]
        return elevation_deg(self.position_km[:, node], site, self.position_km[:, satellite])

    def usable(self, a: int, b: int) -> np.ndarray:
        """At which steps two ports could be joined."""
        network = self.plan.network
        ends = [self.position_km[:, network.port_node[port]] for port in (a, b)]
        near = range_km(*ends) <= network.port_range_km[[a, b]].min()
        if network.ports[a].kind == "isl":
            return near & in_sight(*ends, self.grazing_height_km)
        satellite, node = network.port_node[[a, b]].tolist()
        place = self.plan.scenario.ground.station[node - len(network.satellites)]
        return near & (self.elevation_deg(satellite, node) >= place.min_elevation_deg)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_contacts_of_small_constellations(walker_table: Callable, data: st.DataObject) -> None:
    plan = LinkPlan.of(Scenario.from_table(data.draw(small_tables(walker_table))))
    sky = Sky(plan)
    contacts = plan.contacts
    assert (contacts["start"] < contacts["end"]).all()
    assert (contacts["start"] >= 0).all()
    assert (contacts["end"] <= plan.steps).all()
    assert_ports_serve_one_at_a_time(plan)
    assert_no_pair_twice_at_once(plan)
    for contact in contacts:
        assert_light_all_along(plan, sky, contact)


def assert_ports_serve_one_at_a_time(plan: LinkPlan) -> None:
    by_port = defaultdict(list)
    for contact in plan.contacts:
        for port in (contact["a"], contact["b"]):
            by_port[int(port)].append((int(contact["start"]), int(contact["end"])))
    for spans in by_port.values():
        for (_, end), (start, _) in pairwise(sorted(spans)):
            # Dark for at least a step, so that daemons see the light go.
            assert start > end


def assert_no_pair_twice_at_once(plan: LinkPlan) -> None:
    node = plan.network.port_node
    for step in range(plan.steps):
        joined = plan.joined(step)
        pairs = [frozenset(pair) for pair in zip(node[joined["a"]], node[joined["b"]], strict=True)]
        assert len(set(pairs)) == len(pairs)
        assert all(len(pair) == 2 for pair in pairs)


def assert_light_all_along(plan: LinkPlan, sky: Sky, contact: np.void) -> None:
    network = plan.network
    a, b, start, end, _ = contact.tolist()
    assert network.ports[a].kind == network.ports[b].kind
    usable = sky.usable(a, b)
    assert usable[start:end].all()
    if start == 0:
        return
    # Pointing takes its time, during which there must be something to point at.
    pointing = [network.kinds[network.port_kind[port]].pointing for port in (a, b)]
    setup = int(np.ceil(max(each.acquisition_s for each in pointing) / plan.step_s))
    assert start - setup >= 1
    assert usable[start - setup : start].all()
    for port in (a, b):
        mine = (plan.contacts["a"] == port) | (plan.contacts["b"] == port)
        ended = plan.contacts["end"][mine & (plan.contacts["end"] <= start)]
        assert (ended <= start - max(setup, 1)).all()


def one_antenna(walker_table: Callable, selection: str, **shell: Any) -> LinkPlan:
    table = walker_table(
        **shell,
        scenario={"duration_s": 5400.0, "step_s": 10.0},
        ground={"selection": selection, "station": [station(1, 1, 10.0)]},
    )
    return LinkPlan.of(Scenario.from_table(table))


def test_the_highest_satellite_is_served_or_being_turned_to(walker_table: Callable) -> None:
    plan = one_antenna(walker_table, "highest-elevation", walker="53:120/10/3")
    sky = Sky(plan)
    [node] = plan.network.stations.tolist()
    heights = np.stack([sky.elevation_deg(s, node) for s in plan.network.satellites.tolist()])
    best, in_view = heights.argmax(axis=0), heights.max(axis=0) >= 10.0
    served = set()
    for step in range(plan.steps):
        joined = plan.joined(step)
        if len(joined):
            assert plan.network.port_node[joined["a"][0]] == best[step]
            served.add(int(best[step]))
        else:
            assert not in_view[step] or best[step] != best[step - 1]
    assert len(served) > 5


def test_fewest_switches_holds_a_pass_to_its_end(walker_table: Callable) -> None:
    plan = one_antenna(walker_table, "fewest-switches", walker="53:120/10/3")
    sky = Sky(plan)
    [node] = plan.network.stations.tolist()
    ended = plan.contacts[plan.contacts["end"] < plan.steps]
    assert len(ended) > 3
    for contact in ended:
        satellite = int(plan.network.port_node[contact["a"]])
        assert sky.elevation_deg(satellite, node)[contact["end"]] < 10.0


LOOK_AHEAD_GRAIN_S = 20.0


@pytest.mark.parametrize(
    ("walker", "altitude_km"), [("53:120/10/3", 550.0), ("55:24/3/1", 21528.0)]
)
def test_fewest_switches_takes_the_longest_pass(
    walker_table: Callable, walker: str, altitude_km: float
) -> None:
    table = walker_table(
        walker,
        altitude_km,
        scenario={"duration_s": 40000.0, "step_s": 40.0},
        terminals={"radio": {"rate_gbps": 1.0, "max_range_km": 1e5}},
        ground={"selection": "fewest-switches", "station": [station(1, 1, 10.0)]},
    )
    plan = LinkPlan.of(Scenario.from_table(table))
    [node] = plan.network.stations.tolist()
    taken = plan.contacts[(plan.contacts["start"] > 0)]
    taken = taken[taken["start"] * plan.step_s < 30000.0]
    assert len(taken) > 0
    for contact in taken:
        # Chosen one step before the light, which takes that long to come.
        left_s = remaining_s(plan, node, (int(contact["start"]) - 1) * plan.step_s)
        own = int(plan.network.port_node[contact["a"]])
        horizon_s = 1780.0
        assert min(left_s[own], horizon_s) >= min(left_s.max(), horizon_s) - LOOK_AHEAD_GRAIN_S


def remaining_s(plan: LinkPlan, node: int, t_s: float) -> np.ndarray:
    """Seconds until each satellite sinks below 10 degrees; 0 where it is below."""
    ahead_s = np.arange(0.0, 2000.0, 5.0)
    satellite_km = plan.ephemeris.satellites_km(t_s + ahead_s)
    station_km, up = plan.ephemeris.stations_km(t_s + ahead_s)
    site = node - len(plan.network.satellites)
    below = elevation_deg(station_km[site], up[site], satellite_km) < 10.0
    return np.where(below.any(axis=1), ahead_s[below.argmax(axis=1)], ahead_s[-1])


def equatorial(
    walker_table: Callable, mask_deg: float, *satellites: tuple[str, float, float, float]
) -> LinkPlan:
    """Plan equatorial satellites (name, altitude km, degrees east of the station, reach km)."""
    table = walker_table(
        scenario={"duration_s": 7200.0, "step_s": 30.0},
        ground={"selection": "fewest-switches", "station": [station(0, 1, mask_deg)]},
    )
    table["terminals"]["radio"]["max_range_km"] = 1e6
    start = datetime.fromisoformat(table["scenario"]["start"])
    sidereal_deg = np.degrees(gmst_rad(*julian_date(start, np.array([0.0])))[0])
    table["constellation"] = []
    for name, altitude_km, east_deg, reach_km in satellites:
        table["terminals"][name] = {"rate_gbps": 1.0, "max_range_km": reach_km}
        table["constellation"].append(
            {
                "name": name,
                "walker": "0:1/1/0",
                "altitude_km": altitude_km,
                "raan_start_deg": (sidereal_deg + STATIONS[0]["longitude_deg"] + east_deg) % 360,
                "gsl": {"kind": name, "count": 1},
            }
        )
    return LinkPlan.of(Scenario.from_table(table))


def names_served(plan: LinkPlan) -> list[str]:
    return [plan.network.nodes[n].name for n in plan.network.port_node[plan.contacts["a"]]]


def test_a_long_pass_is_looked_up_again(walker_table: Callable) -> None:
    # All three stay beyond the first look ahead. When A sets, B has 17 minutes left and is the
    # higher one, C hangs in the geostationary arc.
    plan = equatorial(
        walker_table, 10.0, ("a", 8000, 5, 1e6), ("b", 8000, -12, 1e6), ("c", 35786, 60, 1e6)
    )
    assert names_served(plan) == ["a-01-01", "c-01-01"]


def test_the_end_of_reach_is_an_end_too(walker_table: Callable) -> None:
    # The second rises after the first and sets after it, but its radio reaches only 7 degrees.
    plan = equatorial(walker_table, 10.0, ("first", 1500, 0, 1e6), ("second", 1500, -5, 1700.0))
    assert names_served(plan)[0] == "first-01-01"


def test_light_that_would_come_when_the_pass_ends_is_no_contact(walker_table: Callable) -> None:
    sections = {
        "scenario": {"duration_s": 5400.0, "step_s": 10.0},
        "ground": {"selection": "fewest-switches", "station": [station(1, 9, 10.0)]},
    }
    table = walker_table("53:40/10/3", **sections)
    passes = LinkPlan.of(Scenario.from_table(table)).contacts
    whole = passes[(passes["start"] > 0) & (passes["end"] < 540)]
    shortest = int((whole["end"] - whole["start"]).min())
    table["terminals"]["radio"]["pointing"] = {"acquisition_s": shortest * 10.0}
    contacts = LinkPlan.of(Scenario.from_table(table)).contacts
    assert len(contacts) < len(passes)
    assert (contacts["start"] < contacts["end"]).all()


@pytest.mark.parametrize("second", ["nearest", "visible"])
def test_two_patterns_may_name_the_same_pair(walker_scenario: Callable, second: str) -> None:
    isl = [{"pattern": "ring"}, {"pattern": second}]
    plan = LinkPlan.of(walker_scenario("53:8/1/0", 3000.0, isl=isl))
    assert len(plan.joined(0)) == 8
    assert_no_pair_twice_at_once(plan)


def test_nearest_is_symmetric_and_in_reach(walker_scenario: Callable) -> None:
    plan = LinkPlan.of(walker_scenario("53:66/6/1", 780.0, isl=[{"pattern": "nearest", "k": 4}]))
    sky = Sky(plan)
    assert len(plan.contacts) > 66
    for contact in plan.contacts:
        assert sky.usable(int(contact["a"]), int(contact["b"]))[
            contact["start"] : contact["end"]
        ].all()


@pytest.mark.parametrize(
    ("walker", "form", "links"),
    [("53:48/6/1", "delta", 96), ("86.4:66/6/3", "star", 121), ("53:1584/72/39", "delta", 3168)],
)
def test_a_grid_in_full_sight_is_linked_in_full(
    walker_scenario: Callable, walker: str, form: str, links: int
) -> None:
    plan = LinkPlan.of(
        walker_scenario(
            walker,
            1500.0,
            form,
            scenario={"duration_s": 1.0},
            terminals={"laser": {"rate_gbps": 1.0, "max_range_km": 20000.0}},
            isl=[{"pattern": "grid"}],
        )
    )
    assert len(plan.joined(0)) == links


def test_the_seam_of_a_delta_shell_is_as_short_as_any_link(walker_scenario: Callable) -> None:
    plan = LinkPlan.of(walker_scenario("53:1584/72/39", isl=[{"pattern": "grid"}]))
    longest_km = plan.links(0)["range_km"].max()
    # In plane 1972 km; next plane 1432 to 1511 km.
    assert longest_km == pytest.approx(1972, abs=1)


def test_a_ring_of_real_geostationary_satellites_follows_their_longitudes(tle_folder: Any) -> None:
    table = {
        "scenario": {"name": "geo", "start": "2026-08-22T12:00:00Z", "duration_s": 1.0},
        "terminals": {"laser": {"rate_gbps": 1.0, "max_range_km": 90000.0}},
        "constellation": [
            {
                "name": "relay",
                "elements_file": "relay_geo_tianlian_edrs.tle",
                "isl": {"kind": "laser", "count": 2},
            }
        ],
        "isl": [{"pattern": "ring"}],
    }
    plan = LinkPlan.of(Scenario.from_table(table, tle_folder / "scenario.toml"))
    x, y, _ = plan.ephemeris.satellites_km(np.array([0.0]))[:, 0].T
    by_longitude = np.argsort(np.arctan2(y, x))
    neighbours = {frozenset(pair) for pair in pairwise([*by_longitude, by_longitude[0]])}
    node = plan.network.port_node
    joined = plan.joined(0)
    linked = {frozenset(p) for p in zip(node[joined["a"]], node[joined["b"]], strict=True)}
    assert linked
    assert linked <= neighbours


def test_an_equatorial_ring_has_no_node_and_links_all_the_same(three_body_table: dict) -> None:
    shell = three_body_table["constellation"][0]
    shell["satellite"] = [
        shell["satellite"][1]
        | {"name": f"e-{n}", "inclination_deg": 0.0, "mean_anomaly_deg": n * 20.0}
        for n in (4, 0, 2, 1, 3)
    ]
    three_body_table["workload"] = []
    plan = LinkPlan.of(Scenario.from_table(three_body_table))
    joined = plan.joined(0)
    node = plan.network.port_node
    names = [
        {plan.network.nodes[n].name for n in p}
        for p in zip(node[joined["a"]], node[joined["b"]], strict=True)
    ]
    lasers = [pair for pair in names if all(name.startswith("e-") for name in pair)]
    assert sorted(map(sorted, lasers)) == [[f"e-{n}", f"e-{n + 1}"] for n in range(4)]


def test_named_pairs_link_across_constellations(walker_table: Callable) -> None:
    table = walker_table(
        "53:4/1/0", 1500.0, isl=[{"pattern": "pairs", "pairs": [["b-01-01", "sat-01-01"]]}]
    )
    table["constellation"].append(table["constellation"][0] | {"name": "b", "altitude_km": 1600.0})
    plan = LinkPlan.of(Scenario.from_table(table))
    assert [plan.network.port_label(int(p)) for p in plan.joined(0)[["a", "b"]][0].tolist()] == [
        "b-01-01:isl0",
        "sat-01-01:isl0",
    ]
