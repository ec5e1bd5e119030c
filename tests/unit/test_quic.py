"""What of QUIC needs no network: its certificate, its pacing, and what is told without aioquic."""

import socket
import sys

import pytest

from emulator import Scenario
from emulator.linkplan import LinkPlan
from emulator.units import FRAME_BYTES
from protocols.offload import Offload
from tests.unit.toys import walker_table

quic = pytest.importorskip("protocols.quic", reason="QUIC needs aioquic")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
DER = serialization.Encoding.DER


def offload(**more: object) -> Offload:
    table = walker_table("53:6/1/0", 1200.0)
    site = {"name": "pad", "latitude_deg": 0.0, "longitude_deg": 0.0, "computer": {"tops": 1.0}}
    site |= {"antennas": {"kind": "radio", "count": 1}}
    table["ground"] = {"station": [site]}
    work = {"kind": "offload", "sources": ["sat"], "strategies": ["raw"], "operations": 1e9}
    table["workload"] = [work | {"object_bytes": 1000, "result_bytes": 10} | more]
    plan = LinkPlan.of(Scenario.from_table(table))
    return Offload(plan.scenario.workload[0], plan)


def test_without_aioquic_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "aioquic"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "protocols.quic")
    monkeypatch.setitem(sys.modules, "aioquic", None)
    assert "pip install 'lasermesh[quic]'" in offload(transport="quic").missing()
    assert offload().missing() == "", "TCP needs nothing"


def test_a_certificate_follows_from_the_seed_and_is_valid_at_any_time() -> None:
    made, again, other = (quic.identity.__wrapped__(seed)[0] for seed in (1, 1, 2))
    assert made.public_bytes(DER) == again.public_bytes(DER)
    assert made.public_bytes(DER) != other.public_bytes(DER)
    made.verify_directly_issued_by(made)
    # RFC 5280, section 4.1.2.5: GeneralizedTime 99991231235959Z has no well-defined expiration.
    assert b"99991231235959Z" in made.public_bytes(DER)
    assert made.not_valid_before_utc.year < 1957, "before the first satellite"
    assert len(made.signature) == 64, "RFC 8032: of one length, as packets must be"


def test_packets_are_spaced_by_the_line_and_a_late_timer_is_made_up_for() -> None:
    pacer = quic.LinePacer(1472, 0.001)
    now, sent = 10.0, 0
    while now < 11.0:  # every timer is late by 0.9 ms
        while (due_s := pacer.next_send_time(now)) is None:
            pacer.update_after_send(now)
            sent += 1
        now = due_s + 0.0009
    # In 1 s a thousand, and what may be made up for before the first.
    assert 1000 <= sent <= 1003


@pytest.mark.parametrize(("family", "address"), [(4, "127.0.0.1"), (6, "::1")])
def test_a_datagram_fills_a_frame(family: int, address: str) -> None:
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM) as connection:
        connection.connect((address, 4711))
        payload_bytes = quic._datagram_bytes(connection, family)
    assert payload_bytes + 8 + (40 if family == 6 else 20) + 14 == FRAME_BYTES
