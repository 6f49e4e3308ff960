"""Passing on: after a commit, the events it speaks of and the steps it made ready go out."""

from shared import flow
from shared.clock import now
from shared.jobs.changes import Moved
from shared.jobs.document import Job
from shared.jobs.states import ABANDONED
from shared.jobs.step import Step
from shared.jobs.store import JobStore
from shared.mesh.post import Post
from shared.messages import Event, Order
from shared.topology import Happening


async def pass_on(store: JobStore, post: Post, moved: Moved) -> None:
    """Publish the facts in order, forget them once confirmed, stop what runs for an ended job, queue what is ready.

    Safe to repeat: a fact keeps its sequence number, and a step that is over is not done again.
    """
    job = moved.job
    for fact in moved.facts:
        await post.event(Event.of(job, fact))
    for step in moved.steps:
        await post.step(step, job.lane)
    if job.state in ABANDONED and moved.facts:
        await post.order(Order(cancel=job.id))
    if moved.facts or moved.steps:
        await store.published(job.id, [fact.sequence for fact in moved.facts], moved.steps, now())


async def tell_progress(post: Post, job: Job, step: Step, fraction: float) -> None:
    """Publish how much of the step, and of its stage, is done; progress carries the job's last sequence number."""
    if step.stage in flow.OUTSIDE:
        return
    total = flow.total(job, step.stage)
    done = sum(job.over(step.stage, part) for part in range(total) if part != step.part)
    stage_fraction = min(1.0, (done + fraction) / max(total, 1))
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
