"""What is on disk: resumed to the byte, taken once, forgotten only when it may be."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from emulator.placement import GROUND, Option, Task
from protocols.objects import Content
from protocols.offload.entries import GONE, HELD, Entry, entry_of
from protocols.offload.shelf import FileShelf, inventory, read
from protocols.parts import Header, Part, Received

SIZE = 3_000_000
OPTION = Option("laser", "any", SIZE, (Task(GROUND, 1e9, 100),), 12.5)


def entry(**changes: Any) -> Entry:
    known = {"job": 4, "leg": 1, "stage": 0, "option": OPTION, "path": ["a", "b"], "node": 7}
    return Entry(**{**known, **changes})


def header(**changes: Any) -> Header:
    return entry(leg=0).header() | {"name": "4.1", "bytes": SIZE, **changes}


class Desk:
    """A shelf and what it has told of arrivals; as an agent does, it writes them down."""

    def __init__(self, folder: Path, capacity_bytes: float = float("inf")) -> None:
        self.arrived: list[tuple[Entry, Received]] = []
        self.parts: list[Part] = []
        """To be closed."""
        self.shelf = FileShelf(folder, 7, capacity_bytes, self._took)

    def __del__(self) -> None:
        for part in self.parts:
            part.close()

    def _took(self, new: Entry, got: Received, _: Header) -> None:
        self.arrived.append((new, got))
        self.shelf.save(new)


def fill(desk: Desk, content: Content, until: int) -> Any:
    """Bring the object on, as a receiver does, to so many bytes."""
    part = desk.shelf.part(header())
    assert part is not None
    desk.parts.append(part)
    for block in content.blocks(part.held):
        piece = block[: max(0, until - part.held)]
        if len(piece):
            part.take(piece, 5.0 + part.held / SIZE, None)
    return part


def test_an_entry_is_the_same_after_a_night_on_disk(tmp_path: Path) -> None:
    first = entry(doubt=GROUND, digest="ab", part="send", since_ns=5, tried={"goal": "b"})
    Desk(tmp_path).shelf.save(first)
    assert Desk(tmp_path).shelf.entries == {"4.1": first}
    assert entry_of(first.table()) == first


def test_an_object_goes_on_from_the_byte_at_which_its_process_died(tmp_path: Path) -> None:
    content = Content(1, "4.0", SIZE)
    assert fill(Desk(tmp_path), content, 1_234_567).held == 1_234_567
    later = Desk(tmp_path)
    part = fill(later, content, SIZE)
    assert part.digest() == content.digest()
    later.shelf.taken(header(), part)
    [(new, got)] = later.arrived
    assert got.first_byte_s == 5.0, "of the very first byte, not of the first after the restart"
    assert (new.job, new.leg, new.state, new.path) == (4, 1, HELD, ["a", "b"])
    held = later.shelf.bytes_of(new)
    assert held is not None and held.size == SIZE
    assert hashlib.sha256(b"".join(held.blocks(1000))).digest() == (
        hashlib.sha256(b"".join(content.blocks(1000))).digest()
    )


def test_what_has_been_taken_is_never_taken_again_even_when_gone(tmp_path: Path) -> None:
    desk, content = Desk(tmp_path), Content(1, "4.0", SIZE)
    desk.shelf.taken(header(), fill(desk, content, SIZE))
    new = desk.arrived[0][0]
    new.state = GONE
    desk.shelf.save(new)
    assert not list(tmp_path.glob("*.data")), "what is handed on leaves no bytes"
    for asked in (desk, Desk(tmp_path)):
        again = asked.shelf.part(header())
        assert again is not None and again.held == SIZE and again.digest() == content.digest()
        asked.shelf.taken(header(), again)
    assert len(desk.arrived) == 1
    assert inventory(tmp_path) == []


def test_two_connections_never_write_into_one_object(tmp_path: Path) -> None:
    desk, content = Desk(tmp_path), Content(1, "4.0", SIZE)
    stale = fill(desk, content, 1000)
    fill(Desk(tmp_path), content, 2000)  # a station goes on where another has stopped
    with pytest.raises(ConnectionError, match="resumed elsewhere"):
        stale.take(next(content.blocks(1000))[:10], 6.0, None)


def test_a_full_store_takes_no_more_but_goes_on_with_what_it_has(tmp_path: Path) -> None:
    desk, content = Desk(tmp_path, 1.4 * SIZE), Content(1, "4.0", SIZE)
    fill(desk, content, SIZE // 2)
    assert desk.shelf.part(header(job=5)) is None
    fill(desk, content, SIZE // 2)
    for part in desk.parts:
        part.close()
    assert desk.shelf.room(int(0.9 * SIZE)) and not desk.shelf.room(int(0.9 * SIZE) + 1)


def test_two_that_come_at_once_do_not_share_the_room_for_one(tmp_path: Path) -> None:
    desk, content = Desk(tmp_path, 1.4 * SIZE), Content(1, "4.0", SIZE)
    first = fill(desk, content, 1000)
    assert desk.shelf.part(header(job=5)) is None, "the rest of the first is on its way"
    again = fill(desk, content, 1000)  # its sender has made a new connection
    again.close()
    assert desk.shelf.part(header(job=5)) is None
    first.close()
    other = desk.shelf.part(header(job=5))
    assert other is not None, "what does not come now keeps no room but for what is here"
    desk.parts = [other]


def test_a_damaged_object_begins_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    fill(desk, Content(2, "4.0", SIZE), 5000)
    desk.shelf.damaged(header())
    assert fill(desk, Content(1, "4.0", SIZE), 0).held == 0


def test_of_a_job_that_a_node_held_twice_only_the_later_counts(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for each in (entry(leg=1), entry(leg=2, stage=1), entry(job=9, node=8)):
        desk.shelf.save(each)
    states = {(each.job, each.leg): each.state for each in read(tmp_path)}
    assert states == {(4, 1): GONE, (4, 2): HELD, (9, 1): HELD}
    assert [(row["job"], row["bytes"]) for row in inventory(tmp_path)] == [(4, 100), (9, SIZE)]
