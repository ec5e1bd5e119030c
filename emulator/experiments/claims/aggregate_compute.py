"""Do twelve satellites compute as one, and how many of them does one job pay for?"""

from collections.abc import Iterator, Mapping

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
from emulator.experiments.drawing import FAINT, MEASURED, PLANNED, lines
from emulator.experiments.evidence import Run
from emulator.experiments.ring import ALTITUDE_KM, COUNT, ONBOARD, SCALE, Ground, name, ring

_OPERATIONS, _INPUT_BYTES = 1e16, 50_000_000_000
_LASER_GBPS = 100.0
_SHARES = (2, 4, 6, 12)
_BEGIN_S, _RUN_S = 1.0, 8.0
_CLAIMED_POPS = 5.0


def _helpers(count: int) -> list[int]:
    """The satellites that help the first, the nearest on either side first."""
    around = [side * place % COUNT for place in range(1, COUNT) for side in (1, -1)]
    return list(dict.fromkeys(around))[: count - 1]


def _scenes() -> Scenes:
    found = {f"share-{count}": _scene(count, "bbr") for count in _SHARES}
    return found | {"cubic": _scene(max(_SHARES), "cubic")}


def _scene(count: int, control: str) -> Scene:
    share = {
        "kind": "tcp",
        "pairs": [[name(0), name(each)] for each in _helpers(count)],
        "start_s": _BEGIN_S,
        "bytes": _INPUT_BYTES // count,
        "congestion": control,
    }
    scenario = ring(
        f"share-{count}-{control}",
        f"The input of one job sent to {count - 1} others of the ring, by {control}",
        _RUN_S,
        1.0,
        Ground(),
        workload=[share],
    )
    return Scene(scenario=scenario)


def _compute_s(count: int) -> float:
    """How long each of them computes, at equal shares."""
    return _OPERATIONS / (count * ONBOARD["tops"] * 1e12 * ONBOARD["utilisation"])


def _side(count: int) -> int:
    """How many shares go out by the busier of the two lasers."""
    return count // 2


def _predict(_: Scenes, __: Settings) -> Mapping[str, Prediction]:
    hop_s = formulas.one_way_ms(formulas.chord_km(ALTITUDE_KM, 360.0 / COUNT)) / 1e3
    payload_bps = _LASER_GBPS * 1e9 * formulas.PAYLOAD_SHARE
    found = {}
    alone_s = _compute_s(1)
    for count in _SHARES:
        send_s = _side(count) * _INPUT_BYTES / count * 8 / payload_bps
        far_s = _side(count) * hop_s
        found[f"{count} time"] = Prediction(
            what=f"{count} satellites: from the job to the last part done",
            value=send_s + 3 * far_s + _compute_s(count),
            unit="s",
            tolerance=8 * far_s + 0.03 * send_s,
            allows="slow start: four round trips of the farthest; lines that its flows leave idle",
            formula="n/2 shares by the busier laser, S × 8 / R × 1514/1448; a handshake and one "
            "way of the farthest; W / (n P η)",
        )
        found[f"{count} speed-up"] = Prediction(
            what=f"{count} satellites: times faster than one",
            value=alone_s / (send_s + 3 * far_s + _compute_s(count)),
            unit="times",
            tolerance=alone_s
            / (send_s + 3 * far_s + _compute_s(count)) ** 2
            * (8 * far_s + 0.03 * send_s),
            allows="as the time",
            formula="T(1) / T(n)",
        )
    return found


def _measure(runs: Runs) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    for count in _SHARES:
        time_s = _time_s(runs[f"share-{count}"], count)
        found[f"{count} time"] = time_s
        found[f"{count} speed-up"] = time_s and _compute_s(1) / time_s
    return found


def _time_s(run: Run, count: int) -> float | None:
    """From the job to the last part done; None where a share did not arrive."""
    flows = run.summary["tcp"]
    sent = [flow for flow in flows if flow["bytes"] >= _INPUT_BYTES // count // SCALE]
    if len(sent) < count - 1:
        return None
    return max(flow["end_s"] for flow in sent) - _BEGIN_S + _compute_s(count)


def _verdict(found: Findings, _: Settings) -> Verdict:
    most = max(_SHARES)
    faster = found[f"{most} speed-up"].measured
    peak = COUNT * ONBOARD["tops"] / 1e3
    return Verdict(
        answer="holds only if",
        because=f"jobs have little to send: of one with {_INPUT_BYTES / 1e9:.0f} GB of input and "
        f"{_OPERATIONS:.0e} operations twelve make {faster:.1f} times as much as one, "
        f"{100 * faster / most:.0f} % of their sum. The sum itself is {peak:.1f} POPS at peak, of "
        f"which the {_CLAIMED_POPS:g} that are claimed are {100 * _CLAIMED_POPS / peak:.0f} %.",
    )


def _draw(found: Findings, runs: Runs, _: Settings) -> Iterator[Drawing]:
    counts, most = list(_SHARES), max(_SHARES)
    by_cubic = _time_s(runs["cubic"], most)
    told = [found[f"{count} speed-up"] for count in counts]
    series = {
        "as many times": ([1, *counts], [1, *counts], FAINT, "--"),
        "predicted": ([1, *counts], [1, *(f.prediction.value for f in told)], PLANNED, "-"),
        "measured, bbr": (counts, [f.measured or np.nan for f in told], MEASURED, "o"),
        "measured, cubic": ([most], [_compute_s(1) / by_cubic if by_cubic else np.nan], FAINT, "x"),
    }
    names = ("satellites", "times faster")
    svg = lines("aggregate-compute", "Speed-up of one job", series, names)
    yield Drawing(svg=svg, caption="How many times faster one job is done, its input sent first.")


EXPERIMENT = Experiment(
    name="aggregate-compute",
    claim="Twelve satellites of 744 TOPS compute together as one of 5 POPS",
    source="press on the Three-Body constellation",
    setup="One satellite of the ring of twelve splits a job of 10¹⁶ operations on 50 GB evenly "
    "among itself and its neighbours and sends them their shares by TCP (BBR) over two "
    "lasers of 100 Gbit/s; all compute at 30 % of 744 TOPS. Bytes and rates are divided by 1000.",
    takes="5 runs of 8 s with 12 satellites",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
    notes=(
        "Computing is a time by formula here; what is emulated is how the shares travel.",
        "Under cubic the formula does not hold: its HyStart (RFC 9406) takes the queue that the "
        "flows to near satellites make for congestion and leaves slow start; a flow across the "
        "ring then adds a few segments a second while its lines fall idle, and twelve satellites "
        "are some five times as fast as one. BBR measures what is free and is as predicted.",
    ),
)
