"""Are twelve satellites of one orbit fully meshed, and what does a cut cost?"""

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise

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

_PRESET = "three-body-ring"
_NAMES = [f"tb-01-{slot:02d}" for slot in range(1, 13)]
_CUT = _NAMES[0], _NAMES[1]
_CUT_S = 8.0
_PROBES_S = 0.02


def _ring(label: str, about: str, duration_s: float, **more: object) -> Scene:
    run = {"name": label, "description": about, "duration_s": duration_s, "rate_scale": 1.0}
    changes = {"event": None, "routing": {"protocol": "static"}} | more
    return Scene(scenario=scenes.preset(_PRESET, scenario=run, **changes))


def _scenes() -> Scenes:
    pairs = [list(pair) for pair in combinations(_NAMES, 2)]
    everyone = [{"kind": "ping", "pairs": pairs, "interval_s": 2.0}]
    across = [{"kind": "ping", "pairs": [list(_CUT)], "interval_s": _PROBES_S}]
    cut = {"at_s": _CUT_S, "action": "link down", "target": list(_CUT)}
    sight = scenes.preset(
        _PRESET,
        scenario={"name": "sight", "description": "Lasers enough for every pair", "duration_s": 1},
        terminals={"laser": scenes.ideal(100.0)},
        constellation=[
            scenes.shell("tb", "97.4:12/1/0", 500, isl={"kind": "laser", "count": 11}, gsl=None)
        ],
        isl=[{"pattern": "visible"}],
        event=None,
        workload=None,
    )
    ospf = {"protocol": "frr-ospf", "hello_s": 1, "dead_s": 4}
    return {
        "sight": Scene(scenario=sight, emulated=False),
        "whole": _ring("whole", "The ring, every pair pinged", 10, workload=everyone),
        "cut": _ring(
            "cut", "One laser cut from the start", 10, workload=everyone, event=[cut | {"at_s": 0}]
        ),
        "ospf": _ring(
            "ospf", "OSPF, a cut that is seen", 20, workload=across, routing=ospf, event=[cut]
        ),
        "ospf-silent": _ring(
            "ospf-silent",
            "OSPF, a cut that nobody is told of",
            20,
            workload=across,
            routing=ospf,
            event=[cut | {"silent": True}],
        ),
    }


def _predict(scenes: Scenes, _: Settings) -> Mapping[str, Prediction]:
    scenario = scenes["whole"].scenario
    shell, run = scenario.constellation[0], scenario.scenario
    count, altitude_km = shell.size, shell.altitude_km
    arc_deg = 360.0 / count
    hop_ms = formulas.one_way_ms(formulas.chord_km(altitude_km, arc_deg))
    sight_deg = formulas.sight_arc_deg(altitude_km, run.grazing_height_km)
    mean, most = formulas.ring_mean_hops(count), count // 2
    routing = scenes["ospf"].scenario.routing
    lag = "how far the orbit moves within a step of a second, and stamps of the kernel"
    return {
        "pairs": Prediction(
            what=f"pairs that see each other, of {count * (count - 1) // 2}",
            value=formulas.ring_pairs_in_sight(count, sight_deg),
            unit="pairs",
            tolerance=0,
            allows="nothing: a count",
            formula=f"neighbours at {arc_deg:g}° see each other, sight ends at {sight_deg:.1f}°",
        ),
        "hop": Prediction(
            what="one hop, one way",
            value=hop_ms,
            unit="ms",
            tolerance=0.05,
            allows=lag,
            formula="2 a sin(π/n) / c",
        ),
        "mean": Prediction(
            what="mean of all pairs, one way",
            value=mean * hop_ms,
            unit="ms",
            tolerance=0.1,
            allows=lag,
            formula=f"{mean:.3f} hops, the mean of the shorter ways round",
        ),
        "diameter": Prediction(
            what="across the ring, one way",
            value=most * hop_ms,
            unit="ms",
            tolerance=0.2,
            allows=lag,
            formula=f"n/2 = {most} hops",
        ),
        "long way": Prediction(
            what="the ends of the cut, one way",
            value=(count - 1) * hop_ms,
            unit="ms",
            tolerance=0.4,
            allows=lag,
            formula=f"n - 1 = {count - 1} hops",
        ),
        "seen": Prediction(
            what="OSPF's outage where the cut is seen",
            value=0.0,
            unit="s",
            tolerance=2 * hop_ms / 1e3 + _PROBES_S,
            allows="what was on the cut laser, there and back, and the spacing of probes",
            formula="no packet outruns the news: both take the other way round at light speed",
        ),
        "silent": Prediction(
            what="OSPF's outage where nobody is told",
            value=routing.dead_s - routing.hello_s / 2,
            unit="s",
            tolerance=routing.hello_s / 2 + most * hop_ms / 1e3 + _PROBES_S,
            allows="when the last hello came, the news' way over half the ring, one probe",
            formula="dead interval less half a hello's",
        ),
    }


def _one_way_ms(run: Run) -> dict[tuple[str, str], float]:
    rows = run.query("SELECT a, b, rtt_ms FROM probes WHERE t_s >= 2 AND rtt_ms NOT NULL")
    found: dict[tuple[str, str], list[float]] = {}
    for a, b, rtt_ms in rows:
        found.setdefault((a, b), []).append(rtt_ms / 2)
    return {pair: float(np.median(each)) for pair, each in found.items()}


def _outage_s(run: Run) -> float | None:
    """The longest time between two answered probes, less the spacing of probes."""
    t_s, rtt_ms = run.probes(*_CUT)
    answered = t_s[np.isfinite(rtt_ms)]
    if not len(answered) or answered[-1] < _CUT_S:
        return None
    return max(b - a for a, b in pairwise(answered.tolist())) - _PROBES_S


def _measure(runs: Runs) -> Mapping[str, float | None]:
    whole, cut = _one_way_ms(runs["whole"]), _one_way_ms(runs["cut"])
    neighbours = [whole[pair] for pair in [*pairwise(_NAMES), (_NAMES[0], _NAMES[-1])]]
    return {
        "pairs": float(len(runs["sight"].plan.links(0))),
        "hop": float(np.mean(neighbours)),
        "mean": float(np.mean(list(whole.values()))),
        "diameter": max(whole.values()),
        "long way": cut[_CUT],
        "seen": _outage_s(runs["ospf"]),
        "silent": _outage_s(runs["ospf-silent"]),
    }


def _verdict(found: Findings, _: Settings) -> Verdict:
    pairs = found["pairs"].measured
    if pairs == 66:
        return Verdict(answer="holds", because="all 66 pairs see each other.")
    return Verdict(
        answer="does not hold",
        because=f"of 66 pairs {pairs:.0f} can have a laser, each satellite with its two "
        "neighbours; all others are reached through them, "
        f"{found['mean'].measured:.1f} ms away on average and {found['diameter'].measured:.1f} at "
        f"most, and a single cut makes that {found['long way'].measured:.1f} ms. A ring joins all "
        "twelve, but it does not mesh them.",
    )


def _draw(found: Findings, _: Runs, __: Settings) -> Iterator[Drawing]:
    keys = ["hop", "mean", "diameter", "long way"]
    drawn = {
        "predicted": ([found[key].prediction.value for key in keys], PLANNED),
        "measured": ([found[key].measured for key in keys], MEASURED),
    }
    names = ["one hop", "mean pair", "across", "after a cut"]
    svg = bars("meshed-twelve", "One-way delays of a ring of twelve", names, drawn, "one way, ms")
    yield Drawing(svg=svg, caption="One-way delays in a ring of twelve, whole and with one cut.")


EXPERIMENT = Experiment(
    name="meshed-twelve",
    claim="The twelve satellites of the first launch are fully meshed by lasers",
    source="press on the Three-Body constellation",
    setup="Twelve satellites evenly around one orbit at 500 km, two lasers each. All 66 pairs "
    "ping each other; then one laser is cut, with and without its carrier, under FRR's OSPF.",
    takes="4 runs of 10 to 20 s with 12 satellites",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
)
