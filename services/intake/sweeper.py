"""The sweeper: finds what nobody will ever wake up again, and forgets what need not be kept.

It publishes what a job document says is ready and what the broker has lost, which is all that recovery is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from services.intake.admission import Admission
from services.intake.overdue import Expected, Patience, expected, missing
from shared import telemetry
from shared.blobs import Blobs
from shared.clock import now
from shared.jobs import moves
from shared.jobs.changes import Moved
from shared.jobs.document import Job
from shared.jobs.history import Entry
from shared.jobs.store import JobStore
from shared.jobs.upkeep import Upkeep
from shared.mesh.pass_on import pass_on
from shared.mesh.post import Count, Post
from shared.topology import Lane, Stage, work_queue

log = logging.getLogger(__name__)

TASK = "sweep"
LEASES = 3
"""A leader that has not swept for this many intervals is followed by another."""

UPLOADING = timedelta(days=1)
"""How long an upload may lie half stored and untouched, as a gateway leaves it that is killed: no job knows of it."""


class Counts(Protocol):
    """What can count a queue."""

    async def count(self, queue: str) -> Count:
        """Return how many messages wait in the queue, and how many consumers it has."""


@dataclass(frozen=True)
class Sweeper:
    """Sweeps every `interval` seconds while it is the leader of all sweepers."""

    store: JobStore
    upkeep: Upkeep
    post: Post
    counts: Counts
    blobs: Blobs
    admission: Admission
    worker: str
    window: int
    patience: Patience
    interval: float
    declare: Callable[[], Awaitable[None]]

    async def run(self) -> None:
        """Sweep until cancelled, which is safe at any time; a sweep that fails is logged, the next one tries again."""
        while True:
            await asyncio.sleep(self.interval)
            try:
                await self.turn()
            except Exception:
                log.exception("the sweep failed; the next one is in %s s", self.interval)

    async def turn(self) -> None:
        """Sweep as the leader; another one tells then how many jobs wait, or they would be counted twice."""
        if await self._leads():
            await self.sweep()
        else:
            telemetry.WAITING.clear()

    async def sweep(self) -> None:
        """Publish what was lost, start who waits although there is room, forget what has expired.

        The topology comes first: a broker that lost its disk has no queues, and consumers cannot come back without.
        """
        await self.declare()
        waiting = [step async for job in self.upkeep.unsettled() for step in await self._looked_at(job)]
        for each in missing(waiting, await self._depths(), now(), self.patience):
            await self._publish(each)
        await self.admission.admit()
        await self._count_waiting()
        async for job in self.upkeep.expired(now()):
            await self._forget(job)
        await self.blobs.delete_unfinished("uploads", now() - UPLOADING)

    async def _count_waiting(self) -> None:
        jobs = await self.upkeep.waiting()
        for lane in Lane:
            telemetry.WAITING.labels(lane.label).set(jobs[lane])

    async def _leads(self) -> bool:
        moment = now()
        return await self.upkeep.lead(TASK, self.worker, moment, moment + timedelta(seconds=LEASES * self.interval))

    async def _looked_at(self, job: Job) -> list[Expected]:
        settled = moves.settle(job).job
        if settled is not job:
            await self.store.save(job, settled)
            return []
        if job.outbox and now() - job.updated > timedelta(seconds=self.patience.overdue):
            log.warning("publishing events that were never published", extra={"job": job.id, "tenant": job.tenant})
            await pass_on(self.store, self.post, Moved(job, job.outbox))
        return list(expected(job, now(), self.patience, self.window))

    async def _depths(self) -> dict[Stage, int]:
        return {stage: (await self.counts.count(work_queue(stage).name)).messages for stage in Stage}

    async def _publish(self, lost: Expected) -> None:
        step = lost.step
        with telemetry.logged_as(job=step.job, stage=step.stage, part=step.part):
            log.warning("the step's message was lost; publishing it again")
            await self.post.step(step, lost.lane)
            telemetry.SWEPT.labels(step.stage).inc()
            await self.store.published(step.job, [], [step], now())
            reason = f"the message of {step.key} was lost; published again"
            await self.store.remember([Entry(job=step.job, what="swept", at=now(), reason=reason)])

    async def _forget(self, job: Job) -> None:
        with telemetry.logged_as(job=job.id, tenant=job.tenant):
            try:
                await self._delete(job)
            except Exception:  # one job's objects that cannot be deleted must not keep all other jobs
                log.exception("cannot be forgotten yet; the next sweep tries again")

    async def _delete(self, listed: Job) -> None:
        # Written first: a replay decided before now is refused, or has been saved; one from now on finds it expired.
        job = await self.store.save(listed, listed.but(updated=now()))
        if job is None:
            log.info("not forgotten: it has changed since it was found to have expired")
            return
        await self.blobs.delete(f"jobs/{job.tenant}/{job.id}")
        if job.options.source.object is not None and await self.upkeep.alone(job):
            await self.blobs.delete(job.options.source.object)
        await self.upkeep.forget(job)
        log.info("forgotten: it was kept for %s days", job.options.retention_days)
