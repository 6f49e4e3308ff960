"""The desk: takes submit and cancel messages, stores, tells, replies and queues the first step."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from aio_pika.abc import AbstractIncomingMessage

from services.intake.admission import Admission
from services.intake.stage import Rejected, check_owner, new_job, read_cancel, read_submit
from shared import events, flow, telemetry
from shared.clock import now
from shared.jobs import moves
from shared.jobs.changes import Moved
from shared.jobs.document import Job
from shared.jobs.states import JobState
from shared.jobs.store import JobStore, NoSuchJob, change
from shared.mesh.outcomes import short
from shared.mesh.pass_on import pass_on
from shared.mesh.post import Post
from shared.mesh.settle import NotYet, subject, tries
from shared.messages import Cancel, Diagnosis, Event, FieldError, Reply, Submit
from shared.options import Source
from shared.seal import shown
from shared.topology import CANCEL_KEY, ENDS, Happening, Stage

log = logging.getLogger(__name__)

RESERVED = "scribe."
"""No reply goes into a queue of the mesh itself, whatever a publisher names."""


class Seals(Protocol):
    """What can seal a source."""

    def seal(self, source: Source) -> str:
        """Return the source as a token that only this deployment can open."""


@dataclass(frozen=True)
class Desk:
    """Handles every message of intake's queue."""

    store: JobStore
    post: Post
    admission: Admission
    seal: Seals
    worker: str
    window: int
    retention_days: int | None = None

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Take one message; what is wrong with it is told, replied and parked.

        Raises NotYet for the cancel of a job that is not stored: it goes up the ladder, once.
        """
        if _tells_an_end(message):
            await self.admission.on_end(message)
            return
        try:
            job = await (self._cancel if subject(message) == CANCEL_KEY else self._submit)(message)
        except Rejected as rejected:
            await self._reject(message, rejected)
        else:
            await self._reply(message, Reply(id=job.id, state=job.state))

    async def _submit(self, message: AbstractIncomingMessage) -> Job:
        submit = read_submit(message.body)
        check_owner(submit)
        with telemetry.logged_as(job=submit.id, tenant=submit.tenant):
            sealed = self.seal.seal(submit.source) if submit.source.url else None
            fresh = new_job(submit, message.priority, sealed, shown(submit.source), self.retention_days)
            job = await self._stored(fresh, submit)
            await pass_on(self.store, self.post, Moved(job, job.outbox, flow.unposted(job, self.window)))
            log.info(job.state, extra={"lane": job.lane.label, "again": job.created != fresh.created})
            if job.state is JobState.WAITING:
                await self.admission.admit()  # it may have come behind one whose tenant is full
        return job

    async def _stored(self, fresh: Job, submit: Submit) -> Job:
        job = await self.admission.insert(fresh)
        if job.tenant != submit.tenant:
            raise Rejected((FieldError(field="id", error="is taken; choose another UUID"),), submit.id, submit.tenant)
        return job

    async def _cancel(self, message: AbstractIncomingMessage) -> Job:
        asked = read_cancel(message.body)
        with telemetry.logged_as(job=asked.id, tenant=asked.tenant):
            job = await self._owned(asked, first=not tries(message))
            moved, job = await change(self.store, job, lambda job: moves.cancel(job, now(), self.window))
            steps = flow.unposted(job, self.window)  # the webhooks that are to be told
            await pass_on(self.store, self.post, Moved(job, moved.facts or job.outbox, steps))
            log.info("asked to cancel; the job is %s", job.state)
        return job

    async def _owned(self, asked: Cancel, *, first: bool) -> Job:
        with suppress(NoSuchJob):
            job = await self.store.find(asked.id)
            if job.tenant == asked.tenant:
                return job
        if first:  # messages are handled side by side, and a redelivered submit comes behind its cancel
            raise NotYet(f"no job {asked.id} of {asked.tenant}, at least not yet")
        raise Rejected((FieldError(field="id", error="names no job of this tenant"),), asked.id, asked.tenant)

    async def _reject(self, message: AbstractIncomingMessage, rejected: Rejected) -> None:
        log.warning("rejected: %s", rejected, extra={"tenant": rejected.tenant, "job": rejected.job})
        happening, body = events.rejected([each.model_dump() for each in rejected.errors], message.message_id)
        event = Event(job=rejected.job, tenant=rejected.tenant, sequence=0, happening=happening, at=now(), body=body)
        why = Diagnosis(
            stage=Stage.INTAKE,
            reason=short(str(rejected)),
            job=rejected.job,
            tenant=rejected.tenant,
            worker=self.worker,
            at=now(),
        )
        await self.post.event(event)
        await self.post.park(message.body, why, type=subject(message), priority=message.priority)
        telemetry.PARKED.labels(Stage.INTAKE).inc()
        await self._reply(message, Reply(id=rejected.job, state=Happening.REJECTED, errors=rejected.errors))

    async def _reply(self, message: AbstractIncomingMessage, reply: Reply) -> None:
        queue = message.reply_to
        if queue and not queue.startswith(RESERVED):
            await self.post.reply(queue, message.correlation_id, reply)


def _tells_an_end(message: AbstractIncomingMessage) -> bool:
    """Whether the ladder has brought back, into this queue, an event from the queue of jobs' ends."""
    return subject(message).rpartition(".")[2] in ENDS
