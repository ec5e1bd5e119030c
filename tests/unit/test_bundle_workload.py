"""What a workload of bundles asks for, what is wrong with it, and what its bundles came to."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from emulator.clock import RealClock
from emulator.errors import ScenarioError
from emulator.lab import bundles
from emulator.linkplan import LinkPlan
from emulator.needs import Needs
from emulator.network import Network
from emulator.scenario import Scenario
from emulator.sizing import flight_bytes
from emulator.tables import bundles_text, event_text
from protocols.bundles.bundle import decode
from protocols.bundles.shared import Network as Shared
from protocols.bundles.workload import Bundles
from tests.unit.toys import walker_table

WORK = {"kind": "bundles", "sources": ["sat-01-01", "sat-02-01"], "destination": "sat-03-04"}
WORK |= {"bundle_bytes": 10**6}


def scenario(**changes: Any) -> Scenario:
    table = walker_table(scenario={"rate_scale": 1000.0})
    work = {key: value for key, value in {**WORK, **changes}.items() if value is not None}
    return Scenario.from_table(table | {"workload": [work]})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sources": []}, r"workload\[0\].sources .*at least 1"),
        (
            {"sources": ["sat-01-01", "sat-01-10"]},
            r"sources = 'sat-01-10': is no node.*Did you mean",
        ),
        ({"destination": "nowhere"}, r"destination = 'nowhere': is no node"),
        ({"sources": ["sat-03-04"]}, r"sources = 'sat-03-04': is the destination too"),
        ({"sources": ["sat-01-01"] * 2}, r"sources = 'sat-01-01': is there twice"),
        ({"bundle_bytes": 0}, r"bundle_bytes = 0"),
        (
            {"bundle_bytes": 10**12},
            r"bundles of 1,000,000,000 bytes after scaling, and nodes hold 67,108,864 at most",
        ),
        ({"start_s": 60.0}, r"start_s = 60.0: is after the end"),
        ({"every_s": 0.0}, r"every_s = 0.0"),
        ({"every_s": 1e-5}, r"every_s = 1e-05: makes 12,000,000 bundles, and 1,000,000 is"),
        ({"lifetime_s": -1.0}, r"lifetime_s = -1.0"),
        ({"lifetime_s": 1e20}, r"lifetime_s = 1e\+20"),
        ({"convergence": "udpcl"}, r"convergence = 'udpcl'.*'tcpcl' or 'mtcp'"),
        ({"count": 0}, r"count = 0"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(changes: dict, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        scenario(**changes)


def test_every_node_has_a_process_and_memory_of_its_own() -> None:
    idle = Scenario.from_table(walker_table(scenario={"rate_scale": 1000.0}))
    network = Network.of(idle)
    bare, more = Needs.of(idle, network), Needs.of(scenario(), network)
    assert more.processes - bare.processes == len(network.nodes) + 1
    assert more.memory_mb - bare.memory_mb >= 24 * len(network.nodes)
    # Twice what is in flight: eight bundles of a thousand bytes by each of 60 ports, or all that
    # the longest path takes.
    assert more.tcp_mb == round(2 * 60 * 8 * 1000 / 1e6) == 1
    most_mb = 2 * 60 * flight_bytes(network) / 1e6
    assert Needs.of(scenario(bundle_bytes=10**10), network).tcp_mb == round(most_mb) > 10


def test_bundles_are_made_on_time_with_contents_of_their_own() -> None:
    asked = scenario(every_s=2.5, start_s=5.0, count=3, lifetime_s=77.5)
    shared = Bundles(asked.workload[0], LinkPlan.of(asked)).shared
    assert [shared.due_s(n) for n in range(4)] == [5.0, 7.5, 10.0, float("inf")]
    made = [shared.made(source, n) for source in asked.workload[0].sources for n in range(3)]
    assert len({each.payload for each in made}) == len({each.id for each in made}) == 6
    assert all(len(each.payload) == 1000 for each in made)
    again = Bundles(asked.workload[0], LinkPlan.of(asked)).shared
    assert decode(again.made("sat-01-01", 1).encode()) == made[1]
    # 2026-08-22 12:00 UTC and 7.5 s, from 2000-01-01: 9,730 days and a half (RFC 9171, 4.2.6).
    assert made[1].primary.created_ms == (9730 * 86_400 + 43_200) * 1000 + 7_500
    assert (made[1].primary.lifetime_ms, made[1].primary.source.host) == (77_500, "sat-01-01")


def test_each_workload_listens_at_a_port_of_its_own() -> None:
    one = scenario()
    two = one.model_copy(update={"workload": (one.workload[0], one.workload[0].model_copy())})
    two = two.model_copy(
        update={"workload": (*two.workload, two.workload[0].model_copy(update={"count": 9}))}
    )
    plan = LinkPlan.of(two)
    ports = [Shared.of(each, plan).carrier.port for each in plan.scenario.workload]
    assert ports == [4556, 4557, 4558]


def row(bundle: str, what: str, t_s: float, **more: Any) -> dict[str, Any]:
    return {"bundle": bundle, "what": what, "t_s": t_s, "node": "x", "workload": 0, **more}


def test_every_bundle_is_counted_once_by_the_best_that_it_came_to() -> None:
    told = [row(name, "created", 0.0) for name in "abcdefgh"]
    told.append(row("a", "created", 1.0))  # by a source that was killed between word and deed
    told += [row(name, "forwarded", 2.0, peer="y") for name in "abcde"]
    for name, latency_s in zip("abcd", (1.0, 2.0, 3.0, 10.0), strict=True):
        told.append(row(name, "delivered", 9.0, latency_s=latency_s, verified=True))
    told += [row("a", "again", 10.0), row("a", "stored", 60.0), row("b", "expired", 30.0)]
    told += [row("e", "stored", 60.0), row("f", "expired", 30.0), row("g", "dropped", 5.0)]
    told.append(row("z", "delivered", 3.0, latency_s=None, verified=None))  # of somebody else
    with closing(sqlite3.connect(":memory:")) as database:
        bundles.write_table(database, [{"probe": 1, "t_s": 0.0}, *reversed(told)])
        [found] = bundles.bundle_rows(database)
        times = [t_s for (t_s,) in database.execute("SELECT t_s FROM bundles")]
    assert times == sorted(times) and len(times) == len(told)
    assert found == {
        **{"workload": 0, "created": 8, "delivered": 4, "stored": 1, "expired": 1, "dropped": 1},
        **{"lost": 1, "ratio": 0.5, "mean_s": 4.0, "p50_s": 2.5, "p95_s": 8.95},
        **{"forwarded": 5, "again": 1, "verified": True},
    }
    assert bundles_text(found) == (
        "Bundles: 8 made, 4 delivered, 1 stored, 1 expired, 1 dropped, 1 lost; "
        "latency mean 4.000 s, p50 2.500 s, p95 8.950 s; hashes equal"
    )


def test_where_nothing_arrived_there_is_no_latency() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        bundles.write_table(database, [row("a", "created", 0.0), row("a", "stored", 60.0)])
        [found] = bundles.bundle_rows(database)
    assert (found["ratio"], found["mean_s"], found["p95_s"], found["verified"]) == (
        0.0,
        *[None] * 3,
    )
    assert bundles_text(found) == "Bundles: 1 made, 0 delivered, 1 stored, 0 expired"


def test_few_bundles_may_be_close_together() -> None:
    assert scenario(every_s=1e-5, count=3).workload[0].count == 3


def test_the_longest_lifetime_can_be_written() -> None:
    plan = LinkPlan.of(scenario(lifetime_s=1e15))
    shared = Shared.of(plan.scenario.workload[0], plan)
    assert decode(shared.made("sat-01-01", 0).encode()).primary.lifetime_ms == 10**18


def test_nodes_that_are_started_late_are_told_of() -> None:
    asked = scenario()
    clock, records = RealClock(), []
    Bundles(asked.workload[0], LinkPlan.of(asked)).run({}, clock, clock.now() - 5.0, records.append)
    [late] = records
    assert (late["event"], late["what"]) == ("late start", "bundle nodes") and late["late_s"] >= 5.0
    assert "bundle nodes were started 5." in event_text(late)
    Bundles(asked.workload[0], LinkPlan.of(asked)).run({}, clock, clock.now() + 5.0, records.append)
    assert records == [late]
