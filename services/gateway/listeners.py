"""Live events: one queue of this process, fanned out to whoever listens to a job."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from pydantic_core import to_json

from shared.messages import Event
from shared.topology import EVENTS, Happening

BACKLOG = 256
"""Events that wait for one listener; one that falls further behind is let go."""

KEEP_ALIVE_SECONDS = 15.0

ENDS = {Happening.COMPLETED, Happening.FAILED, Happening.CANCELLED}


class TooManyListeners(Exception):
    """No more listeners fit."""


class Listeners:
    """Everyone who listens, by job."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_job: defaultdict[str, set[asyncio.Queue[Event | None]]] = defaultdict(set)

    async def open(self, connection: AbstractRobustConnection) -> None:
        """Bind a queue that goes with the connection to every event."""
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        await queue.bind(EVENTS.name, "job.#")
        await queue.consume(self._take, no_ack=True)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        event = Event.model_validate_json(message.body)
        if event.job is not None:
            self.tell(event.job, event)

    def tell(self, job: str, event: Event) -> None:
        """Hand the event to those who listen to the job."""
        for backlog in self._by_job.get(job, ()):
            if backlog.qsize() < BACKLOG:
                backlog.put_nowait(event)
            elif backlog.qsize() == BACKLOG:
                backlog.put_nowait(None)

    @contextmanager
    def listening(self, job: str) -> Iterator[asyncio.Queue[Event | None]]:
        """Give the events of a job from now on, None in place of what did not fit; raise TooManyListeners."""
        if sum(map(len, self._by_job.values())) >= self._most:
            raise TooManyListeners
        backlog: asyncio.Queue[Event | None] = asyncio.Queue()
        self._by_job[job].add(backlog)
        try:
            yield backlog
        finally:
            self._by_job[job].discard(backlog)
            if not self._by_job[job]:
                del self._by_job[job]


async def told(backlog: asyncio.Queue[Event | None]) -> AsyncIterator[str]:
    """Yield the events as server-sent events until one ends the job; a comment keeps the line open meanwhile."""
    while True:
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                event = await backlog.get()
        except TimeoutError:
            yield ": still here\n\n"
            continue
        if event is None:
            yield sent({"happening": "lagging"})
            return
        yield sent({**event.model_dump(mode="json", exclude={"body"}), **event.body})
        if event.happening in ENDS:
            return


def sent(data: dict[str, Any]) -> str:
    """Return one server-sent event, named after what is happening and numbered with its sequence if it has one."""
    identity = f"id: {data['sequence']}\n" if "sequence" in data else ""
    return f"event: {data['happening']}\n{identity}data: {to_json(data).decode()}\n\n"
