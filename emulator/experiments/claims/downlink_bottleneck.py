"""Hundreds of terabytes a day: how much of it can come down?"""

from collections.abc import Iterator, Mapping

import numpy as np

from emulator.contactplan import ContactPlan
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
from emulator.experiments.drawing import COLOURS, FAINT, bars
from emulator.experiments.ring import (
    COUNT,
    DEFLECTION_S,
    FIVE,
    SCALE,
    THREE,
    Ground,
    name,
    predicted,
    ring,
    soon_in_contact,
)
from emulator.units import DAY_S

_STEP_S = 20.0
_MADE_TB = (100.0, 300.0, 500.0)
_STORE_TB = 30.0
"""Published of all twelve together."""
_LINKS = {
    "x": ("X band, 1.2 Gbit/s at 5°", 1.2, 5.0),
    "ka": ("Ka band, 3 Gbit/s at 5°", 3.0, 5.0),
    "optical": ("laser, 10 Gbit/s at 20°", 10.0, 20.0),
    "fast": ("laser, 60 Gbit/s at 20°", 60.0, 20.0),
}
_PLACES = {"3": THREE, "5": FIVE}
_CLEAR = 0.6
"""Share of time without clouds over an optical station."""
_BEFORE_S = 10.0
_PASS_S = 120.0
"""For so long a flow goes down with packets."""


def _scenes() -> Scenes:
    found = {}
    for kind, (about, rate_gbps, mask_deg) in _LINKS.items():
        for count, places in _PLACES.items():
            ground = Ground(places=places, mask_deg=mask_deg, rate_gbps=rate_gbps)
            text = f"{about}, {count} stations, a day"
            scenario = ring(f"{kind}-{count}", text, DAY_S, _STEP_S, ground)
            found[f"{kind}-{count}"] = Scene(scenario=scenario, emulated=False)
    start, source, wait_s = soon_in_contact(_BEFORE_S)
    rise_s = _BEFORE_S + wait_s
    seen = predicted(ring("one", "", 1, 1.0, Ground(), start), np.array([rise_s + DEFLECTION_S]))
    station = THREE[int(seen[source, :, 0].argmax())]
    flow = {
        "kind": "tcp",
        "pairs": [[name(source), station]],
        "start_s": round(rise_s + 2 * DEFLECTION_S),
        "duration_s": _PASS_S,
    }
    found["packets"] = Scene(
        scenario=ring(
            "packets",
            "Two minutes of a pass, filled by TCP",
            rise_s + _PASS_S + 20,
            1.0,
            Ground(),
            start,
            workload=[flow],
            isl=[],
        )
    )
    return found


def _day_tb(scenario: scenes.Scenario) -> float:
    """What comes down in a day by closed form, from all satellites."""
    seen = predicted(scenario, np.arange(0, DAY_S, _STEP_S)).any(axis=1)
    rate_bps = scenario.terminals["beam"].rate_gbps * 1e9
    return float(seen.sum()) * _STEP_S * rate_bps / 8 / 1e12


def _predict(scenes_: Scenes, __: Settings) -> Mapping[str, Prediction]:
    found = {}
    for kind, (about, _, _) in _LINKS.items():
        for count in _PLACES:
            value = _day_tb(scenes_[f"{kind}-{count}"].scenario)
            found[f"{kind}-{count}"] = Prediction(
                what=f"{about}, {count} stations: down in a day",
                value=value,
                unit="TB",
                tolerance=0.03 * value,
                allows="4 s of the vertical's deflection in passes of 2 to 9 minutes; a step each",
                formula="Σ time in sight of any station (circles with J2) × rate",
            )
    rate_bps = _LINKS["x"][1] * 1e9
    found["goodput"] = Prediction(
        what="X band: a full pass by TCP, Gbit/s of payload",
        value=rate_bps / 1e9 * formulas.PAYLOAD_SHARE,
        unit="Gbit/s",
        tolerance=0.01 * rate_bps / 1e9,
        allows="slow start in the first seconds of two minutes",
        formula="R × 1448 / 1514: the headers of Ethernet, IP and TCP",
    )
    return found


def _measure(runs: Runs) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    for kind in _LINKS:
        for count in _PLACES:
            plan = ContactPlan.of(runs[f"{kind}-{count}"].plan).select(medium="gsl")
            total = sum(each.volume_bytes for each in plan.contacts)
            found[f"{kind}-{count}"] = total * plan.rate_scale / 1e12
    [flow] = runs["packets"].summary["tcp"]
    found["goodput"] = flow["goodput_bps"] and flow["goodput_bps"] * SCALE / 1e9
    return found


def _share(found: Findings, key: str, made_tb: float) -> float:
    clear = _CLEAR if key.startswith(("optical", "fast")) else 1.0
    return 100 * min(1.0, clear * found[key].measured / made_tb)


def _verdict(found: Findings, _: Settings) -> Verdict:
    x_tb = found["x-3"].measured
    full_h = 24 * _STORE_TB / (_MADE_TB[0] - x_tb)
    need_gbps = _MADE_TB[0] * 8e3 / (x_tb * 8e3 / _LINKS["x"][1])
    shares = ", ".join(f"{_share(found, 'fast-5', made):.0f} % of {made:g}" for made in _MADE_TB)
    return Verdict(
        answer="holds",
        because=f"by X band and three stations {x_tb:.1f} of {_MADE_TB[0]:.0f} TB a day come down, "
        f"{_share(found, 'x-3', 100):.1f} %, and {_STORE_TB:.0f} TB of storage are full after "
        f"{full_h:.1f} h. To bring all of it down each of the {COUNT} satellites needs "
        f"{need_gbps:.1f} Gbit/s. Lasers of 60 Gbit/s to five stations, clear {100 * _CLEAR:.0f} % "
        f"of the time, would carry {shares} TB.",
    )


def _draw(found: Findings, _: Runs, __: Settings) -> Iterator[Drawing]:
    keys = [f"{kind}-{count}" for kind in _LINKS for count in _PLACES]
    names = [f"{_LINKS[key.split('-')[0]][1]:g} Gbit/s,\n{key[-1]} stations" for key in keys]
    shown = {
        f"of {made:g} TB a day": ([_share(found, key, made) for key in keys], colour)
        for made, colour in zip(_MADE_TB, (*COLOURS[:2], FAINT), strict=True)
    }
    svg = bars("downlink-bottleneck", "Share that comes down", names, shown, "% that comes down")
    caption = "What comes down of what is made; lasers with clouds 40 % of the time."
    yield Drawing(svg=svg, caption=caption)


EXPERIMENT = Experiment(
    name="downlink-bottleneck",
    claim="Earth observation makes hundreds of terabytes a day, and the downlink is its bottleneck",
    source="press on space computing; under a tenth is said to reach the ground",
    setup="Twelve satellites around one sun-synchronous orbit at 500 km send to three or five "
    "stations in China, one radio each, at 1.2 to 60 Gbit/s. A day is planned; two minutes of a "
    "pass are filled by TCP.",
    takes="8 plans of a day, a run of 4 minutes with 12 satellites",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
    notes=("Volumes by the plan are of the line; TCP's payload is 95.6 % of it.",),
)
