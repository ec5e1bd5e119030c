"""A bundle in parts, and whole again (RFC 9171, sections 5.8 and 5.9). Pure."""

from collections.abc import Iterable
from dataclasses import replace

from protocols.bundles.bundle import BUNDLE_AGE, PAYLOAD, BlockFlag, Bundle, BundleFlag
from protocols.bundles.cbor import BundleError


def fragments(bundle: Bundle, most_bytes: int) -> list[Bundle]:
    """Return ``bundle`` in fragments whose payloads are ``most_bytes`` at most, in order.

    Extension blocks go with the first, those to be replicated with all, and so does the age of a
    bundle without creation time. Raises BundleError for what must not be fragmented.
    """
    first, payload = bundle.primary, bundle.payload
    if BundleFlag.NOT_TO_FRAGMENT in first.flags:
        raise BundleError("bundle must not be fragmented", "RFC 9171, 5.8", first.flags)
    if most_bytes < 1:
        raise BundleError("bytes of a fragment", "RFC 9171, 5.8", most_bytes)
    if len(payload) <= most_bytes:
        return [bundle]
    total_bytes = len(payload) if first.total_bytes is None else first.total_bytes
    found = []
    for start in range(0, len(payload), most_bytes):
        primary = replace(
            first,
            flags=first.flags | BundleFlag.FRAGMENT,
            offset=start + (first.offset or 0),
            total_bytes=total_bytes,
        )
        kept = [
            replace(each, data=payload[start : start + most_bytes])
            if each.type == PAYLOAD
            else each
            for each in bundle.blocks
            if each.type == PAYLOAD
            or not start
            or BlockFlag.REPLICATE in each.flags
            or (each.type == BUNDLE_AGE and not first.created_ms)
        ]
        found.append(Bundle(primary, tuple(kept)))
    return found


def whole(parts: Iterable[Bundle]) -> Bundle | None:
    """Return the bundle that fragments of one bundle make, None as long as some bytes lack.

    Blocks are those of the fragment that begins it.
    """
    ordered = sorted(parts, key=lambda each: (each.primary.offset or 0, -len(each.payload)))
    if not ordered:
        return None
    first = ordered[0]
    payload = bytearray()
    for each in ordered:
        if each.id[:3] != first.id[:3] or each.primary.total_bytes != first.primary.total_bytes:
            raise BundleError("fragments of different bundles", "RFC 9171, 5.9", str(each.id))
        offset = each.primary.offset or 0
        if offset > len(payload):
            return None
        payload[offset:] = each.payload + payload[offset + len(each.payload) :]
    if len(payload) != first.primary.total_bytes:
        return None
    primary = replace(
        first.primary,
        flags=first.primary.flags & ~BundleFlag.FRAGMENT,
        offset=None,
        total_bytes=None,
    )
    last = replace(first.blocks[-1], data=bytes(payload))
    return Bundle(primary, (*first.blocks[:-1], last))
