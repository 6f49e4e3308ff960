"""What a consumer of the events hears: every fact, as often as it comes, over every death of the broker."""

import asyncio
import logging
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Self

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError

from shared.messages import Event
from shared.topology import EVENTS, Happening

log = logging.getLogger(__name__)

QUEUE = "chaos.ears"
CONNECT_SECONDS = 10.0
PAUSE_SECONDS = 0.5


class Ears:
    """Open with `async with`; listens on a durable queue of its own, and makes it anew if the broker has lost it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.facts: defaultdict[str, Counter[tuple[int, Happening]]] = defaultdict(Counter)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_listening(), name="ears")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _keep_listening(self) -> None:
        while True:
            try:
                await self._listen()
            except (AMQPError, OSError, TimeoutError) as deaf:
                log.warning("not listening: %r", deaf)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self) -> None:
        """Listen until the connection or the channel is lost."""
        over = asyncio.Event()
        async with await aio_pika.connect(self._url, timeout=CONNECT_SECONDS) as connection:
            async with asyncio.timeout(CONNECT_SECONDS):
                channel = await connection.channel()
                for part in (connection, channel):
                    part.close_callbacks.add(lambda *_: over.set())
                queue = await channel.declare_queue(QUEUE, durable=True)
                await queue.bind(EVENTS.name, "job.#")
                await queue.consume(self._hear)
            await over.wait()

    async def _hear(self, message: AbstractIncomingMessage) -> None:
        event = Event.model_validate_json(message.body)
        if event.job and event.happening is not Happening.PROGRESS:
            self.facts[event.job][event.sequence, event.happening] += 1
        await message.ack()
