"""How near is a satellite, by its height and by where it stands in the sky?"""

from collections.abc import Iterator, Mapping

import numpy as np

from emulator.experiments.base import (
    Drawing,
    Experiment,
    Findings,
    Prediction,
    Runs,
    Scenes,
    Settings,
    Verdict,
)
from emulator.experiments.drawing import COLOURS, FAINT, lines
from emulator.experiments.overhead import Overhead, Passes

_CLAIMED_MS = 6.0, 8.0
_ELEVATIONS_DEG = (60, 40, 25)
_LEVELS = [
    Overhead(
        label=f"ai1-{altitude_km}",
        inclination_deg=inclination_deg,
        per_plane=24,
        altitude_km=altitude_km,
        mask_deg=20,
        city="singapore",
    )
    for altitude_km, inclination_deg in ((600, 97.8), (650, 98.0), (800, 98.6))
]


def _predict(_: Scenes, __: Settings) -> Mapping[str, Prediction]:
    return {
        f"{level.label} {elevation_deg}": Prediction(
            what=f"{level.altitude_km:g} km at {elevation_deg}°, RTT",
            value=level.rtt_ms(elevation_deg),
            unit="ms",
            tolerance=0.05,
            allows="the vertical's deflection on an ellipsoid, up to 0.19°; the line between "
            "probes 5 s apart",
            formula="2 d / c with d = √(a² - (r cos e)²) - r sin e",
        )
        for level in _LEVELS
        for elevation_deg in _ELEVATIONS_DEG
    }


def _measure(runs: Runs) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    for level in _LEVELS:
        seen = Passes.of(runs[level.label])
        for elevation_deg in _ELEVATIONS_DEG:
            found[f"{level.label} {elevation_deg}"] = seen.at_elevation_ms(elevation_deg)
    return found


def _range_deg(level: Overhead) -> tuple[float, float]:
    """Elevations at which a level's round trip is within the claim."""
    at_deg = np.arange(5, 90.01, 0.5)
    rtt_ms = np.array([level.rtt_ms(each) for each in at_deg])
    inside = at_deg[(_CLAIMED_MS[0] <= rtt_ms) & (rtt_ms <= _CLAIMED_MS[1])]
    return float(inside.min()), float(inside.max())


def _verdict(found: Findings, _: Settings) -> Verdict:
    told = "; ".join(
        f"{level.altitude_km:g} km: {low:.0f}° to {high:.0f}°"
        for level in _LEVELS
        for low, high in [_range_deg(level)]
    )
    zenith_ms = [level.rtt_ms(90) for level in _LEVELS]
    return Verdict(
        answer="holds only if",
        because=f"the satellite stands so high ({told}), there is no hop, and nothing is computed: "
        f"at the zenith it would be {min(zenith_ms):.1f} to {max(zenith_ms):.1f} ms.",
    )


def _draw(_: Findings, runs: Runs, __: Settings) -> Iterator[Drawing]:
    series = {}
    for level, colour in zip(_LEVELS, COLOURS, strict=False):
        at_deg = np.arange(level.mask_deg, 90.1, 1.0)
        predicted = [level.rtt_ms(each) for each in at_deg]
        seen = Passes.of(runs[level.label])
        near = seen.hops == 0
        name = f"{level.altitude_km:g} km"
        series[f"{name}, predicted"] = (at_deg.tolist(), predicted, colour, "-")
        series[f"{name}, probes"] = (
            seen.elevation_deg[near].tolist(),
            seen.direct_ms.tolist(),
            colour,
            ".",
        )
    for limit_ms in _CLAIMED_MS:
        series[f"claimed: {limit_ms:g} ms"] = ([20, 90], [limit_ms] * 2, FAINT, "--")
    svg = lines("elevation", "Round trips by elevation", series, ("elevation, °", "round trip, ms"))
    yield Drawing(svg=svg, caption="Round trips by elevation: closed form and every probe.")


EXPERIMENT = Experiment(
    name="elevation",
    claim="A data centre at 600 to 800 km is 6 to 8 ms away",
    source="press on SpaceX's AI1",
    setup="Planes of 24 satellites at 600, 650 and 800 km pass over Singapore, which pings the one "
    "that serves it from rise to set at 20°.",
    takes="3 runs of 10 to 15 minutes with 24 satellites",
    scenes=lambda: {level.label: level.scene() for level in _LEVELS},
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
)
