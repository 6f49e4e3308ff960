"""A job told as server-sent events (https://html.spec.whatwg.org, 9.2.6)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from fastapi.responses import StreamingResponse
from pydantic_core import to_json
from starlette.types import Message, Receive, Scope, Send

from services.gateway.listeners import Backlog, LetGo
from services.gateway.views import view
from shared import events
from shared.jobs.document import Job
from shared.jobs.mongo import AWAY
from shared.jobs.states import TERMINAL, JobState
from shared.messages import Event
from shared.topology import ENDS

log = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 15.0
"""The silence after which a comment is sent, so that nothing on the way takes the connection for dead."""

READ_SECONDS = 30.0
"""How long a listener may take nothing of what is sent; then its place is another's."""

END_EVENTS: dict[JobState, Callable[[Job], events.Told]] = {
    JobState.COMPLETED: events.completed,
    JobState.FAILED: events.failed,
    JobState.CANCELLED: events.cancelled,
}


class EventStream(StreamingResponse):
    """A response of server-sent events that leaves the `listening` when it ends, however it ends."""

    def __init__(self, content: AsyncIterator[str], listening: AbstractContextManager[Any]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(content, media_type="text/event-stream", headers=headers)
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, as long as they are read."""

        async def read(message: Message) -> None:
            async with asyncio.timeout(READ_SECONDS):
                await send(message)

        with self._listening:
            try:
                await super().__call__(scope, receive, read)
            except TimeoutError:
                log.warning("let a listener go that has read nothing for %s s", READ_SECONDS)


async def story(job: Job, backlog: Backlog, again: Callable[[], Awaitable[Job]]) -> AsyncIterator[str]:
    """Yield a snapshot of the job, then its events up to the one that ends it, or until the listener is let go.

    After a silence `again` reads the job: an end whose event was lost with a connection is told from the document.
    """
    yield _snapshot(job)
    while job.state not in TERMINAL:
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                event = await backlog.next()
        except TimeoutError:
            yield ": still here\n\n"
            job = await _known(job, again)
        except LetGo as gone:
            yield _sent({"happening": gone.happening, "job": job.id, "reason": str(gone)})
            return
        else:
            yield _told(event)
            if event.happening in ENDS:
                return
    yield _told(_ended(job))


async def _known(job: Job, again: Callable[[], Awaitable[Job]]) -> Job:
    """Return the job as it is now, or as it was: events come without the database, too."""
    try:
        return await again()
    except AWAY:
        log.warning("cannot look after the job of a silent listener", exc_info=True, extra={"job": job.id})
        return job


def _snapshot(job: Job) -> str:
    shown = view(job).model_dump(mode="json", exclude={"id"})
    return _sent({"happening": "snapshot", "job": job.id, "sequence": job.sequence, **shown})


def _ended(job: Job) -> Event:
    happening, body = END_EVENTS[job.state](job)
    return Event(
        job=job.id,
        tenant=job.tenant,
        sequence=job.sequence,
        happening=happening,
        at=job.updated,
        body=body,
    )


def _told(event: Event) -> str:
    return _sent({**event.model_dump(mode="json", exclude={"body", "tenant"}), **event.body})


def _sent(data: dict[str, Any]) -> str:
    identity = f"id: {data['sequence']}\n" if "sequence" in data else ""
    return f"event: {data['happening']}\n{identity}data: {to_json(data).decode()}\n\n"
