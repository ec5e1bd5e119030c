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

from emulator.causes import PASSING, Cause
from emulator.ephemeris import julian_date
from emulator.frames import gmst_rad
from emulator.linkplan import LinkPlan
from emulator.physics.sun import sun_direction, sunlit
from emulator.scenario import Scenario
from emulator.terminals import Pointing
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
def pointings(draw: st.DrawFn) -> dict[str, Any]:
    """What it takes a terminal to link up; often nothing."""
    acquisition_s = draw(st.sampled_from([0.0, 9.0, 30.0]))
    table: dict[str, Any] = {"acquisition_s": acquisition_s}
    if acquisition_s and draw(st.booleans()):
        table["acquisition_p95_s"] = 3 * acquisition_s
        table["success"] = draw(st.sampled_from([1.0, 0.5]))
        table["repeat_s"] = 1.0
    return table | {
        "lock_s": draw(st.sampled_from([0.0, 4.0])),
        "coast_s": draw(st.sampled_from([0.0, 15.0, 200.0])),
        "reacquisition_s": draw(st.sampled_from([0.0, 12.0])),
        "slew_deg_s": draw(st.sampled_from([1.5, 360.0])),
        "field_of_regard_deg": draw(st.sampled_from([180.0, 180.0, 100.0, 50.0])),
        "sun_exclusion_deg": draw(st.sampled_from([0.0, 25.0])),
        "sun_acquisition_deg": draw(st.sampled_from([0.0, 35.0])),
        "max_tracking_deg_s": draw(st.sampled_from([100.0, 0.2])),
        "max_range_rate_km_s": draw(st.sampled_from([100.0, 2.0])),
    }


@st.composite
def isl_patterns(draw: st.DrawFn) -> dict[str, Any]:
    pattern = draw(st.sampled_from(["ring", "grid", "grid", "nearest", "visible"]))
    keys: dict[str, Any] = {"pattern": pattern}
    if pattern == "nearest":
        keys["k"] = draw(st.integers(1, 3))
        keys["hysteresis"] = draw(st.sampled_from([0.0, 0.5]))
    elif pattern == "grid":
        keys["seam"] = draw(st.sampled_from(["open", "closed"]))
        keys["latitude_cut_deg"] = draw(st.sampled_from([90.0, 60.0]))
    return keys


@st.composite
def small_tables(draw: st.DrawFn, walker_table: Callable[..., dict]) -> dict[str, Any]:
    planes = draw(st.integers(1, 4))
    per_plane = draw(st.integers(1, 8))
    phasing = draw(st.integers(0, planes - 1))
    inclination = draw(st.sampled_from([0, 53, 97.6]))
    table = walker_table(
        f"{inclination}:{planes * per_plane}/{planes}/{phasing}",
        draw(st.sampled_from([400.0, 780.0, 1500.0, 8000.0])),
        draw(st.sampled_from(["delta", "star"])),
        scenario={
            "duration_s": draw(st.sampled_from([60.0, 610.0, 3000.0])),
            "step_s": draw(st.sampled_from([10.0, 25.0])),
            "seed": draw(st.integers(0, 9)),
        },
        isl=draw(st.lists(isl_patterns(), max_size=3)),
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
        kind["pointing"] = draw(pointings())
    shell = table["constellation"][0]
    shell["isl"]["count"] = draw(st.integers(1, 4))
    shell["gsl"]["count"] = draw(st.integers(0, 2))
    return table


def frames(position_km: np.ndarray, velocity_km_s: np.ndarray) -> np.ndarray:
    """Flight direction made level, right and down: ``(..., 3 axes, 3)``."""
    down = -position_km / np.linalg.norm(position_km, axis=-1, keepdims=True)
    across = np.cross(velocity_km_s, position_km)
    right = across / np.linalg.norm(across, axis=-1, keepdims=True)
    return np.stack((np.cross(right, down), right, down), axis=-2)


ONE_METRE_KM = 1e-3
"""Some satellites of these patterns meet: the direction from one to the other is then anybody's."""


def length(vectors: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(vectors, axis=-1), 1e-9)


def angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((a * b).sum(-1) / length(a) / length(b), -1, 1)))


@dataclass
class Sky:
    """A plan and what its nodes could reach, worked out apart from it."""

    plan: LinkPlan

    def __post_init__(self) -> None:
        run = self.plan.scenario.scenario
        t_s = np.arange(self.plan.steps) * run.step_s
        states = self.plan.ephemeris.states(t_s)
        self.position_km, self.velocity_km_s = (each.swapaxes(0, 1) for each in states)
        _, up = self.plan.ephemeris.stations_km(t_s)
        self.up = up.swapaxes(0, 1)
        self.sun = sun_direction(*julian_date(run.start, t_s))
        self.grazing_height_km = run.grazing_height_km

    def elevation_deg(self, satellite: int, node: int) -> np.ndarray:
        """Elevation at every step."""
        site = self.up[:, node - len(self.plan.network.satellites)]
        return elevation_deg(self.position_km[:, node], site, self.position_km[:, satellite])

    def near(self, a: int, b: int) -> np.ndarray:
        network = self.plan.network
        ends = [self.position_km[:, network.port_node[port]] for port in (a, b)]
        return range_km(*ends) <= network.port_range_km[[a, b]].min()

    def pointing(self, port: int) -> Pointing:
        """What limits the terminal at a port; one that says nothing has no limits."""
        network = self.plan.network
        return network.kinds[network.port_kind[port]].pointing or Pointing(acquisition_s=0.0)

    def in_sight(self, a: int, b: int) -> np.ndarray:
        """At which steps the Earth, or a station's mask, leaves room between two nodes."""
        if b < len(self.plan.network.satellites):
            ends = self.position_km[:, a], self.position_km[:, b]
            return in_sight(*ends, self.grazing_height_km)
        place = self.plan.scenario.ground.station[b - len(self.plan.network.satellites)]
        return self.elevation_deg(a, b) >= place.min_elevation_deg

    def followed(self, port: int, peer: int) -> np.ndarray:
        """At which steps the terminal at ``port`` can turn to, follow and hear a node."""
        network, pointing = self.plan.network, self.pointing(port)
        own = network.port_node[port]
        position_km, velocity_km_s = self.position_km[:, own], self.velocity_km_s[:, own]
        line_km = self.position_km[:, peer] - position_km
        relative_km_s = self.velocity_km_s[:, peer] - velocity_km_s
        away_km = length(line_km)
        speed_km_s = np.abs((line_km * relative_km_s).sum(-1)) / away_km
        fine = speed_km_s <= (pointing.max_range_rate_km_s or np.inf) + 1e-9
        fine &= ~self.blind(port, peer, pointing.sun_exclusion_deg - 1e-6)
        if own < len(network.satellites):
            axes = frames(position_km, velocity_km_s)
            mount = (network.port_mount[port][:, None] * axes).sum(-2)
            fine &= angle_deg(line_km, mount) <= pointing.field_of_regard_deg + 1e-6
        # What turns the line of sight, less what the satellite turns by itself.
        sight = np.cross(line_km, relative_km_s) / away_km[:, None] ** 2
        turn = np.cross(position_km, velocity_km_s) / (position_km**2).sum(-1)[:, None]
        rest = np.cross(sight - turn, line_km / away_km[:, None])
        rate_deg_s = np.degrees(np.linalg.norm(rest, axis=-1))
        fine &= rate_deg_s <= (pointing.max_tracking_deg_s or np.inf) + 1e-9
        return fine | (away_km < ONE_METRE_KM)

    def blind(self, port: int, peer: int, within_deg: float) -> np.ndarray:
        """At which steps the Sun is so near to the line of sight, and not behind the Earth."""
        own = self.position_km[:, self.plan.network.port_node[port]]
        near = angle_deg(self.position_km[:, peer] - own, self.sun) < within_deg
        return near & sunlit(own, self.sun)

    def usable(self, a: int, b: int) -> np.ndarray:
        """At which steps two ports could be joined."""
        node_a, node_b = self.plan.network.port_node[[a, b]].tolist()
        fine = self.near(a, b) & self.in_sight(node_a, node_b)
        return fine & self.followed(a, node_b) & self.followed(b, node_a)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_contacts_of_small_constellations(walker_table: Callable, data: st.DataObject) -> None:
    plan = LinkPlan.of(Scenario.from_table(data.draw(small_tables(walker_table))))
    sky = Sky(plan)
    contacts = plan.contacts
    assert (contacts["start"] < contacts["end"]).all()
    assert (contacts["start"] >= 0).all()
    assert (contacts["end"] <= plan.steps).all()
    assert ((contacts["ended"] == Cause.END) == (contacts["end"] == plan.steps)).all()
    assert_ports_serve_one_at_a_time(plan)
    assert_no_pair_twice_at_once(plan)
    for contact in contacts:
        assert_light_all_along(plan, sky, contact)
    assert_every_step_is_light_or_has_one_cause(plan)
    for outage in plan.timeline.outages:
        assert_the_cause_is_true(plan, sky, outage)
    assert_contacts_end_by_what_begins_then(plan)


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
    pointing = [sky.pointing(port) for port in (a, b)]
    quickest_s = max(
        each.lock_s + (0.0 if each.acquisition_p95_s else each.acquisition_s) for each in pointing
    )
    outages = plan.timeline.outages
    own = np.sort(np.column_stack((outages["a"], outages["b"])), axis=1)
    own = outages[(own == np.sort(network.port_node[[a, b]])).all(axis=1)]
    coasted = own[np.isin(own["cause"], PASSING) & (own["end"] <= start)]["end"].max(initial=-1)
    if plan.step_s * (start - coasted) < quickest_s:
        # It looked on where it had looked.
        quickest_s = max(each.reacquisition_s for each in pointing)
    setup = int(np.ceil(quickest_s / plan.step_s - 1e-9))
    assert start - setup >= 1
    assert usable[start - setup : start].all()
    for port in (a, b):
        before = last_before(plan.contacts, port, start)
        assert before is None or before["end"] <= start - max(setup, 1)


def last_before(contacts: np.ndarray, port: int, step: int) -> np.void | None:
    """The last contact of a port that ended by a step."""
    mine = contacts[((contacts["a"] == port) | (contacts["b"] == port)) & (contacts["end"] <= step)]
    return mine[np.argmax(mine["end"])] if len(mine) else None


def lit_and_dark(plan: LinkPlan) -> dict[tuple[int, int], np.ndarray]:
    """How many contacts and outages each pair of nodes has at each step, ``(2, steps)``."""
    node = plan.network.port_node
    found: dict[tuple[int, int], np.ndarray] = defaultdict(
        lambda: np.zeros((2, plan.steps), dtype=int)
    )
    for row in plan.contacts:
        pair = sorted((int(node[row["a"]]), int(node[row["b"]])))
        found[tuple(pair)][0, row["start"] : row["end"]] += 1
    for row in plan.timeline.outages:
        assert row["start"] < row["end"] <= plan.steps
        found[tuple(sorted((int(row["a"]), int(row["b"]))))][1, row["start"] : row["end"]] += 1
    return found


def assert_every_step_is_light_or_has_one_cause(plan: LinkPlan) -> None:
    found = lit_and_dark(plan)
    static = {tuple(sorted(pair)) for pair in plan.planner.lasers.static[:, :2].tolist()}
    for pair, (lit, dark) in found.items():
        assert (lit + dark <= 1).all(), pair
        if pair in static:
            assert (lit + dark == 1).all(), pair
    assert static <= set(found)


def assert_the_cause_is_true(plan: LinkPlan, sky: Sky, outage: np.void) -> None:
    a, b, start, end, cause = outage.tolist()
    when = slice(start, end)
    medium = "isl" if b < len(plan.network.satellites) else "gsl"
    ports = [port.index for port in plan.network.nodes[a].ports if port.kind == medium]
    peers = [port.index for port in plan.network.nodes[b].ports if port.kind == medium]
    in_sight = sky.in_sight(a, b)[when]
    near = sky.near(ports[0], peers[0])[when]
    if cause == Cause.EARTH:
        assert not in_sight.any()
        return
    assert in_sight.all()
    assert (cause == Cause.RANGE) == (not near.all()) == (not near.any())
    if cause == Cause.SUN:
        widest_deg = [
            max(each.sun_exclusion_deg, each.sun_acquisition_deg) + 1e-6
            for each in map(sky.pointing, (ports[0], peers[0]))
        ]
        blind = sky.blind(ports[0], b, widest_deg[0]) | sky.blind(peers[0], a, widest_deg[1])
        blind |= range_km(sky.position_km[:, a], sky.position_km[:, b]) < ONE_METRE_KM
        assert blind[when].all()
    if cause >= Cause.NO_TERMINAL and cause != Cause.NOT_CHOSEN:
        # Nothing stands in the way but the terminals themselves.
        able = [
            np.any([sky.followed(port, peer) for port in own], axis=0)
            for own, peer in ((ports, b), (peers, a))
        ]
        assert (able[0] & able[1])[when].all()


def assert_contacts_end_by_what_begins_then(plan: LinkPlan) -> None:
    node, begins = plan.network.port_node, {}
    for a, b, start, _, cause in plan.timeline.outages.tolist():
        begins[frozenset((a, b)), start] = cause
    static = {frozenset(pair) for pair in plan.planner.lasers.static[:, :2].tolist()}
    for a, b, _, end, ended in plan.contacts.tolist():
        pair = frozenset(node[[a, b]].tolist())
        if end < plan.steps and pair in static:
            # Who gave way to others finds no terminal.
            expected = Cause.NO_TERMINAL if ended == Cause.NOT_CHOSEN else ended
            assert begins[pair, end] == expected


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
