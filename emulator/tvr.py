"""ContactPlan → a schedule as the IETF's time-variant routing models have it, in JSON.

The form is that of draft-ietf-tvr-schedule-yang, "A YANG Data Model for Scheduled Attributes", by
its module ietf-tvr-topology of revision 2026-06-11: later than version 09 of the draft, of June
2026, and still an Internet-Draft, so it may change (until version 08 it had a tree of its own).
That module augments the network topologies of RFC 8345, and its schedules are the grouping
tvr-schedule of ietf-tvr-schedule (2026-05-19) over RFC 9922's period-of-time. JSON is RFC 7951's:
members are qualified where the module changes, and 64-bit integers are strings. Around it is
RFC 9195's file format for instance data, whose description tells what the models have no leaf
for: the scenario's ``rate_scale``.

    network       the scenario
    node          each that has a contact; always available, since what varies are its links
    termination-point
                  each port that has a contact; not available by default
    schedule      a contact as its transmitting end sees it. ``schedule-id`` is the number of the
                  contact, from 1 in the order of the plan: both its ends share it

``bandwidth`` is the mean over the contact, so that times its length it is the volume; ``delay`` is
the longest of the contact in whole microseconds, rounded up: the draft takes it as a lower bound.
Identifiers are URIs, as RFC 9911 wants them: ``network:NAME``, ``node:NAME``, ``port:NAME``.
"""

import json
from collections.abc import Iterator
from typing import Any

from emulator.contactplan import Contact, ContactPlan, utc_text

MODULES = (
    "ietf-network@2018-02-26",
    "ietf-network-topology@2018-02-26",
    "ietf-tvr-topology@2026-06-11",
)
_AVAILABLE = "ietf-tvr-topology:available"


def to_tvr(plan: ContactPlan) -> str:
    """Return ``plan`` as a YANG instance data set of the modules :data:`MODULES`."""
    described = [
        f"Contacts of the Lasermesh scenario {plan.scenario}: {utc_text(plan.start)} and "
        f"{plan.duration_s:g} s from there, in steps of {plan.step_s:g} s.",
        f"Bandwidths are divided by rate_scale = {plan.rate_scale:g}; delays are not.",
    ]
    data_set = {
        "includes-defaults": "explicit",
        "content-schema": {"module": list(MODULES)},
        "description": described,
        "content-data": {"ietf-network:networks": {"network": [_network(plan)]}},
    }
    return json.dumps({"ietf-yang-instance-data:instance-data-set": data_set}, indent=1) + "\n"


def _network(plan: ContactPlan) -> dict[str, Any]:
    schedules: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for number, contact in enumerate(plan.contacts, start=1):
        for label, schedule in _both_ends(number, contact):
            node, _, port = label.partition(":")
            schedules.setdefault(node, {}).setdefault(port, []).append(schedule)
    nodes = [_node(name, ports) for name, ports in sorted(schedules.items())]
    named = {
        "network-id": f"network:{plan.scenario}",
        "network-types": {"ietf-tvr-topology:tvr-topology": {}},
    }
    return {**named, "node": nodes} if nodes else named


def _node(name: str, ports: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "node-id": f"node:{name}",
        _AVAILABLE: {"default-node-available": True},
        "ietf-network-topology:termination-point": [
            {
                "tp-id": f"port:{port}",
                _AVAILABLE: {"schedule": schedules, "default-link-available": False},
            }
            for port, schedules in sorted(ports.items())
        ],
    }


def _both_ends(number: int, contact: Contact) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each end and its schedule: links of the models run one way."""
    a, b = contact.nodes
    yield contact.a, _schedule(number, contact, contact.rate_mean_bps, b)
    yield contact.b, _schedule(number, contact, contact.return_mean_bps, a)


def _schedule(number: int, contact: Contact, rate_bps: int, peer: str) -> dict[str, Any]:
    return {
        "schedule-id": number,
        "period-start": utc_text(contact.start),
        "period-end": utc_text(contact.end),
        "link-attributes": {
            "link-available": True,
            "bandwidth": str(rate_bps),
            "delay": str(-(-contact.delay_max_ns // 1000)),
            "destination-nodes": [f"node:{peer}"],
            "strict-destination-checking": True,
        },
    }
