"""The bundles that a node holds, on disk: SQLite, so that a node killed at any moment loses none.

Every change is one transaction. The operating system's cache is trusted: what is kept outlives the
process, not the machine.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS kept (
    number INTEGER PRIMARY KEY, name TEXT UNIQUE, since_ms INTEGER, data BLOB);
CREATE TABLE IF NOT EXISTS delivered (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS made (count INTEGER);
"""


class Store:
    """Bundles by name, in the order in which they came."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path)
        self._base.execute("PRAGMA synchronous = OFF")
        self._base.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def __iter__(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield the name of each bundle, the DTN time since which it is here, and its bytes."""
        yield from self._base.execute("SELECT name, since_ms, data FROM kept ORDER BY number")

    def data(self, name: str) -> tuple[int, bytes]:
        """Return since when a bundle is here, and its bytes. Raises KeyError."""
        query = "SELECT since_ms, data FROM kept WHERE name = ?"
        row = self._base.execute(query, (name,)).fetchone()
        if row is None:
            raise KeyError(name)
        return row

    def keep(self, name: str, since_ms: int, data: bytes) -> bool:
        """Keep a bundle; False if it is here already."""
        with self._base:
            return self._keep(name, since_ms, data)

    def _keep(self, name: str, since_ms: int, data: bytes) -> bool:
        command = "INSERT OR IGNORE INTO kept (name, since_ms, data) VALUES (?, ?, ?)"
        return self._base.execute(command, (name, since_ms, data)).rowcount == 1

    def make(self, name: str, since_ms: int, data: bytes) -> None:
        """Keep a bundle that this node has made itself, and count it."""
        with self._base:
            self._keep(name, since_ms, data)
            self._base.execute("INSERT INTO made VALUES (?)", (self.made + 1,))
            self._base.execute("DELETE FROM made WHERE count < (SELECT max(count) FROM made)")

    @property
    def made(self) -> int:
        """How many bundles this node has ever made."""
        return self._base.execute("SELECT coalesce(max(count), 0) FROM made").fetchone()[0]

    def drop(self, *names: str) -> None:
        """Keep some bundles no longer."""
        with self._base:
            self._drop(names)

    def _drop(self, names: tuple[str, ...]) -> None:
        self._base.executemany("DELETE FROM kept WHERE name = ?", [(name,) for name in names])

    def deliver(self, name: str, *parts: str) -> bool:
        """Note that a bundle is delivered; False if it was before. ``parts`` are dropped."""
        with self._base:
            self._drop(parts)
            command = "INSERT OR IGNORE INTO delivered VALUES (?)"
            return self._base.execute(command, (name,)).rowcount == 1

    def delivered(self, name: str) -> bool:
        """Whether a bundle has been delivered here."""
        query = "SELECT 1 FROM delivered WHERE name = ?"
        return self._base.execute(query, (name,)).fetchone() is not None
