"""One at a time: the queue before a channel or a computer."""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator, Callable

Rank = tuple[float, ...]
Place = tuple[Rank, int, "asyncio.Future[None]"]


class Turns:
    """Whose rank is least has the next turn; of equals who came first.

    ``settle_s``: whoever becomes ready within that time of another gets the chance to queue first.
    """

    def __init__(self, settle_s: float = 0.0) -> None:
        self._settle_s = settle_s
        self._waiting: list[Place] = []
        self._busy = False
        self._numbers = itertools.count()
        self._holder: tuple[Rank, Callable[[], None]] | None = None

    @contextlib.asynccontextmanager
    async def turn(
        self, *rank: float, give_way: Callable[[], None] | None = None
    ) -> AsyncIterator[None]:
        """Hold the turn for the length of an ``async with`` block.

        ``give_way`` is called, once, when someone of a lower rank waits for it to end.
        """
        granted = asyncio.get_running_loop().create_future()
        mine: Place = (rank, next(self._numbers), granted)
        heapq.heappush(self._waiting, mine)
        try:
            if self._settle_s:
                await asyncio.sleep(self._settle_s)
            self._grant()
            self._ask(rank)
            await granted
            self._holder = (rank, give_way) if give_way else None
            yield
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)
                heapq.heapify(self._waiting)
            elif not granted.cancelled():
                self._busy, self._holder = False, None
            self._grant()

    def _ask(self, rank: Rank) -> None:
        if self._busy and self._holder and rank < self._holder[0]:
            _, give_way = self._holder
            self._holder = None
            give_way()

    def _grant(self) -> None:
        while self._waiting and not self._busy:
            *_, granted = heapq.heappop(self._waiting)
            if not granted.done():  # who waited for it may just have given up
                self._busy = True
                granted.set_result(None)
