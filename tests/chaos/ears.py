"""What a consumer of the events hears: every fact, as often as it comes, over every death of the broker."""

from collections import Counter, defaultdict

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from shared.messages import Event
from shared.topology import EVENTS, Happening

QUEUE = "chaos.ears"


class Ears:
    """Listens on a durable queue of its own."""

    def __init__(self) -> None:
        self.facts: defaultdict[str, Counter[tuple[int, Happening]]] = defaultdict(Counter)

    async def listen(self, connection: aio_pika.abc.AbstractRobustConnection) -> None:
        """Start listening on the connection, which comes back by itself."""
        channel = await connection.channel()
        queue = await channel.declare_queue(QUEUE, durable=True)
        await queue.bind(EVENTS.name, "job.#")
        await queue.consume(self._hear)

    async def _hear(self, message: AbstractIncomingMessage) -> None:
        event = Event.model_validate_json(message.body)
        if event.job and event.happening is not Happening.PROGRESS:
            self.facts[event.job][event.sequence, event.happening] += 1
        await message.ack()
