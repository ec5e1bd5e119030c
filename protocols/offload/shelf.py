"""What a node holds of objects, on disk: an agent that was killed goes on from it.

Of each object there is a NAME.json, whole or not at all, and, where its bytes came from elsewhere,
a NAME.data that only ever grows. What has been handed on leaves its NAME.json: whoever asks again
is told that it had arrived. Stations share one folder, as the ground is one place.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from protocols.objects import BLOCK_BYTES
from protocols.offload.entries import EXPIRED, GONE, HELD, Entry, entry_of, option_of
from protocols.parts import Header, Part, Received


class FilePart(Part):
    """An object that grows in a file."""

    def __init__(self, path: Path, closed: Callable[[], None]) -> None:
        super().__init__()
        self.path = path
        self._closed = closed
        self._first = path.with_suffix(".first")
        if self._first.exists():
            self.first_byte_s = float(self._first.read_text())
        self._file = path.open("a+b", buffering=0)
        self._file.seek(0)
        while block := self._file.read(BLOCK_BYTES):
            self.hashed.update(block)
            self.held += len(block)

    def take(self, data: memoryview, now_s: float, since_s: float | None) -> None:
        """Append bytes, before they count as held."""
        if not self.held:
            self._first.write_text(repr(now_s))
        if os.fstat(self._file.fileno()).st_size != self.held:
            raise ConnectionError(f"{self.path.name} has been resumed elsewhere")
        self._file.write(data)
        super().take(data, now_s, since_s)

    def close(self) -> None:
        """Close the file."""
        if not self._file.closed:
            self._file.close()
            self._closed()


class KnownPart(Part):
    """An object that has arrived before, and may be gone again."""

    def __init__(self, size: int, digest: str) -> None:
        super().__init__(held=size)
        self._digest = bytes.fromhex(digest)

    def digest(self) -> bytes:
        """Return what was found when it arrived."""
        return self._digest


class FileContent:
    """An object's bytes, read from its file."""

    def __init__(self, path: Path, digest: str) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._digest = bytes.fromhex(digest)

    def blocks(self, offset: int = 0) -> Iterator[memoryview]:
        """Yield the bytes from ``offset`` on."""
        with self.path.open("rb") as file:
            file.seek(offset)
            while block := file.read(BLOCK_BYTES):
                yield memoryview(block)

    def digest(self) -> bytes:
        """Return the SHA-256 that it arrived with."""
        return self._digest


class FileShelf:
    """The entries and objects of one node.

    ``arrived`` is called with each new entry and how its object came, before it is acknowledged.
    """

    def __init__(
        self,
        folder: Path,
        node: int,
        capacity_bytes: float,
        arrived: Callable[[Entry, Received, Header], None],
    ) -> None:
        self.folder = folder
        self.node = node
        self.capacity_bytes = capacity_bytes
        self._arrived = arrived
        self._coming: list[tuple[str, int]] = []
        """What connections bring now: its name, and its size when it is whole."""
        folder.mkdir(parents=True, exist_ok=True)
        self.entries = {each.name: each for each in read(folder) if each.node == node}

    def save(self, entry: Entry) -> None:
        """Write an entry down; what is no longer held here loses its bytes."""
        draft = self.folder / f"{entry.name}.new"
        draft.write_text(json.dumps(entry.table()))
        os.replace(draft, self.folder / f"{entry.name}.json")
        self.entries[entry.name] = entry
        if entry.state != HELD:
            for suffix in ("data", "first"):
                (self.folder / f"{entry.name}.{suffix}").unlink(missing_ok=True)

    def room(self, size_bytes: int) -> bool:
        """Whether so many bytes more can be kept."""
        held = {each.name: each.size_bytes for each in self.entries.values() if each.state == HELD}
        for path in self.folder.glob("*.data"):
            held.setdefault(path.stem, path.stat().st_size)
        for name, whole_bytes in self._coming:
            held[name] = max(held.get(name, 0), whole_bytes)
        return sum(held.values()) + size_bytes <= self.capacity_bytes

    def bytes_of(self, entry: Entry) -> FileContent | None:
        """Return an object that came from elsewhere, None for one made here."""
        path = self.folder / f"{entry.name}.data"
        return FileContent(path, entry.digest) if entry.digest else None

    def part(self, header: Header) -> Part | None:
        """Return what is held of an object that someone wants to hand over."""
        name = _name(header)
        known = self.folder / f"{name}.json"
        if known.exists():
            found = entry_of(json.loads(known.read_text()))
            return KnownPart(int(header["bytes"]), found.digest)
        path = self.folder / f"{name}.data"
        held = path.stat().st_size if path.exists() else 0
        coming = name, int(header["bytes"])
        if coming not in self._coming and not self.room(coming[1] - held):
            return None
        self._coming.append(coming)
        return FilePart(path, lambda: self._coming.remove(coming))

    def taken(self, header: Header, part: Part) -> None:
        """Take custody of an object that has arrived whole, once."""
        if (self.folder / f"{_name(header)}.json").exists():
            return
        entry = Entry(
            job=header["job"],
            leg=header["leg"],
            stage=header["stage"],
            option=option_of(header["option"]),
            path=list(header["path"]),
            node=self.node,
            digest=part.digest().hex(),
        )
        self._arrived(entry, part.received(), header)

    def damaged(self, header: Header) -> None:
        """Begin again."""
        for suffix in ("data", "first"):
            (self.folder / f"{_name(header)}.{suffix}").unlink(missing_ok=True)


def read(folder: Path) -> list[Entry]:
    """Return all entries of a folder, by job and leg; where a node did the next leg, that holds."""
    found = [entry_of(json.loads(path.read_text())) for path in folder.glob("*.json")]
    found.sort(key=lambda each: (each.job, each.leg))
    latest = {(each.node, each.job): each.leg for each in found}
    for each in found:
        if each.state == HELD and each.leg < latest[each.node, each.job]:
            each.state = GONE
    return found


def inventory(folder: Path) -> list[dict[str, Any]]:
    """Return what is held or was dropped in a folder, for the list at a run's end."""
    return [
        {
            "job": each.job,
            "leg": each.leg,
            "node": each.node,
            "state": each.state,
            "bytes": each.size_bytes,
            "doubt": each.doubt is not None,
        }
        for each in read(folder)
        if each.state in (HELD, EXPIRED)
    ]


def _name(header: Header) -> str:
    return f"{int(header['job'])}.{int(header['leg'])}"
