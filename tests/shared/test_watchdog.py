"""The consumer watchdog: deaf for too long ends the process; not knowing does not."""

import asyncio

from aio_pika.exceptions import ChannelNotFoundEntity

from shared.mesh.post import Count
from shared.mesh.watchdog import Watchdog


async def ends(*counts: int | Exception) -> bool:
    """Whether a watchdog that gets these answers, one after the other, ends its process."""
    answers, asked, ended = list(counts), asyncio.Event(), asyncio.Event()

    async def count(queue: str) -> Count:
        del queue
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if len(answers) == 1:
            asked.set()
        if isinstance(answer, Exception):
            raise answer
        return Count(0, answer)

    watchdog = Watchdog(["q"], count, ended.set, look=0.01, deaf=0.1)
    watchdog.start()
    await asyncio.wait(
        [asyncio.create_task(ended.wait()), asyncio.create_task(asyncio.sleep(0.5))], return_when="FIRST_COMPLETED"
    )
    await watchdog.stop()
    assert asked.is_set()
    return ended.is_set()


async def test_a_queue_without_a_consumer_ends_the_process() -> None:
    """Only once the time has passed."""
    assert await ends(1, 0)


async def test_a_consumer_that_comes_back_in_time_is_enough() -> None:
    """A reconnection takes a while."""
    assert not await ends(1, 0, 0, 1)


async def test_a_broker_that_does_not_answer_proves_nothing() -> None:
    """What cannot be asked is not known."""
    assert not await ends(1, ConnectionError("gone"))


async def test_a_queue_that_is_gone_has_no_consumer() -> None:
    """A broker that was wiped answers, and knows nothing of it."""
    assert await ends(1, ChannelNotFoundEntity("gone"))
