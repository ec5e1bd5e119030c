"""A plan as rows for tables, JSON and CSV."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from emulator.errors import RunError
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario

CONTACT_COLUMNS = ("a", "b", "start_s", "end_s", "start_utc", "range_km", "delay_ms", "rate_mbps")
LINK_COLUMNS = ("t_s", "a", "b", "range_km", "delay_ns", "rate_bps")
PASS_COLUMNS = ("station", "satellite", "aos", "tca", "los", "max_elevation_deg", "sunlit")


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


def contact_rows(plan: LinkPlan) -> Iterator[dict[str, Any]]:
    """One row a contact; range, delay and rate are those of its first step."""
    start = plan.scenario.scenario.start
    first = {step: plan.links(step) for step in set(plan.contacts["start"].tolist())}
    for contact in plan.contacts:
        links = first[int(contact["start"])]
        link = next(row for row in links if row["a"] == contact["a"] and row["b"] == contact["b"])
        begins_s = float(contact["start"] * plan.step_s)
        yield {
            "a": plan.network.port_label(int(contact["a"])),
            "b": plan.network.port_label(int(contact["b"])),
            "start_s": begins_s,
            "end_s": float(contact["end"] * plan.step_s),
            "start_utc": f"{start + timedelta(seconds=begins_s):%Y-%m-%d %H:%M:%S}",
            "range_km": round(float(link["range_km"]), 3),
            "delay_ms": round(int(link["delay_ns"]) / 1e6, 6),
            "rate_mbps": int(link["rate_bps"]) / 1e6,
        }


def link_rows(plan: LinkPlan, steps: Iterable[int]) -> Iterator[dict[str, Any]]:
    """One row a link and step; ranges to a millimetre."""
    for step in steps:
        for link in plan.links(step):
            yield {
                "t_s": step * plan.step_s,
                "a": plan.network.port_label(int(link["a"])),
                "b": plan.network.port_label(int(link["b"])),
                "range_km": round(float(link["range_km"]), 6),
                "delay_ns": int(link["delay_ns"]),
                "rate_bps": int(link["rate_bps"]),
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
