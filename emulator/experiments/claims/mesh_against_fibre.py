"""Is the way over a mesh of lasers shorter than a fibre's, and from which distance on?"""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

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
from emulator.experiments.drawing import FAINT, MEASURED, PLANNED, lines
from emulator.experiments.evidence import Run, median
from emulator.experiments.lattice import Lattice

_MASK_DEG = 25.0
_WALKER, _ALTITUDE_KM = "53:1584/72/17", 550.0
_PLAN_S, _STEP_S = 5760.0, 60.0
_EMULATED_S = 4.0
_PAIRS = [
    ("london", "new-york"),
    ("beijing", "frankfurt"),
    ("singapore", "london"),
    ("johannesburg", "london"),
    ("sydney", "london"),
    ("shanghai", "sao-paulo"),
]
_CITIES = [
    *("ashburn", "beijing", "frankfurt", "johannesburg", "lagos", "london", "nairobi", "new-york"),
    *("sao-paulo", "shanghai", "singapore", "sydney"),
]


def _mesh(label: str, about: str, duration_s: float, step_s: float) -> scenes.Scenario:
    pairs = [list(pair) for pair in _PAIRS]
    return scenes.sky(
        label,
        about,
        duration_s,
        [scenes.shell("s", _WALKER, _ALTITUDE_KM)],
        [scenes.station(city, _MASK_DEG, antennas=16) for city in _CITIES],
        [{"kind": "ping", "pairs": pairs, "interval_s": min(1.0, duration_s / 4)}],
        isl=[{"pattern": "grid"}],
        scenario={"step_s": step_s},
    )


def _scenes() -> Scenes:
    hours = _mesh("hours", "1,584 satellites for 96 minutes", _PLAN_S, _STEP_S)
    moment = _mesh("moment", "The same sky, some seconds of it with packets", _EMULATED_S, 1.0)
    return {"hours": Scene(scenario=hours, emulated=False), "moment": Scene(scenario=moment)}


def _lattice(scene: Scene) -> Lattice:
    pattern = scene.scenario.constellation[0].walker_pattern()
    return Lattice(
        altitude_km=pattern.altitude_km,
        inclination_deg=pattern.inclination_deg,
        planes=pattern.planes,
        per_plane=pattern.per_plane,
        phasing=pattern.phasing,
    )


def _predict(scenes_: Scenes, _: Settings) -> Mapping[str, Prediction]:
    lattice = _lattice(scenes_["hours"])
    across_km = float(lattice.across_km(np.array([45.0]), 1.0)[0])
    hop_ms = 2 * formulas.one_way_ms(lattice.along_km + across_km)
    found = {}
    for a, b in _PAIRS:
        value = lattice.rtt_ms(scenes.CITIES[a], scenes.CITIES[b], _MASK_DEG)
        for key, what in (("least", "least of 96 minutes, plan"), ("packets", "packets")):
            found[f"{a} {b} {key}"] = Prediction(
                what=f"{a} – {b}: {what}, RTT",
                value=value,
                unit="ms",
                tolerance=hop_ms,
                allows="satellites are where they are: a hop along and one across, there and back",
                formula="shortest staircase over the grid, hops in fractions, any satellite in "
                "sight of either city",
            )
    return found


@cache
def _round_trips_ms(run: Run) -> Mapping[tuple[str, str], np.ndarray]:
    """Round trips of all pairs of cities over the quickest path, one a step."""
    plan = run.plan
    network = plan.network
    cities = [network.node(name).index for name in _CITIES]
    pairs = list(combinations(range(len(cities)), 2))
    size, satellites = len(network.nodes), len(network.satellites)
    steps = []
    for step in range(plan.steps):
        links = plan.links(step)
        ends = network.port_node[links["a"]], network.port_node[links["b"]]
        low, high, one_way_ms = np.minimum(*ends), np.maximum(*ends), links["delay_ns"] / 1e6
        up = high >= satellites
        # Ways lead up from a city and nowhere up again: no city is a relay of others.
        rows = np.concatenate((high, low[~up]))
        columns = np.concatenate((low, high[~up]))
        weights = np.concatenate((one_way_ms, one_way_ms[~up]))
        graph = coo_matrix((weights, (rows, columns)), shape=(size, size)).tocsr()
        far_ms = dijkstra(graph, indices=cities)
        own = {city: up & (high == city) for city in cities}
        steps.append(
            [
                2 * float((far_ms[i, low[own[cities[j]]]] + one_way_ms[own[cities[j]]]).min())
                for i, j in pairs
            ]
        )
    table = np.array(steps)
    return {(_CITIES[i], _CITIES[j]): table[:, k] for k, (i, j) in enumerate(pairs)}


def _measure(runs: Runs) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    planned = _round_trips_ms(runs["hours"])
    for a, b in _PAIRS:
        found[f"{a} {b} least"] = float(planned[tuple(sorted((a, b)))].min())
        found[f"{a} {b} packets"] = median(runs["moment"].probes(a, b)[1])
    return found


def _verdict(found: Findings, settings: Settings) -> Verdict:
    won, lost = [], []
    for a, b in _PAIRS:
        fibre_ms = formulas.fibre_rtt_ms(_apart_km(a, b), settings.fibre_route)
        measured = found[f"{a} {b} packets"].measured
        text = f"{a} – {b} {measured:.0f} ms against {fibre_ms:.0f}"
        (won if measured < fibre_ms else lost).append(text)
    if not lost:
        return Verdict(answer="holds", because="; ".join(won) + ".")
    return Verdict(
        answer="holds only if",
        because=f"planes run along the way ({'; '.join(won)}). North and south it does not "
        f"({'; '.join(lost)}): satellites that fly north and south are not joined, so the path "
        "goes round by the edge of the shell.",
    )


def _apart_km(a: str, b: str) -> float:
    return formulas.great_circle_km(scenes.CITIES[a], scenes.CITIES[b])


def _draw(_: Findings, runs: Runs, settings: Settings) -> Iterator[Drawing]:
    planned = _round_trips_ms(runs["hours"])
    apart = {pair: _apart_km(*pair) for pair in planned}
    order = sorted(planned, key=apart.__getitem__)
    distance = [0.0, max(apart.values())]
    series = {
        f"fibre, {settings.fibre_route:g} × great circle": (
            distance,
            [formulas.fibre_rtt_ms(each, settings.fibre_route) for each in distance],
            FAINT,
            "-",
        ),
        "straight up, along the arc, down": (
            distance,
            [formulas.arc_rtt_ms(_ALTITUDE_KM, each) for each in distance],
            PLANNED,
            "--",
        ),
        "mesh, median of 96 minutes": (
            [apart[pair] for pair in order],
            [float(np.median(planned[pair])) for pair in order],
            PLANNED,
            "o",
        ),
        "mesh, packets": (
            [_apart_km(*pair) for pair in _PAIRS],
            [median(runs["moment"].probes(*pair)[1]) for pair in _PAIRS],
            MEASURED,
            "x",
        ),
    }
    names = ("great circle, km", "round trip, ms")
    svg = lines("mesh-against-fibre", "Mesh and fibre over distance", series, names)
    yield Drawing(svg=svg, caption=f"Round trips of {len(planned)} pairs of cities by distance.")


EXPERIMENT = Experiment(
    name="mesh-against-fibre",
    claim="Over long distances a mesh of lasers is faster than fibre",
    source="what space computing is offered for",
    setup="1,584 satellites at 550 km and 53° (72 planes of 22) with lasers to the two neighbours "
    "in the plane and to both planes beside it; twelve cities see them above 25°. 96 minutes are "
    "planned; for some seconds six pairs of cities ping each other.",
    takes="a plan of 96 minutes, a run of 4 s with 1,584 satellites",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
    notes=(
        "The formula is a lower bound but for the rounding of hops. It is farthest off where the "
        "way goes north or south across a plane's turning point (Johannesburg – London): there "
        "few satellites are in sight, and each plane more or less costs a whole hop.",
    ),
)
