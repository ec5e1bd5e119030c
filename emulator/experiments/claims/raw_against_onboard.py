"""Send the image or only the answer: what does computing in orbit save after contact?"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
from emulator.experiments.drawing import COLOURS, lines
from emulator.experiments.ring import GROUND, ONBOARD, tracks

_ALTITUDE_KM, _LEAN_DEG, _MASK_DEG = 500.0, 97.4, 5.0
_STATION = "miyun"
_RATES_GBPS = (1.2, 3.0, 10.0)
_SIZES_GB = (1, 10, 100)
_RATIO = 12e6 / 50e9
"""Of the answer to the image: 12 MB to 50 GB."""
_OPERATIONS_PER_BYTE = 3e4
"""A detector: 15,260 tiles of 640 × 640 with 10¹¹ operations each make 1.5 × 10¹⁵ for 50 GB."""
_AFTER_S = 20.0
"""From the rise of the first satellite to the image: then all of them see the station."""
_APART_DEG = 0.05
_SCALE = 1000.0
_MIDDLE_S = 3500.0
"""When the plane passes over the station: between two passes, which are equally long then."""


@dataclass(frozen=True, slots=True)
class _Passes:
    """The first two passes of the first satellite, in seconds from the start."""

    rise_s: float
    set_s: float
    again_s: float
    end_s: float


def _passes(scenario: scenes.Scenario, number: int = 0) -> _Passes:
    t_s = np.arange(0, 3 * _MIDDLE_S, 0.25)
    station = scenario.ground.station[0]
    place = station.latitude_deg, station.longitude_deg
    seen = tracks(scenario).seen(place, station.min_elevation_deg, t_s)[number]
    edges_s = t_s[1:][np.diff(seen.astype(int)) != 0]
    return _Passes(*edges_s[:4].tolist())


def _sky(rate_gbps: float, duration_s: float, capture_s: float) -> scenes.Scenario:
    """Six satellites a few kilometres apart, each with one image and one way to answer."""
    train = scenes.shell(
        "eo",
        f"{_LEAN_DEG}:6/1/0",
        _ALTITUDE_KM,
        slot_spacing_deg=_APART_DEG,
        raan_start_deg=scenes.plane_over(_STATION, _LEAN_DEG, _ALTITUDE_KM, _MIDDLE_S),
        isl=None,
        gsl={"kind": "beam", "count": 1},
        computer=ONBOARD,
    )
    images = [
        {
            "kind": "offload",
            "source": f"eo-01-{1 + len(_SIZES_GB) * second + number:02d}",
            "capture_s": capture_s,
            "object_bytes": size_gb * 10**9,
            "result_ratio": _RATIO,
            "operations_per_byte": _OPERATIONS_PER_BYTE,
            "strategies": [strategy],
        }
        for second, strategy in enumerate(("raw", "onboard"))
        for number, size_gb in enumerate(_SIZES_GB)
    ]
    return scenes.sky(
        _label(rate_gbps),
        f"Images of 1 to 100 GB, {rate_gbps:g} Gbit/s down",
        duration_s,
        [train],
        [scenes.station(_STATION, _MASK_DEG, 6, computer=GROUND)],
        images,
        terminals={kind: scenes.ideal(rate_gbps) for kind in ("beam", "dish")},
        isl=[],
        scenario={"rate_scale": _SCALE},
    )


def _scenes() -> Scenes:
    first = _passes(_sky(1.2, 1.0, 0.0))
    capture_s = math.ceil(first.rise_s + _AFTER_S)
    found = {}
    for rate_gbps in _RATES_GBPS:
        link_s = _link_s(max(_SIZES_GB) * 1e9, rate_gbps)
        fits = capture_s + link_s < first.set_s
        end_s = first.set_s if fits else first.again_s + link_s - (first.set_s - capture_s) + 60
        found[_label(rate_gbps)] = Scene(scenario=_sky(rate_gbps, end_s, capture_s))
    return found


def _link_s(size_bytes: float, rate_gbps: float) -> float:
    """Time on the link, with the headers of Ethernet, IP and TCP."""
    return size_bytes * 8 / (rate_gbps * 1e9) / formulas.PAYLOAD_SHARE


def _compute_s(size_bytes: float, computer: Mapping[str, float]) -> float:
    return size_bytes * _OPERATIONS_PER_BYTE / (computer["tops"] * 1e12 * computer["utilisation"])


def _label(rate_gbps: float) -> str:
    return f"down-{1000 * rate_gbps:.0f}-mbps"


def _key(strategy: str, size_gb: int, rate_gbps: float) -> str:
    return f"{strategy} {size_gb} GB {rate_gbps:g}"


def _predict(scenes_: Scenes, _: Settings) -> Mapping[str, Prediction]:
    found = {}
    for rate_gbps in _RATES_GBPS:
        scenario = scenes_[_label(rate_gbps)].scenario
        capture_s = scenario.workload[0].capture_s
        for number, size_gb in enumerate(_SIZES_GB):
            size_bytes = size_gb * 1e9
            passes = _passes(scenario, number)
            down_s, left_s = _link_s(size_bytes, rate_gbps), passes.set_s - capture_s
            fits = down_s <= left_s
            if not fits:
                down_s += passes.again_s - passes.set_s
            how = "S × 8 / R × 1514/1448, then computing on the ground"
            if not fits:
                how += "; the rest waits for the next pass, by circles with J2"
            found[_key("raw", size_gb, rate_gbps)] = Prediction(
                what=f"{size_gb} GB at {rate_gbps:g} Gbit/s: the image goes down",
                value=down_s + _compute_s(size_bytes, GROUND),
                unit="s",
                tolerance=0.2 + 0.01 * down_s if fits else 12.0,
                allows="slow start and packets that are a thousandth of a thousandfold link's"
                if fits
                else "rise and set by the vertical's deflection, 4 s each; a retry",
                formula=how,
            )
            result_s = _link_s(size_bytes * _RATIO, rate_gbps)
            found[_key("onboard", size_gb, rate_gbps)] = Prediction(
                what=f"{size_gb} GB at {rate_gbps:g} Gbit/s: only the answer goes down",
                value=_compute_s(size_bytes, ONBOARD) + result_s,
                unit="s",
                tolerance=0.2 + 0.01 * result_s,
                allows="slow start: some round trips",
                formula="operations / (744 TOPS × 0.3), then r S × 8 / R × 1514/1448",
            )
    return found


def _measure(runs: Runs) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    for rate_gbps in _RATES_GBPS:
        run = runs[_label(rate_gbps)]
        for image in run.scenario.workload:
            [strategy] = image.strategies
            answered = run.answer(strategy, image.source)
            size_gb = image.object_bytes // 10**9
            found[_key(strategy, size_gb, rate_gbps)] = answered and answered["latency_s"]
    return found


def _verdict(found: Findings, _: Settings) -> Verdict:
    def saved(size_gb: int, rate_gbps: float) -> str:
        raw, onboard = (found[_key(s, size_gb, rate_gbps)].measured for s in ("raw", "onboard"))
        return f"{size_gb} GB at {rate_gbps:g} Gbit/s {raw:,.1f} s against {onboard:.1f}"

    return Verdict(
        answer="holds only if",
        because=f"the image is large for its downlink: {saved(100, 1.2)} (it does not fit into one "
        f"pass), {saved(100, 10.0)}, {saved(1, 10.0)}. Bytes shrink by {1 / _RATIO:,.0f} : 1 in "
        "any case. The wait for contact, some two hours on average, comes before either.",
    )


def _draw(found: Findings, _: Runs, __: Settings) -> Iterator[Drawing]:
    series = {}
    for rate_gbps, colour in zip(_RATES_GBPS, COLOURS, strict=False):
        for strategy, style in (("raw", "o-"), ("onboard", "x--")):
            values = [found[_key(strategy, size, rate_gbps)].measured for size in _SIZES_GB]
            series[f"{strategy}, {rate_gbps:g} Gbit/s"] = (list(_SIZES_GB), values, colour, style)
    names = ("image, GB", "from image to answer, s")
    svg = lines("raw-against-onboard", "Image or answer", series, names, log="xy")
    yield Drawing(svg=svg, caption="From an image taken in contact to its answer on the ground.")


EXPERIMENT = Experiment(
    name="raw-against-onboard",
    claim="Computing in orbit and sending only results makes answers faster",
    source="press on space computing",
    setup="A satellite at 500 km over Miyun, in contact, takes an image of 1, 10 or 100 GB; it "
    "goes down by 1.2, 3 or 10 Gbit/s and is computed there, or the answer does, 4,167 times "
    "smaller. Bytes and rates are divided by 1000, times are not.",
    takes="3 runs of 16 to 115 minutes with 6 satellites",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
)
