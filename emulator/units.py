"""Constants with their sources. Names carry units; nothing here converts silently."""

C_KM_S = 299_792.458
"""Speed of light in vacuum (SI definition). Light in space travels at exactly this."""

EARTH_RADIUS_KM = 6378.137
"""Equatorial radius, WGS-84 (NIMA TR8350.2). Also the sphere that grazing heights refer to."""

EARTH_FLATTENING = 1 / 298.257223563
"""WGS-84 flattening (NIMA TR8350.2)."""

EARTH_MEAN_RADIUS_KM = 6371.0088
"""Mean radius of the three axes (IUGG, Moritz 2000): for distances on the ground."""

MU_KM3_S2 = 398_600.4418
"""Earth's gravitational parameter, WGS-84 (NIMA TR8350.2)."""

J2 = 1.08262668e-3
"""Earth's second zonal harmonic (WGS-84 / EGM-96, unnormalised)."""

DAY_S = 86_400.0
"""Seconds of a day of UTC without a leap second."""

NS_PER_S = 1_000_000_000
"""Nanoseconds of a second: the kernel takes delays as integers of this unit."""

MTU_BYTES = 1500
"""IP packet size that every port carries."""

FRAME_BYTES = MTU_BYTES + 14
"""Bytes that netem counts for a full packet: the IP packet and its Ethernet header."""

SEGMENT_BYTES = MTU_BYTES - 20 - 20 - 12
"""TCP payload of a full packet: less the headers of IPv4 (RFC 791) and TCP (RFC 9293) and the
timestamps option with its padding (RFC 7323, appendix A)."""

IPV6_MORE_BYTES = 20
"""By how much the header of IPv6 (RFC 8200) is longer than that of IPv4."""
