"""A distance-vector protocol: fewest hops. Its packet is a scapy format."""

import time

from scapy.fields import ByteField, IPField, PacketListField
from scapy.packet import Packet

from protocols.own import OwnDaemon, Speaker

FAR = 16
"""Hops that are too many, as in RIP: so far two nodes count each other up after a loss."""


class Way(Packet):
    """One line of a node's table."""

    name = "HopCountWay"
    fields_desc = (IPField("to", "0.0.0.0"), ByteField("hops", 0))

    def extract_padding(self, rest: bytes) -> tuple[bytes, bytes]:
        """Leave what follows to the next line."""
        return b"", rest


class Vector(Packet):
    """A node's table, told to its neighbours."""

    name = "HopCountVector"
    fields_desc = (PacketListField("ways", [], Way),)


class HopCount(OwnDaemon):
    """Every ``hello_s`` each node tells its table; from those it hears it takes the shortest."""

    protocol = "hop count"

    def main(self, node: Speaker) -> None:
        """Tell, listen, choose."""
        told = {}  # by port: when, by whom, and how far away it is from what
        best = {}  # by destination: hops, port, neighbour
        while True:
            for port in node.lit():
                ways = [Way(to=to, hops=h) for to, (h, p, _) in best.items() if p != port]
                node.send(port, bytes(Vector(ways=[Way(to=node.address, hops=0), *ways])))
            for port, neighbour, message in node.heard(node.routing.hello_s):
                hops = {way.to: way.hops + 1 for way in Vector(message).ways}
                told[port] = time.monotonic(), neighbour, hops
            lit, best = node.lit(), {}
            for port, (when, neighbour, hops) in sorted(told.items(), key=lambda e: e[0].number):
                if port in lit and time.monotonic() - when < node.routing.dead_s:
                    for to, count in hops.items():
                        if to != node.address and count < min(FAR, best.get(to, (FAR,))[0]):
                            best[to] = count, port, neighbour
            node.set_routes({to: (port, via) for to, (_, port, via) in best.items()})
