"""Every way a job document changes, as pure functions from one document to the next.

Each move returns a `Moved`: the new document, the facts it adds and the steps it makes ready. What a move may not do
it refuses with `Stale`, and the caller discards what it made.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import events, flow
from shared.jobs.document import Fact, Facts, Job, StepRecord
from shared.jobs.states import JOB_MOVES, STEP_MOVES, TERMINAL, JobState, StepState
from shared.jobs.step import Step
from shared.transcript import Output


class Stale(Exception):
    """The step or job has moved on; what this attempt made is discarded."""


@dataclass(frozen=True)
class Moved:
    """A changed document, with the facts to publish and the steps to queue because of the change."""

    job: Job
    facts: tuple[Fact, ...] = ()
    steps: tuple[Step, ...] = ()


def opened(job: Job, window: int) -> Moved:
    """Return the new job with its `accepted` fact and its first step queued."""
    return _moved(job, _told(job, [events.accepted(job)], job.created), job.created, window)


def commit(job: Job, step: Step, attempt: int, output: Output, now: datetime, window: int) -> Moved:
    """Return the job with the step done and all that follows; raise Stale if this attempt no longer holds it."""
    record = _held(job, step, attempt)
    done = _with_step(job, step, record, state=StepState.DONE, ended=now, winner=attempt, progress=1.0, error=None)
    learned = _learned(done, output)
    return _moved(job, _told(learned, list(events.told(output)), now), now, window)


def release(job: Job, step: Step, attempt: int, reason: str, now: datetime, *, spent: bool) -> Moved:
    """Return the job with the step queued again; the attempt does not count unless `spent`. Raise Stale."""
    record = _held(job, step, attempt)
    attempts = record.attempts if spent else record.attempts - 1
    again = _with_step(job, step, record, state=StepState.QUEUED, worker=None, error=reason, attempts=attempts)
    return Moved(again.model_copy(update={"updated": now}))


def bury(job: Job, step: Step, attempt: int, reason: str, output: Output | None, now: datetime, window: int) -> Moved:
    """Return the job with the step dead, degraded to `output` or failed for `reason`; raise Stale.

    An optional stage of a job that is not strict leaves a warning. Everything else that gives up fails the job,
    but for deliveries, which are outside it.
    """
    record = _held(job, step, attempt)
    winner = None if output is None else attempt
    dead = _with_step(job, step, record, state=StepState.DEAD, ended=now, error=reason, winner=winner)
    warning = f"the {step.stage} gave up: {reason}"
    if step.stage in flow.OUTSIDE or _degrades(job, step, output):
        warned = dead.model_copy(update={"warnings": (*dead.warnings, warning)})
        return _moved(job, warned if output is None else _learned(warned, output), now, window)
    failed = _without_open_steps(_at(dead, JobState.FAILED), now).model_copy(update={"error": warning})
    return _moved(job, _told(failed, [events.failed(failed)], now), now, window)


def cancel(job: Job, now: datetime, window: int) -> Moved:
    """Return the job cancelled, its open steps dropped; a job that has ended stays as it is."""
    if job.state in TERMINAL:
        return Moved(job)
    gone = _without_open_steps(_at(job, JobState.CANCELLED), now)
    return _moved(job, _told(gone, [events.cancelled(gone)], now), now, window)


def deliver(job: Job, fact: Fact, now: datetime) -> Moved:
    """Return the job with one delivery per webhook that asked for the fact; none twice."""
    wanted = [index for index, hook in enumerate(job.options.webhooks) if fact.happening in hook.events]
    steps = [Step(job.id, stage, fact.sequence * 10 + index) for index in wanted for stage in flow.OUTSIDE]
    fresh = tuple(step for step in steps if step.key not in job.steps)
    if not fresh:
        return Moved(job)
    records = {step.key: StepRecord(queued=now) for step in fresh}
    facts = {step.key: fact for step in fresh}
    update = {"steps": {**job.steps, **records}, "deliveries": {**job.deliveries, **facts}}
    return Moved(job.model_copy(update=update), steps=fresh)


def _without_open_steps(job: Job, now: datetime) -> Job:
    steps = {
        key: record
        if record.over or Step.of(job.id, key).stage in flow.OUTSIDE
        else _step_at(record, StepState.DROPPED).model_copy(update={"ended": now})
        for key, record in job.steps.items()
    }
    return job.model_copy(update={"steps": steps})


def _degrades(job: Job, step: Step, output: Output | None) -> bool:
    needs_output = flow.OPTIONAL.get(step.stage)
    return needs_output is not None and not job.options.strict and (output is not None or not needs_output)


def _held(job: Job, step: Step, attempt: int) -> StepRecord:
    record = job.record(step)
    ended = job.state in TERMINAL and step.stage not in flow.OUTSIDE
    if ended or record is None or record.attempts != attempt or record.state is not StepState.RUNNING:
        raise Stale(f"{step}, attempt {attempt}: no longer held; the job is {job.state}, the step {record}")
    return record


def _with_step(job: Job, step: Step, record: StepRecord, state: StepState, **changes: Any) -> Job:
    moved = _step_at(record, state).model_copy(update=changes)
    # A delivery's event is kept only until it is over: with many segments it would outgrow the document.
    pending = {key: fact for key, fact in job.deliveries.items() if key != step.key or not moved.over}
    return job.model_copy(update={"steps": {**job.steps, step.key: moved}, "deliveries": pending})


def _step_at(record: StepRecord, state: StepState) -> StepRecord:
    if state not in STEP_MOVES[record.state]:
        raise Stale(f"a step that is {record.state} cannot become {state}")
    return record.model_copy(update={"state": state})


def _at(job: Job, state: JobState) -> Job:
    if state not in JOB_MOVES[job.state]:
        raise Stale(f"a job that is {job.state} cannot become {state}")
    return job.model_copy(update={"state": state})


def _learned(job: Job, output: Output) -> Job:
    known = job.facts.model_dump(exclude_none=True)
    facts = Facts.model_validate({**output.facts(), **known})
    new = tuple(warning for warning in output.warnings if warning not in job.warnings)
    return job.model_copy(update={"facts": facts, "warnings": (*job.warnings, *new)})


def _told(job: Job, told: list[events.Told], now: datetime) -> Job:
    facts = tuple(
        Fact(sequence=number, happening=happening, at=now, body=body)
        for number, (happening, body) in enumerate(told, job.sequence + 1)
    )
    return job.model_copy(update={"sequence": job.sequence + len(facts), "outbox": (*job.outbox, *facts)})


def _moved(before: Job, job: Job, now: datetime, window: int) -> Moved:
    fresh = tuple(step for step in flow.ready(job, window) if step.key not in job.steps)
    queued = {step.key: StepRecord(queued=now) for step in fresh}
    job = job.model_copy(update={"steps": {**job.steps, **queued}, "updated": now})
    if job.state not in TERMINAL and flow.finished(job):
        job = _at(job, JobState.COMPLETED)
        job = _told(job, [events.completed(job)], now)
    facts = tuple(fact for fact in job.outbox if fact.sequence > before.sequence)
    return Moved(job, facts, fresh)
