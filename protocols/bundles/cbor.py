"""The part of CBOR (RFC 8949) that bundles consist of, read with its place in the bytes. Pure.

Unsigned integers, byte and text strings, booleans and arrays. Written in the core deterministic
form; read likewise, except that indefinite lengths are allowed (RFC 9171, section 4.1). Libraries
read ahead of the item they return, so that they cannot say where a block lies, over whose bytes
as received its checksum is.
"""

from collections.abc import Sequence
from typing import Any

UINT, _NEGATIVE, BYTES, TEXT, ARRAY = range(5)
BREAK, INDEFINITE_ARRAY = 0xFF, 0x9F
_FALSE, _TRUE = 0xF4, 0xF5
_MOST_NESTED = 16
_MOST = 1 << 64


class BundleError(ValueError):
    """Bytes or values that are no bundle: names the clause that forbids them and what they are."""

    def __init__(self, reason: str, clause: str, value: object = None) -> None:
        self.clause, self.value = clause, value
        shown = "" if value is None else f": {value!r}"
        super().__init__(f"{reason}{shown} ({clause})")


class Truncated(BundleError):
    """The bytes end within an item: with more of them it might be whole."""


def head(major: int, argument: int) -> bytes:
    """Return the first bytes of an item: its major type and argument, as short as can be."""
    if not 0 <= argument < _MOST:
        raise BundleError("integer outside 64 bits without sign", "RFC 8949, 3.1", argument)
    if argument < 24:
        return bytes((major << 5 | argument,))
    power = next(p for p in range(4) if argument < 1 << (8 << p))
    return bytes((major << 5 | 24 + power,)) + argument.to_bytes(1 << power)


def encode(value: Any) -> bytes:
    """Return ``value`` (integers ≥ 0, bytes, str, bool, sequences of these) in CBOR."""
    if isinstance(value, bool):
        return bytes((_TRUE if value else _FALSE,))
    if isinstance(value, int):
        return head(UINT, value)
    if isinstance(value, str):
        text = value.encode()
        return head(TEXT, len(text)) + text
    if isinstance(value, bytes | bytearray | memoryview):
        return head(BYTES, len(value)) + value
    if isinstance(value, Sequence):
        return head(ARRAY, len(value)) + b"".join(map(encode, value))
    raise BundleError("bundles do not hold such values", "RFC 9171, 4.1", value)


class Reader:
    """Reads items one after the other; ``at`` is the place of the next.

    Booleans, which only records hold, are refused unless they are asked for.
    """

    def __init__(self, data: bytes, at: int = 0, booleans: bool = False) -> None:
        self.data, self.at = data, at
        self._simple = (bytes((_FALSE,)), bytes((_TRUE,))) if booleans else ()

    def head(self) -> tuple[int, int | None]:
        """Read a major type and its argument, None for an indefinite length."""
        start = self.at
        first = self._take(1)[0]
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short
        if short == 31 and major in (BYTES, TEXT, ARRAY):
            return major, None
        if short > 27 or major not in (UINT, BYTES, TEXT, ARRAY):
            raise BundleError(f"byte at {start} begins no item", "RFC 9171, 4.1", first)
        argument = int.from_bytes(self._take(1 << short - 24))
        if len(head(major, argument)) != self.at - start:
            reason = f"integer at {start} is not in its shortest form"
            raise BundleError(reason, "RFC 8949, 4.2.1", argument)
        return major, argument

    def array(self, clause: str) -> int | None:
        """Read the beginning of an array: the number of its items, None where a break ends it."""
        start = self.at
        major, count = self.head()
        if major != ARRAY:
            raise BundleError(f"no array at {start}", clause, major)
        return count

    def ends(self) -> bool:
        """Read a break, if there is one."""
        if self.at >= len(self.data):
            raise Truncated(f"ends at {self.at} within an array", "RFC 8949, 3.2")
        if self.data[self.at] != BREAK:
            return False
        self.at += 1
        return True

    def value(self, nested: int = 0) -> Any:
        """Read an item of any kind, arrays as lists."""
        start = self.at
        if nested > _MOST_NESTED:
            raise BundleError(f"arrays nested deeper than {_MOST_NESTED}", "RFC 9171, 4.1", start)
        if self.data[start : start + 1] in self._simple:
            return self._take(1)[0] == _TRUE
        major, argument = self.head()
        match major:
            case 0:
                return argument
            case 2:
                return self._string(BYTES, argument)
            case 3:
                try:
                    return self._string(TEXT, argument).decode()
                except UnicodeDecodeError as error:
                    text = bytes(error.object)
                    raise BundleError(f"no UTF-8 at {start}", "RFC 8949, 3.1", text) from None
            case 4:
                return self._items(argument, nested)
        raise BundleError(f"item of major type {major} at {start}", "RFC 9171, 4.1", argument)

    def _items(self, count: int | None, nested: int) -> list[Any]:
        found: list[Any] = []
        while not self.ends() if count is None else len(found) < count:
            found.append(self.value(nested + 1))
        return found

    def _string(self, major: int, length: int | None) -> bytes:
        if length is not None:
            return self._take(length)
        pieces = []
        while not self.ends():
            start = self.at
            kind, size = self.head()
            if kind != major or size is None:
                raise BundleError(f"chunk at {start} is of another kind", "RFC 8949, 3.2.3", kind)
            pieces.append(self._take(size))
        return b"".join(pieces)

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            reason = f"ends at {len(self.data)} where {count} bytes from {self.at} on were due"
            raise Truncated(reason, "RFC 8949, 3")
        taken = bytes(self.data[self.at : end])
        self.at = end
        return taken
