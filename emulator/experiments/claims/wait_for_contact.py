"""How long does a satellite wait for the ground, alone, in a ring, or with a relay?"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import networkx as nx
import numpy as np

from emulator.experiments import formulas, scenes
from emulator.experiments.base import (
    Drawing,
    Experiment,
    Findings,
    Prediction,
    Runs,
    Scene,
    Scenes,
    Settings,
    Verdict,
)
from emulator.experiments.drawing import MEASURED, PLANNED, bars
from emulator.experiments.evidence import Run
from emulator.experiments.ring import (
    ALTITUDE_KM,
    COUNT,
    DEFLECTION_S,
    FIVE,
    GROUND,
    INCLINATION_DEG,
    MASK_DEG,
    RAAN_DEG,
    THREE,
    WALKER,
    X_BAND_GBPS,
    Ground,
    image,
    name,
    planned,
    predicted,
    ring,
    soon_in_contact,
)
from emulator.experiments.tracks import Waits, pass_lengths_s, streets_cover
from emulator.units import EARTH_RADIUS_KM

_STAR_MASK_DEG = 10.0
_DAYS_S, _STEP_S = 3 * 86400.0, 20.0
_DAY_S, _RELAY_STEP_S = 86400.0, 60.0
_CAPTURE_S = 10.0
_GEO_KM, _GEO_EAST_DEG = 35_786.0, 77.0
"""Where China's relays stand, among other places."""


def _relayed() -> tuple[scenes.Scenario, scenes.Scenario]:
    """The ring below Guowang's star: a day, and a minute of it with packets."""
    below = scenes.shell(
        "tb",
        WALKER,
        ALTITUDE_KM,
        raan_start_deg=RAAN_DEG,
        isl={"kind": "laser", "count": 3},
        gsl=None,
    )
    star = scenes.shell(
        "gw",
        "86.5:60/6/3",
        1168,
        form="star",
        raan_start_deg=229.7,
        raan_spacing_deg=30.3,
        isl={"kind": "laser", "count": 8},
    )
    lasers = [
        {"pattern": "ring", "constellations": ["tb"]},
        {
            "pattern": "grid",
            "constellations": ["gw"],
            "seam": "open",
            "latitude_cut_deg": 70,
        },
        {"pattern": "nearest", "constellations": ["tb"], "to": ["gw"], "k": 1},
    ]
    pings = [["tb-01-01", "miyun"], ["tb-01-07", "miyun"], ["tb-01-04", "sanya"]]

    def sky(label: str, about: str, duration_s: float, step_s: float) -> scenes.Scenario:
        return scenes.sky(
            label,
            about,
            duration_s,
            [below, star],
            [scenes.station(place, _STAR_MASK_DEG, 2) for place in THREE],
            [{"kind": "ping", "pairs": pings, "interval_s": min(1.0, duration_s)}],
            isl=lasers,
            scenario={"step_s": step_s},
        )

    day = sky("relay-day", "The ring below Guowang's star, a day", _DAY_S, _RELAY_STEP_S)
    return day, sky("relay", "The ring below Guowang's star, with packets", 30, 1.0)


def _geostationary() -> tuple[scenes.Scenario, scenes.Scenario]:
    """The twelve without lasers to each other, below one relay: a day, and a time with packets."""
    below = scenes.shell(
        "tb", WALKER, ALTITUDE_KM, raan_start_deg=RAAN_DEG, isl={"kind": "laser", "count": 1}
    ) | {"gsl": None}
    now_deg = scenes.sidereal_deg(datetime.fromisoformat(scenes.START))
    relay = scenes.shell(
        "geo",
        "0:1/1/0",
        _GEO_KM,
        raan_start_deg=(now_deg + _GEO_EAST_DEG) % 360,
        isl={"kind": "laser", "count": COUNT},
        gsl={"kind": "beam", "count": 1},
    )

    def sky(label: str, about: str, duration_s: float, step_s: float) -> scenes.Scenario:
        pings = [[name(number), "miyun"] for number in range(COUNT)]
        return scenes.sky(
            label,
            about,
            duration_s,
            [below, relay],
            [scenes.station("miyun", _STAR_MASK_DEG)],
            [{"kind": "ping", "pairs": pings, "interval_s": min(5.0, duration_s)}],
            isl=[{"pattern": "nearest", "constellations": ["tb"], "to": ["geo"], "k": 1}],
            scenario={"step_s": step_s},
        )

    day = sky("geo-day", "Twelve satellites below a geostationary relay, a day", _DAY_S, _STEP_S)
    return day, sky("geo", "Twelve satellites below a geostationary relay, packets", 60, 1.0)


def _scenes() -> Scenes:
    def days(label: str, places: Sequence[str]) -> scenes.Scenario:
        about = f"Twelve satellites, {label} stations, three days"
        return ring(label, about, _DAYS_S, _STEP_S, Ground(places=places, radios=len(places)))

    start, source, wait_s = soon_in_contact(_CAPTURE_S)
    packets = ring(
        "packets",
        "An image is taken and waits for the next contact, with packets",
        _CAPTURE_S + wait_s + 60,
        1.0,
        Ground(),
        start,
        workload=[image(source, _CAPTURE_S, strategies=["raw", "onboard"])],
    )
    day, minute = _relayed()
    geo_day, geo_minute = _geostationary()
    return {
        "three": Scene(scenario=days("three", THREE), emulated=False),
        "five": Scene(scenario=days("five", FIVE), emulated=False),
        "packets": Scene(scenario=packets),
        "relay-day": Scene(scenario=day, emulated=False),
        "relay": Scene(scenario=minute),
        "geo-day": Scene(scenario=geo_day, emulated=False),
        "geo": Scene(scenario=geo_minute),
    }


def _rows(key: str, waits: Waits) -> Mapping[str, tuple[str, float]]:
    return {
        f"{key} mean": ("mean wait", waits.mean),
        f"{key} p95": ("wait that 95 % do not exceed", waits.p95),
        f"{key} longest": ("longest wait", waits.longest),
    }


def _predict(scenes_: Scenes, _: Settings) -> Mapping[str, Prediction]:
    three, five = scenes_["three"].scenario, scenes_["five"].scenario
    found = {}
    for place in THREE:
        latitude_deg = scenes.CITIES[place][0]
        site_km = formulas.site_radius_km(latitude_deg)
        half_deg = formulas.half_angle_deg(ALTITUDE_KM, MASK_DEG, site_km)
        share = formulas.share_in_view(
            INCLINATION_DEG, formulas.geocentric_deg(latitude_deg), half_deg
        )
        found[place] = Prediction(
            what=f"{place} sees a satellite, a day",
            value=share * 1440,
            unit="min",
            tolerance=0.03 * share * 1440,
            allows="three days are a dozen passes a satellite: a third of one more or less",
            formula="∫ over the satellite's latitude of the longitudes within ψ",
        )
    half_deg = formulas.half_angle_deg(ALTITUDE_KM, MASK_DEG)
    longest_s = 2 * half_deg / formulas.mean_motion_deg_s(ALTITUDE_KM)
    found["pass"] = Prediction(
        what="mean pass",
        value=np.pi / 4 * longest_s,
        unit="s",
        tolerance=_STEP_S,
        allows="one step of the plan, and the Earth that turns meanwhile",
        formula="π/4 of the longest: the mean chord of a circle",
    )
    t_s = np.arange(0, _DAYS_S, _STEP_S)
    kinds = {
        "one": ("one satellite, three stations", predicted(three, t_s).any(axis=1)),
        "ring": ("any of the ring, three stations", predicted(three, t_s).any(axis=(0, 1))),
        "five": ("one satellite, five stations", predicted(five, t_s).any(axis=1)),
    }
    for kind, (who, seen) in kinds.items():
        for key, (what, minutes) in _rows(kind, Waits.of(seen, _STEP_S)).items():
            found[key] = Prediction(
                what=f"{who}: {what}",
                value=minutes,
                unit="min",
                tolerance=1.0 + 0.01 * minutes,
                allows="rise and set by the vertical's deflection, a step; grazing passes",
                formula="circles with J2 over a turning sphere, every moment of three days",
            )
    found |= _predict_packets()
    found |= _predict_geo()
    return found


def _predict_packets() -> Mapping[str, Prediction]:
    _, _, wait_s = soon_in_contact(_CAPTURE_S)
    one = image(0, _CAPTURE_S)
    down_s = one["object_bytes"] * 8 / (X_BAND_GBPS * 1e9 * formulas.PAYLOAD_SHARE)
    compute_s = one["operations"] / (GROUND["tops"] * 1e12 * GROUND["utilisation"])
    star_ok = streets_cover(1168, _STAR_MASK_DEG, 10, 30.3, 28.5)
    found = {
        "image": Prediction(
            what="an image of 100 MB that must wait, on the ground and computed, packets",
            value=wait_s + down_s + compute_s,
            unit="s",
            tolerance=DEFLECTION_S + 1.0,
            allows="the vertical's deflection (4 s at this mask), a step",
            formula="the wait by circles with J2 over a turning sphere; S × 8 / R × 1514/1448; "
            "operations / (2000 TOPS × 0.3)",
        ),
        "relay share": Prediction(
            what="share of moments with a way to the ground, Guowang's star as relay",
            value=100.0 if star_ok else 0.0,
            unit="%",
            tolerance=0.0,
            allows="nothing: the streets of coverage overlap",
            formula="cos c = cos ψ / cos(π/S); planes closer than c + ψ, the seam than 2 c",
        ),
        "relay lost": Prediction(
            what="packets lost over the relay",
            value=0.0,
            unit="%",
            tolerance=0.0,
            allows="nothing: there is a way at every moment",
            formula="as above",
        ),
    }
    return found


def _predict_geo() -> Mapping[str, Prediction]:
    grazing = EARTH_RADIUS_KM + 80.0
    arc_deg = sum(
        float(np.degrees(np.arccos(grazing / (EARTH_RADIUS_KM + height_km))))
        for height_km in (ALTITUDE_KM, _GEO_KM)
    )
    share = 100 * formulas.share_in_view(INCLINATION_DEG, 0.0, arc_deg)
    hidden_s = (360 - 2 * arc_deg) / formulas.mean_motion_deg_s(ALTITUDE_KM)
    latitude_deg, longitude_deg = scenes.CITIES["miyun"]
    station_km = formulas.site_radius_km(latitude_deg)
    place = formulas.geocentric_deg(latitude_deg), longitude_deg
    off_deg = formulas.central_deg(place, (0.0, _GEO_EAST_DEG))
    down_km = formulas.side_km(station_km, EARTH_RADIUS_KM + _GEO_KM, off_deg)
    near_ms, far_ms = (
        2
        * formulas.one_way_ms(
            down_km
            + formulas.side_km(EARTH_RADIUS_KM + ALTITUDE_KM, EARTH_RADIUS_KM + _GEO_KM, arc)
        )
        for arc in (0.0, arc_deg)
    )
    return {
        "geo share": Prediction(
            what="share of time that a satellite sees a relay in geostationary orbit",
            value=share,
            unit="%",
            tolerance=0.5,
            allows="a day is 15 revolutions; a step at each edge",
            formula=f"time within {arc_deg:.1f}°, the arc at which the line grazes 80 km",
        ),
        "geo longest": Prediction(
            what="longest wait for that relay",
            value=hidden_s / 60,
            unit="min",
            tolerance=0.02 * hidden_s / 60 + 1,
            allows="how nearly the orbit's plane passes through the relay; steps of 20 s",
            formula=f"{360 - 2 * arc_deg:.0f}° of the revolution, where the plane holds the relay",
        ),
        "geo rtt": Prediction(
            what="round trip by that relay, packets",
            value=(near_ms + far_ms) / 2,
            unit="ms",
            tolerance=(far_ms - near_ms) / 2,
            allows="where the satellite stands: below the relay or at its horizon",
            formula="2 × (satellite to relay + relay to station) / c",
        ),
    }


def _measure(runs: Runs) -> Mapping[str, float | None]:
    three, five = planned(runs["three"]), planned(runs["five"])
    found: dict[str, float | None] = {
        place: float(three[:, index].mean()) * 1440 for index, place in enumerate(THREE)
    }
    passes = [pass_lengths_s(three[:, index], _STEP_S) for index in range(len(THREE))]
    found["pass"] = float(np.concatenate(passes).mean())
    kinds = {
        "one": three.any(axis=1),
        "ring": three.any(axis=(0, 1)),
        "five": five.any(axis=1),
    }
    for kind, seen in kinds.items():
        rows = _rows(kind, Waits.of(seen, _STEP_S))
        found |= {key: minutes for key, (_, minutes) in rows.items()}
    answered = runs["packets"].answer("raw")
    found["image"] = answered and answered["latency_s"]
    by_relay = _linked_to_relay(runs["geo-day"])
    found["geo share"] = 100 * float(by_relay.mean())
    found["geo longest"] = Waits.of(by_relay, _STEP_S).longest
    [(geo_ms,)] = runs["geo"].query("SELECT avg(rtt_ms) FROM probes")
    found["geo rtt"] = geo_ms
    found["relay share"] = _reached(runs["relay-day"])
    [(sent, lost)] = runs["relay"].query("SELECT count(*), sum(rtt_ms IS NULL) FROM probes")
    found["relay lost"] = 100.0 * lost / sent
    return found


def _linked_to_relay(run: Run) -> np.ndarray:
    """Which of the twelve have a laser to the relay: ``(satellites, steps)``."""
    plan = run.plan
    node, relay = plan.network.port_node, COUNT
    linked = np.zeros((COUNT, plan.steps), dtype=bool)
    for row in plan.contacts:
        low, high = sorted((int(node[row["a"]]), int(node[row["b"]])))
        if high == relay:
            linked[low, row["start"] : row["end"]] = True
    return linked


def _reached(run: Run) -> float:
    """Share of moments, in per cent, at which every satellite of the ring has a way down."""
    plan = run.plan
    network = plan.network
    ring = [node.index for node in network.nodes if node.name.startswith("tb-")]
    good = 0
    for step in range(plan.steps):
        joined = plan.joined(step)
        graph = nx.Graph()
        graph.add_nodes_from([*ring, *network.stations.tolist()])
        ends = (network.port_node[joined[end]].tolist() for end in ("a", "b"))
        graph.add_edges_from(zip(*ends, strict=True))
        down = set().union(
            *(nx.node_connected_component(graph, s) for s in network.stations.tolist())
        )
        good += down.issuperset(ring)
    return 100.0 * good / plan.steps


def _verdict(found: Findings, _: Settings) -> Verdict:
    one, ring, five = (found[f"{name} mean"].measured for name in ("one", "ring", "five"))
    return Verdict(
        answer="holds only if",
        because=f"there is a relay. Alone a satellite waits {one:.0f} min on average for one of "
        f"three stations, {five:.0f} for one of five; lasers round its own plane make that "
        f"{ring:.0f}, since the whole plane passes over China only twice a day. Below Guowang's "
        "star of 60 there is a way at every moment: then seconds of computing decide. One relay in "
        f"geostationary orbit is in sight {found['geo share'].measured:.0f} % of the time, never "
        f"farther off than {found['geo longest'].measured:.0f} min, with round trips of "
        f"{found['geo rtt'].measured:.0f} ms.",
    )


def _draw(found: Findings, _: Runs, __: Settings) -> Iterator[Drawing]:
    keys = [f"{name} {which}" for name in ("one", "five", "ring") for which in ("mean", "p95")]
    names = ["one, mean", "one, 95 %", "five stations, mean", "95 %", "ring, mean", "ring, 95 %"]
    shown = {
        "predicted": ([found[key].prediction.value for key in keys], PLANNED),
        "measured": ([found[key].measured for key in keys], MEASURED),
    }
    svg = bars("wait-for-contact", "Waits for contact", names, shown, "minutes")
    yield Drawing(svg=svg, caption="Waits for contact, from a moment taken at random.")


EXPERIMENT = Experiment(
    name="wait-for-contact",
    claim="With computing in orbit an alert takes minutes instead of hours",
    source="press on space computing",
    setup="Twelve satellites around one sun-synchronous orbit at 500 km; stations at Miyun, Kashi "
    "and Sanya, or five, above 5°. Three days are planned; an image that must wait, and pings "
    "through Guowang's star of 60 and over a geostationary relay, go with packets.",
    takes="four plans of 1 to 3 days, 3 runs of some minutes with 12 and 72 satellites",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
)
