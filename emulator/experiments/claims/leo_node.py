"""Is a computing satellite overhead nearer than a data centre at the end of a fibre?"""

from collections.abc import Iterator, Mapping

from emulator.experiments import formulas, scenes
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

_CLAIMED_MS = 10.0, 20.0
_FIBRE_MS = 100.0, 300.0
_SHOWN_HOPS = 6
_SHELLS = [
    Overhead(
        label="leo-550",
        inclination_deg=53,
        per_plane=22,
        altitude_km=550,
        mask_deg=25,
        city="nairobi",
    ),
    Overhead(
        label="leo-800",
        inclination_deg=45,
        per_plane=20,
        altitude_km=800,
        mask_deg=25,
        city="lagos",
    ),
    Overhead(
        label="leo-1068",
        inclination_deg=89,
        per_plane=36,
        altitude_km=1068,
        mask_deg=25,
        city="singapore",
    ),
    Overhead(
        label="leo-1149",
        inclination_deg=50,
        per_plane=18,
        altitude_km=1149,
        mask_deg=10,
        city="sao-paulo",
    ),
]
_PAIRS = [
    ("london", "new-york"),
    ("london", "sydney"),
    ("shanghai", "sao-paulo"),
    ("nairobi", "frankfurt"),
]


def _hops_within(shell: Overhead, elevation_deg: float) -> int:
    """Hops in the plane that fit into the claim, from a satellite at an elevation."""
    left_ms = _CLAIMED_MS[1] - shell.rtt_ms(elevation_deg)
    return max(0, int(left_ms // shell.hop_ms))


def _predict(_: Scenes, settings: Settings) -> Mapping[str, Prediction]:
    found = {}
    for shell in _SHELLS:
        place = f"{shell.city}, {shell.altitude_km:g} km"
        off_deg = shell.off_deg
        off_km = formulas.chord_km(shell.altitude_km, off_deg)
        found[f"{shell.label} zenith"] = Prediction(
            what=f"{place}: nearest, RTT",
            value=shell.rtt_ms(90),
            unit="ms",
            tolerance=formulas.one_way_ms(off_km**2 / shell.altitude_km) + 0.1,
            allows=f"satellites culminate up to {off_deg:.2f}° off the zenith; 5 s between probes",
            formula="2 h / c from the city's own distance to the Earth's centre",
        )
        found[f"{shell.label} mask"] = Prediction(
            what=f"{place}: farthest, at {shell.mask_deg:g}°, RTT",
            value=shell.rtt_ms(shell.mask_deg),
            unit="ms",
            tolerance=0.3,
            allows="5 s between probes, at up to 6 km/s along the line of sight: 0.2 ms",
            formula="2 d / c with d = √(a² - (r cos e)²) - r sin e",
        )
        found[f"{shell.label} hop"] = Prediction(
            what=f"{place}: a hop in the plane adds",
            value=shell.hop_ms,
            unit="ms",
            tolerance=0.1,
            allows="the line between two probes of the serving satellite",
            formula=f"2 × 2 a sin(π/{shell.per_plane}) / c",
        )
    return found


def _measure(runs: Runs) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    for shell in _SHELLS:
        seen = Passes.of(runs[shell.label])
        found[f"{shell.label} zenith"] = float(seen.direct_ms.min())
        found[f"{shell.label} mask"] = float(seen.direct_ms.max())
        found[f"{shell.label} hop"] = seen.hop_ms()
    return found


def _verdict(found: Findings, settings: Settings) -> Verdict:
    nearest = min(found[f"{shell.label} zenith"].measured for shell in _SHELLS)
    farthest = max(found[f"{shell.label} mask"].measured for shell in _SHELLS)
    high = max(_hops_within(shell, 90) for shell in _SHELLS)
    low = max(_hops_within(shell, shell.mask_deg) for shell in _SHELLS)
    from_km = _FIBRE_MS[0] / formulas.fibre_rtt_ms(1.0, settings.fibre_route)
    told = ", ".join(f"{a} – {b} {_fibre_ms(a, b, settings):.0f} ms" for a, b in _PAIRS)
    return Verdict(
        answer="holds only if",
        because="the computer is on the satellite that serves the user "
        f"({nearest:.1f} to {farthest:.1f} ms): at most {high} hop along its plane fits into "
        f"{_CLAIMED_MS[1]:.0f} ms while it stands at the zenith, {low} while it rises or sets. "
        f"Fibre takes {_FIBRE_MS[0]:.0f} ms only beyond {from_km:,.0f} km (routes "
        f"{settings.fibre_route:g} times the great circle: {told}); a data centre nearer than "
        "that is as good.",
    )


def _fibre_ms(a: str, b: str, settings: Settings) -> float:
    apart_km = formulas.great_circle_km(scenes.CITIES[a], scenes.CITIES[b])
    return formulas.fibre_rtt_ms(apart_km, settings.fibre_route)


def _draw(_: Findings, runs: Runs, settings: Settings) -> Iterator[Drawing]:
    series = {}
    for shell, colour in zip(_SHELLS, COLOURS, strict=False):
        seen = Passes.of(runs[shell.label])
        near = seen.hops == 0
        label = f"{shell.altitude_km:g} km over {shell.city}"
        series[label] = (seen.t_s[near].tolist(), seen.direct_ms.tolist(), colour, ".")
    svg = lines(
        "leo-node-passes", "Round trips to the serving satellite", series, ("s", "round trip, ms")
    )
    yield Drawing(svg=svg, caption="Round trips to the serving satellite, probe by probe.")
    yield Drawing(svg=_hops_figure(runs, settings), caption="Round trips by hops along the plane.")


def _hops_figure(runs: Runs, settings: Settings) -> str:
    series = {}
    for shell, colour in zip(_SHELLS, COLOURS, strict=False):
        seen = Passes.of(runs[shell.label])
        few = seen.hops <= _SHOWN_HOPS
        series[f"{shell.altitude_km:g} km"] = (
            seen.hops[few].tolist(),
            seen.rtt_ms[few].tolist(),
            colour,
            ".",
        )
    for limit_ms in _CLAIMED_MS:
        series[f"{limit_ms:g} ms"] = ([0, _SHOWN_HOPS], [limit_ms] * 2, FAINT, "--")
    for a, b in _PAIRS[:2]:
        rtt_ms = _fibre_ms(a, b, settings)
        series[f"fibre {a} – {b}"] = ([0, _SHOWN_HOPS], [rtt_ms] * 2, FAINT, ":")
    return lines(
        "leo-node-hops",
        "Round trips by hops",
        series,
        ("hops from the serving satellite to the computer", "round trip, ms"),
    )


EXPERIMENT = Experiment(
    name="leo-node",
    claim="A computing satellite in low orbit answers within 10 to 20 ms, where fibre to another "
    "continent takes 100 to 300 ms",
    source="press on space computing",
    setup="One plane of each of four shells passes over a city; the city pings the satellite that "
    "serves it, from rise to set, and all others of the plane over the ring of lasers.",
    takes="4 runs of 9 to 20 minutes with 18 to 36 satellites",
    scenes=lambda: {shell.label: shell.scene() for shell in _SHELLS},
    predict=_predict,
    measure=_measure,
    verdict=_verdict,
    draw=_draw,
    notes=("Fibre is not emulated: its times are those of the formula 2 × route × 1.468 × D / c.",),
)
