"""Write coalescing: fewer writes, and nobody goes on before its own is done."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.jobs.coalescing import Coalescer


class Slow:
    """A write that takes as long as the test likes."""

    def __init__(self) -> None:
        self.writes: list[list[int]] = []
        self.back = asyncio.Semaphore(0)

    async def write(self, numbers: Sequence[int]) -> None:
        """Write once let; refuse a zero."""
        self.writes.append([*numbers])
        await self.back.acquire()
        if 0 in numbers:
            raise ConnectionError("refused")


async def test_what_comes_while_a_write_is_under_way_goes_with_the_next() -> None:
    """The first goes alone, at once; the others together; each returns with the write that carried it."""
    slow = Slow()
    writes = Coalescer(slow.write)
    first, *others = (asyncio.create_task(writes.add(number)) for number in (1, 2, 3))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = [asyncio.create_task(writes.add(number)) for number in (4, 5)]
    slow.back.release()
    await asyncio.gather(first, *others)
    assert not any(task.done() for task in late)
    slow.back.release()
    await asyncio.gather(*late)
    assert slow.writes == [[1, 2, 3], [4, 5]]


async def test_a_write_that_fails_is_told_to_those_it_carried_and_to_nobody_else() -> None:
    """Who waits for the next write has what was asked for."""
    slow = Slow()
    writes = Coalescer(slow.write)
    refused = asyncio.create_task(writes.add(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    written = asyncio.create_task(writes.add(1))
    for _ in range(2):
        slow.back.release()
    with pytest.raises(ConnectionError):
        await refused
    await written


async def test_one_who_waits_no_longer_takes_nothing_from_the_others() -> None:
    """A cancelled caller does not cancel the write that carries others, too."""
    slow = Slow()
    writes = Coalescer(slow.write)
    gone, stays = (asyncio.create_task(writes.add(number)) for number in (1, 2))
    await asyncio.sleep(0)
    gone.cancel()
    slow.back.release()
    await stays
    assert slow.writes == [[1, 2]]
