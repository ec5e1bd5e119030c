"""A plan as rows for tables, JSON and CSV."""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from emulator.captures import jobs, offloads
from emulator.contactplan import ContactPlan
from emulator.errors import RunError
from emulator.events import expanded
from emulator.linkplan import LinkPlan
from emulator.part import emulated, part_of
from emulator.placement import GROUND, Placement
from emulator.scenario import Scenario

CONTACT_COLUMNS = ("a", "b", "start_s", "end_s", "range_km", "rate_mbps", "volume_mb")
LINK_COLUMNS = ("t_s", "a", "b", "range_km", "delay_ns", "rate_bps", "return_bps", "margin_db")
EVENT_COLUMNS = ("at_s", "until_s", "what", "target", "direction", "noticed", "origin")
PASS_COLUMNS = ("station", "satellite", "aos", "tca", "los", "max_elevation_deg", "sunlit")


SHORT_PRESET_COLUMNS = ("preset", "satellites", "stations", "emulated", "what_it_is")
PRESET_COLUMNS = ("preset", "satellites", "stations", "laser_links", "steps", "plan_s", "emulated")


def preset_row(
    name: str, scenario: Scenario, plan: LinkPlan | None = None, plan_s: float = 0.0
) -> dict[str, Any]:
    """One row about a preset; with its plan also laser links at the start, and what that took.

    ``emulated``: yes, how many satellites are, or planned only.
    """
    row: dict[str, Any] = {
        "preset": name,
        "satellites": sum(each.size for each in scenario.constellation),
        "stations": len(scenario.ground.station),
        "emulated": _emulated(scenario),
        "what_it_is": scenario.scenario.description,
    }
    if plan is not None:
        laser = plan.network.port_medium[plan.joined(0)["a"]]
        row |= {"laser_links": int(laser.sum()), "steps": plan.steps, "plan_s": round(plan_s, 3)}
    return row


def _emulated(scenario: Scenario) -> str:
    if scenario.emulate is None:
        return "yes"
    if scenario.emulate.planned_only:
        return "planned only"
    part = part_of(emulated(scenario))
    return f"part: {part['satellites']}" if part else "yes"


def moment(plan: LinkPlan, text: str) -> float:
    """Read seconds after the start, or a UTC time; return seconds. Raises RunError."""
    run = plan.scenario.scenario
    try:
        t_s = float(text)
    except ValueError:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            raise RunError(f"--at {text!r} is neither seconds nor an ISO time") from None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        t_s = (when - run.start).total_seconds()
    if not 0 <= t_s < run.duration_s:
        end = run.start + timedelta(seconds=run.duration_s)
        raise RunError(f"--at {text} is outside the scenario: {run.start} to {end}")
    return t_s


def contact_rows(plan: ContactPlan) -> Iterator[dict[str, Any]]:
    """One row a contact, with what a terminal has room for: least and greatest range, mean rate.

    Rates and volumes are from a to b, and back after a slash where that differs.
    """
    for each in plan.contacts:
        yield {
            "a": each.a,
            "b": each.b,
            "start_s": f"{each.start_s:g}",
            "end_s": f"{each.end_s:g}",
            "range_km": f"{each.range_min_km:.0f}–{each.range_max_km:.0f}",
            "rate_mbps": _both_ways(each.rate_mean_bps / 1e6, each.return_mean_bps / 1e6),
            "volume_mb": _both_ways(each.volume_bytes / 1e6, each.return_bytes / 1e6),
        }


def _both_ways(there: float, back: float) -> str:
    texts = [f"{value:.8g}" for value in (there, back)]
    return "/".join(dict.fromkeys(texts))


def link_rows(plan: LinkPlan, steps: Iterable[int]) -> Iterator[dict[str, Any]]:
    """One row a link and step; ranges to a millimetre.

    ``rate_bps`` is from a to b and ``return_bps`` back; ``margin_db`` is of the direction that has
    less, None between terminals without a budget.
    """
    for step in steps:
        for link in plan.links(step):
            margin_db = float(min(link["margin_db"], link["return_margin_db"]))
            yield {
                "t_s": step * plan.step_s,
                "a": plan.network.port_label(int(link["a"])),
                "b": plan.network.port_label(int(link["b"])),
                "range_km": round(float(link["range_km"]), 6),
                "delay_ns": int(link["delay_ns"]),
                "rate_bps": int(link["rate_bps"]),
                "return_bps": int(link["return_bps"]),
                "margin_db": round(margin_db, 3) if math.isfinite(margin_db) else None,
            }


def event_rows(plan: LinkPlan) -> Iterator[dict[str, Any]]:
    """One row a fault: what breaks, from when to when, by what; no ``until_s``: to the end."""
    for each in expanded(plan):
        yield {
            "at_s": each.at_s,
            "until_s": each.until_s if math.isfinite(each.until_s) else None,
            "what": each.kind,
            "target": " ".join(each.target),
            "direction": each.direction,
            "noticed": "no" if each.silent else "carrier",
            "origin": each.origin,
        }


def pass_rows(scenario: Scenario) -> Iterator[dict[str, Any]]:
    """One row a pass, from Skyfield."""
    from emulator.passes import passes

    for each in passes(scenario):
        times = {
            name: f"{when:%Y-%m-%d %H:%M:%S}" if (when := getattr(each, name)) else "-"
            for name in ("aos", "tca", "los")
        }
        yield {
            "station": each.station,
            "satellite": each.satellite,
            **times,
            "max_elevation_deg": round(each.max_elevation_deg, 2),
            "sunlit": each.sunlit,
        }


_MILLISECOND = 3
"""Decimals of a second."""
OFFLOAD_COLUMNS = ("image_s", "source", "strategy", "computed_by", "answer_s", "latency_s")


def offload_rows(plan: LinkPlan) -> Iterator[dict[str, Any]]:
    """What is expected of each image by each strategy, if nothing else went: the best option.

    ``answer_s`` is None where no answer comes before the scenario's end.
    """
    names = [node.name for node in plan.network.nodes]
    placements = [Placement(spec, plan) for spec in offloads(plan)]
    for job in jobs(plan):
        image = job.image
        found = placements[job.workload].options(job.strategy, image.source, image.at_s)
        row: dict[str, Any] = dict.fromkeys(OFFLOAD_COLUMNS)
        row |= {"image_s": image.at_s, "source": names[image.source], "strategy": job.strategy}
        if found:
            nodes = dict.fromkeys(task.node for task in found[0].tasks)
            places = ["the ground" if node == GROUND else names[node] for node in nodes]
            row["computed_by"] = ", then ".join(places)
        if found and np.isfinite(found[0].finish_s):
            row["answer_s"] = round(found[0].finish_s, _MILLISECOND)
            row["latency_s"] = round(found[0].finish_s - image.at_s, _MILLISECOND)
        yield row
