"""Changes of routes: as the kernel words them, and from the raw file into run.sqlite."""

import json
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from socket import AF_INET, AF_INET6

from pyroute2.netlink.rtnl.rtmsg import rtmsg

from emulator import record
from emulator.kernel.route_messages import RouteChange, read_host_route, read_route_changes
from emulator.sections import Routing

REPLACE, EXCLUSIVE, CREATE, APPEND = 0x100, 0x200, 0x400, 0x800
NEW, DELETE = 24, 25


def announced(
    kind: int, flags: int, bits: int = 32, table: int = 254, family: int = AF_INET, **attributes
) -> bytes:
    """One message as pyroute2 encodes it."""
    message = rtmsg()
    message["header"] = {"type": kind, "flags": flags, "pid": 0, "sequence_number": 0}
    message["family"], message["dst_len"], message["table"] = family, bits, table
    message["proto"], message["type"] = 188, 1
    message["attrs"] = [[f"RTA_{name.upper()}", value] for name, value in attributes.items()]
    message.encode()
    return bytes(message.data)


def test_changes_of_main_tables_are_read() -> None:
    ways = [{"oif": 11, "hops": 0, "flags": 4}, {"oif": 13, "hops": 0, "flags": 4}]
    data = b"".join(
        [
            announced(NEW, APPEND, dst="10.0.0.5", oif=12),
            announced(NEW, 0, table=255, dst="10.0.0.1", oif=1),
            announced(NEW, REPLACE, dst="10.0.0.5", multipath=ways),
            struct.pack("<IHHII", 20, 16, 0, 0, 0) + bytes(4),  # another kind, should any come
            announced(DELETE, 0, bits=24, dst="10.9.8.0", oif=10),
            announced(NEW, 0, bits=0, oif=10),
        ]
    )
    assert list(read_route_changes(data)) == [
        RouteChange("add", "10.0.0.5", frozenset({12}), 188),
        RouteChange("replace", "10.0.0.5", frozenset({11, 13}), 188),
        RouteChange("delete", "10.9.8.0/24", frozenset({10}), 188),
        RouteChange("add", "0.0.0.0/0", frozenset({10}), 188),
    ]


def test_of_ipv6_what_joins_a_route_replaces_it_and_host_routes_are_of_128_bits() -> None:
    """A route to which a next hop is appended is announced whole (Linux, net/ipv6/ip6_fib.c)."""
    to, ways = "fd4c:6d00::5", [{"oif": each, "hops": 0, "flags": 0} for each in (11, 13)]
    data = b"".join(
        announced(*what, family=AF_INET6, **attributes)
        for what, attributes in (
            ((NEW, CREATE | EXCLUSIVE, 128), {"dst": to, "oif": 11}),
            ((NEW, CREATE | APPEND, 128), {"dst": to, "multipath": ways}),
            ((DELETE, 0, 128), {"dst": to, "oif": 11}),
            ((NEW, CREATE, 64), {"dst": "fe80::", "oif": 10}),
            ((NEW, CREATE, 0), {"oif": 10}),
            ((NEW, CREATE, 128, 255), {"dst": "fd4c:6d00::1", "oif": 1}),
        )
    )
    assert list(read_route_changes(data)) == [
        RouteChange("add", to, frozenset({11}), 188),
        RouteChange("replace", to, frozenset({11, 13}), 188),
        RouteChange("delete", to, frozenset({11}), 188),
        RouteChange("add", "fe80::/64", frozenset({10}), 188),
        RouteChange("add", "::/0", frozenset({10}), 188),
    ]


def test_host_routes_of_both_families_are_told_from_all_others() -> None:
    def read(*what: int, **attributes) -> tuple[str, frozenset[int]] | None:
        return read_host_route(announced(NEW, 0, *what, **attributes)[16:])

    six = "fd4c:6d00::5"
    assert read(32, dst="10.0.0.5", oif=12) == ("10.0.0.5", frozenset({12}))
    assert read(128, family=AF_INET6, dst=six, oif=12) == (six, frozenset({12}))
    assert read(32, family=AF_INET6, dst="fd4c:6d00::", oif=12) is None
    assert read(128, 255, family=AF_INET6, dst=six, oif=12) is None
    own = bytearray(announced(NEW, 0, 128, family=AF_INET6, dst=six, oif=1)[16:])
    own[5] = 2  # RTPROT_KERNEL: made of an address
    assert read_host_route(bytes(own)) is None


def test_clock_time_becomes_scenario_time(tmp_path: Path) -> None:
    raw = tmp_path / record.ROUTES
    lines = [
        {"at": 99.5, "changes": [["a", "add", "b", "isl0", "ospf"], ["b", "lost", *[None] * 3]]},
        {"at": 102.25, "changes": [["a", "delete", "b", "isl0 isl1", "ospf"]]},
        {"start": 100.0},
    ]
    raw.write_text("".join(json.dumps(line) + "\n" for line in lines))
    record.write_tables(tmp_path, [], [])
    assert rows(tmp_path) == [
        (-0.5, "a", "add", "b", "isl0", "ospf"),
        (-0.5, "b", "lost", None, None, None),
        (2.25, "a", "delete", "b", "isl0 isl1", "ospf"),
    ]
    assert not raw.exists()


def test_a_record_that_is_not_whole_is_kept_as_it_is(tmp_path: Path) -> None:
    raw = tmp_path / record.ROUTES
    for text in ('{"at": 99.5, "changes": []}\n', '{"at": 99.5, "chan', ""):
        raw.write_text(text)
        record.write_tables(tmp_path, [], [])
        assert rows(tmp_path) == [] and raw.read_text() == text


def test_without_a_record_the_table_is_empty(tmp_path: Path) -> None:
    record.write_tables(tmp_path, [], [])
    assert rows(tmp_path) == []


def rows(run_dir: Path) -> list[tuple]:
    """The table ``routes`` in order."""
    with closing(sqlite3.connect(run_dir / "run.sqlite")) as database:
        return database.execute("SELECT * FROM routes ORDER BY rowid").fetchall()


def test_large_constellations_are_recorded_only_when_asked() -> None:
    assert Routing().recorded(300) and not Routing().recorded(301)
    assert Routing(record=True).recorded(1584) and not Routing(record=False).recorded(2)
