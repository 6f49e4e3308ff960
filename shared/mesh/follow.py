"""Passing on: after a commit, the events it speaks of and the steps it made ready go out."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from shared import flow
from shared.clock import now
from shared.jobs.changes import Moved
from shared.jobs.document import Job
from shared.jobs.states import ABANDONED
from shared.jobs.step import Step
from shared.jobs.store import JobStore
from shared.mesh.post import Post
from shared.mesh.pulse import PROGRESS_SECONDS
from shared.messages import Event, Order
from shared.topology import Happening


async def pass_on(store: JobStore, post: Post, moved: Moved) -> None:
    """Publish the facts in order, stop what runs for an ended job, queue what is ready; once confirmed, note it.

    Safe to repeat: a fact keeps its sequence number, and a step that is over is not done again.
    """
    job = moved.job
    if not moved.facts and not moved.steps:
        return
    said = [post.event(Event.of(job, fact)) for fact in moved.facts]
    said += [post.step(step, job.lane) for step in moved.steps]
    if job.state in ABANDONED and moved.facts:
        said.append(post.order(Order(cancel=job.id)))
    await _confirmed(said)
    await store.published(job.id, [fact.sequence for fact in moved.facts], moved.steps, now())


async def _confirmed(said: list[Coroutine[Any, Any, None]]) -> None:
    """Say everything in order, then wait for all the broker's confirmations; raise the first failure, if any."""
    if len(said) == 1:
        await said[0]
        return
    # Tasks start in order, and the channel writes what they say in that order.
    for outcome in await asyncio.gather(*said, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def tell_progress(post: Post, job: Job, step: Step, fraction: float) -> None:
    """Publish how much of the step, and of its stage, is done; progress carries the job's last sequence number."""
    if step.stage in flow.OUTSIDE:
        return
    parts = flow.parts(job, step.stage)
    done = sum(job.over(step.stage, part) for part in parts if part != step.part)
    stage_fraction = min(1.0, (done + fraction) / max(len(parts), 1))
    body = {"stage": step.stage, "part": step.part, "fraction": fraction, "stage_fraction": stage_fraction}
    await post.event(
        Event(
            job=job.id,
            tenant=job.tenant,
            sequence=job.sequence,
            happening=Happening.PROGRESS,
            at=now(),
            body=body,
        )
    )


async def tell_done(post: Post, job: Job, step: Step) -> None:
    """Publish that the step is done, unless its stage began less than PROGRESS_SECONDS ago.

    Who listens has seen nothing of such a stage yet, and hears of what follows it.
    """
    records = (job.record(Step(job.id, step.stage, part)) for part in flow.parts(job, step.stage))
    began = min((record.started for record in records if record and record.started), default=None)
    if began and now() - began >= timedelta(seconds=PROGRESS_SECONDS):
        await tell_progress(post, job, step, 1.0)
