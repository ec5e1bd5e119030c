"""What is wrong with the workloads of a scenario, in the user's words.

Works on plain values, as ``scenario_checks.py`` does, whose checks these belong to.
"""

import math
from collections.abc import Iterator
from typing import Any

from emulator.errors import Problem, unknown
from emulator.roster import Roster

MOST_BUNDLE_BYTES = 1 << 26
"""A bundle is whole in its node's memory while it is sent, and in the next one's."""
_MOST_TEXT = f"{MOST_BUNDLE_BYTES:,} at most"
_MOST_TIMES = 10**6
"""Images by strategies, or bundles, of one workload: all are listed before the start."""


def _flow_checks(known: Any, work: Any, key: str, nodes: Any, file: str) -> Iterator[Problem]:
    named = [name for pair in work.pairs for name in pair]
    yield from unknown(named, nodes, f"{key}.pairs", "node", file)
    for a, b in work.pairs:
        if a == b:
            yield Problem(file, f"{key}.pairs", repr(a), "sends to itself", "Name two nodes")
    if "scenario" in known and work.start_s >= known["scenario"].duration_s:
        remedy = "Start earlier or lengthen duration_s"
        yield Problem(file, f"{key}.start_s", str(work.start_s), "is after the end", remedy)


def _too_many(count: float, what: str, key: str, value: float, file: str) -> Iterator[Problem]:
    if count > _MOST_TIMES:
        reason = f"makes {count:,.0f} {what}, and {_MOST_TIMES:,} is the most"
        yield Problem(file, key, str(value), reason, "Give more seconds, or a shorter duration_s")


def _bundle_checks(known: Any, work: Any, key: str, nodes: Any, file: str) -> Iterator[Problem]:
    yield from unknown(work.sources, nodes, f"{key}.sources", "node", file)
    yield from unknown([work.destination], nodes, f"{key}.destination", "node", file)
    if work.destination in work.sources:
        remedy = "Leave it out, or choose another destination"
        name = repr(work.destination)
        yield Problem(file, f"{key}.sources", name, "is the destination too", remedy)
    if len(set(work.sources)) != len(work.sources):
        twice = next(name for name in work.sources if work.sources.count(name) > 1)
        yield Problem(file, f"{key}.sources", repr(twice), "is there twice", "Name it once")
    if "scenario" not in known:
        return
    run = known["scenario"]
    if work.start_s >= run.duration_s:
        remedy = "Start earlier or lengthen duration_s"
        yield Problem(file, f"{key}.start_s", str(work.start_s), "is after the end", remedy)
    count = min(work.count or math.inf, (run.duration_s - work.start_s) / work.every_s)
    count *= len(work.sources)
    yield from _too_many(count, "bundles", f"{key}.every_s", work.every_s, file)
    if (scaled := work.bundle_bytes / run.rate_scale) > MOST_BUNDLE_BYTES:
        reason = f"makes bundles of {scaled:,.0f} bytes after scaling, and nodes hold {_MOST_TEXT}"
        remedy = "Make them smaller, as files are sent in parts, or raise rate_scale"
        yield Problem(file, f"{key}.bundle_bytes", str(work.bundle_bytes), reason, remedy)


def workload_checks(known: Any, satellites: Any, nodes: Any, file: str) -> Iterator[Problem]:
    """What is wrong with each ``[[workload]]`` of a scenario with these nodes."""
    for index, work in enumerate(known.get("workload", ())):
        key = f"workload[{index}]"
        if work.kind == "ping":
            named = [name for pair in work.pairs for name in pair]
            yield from unknown(named, nodes, f"{key}.pairs", "node", file)
            continue
        if work.kind in ("tcp", "irtt", "iperf3"):
            yield from _flow_checks(known, work, key, nodes, file)
            continue
        if work.kind == "bundles":
            yield from _bundle_checks(known, work, key, nodes, file)
            continue
        yield from _offload_checks(known, work, key, satellites, file)


def _offload_checks(
    known: Any, work: Any, key: str, satellites: Any, file: str
) -> Iterator[Problem]:
    shells = {each.name: each for each in known["constellation"]}
    where = f"{key}.sources" if work.sources else f"{key}.source"
    allowed = Roster(known["constellation"], list(shells)) if work.sources else satellites
    yield from unknown(work.named, allowed, where, "satellite", file)
    stations = known["ground"].station
    if not stations:
        remedy = "Add a [[ground.station]]"
        yield Problem(file, key, "", "has no ground to bring an answer to", remedy)
    if "scenario" in known and work.first_image_s >= known["scenario"].duration_s:
        when = "first_s" if work.every_s else "capture_s"
        remedy = "Capture earlier or lengthen duration_s"
        yield Problem(file, f"{key}.{when}", str(work.first_image_s), "is after the end", remedy)
    if "scenario" in known and (work.every_s or work.over):
        # How long a satellite is over an area is not known yet.
        often = "every_s" if work.every_s else "cadence_s"
        between_s = work.every_s or work.between_s
        sources = sum(shells[n].size if n in shells else 1 for n in work.named)
        count = (known["scenario"].duration_s - work.first_image_s) / between_s
        count *= len(work.strategies) * (1 if work.over else sources)
        yield from _too_many(count, "images to answer", f"{key}.{often}", between_s, file)
    yield from unknown(work.relay, shells, f"{key}.relay", "constellation", file)
    owner = Roster(known["constellation"]).owner
    own = [shells.get(name) or owner(name) for name in work.named]
    on_board = {shell.name: shell.computer for shell in own if shell}
    on_ground = {each.name: each.computer for each in stations}
    anywhere = [shell.computer for shell in shells.values() if shell.computer]
    told: set[str] = set()
    for strategy in work.strategies:
        if strategy in ("neighbour", "next-contact"):
            if not any(each.holds(work.memory_gb) for each in anywhere):
                reason = "needs a satellite with a computer that holds its model; there is none"
                remedy = "Add computer = { tops = …, utilisation = … } to a constellation"
                yield Problem(file, f"{key}.strategies", repr(strategy), reason, remedy)
            continue
        computers = on_board if strategy.startswith("onboard") else on_ground
        computers = on_board | on_ground if strategy == "split" else computers
        fresh = {name: each for name, each in computers.items() if name not in told}
        told |= fresh.keys()
        yield from _computer_checks(strategy, fresh, work.memory_gb, f"{key}.strategies", file)


def _computer_checks(
    strategy: str, computers: dict[str, Any], model_gb: float, key: str, file: str
) -> Iterator[Problem]:
    """Of all that may have to compute: those without a computer, or with one too small."""
    for name, computer in computers.items():
        if computer is None:
            reason = f"needs a computer, and {name!r} has none"
            remedy = "Add computer = { tops = …, utilisation = … } to it, or leave the strategy out"
        elif not computer.holds(model_gb):
            reason = f"needs {model_gb:g} GB for its model, and {name!r} has {computer.memory_gb:g}"
            remedy = "Give the computer more memory_gb, or leave the strategy out"
        else:
            continue
        yield Problem(file, key, repr(strategy), reason, remedy)
