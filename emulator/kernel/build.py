"""Messages that build a node: pyroute2 encodes them, our socket sends them in batches."""

from typing import Any

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from emulator.kernel.messages import IFF_UP, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST
from emulator.network import NODE_MAC
from emulator.units import MTU_BYTES

_RTM_NEWLINK, _RTM_NEWADDR = 16, 20
_IFF_NOARP = 0x80
_AF_INET, _AF_INET6 = 2, 10
_FABRIC_MAC = "02:4c:4d:00:00:02"


def _encode(message: Any, kind: int, flags: int, fields: dict[str, Any], attrs: Any) -> bytes:
    message["header"] = {
        "type": kind,
        "flags": NLM_F_REQUEST | flags,
        "pid": 0,
        "sequence_number": 0,
    }
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = attrs
    message.encode()
    return bytes(message.data)


def port_pair(name: str, ifindex: int, node_port: str, node_ifindex: int, netns_fd: int) -> bytes:
    """Return the message that makes one veth pair: ``name`` here, ``node_port`` in the node.

    A laser has no ARP and knows its one peer: all node ends share a MAC and are NOARP, so the
    first packet leaves at once. Every IP packet is a frame of its own (gso_max_segs 1), or netem
    would count a bundle as one.
    """
    peer = {
        "index": node_ifindex,
        "flags": _IFF_NOARP,
        "change": _IFF_NOARP,
        "attrs": [
            ("IFLA_IFNAME", node_port),
            ("IFLA_ADDRESS", NODE_MAC),
            ("IFLA_MTU", MTU_BYTES),
            ("IFLA_GSO_MAX_SEGS", 1),
            ("IFLA_NET_NS_FD", netns_fd),
        ],
    }
    return _veth(name, ifindex, _FABRIC_MAC, peer)


def void_pair(name: str, ifindex: int, end: str, end_ifindex: int) -> list[bytes]:
    """Return the messages that make empty space: what is sent into ``name`` is heard by nobody."""
    peer = {"index": end_ifindex, "attrs": [("IFLA_IFNAME", end)]}
    return [_veth(name, ifindex, _FABRIC_MAC, peer), link_up(ifindex), link_up(end_ifindex)]


def _veth(name: str, ifindex: int, mac: str, peer: dict[str, Any]) -> bytes:
    data = {"attrs": [("VETH_INFO_PEER", peer)]}
    attrs = [
        ("IFLA_IFNAME", name),
        ("IFLA_ADDRESS", mac),
        ("IFLA_MTU", MTU_BYTES),
        ("IFLA_GSO_MAX_SEGS", 1),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]}),
    ]
    return _encode(ifinfmsg(), _RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, {"index": ifindex}, attrs)


def link_up(ifindex: int) -> bytes:
    """Return the message that raises an interface."""
    return _encode(
        ifinfmsg(), _RTM_NEWLINK, 0, {"index": ifindex, "flags": IFF_UP, "change": IFF_UP}, []
    )


def address(ifindex: int, ip: str, prefix: int) -> bytes:
    """Return the message that adds an address without duplicate-address detection."""
    family = _AF_INET6 if ":" in ip else _AF_INET
    fields = {"family": family, "prefixlen": prefix, "index": ifindex}
    attrs: list[tuple[str, Any]] = [("IFA_LOCAL", ip), ("IFA_ADDRESS", ip)]
    if family == _AF_INET6:
        attrs = [("IFA_ADDRESS", ip), ("IFA_FLAGS", 0x02)]
    return _encode(ifaddrmsg(), _RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, fields, attrs)
