"""OSPFv3 (RFC 5340) by BIRD 2, for IPv6: as bird_ospf.py, over link-local addresses."""

from protocols.bird_ospf import BirdOspf


class BirdOspf6(BirdOspf):
    """OSPFv3 in every node."""

    protocol = "OSPFv3"
    family = 6
