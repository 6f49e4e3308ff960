"""Consumers: a service that stops takes nothing more, whatever is on its way to the broker."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from shared.jobs.step import Step
from shared.mesh.appetite import Appetite
from shared.mesh.consumers import Consumers
from shared.mesh.settle import GivenBack
from shared.topology import Lane, Stage, work_queue
from tests.fakes.clock import without_waiting


class SlowQueue:
    """A queue whose broker starts a consumer only when it is let."""

    name = work_queue(Stage.TRANSCRIBER).name

    def __init__(self) -> None:
        self.channel = SimpleNamespace(is_closed=False, _prefetch_count=1)
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.consumers = {"first"}

    async def consume(self, callback: Any) -> str:
        """Start a consumer."""
        del callback
        self.asked.set()
        await self.go.wait()
        self.consumers.add("second")
        return "second"

    async def cancel(self, tag: str) -> None:
        """Forget a consumer, and end it as soon as the broker is there."""
        self.consumers.remove(tag)
        if self.channel.is_closed:
            await asyncio.Event().wait()


def brought(tag: str) -> Any:
    """Return a normal message as a consumer brings it."""
    return SimpleNamespace(consumer_tag=tag, priority=Lane.NORMAL)


def consumers_of(queue: SlowQueue, appetite: Appetite) -> Consumers:
    """Return the queue's consumers, of which it has one."""
    subscriber: Any = SimpleNamespace(_queue_obj=queue, _consumer_tag="first", consume=None, queue=queue)
    consumers = Consumers(subscriber, appetite)
    consumers.start(1)
    return consumers


async def test_a_message_that_comes_to_a_consumer_for_what_overtakes_goes_back() -> None:
    """It would wait behind all in hand while another worker rests; so does the consumer go that brought it."""
    queue, appetite = SlowQueue(), Appetite(lambda: 0, lambda: 2)
    consumers = consumers_of(queue, appetite)

    async def handle(_: Any) -> None:
        with appetite.taken(Step("job", Stage.TRANSCRIBER), Lane.NORMAL):
            appetite.weigh(Step("job", Stage.TRANSCRIBER), 3)
            appetite.overtake(Lane.URGENT)
            await queue.asked.wait()
            coming = asyncio.create_task(consumers.take(brought("second"), handle))
            await asyncio.sleep(0)  # it has come before the consumer is noted
            queue.go.set()
            with pytest.raises(GivenBack):
                await coming
            assert queue.consumers == {"first"}

    await consumers.take(brought("first"), handle)


@without_waiting
async def test_a_service_that_stops_while_the_broker_is_away_gets_no_consumer_back() -> None:
    """When the broker is back, it would bring steps to a process that is going down."""
    queue = SlowQueue()
    consumers = consumers_of(queue, Appetite())
    queue.channel.is_closed = True
    async with asyncio.timeout(1):
        await consumers.stop()
    assert queue.consumers == set()


async def test_a_consumer_that_was_being_started_when_the_service_stopped_is_ended() -> None:
    """It would otherwise go on taking messages while the process drains, and nobody would wait for them."""
    queue, appetite, step = SlowQueue(), Appetite(lambda: 2), Step("job", Stage.TRANSCRIBER)
    consumers = consumers_of(queue, appetite)

    async def handle(_: Any) -> None:
        with appetite.taken(step):
            appetite.weigh(step, 1)
            await queue.asked.wait()
            stopping = asyncio.create_task(consumers.stop())
            await asyncio.sleep(0)
            queue.go.set()
            await stopping

    await consumers.take(brought("first"), handle)
    assert queue.consumers == set()
