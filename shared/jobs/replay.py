"""Replaying: a step that was given up on is tried again, with the options its job came with."""

from datetime import datetime

from shared import flow
from shared.jobs import plans
from shared.jobs.changes import Moved, queued_again, with_state
from shared.jobs.document import Job
from shared.jobs.moves import warned
from shared.jobs.states import TERMINAL, JobState, StepState
from shared.jobs.step import Step
from shared.topology import Stage

RESULT = ("transcript", "words", "speakers")
"""The facts that the result document brings: whatever is replayed, it is made anew."""


def replay(job: Job, step: Step, now: datetime, window: int) -> Moved:
    """Return the job with the dead step queued again, and with it all that must be done again because of it.

    A failed job runs on where it failed, whichever of its dead steps is replayed; a job that went on without an
    optional stage makes its result anew, also one that is being made, and that takes all the stage's dead steps.
    Nothing changes if the step is not dead (it was replayed before), if the job has expired, or if it was cancelled,
    but for its deliveries.
    """
    record = job.record(step)
    over = job.state is JobState.CANCELLED and step.stage not in flow.OUTSIDE
    if record is None or record.state is not StepState.DEAD or over or job.expired(now):
        return Moved(job)
    revived = queued_again(job, step)
    if step.stage not in flow.OUTSIDE:
        revived = _reopened(revived, step, record.error or "", now)
    revived = revived.but(updated=now, settled=False)
    return Moved(revived, steps=flow.unposted(revived, window))


def _reopened(job: Job, step: Step, reason: str, now: datetime) -> Job:
    lifted = {warned(step, reason)}
    for key, record in job.steps.items():
        other = Step.of(job.id, key)
        gave_up = warned(other, record.error or "")
        beside = record.state is StepState.DEAD and (other.stage is step.stage or gave_up == job.error)
        undone = record.state is StepState.DROPPED or beside or follows(other.stage, step.stage)
        if beside:
            lifted.add(gave_up)
        if undone and other.stage not in flow.OUTSIDE and not flow.beyond(job, other):
            job = queued_again(job, other)
    if step.stage is Stage.DOWNLOADER:
        job = plans.forgotten(job)
    if job.state in TERMINAL:
        job = with_state(job, JobState.RUNNING, now)
    warnings = tuple(each for each in job.warnings if each not in lifted)
    facts = job.facts.but(**dict.fromkeys(RESULT))
    return job.but(warnings=warnings, facts=facts, error=None)


def follows(stage: Stage, before: Stage) -> bool:
    """Whether `stage` works on what `before` made, directly or not."""
    return any(each is before or follows(each, before) for each in flow.FLOW[stage])
