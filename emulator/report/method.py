"""How the numbers of a report were obtained: kernel, clock, scale, model, machine. In words."""

import re
from collections.abc import Iterable
from typing import Any

from emulator.computers import Computer
from emulator.report.page import (
    NBSP,
    absent,
    count,
    heading,
    listing,
    paragraph,
    plain,
    plainly,
    seconds,
    significant,
    table,
)
from emulator.report.record import RunRecord
from emulator.workloads import OffloadWorkload

_KERNELS = {
    "host": "the Linux kernel of the host",
    "usermode": "a user-mode Linux kernel, booted for this run",
    "virtual": "a user-mode Linux kernel with a clock of its own, booted for this run",
}
_CLOCKS = {
    "real": "in real time: a busy machine shows up in the round trips and in the lag above",
    "virtual": "in virtual time, in which computing costs nothing: the speed and the load of the "
    "machine change how long a run takes, not what it measures",
}


def method(record: RunRecord) -> list[str]:
    """Return the last section of the report."""
    summary = record.summary
    scale, routing = summary["rate_scale"], summary["routing"]
    played = (
        f"The orbits of scenario {summary['scenario']} (seed {summary['seed']}) gave the state of "
        f"every link beforehand. {count(summary['nodes'], 'node')} with "
        f"{count(summary['ports'], 'terminal')} were network namespaces of "
        f"{_KERNELS.get(summary['kernel'], summary['kernel'])}; its netem held every packet back "
        f"by the light time and sent it at the rate of its link. {summary['steps']:,} steps made "
        f"{count(summary['changes'], 'change')} to ports. "
        f"The run went {_CLOCKS.get(summary['clock'], summary['clock'])}."
    )
    if routing.get("converged_s") is not None:
        played += f" Routing by {routing['protocol']} had converged after "
        played += f"{seconds(routing['converged_s'])}; then the run began."
    parts = [
        heading("How these numbers were obtained"),
        paragraph(played),
        paragraph(_scale_text(scale)),
        paragraph(_parts_text(record)),
        heading("The machine", 3),
    ]
    if not record.machine:
        return [*parts, absent("Unknown", record.missing.get("machine", "machine.json is empty"))]
    return [*parts, table(["What", "Value"], _flat(record.machine), "narrow")]


def _scale_text(scale: float) -> str:
    if scale == 1:
        return "Rate scale 1: all rates and object sizes are those of the scenario."
    return (
        f"Rate scale {plain(scale)}: every rate and every object size was divided by "
        f"{plain(scale)}; delays and compute times were not. A transfer takes as long as at "
        f"full scale, in 1/{plain(scale)} of the packets. Not to scale: a packet takes "
        f"{plain(scale)} times as long to put on the line, which small objects and round trips "
        "feel, and TCP opens its window to the smaller flow in fewer round trips than it would "
        "at full rate."
    )


def _parts_text(record: RunRecord) -> str:
    images = [w for w in record.scenario.workload if isinstance(w, OffloadWorkload)]
    text = "Round trips were measured by probes between the nodes, not taken from the plan."
    if not images:
        return text
    works = sorted({image.work for image in images})
    operations = listing([f"{significant(work / 1e12)}{NBSP}×{NBSP}10¹²" for work in works])
    onboard = _computers(each.computer for each in record.scenario.constellation)
    ground = _computers(each.computer for each in record.scenario.ground.station)
    return (
        f"{text} Totals were measured from the moment the image was complete to the answer on the "
        f"ground. Of their parts, compute is a model, not a measurement: {operations} operations "
        f"by satellites of {onboard} and ground computers of {ground}, waited for and not scaled. "
        f"{_pause_text(record)}Wait is the time until a contact opened; queue, until a computer or "
        "a channel was free of other jobs. Transmit is the object's bytes, with headers, at the "
        "rate of the slowest channel of its path; propagate the light time of that; retransmit "
        "what was sent again, and recovery. Other is what is left of each sending: "
        "handshakes and slow start, and routes that were not there yet. The parts are whole "
        "nanoseconds and sum to the total."
    )


def _pause_text(record: RunRecord) -> str:
    if not any(event["event"] == "throttled" for event in record.events):
        return ""
    return "It contains pauses in which a battery had the satellite's computer off. "


def _computers(found: Iterable[Computer | None]) -> str:
    """Name the computers, each kind once."""
    kinds = {(each.tops, each.utilisation) for each in found if each}
    said = [f"{plain(t)}{NBSP}TOPS at {u * 100:.0f}{NBSP}%" for t, u in sorted(kinds)]
    return listing(said) if said else "no computer"


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, each in value.items():
        words = re.sub(r" (s|ms)$", r", \1", key.replace("_", " "))
        if isinstance(each, dict):
            rows.extend(_flat(each, f"{prefix}{words}: "))
        else:
            rows.append((f"{prefix}{words}", plainly(each)))
    return rows
