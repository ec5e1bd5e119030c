"""MTCP: a bundle after the other over TCP, each a CBOR byte string, and nothing else. Pure.

draft-ietf-dtn-mtcpcl-01 (expired), as µD3TN and dtn7 speak it: one way, without acknowledgements.
"""

from protocols.bundles.cbor import BYTES, BundleError, Reader, Truncated, head

MOST_BYTES = 1 << 28
"""Of one bundle: a longer one is refused before there is room made for it."""
_CLAUSE = "draft-ietf-dtn-mtcpcl-01"


def frame(bundle: bytes) -> bytes:
    """Return what carries the bytes of a bundle."""
    return head(BYTES, len(bundle)) + bundle


class Frames:
    """Takes in what comes, in any pieces, and gives bundles."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._held = bytearray()
        self._most_bytes = most_bytes

    @property
    def torn(self) -> bool:
        """Whether a bundle has begun and not ended."""
        return bool(self._held)

    def take(self, data: bytes) -> list[bytes]:
        """Return the bundles that ``data`` complete. Raises BundleError for what is none."""
        self._held += data
        found = []
        while self._held:
            reader = Reader(bytes(self._held[:9]))
            try:
                major, size = reader.head()
            except Truncated:
                break
            if major != BYTES or size is None:
                raise BundleError("no byte string of known length", _CLAUSE, self._held[0])
            if size > self._most_bytes:
                raise BundleError(f"bundle of more than {self._most_bytes} bytes", _CLAUSE, size)
            end = reader.at + size
            if end > len(self._held):
                break
            found.append(bytes(self._held[reader.at : end]))
            del self._held[:end]
        return found
