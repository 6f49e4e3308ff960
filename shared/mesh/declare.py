"""Declaring the topology at start-up.

On a connection of its own: a queue that FastStream's broker has declared before its subscribers start keeps the
broker's channel, and with it an unlimited prefetch, whatever the subscriber asks for.
"""

import aio_pika
from aiormq.abc import FieldTable

from shared.mesh.heartbeat import CONNECT_SECONDS, with_heartbeat
from shared.topology import EXCHANGES, QUEUES


async def declare(url: str) -> None:
    """Declare every exchange, queue and binding, on a connection of its own; safe to repeat.

    Raises aio_pika's ChannelPreconditionFailed when something of the name exists with another identity.
    """
    async with await aio_pika.connect(with_heartbeat(url), timeout=CONNECT_SECONDS) as connection:
        channel = await connection.channel()
        for exchange in EXCHANGES:
            arguments: FieldTable = {"alternate-exchange": exchange.alternate} if exchange.alternate else {}
            await channel.declare_exchange(exchange.name, exchange.kind, durable=True, arguments=arguments)
        for queue in QUEUES:
            declared = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
            for binding in queue.bindings:
                await declared.bind(binding.exchange, binding.key)
