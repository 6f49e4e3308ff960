"""Asking intake: the same messages as any publisher's, and the wait for the reply."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from pydantic_core import to_json

from shared.mesh.connecting import CONNECT_SECONDS, with_heartbeat
from shared.mesh.decoding import read_what_can_be_read
from shared.mesh.lost import LOST
from shared.messages import Reply
from shared.topology import CANCEL_KEY, JOBS, REPLIES, Lane, own_queue

Publish = Callable[..., Awaitable[None]]


class NoReply(Exception):
    """The broker has the message, but intake did not answer in time."""

    def __init__(self, job: str) -> None:
        super().__init__(f"accepted by the broker, not confirmed by intake yet; ask GET /v1/jobs/{job}")
        self.job = job


class NotTaken(Exception):
    """The broker did not confirm the message."""

    def __init__(self, job: str) -> None:
        super().__init__(f"the broker did not confirm the message; send it again with the id {job}: that is one job")
        self.job = job


class Asks(Protocol):
    """What can ask intake."""

    async def ask(self, key: str, message: dict[str, Any]) -> Reply:
        """Return intake's reply; raise NotTaken, NoReply."""


class Submitter:
    """Publishes to the jobs exchange and takes the replies on a queue of its own."""

    def __init__(self, connection: AbstractRobustConnection, publish: Publish, seconds: float) -> None:
        self._connection, self._publish, self._seconds = connection, publish, seconds
        self._own = own_queue(REPLIES)
        self._waiting: dict[str, asyncio.Future[Reply]] = {}

    async def open(self) -> None:
        """Declare the reply queue, which goes when nobody listens any more, and listen on it."""
        channel = await self._connection.channel()
        own = self._own
        queue = await channel.declare_queue(own.name, durable=True, auto_delete=True, arguments=own.arguments)
        await queue.consume(self._take, no_ack=True)

    async def ask(self, key: str, message: dict[str, Any]) -> Reply:
        """Return intake's reply to a message; raise NotTaken, or NoReply if none comes in time."""
        correlation_id = str(uuid4())
        self._waiting[correlation_id] = asyncio.get_running_loop().create_future()
        try:
            await self._send(key, message, correlation_id)
            async with asyncio.timeout(self._seconds):
                return await self._waiting[correlation_id]
        except TimeoutError:
            raise NoReply(str(message["id"])) from None
        finally:
            del self._waiting[correlation_id]

    async def _send(self, key: str, message: dict[str, Any], correlation_id: str) -> None:
        job = str(message["id"])
        try:
            await self._publish(
                *(JOBS.name, key, to_json(message)),
                reply_to=self._own.name,
                correlation_id=correlation_id,
                message_id=job,
                priority=_priority(key, message),
            )
        except LOST as lost:
            raise NotTaken(job) from lost

    async def _take(self, message: AbstractIncomingMessage) -> None:
        waiting = self._waiting.get(message.correlation_id or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(Reply.model_validate_json(message.body))


def _priority(key: str, message: dict[str, Any]) -> int:
    if key == CANCEL_KEY:
        return Lane.URGENT
    # A lane that is none is intake's to reject; it travels in the usual one.
    return Lane.__members__.get(str(message.get("priority", "")).upper(), Lane.NORMAL)


async def connect(url: str) -> AbstractRobustConnection:
    """Return the connection that replies and events come on."""
    read_what_can_be_read()
    return await aio_pika.connect_robust(
        with_heartbeat(url), timeout=CONNECT_SECONDS, client_properties={"connection_name": "scribe gateway"}
    )
