"""Twelve satellites close together on one orbit: what a full mesh brings beyond a chain."""

from collections.abc import Iterator, Mapping
from itertools import combinations

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
from emulator.experiments.drawing import COLOURS, PLANNED, bars

_COUNT, _STEP_DEG = 12, 3.6
_ALTITUDE_KM = 500.0
_NAMES = [f"arc-01-{slot:02d}" for slot in range(1, _COUNT + 1)]
_LASER_GBPS, _SCALE = 100.0, 10_000.0
_PINGS_S, _FLOWS_S = 4.0, 5.0
_REACH = {"chain": 1, "ladder": 2, "mesh": _COUNT - 1}
"""How many places ahead and behind a satellite has lasers to."""


def _arc(layout: str, flows: bool) -> Scene:
    reach = _REACH[layout]
    pairs = list(combinations(range(_COUNT), 2))
    links = [[_NAMES[a], _NAMES[b]] for a, b in pairs if b - a <= reach]
    # All that cross the middle of the arc: what a chain has one laser for.
    across = [[_NAMES[a], _NAMES[b]] for a, b in pairs if a < _COUNT / 2 <= b]
    heads = min(2 * reach, _COUNT - 1)
    shell = scenes.shell(
        "arc",
        f"97.4:{_COUNT}/1/0",
        _ALTITUDE_KM,
        slot_spacing_deg=_STEP_DEG,
        isl={"kind": "laser", "count": heads},
        gsl=None,
    )
    each = [[_NAMES[a], _NAMES[b]] for a, b in pairs]
    pings = {"kind": "ping", "pairs": each, "interval_s": 1}
    scenario = scenes.sky(
        f"{layout}-flows" if flows else layout,
        f"An arc of twelve, {heads} lasers each, {'flows' if flows else 'pings'}",
        _FLOWS_S if flows else _PINGS_S,
        [shell],
        [],
        [{"kind": "tcp", "pairs": across} if flows else pings],
        isl=[{"pattern": "pairs", "pairs": links}],
        terminals={"laser": scenes.ideal(_LASER_GBPS)},
        scenario={"rate_scale": _SCALE if flows else 1.0},
    )
    return Scene(scenario=scenario)


def _scenes() -> Scenes:
    found = {layout: _arc(layout, flows=False) for layout in _REACH}
    return found | {f"{layout}-flows": _arc(layout, flows=True) for layout in _REACH}


def _crossing(reach: int) -> int:
    """Lasers across the middle of the arc."""
    half = _COUNT // 2
    return sum(min(apart, half, 2 * half - apart) for apart in range(1, reach + 1))


def _way_km(slots: int, reach: int) -> float:
    """The shortest way over so many places, in hops of at most ``reach``.

    As many hops as need be, as even as whole numbers allow: the longer a chord, the more of the
    arc it cuts off.
    """
    hops = -(-slots // reach)
    short, long = divmod(slots, hops)
    lengths = [short + 1] * long + [short] * (hops - long)
    best_km = sum(formulas.chord_km(_ALTITUDE_KM, each * _STEP_DEG) for each in lengths)
    full, rest = divmod(slots, reach)
    uneven = [reach] * full + ([rest] if rest else [])
    return min(best_km, sum(formulas.chord_km(_ALTITUDE_KM, n * _STEP_DEG) for n in uneven))


def _predict(scenes_: Scenes, _: Settings) -> Mapping[str, Prediction]:
    sight_deg = formulas.sight_arc_deg(_ALTITUDE_KM, 80.0)
    seeing = sum(_COUNT - k for k in range(1, _COUNT) if k * _STEP_DEG <= sight_deg)
    found = {
        "pairs": Prediction(
            what="pairs that a laser joins, eleven lasers each",
            value=seeing,
            unit="pairs",
            tolerance=0,
            allows="nothing: a count",
            formula=f"the ends are {(_COUNT - 1) * _STEP_DEG:g}° apart, sight ends at "
            f"{sight_deg:.1f}°",
        )
    }
    for layout, reach in _REACH.items():
        farthest_ms = formulas.one_way_ms(_way_km(_COUNT - 1, reach))
        found[f"{layout} far"] = Prediction(
            what=f"{layout}: from end to end, one way",
            value=farthest_ms,
            unit="ms",
            tolerance=0.05,
            allows="how far the orbit moves within a step of a second",
            formula="the chords of the fewest hops",
        )
        lasers = _crossing(reach)
        total_gbps = lasers * _LASER_GBPS * formulas.PAYLOAD_SHARE
        found[f"{layout} rate"] = Prediction(
            what=f"{layout}: goodput of {_COUNT**2 // 4} flows across the middle",
            value=total_gbps,
            unit="Gbit/s",
            tolerance=0.1 * total_gbps,
            allows="TCP's share of a full line among so many flows; slow start",
            formula=f"{lasers} lasers × {_LASER_GBPS:g} Gbit/s × 1448/1514",
        )
    return found


def _measure(runs: Runs) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {"pairs": float(len(runs["mesh"].plan.links(0)))}
    for layout in _REACH:
        run = runs[layout]
        found[f"{layout} far"] = float(np.nanmedian(run.probes(_NAMES[0], _NAMES[-1])[1])) / 2
        rates = [flow["goodput_bps"] or 0 for flow in runs[f"{layout}-flows"].summary["tcp"]]
        found[f"{layout} rate"] = sum(rates) * _SCALE / 1e9
    return found


def _verdict(found: Findings, _: Settings) -> Verdict:
    chain, mesh = found["chain far"].measured, found["mesh far"].measured
    return Verdict(
        answer="holds only if",
        because=f"they fly within {(_COUNT - 1) * _STEP_DEG:g}° of arc and carry eleven lasers "
        f"each. A chain with two lasers each is {100 * (chain / mesh - 1):.1f} % slower from end "
        f"to end ({chain:.2f} against {mesh:.2f} ms); what the mesh brings is throughput, "
        f"{found['mesh rate'].measured:,.0f} against {found['chain rate'].measured:,.0f} Gbit/s "
        "across the middle.",
    )


def _draw(found: Findings, _: Runs, __: Settings) -> Iterator[Drawing]:
    layouts = list(_REACH)
    for key, axis in (("far", "end to end, one way, ms"), ("rate", "across the middle, Gbit/s")):
        told = [found[f"{layout} {key}"] for layout in layouts]
        shown = {
            "predicted": ([each.prediction.value for each in told], PLANNED),
            "measured": ([each.measured for each in told], COLOURS[1]),
        }
        svg = bars(f"meshed-arc-{key}", axis, layouts, shown, axis)
        yield Drawing(svg=svg, caption=f"Chain, ladder and mesh: {axis}.")


EXPERIMENT = Experiment(
    name="meshed-arc",
    claim="Twelve satellites that fly close together can be fully meshed",
    source="press on the Three-Body constellation, taken literally",
    setup="Twelve satellites at 500 km, 3.6° of arc from one to the next; each has lasers to its "
    "neighbours (chain), to the two next ahead and behind (ladder), or to all. All pairs ping "
    "each other, then all 36 pairs across the middle send by TCP. Rates are divided by 10,000.",
    takes="6 runs of 4 to 5 s with 12 satellites",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
)
