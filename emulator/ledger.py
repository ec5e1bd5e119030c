"""Where the time of a job went: every nanosecond in exactly one part. Pure.

What agents tell of a job are spans, each in the custody of one node after another (``leg``). From
them come slices that lie end to end from the image to its answer, so that their sum is the latency
by construction: where two spans overlap the later one holds, and what no span covers is ``other``.

wait         for a contact
queue        for a computer, or for a channel that others use
compute      also while a battery has the computer off
transmit     bytes, with their headers, at the rate of the slowest channel of the path
propagate    light along the path
retransmit   what was sent again, and recovery: broken connections, an agent that was down
other        handshakes, slow start, routes that were not there yet, shared channels
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from emulator.units import FRAME_BYTES, NS_PER_S, SEGMENT_BYTES

PARTS = ("wait", "queue", "compute", "transmit", "propagate", "retransmit", "other")


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt to send an object. Sizes are of its payload."""

    size_bytes: int
    held_bytes: int | None
    """What the receiver had before; None: there was no connection."""
    sent_bytes: int
    """How much further it came."""
    rate_bps: int
    delay_ns: int
    retransmitted: int
    """TCP segments, or packets of QUIC, whose payload is a hundredth less."""
    whole: bool
    """Whether it arrived."""

    def parts(self, length_ns: int) -> dict[str, int]:
        """Return how ``length_ns`` of sending divide: what is known first, the rest by cause."""
        rest_ns, found = length_ns, dict.fromkeys(PARTS, 0)

        def book(part: str, ns: int) -> None:
            nonlocal rest_ns
            taken_ns = min(rest_ns, ns)
            found[part] += taken_ns
            rest_ns -= taken_ns

        if self.held_bytes is None:
            book("other", rest_ns)
            return found
        book("propagate", self.delay_ns if self.whole else 0)
        book("transmit", line_ns(self.sent_bytes, self.rate_bps))
        again_bytes = self.retransmitted * SEGMENT_BYTES
        book("retransmit", line_ns(again_bytes, self.rate_bps) if self.whole else rest_ns)
        book("other", rest_ns)
        return found


@dataclass(frozen=True, slots=True)
class Span:
    """What a node did with a job from ``from_ns`` to ``to_ns``, counted from the start."""

    leg: int
    from_ns: int
    to_ns: int
    part: str
    """One of PARTS; of a sending its own parts count."""
    sending: Sending | None = None


def line_ns(size_bytes: int, rate_bps: int) -> int:
    """Return how long full frames with so many bytes of payload take at a line rate."""
    if not rate_bps:
        return 0
    return size_bytes * FRAME_BYTES * 8 * NS_PER_S // (SEGMENT_BYTES * rate_bps)


def account(spans: Sequence[Span], from_ns: int, to_ns: int) -> dict[str, int]:
    """Return the parts of ``from_ns`` to ``to_ns``, whole nanoseconds; they sum to the difference.

    Of a sending that is cut short by what came later, what is cut off is cut off its end.
    """
    total = dict.fromkeys(PARTS, 0)
    covered = 0
    for span in laid_end_to_end(spans, from_ns, to_ns):
        length_ns = span.to_ns - span.from_ns
        covered += length_ns
        if span.sending:
            for part, ns in span.sending.parts(length_ns).items():
                total[part] += ns
        else:
            total[span.part] += length_ns
    total["other"] += to_ns - from_ns - covered
    return total


def laid_end_to_end(spans: Sequence[Span], from_ns: int, to_ns: int) -> list[Span]:
    """Return spans within the bounds, by time, none overlapping another: the later one holds.

    Later is who has the higher leg, then who begins later.
    """
    ordered = sorted(spans, key=lambda each: (each.leg, each.from_ns, each.to_ns))
    laid: list[Span] = []
    limit_ns = to_ns
    for span in reversed(ordered):
        begin_ns, end_ns = max(span.from_ns, from_ns), min(span.to_ns, limit_ns)
        if begin_ns < end_ns:
            laid.append(replace(span, from_ns=begin_ns, to_ns=end_ns))
            limit_ns = begin_ns
    return laid[::-1]
