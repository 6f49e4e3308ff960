"""The desk: turns an event into one delivery step per webhook that asked for it."""

import logging
from dataclasses import dataclass

from aio_pika.abc import AbstractIncomingMessage

from shared import flow, telemetry
from shared.clock import now
from shared.jobs import moves
from shared.jobs.document import Fact
from shared.jobs.moves import Moved
from shared.jobs.store import JobStore, NoSuchJob, change
from shared.mesh.follow import pass_on
from shared.mesh.post import Post
from shared.messages import Event

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Desk:
    """Handles every event that a webhook may have asked for."""

    store: JobStore
    post: Post

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Queue the event's deliveries; an event that comes twice queues none again."""
        event = Event.model_validate_json(message.body)
        if event.job is None:
            return
        with telemetry.logged_as(job=event.job, tenant=event.tenant):
            await self._queue(event, event.job)

    async def _queue(self, event: Event, job_id: str) -> None:
        try:
            job = await self.store.find(job_id)
        except NoSuchJob:
            log.warning("an event speaks of a job that is not stored; no webhook can be told")
            return
        fact = Fact(sequence=event.sequence, happening=event.happening, at=event.at, body=event.body)
        _, job = await change(self.store, job, lambda job: moves.deliver(job, fact, now()))
        # With a window of none, what is left to post are the deliveries, also those that an earlier crash left behind.
        await pass_on(self.store, self.post, Moved(job, steps=flow.unposted(job, 0)))
