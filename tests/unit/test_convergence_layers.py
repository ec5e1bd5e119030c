"""MTCP and TCPCLv4 byte by byte: against RFC 9174, other implementations' bytes, and each other."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyd3tn.mtcp import MTCPSocket

from protocols.bundles import mtcp
from protocols.bundles.cbor import BundleError, Truncated
from protocols.bundles.tcpcl import (
    Acknowledged,
    Arrived,
    Ended,
    Established,
    Refused,
    Rejected,
    Session,
)
from protocols.bundles.tcpcl_messages import (
    Ack,
    Ending,
    Extension,
    Init,
    Keepalive,
    Message,
    Refusal,
    Refuse,
    Reject,
    Segment,
    Term,
    contact_header,
    read,
)

CONTACT = "64746e21 04 00"
CLIENT = "07 003c 0000000000019000 0000000000100000 000c 64746e3a2f2f636c69656e74 00000000"
SERVER = "07 0000 0000000000002400 00000000000186a0 000c 64746e3a2f2f736572766572 00000000"
ID1 = "0000000000000001"
MESSAGES = [
    # SESS_INIT, SESS_TERM, XFER_SEGMENT and XFER_ACK as in the tests of the Rust crate tcpcl.
    (CLIENT, Init(60, 0x19000, 0x100000, "dtn://client")),
    (SERVER, Init(0, 0x2400, 100_000, "dtn://server")),
    ("05 00 03", Term(Ending.BUSY)),
    ("05 01 03", Term(Ending.BUSY, reply=True)),
    (f"01 03 {ID1} 00000000 0000000000000002 55aa", Segment(3, 1, b"\x55\xaa")),
    (f"01 02 {ID1} 00000000 0000000000000002 55aa", Segment(2, 1, b"\x55\xaa")),
    (f"01 01 {ID1} 0000000000000002 aa55", Segment(1, 1, b"\xaa\x55")),
    (f"02 03 {ID1} 0000000000000002", Ack(3, 1, 2)),
    (f"02 01 {ID1} 0000000000000004", Ack(1, 1, 4)),
    # By the figures of RFC 9174: 26 (transfer length), 22 (refusal), 16 (rejection), 15.
    (
        f"01 02 {ID1} 0000000d 00 0001 0008 0000000000000004 0000000000000002 55aa",
        Segment(2, 1, b"\x55\xaa", (Extension(1, bytes(7) + b"\4"),)),
    ),
    (f"03 02 {ID1}", Refuse(Refusal.NO_RESOURCES, 1)),
    ("06 03 01", Reject(3, 1)),
    ("04", Keepalive()),
]


@pytest.mark.parametrize(("text", "message"), MESSAGES)
def test_messages_are_written_and_read_to_the_byte(text: str, message: Message) -> None:
    data = bytes.fromhex(text)
    assert message.encode() == data
    assert read(data + b"more", 1000) == (message, len(data))
    for end in range(len(data)):
        with pytest.raises(Truncated):
            read(data[:end], 1000)


def test_a_session_byte_by_byte() -> None:
    client = Session("dtn://client", active=True, keepalive_s=60, segment_mru=0x19000)
    assert client.outgoing() == contact_header() == bytes.fromhex(CONTACT)
    assert client.take(bytes.fromhex(CONTACT)) == []
    assert client.outgoing() == Init(60, 0x19000, 1 << 28, "dtn://client").encode()
    tiny = SERVER.replace("2400", "0002").replace("07 0000", "07 0014")
    assert client.take(bytes.fromhex(tiny)) == [Established("dtn://server", 20)]
    assert client.send(b"\x55\xaa\xaa\x55") == 0 and client.outgoing() == bytes.fromhex(
        "01 02 0000000000000000 0000000d 00 0001 0008 0000000000000004 0000000000000002 55aa"
    )
    assert client.outgoing() == bytes.fromhex("01 01 0000000000000000 0000000000000002 aa55")
    assert client.outgoing() == b""
    assert client.take(bytes.fromhex("02 02 0000000000000000 0000000000000002")) == []
    assert client.unanswered == (0,)
    assert client.take(bytes.fromhex("02 01 0000000000000000 0000000000000004")) == [
        Acknowledged(0)
    ]
    assert client.take(bytes.fromhex("05 00 01")) == [Ended(Ending.IDLE)]
    assert not client.over and client.outgoing() == bytes.fromhex("05 01 01") and client.over


def test_the_passive_side_waits_to_be_spoken_to() -> None:
    server = Session("dtn://server", active=False, keepalive_s=0, segment_mru=0x2400)
    assert server.outgoing() == b"" and server.keepalive_s == 0
    assert server.take(bytes.fromhex(CONTACT)[:5]) == [] and server.outgoing() == b""
    assert server.take(bytes.fromhex(CONTACT)[5:]) == []
    assert server.outgoing() == bytes.fromhex(CONTACT)
    assert server.take(bytes.fromhex(CLIENT)) == [Established("dtn://client", 0)]
    assert server.outgoing() == Init(0, 0x2400, 1 << 28, "dtn://server").encode()
    two = f"01 02 {ID1} 00000000 0000000000000002 55aa 01 01 {ID1} 0000000000000002 aa55"
    assert server.take(bytes.fromhex(two)) == [Arrived(1, b"\x55\xaa\xaa\x55")]
    # Every segment is acknowledged, the last only when the bundle is somebody's.
    assert server.outgoing() == bytes.fromhex(f"02 02 {ID1} 0000000000000002")
    assert server.outgoing() == b""
    server.accept(1)
    assert server.outgoing() == bytes.fromhex(f"02 01 {ID1} 0000000000000004")


def pair(**mru: int) -> tuple[Session, Session]:
    a = Session("dtn://a/", active=True, **mru)
    b = Session("dtn://b/", active=False, **mru)
    assert exchange(a, b) == ([Established("dtn://b/", 30)], [Established("dtn://a/", 30)])
    return a, b


def exchange(a: Session, b: Session, piece: int = 1 << 30) -> tuple[list, list]:
    """Carry bytes between two sessions until both are silent; what arrives is accepted."""
    found: tuple[list, list] = [], []
    while True:
        moved = False
        for here, there, events in ((a, b, found[1]), (b, a, found[0])):
            while data := here.outgoing():
                moved = True
                for start in range(0, len(data), piece):
                    for event in there.take(data[start : start + piece]):
                        events.append(event)
                        if isinstance(event, Arrived):
                            there.accept(event.transfer)
        if not moved:
            return found


@given(
    st.lists(st.binary(max_size=300), max_size=6),
    st.lists(st.binary(max_size=300), max_size=6),
    st.integers(1, 100),
    st.integers(1, 400),
)
def test_bundles_cross_both_ways_whatever_the_pieces(ours, theirs, segment, piece) -> None:
    a, b = pair(segment_mru=segment)
    sent = [a.send(each) for each in ours], [b.send(each) for each in theirs]
    told = exchange(a, b, piece)
    for own, other, events in ((sent[0], theirs, told[0]), (sent[1], ours, told[1])):
        assert [e.data for e in events if isinstance(e, Arrived)] == other
        assert [e.transfer for e in events if isinstance(e, Acknowledged)] == own
    assert a.unanswered == b.unanswered == ()
    a.end(Ending.IDLE)
    assert exchange(a, b) == ([Ended(Ending.IDLE)], [Ended(Ending.IDLE)])
    assert a.over and b.over


def test_what_has_begun_is_finished_after_the_end_was_asked_for_and_nothing_new_begins() -> None:
    a, b = pair(segment_mru=2)
    begun, late = a.send(b"abcd"), a.send(b"efgh")
    assert b.take(a.outgoing()) == []
    b.end(Ending.BUSY)
    assert a.take(b.outgoing()) == [
        Refused(late, Refusal.SESSION_TERMINATING),
        Ended(Ending.BUSY),
    ]
    with pytest.raises(BundleError, match="outside a session"):
        a.send(b"x")
    told = exchange(a, b)
    assert told == ([Acknowledged(begun)], [Ended(Ending.BUSY), Arrived(begun, b"abcd")])
    assert a.over and b.over


def test_a_transfer_too_long_is_refused_by_its_announced_length_and_the_next_goes_on() -> None:
    a = Session("dtn://a/", active=True)
    b = Session("dtn://b/", active=False, segment_mru=10, transfer_mru=50)
    exchange(a, b)
    a.peer = Init(30, 10, 1000, "dtn://b/")  # who does not hold to what the peer has said
    long, short = a.send(b"x" * 51), a.send(b"y" * 50)
    told = exchange(a, b)
    assert told == (
        [Refused(long, Refusal.NO_RESOURCES), Acknowledged(short)],
        [Arrived(short, b"y" * 50)],
    )


def test_a_refused_bundle_stays_with_its_sender() -> None:
    a, b = pair()
    transfer = a.send(b"bundle")
    [arrived] = b.take(a.outgoing())
    b.refuse(arrived.transfer, Refusal.NOT_ACCEPTABLE)
    assert exchange(a, b)[0] == [Refused(transfer, Refusal.NOT_ACCEPTABLE)]
    assert a.unanswered == ()


def test_a_bundle_that_the_peer_would_not_take_is_not_sent() -> None:
    a = Session("dtn://a/", active=True)
    exchange(a, Session("dtn://b/", active=False, transfer_mru=50))
    with pytest.raises(BundleError, match=r"more than the 50 bytes .*: 51 \(RFC 9174, 4.6\)"):
        a.send(b"x" * 51)


@pytest.mark.parametrize(
    ("text", "said", "answer"),
    [
        ("09", r"type of a message: 9 \(RFC 9174, 9.5\)", "06 01 09"),
        (CLIENT, r"second SESS_INIT: 7", "06 03 07"),
        (
            f"01 01 {ID1} 0000000000000001 aa",
            r"out of its order: 1 \(RFC 9174, 5.2.2\)",
            "06 03 01",
        ),
        (f"02 03 {ID1} 0000000000000002", r"what was not sent: \(1, 2\)", "06 03 02"),
        (f"01 03 {ID1} 00000000 00000000ffffffff", r"more than the 262144 bytes", ""),
        (f"01 02 {ID1} 00000004 00000100 0000000000000000", r"beyond its list", ""),
    ],
)
def test_what_breaks_the_protocol_is_told_to_both(text: str, said: str, answer: str) -> None:
    _, b = pair()
    with pytest.raises(BundleError, match=said):
        b.take(bytes.fromhex(text))
    assert b.outgoing() == bytes.fromhex(answer)


def test_who_is_no_tcpcl_of_version_4() -> None:
    with pytest.raises(BundleError, match=r"no contact header: b'GET '"):
        Session("dtn://b/", active=False).take(b"GET / HTTP/1.1")
    old = Session("dtn://b/", active=False)
    with pytest.raises(BundleError, match=r"version of TCPCL: 3 \(RFC 9174, 4.3\)"):
        old.take(b"dtn!\x03\x00")
    assert old.outgoing() == contact_header() + bytes.fromhex("05 00 02")
    with pytest.raises(BundleError, match="message before SESS_INIT: 4"):
        Session("dtn://b/", active=False).take(contact_header() + b"\x04")


def test_critical_extensions_are_not_understood() -> None:
    b = Session("dtn://b/", active=False)
    init = Init(0, 100, 100, "dtn://a/", (Extension(0x99, b"?", flags=1),))
    with pytest.raises(BundleError, match=r"critical session extension: 153"):
        b.take(contact_header() + init.encode())
    assert b.outgoing().endswith(Term(Ending.CONTACT_FAILURE).encode())
    _, b = pair()
    first = Segment(3, 7, b"data", (Extension(0x99, b"?", flags=1),))
    assert b.take(first.encode()) == []
    assert b.outgoing() == Refuse(Refusal.EXTENSION_FAILURE, 7).encode()
    assert b.take(Reject(2, 1).encode()) == [Rejected(2, 1)]
    b.keepalive()
    assert b.outgoing() == b"\x04" and b.take(b"\x04") == []


@given(st.lists(st.binary(max_size=400), max_size=8), st.integers(1, 500))
def test_mtcp_frames_whatever_the_pieces(bundles: list[bytes], piece: int) -> None:
    stream = b"".join(map(mtcp.frame, bundles))
    frames, found = mtcp.Frames(), []
    for start in range(0, len(stream), piece):
        found += frames.take(stream[start : start + piece])
    assert found == bundles and not frames.torn
    assert frames.take(mtcp.frame(b"abc")[:2]) == [] and frames.torn


@pytest.mark.parametrize("size", [1, 23, 24, 255, 256, 65_535, 65_536])
def test_pyd3tn_s_mtcp_and_ours_understand_each_other(size: int) -> None:
    here, there = socket.socketpair()
    with here, there:
        for each in (here, there):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        MTCPSocket(there).send_bundle(b"x" * size)
        assert mtcp.Frames().take(here.recv(1 << 18)) == [b"x" * size]
        here.sendall(mtcp.frame(b"y" * size))
        assert MTCPSocket(there, timeout=5.0).recv_bundle() == b"y" * size


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x9f", "no byte string of known length"),
        (b"\x5f", "no byte string of known length"),
        (b"\x61a", "no byte string of known length"),
        (b"\x5a\x00\x00\x00\x01", r"shortest form: 1"),
        (b"\x45abcde", r"more than 4 bytes: 5 \(draft-ietf-dtn-mtcpcl-01\)"),
    ],
)
def test_what_is_no_mtcp(data: bytes, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        mtcp.Frames(most_bytes=4).take(data)
