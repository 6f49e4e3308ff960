"""Admission: how many jobs run at once, of each tenant and in all; the others wait in the database, in lane order."""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from aio_pika.abc import AbstractIncomingMessage

from shared import flow, telemetry
from shared.clock import now
from shared.jobs import moves
from shared.jobs.changes import Moved
from shared.jobs.document import Job
from shared.jobs.history import Entry
from shared.jobs.states import JobState
from shared.jobs.step import Step
from shared.jobs.store import JobStore, NoSuchJob, change
from shared.jobs.upkeep import Upkeep
from shared.mesh.pass_on import pass_on
from shared.mesh.post import Post
from shared.messages import Event
from shared.topology import Lane, Stage

log = logging.getLogger(__name__)

JobCounts = Counter[tuple[str, Lane]]
"""How many jobs have been admitted and not ended, by tenant and lane."""

FRESH = 1.0
"""Seconds for which what the database says of running and waiting jobs is believed: floods of jobs ask no oftener."""


@dataclass(frozen=True)
class Limits:
    """How many jobs may run at once. Only jobs of a lane and above count against it: no flood delays what is urgent."""

    jobs: int
    jobs_per_tenant: int

    def full(self, running: JobCounts, lane: Lane) -> bool:
        """Whether no job of the lane may start, of whichever tenant."""
        return sum(count for (_, its), count in running.items() if its >= lane) >= self.jobs

    def full_for(self, running: JobCounts, tenant: str, lane: Lane) -> bool:
        """Whether no job of the tenant may start in the lane."""
        own = (count for (whose, its), count in running.items() if whose == tenant and its >= lane)
        return sum(own) >= self.jobs_per_tenant or self.full(running, lane)


class Admission:
    """Decides who starts now.

    The counts come from the database, FRESH seconds apart, and are kept up in between. What other intake processes do
    meanwhile is known only with the next look: by so many jobs the limits may be exceeded.
    """

    def __init__(self, upkeep: Upkeep, store: JobStore, post: Post, limits: Limits, window: int) -> None:
        self._upkeep, self._store, self._post = upkeep, store, post
        self._limits, self._window = limits, window
        self._deciding = asyncio.Lock()
        self._running, self._counted = JobCounts(), -FRESH
        self._nobody_waited = -FRESH
        self._asked = False
        self._admitted: dict[str, Job] = {}  # and not passed on yet: broker or database went away

    async def insert(self, job: Job) -> Job:
        """Store the new job, to start now if nobody waits and there is room, and to wait otherwise.

        Return it as stored, or the job that was stored before under its id or its idempotency key.
        """
        async with self._deciding:
            room = await self._nobody_waits() and await self._has_room(job)
            state = JobState.ACCEPTED if room else JobState.WAITING
            self._nobody_waited = self._nobody_waited if room else -FRESH
            stored = await self._store.insert(moves.opened(job.but(state=state), self._window).job)
            self._running[job.tenant, job.lane] += room and stored.created == job.created  # the same again counts once
            return stored

    async def on_end(self, message: AbstractIncomingMessage) -> None:
        """Take the event of a job's end off the count, without asking the database, and start whichever job is next."""
        ended = Event.model_validate_json(message.body)
        with suppress(NoSuchJob):  # forgotten meanwhile: the next count knows
            job = await self._store.find(ended.job or "")
            # One that was cancelled while it waited never counted.
            self._running[job.tenant, job.lane] -= job.record(Step(job.id, Stage.DOWNLOADER)) is not None
        await self.admit()

    async def admit(self) -> None:
        """Start waiting jobs, the highest lane's oldest first, as long as there is room for any."""
        self._asked = True
        async with self._deciding:
            if self._asked:  # nobody has decided since
                self._asked = False
                await self._start_waiting()

    async def _start_waiting(self) -> None:
        for admitted in list(self._admitted.values()):
            await self._pass_on(admitted)
        full: set[str] = set()
        job = await self._upkeep.next_waiting(full)
        if job is not None:
            await self._count_if_old()
        while job is not None and not self._limits.full(self._running, job.lane):
            if self._limits.full_for(self._running, job.tenant, job.lane):
                full.add(job.tenant)  # and so it is in every lower lane: who comes next is not of this tenant
            else:
                await self._start(job)
            job = await self._upkeep.next_waiting(full)
        if job is None and not full:
            self._nobody_waited = _clock()

    async def _nobody_waits(self) -> bool:
        if _clock() - self._nobody_waited > FRESH:
            if await self._upkeep.next_waiting(()) is not None:
                return False
            self._nobody_waited = _clock()
        return True

    async def _has_room(self, job: Job) -> bool:
        await self._count_if_old()
        return not self._limits.full_for(self._running, job.tenant, job.lane)

    async def _count_if_old(self) -> None:
        if _clock() - self._counted > FRESH:
            self._running = await self._upkeep.running()
            self._counted = _clock()

    async def _start(self, waiting: Job) -> None:
        with telemetry.logged_as(job=waiting.id, tenant=waiting.tenant):
            moved, job = await change(self._store, waiting, partial(moves.admit, now=now(), window=self._window))
            if not moved.steps:  # it was cancelled meanwhile, or another intake has admitted it
                return
            self._running[job.tenant, job.lane] += 1
            self._admitted[job.id] = job
            await self._pass_on(job)
            log.info("admitted", extra={"lane": job.lane.label})

    async def _pass_on(self, job: Job) -> None:
        await pass_on(self._store, self._post, Moved(job, job.outbox, flow.unposted(job, self._window)))
        await self._store.remember([Entry(job=job.id, what="admitted", at=job.updated)])
        del self._admitted[job.id]


def _clock() -> float:
    return asyncio.get_running_loop().time()
