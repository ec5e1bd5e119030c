"""Bundles against the byte examples of RFC 9173, against pyD3TN, and against themselves."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyd3tn import bundle7 as d3tn

from protocols.bundles.bundle import (
    BUNDLE_AGE,
    HOP_COUNT,
    PREVIOUS_NODE,
    Block,
    BlockFlag,
    Bundle,
    BundleFlag,
    Crc,
    Primary,
    bundle_of,
    decode,
)
from protocols.bundles.cbor import BundleError, Reader, encode
from protocols.bundles.eid import NONE, Eid
from protocols.bundles.fragments import fragments, whole
from protocols.bundles.records import Reason, Status, StatusReport, report_on

PRIMARY = "88070000820282010282028202018202820201820018281a000f4240"
PAYLOAD = "85010100005823526561647920746f2067656e657261746520612033322d62797465207061796c6f6164"
BIB_A1 = (
    "850b0200005856810101018202820201828201078203008181820158403bdc69b3a34a2b5d3a8554368bd1e808"
    "f606219d2a10a846eae3886ae4ecc83c4ee550fdfb1cc636b904e2f1a73e303dcd4b6ccece003e95e8164dcc89"
    "a156e1"
)
BCB_A2 = (
    "850c02010058508101020182028202018482014c5477656c76653132313231328202018203581869c411276fec"
    "ddc4780df42c8a2af89296fabf34d7fae7008204008181820150efa4b5ac0108e3816c5606479801bc04"
)
SECRET = "850101000058233a09c1e63fe23a7f66a59c7303837241e070b02619fc59c5214a22f08cd70795e73e9a"
BIB_A3 = (
    "850b030000585c8200020101820282030082820105820300828182015820cac6ce8e4c5dae57988b757e49a6dd"
    "1431dc04763541b2845098265bc817241b81820158203ed614c0d97f49b3633627779aa18a338d212bf3c92b97"
    "759d9739cd50725596"
)
BCB_A3 = (
    "850c04010058348101020182028202018382014c5477656c76653132313231328202018204008181820150efa4"
    "b5ac0108e3816c5606479801bc04"
)
AGE_A3 = "85070200004319012c"
BIB_A4 = (
    "850b0300005846438ed6208eb1c1ffb94d952175167df0902902064a2983910c4fb2340790bf420a7d1921d5bf"
    "7c4721e02ab87a93ab1e0b75cf62e4948727c8b5dae46ed2af05439b88029191"
)
BCB_A4 = (
    "850c0201005849820301020182028202018382014c5477656c7665313231323132820203820407828182015022"
    "0ffc45c8a901999ecc60991dd78b2981820150d2c51cb2481792dae8b21d848cede99b"
)
SECRET_A4 = "8501010000582390eab6457593379298a8724e16e61f837488e127212b59ac91f8a86287b7d07630a122"
RFC_9173 = {
    "A.1.1.3": (PRIMARY, PAYLOAD),
    "A.1.4": (PRIMARY, BIB_A1, PAYLOAD),
    "A.2.4": (PRIMARY, BCB_A2, SECRET),
    "A.3.5": (PRIMARY, BIB_A3, BCB_A3, AGE_A3, SECRET),
    "A.4.5": (PRIMARY, BIB_A4, BCB_A4, SECRET_A4),
}
"""The bundles of RFC 9173, appendix A, block by block."""
BCB = 12


def bytes_of(example: str) -> bytes:
    return bytes.fromhex("9f" + "".join(RFC_9173[example]) + "ff")


def plain(**changes: object) -> Primary:
    fields = {
        "destination": Eid.parse("dtn://ground/in"),
        "source": Eid.parse("dtn://sat-01/out"),
        "created_ms": 840_000_000_000,
        "sequence": 7,
        "lifetime_ms": 3_600_000,
    }
    return Primary(**{**fields, **changes})


@pytest.mark.parametrize("example", RFC_9173)
def test_the_bundles_of_rfc_9173_are_read_and_written_to_the_byte(example: str) -> None:
    bundle = decode(bytes_of(example))
    assert bundle.encode() == bytes_of(example)
    first = bundle.primary
    assert [str(each) for each in (first.destination, first.source, first.report_to)] == [
        *("ipn:1.2", "ipn:2.1", "ipn:2.1")
    ]
    assert (first.created_ms, first.sequence, first.lifetime_ms) == (0, 40, 1_000_000)
    assert first.crc is Crc.NONE and not first.flags


def test_the_plain_bundle_of_rfc_9173_made_from_its_figures() -> None:
    ends = {name: Eid.parse("ipn:2.1") for name in ("source", "report_to")}
    primary = Primary(
        destination=Eid.parse("ipn:1.2"), created_ms=0, sequence=40, lifetime_ms=1_000_000, **ends
    )
    made = bundle_of(primary, b"Ready to generate a 32-byte payload", Crc.NONE)
    assert made.encode() == bytes_of("A.1.1.3")
    assert not made.dated and decode(bytes_of("A.3.5")).dated


def test_extension_blocks_of_rfc_9173() -> None:
    bundle = decode(bytes_of("A.3.5"))
    assert bundle.age_ms == 300 and bundle.previous_node is None and bundle.hops is None
    assert [(each.type, each.number) for each in bundle.unknown()] == [(11, 3), (BCB, 4)]
    assert BlockFlag.REPLICATE in bundle.block(BCB).flags
    left = bundle.without(bundle.unknown())
    assert left.encode() == bytes.fromhex("9f" + PRIMARY + AGE_A3 + SECRET + "ff")


def test_checksums_as_published() -> None:
    # "123456789": check values of CRC-16/IBM-SDLC (X.25) and CRC-32/ISCSI (RFC 3720, appendix B.4).
    assert Crc.X25.of(b"123456789").hex() == "906e"
    assert Crc.CASTAGNOLI.of(b"123456789").hex() == "e3069283"
    assert Crc.CASTAGNOLI.of(bytes(32)).hex() == "8a9136aa"
    # A primary block of Hardy's tests, whose checksum is of X.25.
    primary = "89070001820282010282028202018202820201820118281a000f424042e4fe"
    bundle = decode(bytes.fromhex("9f" + primary + PAYLOAD + "ff"))
    assert bundle.primary.crc is Crc.X25
    assert bundle.encode() == bytes.fromhex("9f" + primary + PAYLOAD + "ff")


@pytest.mark.parametrize("crc", list(d3tn.CRCType))
def test_pyd3tn_s_bundles_are_read_and_written_back_to_the_byte(crc: d3tn.CRCType) -> None:
    sent = d3tn.serialize_bundle7(
        "dtn://sat-01/out",
        "ipn:23.42",
        bytes(range(256)) * 300,
        report_to_eid="dtn://ops/reports",
        crc_type_primary=crc or d3tn.CRCType.CRC16,
        crc_type_canonical=crc,
        creation_timestamp=1_800_000_000,
        sequence_number=9,
        lifetime=120,
        hop_limit=30,
        hop_count=2,
        bundle_age=3,
        previous_node_eid="ipn:7.0",
    )
    bundle = decode(sent)
    assert bundle.encode() == sent
    assert bundle.payload == bytes(range(256)) * 300 and bundle.blocks[-1].crc == crc
    assert str(bundle.id) == "dtn://sat-01/out@853315200000.9"
    assert (bundle.hops, bundle.age_ms, str(bundle.previous_node)) == ((30, 2), 3000, "ipn:7.0")
    assert bundle.primary.lifetime_ms == 120_000 and bundle.primary.report_to.host == "ops"


@pytest.mark.parametrize("crc", [Crc.X25, Crc.CASTAGNOLI])
def test_pyd3tn_reads_what_is_written_here(crc: Crc) -> None:
    bundle = bundle_of(
        plain(flags=BundleFlag.FRAGMENT, offset=100, total_bytes=1000), b"x" * 500, crc
    )
    bundle = bundle.with_value(HOP_COUNT, (64, 1)).with_value(PREVIOUS_NODE, (2, (5, 0)))
    read = d3tn.Bundle.parse(bundle.encode())
    assert (read.primary_block.fragment_offset, read.primary_block.total_payload_length) == (
        100,
        1000,
    )
    assert str(read.primary_block.source) == "dtn://sat-01/out"
    assert read.payload_block.data == b"x" * 500
    assert {each.block_type for each in read.blocks} == {HOP_COUNT, PREVIOUS_NODE}
    for each in read:
        assert each.crc_type == crc and each.crc_provided == each.calculate_crc()
    assert bytes(read) == bundle.encode()


def test_a_status_report_of_pyd3tn_is_read() -> None:
    infos = d3tn.StatusCode.RECEIVED_BUNDLE | d3tn.StatusCode.DELIVERED_BUNDLE
    subject = d3tn.CreationTimestamp(1_800_000_000, 4)
    report = d3tn.BundleStatusReport(infos, 0, d3tn.EID("dtn://sat-01/out"), subject)
    read = StatusReport.decode(report.data)
    assert str(read.subject) == "dtn://sat-01/out@853315200000.4"
    assert (read.received, read.forwarded) == (Status(asserted=True), Status())
    assert (read.delivered.asserted, read.deleted.asserted, read.reason) == (True, False, 0)
    assert read.encode() == report.data


U64 = st.integers(0, 2**64 - 1)
EIDS = st.one_of(
    st.just(NONE),
    st.builds(lambda a, b: Eid(2, (a, b)), U64, U64),
    st.from_regex(r"\Adtn://[a-z0-9-]{1,12}/[!-~]{0,12}\Z").map(Eid.parse),
)
NAMED = EIDS.filter(lambda each: each != NONE)
CRCS = st.sampled_from(Crc)
BLOCKS = st.lists(
    st.builds(
        Block,
        type=st.integers(200, 2**64 - 1),
        number=st.integers(2, 2**64 - 1),
        data=st.binary(max_size=300),
        flags=st.integers(0, 31).map(BlockFlag),
        crc=CRCS,
    ),
    max_size=4,
    unique_by=lambda each: each.number,
)


@st.composite
def bundles(draw: st.DrawFn) -> Bundle:
    payload = draw(st.binary(max_size=2000))
    offset = draw(st.none() | st.integers(0, 2**62))
    primary = Primary(
        destination=draw(EIDS),
        source=draw(NAMED),
        report_to=draw(EIDS),
        created_ms=draw(U64),
        sequence=draw(U64),
        lifetime_ms=draw(U64),
        flags=BundleFlag.NONE if offset is None else BundleFlag.FRAGMENT,
        crc=draw(CRCS),
        offset=offset,
        total_bytes=None if offset is None else offset + len(payload) + draw(st.integers(0, 9)),
    )
    last = Block(type=1, number=1, data=payload, crc=draw(CRCS))
    return Bundle(primary, (*draw(BLOCKS), last))


@given(bundles())
def test_any_bundle_comes_back_as_it_was(bundle: Bundle) -> None:
    assert decode(bundle.encode()) == bundle
    # And for a general reader of CBOR it says the same.
    read = cbor2.loads(bundle.encode())
    assert read[0][:3] == [7, bundle.primary.flags, bundle.primary.crc]
    assert [block[4] for block in read[1:]] == [each.data for each in bundle.blocks]


@given(bundles(), st.data())
def test_a_flipped_bit_under_a_checksum_never_passes(bundle: Bundle, data: st.DataObject) -> None:
    sure = bundle_of(bundle.primary, bundle.payload).encode()
    bit = data.draw(st.integers(0, 8 * len(sure) - 1))
    flipped = bytearray(sure)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BundleError):
        decode(bytes(flipped))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bundle_or_an_error_of_ours(data: bytes) -> None:
    for text in (data, bytes.fromhex("9f" + PRIMARY) + data):
        try:
            decode(text)
        except BundleError as error:
            assert "RFC" in error.clause and error.clause in str(error)


ITEMS = st.recursive(
    st.integers(0, 2**64 - 1) | st.binary() | st.text() | st.booleans(),
    lambda inner: st.lists(inner, max_size=30),
    max_leaves=60,
)


@given(ITEMS)
def test_items_are_written_as_cbor2_does_in_canonical_form(item: object) -> None:
    assert encode(item) == cbor2.dumps(item, canonical=True)
    assert Reader(encode(item), booleans=True).value() == item


@pytest.mark.parametrize(
    ("text", "value"),
    [  # RFC 8949, appendix A
        *(("00", 0), ("17", 23), ("1818", 24), ("1903e8", 1000), ("1a000f4240", 1_000_000)),
        ("1bffffffffffffffff", 2**64 - 1),
        ("4401020304", b"\1\2\3\4"),
        ("6449455446", "IETF"),
        ("8301820203820405", [1, [2, 3], [4, 5]]),
        ("5f42010243030405ff", b"\1\2\3\4\5"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("83018202039f0405ff", [1, [2, 3], [4, 5]]),
    ],
)
def test_examples_of_rfc_8949(text: str, value: object) -> None:
    reader = Reader(bytes.fromhex(text))
    assert reader.value() == value and reader.at == len(text) // 2


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("1800", "RFC 8949, 4.2.1"),  # 0 in two bytes
        ("190017", "RFC 8949, 4.2.1"),
        ("f4", "RFC 9171, 4.1"),  # a boolean, where none can be
        ("20", "RFC 9171, 4.1"),  # -1
        ("fb3ff199999999999a", "RFC 9171, 4.1"),
        ("a10102", "RFC 9171, 4.1"),
        ("c11a514b67b0", "RFC 9171, 4.1"),
        ("61ff", "RFC 8949, 3.1"),
        ("5f6161ff", "RFC 8949, 3.2.3"),
        ("44010203", "RFC 8949, 3"),
        ("9f01", "RFC 8949, 3.2"),
        ("81" * 40, "RFC 9171, 4.1"),
    ],
)
def test_what_bundles_do_not_hold_is_named(text: str, clause: str) -> None:
    with pytest.raises(BundleError) as caught:
        Reader(bytes.fromhex(text)).value()
    assert caught.value.clause == clause


def damaged(old: str, new: str) -> bytes:
    text = bytes_of("A.3.5").hex()
    assert old in text
    return bytes.fromhex(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (damaged("9f88", "8188"), r"indefinite length: b'\\x81' \(RFC 9171, 4.1\)"),
        (damaged("8807", "8806"), r"version of the Bundle Protocol: 6 \(RFC 9171, 4.3.1\)"),
        (damaged("88070000", "88070003"), r"kind of checksum: 3"),
        (damaged("88070000", "88070100"), r"number of the primary block's items: 8"),
        (damaged("820282010282", "820382010282"), r"schemes dtn and ipn: \[3, \[1, 2\]\]"),
        (damaged("8202820102", "820283000102"), r"three parts \(RFC 9758\)"),
        (damaged("82001828", "82001817"), r"shortest form: 23 \(RFC 8949, 4.2.1\)"),
        (damaged("850702", "850703"), r"not unique: \[3, 4, 3, 1\] \(RFC 9171, 4.3.2\)"),
        (damaged("8507020000", "850a020000"), r"hop limit and count: 300 \(RFC 9171, 4.4.3\)"),
        (damaged("8507020000", "8506020000"), r"\[2, 44\]|schemes dtn and ipn: 300"),
        (damaged("85010100", "85010500"), r"number of the payload block: 5"),
        (bytes_of("A.1.4") + b"\0", r"bytes after a bundle: 1"),
        (bytes_of("A.1.4")[:-1], r"ends at \d+ within an array"),
        (b"", r"indefinite length: b''"),
        (bytes.fromhex("9f" + PRIMARY + "ff"), r"one payload block, the last: \[\]"),
    ],
)
def test_damage_is_told_with_clause_and_value(data: bytes, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        decode(data)


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"flags": BundleFlag.FRAGMENT}, "4.3.1"),
        ({"offset": 0, "total_bytes": 1}, "4.3.1"),
        ({"source": NONE}, "4.2.3"),
        ({"flags": BundleFlag.ADMINISTRATIVE | BundleFlag.REPORT_DELETION}, "4.2.3"),
        ({"flags": BundleFlag(5), "offset": 0, "total_bytes": 1}, "5.8"),
    ],
)
def test_primary_blocks_that_contradict_themselves(changes: dict, clause: str) -> None:
    with pytest.raises(BundleError, match=clause):
        plain(**changes)


@pytest.mark.parametrize(
    "text",
    ["dtn:", "dtn:x", "dtn:///x", "dtn://a b/", "ipn:1", "ipn:01.2", "ipn:1.2.3", "http://a", "x"],
)
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(BundleError, match=r"RFC 9171, 4\.2\.5\.1"):
        Eid.parse(text)


def test_endpoints_and_their_nodes() -> None:
    known = {"dtn:none": "", "dtn://a/b/c": "a", "ipn:977000.100": "977000", "dtn://a/": "a"}
    for text, host in known.items():
        eid = Eid.parse(text)
        assert str(eid) == text and Eid.of(Reader(encode(eid.item())).value()) == eid
        assert eid.host == host
    assert str(Eid.parse("dtn://a/b/c").node) == "dtn://a/"
    assert str(Eid.parse("ipn:5.9").node) == "ipn:5.0"


@given(st.binary(min_size=1, max_size=500), st.integers(1, 200), st.randoms())
def test_fragments_make_the_whole_in_any_order(payload: bytes, size: int, chance) -> None:
    bundle = bundle_of(plain(), payload).with_value(HOP_COUNT, (9, 1))
    pieces = fragments(bundle, size)
    assert [len(each.payload) for each in pieces[:-1]] == [size] * (len(pieces) - 1)
    pieces = [part for piece in pieces for part in fragments(piece, 7)]
    pieces = [decode(each.encode()) for each in pieces]
    chance.shuffle(pieces)
    if len(payload) > min(size, 7):
        assert whole(pieces[1:]) is None
        assert whole([*pieces, pieces[0]]) == bundle


def test_which_blocks_go_with_every_fragment() -> None:
    kept = Block(type=200, number=5, data=b"k", flags=BlockFlag.REPLICATE)
    once = Block(type=201, number=6, data=b"o")
    last = Block(type=1, number=1, data=b"payload")
    bundle = Bundle(plain(created_ms=0), (kept, once, last)).with_value(BUNDLE_AGE, 5)
    first, second = fragments(bundle, 4)
    assert [each.type for each in first.blocks] == [BUNDLE_AGE, 200, 201, 1]
    assert [each.type for each in second.blocks] == [BUNDLE_AGE, 200, 1]
    assert (second.payload, second.primary.offset, second.primary.total_bytes) == (b"oad", 4, 7)
    with pytest.raises(BundleError, match="must not be fragmented"):
        fragments(bundle_of(plain(flags=BundleFlag.NOT_TO_FRAGMENT), b"xy"), 1)
    with pytest.raises(BundleError, match="fragments of different bundles"):
        whole([first, fragments(bundle_of(plain(sequence=8), b"payload"), 4)[1]])


STATUSES = st.builds(Status) | st.builds(Status, st.just(True), st.none() | U64)


@given(bundles(), st.lists(STATUSES, min_size=4, max_size=4), st.sampled_from(Reason))
def test_status_reports_come_back(bundle: Bundle, told: list[Status], reason: Reason) -> None:
    report = StatusReport(bundle.id, *told, reason=reason)
    assert StatusReport.decode(report.encode()) == report


def test_a_report_is_made_where_one_is_asked_for() -> None:
    asking = {"report_to": Eid.parse("dtn://ops/in"), "flags": BundleFlag.REPORT_DELIVERY}
    subject = bundle_of(plain(), b"").id
    report = report_on(subject, plain(**asking), BundleFlag.REPORT_DELIVERY, 5, Reason.NONE)
    assert report.delivered == Status(asserted=True) and str(report) == "delivered"
    asking["flags"] = BundleFlag.REPORT_DELETION | BundleFlag.STATUS_TIME
    report = report_on(subject, plain(**asking), BundleFlag.REPORT_DELETION, 5, Reason.EXPIRED)
    assert report.deleted == Status(asserted=True, at_ms=5) and str(report) == "deleted (expired)"
    for other in (BundleFlag.REPORT_DELIVERY, BundleFlag.REPORT_RECEPTION):
        assert report_on(subject, plain(**asking), other, 5, Reason.NONE) is None
    asking["report_to"] = NONE
    assert report_on(subject, plain(**asking), BundleFlag.REPORT_DELETION, 5, Reason.NONE) is None


@pytest.mark.parametrize("payload", ["8201", "820280", "8201848481f48181f48181f4", "8101"])
def test_what_is_no_status_report(payload: str) -> None:
    with pytest.raises(BundleError):
        StatusReport.decode(bytes.fromhex(payload))
