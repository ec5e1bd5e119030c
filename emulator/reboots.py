"""When satellites go down with all that runs on them, by ``reboot`` of an event. Pure."""

import math

from emulator.linkplan import LinkPlan


def reboots(plan: LinkPlan) -> list[tuple[float, float, int]]:
    """Return (from, to, node) of each, by time; ``to`` is infinite where it does not come back."""
    found = []
    for event in plan.scenario.event:
        if not event.reboot:
            continue
        ups = [
            up.at_s
            for up in plan.scenario.event
            if up.action == "satellite up" and up.target == event.target and up.at_s > event.at_s
        ]
        until_s = min([event.at_s + (event.for_s or math.inf), *ups])
        found.append((event.at_s, until_s, plan.network.node(event.target[0]).index))
    return sorted(found)
