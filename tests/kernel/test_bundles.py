"""Bundles over real TCP between real namespaces: kept where there is no path, and through kills."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pyd3tn.bundle7 import BundleProcFlag, serialize_bundle7
from pyd3tn.mtcp import MTCPConnection

from emulator import Emulation, Scenario
from emulator.clock import RealClock
from emulator.kernel.fabric import Fabric
from emulator.kernel.ownership import wait_for
from emulator.lab.bundles import bundle_rows, write_table
from emulator.linkplan import LinkPlan
from emulator.sections import Event
from emulator.units import FRAME_BYTES, SEGMENT_BYTES
from emulator.workloads import BundlesWorkload
from protocols.bundles import agent
from protocols.bundles.shared import Network
from protocols.static import NO_ROUTE, Static, shortest_path_routes
from tests.kernel.toys import NOTICED_S, VIRTUAL, Build, walker

SETUP_S = 0.25
"""At the beginning of a contact: settling, handshakes and slow start over 2,000 km at most."""
ANSWER_S = 0.05
"""Until MTCP's next connection: three round trips over as much."""
LEAD_S = 0.5


def mule(**work: object) -> Scenario:
    """Two stations, 50 degrees apart, and one satellite that passes over one, then the other."""
    radio = {"kind": "radio", "count": 1}
    shell = {"name": "mule", "walker": "90:1/1/0", "altitude_km": 550.0, "gsl": radio}
    stations = [
        {"name": name, "latitude_deg": latitude, "longitude_deg": longitude, "antennas": radio}
        for name, latitude, longitude in (("south", 20.0, -102.0), ("north", 70.0, -105.0))
    ]
    run = {"name": "mule", "start": "2026-01-01T00:00:00Z", "duration_s": 1500.0, "step_s": 10.0}
    bundles = {"kind": "bundles", "sources": ["south"], "destination": "north", **work}
    table = {
        "scenario": {**run, "rate_scale": 1000.0},
        "terminals": {"radio": {"rate_gbps": 1.0, "max_range_km": 3000.0}},
        "constellation": [shell],
        "ground": {"station": stations},
        "routing": {"protocol": "static"},
        "workload": [bundles, {"kind": "ping", "pairs": [["south", "north"]]}],
    }
    return Scenario.from_table(table)


def summed(records: list[dict[str, Any]]) -> dict[str, Any]:
    with closing(sqlite3.connect(":memory:")) as database:
        write_table(database, records)
        [row] = bundle_rows(database)
        return row


def told(records: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    return [each for each in records if each.get("what") == what]


@pytest.mark.usefixtures("long_by_the_virtual_clock")
@pytest.mark.timeout(2000)
@pytest.mark.skipif(not VIRTUAL, reason="25 minutes of passes")
@pytest.mark.parametrize("convergence", ["tcpcl", "mtcp"])
def test_bundles_arrive_where_there_is_never_a_path(convergence: str) -> None:
    scenario = mule(bundle_bytes=10**8, every_s=60.0, convergence=convergence)
    with Emulation(scenario) as emulation:
        emulation.play()
        plan, records = emulation.plan, emulation.records
    south, north = (plan.network.node(name).index for name in ("south", "north"))
    for step in range(plan.steps):
        assert shortest_path_routes(plan.network, plan.at(step))[south, north] == NO_ROUTE
    probes = [each for each in records if "probe" in each]
    assert len(probes) > 1000 and all(each["rtt_ms"] is None for each in probes)

    starts_s, ends_s = (plan.contacts[edge] * plan.step_s for edge in ("start", "end"))
    sending_s = 8 * 10**5 * FRAME_BYTES / SEGMENT_BYTES / 1e6
    carried = [n for n in range(25) if 60.0 * n + sending_s < ends_s[0]]
    row = summed(records)
    assert (row["created"], row["delivered"], row["stored"]) == (
        25,
        len(carried),
        25 - len(carried),
    )
    assert (row["expired"], row["lost"], row["again"]) == (0, 0, 0) and row["verified"]
    assert row["forwarded"] == 2 * len(carried)
    for n, each in enumerate(told(records, "delivered")):
        least_s = starts_s[1] + (n + 1) * sending_s
        batches = n // 8 if convergence == "mtcp" else 0
        assert least_s < each["t_s"] < least_s + SETUP_S + batches * ANSWER_S
        assert each["latency_s"] == pytest.approx(each["t_s"] - 60.0 * n)
        assert each["peer"] == "mule-01-01"
    assert {each["node"] for each in told(records, "stored")} == {"south"}


@pytest.mark.usefixtures("long_by_the_virtual_clock")
@pytest.mark.timeout(2000)
@pytest.mark.skipif(not VIRTUAL, reason="25 minutes of passes")
def test_bundles_expire_where_they_wait() -> None:
    # Those made within the last 400 s of the first pass outlive the gap of 320 s until the second.
    scenario = mule(bundle_bytes=10**8, every_s=50.0, lifetime_s=400.0)
    with Emulation(scenario) as emulation:
        emulation.play()
        plan, records = emulation.plan, emulation.records
    row = summed(records)
    starts_s, ends_s = (plan.contacts[edge] * plan.step_s for edge in ("start", "end"))
    in_time = [n for n in range(30) if starts_s[1] - 400.0 < 50.0 * n < ends_s[0]]
    fresh = [n for n in range(30) if 50.0 * n > 1500.0 - 400.0]
    assert (row["created"], row["delivered"], row["stored"]) == (30, len(in_time), len(fresh))
    assert row["expired"] == 30 - len(in_time) - len(fresh) and row["lost"] == 0
    for each in told(records, "expired"):
        born_s = 50.0 * int(each["bundle"].rpartition(".")[2])
        assert each["t_s"] == pytest.approx(born_s + 400.0, abs=0.11)  # Linux, fs/select.c
    where = {each["node"] for each in told(records, "expired")}
    assert where == {"south", "mule-01-01"}


class Nodes:
    """Bundle nodes of a scenario's first workload, each a process of its own, on a still sky."""

    def __init__(self, plan: LinkPlan, fabric: Fabric, folder: Path) -> None:
        self.shared = Network.of(plan.scenario.workload[0], plan)
        self.fabric, self.path = fabric, folder / "told.jsonl"
        self.start = time.monotonic() + LEAD_S
        self.running = {name: self._fork(name) for name in fabric.nodes}

    def _fork(self, name: str) -> Any:
        handle = self.fabric.nodes[name]
        return handle.fork(self._work, handle.state_dir / "bundles.out")

    def _work(self, handle: Any) -> None:
        with self.path.open("a", buffering=1) as file:

            def record(row: dict[str, Any]) -> None:
                print(json.dumps(row), file=file)

            agent.work(self.shared, handle, RealClock(), self.start, record)

    def until(self, t_s: float) -> None:
        time.sleep(max(0.0, self.start + t_s - time.monotonic()))

    def kill(self, name: str) -> None:
        """Kill a node's process and start it again a second later."""
        self.running[name].kill()
        assert self.running[name].wait(5.0) == -9
        time.sleep(1.0)
        self.running[name] = self._fork(name)

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def finish(self) -> list[dict[str, Any]]:
        """Wait for the end of the scenario; return what was told."""
        self.until(self.shared.plan.scenario.scenario.duration_s)
        for name, process in self.running.items():
            assert process.wait(20.0) == 0, (name, process.log.read_text())
        return self.told()


@pytest.fixture
def still(build: Build, tmp_path: Path) -> Iterator[Any]:
    """Return a function that starts the nodes of a ring of six with given bundles to send."""
    begun: list[Nodes] = []

    def begin(rate_scale: float, duration_s: float, **work: object) -> Nodes:
        ring = walker(rate_scale=rate_scale, duration_s=duration_s)
        spec = BundlesWorkload.model_validate({"kind": "bundles", **work})
        plan = LinkPlan.of(ring.model_copy(update={"workload": (spec,)}))
        fabric = build(plan)
        fabric.apply(plan.at(0))
        assert wait_for(fabric.noticed, NOTICED_S)
        begun.append(Nodes(plan, fabric, tmp_path))
        return begun[-1]

    yield begin
    for nodes in begun:
        for process in nodes.running.values():
            process.kill()
            process.wait(5.0)


@pytest.mark.parametrize(
    ("name", "at_s"),
    [
        ("toy-01-01", 2.0),  # the source, while it sends
        ("toy-01-02", 2.0),  # the next, while it receives
        ("toy-01-02", 6.5),  # the same, while it sends on
        ("toy-01-03", 6.5),  # the destination, while it receives
    ],
)
def test_a_node_killed_in_mid_transfer_loses_nothing(still: Any, name: str, at_s: float) -> None:
    # 500 kB at 1 Mbit/s: 4.2 s a hop.
    nodes = still(
        rate_scale=1e5,
        duration_s=30.0,
        sources=("toy-01-01",),
        destination="toy-01-03",
        bundle_bytes=5 * 10**10,
        count=1,
    )
    nodes.until(at_s)
    assert not told(nodes.told(), "delivered")
    nodes.kill(name)
    records = nodes.finish()
    row = summed(records)
    assert (row["created"], row["delivered"], row["stored"], row["lost"]) == (1, 1, 0, 0)
    [created], [delivered] = told(records, "created"), told(records, "delivered")
    assert delivered["bytes"] == created["bytes"] == 500_000 and delivered["verified"]
    assert not told(records, "again")
    # A transfer of 4.2 s is done twice, the other once.
    assert 12.0 < delivered["t_s"] < 18.0 if at_s > 4 else 10.0 < delivered["t_s"] < 16.0


def test_many_bundles_through_kills_arrive_once_each(still: Any) -> None:
    nodes = still(
        rate_scale=1e5,
        duration_s=40.0,
        sources=("toy-01-01", "toy-01-05"),
        destination="toy-01-03",
        bundle_bytes=10**9,
        every_s=0.5,
        count=30,
    )
    for at_s, name in ((3.1, "toy-01-02"), (5.3, "toy-01-03"), (8.2, "toy-01-01")):
        nodes.until(at_s)
        nodes.kill(name)
    records = nodes.finish()
    row = summed(records)
    assert (row["created"], row["delivered"], row["lost"]) == (60, 60, 0) and row["verified"]
    names = [each["bundle"] for each in told(records, "delivered")]
    assert len(names) == len(set(names)) == 60


def test_pyd3tn_sends_to_our_nodes_over_a_link(still: Any) -> None:
    nodes = still(
        rate_scale=1e4,
        duration_s=8.0,
        sources=("toy-01-06",),
        destination="toy-01-01",
        bundle_bytes=10**6,
        start_s=7.9,
        convergence="mtcp",
    )
    plan, fabric = nodes.shared.plan, nodes.fabric
    Static(plan, fabric.nodes).step(plan.at(0))
    posix_s = plan.scenario.scenario.start.timestamp()
    made = {
        where: serialize_bundle7(
            "dtn://toy-01-01/d3tn",
            f"dtn://{where}/in",
            where.encode() * 1000,
            creation_timestamp=int(posix_s),
            sequence_number=number,
            lifetime=60,
            report_to_eid="dtn://toy-01-06/reports",
            flags=BundleProcFlag.REPORT_DELIVERY | BundleProcFlag.REPORT_STATUS_TIME,
            hop_limit=5,
            bundle_age=0,
        )
        for number, where in enumerate(("toy-01-02", "toy-01-03"))
    }
    nodes.until(1.0)
    first, second, _ = plan.network.nodes[:3]
    with (
        fabric.nodes[first.name].entered(),
        MTCPConnection(second.ipv4, nodes.shared.carrier.port) as peer,
    ):
        for where in ("toy-01-02", "toy-01-03", "toy-01-02"):
            peer.send_bundle(made[where])
    records = nodes.finish()
    delivered = told(records, "delivered")
    assert sorted((each["node"], each["bytes"]) for each in delivered) == [
        ("toy-01-02", 9000),
        ("toy-01-03", 9000),
    ]
    [again] = told(records, "again")
    assert again["node"] == "toy-01-02"
    names = {each["bundle"] for each in delivered}
    [on] = [each for each in told(records, "forwarded") if each["bundle"] in names]
    assert (on["node"], on["peer"]) == ("toy-01-02", "toy-01-03")
    # Both destinations report their delivery to a third node, with its time.
    reported = {(each["node"], each["peer"], each["why"]) for each in told(records, "reported")}
    assert reported == {("toy-01-06", each["node"], "delivered") for each in delivered}
    # From the ring's second node: it says so in the bundle, and pyD3TN said nothing.
    assert {each["node"]: each["peer"] for each in delivered} == {
        "toy-01-02": None,
        "toy-01-03": "toy-01-02",
    }


def test_bundles_go_round_a_link_that_has_failed_though_the_plan_has_it() -> None:
    ring = walker(duration_s=14.0, step_s=0.5, rate_scale=1e5)
    work = {"sources": ("toy-01-01",), "destination": "toy-01-02", "bundle_bytes": 10**8}
    spec = BundlesWorkload.model_validate({"kind": "bundles", "every_s": 1.0, "count": 5, **work})
    cut = Event(at_s=1.5, action="link down", target=("toy-01-01", "toy-01-02"), silent=True)
    ring = ring.model_copy(update={"event": (cut,), "workload": (spec,)})
    with Emulation(ring) as emulation:
        emulation.play()
        records = emulation.records
    row = summed(records)
    assert (row["created"], row["delivered"], row["lost"]) == (5, 5, 0) and row["verified"]
    peers = {
        int(each["bundle"].rpartition(".")[2]): each["peer"] for each in told(records, "delivered")
    }
    assert [peers[n] for n in range(5)] == ["toy-01-01"] * 2 + ["toy-01-03"] * 3


def test_what_reboots_goes_on_from_its_disk_and_what_stays_down_is_counted() -> None:
    ring = walker(duration_s=14.0, step_s=0.5, rate_scale=1e5)
    work = {"sources": ("toy-01-01", "toy-01-04"), "destination": "toy-01-02"}
    work |= {"bundle_bytes": 10**8, "every_s": 1.0, "count": 5}
    spec = BundlesWorkload.model_validate({"kind": "bundles", **work})
    events = (
        Event(at_s=0.0, action="satellite down", target=("toy-01-04",)),
        Event(at_s=1.5, action="satellite down", target=("toy-01-04",), reboot=True),
        Event(at_s=2.5, for_s=4.0, action="satellite down", target=("toy-01-01",), reboot=True),
    )
    with Emulation(ring.model_copy(update={"event": events, "workload": (spec,)})) as emulation:
        emulation.play()
        records = emulation.records
    row = summed(records)
    made = {
        name: [each["t_s"] for each in told(records, "created") if each["node"] == name]
        for name in work["sources"]
    }
    assert made["toy-01-04"] == pytest.approx([0.0, 1.0], abs=0.1)
    # Two were due while it was off; their source makes them as it comes back.
    assert made["toy-01-01"] == pytest.approx([0.0, 1.0, 2.0, 6.5, 6.5], abs=0.2)
    assert (row["created"], row["delivered"], row["stored"], row["lost"]) == (7, 5, 2, 0)
    assert {each["node"] for each in told(records, "stored")} == {"toy-01-04"}
