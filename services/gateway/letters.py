"""Dead letters: what lies in the dead queues, read without taking it, and taken one by one when that is asked for."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustConnection
from pydantic import ValidationError

from shared.clock import now
from shared.mesh.lost import lost_as_error
from shared.mesh.settle import CARRIED, subject
from shared.messages import Diagnosis
from shared.topology import Stage, dead_queue

SCAN = 10_000
"""How many letters of a stage are looked at."""


@dataclass(frozen=True)
class Wanted:
    """Which letters are meant; None takes all. `reason` is a part of it, `older_than` is in seconds."""

    letter: str | None = None
    job: str | None = None
    tenant: str | None = None
    stage: Stage | None = None
    reason: str | None = None
    older_than: float | None = None

    def fits(self, why: Diagnosis, moment: datetime) -> bool:
        """Whether the letter with that diagnosis is meant."""
        named = (self.letter, why.letter), (self.job, why.job), (self.tenant, why.tenant), (self.stage, why.stage)
        aged = self.older_than is None or (moment - why.at).total_seconds() >= self.older_than
        told = self.reason is None or self.reason.lower() in why.reason.lower()
        return aged and told and all(asked in (None, its) for asked, its in named)


@dataclass(frozen=True)
class Letter:
    """A dead letter that this process holds until it is taken or the reading ends."""

    why: Diagnosis
    message: AbstractIncomingMessage

    @property
    def subject(self) -> str:
        """The routing key under which its message first came."""
        return subject(self.message)

    @property
    def properties(self) -> dict[str, Any]:
        """What to publish its message with again, so that it comes as it first came."""
        return {name: getattr(self.message, name) for name in (*CARRIED, "type")}

    async def take(self) -> None:
        """Take it out of its queue for good."""
        await self.message.ack()


class DeadLetters:
    """Reads the dead queues over a connection that its owner keeps open; one reader at a time in this process."""

    def __init__(self, connection: AbstractRobustConnection) -> None:
        self._connection = connection
        self._reading = asyncio.Lock()

    @asynccontextmanager
    async def reading(self, wanted: Wanted, limit: int) -> AsyncIterator[list[Letter]]:
        """Give the oldest letters that are meant, `limit` at the most; what is not taken goes back where it was.

        Of each queue, oldest first, no more are held: a message that was no job's may be of any size.
        """
        async with self._reading:
            # A channel of its own: closing it is what gives the letters back.
            with lost_as_error():
                channel = await _opened(self._connection)
                try:
                    yield ordered([letter async for letter in _letters(channel, wanted, limit)], limit)
                finally:
                    await channel.close()


async def _opened(connection: AbstractRobustConnection) -> AbstractRobustChannel:
    try:
        return await connection.channel(publisher_confirms=False)
    except RuntimeError as closed:  # what aiormq raises until the connection is there again
        raise ConnectionError(f"the connection to the broker is lost: {closed}") from closed


async def _letters(channel: AbstractRobustChannel, wanted: Wanted, limit: int) -> AsyncIterator[Letter]:
    moment = now()
    for stage in (wanted.stage,) if wanted.stage else Stage:
        queue = await channel.declare_queue(dead_queue(stage).name, passive=True, robust=False)
        looked_at, meant = 0, 0
        while looked_at < SCAN and meant < limit and (message := await queue.get(fail=False)) is not None:
            looked_at += 1
            letter = Letter(_diagnosis(stage, message), message)
            if wanted.fits(letter.why, moment):
                meant += 1
                yield letter


def _diagnosis(stage: Stage, message: AbstractIncomingMessage) -> Diagnosis:
    try:
        return Diagnosis.read({name: _text(value) for name, value in message.headers.items()})
    except ValidationError:
        # The broker itself put it here, because somebody rejected it.
        reason, name = "rejected without a diagnosis", message.message_id or "unnamed"
        return Diagnosis(letter=name, stage=stage, reason=reason, worker="unknown", at=message.timestamp or now())


def _text(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def ordered(letters: Iterable[Letter], limit: int) -> list[Letter]:
    """Return the oldest letters, `limit` at the most."""
    return sorted(letters, key=lambda letter: letter.why.at)[:limit]
