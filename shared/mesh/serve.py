"""A service as a FastStream application: its queues, its parts, its drain.

Subscribes passively (the topology is declared on a connection of its own), acks by hand, and publishes on a
connection of its own.
"""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, cast

from aio_pika.abc import AbstractIncomingMessage
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from faststream.rabbit.schemas.queue import ClassicQueueArgs

from shared.blobs import Blobs
from shared.jobs.mongo import AWAY, MongoStore, connect
from shared.mesh.appetite import Appetite
from shared.mesh.connecting import CONNECT_SECONDS, with_heartbeat
from shared.mesh.consumers import Consumers
from shared.mesh.declare import declare
from shared.mesh.decoding import read_what_can_be_read
from shared.mesh.health import Health
from shared.mesh.limit import time_limit
from shared.mesh.post import AmqpPost
from shared.mesh.running import Running
from shared.mesh.settle import Handle, Settler
from shared.mesh.watchdog import Watchdog
from shared.messages import Order
from shared.settings import BROKER, DATABASE, Settings, naming, worker_name
from shared.topology import CONTROL, PREFETCH, Stage, own_queue

log = logging.getLogger(__name__)

CLOSING_SECONDS = 15.0
"""How long a stop may take beyond its drain, which takes twice the grace; then the process ends wherever it is."""

NEW_OBJECTS = 10_000
"""How many more objects there must be before Python's collector looks at them: its usual 700 cost a twelfth of the CPU
time of steps that do nothing."""

Hook = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """Open or close nothing."""


@dataclass(frozen=True)
class Lifespan:
    """What a service opens before it takes its first message, and closes after the drain."""

    opening: Hook = nothing
    closing: Hook = nothing


NOTHING = Lifespan()


@dataclass(frozen=True)
class Subscription:
    """A queue this service consumes, what it does with each message, and how many messages it has room for."""

    queue: str
    handle: Handle
    appetite: Appetite = field(default_factory=Appetite)


@dataclass
class Parts:
    """What every service holds: the store, the post, the runs of this process, and its name in claims."""

    stage: Stage
    settings: Settings
    blobs: Blobs
    running: Running = field(default_factory=Running)

    def __post_init__(self) -> None:
        self.worker = worker_name(self.stage)
        self.client = connect(self.settings.mongo_url)
        self.store = MongoStore(self.client, self.settings.mongo_database)
        self.post = AmqpPost(self.settings.amqp_url)
        pings = {"broker": self.post.ping, "database": self.store.ping, "object store": self.blobs.ping}
        self.health = Health(self.settings.health_host, self.settings.health_port, pings, starting=True)

    async def open(self) -> None:
        """Open everything but the consumers, health first; raise Unusable naming what cannot be."""
        await self.health.open()
        with naming(*BROKER):
            await declare(self.settings.amqp_url)
            await self.post.open()
        with naming(*DATABASE):
            await self.store.prepare()

    async def close(self) -> None:
        """Close everything, health last."""
        await self.post.close()
        self.client.close()
        await self.health.close()


def serve(parts: Parts, subscriptions: Sequence[Subscription], lifespan: Lifespan = NOTHING) -> FastStream:
    """Return the application that handles the subscriptions' messages, and ends in order."""
    read_what_can_be_read()
    settings, prefetch = parts.settings, PREFETCH[parts.stage]
    url = with_heartbeat(settings.amqp_url)
    # A handler takes the message as it is: there is nothing for FastStream to inject or to convert.
    broker = RabbitBroker(url, timeout=CONNECT_SECONDS, graceful_timeout=settings.grace, logger=None, apply_types=False)
    settler = Settler(parts.stage, parts.worker, parts.post, AWAY)
    consumers = [_consume(broker, each, prefetch, settler) for each in subscriptions]
    _listen_to_control(broker, lambda order: _obey(order, parts, subscriptions))
    watchdog = Watchdog([each.queue for each in subscriptions], parts.post.count)
    ending = ExitStack()

    async def start() -> None:
        await parts.open()
        await lifespan.opening()

    async def started() -> None:
        gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
        for each in consumers:
            each.start(prefetch)
        watchdog.start()
        parts.health.starting = False
        log.info("ready", extra={"worker": parts.worker})

    async def drain() -> None:
        # What keeps on reconnecting swallows its cancellation, and asyncio would wait for it forever.
        ending.enter_context(time_limit(2 * settings.grace + CLOSING_SECONDS))
        await watchdog.stop()
        await asyncio.gather(*(each.stop() for each in consumers))
        await parts.running.drain(settings.grace)

    async def stop() -> None:
        await lifespan.closing()
        await parts.close()
        ending.close()

    return FastStream(
        broker, logger=None, on_startup=[start], after_startup=[started], on_shutdown=[drain], after_shutdown=[stop]
    )


def _consume(broker: RabbitBroker, subscription: Subscription, prefetch: int, settler: Settler) -> Consumers:
    subscriber = broker.subscriber(
        RabbitQueue(subscription.queue, declare=False),
        channel=Channel(prefetch_count=prefetch),
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        decoder=_undecoded,
    )

    consumers = Consumers(subscriber, subscription.appetite)

    @subscriber
    async def settle(body: Any) -> None:
        await settler.settle(body, lambda message: consumers.take(message, subscription.handle))

    return consumers


async def _undecoded(message: RabbitMessage) -> AbstractIncomingMessage:
    # A body that is not what it says must reach the settler, or nobody would ack it.
    return message.raw_message


def _obey(order: Order, parts: Parts, subscriptions: Sequence[Subscription]) -> None:
    if order.cancel is not None:
        parts.running.stop(order.cancel)
    if order.overtaking is not None and order.overtaking.stage is parts.stage:
        for each in subscriptions:
            each.appetite.overtake(order.overtaking.lane)


def _listen_to_control(broker: RabbitBroker, obey: Callable[[Order], None]) -> None:
    own = own_queue(CONTROL.name)
    queue = RabbitQueue(own.name, durable=True, auto_delete=True, arguments=cast("ClassicQueueArgs", own.arguments))
    exchange = RabbitExchange(CONTROL.name, type=ExchangeType.FANOUT, declare=False)

    @broker.subscriber(queue, exchange, ack_policy=AckPolicy.ACK_FIRST, no_reply=True, decoder=_undecoded)
    async def hear(body: Any) -> None:
        obey(Order.model_validate_json(body.body))
