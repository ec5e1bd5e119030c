"""One image to the ground under every routing scheme and congestion control: one table."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import product

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
from emulator.experiments.drawing import COLOURS, bars
from emulator.experiments.ring import GROUND
from emulator.experiments.tracks import Tracks
from emulator.units import FRAME_BYTES, SEGMENT_BYTES

_NEWS_S = {
    **dict.fromkeys(("static", "oracle", "grid", "cgr", "srv6"), 0.0),
    **dict.fromkeys(("frr-ospf", "frr-ospf6", "frr-isis", "frr-openfabric"), 0.3),
    "frr-bgp": 1.0,
    **dict.fromkeys(("bird-ospf", "bird-ospf6"), 2.0),
    "bird-bgp": 1.0,
    "bird-babel": 4.0,
    "babeld": 4.0,
}
"""Each scheme, and how long at most it takes to go round a cut that is seen, by its timers.

Those that the plan's steps drive know it at once. FRR waits 50 to 100 ms before it works out
routes, and the news needs some ten hops of 30 ms. BIRD's OSPF does so once a second (its tick),
for its own news and for that of others. BGP tries one withdrawn path after another. Babel must
ask for a new sequence number where no neighbour's route is feasible, and hears of it with the
updates, every four hellos, at the latest.
"""
_SCHEMES = tuple(_NEWS_S)
_CONTROLS = ("cubic", "bbr", "reno")
_WALKER, _ALTITUDE_KM = "53:24/4/1", 4000.0
"""So high that neighbours see each other always: the cut is the only link that is missing."""
_SLOT_DEG = 60.0
_SOURCE, _NEXT, _SERVING = "s-01-02", "s-01-03", "s-01-04"
_IMAGE_BYTES, _OPERATIONS = 1_000_000_000, 8e13
_LASER_GBPS, _DOWN_GBPS, _SCALE = 2.0, 1.2, 1000.0
_TALK = 3.0
"""Round trips over the whole way that a sender of an object waits for, beside the line."""
_BEGIN_S, _EVERY_S = 2.0, 30.0
_CUT_AFTER_S, _CUT_FOR_S = 2.0, 18.0
"""From an image to the cut, and from that to the repair. Offload knows of both and would rather
wait for the end of a shorter cut: it reckons that an image is stored at every hop."""
_RUN_S = _BEGIN_S + _EVERY_S * len(_CONTROLS) + 10
_MORE_BYTES = {"srv6": 80 + 24, "frr-ospf6": 20, "bird-ospf6": 20}
"""Of headers: SRv6 puts a packet into IPv6 with a list of two segments at most; IPv6's own header
is 20 longer than IPv4's."""


def _below() -> tuple[float, float]:
    """Latitude and longitude below the satellite that serves, in the middle of the flow."""
    start = datetime.fromisoformat(scenes.START)
    tracks = Tracks(
        altitude_km=_ALTITUDE_KM,
        inclination_deg=53.0,
        node_deg=np.array([0.0]),
        u_deg=np.array([3 * _SLOT_DEG]),
        sidereal_deg=scenes.sidereal_deg(start),
    )
    sin, longitude = tracks.below(np.array([_RUN_S / 2]))
    east_deg = (math.degrees(longitude[0, 0]) + 180.0) % 360.0 - 180.0
    return round(math.degrees(math.asin(sin[0, 0])), 3), round(east_deg, 3)


def _scene(scheme: str) -> Scene:
    latitude_deg, longitude_deg = _below()
    station = {
        "name": "ground",
        "latitude_deg": latitude_deg,
        "longitude_deg": longitude_deg,
        "min_elevation_deg": 50,
        "antennas": {"kind": "dish", "count": 1},
        "computer": GROUND,
    }
    begin_s = [_BEGIN_S + _EVERY_S * number for number in range(len(_CONTROLS))]
    images = [
        {
            "kind": "offload",
            "source": _SOURCE,
            "capture_s": start_s,
            "object_bytes": _IMAGE_BYTES,
            "result_bytes": 1_000_000,
            "operations": _OPERATIONS,
            "strategies": ["laser"],
            "congestion": control,
        }
        for start_s, control in zip(begin_s, _CONTROLS, strict=True)
    ]
    cut = {"action": "link down", "target": [_SOURCE, _NEXT], "for_s": _CUT_FOR_S}
    scenario = scenes.sky(
        f"under-{scheme}",
        f"Images under {scheme}, one after the other",
        _RUN_S,
        [scenes.shell("s", _WALKER, _ALTITUDE_KM, gsl={"kind": "beam", "count": 1})],
        [station],
        images,
        terminals={
            "laser": scenes.ideal(_LASER_GBPS),
            "beam": scenes.ideal(_DOWN_GBPS),
            "dish": scenes.ideal(_DOWN_GBPS),
        },
        isl=[{"pattern": "grid"}],
        routing={"protocol": scheme, "hello_s": 1, "dead_s": 4},
        event=[cut | {"at_s": start_s + _CUT_AFTER_S} for start_s in begin_s],
        scenario={"rate_scale": _SCALE},
    )
    return Scene(scenario=scenario)


def _scenes() -> Scenes:
    return {scheme: _scene(scheme) for scheme in _SCHEMES}


def _retransmission_s() -> float:
    """The first retransmission timer r: the round trip and Linux's least variance (RFC 6298).

    It doubles: it has run out for the k-th time after r (2^k - 1). So the first time after an
    outage of o is no later than 2 o + r.
    """
    hop_s = formulas.one_way_ms(formulas.chord_km(_ALTITUDE_KM, _SLOT_DEG)) / 1e3
    return 4 * hop_s + 0.2


def _recovery_s(control: str) -> float:
    """How much longer a sender takes at most for which a loss is congestion; BBR does not.

    At worst timeouts leave a window w of two segments (RFC 5681, equation 4), on a way twice as
    long as before; it grows by a segment a round trip (section 3.1): n of them carry n w + n²/2.
    What was in flight at the cut is sent again.
    """
    if control == "bbr":
        return 0.0
    hop_s = formulas.one_way_ms(formulas.chord_km(_ALTITUDE_KM, _SLOT_DEG)) / 1e3
    segments_s = _LASER_GBPS * 1e9 / _SCALE / 8 / FRAME_BYTES
    before_s, after_s, window = 4 * hop_s, 8 * hop_s, 2
    left_s = _IMAGE_BYTES / _SCALE / SEGMENT_BYTES / segments_s - _CUT_AFTER_S
    rounds = math.sqrt(window**2 + 2 * segments_s * (left_s + before_s)) - window
    return max(0.0, rounds * after_s - left_s)


def _predict(scenes_: Scenes, _: Settings) -> Mapping[str, Prediction]:
    hop_ms = formulas.one_way_ms(formulas.chord_km(_ALTITUDE_KM, _SLOT_DEG))
    round_s = 2 * (2 * hop_ms + formulas.one_way_ms(_ALTITUDE_KM)) / 1e3
    compute_s = _OPERATIONS / (GROUND["tops"] * 1e12 * GROUND["utilisation"])
    found = {}
    for scheme, control in product(scenes_, _CONTROLS):
        payload_bytes = SEGMENT_BYTES - _MORE_BYTES.get(scheme, 0)
        lines_s = sum(
            _IMAGE_BYTES * 8 / (gbps * 1e9) * FRAME_BYTES / payload_bytes
            for gbps in (_LASER_GBPS, _DOWN_GBPS)
        )
        news_s, recovery_s = _NEWS_S[scheme], _recovery_s(control)
        late_s = 2 * news_s + _retransmission_s() + recovery_s
        found[f"{scheme}-{control}"] = Prediction(
            what=f"{scheme}, {control}: from image to answer",
            value=lines_s + _TALK * round_s + compute_s + late_s / 2,
            unit="s",
            tolerance=late_s / 2 + 3 * round_s,
            allows="from no loss at all to the longest wait and a window lost whole; slow start: "
            "three round trips",
            formula="S × 8 / R × 1514/1448 by laser and by radio, three round trips each (connect, "
            f"ask what is held, acknowledge), computing; half of {late_s:.1f} s, the most that an "
            f"outage o of {news_s:g} s (the scheme's timers), TCP's wait o + r after it, and "
            f"{recovery_s:.1f} s for a lost window cost",
        )
    return found


def _measure(runs: Runs) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    for scheme, run in runs.items():
        for row in run.summary["offload"]:
            control = run.scenario.workload[row["workload"]].congestion
            found[f"{scheme}-{control}"] = row["latency_s"]
    return found


def _verdict(found: Findings, _: Settings) -> Verdict:
    came = {label: each.measured for label, each in found.items() if each.measured is not None}
    worst, best = max(came, key=came.__getitem__), min(came, key=came.__getitem__)
    means = ", ".join(
        f"{control} {np.mean([came[each] for each in came if each.endswith(control)]):.1f} s"
        for control in _CONTROLS
    )
    late = len(found) - len(came)
    lost = f"; {late} of {len(found)} images were never answered" if late else ""
    return Verdict(
        answer="does not hold",
        because=f"with one laser cut the answer takes {came[best]:.1f} s ({best}) to "
        f"{came[worst]:.1f} s ({worst}){lost}. Means over routing schemes: {means}. A sender that "
        "halves its window pays more for the loss than for the outage, the more so as the way "
        "round is twice as long.",
    )


def _draw(found: Findings, _: Runs, __: Settings) -> Iterator[Drawing]:
    shown = {
        control: ([found[f"{scheme}-{control}"].measured for scheme in _SCHEMES], colour)
        for control, colour in zip(_CONTROLS, COLOURS, strict=False)
    }
    names = [scheme.replace("-", "\n") for scheme in _SCHEMES]
    value = found[f"static-{_CONTROLS[0]}"].prediction.value
    line = (value, "predicted without outage")
    svg = bars("routing-and-congestion", "Image by routing", names, shown, "s", limit=line)
    yield Drawing(svg=svg, caption="From an image of 1 GB to its answer on the ground.")


EXPERIMENT = Experiment(
    name="routing-and-congestion",
    claim="How long an answer takes does not depend on routing or congestion control",
    source="the routing laboratory",
    setup="24 satellites in 4 planes at 4,000 km; an image of 1 GB goes two hops along a plane, "
    "by lasers of 2 Gbit/s, and down at 1.2. After 2 s the first laser of its way is cut for 18 s. "
    "Three images one after the other, each under another congestion control; fifteen "
    "routing schemes. Bytes and rates are divided by 1000.",
    takes="15 runs of 102 s with 24 satellites",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
    notes=(
        "For cubic and reno the formula is a band, from no loss to a window lost whole; for BBR it "
        "is narrow.",
        "Under BIRD's OSPF nodes work out routes once a second: 0.4 s after the cut the sender has "
        "three ways of equal cost, and for another second one of them leads straight back. Which "
        "flows take it is the kernel's hash's choice: those by IPv6 lost 37 segments, those by "
        "IPv4 8, and so cubic and reno stand at the upper end of the band under bird-ospf6.",
    ),
)
