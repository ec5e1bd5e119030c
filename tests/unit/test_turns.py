"""Turns: one at a time, the most urgent first, and none lost when somebody gives up."""

import asyncio
from collections.abc import Awaitable, Callable

from protocols.offload.turns import Turns


def run(work: Callable[[Turns], Awaitable[None]], settle_s: float = 0.0) -> None:
    async def main() -> None:
        await asyncio.wait_for(work(Turns(settle_s)), 10.0)

    asyncio.run(main())


def test_the_least_rank_goes_first_and_equals_in_their_order() -> None:
    order: list[str] = []

    async def one(turns: Turns, name: str, *rank: float) -> None:
        async with turns.turn(*rank):
            order.append(name)
            await asyncio.sleep(0)

    async def work(turns: Turns) -> None:
        ranks = [("a", 0, 9), ("b", 0, 5), ("c", -1, 99), ("d", 0, 5)]
        await asyncio.gather(*(one(turns, name, *rank) for name, *rank in ranks))

    run(work, settle_s=0.001)
    assert order == ["c", "b", "d", "a"]


def test_whoever_gives_up_hands_on() -> None:
    held: list[int] = []

    async def one(turns: Turns, number: int) -> None:
        async with turns.turn(number):
            held.append(number)
            await asyncio.sleep(0.001)

    async def work(turns: Turns) -> None:
        tasks = [asyncio.create_task(one(turns, number)) for number in range(6)]
        await asyncio.sleep(0)
        for number in (0, 1, 4):  # the holder, who is next, and one behind
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with turns.turn(0):
            held.append(99)

    run(work)
    assert held[-4:] == [2, 3, 5, 99] and 4 not in held


def test_a_holder_is_asked_once_to_give_way_and_only_by_the_more_urgent() -> None:
    asked: list[str] = []

    async def other(turns: Turns, *rank: float) -> None:
        async with turns.turn(*rank):
            asked.append("went")

    async def work(turns: Turns) -> None:
        async with turns.turn(0, 5, give_way=lambda: asked.append("asked")):
            tasks = [asyncio.create_task(other(turns, 0, size)) for size in (5, 9)]
            await asyncio.sleep(0)
            assert asked == []
            tasks += [asyncio.create_task(other(turns, 0, size)) for size in (1, 2)]
            await asyncio.sleep(0)
            assert asked == ["asked"]
        await asyncio.gather(*tasks)

    run(work)
    assert asked == ["asked"] + ["went"] * 4
