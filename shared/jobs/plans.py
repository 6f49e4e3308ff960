"""The plan by which a recording is cut: announced while it is prepared, and held to when its preparation is repeated.

What was transcribed by a plan that no longer holds, because the recording's bytes have changed in between, is undone:
a result is never made of two plans.
"""

from shared import flow
from shared.jobs.changes import queued_again, with_step
from shared.jobs.document import Announced, Job
from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.topology import Stage
from shared.transcript import Cut

LEARNED = ("language", "language_probability")
"""The facts that the first chunks bring."""


def announced(job: Job, attempt: int, cut: Cut) -> Job:
    """Return the job with the chunks that the attempt announces; the job itself if it knows all of them."""
    known = job.announced.digests if job.announced else ()
    fresh = job.but(announced=Announced(attempt=attempt, digests=cut.digests))
    both = min(len(known), len(cut.digests))
    if known[:both] != cut.digests[:both]:
        return _undone(fresh)
    return fresh if len(cut.digests) > both else job


def settled(job: Job, cut: Cut) -> Job:
    """Return the job, its number of chunks known, with nothing announced any more and nothing left of another plan."""
    known = job.announced.digests if job.announced else ()
    held = cut.digests[: len(known)] == known
    return _without_beyond(job.but(announced=None) if held else forgotten(job))


def forgotten(job: Job) -> Job:
    """Return the job with nothing announced, and nothing left of what was."""
    return _undone(job.but(announced=None))


def _undone(job: Job) -> Job:
    """Return the job with all its transcriber's steps queued again."""
    for step in _transcribed(job):
        job = queued_again(job, step)
    return job.but(facts=job.facts.but(**dict.fromkeys(LEARNED)))


def _without_beyond(job: Job) -> Job:
    """Return the job without the open steps of chunks that only another plan had."""
    for step in _transcribed(job):
        if flow.beyond(job, step) and not job.steps[step.key].over:
            job = with_step(job, step, StepState.DROPPED)
    return job


def _transcribed(job: Job) -> list[Step]:
    steps = (Step.of(job.id, key) for key in job.steps)
    return [step for step in steps if step.stage is Stage.TRANSCRIBER]
