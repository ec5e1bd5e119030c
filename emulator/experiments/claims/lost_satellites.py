"""A ring that has lost k of its satellites: who still reaches the ground, and who waits?"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import combinations

import numpy as np

from emulator.experiments import formulas
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
from emulator.experiments.drawing import COLOURS, lines
from emulator.experiments.evidence import Run
from emulator.experiments.ring import (
    ALTITUDE_KM,
    COUNT,
    GROUND,
    X_BAND_GBPS,
    Ground,
    image,
    name,
    planned,
    predicted,
    ring,
    soon_in_contact,
)

_DAYS_S, _STEP_S = 3 * 86400.0, 60.0
_MOST_LOST = 4
_PINGS_S, _IMAGES_S = 10.0, 20.0
"""A run ends with so long of pings, then so long in which every survivor's image goes down."""
_MARGIN_S = 60.0
"""From the rise of the satellite that serves to the images."""
_LOST = {1: (0,), 2: (0, 6), 3: (0, 4, 8), 4: (0, 3, 6, 9)}
"""Counted from the satellite that serves, plus two places: never it itself."""


def _gone(serving: int, lost: int) -> list[int]:
    """The satellites that a run loses, evenly around the ring, beginning two behind who serves."""
    return sorted((serving + 2 + place) % COUNT for place in _LOST.get(lost, ()))


@dataclass(frozen=True, slots=True)
class _Moment:
    """A start, and which satellite alone sees a station in the seconds after it."""

    start: datetime
    image_s: float
    serving: int
    station: str


@cache
def _moment() -> _Moment:
    start, serving, wait_s = soon_in_contact(10.0)
    middle_s = 10.0 + wait_s + _MARGIN_S
    scenario = ring("ring", "", 1, 1.0, Ground(), start)
    seen = predicted(scenario, np.array([middle_s]))[:, :, 0]
    station = scenario.ground.station[int(seen[serving].argmax())].name
    return _Moment(start, float(round(middle_s)), serving, station)


def _run(lost: int) -> Scene:
    moment = _moment()
    gone = _gone(moment.serving, lost)
    left = [name(number) for number in range(COUNT) if number not in gone]
    pairs = [[each, moment.station] for each in left]
    images = image(0, moment.image_s, strategies=["laser"], sources=left, source="")
    events = [{"at_s": 0, "action": "satellite down", "target": [name(each)]} for each in gone]
    return Scene(
        scenario=ring(
            f"lost-{lost}",
            f"A ring of twelve without {lost}",
            moment.image_s + _IMAGES_S,
            1.0,
            Ground(places=(moment.station,)),
            moment.start,
            workload=[{"kind": "ping", "pairs": pairs, "interval_s": 2.0}, images],
            event=events,
        )
    )


def _scenes() -> Scenes:
    days = ring("days", "Twelve satellites, three stations, three days", _DAYS_S, _STEP_S, Ground())
    runs = {f"lost-{lost}": _run(lost) for lost in range(_MOST_LOST + 1)}
    return {"days": Scene(scenario=days, emulated=False), **runs}


def _segments(gone: Sequence[int]) -> list[list[int]]:
    """The arcs of neighbours that are left; without a loss the whole ring."""
    if not gone:
        return [list(range(COUNT))]
    arcs = []
    for first, following in zip(gone, [*gone[1:], gone[0] + COUNT], strict=True):
        if arc := [number % COUNT for number in range(first + 1, following)]:
            arcs.append(arc)
    return arcs


def _tails(seen: np.ndarray) -> Mapping[int, tuple[float, float, float]]:
    """Mean, 95th and 99th percentile of the wait in minutes, by the number of satellites lost.

    ``seen``: ``(satellites, times)``. Over all moments, all survivors and all sets of losses: a
    survivor waits for the first of its arc that sees the ground.
    """
    waits: dict[tuple[int, ...], np.ndarray] = {}
    found = {}
    for lost in range(_MOST_LOST + 1):
        weight: Counter[tuple[int, ...]] = Counter()
        for gone in combinations(range(COUNT), lost):
            for arc in _segments(gone):
                weight[tuple(sorted(arc))] += len(arc)
        for arc in weight:
            waits.setdefault(arc, _waits_min(seen[list(arc)].any(axis=0)))
        found[lost] = _weighted([waits[arc] for arc in weight], list(weight.values()))
    return found


def _waits_min(seen: np.ndarray) -> np.ndarray:
    at = np.arange(len(seen))
    following = np.where(seen, at, len(seen))
    next_one = np.minimum.accumulate(following[::-1])[::-1]
    return (next_one - at)[next_one < len(seen)] * _STEP_S / 60


def _weighted(rows: list[np.ndarray], weights: list[int]) -> tuple[float, float, float]:
    values = np.concatenate(rows)
    shares = np.concatenate([np.full(len(r), w) for r, w in zip(rows, weights, strict=True)])
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(shares[order]) / shares.sum()
    p95, p99 = (float(values[order][np.searchsorted(cumulative, p)]) for p in (0.95, 0.99))
    return float(np.average(values, weights=shares)), p95, p99


def _hops(gone: Sequence[int], serving: int) -> dict[int, int]:
    """Hops along the ring to the satellite that serves, of the survivors that reach it."""
    [arc] = [arc for arc in _segments(gone) if serving in arc]
    if not gone:
        return {n: min((n - serving) % COUNT, (serving - n) % COUNT) for n in arc}
    return {number: abs(place - arc.index(serving)) for place, number in enumerate(arc)}


def _predict(scenes_: Scenes, _: Settings) -> Mapping[str, Prediction]:
    seen = predicted(scenes_["days"].scenario, np.arange(0, _DAYS_S, _STEP_S)).any(axis=1)
    found = {}
    for lost, (mean, p95, p99) in _tails(seen).items():
        for key, what, minutes in (
            ("mean", "mean wait", mean),
            ("p95", "wait that 95 % do not exceed", p95),
            ("p99", "wait that 99 % do not exceed", p99),
        ):
            found[f"{lost} {key}"] = Prediction(
                what=f"{lost} of {COUNT} lost: {what}",
                value=minutes,
                unit="min",
                tolerance=2.0 + 0.01 * minutes,
                allows="two steps of a minute, for rise and set; grazing passes",
                formula="over all sets of losses: the first of one's arc that sees a station",
            )
    moment = _moment()
    hop_ms = 2 * formulas.one_way_ms(formulas.chord_km(ALTITUDE_KM, 360.0 / COUNT))
    for lost in range(_MOST_LOST + 1):
        hops = _hops(_gone(moment.serving, lost), moment.serving)
        found[f"{lost} reach"] = Prediction(
            what=f"{lost} of {COUNT} lost: satellites with a way to {moment.station}, packets",
            value=len(hops),
            unit="satellites",
            tolerance=0,
            allows="nothing: a count",
            formula="the arc of survivors around the one that serves",
        )
        found[f"{lost} far"] = Prediction(
            what=f"{lost} of {COUNT} lost: the farthest of them, beyond the one that serves",
            value=max(hops.values()) * hop_ms,
            unit="ms",
            tolerance=0.3,
            allows="the serving satellite moves by 7 km between two probes; steps of a second",
            formula=f"{max(hops.values())} hops × 2 × 2 a sin(π/{COUNT}) / c",
        )
        found |= _predict_images(lost, len(hops), hop_ms * max(hops.values()) / 1e3)
    return found


def _predict_images(lost: int, reach: int, far_s: float) -> Mapping[str, Prediction]:
    """The images that all survivors take at once: they queue for one radio."""
    one = image(0, 0.0)
    down_s = one["object_bytes"] * 8 / (X_BAND_GBPS * 1e9 * formulas.PAYLOAD_SHARE)
    compute_s = one["operations"] / (GROUND["tops"] * 1e12 * GROUND["utilisation"])
    return {
        f"{lost} answered": Prediction(
            what=f"{lost} of {COUNT} lost: images answered at once, offload",
            value=reach,
            unit="images",
            tolerance=0,
            allows="nothing: a count",
            formula="those of the satellites that reach the one that serves",
        ),
        f"{lost} tail": Prediction(
            what=f"{lost} of {COUNT} lost: the last of these answers, offload",
            value=reach * down_s + compute_s,
            unit="s",
            tolerance=0.1 * reach * down_s + 3 * far_s + 0.2,
            allows="a handshake and slow start for each image on the radio; three round trips of "
            "the farthest to the satellite that serves",
            formula=f"{reach} images one after the other by 1.2 Gbit/s, then computing",
        ),
    }


def _measure(runs: Runs) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    for lost, tail in _tails(planned(runs["days"]).any(axis=1)).items():
        for key, minutes in zip(("mean", "p95", "p99"), tail, strict=True):
            found[f"{lost} {key}"] = minutes
    for lost in range(_MOST_LOST + 1):
        rtt_ms = _medians_ms(runs[f"lost-{lost}"])
        own_ms = rtt_ms.get(name(_moment().serving))
        latencies_s = [
            each["latency_s"] for each in runs[f"lost-{lost}"].events if each["event"] == "answered"
        ]
        found[f"{lost} answered"] = float(len(latencies_s))
        found[f"{lost} tail"] = max(latencies_s, default=None)
        found[f"{lost} reach"] = float(len(rtt_ms))
        found[f"{lost} far"] = own_ms and max(rtt_ms.values()) - own_ms
    return found


def _medians_ms(run: Run) -> dict[str, float]:
    """Median round trips of the satellites that were answered, before the images are taken."""
    rows = run.query(
        "SELECT a, rtt_ms FROM probes WHERE t_s BETWEEN ? AND ? AND rtt_ms NOT NULL",
        (_moment().image_s - _PINGS_S, _moment().image_s - 1),
    )
    by_source: dict[str, list[float]] = {}
    for source, rtt_ms in rows:
        by_source.setdefault(source, []).append(rtt_ms)
    return {source: float(np.median(each)) for source, each in by_source.items()}


def _verdict(found: Findings, _: Settings) -> Verdict:
    tails = ", ".join(
        f"{lost} lost {found[f'{lost} mean'].measured:.0f} and {found[f'{lost} p95'].measured:.0f}"
        for lost in range(_MOST_LOST + 1)
    )
    return Verdict(
        answer="holds only if",
        because="no more than one is lost: the ring is then a chain and all survivors still reach "
        f"the ground, up to {found['1 far'].measured:.0f} ms away instead of "
        f"{found['0 far'].measured:.0f}. From the second on it falls into arcs, and each "
        f"waits for its own contact; mean and 95th percentile of the wait in minutes: {tails}. "
        "Fewer survivors then have a way at once, and the last of their images is down sooner: one "
        "radio is what they wait for.",
    )


def _draw(found: Findings, _: Runs, __: Settings) -> Iterator[Drawing]:
    lost = list(range(_MOST_LOST + 1))
    series = {}
    for key, colour in zip(("mean", "p95", "p99"), COLOURS, strict=False):
        told = [found[f"{k} {key}"] for k in lost]
        series[f"{key}, predicted"] = (lost, [f.prediction.value for f in told], colour, "-")
        series[f"{key}, measured"] = (lost, [f.measured for f in told], colour, "o")
    svg = lines("lost-satellites", "Waits by losses", series, ("satellites lost", "minutes"))
    yield Drawing(svg=svg, caption="Wait for contact of the survivors, over all sets of losses.")


EXPERIMENT = Experiment(
    name="lost-satellites",
    claim="A ring of computing satellites bears the loss of some of them",
    source="what meshes are built for",
    setup="Twelve satellites around one orbit at 500 km with two lasers each, three stations; none "
    "to four are lost. Three days are planned and all sets of losses counted; while one satellite "
    "sees a station, all survivors ping it, and then take an image each at once, which goes by "
    "laser to the one that sees the station, and down.",
    takes="a plan of 3 days, 5 runs of 3 minutes with 12 satellites",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
)
