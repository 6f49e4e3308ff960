"""The consumer watchdog: deaf for too long ends the process; not knowing does not."""

import asyncio
from contextlib import suppress

from aio_pika.exceptions import ChannelNotFoundEntity

from shared.mesh.post import Count
from shared.mesh.watchdog import DEAF_SECONDS, LOOK_SECONDS, Watchdog
from tests.fakes.clock import without_waiting

LONG = 10 * DEAF_SECONDS


async def ended(*counts: int | Exception) -> float | None:
    """Return when a watchdog that gets these answers, the last one again and again, ends its process, if it does."""
    answers, end, clock = list(counts), asyncio.Event(), asyncio.get_running_loop().time

    async def count(queue: str) -> Count:
        del queue
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Count(0, answer)

    watchdog, began = Watchdog(["q"], count, end.set), clock()
    watchdog.start()
    with suppress(TimeoutError):
        async with asyncio.timeout(LONG):
            await end.wait()
    await watchdog.stop()
    assert len(answers) == 1
    return clock() - began if end.is_set() else None


@without_waiting
async def test_a_queue_without_a_consumer_ends_the_process() -> None:
    """Only once the time has passed, and with the next look."""
    after = await ended(1, 0)
    assert after is not None
    assert DEAF_SECONDS < after - LOOK_SECONDS <= DEAF_SECONDS + LOOK_SECONDS


@without_waiting
async def test_a_consumer_that_comes_back_in_time_is_enough() -> None:
    """A reconnection takes a while; so does the next one, for which the time begins anew."""
    deaf = [0] * int(DEAF_SECONDS / LOOK_SECONDS)
    assert await ended(1, *deaf, 1, *deaf, 1) is None


@without_waiting
async def test_a_broker_that_does_not_answer_proves_nothing() -> None:
    """What cannot be asked is not known."""
    assert await ended(1, ConnectionError("gone")) is None


@without_waiting
async def test_a_queue_that_is_gone_has_no_consumer() -> None:
    """A broker that was wiped answers, and knows nothing of it."""
    assert await ended(1, ChannelNotFoundEntity("gone")) is not None
