"""Live events: one queue of this process, fanned out to whoever listens to a job."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection

from services.gateway.places import Places
from shared.messages import Event
from shared.topology import EVENTS, LISTENERS, Happening, own_queue

BACKLOG = 256
"""Events that wait for one listener; one that falls further behind is let go."""


class LetGo(Exception):
    """The listener hears no more, though the job goes on; `happening` says why."""

    def __init__(self, happening: str, reason: str) -> None:
        super().__init__(reason)
        self.happening = happening


class Backlog:
    """The events that one listener has not taken yet."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event | LetGo] = asyncio.Queue()
        self._open = True

    async def next(self) -> Event:
        """Return the next event once there is one; raise LetGo when there will be no more."""
        item = await self._queue.get()
        if isinstance(item, LetGo):
            raise item
        return item

    def add(self, event: Event) -> None:
        """Keep an event for the listener, or let it go if too many wait."""
        if self._queue.qsize() >= BACKLOG:
            self.close("lagging", f"more than {BACKLOG} events waited to be read; connect again")
        elif self._open:
            self._queue.put_nowait(event)

    def close(self, happening: str, reason: str) -> None:
        """Let the listener go once it has taken what waits."""
        if self._open:
            self._open = False
            self._queue.put_nowait(LetGo(happening, reason))


class Listeners:
    """Everyone who listens, by tenant and job."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._by_job: defaultdict[tuple[str, str], set[Backlog]] = defaultdict(set)

    async def open(self, connection: AbstractRobustConnection) -> None:
        """Bind a queue that goes when nobody listens any more to every event."""
        channel = await connection.channel()
        own = own_queue(LISTENERS)
        queue = await channel.declare_queue(own.name, durable=True, auto_delete=True, arguments=own.arguments)
        await queue.bind(EVENTS.name, "job.#")
        await queue.consume(self._take, no_ack=True)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self.tell(Event.model_validate_json(message.body))

    def tell(self, event: Event) -> None:
        """Hand the event to those who listen to its job; a rejected message is no fact about a job."""
        if event.job is not None and event.happening is not Happening.REJECTED:
            for backlog in self._by_job.get((event.tenant, event.job), ()):
                backlog.add(event)

    @contextmanager
    def listening(self, tenant: str, job: str) -> Iterator[Backlog]:
        """Give the events of a job from now on; raise NoPlace."""
        backlog = Backlog()
        with self._places.taken(tenant):
            self._by_job[tenant, job].add(backlog)
            try:
                yield backlog
            finally:
                self._by_job[tenant, job].discard(backlog)
                if not self._by_job[tenant, job]:
                    del self._by_job[tenant, job]

    def close(self) -> None:
        """Let everyone go: this gateway is going down."""
        for backlogs in self._by_job.values():
            for backlog in backlogs:
                backlog.close("closing", "this gateway is going down; connect again")
