"""Publishing: everything the mesh says goes out here, and is confirmed or raises; steps are persistent and mandatory.

The connection is this module's own, because a broker under a memory alarm blocks publishing connections, and a
blocked connection could not ack.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import aio_pika
import aiormq
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import ChannelInvalidStateError
from pamqp.commands import Basic

from shared import telemetry
from shared.jobs.step import Step
from shared.mesh.connecting import CONNECT_SECONDS, with_heartbeat
from shared.mesh.lost import lost_as_error
from shared.messages import Diagnosis, Event, Order, Reply, StepMessage
from shared.topology import (
    CONTROL,
    DEAD,
    EVENTS,
    JOBS,
    RETRY,
    Happening,
    Lane,
    Stage,
    event_key,
    retry_key,
    rung_for,
    step_key,
)

AFTER = "scribe-after"
"""The header that names the attempt after which a step waits on the ladder: its message, and no other, ends the wait.

0 marks a message that only looks again: the step has, or had, one of its own.
"""

CONFIRM_SECONDS = 30.0
DEFAULT_EXCHANGE = ""


@dataclass(frozen=True)
class Count:
    """How many messages lie in a queue and wait to be delivered, and how many consumers it has."""

    messages: int
    consumers: int


class Post(Protocol):
    """What a worker may say; every method returns once the broker holds the message."""

    async def step(self, step: Step, lane: Lane) -> None:
        """Ask for a step now."""

    async def later(self, step: Step, lane: Lane, delay: float, *, after: int) -> None:
        """Ask for a step on the rung of the retry ladder that waits at least `delay` seconds.

        `after` is the attempt that the step waits after, 0 for a message that only looks again.
        """

    async def event(self, event: Event) -> None:
        """Tell the outside world."""

    async def park(self, body: bytes, why: Diagnosis, **properties: Any) -> None:
        """Keep a message that was given up on, exactly, with its diagnosis."""

    async def order(self, order: Order) -> None:
        """Tell every running worker."""

    async def reply(self, queue: str, correlation_id: str | None, reply: Reply) -> None:
        """Answer into the queue that a publisher named."""


class AmqpPost:
    """The post over RabbitMQ; open it with `async with`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractRobustChannel | None = None

    async def open(self) -> None:
        """Connect; raise if the broker cannot be reached."""
        self._connection = await aio_pika.connect_robust(
            with_heartbeat(self._url), timeout=CONNECT_SECONDS, client_properties={"connection_name": "scribe post"}
        )
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        assert isinstance(channel, AbstractRobustChannel)  # noqa: S101 - tells the type checker what a robust connection gives
        self._channel = channel

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def step(self, step: Step, lane: Lane) -> None:
        """Ask for a step now."""
        body = StepMessage.of(step).model_dump_json()
        await self.publish(JOBS.name, step_key(step.stage), body, priority=lane, message_id=str(step))

    async def later(self, step: Step, lane: Lane, delay: float, *, after: int) -> None:
        """Ask for a step on the rung of the retry ladder that waits at least `delay` seconds after that attempt."""
        body = StepMessage.of(step).model_dump_json()
        key = retry_key(step.stage, rung_for(delay))
        await self.publish(RETRY.name, key, body, priority=lane, message_id=str(step), headers={AFTER: after})

    async def resend(self, stage: Stage, delay: float, body: bytes, **properties: Any) -> None:
        """Send a message that could not be handled up the ladder, its body as it came."""
        await self.publish(RETRY.name, retry_key(stage, rung_for(delay)), body, **properties)

    async def event(self, event: Event) -> None:
        """Tell the outside world; an event that nobody is bound for is rightly gone."""
        body = event.model_dump_json()
        persistent = event.happening is not Happening.PROGRESS
        name = f"{event.job}:{event.sequence}"
        await self.publish(
            EVENTS.name,
            event_key(event.tenant, event.happening),
            body,
            mandatory=False,
            persistent=persistent,
            message_id=name,
        )

    async def park(self, body: bytes, why: Diagnosis, **properties: Any) -> None:
        """Keep a message that was given up on, exactly, with its diagnosis."""
        await self.publish(DEAD.name, step_key(why.stage), body, headers=why.headers(), **properties)

    async def order(self, order: Order) -> None:
        """Tell every running worker; none may be running."""
        await self.publish(CONTROL.name, "", order.model_dump_json(), mandatory=False, persistent=False)

    async def reply(self, queue: str, correlation_id: str | None, reply: Reply) -> None:
        """Answer into the queue that a publisher named; one that is gone is the publisher's affair."""
        body = reply.model_dump_json()
        await self.publish(
            DEFAULT_EXCHANGE, queue, body, mandatory=False, persistent=False, correlation_id=correlation_id
        )

    async def publish(
        self,
        exchange: str,
        key: str,
        body: str | bytes,
        *,
        mandatory: bool = True,
        persistent: bool = True,
        **properties: Any,
    ) -> None:
        """Publish and wait for the broker's confirmation.

        Raises TimeoutError if it does not come within half a minute, ConnectionError if the connection is lost before.
        """
        message = Basic.Properties(
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT if persistent else aio_pika.DeliveryMode.NOT_PERSISTENT,
            message_type=properties.pop("type", None),
            **properties,
        )
        content = body if isinstance(body, bytes) else body.encode()
        with lost_as_error():
            async with asyncio.timeout(CONFIRM_SECONDS):
                out = await self._open_channel()
                # The confirmation tells more than that the socket took it, so that is not waited for.
                await out.basic_publish(
                    content, exchange=exchange, routing_key=key, properties=message, mandatory=mandatory, wait=False
                )
        telemetry.PUBLISHED.labels(exchange or "default").inc()

    async def _open_channel(self) -> aiormq.Channel:
        """Return the channel that aio-pika's exchanges publish on; what these add costs as much as the publishing."""
        if self._channel is None:
            raise RuntimeError("the post is not open")
        if self._channel.is_closed:
            raise ChannelInvalidStateError("the channel to the broker is closed; it is being opened again")
        channel = await self._channel.get_underlay_channel()
        assert isinstance(channel, aiormq.Channel)  # noqa: S101 - as above
        return channel

    async def ping(self) -> None:
        """Raise if the broker does not answer."""
        async with self._asking():
            pass  # a new channel is a round trip of its own

    async def count(self, queue: str) -> Count:
        """Return how many messages wait in the queue and how many consumers it has; raise if there is no such queue."""
        async with self._asking() as channel:
            declared = await channel.queue_declare(queue, passive=True)
        return Count(declared.message_count or 0, declared.consumer_count or 0)

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[aiormq.abc.AbstractChannel]:
        """Yield a channel to ask the broker on: below aio-pika's, each of which leaves callbacks on the connection.

        Those stay for as long as the connection does, days in which somebody asks every few seconds.
        """
        if self._connection is None or self._connection.transport is None:
            raise ConnectionError("the post is not connected to the broker")
        with lost_as_error():
            async with asyncio.timeout(CONFIRM_SECONDS):  # a broker without memory answers nothing on this connection
                channel = await self._connection.transport.connection.channel(publisher_confirms=False)
                try:
                    yield channel
                finally:
                    await channel.close()
