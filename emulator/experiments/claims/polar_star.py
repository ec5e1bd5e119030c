"""A polar star: how long are lasers between its planes off, and what does routing lose by it?"""

from collections.abc import Iterator, Mapping

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

_PRESET = "guowang-star"
_STEP_S = 2.0
_ACQUISITION_S = 15.0
_WINDOW_S = 60.0
_PROBES_S = 0.1
_TURNS = 2
_SCHEMES = ("oracle", "bird-ospf")


def _star(label: str, about: str, duration_s: float, **more: object) -> Scene:
    """The preset without stations, its lasers ideal."""
    run = {"name": label, "description": about, "duration_s": duration_s, "rate_scale": 1.0}
    pointing = {"acquisition_s": more.pop("acquisition_s", 0.0), "coast_s": 0.0}
    shell = scenes.shell(
        "gw",
        "86.5:60/6/3",
        1168,
        form="star",
        raan_start_deg=229.7,
        raan_spacing_deg=30.3,
        gsl=None,
    )
    emulated = more.pop("emulated", True)
    scenario = scenes.preset(
        _PRESET,
        scenario=run | more.pop("scenario", {}),
        terminals={"laser": scenes.ideal(100.0) | {"pointing": pointing}},
        constellation=[shell],
        ground=None,
        **{"workload": None, **more},
    )
    return Scene(scenario=scenario, emulated=emulated)


def _first_cut(scene: Scene) -> tuple[float, tuple[str, str]]:
    """When the first laser across planes goes off after a while of light, and whose it is."""
    from emulator.linkplan import LinkPlan

    plan = LinkPlan.of(scene.scenario)
    network, rows = plan.network, plan.contacts
    lasting = rows[(rows["start"] == 0) & (rows["end"] < plan.steps)]
    late = lasting[lasting["end"] * plan.step_s > 20]
    row = late[np.argmin(late["end"])]
    ends = (network.nodes[network.port_node[row[end]]].name for end in ("a", "b"))
    return float(row["end"] * plan.step_s), tuple(ends)


def _scenes() -> Scenes:
    turn_s = _TURNS * formulas.period_s(1168)
    planned = {"emulated": False, "scenario": {"step_s": _STEP_S}}
    duty = _star("duty", "Two revolutions, links at once", turn_s, **planned)
    found = {
        "duty": duty,
        "acquired": _star(
            "acquired",
            "Two revolutions, links after 15 s",
            turn_s,
            acquisition_s=_ACQUISITION_S,
            **planned,
        ),
    }
    cut_s, pair = _first_cut(duty)
    begin_s = max(0.0, cut_s - _WINDOW_S / 2)
    workload = [{"kind": "ping", "pairs": [list(pair)], "interval_s": _PROBES_S}]
    for scheme in _SCHEMES:
        found[scheme] = _star(
            scheme,
            f"The first link across planes goes off after {cut_s:g} s",
            begin_s + _WINDOW_S,
            workload=workload,
            routing={"protocol": scheme, "hello_s": 1, "dead_s": 4},
        )
    return found


def _off(scene: Scene) -> tuple[float, float]:
    """Share of time that a link across planes is off, and when its next plane is met (s)."""
    shell = scene.scenario.constellation[0]
    pattern = shell.walker_pattern()
    cut_deg = scene.scenario.isl[0].latitude_cut_deg
    share = formulas.share_above_latitude(pattern.inclination_deg, cut_deg)
    return share, formulas.period_s(pattern.altitude_km)


def _predict(scenes: Scenes, _: Settings) -> Mapping[str, Prediction]:
    share, period_s = _off(scenes["duty"])
    step = f"steps of {_STEP_S:g} s: half of one at each of four edges a revolution"
    off = 4 * _STEP_S / 2 / period_s
    found = {
        "off": Prediction(
            what="share of time that a link across planes is off",
            value=100 * share,
            unit="%",
            tolerance=100 * (off + 0.001),
            allows=f"{step}; J2 shifts revolutions by 0.1 %",
            formula="(90° - asin(sin 70° / sin i)) / 90°",
        ),
        "cycles": Prediction(
            what="times that it goes off, a revolution",
            value=2.0,
            unit="times",
            tolerance=0.01,
            allows="J2 shifts revolutions by 0.1 %",
            formula="at each pole",
        ),
        "acquisition": Prediction(
            what="more of it off where lasers take 15 s to find each other",
            value=100 * 2 * _ACQUISITION_S / period_s,
            unit="%",
            tolerance=100 * 2 * _STEP_S / period_s,
            allows="each acquisition ends at a step",
            formula="two acquisitions a revolution",
        ),
        "oracle": Prediction(
            what="outage at a planned cut, told of it (oracle)",
            value=0.0,
            unit="s",
            tolerance=0.0,
            allows="nothing: routes leave the link one step before",
            formula="a time-table loses nothing",
        ),
    }
    tick_s = 1.0
    found["bird-ospf"] = Prediction(
        what="outage at a planned cut, not told of it (bird-ospf)",
        value=tick_s / 2,
        unit="s",
        tolerance=tick_s / 2 + 0.2,
        allows="when in that second the cut comes; light over the detour; one probe",
        formula="BIRD works out routes once a second (its tick)",
    )
    return found


def _duty(run: Run) -> tuple[float, float]:
    """Share of time off, and times of going off in a revolution, over links across planes."""
    plan = run.plan
    network, rows = plan.network, plan.contacts
    plane = np.array([name.name.split("-")[1] for name in network.nodes])
    a, b = network.port_node[rows["a"]], network.port_node[rows["b"]]
    across = plane[a] != plane[b]
    rows, low, high = rows[across], np.minimum(a, b)[across], np.maximum(a, b)[across]
    pairs = len(np.unique(low * len(network.nodes) + high))
    lit = (rows["end"] - rows["start"]).sum() / (pairs * plan.steps)
    ended = (rows["end"] < plan.steps).sum()
    return 100 * (1 - float(lit)), float(ended) / pairs / _TURNS


def _outage_s(run: Run) -> float | None:
    """Of the pair: its longest row of lost probes, as the time that they stand for."""
    rows = run.query("SELECT rtt_ms FROM probes ORDER BY t_s")
    longest = row = 0
    for (rtt_ms,) in rows:
        row = row + 1 if rtt_ms is None else 0
        longest = max(longest, row)
    return longest * _PROBES_S if rows else None


def _measure(runs: Runs) -> Mapping[str, float | None]:
    off, cycles = _duty(runs["duty"])
    later, _ = _duty(runs["acquired"])
    outages = {scheme: _outage_s(runs[scheme]) for scheme in _SCHEMES}
    return {"off": off, "cycles": cycles, "acquisition": later - off, **outages}


def _verdict(found: Findings, _: Settings) -> Verdict:
    worst = max(found[scheme].measured for scheme in _SCHEMES[1:])
    return Verdict(
        answer="holds",
        because=f"links across planes are off {found['off'].measured:.1f} % of the time, all of it "
        f"known beforehand: routing that is told loses nothing, OSPF up to {worst:.2f} s at a cut.",
    )


def _draw(found: Findings, _: Runs, __: Settings) -> Iterator[Drawing]:
    shown = {
        "predicted": ([found[key].prediction.value for key in _SCHEMES], PLANNED),
        "measured": ([found[key].measured for key in _SCHEMES], MEASURED),
    }
    svg = bars("polar-star", "Outages at a planned cut", _SCHEMES, shown, "outage, s")
    yield Drawing(svg=svg, caption="Outages of a pair whose laser the plan cuts.")


EXPERIMENT = Experiment(
    name="polar-star",
    claim="The lasers between a polar star's planes go off near the poles, and routing by a "
    "time-table loses nothing by it",
    source="textbooks on polar constellations",
    setup="Guowang's star of 60 satellites at 1,168 km and 86.5°; links across planes off beyond "
    "70° of latitude. Two revolutions are planned; around one cut the pair pings under routing "
    "that is told of it and routing that is not.",
    takes="a plan of 3.6 h, 2 runs of two minutes with 60 satellites",
    scenes=_scenes,
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
)
