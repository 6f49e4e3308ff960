"""Declaring the topology at start-up.

On a connection of its own: a queue that FastStream's broker has declared before its subscribers start keeps the
broker's channel, and with it an unlimited prefetch, whatever the subscriber asks for.
"""

import aio_pika
from aio_pika.abc import AbstractChannel
from aiormq.abc import FieldTable

from shared.mesh.connecting import CONNECT_SECONDS, with_heartbeat
from shared.mesh.lost import lost_as_error
from shared.topology import EXCHANGES, QUEUES


async def declare(url: str) -> None:
    """Declare every exchange, queue and binding, on a connection of its own; safe to repeat.

    Raises aio_pika's ChannelPreconditionFailed when something of the name exists with another identity, and
    ConnectionError when the connection is lost on the way.
    """
    with lost_as_error():
        async with await aio_pika.connect(with_heartbeat(url), timeout=CONNECT_SECONDS) as connection:
            await _declare(await connection.channel())


async def _declare(channel: AbstractChannel) -> None:
    for exchange in EXCHANGES:
        arguments: FieldTable = {"alternate-exchange": exchange.alternate} if exchange.alternate else {}
        await channel.declare_exchange(exchange.name, exchange.kind, durable=True, arguments=arguments)
    for queue in QUEUES:
        declared = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
        for binding in queue.bindings:
            await declared.bind(binding.exchange, binding.key)
