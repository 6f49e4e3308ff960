"""Every way a job document changes, as pure functions from one document to the next.

Each move returns a `Moved`: the new document, the facts it adds and the steps it makes ready. What a move may not do
it refuses with `Stale`, and the caller discards what it made.
"""

from dataclasses import replace
from datetime import datetime

from shared import events, flow
from shared.jobs import history, plans
from shared.jobs.changes import Moved, held, learned, moved, told, with_state, with_step
from shared.jobs.document import Job
from shared.jobs.inline import inlined
from shared.jobs.states import TERMINAL, JobState, StepState
from shared.jobs.step import Step
from shared.transcript import Cut, Output


def opened(job: Job, window: int) -> Moved:
    """Return the new job with its `accepted` fact and, unless it must wait, its first step queued."""
    return moved(job, told(job, [events.accepted(job)], job.created), job.created, window)


def admit(job: Job, now: datetime, window: int) -> Moved:
    """Return the waiting job with its first step queued; a job that does not wait stays as it is."""
    if job.state is not JobState.WAITING:
        return Moved(job)
    return moved(job, with_state(job, JobState.ACCEPTED, now), now, window)


def commit(job: Job, step: Step, attempt: int, output: Output, now: datetime, window: int) -> Moved:
    """Return the job with the step done and all that follows; raise Stale if this attempt no longer holds it."""
    held(job, step, attempt)
    made = {"winner": attempt, "output": inlined(output)}
    done = learned(with_step(job, step, StepState.DONE, ended=now, progress=1.0, error=None, **made), output)
    if isinstance(output, Cut):
        done = plans.settled(done, output)
    committed = moved(job, told(done, events.segments(output), now), now, window)
    planned = isinstance(output, Cut) and job.announced is not None
    return _planned(job, committed, window) if planned else committed


def announce(job: Job, step: Step, attempt: int, cut: Cut, now: datetime, window: int) -> Moved:
    """Return the job with the chunks that the attempt announces, their first steps queued; raise Stale."""
    held(job, step, attempt)
    known = plans.announced(job, attempt, cut)
    return _planned(job, Moved(job) if known is job else moved(job, known, now, window), window)


def _planned(before: Job, after: Moved, window: int) -> Moved:
    # The steps are also those announced before: who did that may have ended, or lost the broker, before it queued them.
    return replace(after, steps=flow.unposted(after.job, window), undone=history.undone(before, after.job))


def release(
    job: Job, step: Step, attempt: int, reason: str, now: datetime, *, due: datetime | None, spent: bool
) -> Moved:
    """Return the job with the step queued again; `due` is when it comes back. The attempt counts if `spent`."""
    record = held(job, step, attempt)
    forgiven = record.forgiven if spent else record.forgiven + 1
    again = with_step(job, step, StepState.QUEUED, worker=None, error=reason, forgiven=forgiven, due=due)
    return Moved(again.but(updated=now))


def bury(job: Job, step: Step, attempt: int, reason: str, output: Output | None, now: datetime, window: int) -> Moved:
    """Return the job with the step dead, degraded to `output` or failed for `reason`; raise Stale.

    An optional stage of a job that is not strict leaves a warning. Everything else that gives up fails the job,
    but for deliveries, which are outside it.
    """
    held(job, step, attempt)
    made = {"winner": None if output is None else attempt, "output": inlined(output)}
    dead = with_step(job, step, StepState.DEAD, ended=now, error=reason, **made)
    warning = warned(step, reason)
    if step.stage in flow.OUTSIDE or _degrades(job, step, output):
        new = () if warning in dead.warnings else (warning,)  # pieces may give up for one reason
        degraded = dead.but(warnings=(*dead.warnings, *new))
        return moved(job, degraded if output is None else learned(degraded, output), now, window)
    failed = _without_open_steps(with_state(dead, JobState.FAILED, now), now).but(error=warning)
    return moved(job, told(failed, [events.failed(failed)], now), now, window)


def cancel(job: Job, now: datetime, window: int) -> Moved:
    """Return the job cancelled, its open steps dropped; a job that has ended stays as it is."""
    if job.state in TERMINAL:
        return Moved(job)
    gone = _without_open_steps(with_state(job, JobState.CANCELLED, now), now)
    return moved(job, told(gone, [events.cancelled(gone)], now), now, window)


def settle(job: Job) -> Moved:
    """Return the job marked as seen at rest, if it is: ended, everything published, every delivery over."""
    at_rest = job.state in TERMINAL and not job.outbox and not flow.deliveries(job)
    return Moved(job.but(settled=True) if at_rest else job)


def warned(step: Step, reason: str) -> str:
    """Return the words in which a job tells that one of its steps was given up on."""
    return f"the {step.stage} gave up: {reason}"


def _without_open_steps(job: Job, now: datetime) -> Job:
    for key, record in job.steps.items():
        step = Step.of(job.id, key)
        if not record.over and step.stage not in flow.OUTSIDE:
            job = with_step(job, step, StepState.DROPPED, ended=now)
    return job


def _degrades(job: Job, step: Step, output: Output | None) -> bool:
    needs_output = flow.OPTIONAL.get(step.stage)
    return needs_output is not None and not job.options.strict and (output is not None or not needs_output)
