"""How long an object takes by TCP over an otherwise idle path: two closed forms, nothing measured.

``ideal_s``: what no protocol can beat, the bits at line rate and the light's way.
``expected_s``: what TCP can do that starts slowly. From connect() to the last byte:

    1 RTT       handshake (RFC 9293, section 3.5)
    1 RTT       our header, and the answer how much is held (objects.py)
    ideal_s     the object's own frames
    the stalls  of slow start: the first window is ten segments (RFC 6928), each acknowledged
                segment makes room for one more (RFC 5681, section 3.1, by bytes as in RFC 3465), so
                window k is 10 × 2^k; having sent it, the sender waits for its first
                acknowledgement, RTT + t - 10 × 2^k × t, t being a frame's time, until the windows
                fill the path. (So in Kurose and Ross, Computer Networking, "TCP delay modeling".)

Losses, other traffic, and windows that buffers keep small are not in it: sizing.py and the pacing
of objects.py see to it that there is nothing of the kind on such a path. Nor are rates that change,
and ways back too slow for the acknowledgements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.units import FRAME_BYTES, SEGMENT_BYTES

FIRST_WINDOW = 10
"""Segments (RFC 6928)."""
_OVERHEAD_BYTES = FRAME_BYTES - SEGMENT_BYTES
"""Headers of a segment; and all that an acknowledgement is."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One link of a path: light time one way, and the rates of its two channels."""

    delay_s: float
    rate_bps: float
    return_bps: float | None = None
    """Of the way back. Default: the same."""

    def carries_s(self, wire_bytes: float) -> float:
        """Return the time to put so many bytes on the line, headers counted."""
        return 8 * wire_bytes / self.rate_bps

    def returns_s(self, wire_bytes: float) -> float:
        """Return the same time for the way back."""
        return 8 * wire_bytes / (self.return_bps or self.rate_bps)


def ideal_s(size: int, path: Sequence[Hop]) -> float:
    """Return the seconds from the first bit on the line to the last byte's arrival.

    All frames at the slowest link's rate, the last of them once more at every other link (a node
    sends on what it has whole), and the light time of all.
    """
    segments = -(-size // SEGMENT_BYTES)
    last_bytes = size - (segments - 1) * SEGMENT_BYTES + _OVERHEAD_BYTES
    slowest = min(path, key=lambda hop: hop.rate_bps)
    others_s = sum(hop.carries_s(last_bytes) for hop in path) - slowest.carries_s(last_bytes)
    wire_bytes = size + segments * _OVERHEAD_BYTES
    return slowest.carries_s(wire_bytes) + others_s + sum(hop.delay_s for hop in path)


def expected_s(size: int, path: Sequence[Hop]) -> float:
    """Return the seconds from connect() to the last byte's arrival, slow start included."""
    light_s = 2 * sum(hop.delay_s for hop in path)
    frame_s = max(hop.carries_s(FRAME_BYTES) for hop in path)
    # From the first bit of a full frame to the end of its acknowledgement.
    echo_s = light_s + sum(h.carries_s(FRAME_BYTES) + h.returns_s(_OVERHEAD_BYTES) for h in path)
    left, window, stalls_s = -(-size // SEGMENT_BYTES), FIRST_WINDOW, 0.0
    while left > window and window * frame_s < echo_s:
        stalls_s += echo_s - window * frame_s
        left -= window
        window *= 2
    return 2 * light_s + stalls_s + ideal_s(size, path)
