"""Capture files, against scapy reading them and writing the packets."""

from pathlib import Path

import pytest
from scapy.contrib.bfd import BFD
from scapy.contrib.isis import ISIS_L2_LSP, ISIS_CommonHdr, ISIS_P2P_Hello
from scapy.contrib.ospf import OSPF_Hdr, OSPF_Hello, OSPFv3_Hdr, OSPFv3_Hello
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import LLC, CookedLinux, Dot3, Ether
from scapy.packet import Packet, Raw
from scapy.utils import RawPcapReader, rdpcap

from emulator.errors import RunError
from emulator.lab import pcap
from emulator.lab.capture import messages, rows

HOST, OUTGOING = 0, 4
AT_NS = 1_767_225_600_123_456_789
A, B = "10.0.0.1", "10.0.0.2"
NODE = "02:4c:4d:00:00:01"


def in_ip(packet: Packet, **ip: object) -> Packet:
    return Ether(src=NODE, dst=NODE) / IP(src=A, dst=B, **ip) / packet


def isis(pdu: Packet) -> Packet:
    return Dot3(src=NODE, dst="09:00:2b:00:00:05") / LLC(dsap=0xFE, ssap=0xFE, ctrl=3) / pdu


def written(folder: Path, *frames: tuple[int, int, Packet]) -> Path:
    path = folder / "a-isl0.pcap"
    records = [pcap.record(at_ns, kind, bytes(frame)) for at_ns, kind, frame in frames]
    path.write_bytes(pcap.head() + b"".join(records))
    return path


def test_scapy_reads_every_nanosecond_and_both_directions(tmp_path: Path) -> None:
    ours = in_ip(UDP(sport=5, dport=9) / Raw(b"abc"))
    theirs = Ether(src=NODE, dst=NODE) / IPv6(src="fe80::1", dst="fe80::2") / UDP() / Raw(b"xyz!")
    path = written(tmp_path, (AT_NS, OUTGOING, ours), (AT_NS + 1, HOST, theirs))
    with RawPcapReader(str(path)) as reader:
        assert reader.nano and reader.linktype == 113
        stamps = [meta.sec * 10**9 + meta.usec for _, meta in reader]
    assert stamps == [AT_NS, AT_NS + 1]
    first, second = rdpcap(str(path))
    assert isinstance(first, CookedLinux) and isinstance(second, CookedLinux)
    assert (first.pkttype, second.pkttype) == (OUTGOING, HOST)
    assert bytes(first[IP]) == bytes(ours[IP]) and first[Raw].load == b"abc"
    assert bytes(second[IPv6]) == bytes(theirs[IPv6])


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    frame = in_ip(UDP() / Raw(b"abc"))
    path = written(tmp_path, (AT_NS, OUTGOING, frame), (AT_NS + 5, HOST, isis(Raw(b"\x83" * 30))))
    first, second = pcap.read(path.read_bytes())
    assert first == pcap.Packet(AT_NS, True, 0x0800, bytes(frame[IP]))
    assert (second.at_ns, second.sent, second.protocol) == (AT_NS + 5, False, 4)
    # a run that is killed may leave half a packet
    assert list(pcap.read(path.read_bytes()[:-3])) == [first]
    assert list(pcap.read(path.read_bytes()[: -len(second.payload) - 20])) == [first]


OPEN = b"\xff" * 16 + b"\0\x1d\x01" + bytes(10)
KEEPALIVE = b"\xff" * 16 + b"\0\x13\x04"
HELLO, PAD, IHU = b"\x04\x06" + bytes(6), b"\0", b"\x05\x06" + bytes(6)
BABEL = HELLO + PAD + b"\x01\x02\0\0" + IHU + IHU


@pytest.mark.parametrize(
    ("frame", "protocol", "kind", "source"),
    [
        (in_ip(OSPF_Hdr() / OSPF_Hello(), proto=89), "ospf", "Hello", A),
        (in_ip(OSPF_Hdr(type=4) / Raw(bytes(4)), proto=89), "ospf", "LSUpd (0)", A),
        (
            Ether(type=0x86DD) / IPv6(src="fe80::1", nh=89) / OSPFv3_Hdr() / OSPFv3_Hello(),
            *("ospfv3", "Hello", "fe80::1"),
        ),
        (
            isis(ISIS_CommonHdr() / ISIS_P2P_Hello(sourceid="0100.0000.0001")),
            *("isis", "P2P Hello", "0100.0000.0001"),
        ),
        (
            isis(ISIS_CommonHdr() / ISIS_L2_LSP(lspid="0100.0000.0001.00-00")),
            *("isis", "L2 LSP", "0100.0000.0001.00-00"),
        ),
        (in_ip(UDP(sport=50000, dport=3784) / BFD(sta=3)), "bfd", "Up", A),
        (
            in_ip(UDP(sport=6696, dport=6696) / Raw(b"\x2a\x02\0" + bytes([len(BABEL)]) + BABEL)),
            *("babel", "Hello, IHU (2)", A),
        ),
        (
            in_ip(TCP(sport=179, dport=40000, flags="PA") / Raw(OPEN + KEEPALIVE + KEEPALIVE)),
            *("bgp", "Open, Keepalive (2)", A),
        ),
        (in_ip(TCP(sport=40000, dport=179, flags="S")), "bgp", "TCP S", A),
        (in_ip(TCP(sport=40000, dport=179, flags="A") / Raw(b"rest")), "bgp", "continued", A),
    ],
)
def test_messages_are_told(
    tmp_path: Path, frame: Packet, protocol: str, kind: str, source: str
) -> None:
    path = written(tmp_path, (AT_NS, OUTGOING, frame))
    (told,) = messages(path)
    assert (told.protocol, told.kind, told.source) == (protocol, kind, source)
    assert (told.at_ns, told.sent, told.size) == (AT_NS, True, len(bytes(frame)) - 14)


def test_a_row_has_all_nanoseconds(tmp_path: Path) -> None:
    path = written(tmp_path, (AT_NS, HOST, in_ip(OSPF_Hdr() / OSPF_Hello(), proto=89)))
    (row,) = rows(path)
    assert row == {
        "utc": "2026-01-01T00:00:00.123456789",
        "way": "received",
        "protocol": "ospf",
        "message": "Hello",
        "source": A,
        "destination": B,
        "bytes": 64,
    }


def test_data_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, (AT_NS, HOST, in_ip(UDP(dport=9) / Raw(b"abc"))))
    assert list(messages(path)) == []


def test_another_file_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "other.pcap"
    path.write_bytes(b"\xd4\xc3\xb2\xa1" + bytes(20))
    with pytest.raises(RunError, match=r"other\.pcap: not a capture by --pcap"):
        list(messages(path))
    with pytest.raises(RunError, match="cannot read the capture"):
        list(messages(tmp_path / "none.pcap"))
