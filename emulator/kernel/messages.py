"""Netlink messages as numpy rows: encoded once, patched by column, sent as one block.

The hot path of an emulation is retuning: thousands of netem changes a second. Here a message
is one row of a structured array, so retuning a whole sky is a few column assignments.
Layouts: linux/netlink.h, linux/rtnetlink.h, linux/pkt_sched.h, linux/tc_act/tc_mirred.h. Routes
have a module of their own, route_messages.py.
"""

import struct
from collections.abc import Iterator

import numpy as np

RTM_NEWLINK, RTM_GETLINK = 16, 18
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWQDISC, RTM_GETQDISC = 36, 38
RTM_NEWTFILTER = 44
RTM_NEWACTION, RTM_GETACTION = 48, 50
NLM_F_REQUEST, NLM_F_ACK = 0x1, 0x4
NLM_F_REPLACE, NLM_F_CREATE, NLM_F_EXCL, NLM_F_DUMP = 0x100, 0x400, 0x200, 0x300

IFF_UP = 0x1
TC_H_ROOT = 0xFFFFFFFF
TC_H_CLSACT = 0xFFFFFFF1
TC_H_CLSACT_INGRESS = 0xFFFFFFF2
NETEM_HANDLE = 0x00010000
REDIRECT_PRIORITY = 1000
"""The filter that redirects all frames is the last: filters that count come before it."""
TICK_NS = 64
"""Length of a packet-scheduler tick (PSCHED_SHIFT 6): netem's 32-bit latency counts these."""

HEADER = [("length", "<u4"), ("type", "<u2"), ("flags", "<u2"), ("seq", "<u4"), ("pid", "<u4")]
_TCMSG = [
    ("family", "u1"),
    ("pad", "V3"),
    ("ifindex", "<i4"),
    ("handle", "<u4"),
    ("parent", "<u4"),
    ("info", "<u4"),
]

NETEM = np.dtype(
    [
        *HEADER,
        *_TCMSG,
        ("kind_len", "<u2"),
        ("kind_type", "<u2"),
        ("kind", "S8"),
        ("options_len", "<u2"),
        ("options_type", "<u2"),
        ("latency_ticks", "<u4"),
        ("limit_packets", "<u4"),
        ("loss", "<u4"),
        ("gap", "<u4"),
        ("duplicate", "<u4"),
        ("jitter_ticks", "<u4"),
        ("rate_len", "<u2"),
        ("rate_type", "<u2"),
        ("rate_bytes_s", "<u4"),
        ("packet_overhead", "<i4"),
        ("cell_size", "<u4"),
        ("cell_overhead", "<i4"),
        ("rate64_len", "<u2"),
        ("rate64_type", "<u2"),
        ("rate64_bytes_s", "<u8"),
        ("latency64_len", "<u2"),
        ("latency64_type", "<u2"),
        ("latency64_ns", "<i8"),
        ("model_len", "<u2"),
        ("model_type", "<u2"),
        ("chain_len", "<u2"),
        ("chain_type", "<u2"),
        ("chain_p", "<u4"),
        ("chain_r", "<u4"),
        ("chain_h", "<u4"),
        ("chain_k1", "<u4"),
    ]
)
"""RTM_NEWQDISC of a netem root qdisc with its complete state."""

MIRRED = np.dtype(
    [
        *HEADER,
        ("family", "u1"),
        ("pad", "V3"),
        ("table_len", "<u2"),
        ("table_type", "<u2"),
        ("entry_len", "<u2"),
        ("entry_type", "<u2"),
        ("kind_len", "<u2"),
        ("kind_type", "<u2"),
        ("kind", "S8"),
        ("options_len", "<u2"),
        ("options_type", "<u2"),
        ("parms_len", "<u2"),
        ("parms_type", "<u2"),
        ("index", "<u4"),
        ("capab", "<u4"),
        ("action", "<i4"),
        ("refcnt", "<i4"),
        ("bindcnt", "<i4"),
        ("eaction", "<i4"),
        ("target_ifindex", "<u4"),
    ]
)
"""RTM_NEWACTION of one mirred action: where the light of one port goes."""

LINK_FLAGS = np.dtype(
    [
        *HEADER,
        ("family", "u1"),
        ("pad", "u1"),
        ("link_type", "<u2"),
        ("ifindex", "<i4"),
        ("flags_value", "<u4"),
        ("change", "<u4"),
    ]
)
"""RTM_NEWLINK that sets interface flags."""

_MAX_U32 = 0xFFFFFFFF
_PPB = 1_000_000_000
_TCA_NETEM_LOSS, _NETEM_LOSS_GE = 5, 2
_IFLA_OPERSTATE, _IF_OPER_UP = 16, 6


def blank(dtype: np.dtype, count: int, kind: int, flags: int) -> np.ndarray:
    """Return ``count`` messages of a layout that begins with HEADER, all else zero."""
    rows = np.zeros(count, dtype=dtype)
    rows["length"], rows["type"], rows["flags"] = dtype.itemsize, kind, NLM_F_REQUEST | flags
    return rows


def netem(ifindex: np.ndarray) -> np.ndarray:
    """Return one netem message for each interface; fill it with :func:`tune`."""
    rows = blank(NETEM, len(ifindex), RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE)
    rows["ifindex"], rows["parent"], rows["handle"] = ifindex, TC_H_ROOT, NETEM_HANDLE
    rows["kind_len"], rows["kind_type"], rows["kind"] = 10, 1, b"netem"
    rows["options_len"] = NETEM.itemsize - NETEM.fields["options_len"][1]
    rows["options_type"] = 2
    rows["rate_len"], rows["rate_type"] = 20, 6
    rows["rate64_len"], rows["rate64_type"] = 12, 8
    rows["latency64_len"], rows["latency64_type"] = 12, 10
    rows["model_len"], rows["model_type"] = 24, _TCA_NETEM_LOSS
    rows["chain_len"], rows["chain_type"] = 20, _NETEM_LOSS_GE
    return rows


def tune(rows: np.ndarray, state: np.ndarray) -> None:
    """Write the channels of ``state`` (PORT_STATE) into netem messages, complete every time.

    The kernel keeps the greater of RATE and RATE64, zeroes what base fields omit and keeps what
    omitted attributes held, so nothing is ever omitted. Losses are those of a Gilbert-Elliott
    chain (struct tc_netem_gemodel; Elliott, Bell Syst. Tech. J. 42, 1963), fades or none: in the
    good state a packet is lost with chance k1 and the next one is in the bad state with chance p;
    in the bad state all but h are lost, and the next is back in the good one with chance r.
    """
    bytes_s = state["rate_bps"] // 8
    rows["latency_ticks"] = np.minimum(state["delay_ns"] // TICK_NS, _MAX_U32)
    rows["latency64_ns"] = state["delay_ns"]
    rows["limit_packets"] = state["limit_packets"]
    rows["chain_p"] = _odds(state["fade_start_ppb"])
    rows["chain_r"] = _odds(state["fade_end_ppb"])
    rows["chain_k1"] = _odds(state["loss_ppb"])
    rows["rate_bytes_s"] = np.minimum(bytes_s, _MAX_U32)
    rows["rate64_bytes_s"] = bytes_s


def _odds(ppb: np.ndarray) -> np.ndarray:
    """How many of the 2^32 numbers that the kernel may draw mean yes, for parts per billion.

    "Always" is out of the kernel's reach by one draw in 2^32, a quarter of a part per billion.
    """
    odds = ((ppb.astype(np.uint64) << np.uint64(32)) + np.uint64(_PPB // 2)) // np.uint64(_PPB)
    return np.minimum(odds, np.uint64(_MAX_U32))


def _ppb(odds: int) -> int:
    """Undo :func:`_odds`."""
    return (odds * _PPB + 2**31) >> 32


def mirred(index: np.ndarray) -> np.ndarray:
    """Return one redirect action for each action index; set ``target_ifindex`` to aim it."""
    rows = blank(MIRRED, len(index), RTM_NEWACTION, NLM_F_CREATE | NLM_F_REPLACE)
    for name, kind in (("table", 1), ("entry", 1), ("options", 2), ("parms", 2)):
        rows[f"{name}_len"] = MIRRED.itemsize - MIRRED.fields[f"{name}_len"][1]
        rows[f"{name}_type"] = kind
    rows["kind_len"], rows["kind_type"], rows["kind"] = 11, 1, b"mirred"
    rows["index"] = index
    rows["action"], rows["eaction"] = 4, 1  # TC_ACT_STOLEN, TCA_EGRESS_REDIR
    return rows


def link_flags(ifindex: np.ndarray, up: bool) -> np.ndarray:
    """Return messages that raise or lower interfaces."""
    rows = blank(LINK_FLAGS, len(ifindex), RTM_NEWLINK, 0)
    rows["ifindex"], rows["change"] = ifindex, IFF_UP
    rows["flags_value"] = IFF_UP if up else 0
    return rows


def attribute(kind: int, payload: bytes) -> bytes:
    """Encode one netlink attribute, padded to four bytes."""
    return struct.pack("<HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def message(kind: int, flags: int, body: bytes) -> bytes:
    """Encode one netlink message; the socket fills in sequence number and port."""
    return struct.pack("<IHHII", 16 + len(body), kind, NLM_F_REQUEST | flags, 0, 0) + body


def clsact(ifindex: int) -> bytes:
    """Return the message that gives an interface its ingress hook."""
    header = struct.pack("<B3xiIII", 0, ifindex, 0xFFFF0000, TC_H_CLSACT, 0)
    return message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, header + attribute(1, b"clsact\0"))


def redirect_all(ifindex: int, action_index: int) -> bytes:
    """Return the matchall filter that hands all that an interface receives to one mirred action."""
    every_protocol = 0x0300  # htons(ETH_P_ALL)
    info = REDIRECT_PRIORITY << 16 | every_protocol
    header = struct.pack("<B3xiIII", 0, ifindex, 1, TC_H_CLSACT_INGRESS, info)
    parms = attribute(2, struct.pack("<IIiiiiI", action_index, 0, 4, 0, 0, 1, 0))
    action = attribute(1, attribute(1, b"mirred\0") + attribute(2, parms))
    options = attribute(2, attribute(2, action))
    flags = NLM_F_CREATE | NLM_F_EXCL
    return message(RTM_NEWTFILTER, flags, header + attribute(1, b"matchall\0") + options)


def dump_qdiscs() -> bytes:
    """Return the request for all qdiscs of a namespace."""
    return message(RTM_GETQDISC, NLM_F_DUMP, bytes(20))


def dump_links() -> bytes:
    """Return the request for all links of a namespace."""
    return message(RTM_GETLINK, NLM_F_DUMP, bytes(16))


def dump_actions(kind: str) -> bytes:
    """Return the request for all actions of a kind (mirred, gact) in a namespace."""
    table = attribute(1, attribute(1, attribute(1, kind.encode() + b"\0")))
    return message(RTM_GETACTION, NLM_F_DUMP, bytes(4) + table)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Iterate over (type without flags, payload) of a run of attributes."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("<HH", data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def read_netem(body: bytes) -> tuple[int, dict[str, int]] | None:
    """Return (ifindex, channel) of a qdisc message that holds a netem, else None.

    The channel has the fields of PORT_STATE but ``peer``. Of a netem without a Gilbert-Elliott
    chain, which is none of ours, ``loss_ppb`` is its random loss.
    """
    found = dict(attributes(body[20:]))
    if found.get(1) != b"netem\0":
        return None
    (ifindex,) = struct.unpack_from("<i", body, 4)
    options = found[2]
    ticks, limit, loss = struct.unpack_from("<III", options)
    nested = dict(attributes(options[24:]))
    delay_ns = struct.unpack("<q", nested[10])[0] if 10 in nested else ticks * TICK_NS
    bytes_s = struct.unpack_from("<I", nested[6])[0] if 6 in nested else 0
    if 8 in nested:
        (bytes_s,) = struct.unpack("<Q", nested[8])
    chain = dict(attributes(nested.get(_TCA_NETEM_LOSS, b""))).get(_NETEM_LOSS_GE)
    p, r, _, k1 = struct.unpack("<IIII", chain) if chain else (0, 0, 0, loss)
    channel = {
        "delay_ns": delay_ns,
        "rate_bps": bytes_s * 8,
        "loss_ppb": _ppb(k1),
        "fade_start_ppb": _ppb(p),
        "fade_end_ppb": _ppb(r),
        "limit_packets": limit,
    }
    return ifindex, channel


def read_mirred(body: bytes) -> Iterator[tuple[int, int]]:
    """Iterate over (action index, target ifindex) of an action message."""
    for kind, table in attributes(body[4:]):
        if kind != 1:
            continue
        for _, entry in attributes(table):
            parms = dict(attributes(dict(attributes(entry))[2]))[2]
            index, _, _, _, _, _, target = struct.unpack("<IIiiiiI", parms[:28])
            yield index, target


def read_link(body: bytes) -> tuple[int, int]:
    """Return (ifindex, flags) of a link message: IFF_UP and others."""
    return struct.unpack_from("<iI", body, 4)


def read_ready(body: bytes) -> tuple[int, bool]:
    """Return (ifindex, whether it passes packets) of a link message.

    By its operational state (RFC 2863), which the kernel sets when it has dealt with a change of
    carrier: IFF_RUNNING is there before.
    """
    state = dict(attributes(body[16:]))[_IFLA_OPERSTATE]
    return struct.unpack_from("<i", body, 4)[0], state[0] == _IF_OPER_UP
