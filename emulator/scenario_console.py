"""What the subcommands do that only read: scenarios, plans, contacts, the catalogue. No kernel."""

import csv
import json
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from emulator import scenario_checks, tables
from emulator.errors import RunError, ScenarioError
from emulator.scenario import Scenario

_out = tables.console()


def plan(reference: str, at: str | None, form: str, output: Path | None, instead: str = "") -> None:
    """Print or write a plan, or its ``passes``, ``events`` or ``offload`` instead."""
    from emulator import planview
    from emulator.contactplan import ContactPlan
    from emulator.linkplan import LinkPlan

    scenario = Scenario.load(reference)
    if instead == "passes":
        rows, columns = planview.pass_rows(scenario), planview.PASS_COLUMNS
    elif instead == "events":
        rows, columns = planview.event_rows(LinkPlan.of(scenario)), planview.EVENT_COLUMNS
    elif instead == "offload":
        rows, columns = planview.offload_rows(LinkPlan.of(scenario)), planview.OFFLOAD_COLUMNS
    else:
        built = LinkPlan.of(scenario)
        if form == "npz":
            if output is None:
                raise RunError("npz is binary: name a file with -o")
            from emulator.record import write_plan

            write_plan(built, output)
            return
        t_s = None if at is None else planview.moment(built, at)
        if t_s is None and form == "table":
            rows = planview.contact_rows(ContactPlan.of(built))
            columns = planview.CONTACT_COLUMNS
        else:
            steps = range(built.steps) if t_s is None else [built.step_of(t_s)]
            rows, columns = planview.link_rows(built, steps), planview.LINK_COLUMNS
    with output.open("w") if output else nullcontext(sys.stdout) as target:
        if form == "json":
            json.dump(list(rows), target, indent=1)
            target.write("\n")
        elif form == "csv":
            writer = csv.DictWriter(target, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        else:
            tables.console(target).print(tables.table(rows, columns))


def contacts(reference: str, form: str, wanted: dict[str, Any], output: Path | None) -> None:
    """Print or write the contacts that are ``wanted``: the arguments of ContactPlan.select."""
    from emulator import planview, tvr
    from emulator.contactplan import ContactPlan
    from emulator.linkplan import LinkPlan
    from emulator.network import Network

    scenario = Scenario.load(reference)
    known = [node.name for node in Network.of(scenario).nodes]
    named = {"--between": wanted["between"] or (), "--over": filter(None, [wanted["over"]])}
    if problems := [
        each
        for option, names in named.items()
        for each in scenario_checks.unknown(names, known, option, "node", reference)
    ]:
        raise ScenarioError(tuple(problems))
    found = ContactPlan.of(LinkPlan.of(scenario)).select(**wanted)
    if not found.contacts:
        print(f"{reference}: there is no such contact", file=sys.stderr)
    written = {"json": found.to_json, "csv": found.to_csv, "tvr": lambda: tvr.to_tvr(found)}
    with output.open("w", encoding="utf-8") if output else nullcontext(sys.stdout) as target:
        if form in written:
            target.write(written[form]())
        elif found.contacts:
            rows = planview.contact_rows(found)
            tables.console(target).print(tables.table(rows, planview.CONTACT_COLUMNS))


def explain(reference: str, ends: tuple[str, str], at: str | None) -> None:
    """Say why a link is there or not: at one moment in one line, else all along."""
    from emulator import planview
    from emulator.causes import TEXT, Cause
    from emulator.explain import explain, history
    from emulator.linkplan import LinkPlan

    built = LinkPlan.of(Scenario.load(reference))
    if at is not None:
        _out.print(explain(built, *ends, planview.moment(built, at)), soft_wrap=True)
        return
    spans = history(built, *ends)
    for each in spans:
        ended = each.ended not in (Cause.LINKED, Cause.END)
        last = f", then {TEXT[each.ended]}" if ended else ""
        _out.print(
            f"{each.start_s:9g} to {each.end_s:9g} s  {TEXT[each.cause]} {each.ports}{last}",
            soft_wrap=True,
        )
    if not spans:
        _out.print(explain(built, *ends, 0.0), soft_wrap=True)


def check(references: Sequence[str]) -> int:
    """Check scenarios; 0 if all are sound, 2 otherwise."""
    sound = True
    for reference in references:
        try:
            scenario = Scenario.load(reference)
            if scenario.emulate and not scenario.emulate.planned_only:
                from emulator.part import emulated

                emulated(scenario, reference)
        except ScenarioError as error:
            print(error, file=sys.stderr)
            sound = False
        else:
            nodes = sum(each.size for each in scenario.constellation)
            stations = len(scenario.ground.station)
            print(f"{reference}: sound ({nodes} satellites, {stations} stations)")
    return 0 if sound else ScenarioError.exit_code


def scenarios(form: str, measure: bool) -> None:
    """List the presets; ``measure``: plan each, and tell its links and how long that took."""
    from emulator import planview
    from topologies import presets

    columns = planview.PRESET_COLUMNS if measure else planview.SHORT_PRESET_COLUMNS
    rows = (_preset_row(name, measure) for name in presets())
    if form == "json":
        print(json.dumps([{c: row[c] for c in columns} for row in rows], indent=1))
    else:
        _out.print(tables.table(rows, columns))


def _preset_row(name: str, measure: bool) -> dict[str, Any]:
    from emulator import planview
    from emulator.linkplan import LinkPlan

    scenario = Scenario.load(name)
    if not measure:
        return planview.preset_row(name, scenario)
    began = time.perf_counter()
    plan = LinkPlan.of(scenario)
    return planview.preset_row(name, scenario, plan, time.perf_counter() - began)


def terminals(name: str | None, form: str) -> None:
    """List the catalogue of terminals, or the figures of one entry with their sources."""
    from emulator import catalogue_view

    rows = catalogue_view.figure_rows(name) if name else catalogue_view.terminal_rows()
    if form == "json":
        print(json.dumps(rows, indent=1))
    else:
        _out.print(tables.figure_table(rows) if name else tables.terminal_table(rows))
