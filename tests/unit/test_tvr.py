"""The IETF's schedule of a time-variant topology: its leaves, their types, and what they say."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from emulator import tvr
from emulator.contactplan import ContactPlan
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from tests.unit.test_contactplan import GOLDEN, MADE


@pytest.fixture(scope="module")
def three_body_contacts(three_body: Scenario) -> ContactPlan:
    return ContactPlan.of(LinkPlan.of(three_body))


class Leaf:
    """A YANG type by its RFC 7951 encoding."""

    def __init__(self, kind: type, pattern: str = "") -> None:
        self.kind, self.pattern = kind, pattern

    def check(self, value: object, where: str) -> None:
        assert type(value) is self.kind, f"{where}: {value!r} is no {self.kind.__name__}"
        assert re.fullmatch(self.pattern or ".*", str(value)), f"{where}: {value!r}"


UTC_TIME = Leaf(
    str,
    r"\d{4}-(1[0-2]|0[1-9])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?Z",
)
"""yang:date-and-time (RFC 9911), in UTC since we give no time-zone-identifier."""
URI = Leaf(str, r"[a-z][a-z0-9+.-]*:.*")
UINT64 = Leaf(str, r"0|[1-9]\d{0,19}")
UINT32 = Leaf(int, r"\d{1,9}")
BOOLEAN = Leaf(bool)
TEXT = Leaf(str)
MODULE = Leaf(str, r"[a-zA-Z_][\w.-]*@\d{4}-\d\d-\d\d")
PERIOD = {
    "schedule-id": UINT32,
    "period-description?": TEXT,
    "period-start": UTC_TIME,
    "period-end": UTC_TIME,
}
"""ietf-tvr-schedule@2026-05-19 tvr-schedule, its case of an explicit period (RFC 9922)."""
LINK_ATTRIBUTES = {
    "link-available?": BOOLEAN,
    "bandwidth?": UINT64,
    "delay?": UINT64,
    "destination-nodes?": [URI],
    "strict-destination-checking?": BOOLEAN,
}
LINK_AVAILABLE = {
    "schedule? schedule-id": [PERIOD | {"link-attributes": LINK_ATTRIBUTES}],
    "default-link-available?": BOOLEAN,
    "default-bandwidth?": UINT64,
    "default-delay?": UINT64,
}
NODE_AVAILABLE = {
    "default-node-available?": BOOLEAN,
    "schedule? schedule-id": [PERIOD | {"node-available?": BOOLEAN}],
}
TERMINATION_POINT = {"tp-id": URI, "ietf-tvr-topology:available": LINK_AVAILABLE}
NODE = {
    "node-id": URI,
    "ietf-tvr-topology:available": NODE_AVAILABLE,
    "ietf-network-topology:termination-point tp-id": [TERMINATION_POINT],
}
NETWORK = {
    "network-id": URI,
    # The augmentations hold only where the network is of this type.
    "network-types": {"ietf-tvr-topology:tvr-topology": {}},
    "node? node-id": [NODE],
}
DATA_SET = {
    "includes-defaults": Leaf(str, "report-all|trim|explicit"),
    "content-schema": {"module": [MODULE]},
    "description?": [TEXT],
    "content-data": {"ietf-network:networks": {"network network-id": [NETWORK]}},
}
DOCUMENT = {"ietf-yang-instance-data:instance-data-set": DATA_SET}
"""ietf-tvr-topology@2026-06-11 over RFC 8345, in an instance data set of RFC 9195.

Keys: the member's name, ``?`` where it may be missing, then the key of a list's entries.
"""


def assert_valid(value: Any, schema: Any, where: str = "") -> None:
    """Check a JSON value against a table of members; what the table lacks is an error."""
    if isinstance(schema, Leaf):
        schema.check(value, where)
        return
    assert isinstance(value, dict), f"{where}: {value!r} is no object"
    names = {key.split()[0].rstrip("?"): key for key in schema}
    assert set(value) <= set(names), f"{where}: {set(value) - set(names)}"
    missing = {name for name, key in names.items() if not key.split()[0].endswith("?")} - set(value)
    assert not missing, f"{where}: lacks {missing}"
    for name, each in value.items():
        inner = schema[names[name]]
        if not isinstance(inner, list):
            assert_valid(each, inner, f"{where}/{name}")
            continue
        assert isinstance(each, list) and each, f"{where}/{name}: an empty list has no member"
        for entry in each:
            assert_valid(entry, inner[0], f"{where}/{name}")
        by = names[name].split()[1:]
        keys = [entry[by[0]] if by else entry for entry in each]
        assert len(set(keys)) == len(keys), f"{where}/{name}: keys are not unique"
    if "strict-destination-checking" in value:
        assert "destination-nodes" in value, where


def network_of(document: dict) -> dict:
    data = document["ietf-yang-instance-data:instance-data-set"]["content-data"]
    [network] = data["ietf-network:networks"]["network"]
    return network


def schedules(document: dict) -> Iterator[tuple[str, dict]]:
    """Every schedule and the ``node:port`` that it is of."""
    for node in network_of(document).get("node", ()):
        for point in node["ietf-network-topology:termination-point"]:
            label = node["node-id"].removeprefix("node:") + ":" + point["tp-id"].split(":")[1]
            for each in point["ietf-tvr-topology:available"]["schedule"]:
                yield label, each


def test_tvr_has_the_leaves_and_types_of_the_draft(
    three_body_contacts: ContactPlan,
) -> None:
    for plan in (MADE, three_body_contacts, MADE.select(over="nobody")):
        assert_valid(json.loads(tvr.to_tvr(plan)), DOCUMENT)
    assert tvr.to_tvr(MADE) == (GOLDEN / "contacts.tvr.json").read_text()


def test_tvr_tells_every_contact_from_both_ends(three_body_contacts: ContactPlan) -> None:
    plan = three_body_contacts
    document = json.loads(tvr.to_tvr(plan))
    network = network_of(document)
    assert network["network-id"] == "network:three-body"
    assert all(
        node["ietf-tvr-topology:available"]["default-node-available"] for node in network["node"]
    )
    seen = {(each["schedule-id"], label): each for label, each in schedules(document)}
    assert len(seen) == 2 * len(plan.contacts)
    for number, each in enumerate(plan.contacts, start=1):
        for own, other, volume in (
            (each.a, each.nodes[1], each.volume_bytes),
            (each.b, each.nodes[0], each.return_bytes),
        ):
            told = seen[number, own]
            link = told["link-attributes"]
            assert link["link-available"] is link["strict-destination-checking"] is True
            assert link["destination-nodes"] == [f"node:{other}"]
            times = [datetime.fromisoformat(told[f"period-{edge}"]) for edge in ("start", "end")]
            assert times == [each.start, each.end]
            seconds = (times[1] - times[0]).total_seconds()
            assert int(link["bandwidth"]) * seconds / 8 == pytest.approx(volume, abs=seconds / 8)
            assert 0 <= int(link["delay"]) * 1000 - each.delay_max_ns < 1000


def test_tvr_says_by_what_rates_are_divided() -> None:
    text = " ".join(json.loads(tvr.to_tvr(MADE))[next(iter(DOCUMENT))]["description"])
    assert "divided by rate_scale = 1000;" in text


@pytest.mark.parametrize(
    "damage",
    [
        lambda network: network.pop("network-types"),
        lambda network: network.update({"rate-scale": "1000"}),
        lambda network: network["node"].append(network["node"][0]),
        lambda network: network["node"][0].update({"node-id": "sat-1"}),
        lambda network: link_of(network).update({"bandwidth": 8_000_000}),
        lambda network: link_of(network).update({"delay": "5.5"}),
        lambda network: link_of(network).update({"link-available": "true"}),
        lambda network: link_of(network).pop("destination-nodes"),
        lambda network: schedule_of(network).update({"schedule-id": "1"}),
        lambda network: schedule_of(network).update({"period-start": "2026-08-22T12:00:00"}),
        lambda network: schedule_of(network).update({"duration": "PT1M"}),
    ],
)
def test_the_check_of_tvr_finds_faults(damage: Callable) -> None:
    document = json.loads(tvr.to_tvr(MADE))
    damage(network_of(document))
    with pytest.raises(AssertionError):
        assert_valid(document, DOCUMENT)


def schedule_of(network: dict) -> dict:
    point = network["node"][0]["ietf-network-topology:termination-point"][0]
    return point["ietf-tvr-topology:available"]["schedule"][0]


def link_of(network: dict) -> dict:
    return schedule_of(network)["link-attributes"]
