"""Passing on: after a commit, the events it speaks of and the steps it made ready go out."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
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
from shared.messages import Event, Order, Overtaking
from shared.topology import OVERTAKEN, Happening, Lane


async def pass_on(store: JobStore, post: Post, moved: Moved, progress: Iterable[Event] = ()) -> None:
    """Publish the facts in order, stop what runs for an ended job, queue what is ready; once confirmed, note it.

    Safe to repeat: a fact keeps its sequence number, and a step that is over is not done again. `progress` goes along.
    """
    job = moved.job
    said = [post.event(Event.of(job, fact)) for fact in moved.facts]
    said += [post.step(step, job.lane) for step in moved.steps]
    if job.lane > Lane.NORMAL:
        said += map(post.order, _overtaking(moved))
    if job.state in ABANDONED and moved.facts:
        said.append(post.order(Order(cancel=job.id)))
    await _confirmed([*said, *map(post.event, progress)])
    if said:
        await store.published(job.id, [fact.sequence for fact in moved.facts], moved.steps, now())


def _overtaking(moved: Moved) -> Iterator[Order]:
    """Yield what tells workers of the steps that go before what they have in hand."""
    for stage in OVERTAKEN & {step.stage for step in moved.steps}:
        yield Order(overtaking=Overtaking(stage=stage, lane=moved.job.lane))


async def _confirmed(said: list[Coroutine[Any, Any, None]]) -> None:
    """Say everything in order, then wait for all the broker's confirmations; raise the first failure, if any."""
    if len(said) == 1:
        await said[0]
        return
    # Tasks start in order, and the channel writes what they say in that order.
    for outcome in await asyncio.gather(*said, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def progress(job: Job, step: Step, fraction: float) -> Iterator[Event]:
    """Yield the event that tells how much of the step and of its stage is done, with the job's last sequence number.

    Deliveries are no part of the job, and tell none; nor does a step of a stage whose parts nobody can count yet.
    """
    total = flow.total(job, step.stage)
    if step.stage in flow.OUTSIDE or not total:
        return
    done = sum(job.over(step.stage, part) for part in range(total) if part != step.part)
    stage_fraction = min(1.0, (done + fraction) / total)
    body = {"stage": step.stage, "part": step.part, "fraction": fraction, "stage_fraction": stage_fraction}
    yield Event(
        job=job.id,
        tenant=job.tenant,
        sequence=job.sequence,
        happening=Happening.PROGRESS,
        at=now(),
        body=body,
    )


def step_done(job: Job, step: Step) -> Iterator[Event]:
    """Yield the progress of a step that is done if its stage began PROGRESS_SECONDS ago or more.

    What is over sooner is told by the events that follow it: nobody could watch, and telling costs as much as they do.
    """
    records = [job.record(Step(job.id, step.stage, part)) for part in flow.parts(job, step.stage)]
    began = [record.started for record in records if record and record.started]
    if began and now() - min(began) >= timedelta(seconds=PROGRESS_SECONDS):
        yield from progress(job, step, 1.0)
