"""The consumers of a work queue: a service takes one message more while its engine has room for one more.

Each consumer holds its prefetch and no more. What a service holds in all must follow what the messages turn out to
weigh, and the broker offers nothing for that: a prefetch counts messages, holds for consumers that start after it, and
the kind that a channel's consumers share is refused by RabbitMQ 4.3.
"""

import asyncio
import logging

from aio_pika.abc import AbstractIncomingMessage
from faststream.rabbit.subscriber.usecase import RabbitSubscriber

from shared.mesh.appetite import Appetite
from shared.mesh.lost import LOST, lost_as_error
from shared.mesh.settle import GivenBack, Handle

log = logging.getLogger(__name__)

ANSWER_SECONDS = 30.0
"""How long the broker may take to confirm that a consumer is there or gone; the channel is closed when it is over, and
what it had delivered comes again."""

STOP_SECONDS = 5.0
"""As above, when the service is to end."""


class Consumers:
    """The consumers of one subscriber: its own first, one more whenever none is free and there is room."""

    def __init__(self, subscriber: RabbitSubscriber, appetite: Appetite) -> None:
        self._subscriber, self._appetite = subscriber, appetite
        self._tags, self._busy = set[str](), set[str]()
        self._lock = asyncio.Lock()
        self._starting = set[asyncio.Task[None]]()

    def start(self, prefetch: int) -> None:
        """Take over the subscriber's own consumer, and listen for room; raise RuntimeError if its prefetch is another.

        FastStream ignores a subscriber's prefetch where the queue was declared on another channel.
        """
        channel = self._subscriber._queue_obj.channel if self._subscriber._queue_obj else None  # noqa: SLF001 - as below
        effective = getattr(channel, "_prefetch_count", None)
        if effective != prefetch:
            raise RuntimeError(f"{self._subscriber.queue.name} is consumed with prefetch {effective}, not {prefetch}")
        tag, self._subscriber._consumer_tag = self._subscriber._consumer_tag, None  # noqa: SLF001 - FastStream shows it nowhere
        self._tags = {tag} if tag else set()
        self._appetite.listen(self._changed)
        self._changed()  # the first message may have come already

    async def stop(self) -> None:
        """Take no message any more; a broker that is away sends none either."""
        self._appetite.listen(lambda: None)
        tags, self._tags = self._tags, set()
        await asyncio.gather(*(self._cancel(tag, STOP_SECONDS) for tag in tags))
        if self._starting:
            await asyncio.wait(self._starting, timeout=STOP_SECONDS)

    async def take(self, message: AbstractIncomingMessage, handle: Handle) -> None:
        """Handle the message; the consumer that brought it goes, before the ack brings another, if it is not needed.

        Raises GivenBack for a message that the consumer was not started for.
        """
        tag = message.consumer_tag or ""
        if self._appetite.late(message.priority or 0, len(self._busy)):
            async with self._lock:  # the consumer may bring its first message before it is noted
                if await self._end(tag):
                    raise GivenBack
        self._busy.add(tag)
        try:
            await handle(message)
        finally:
            self._busy.discard(tag)
        async with self._lock:
            free = self._tags - self._busy - {tag}
            if free or not self._room:
                await self._end(tag)

    async def _end(self, tag: str) -> bool:
        """End the consumer unless it is the only one, or gone already; return whether that was done."""
        if tag not in self._tags or len(self._tags) == 1:
            return False
        self._tags.discard(tag)
        await self._cancel(tag, ANSWER_SECONDS)
        return True

    @property
    def _room(self) -> bool:
        return self._appetite.room(len(self._busy))

    def _changed(self) -> None:
        if self._room and not self._tags - self._busy:
            task = asyncio.create_task(self._start_one_more())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start_one_more(self) -> None:
        async with self._lock:
            if self._tags and not self._tags - self._busy and self._room:
                tag = await self._consume()
                if self._tags:
                    self._tags |= tag
                else:  # stopped meanwhile
                    await asyncio.gather(*(self._cancel(each, STOP_SECONDS) for each in tag))

    async def _consume(self) -> set[str]:
        """Start one more consumer and return its tag; nothing if the broker is away."""
        queue = self._subscriber._queue_obj  # noqa: SLF001 - FastStream shows it nowhere
        if queue is None:
            return set()
        try:
            with lost_as_error():
                async with asyncio.timeout(ANSWER_SECONDS):
                    return {await queue.consume(self._subscriber.consume)}  # type: ignore[arg-type]  # as FastStream itself calls it
        except LOST as away:
            log.warning("one more consumer of %s cannot be started: %r", queue.name, away)
            return set()

    async def _cancel(self, tag: str, seconds: float) -> None:
        queue = self._subscriber._queue_obj  # noqa: SLF001 - FastStream shows it nowhere
        if queue is None:
            return
        try:
            with lost_as_error():
                # A broker that is away is not waited for; but aio-pika must hear that the consumer is not to come back.
                async with asyncio.timeout(0 if queue.channel.is_closed else seconds):
                    await queue.cancel(tag)
        except LOST as away:
            # aio-pika waits for a lost connection to be back; a broker that is away sends nothing more either.
            log.warning("cannot tell the broker that %s is no longer consumed: %r", queue.name, away)
