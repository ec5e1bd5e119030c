"""Tables and lines for terminals: how events, results and plans read. No decisions here."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from emulator.causes import TEXT, Cause
from emulator.lab.bundles import FATES
from emulator.lab.traffic import told
from emulator.ledger import PARTS

_MOST_NAMES = 4
_MOST_FLOWS = 20
_MOST_JOBS = 24
"""Of offloads that are told one by one."""


def console(stream: Any = None) -> Console:
    """A console that never cuts a table for want of a terminal's width."""
    console = Console(file=stream, highlight=False)
    return console if console.is_terminal else Console(file=stream, highlight=False, width=200)


def plain_table(*headings: str) -> Table:
    """A table without rules: every column fits 80 characters."""
    return Table(*headings, box=None, pad_edge=False, header_style="bold")


def table(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> Table:
    """A table of plain dicts; None is a blank."""
    table = plain_table()
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        cells = (row[column] for column in columns)
        table.add_row(*("" if each is None else str(each) for each in cells))
    return table


def event_text(event: dict[str, Any]) -> str:
    """One line about an event of a run, '' for those that need none."""
    match event["event"]:
        case "built":
            counts = f"{event['nodes']} nodes and {event['ports']} ports"
            return f"built {counts} in {event['seconds']:.2f} s"
        case "routing started":
            return f"{event['protocol']} started in {event['seconds']:.1f} s"
        case "converged":
            return f"routes complete in every kernel table after {event['seconds']:.1f} s"
        case "captured":
            size = size_text(event["object_bytes"])
            return f"{event['t_s']:7.1f} s  {event['node']} took an image of {size}"
        case "waits":
            return (
                f"{event['t_s']:7.1f} s  {event['strategy']}: {event['node']} waits for contact "
                f"until {event['until_s']:.0f} s"
            )
        case "no contact":
            return (
                f"{event['t_s']:7.1f} s  {event['strategy']}: {event['node']} has no more contact"
            )
        case "answered":
            return (
                f"{event['t_s']:7.1f} s  {event['strategy']}: answer on the ground at "
                f"{event['delivered_to']} after {event['latency_s']:.2f} s"
            )
        case "setting not used":
            return f"note: {event['reason']}"
        case "late start":
            return (
                f"note: the last of the {event['what']} were started {event['late_s']:.1f} s after "
                "the start, and what was due before is late; virtual time knows no such lateness"
            )
        case "agent killed" | "agent started":
            return f"{event['t_s']:7.1f} s  {event['event']}: {event['node']}"
        case "expired" | "refused" | "missed":
            return (
                f"{event['t_s']:7.1f} s  {event['strategy']}: {event['event']} at {event['node']}"
            )
        case "up":
            return "up"
        case "holding":
            return "the plan has ended: the sky stands still until `lasermesh down`"
        case "fault":
            return f"{event['t_s']:7.1f} s  {event['action']}: {_fault_text(event)}"
        case "shed" | "resumed":
            return f"{event['t_s']:7.1f} s  {_load_text(event)}"
        case "throttled":
            return (
                f"{event['t_s']:7.1f} s  {event['strategy']}: {event['node']} computes on when its "
                f"battery has charged, at {event['until_s']:.0f} s"
            )
        case _:
            return ""


def _fault_text(event: dict[str, Any]) -> str:
    """What a fault takes, and what is special about it."""
    said = [event["origin"]] if event.get("origin", "event") != "event" else []
    said += ["one way"] if event.get("direction") == "a-to-b" else []
    said += ["silent"] if event.get("silent") else []
    return " ".join(event["target"]) + (f" ({', '.join(said)})" if said else "")


def _load_text(event: dict[str, Any]) -> str:
    """Which satellites switched what off or on; many are counted, not named."""
    names = event["nodes"]
    who = " ".join(names) if len(names) <= _MOST_NAMES else f"{len(names)} satellites"
    if event["event"] == "shed":
        return f"battery low, {event['load']} off: {who}"
    return f"battery charged, {event['load']} on: {who}"


def print_summary(out: Console, summary: dict[str, Any]) -> None:
    """Print what a run came to: latencies, round trips, light lost, lag."""
    if summary["offload"]:
        out.print("\nFrom image taken to answer on the ground, seconds")
        if len(summary["offload"]) > _MOST_JOBS:
            out.print(offload_totals_table(summary["offload_totals"]))
        else:
            out.print(offload_table(summary["offload"]))
            for row in summary["offload"]:
                if row["path"]:
                    out.print(f"{row['strategy']}: {' → '.join(row['path'])}")
        out.print("")
    rtt = [row for row in summary["rtt"] if row["error_us"] is not None]
    if rtt:
        worst = max(rtt, key=lambda row: abs(row["error_us"]))
        lost, sent = (sum(row[key] for row in summary["rtt"]) for key in ("lost", "sent"))
        out.print(
            f"RTT against 2 × range/c + serialisation: median error at worst "
            f"{worst['error_us'] / 1e3:+.3f} ms ({worst['a']} – {worst['b']}: expected "
            f"{worst['expected_ms']:.3f}, measured {worst['measured_ms']:.3f} ms); "
            f"{lost} of {sent} probes lost"
        )
    if flows := told(summary):
        out.print("\nTraffic")
        out.print(traffic_table(flows[:_MOST_FLOWS]))
        if len(flows) > _MOST_FLOWS:
            out.print(f"{_MOST_FLOWS} of {len(flows)} flows")
    for row in summary["bundles"]:
        out.print(bundles_text(row))
    if summary["light_lost"]:
        out.print("\nLight lost, by cause")
        out.print(lost_table(summary["light_lost"]))
        out.print("")
    if summary["batteries"]:
        out.print(batteries_text(summary["batteries"]))
    lag = summary["lag_ms"]
    out.print(
        f"{summary['steps']} steps, {summary['changes']} port changes; retune lag "
        f"p50 {lag['p50']:.2f} ms, p99 {lag['p99']:.2f} ms"
    )


def pace_text(machine: dict[str, Any]) -> str:
    """How long a run took, and how much faster than its own clock it was."""
    wall_s, clock_s = machine["wall_s"], machine["clock_s"]
    if not clock_s or machine["clock"] == "real":
        return f"{sum(wall_s.values()):.0f} s"
    steps = [
        f"{name} {clock_s[name]:.3g} s in {wall_s[name]:.3g} s"
        for name in wall_s
        if name in clock_s
    ]
    ratio = f"{machine['speed']:.3g} virtual seconds a second while playing"
    return f"virtual time in wall-clock time: {', '.join(steps)}; {ratio}"


def offload_table(rows: list[dict[str, Any]]) -> Table:
    """Latency and its parts by strategy."""
    table = plain_table()
    for heading in ("strategy", "latency", *PARTS, "hash"):
        numeric = heading in ("latency", *PARTS)
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        if row["latency_s"] is None:
            held = ", ".join(each["node"] for each in row["held_by"])
            said = f"{row['state']} by {held}" if held else row["state"]
            table.add_row(row["strategy"], said)
            continue
        parts = [f"{row['parts_s'][part]:.3f}" for part in PARTS]
        verified = "equal" if row["verified"] else "WRONG"
        table.add_row(row["strategy"], f"{row['latency_s']:.3f}", *parts, verified)
    return table


def traffic_table(rows: list[dict[str, Any]]) -> Table:
    """Flows of tcp, iperf3 and irtt as ``lab.traffic.told`` has them."""
    table = plain_table("from", "to", "flow")
    for heading in ("Mbit/s", "sent again", "lost", "RTT ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("outcome")
    for row in rows:
        least_ms, most_ms = row["min_rtt_ms"], row["max_rtt_ms"]
        table.add_row(
            *(row["a"], row["b"], row["what"]),
            "" if row["goodput_bps"] is None else f"{row['goodput_bps'] / 1e6:,.3f}",
            "" if row["retransmitted"] is None else f"{row['retransmitted']:,}",
            "" if row["packets"] is None else f"{row['lost']:,}/{row['packets']:,}",
            "" if least_ms is None else f"{least_ms:,.1f}-{most_ms:,.1f}",
            row["outcome"] or "",
        )
    return table


def offload_totals_table(rows: list[dict[str, Any]]) -> Table:
    """What became of the jobs of each strategy, how long answers took, and how old they get."""
    table = plain_table("strategy")
    ends = ("answered", "stored", "expired", "refused", "missed", "lost")
    heads = ("jobs", *ends, "late", "p50", "p90", "p99", "age mean", "age peak")
    for heading in heads:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        age = row["age_s"] or {"mean": None, "peak": None}
        times = [
            *(row["latency_s"][key] for key in ("p50", "p90", "p99")),
            age["mean"],
            age["peak"],
        ]
        shown = ["" if each is None else f"{each:,.2f}" for each in times]
        table.add_row(row["strategy"], *(str(row[key]) for key in ("jobs", *ends, "late")), *shown)
    return table


def bundles_text(row: dict[str, Any]) -> str:
    """What became of a workload's bundles, and how long delivery took."""
    fates = ", ".join(f"{row[f]} {f}" for f in (*FATES, "lost") if row[f] or f in FATES[:3])
    said = f"Bundles: {row['created']} made, {fates}"
    if row["delivered"]:
        said += f"; latency mean {row['mean_s']:.3f} s, p50 {row['p50_s']:.3f} s"
        said += f", p95 {row['p95_s']:.3f} s; hashes {'equal' if row['verified'] else 'WRONG'}"
    return said


def lost_table(rows: list[dict[str, Any]]) -> Table:
    """How many contacts each cause ended, and how long it kept pairs of terminals dark."""
    table = plain_table("cause")
    for heading in ("contacts ended", "outages", "dark s"):
        table.add_column(heading, justify="right")
    for row in rows:
        said = TEXT[Cause.of(row["cause"])]
        counts = (f"{row[key]:,}" for key in ("contacts_ended", "outages"))
        table.add_row(said, *counts, f"{row['dark_s']:,.0f}")
    return table


def batteries_text(batteries: dict[str, Any]) -> str:
    """The lowest charge of all batteries, and what it cost."""
    lowest = batteries["lowest"]
    said = (
        f"batteries of {batteries['satellites']} satellites: lowest {100 * lowest['charge']:.0f} % "
        f"({lowest['node']}, {lowest['t_s']:.0f} s)"
    )
    shed = [
        f"{load} off {each['times']:,} times on {each['satellites']:,} satellites, "
        f"{each['total_s']:,.0f} s in all"
        for load, each in batteries["shed"].items()
        if each["times"]
    ]
    return "; ".join([said, *(shed or ["nothing shed"])])


def inspection_table(rows: list[dict[str, Any]]) -> Table:
    """Every port: what it was told, and whether the kernel holds it."""
    table = plain_table(
        "node", "address", "port", "peer", "delay ms", "rate Mbit/s", "limit", "kernel"
    )
    for row in rows:
        told, held = row["desired"], row["kernel"]
        table.add_row(
            row["node"],
            row["address"],
            row["port"],
            told["peer"] or "[dim]dark[/]",
            f"{told['delay_ns'] / 1e6:.6f}" if told["peer"] else "",
            f"{told['rate_bps'] / 1e6:g}",
            str(told["limit_packets"]),
            "[green]equal[/]" if row["equal"] else f"[red]{held}[/]",
        )
    return table


def terminal_table(rows: list[dict[str, Any]]) -> Table:
    """The catalogue of terminals, one a line."""
    table = plain_table()
    for heading in ("name", "what it is", "Gbit/s", "km", "aperture m", "carrier", "W", "assumed"):
        numeric = heading not in ("name", "what it is")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=not numeric)
    for row in rows:
        light = row["wavelength_nm"]
        table.add_row(
            row["name"],
            row["about"],
            f"{row['rate_gbps']:g}",
            f"{row['max_range_km']:g}",
            f"{row['aperture_m']:g}",
            f"{light:g} nm" if light else f"{row['frequency_ghz']:g} GHz",
            "" if row["power_w"] is None else f"{row['power_w']:g}",
            row["assumed"],
        )
    return table


def figure_table(rows: list[dict[str, Any]]) -> Table:
    """The figures of one terminal, each beside its source."""
    table = plain_table("figure", "value", "source")
    for row in rows:
        table.add_row(row["figure"], str(row["value"]), row["source"])
    return table


def short(value: object) -> str:
    """A figure with as many digits as one reads; text as it is."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def size_text(count: float) -> str:
    """A size in decimal units."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:g} {unit}"
        count /= 1000
    return f"{count:g} PB"
