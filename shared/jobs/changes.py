"""The small changes of a job document that its moves are made of, each checked against what is legal."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared import events, flow
from shared.jobs import deliveries
from shared.jobs.document import Fact, Job, StepRecord
from shared.jobs.history import Entry
from shared.jobs.states import JOB_MOVES, STEP_MOVES, TERMINAL, JobState, StepState
from shared.jobs.step import Step
from shared.transcript import Output


class Stale(Exception):
    """The step or job has moved on; what this attempt made is discarded."""


@dataclass(frozen=True)
class Moved:
    """A changed document, with the facts to publish and the steps to queue because of the change.

    `undone` are the committed attempts of which the document no longer tells.
    """

    job: Job
    facts: tuple[Fact, ...] = ()
    steps: tuple[Step, ...] = ()
    undone: tuple[Entry, ...] = ()


def held(job: Job, step: Step, attempt: int) -> StepRecord:
    """Return the record of the step that the attempt holds; raise Stale if it holds it no longer."""
    record = job.record(step)
    ended = job.state in TERMINAL and step.stage not in flow.OUTSIDE
    if ended or record is None or record.attempts != attempt or record.state is not StepState.RUNNING:
        where = f"{record.state}, its attempt {record.attempts} by {record.worker}" if record else "unknown"
        raise Stale(f"{step}, attempt {attempt}: no longer held; the job is {job.state}, the step {where}")
    return record


def with_step(job: Job, step: Step, state: StepState, **changes: Any) -> Job:
    """Return the job with the step in the state, changed besides; raise Stale if it may not be there."""
    record = job.steps[step.key]
    if state not in STEP_MOVES[record.state]:
        raise Stale(f"a step that is {record.state} cannot become {state}")
    moved = record.but(state=state, **changes)
    return _without_told(job.but(steps={**job.steps, step.key: moved}), step)


def queued_again(job: Job, step: Step) -> Job:
    """Return the job with the step as if it had never been tried, but that its attempts' numbers do not come back."""
    attempts = job.steps[step.key].attempts
    fresh = {
        "worker": None,
        "error": None,
        "winner": None,
        "output": None,
        "ended": None,
        "started": None,
        "progress": 0.0,
    }
    return with_step(job, step, StepState.QUEUED, forgiven=attempts, posted=None, due=None, **fresh)


def _without_told(job: Job, step: Step) -> Job:
    # A webhook's fact is kept only until all have it: with many segments it would outgrow the document.
    sequence = _sequence(step)
    if sequence is None:
        return job
    owed = (Step.of(job.id, key) for key, record in job.steps.items() if record.state is not StepState.DONE)
    if any(_sequence(each) == sequence for each in owed):
        return job
    return job.but(deliveries={at: fact for at, fact in job.deliveries.items() if at != sequence})


def _sequence(step: Step) -> str | None:
    return str(deliveries.sequence(step)) if step.stage in flow.OUTSIDE else None


def with_state(job: Job, state: JobState, now: datetime) -> Job:
    """Return the job in the state, with the time when it may be forgotten if that ends it; raise Stale if illegal."""
    if state not in JOB_MOVES[job.state]:
        raise Stale(f"a job that is {job.state} cannot become {state}")
    days = job.options.retention_days
    expires = now + timedelta(days=days) if days and state in TERMINAL else None
    return job.but(state=state, expires=expires, settled=False)


def learned(job: Job, output: Output) -> Job:
    """Return the job with the output's facts, where they are new to it, and its warnings."""
    fresh = {name: value for name, value in output.facts().items() if getattr(job.facts, name) is None}
    new = tuple(warning for warning in output.warnings if warning not in job.warnings)
    facts = job.facts.but(**fresh) if fresh else job.facts
    return job.but(facts=facts, warnings=(*job.warnings, *new))


def told(job: Job, happenings: Iterable[events.Told], now: datetime) -> Job:
    """Return the job with the facts in its outbox, numbered on, and a delivery for each webhook that asked for one."""
    facts = tuple(
        Fact(sequence=number, happening=happening, at=now, body=body)
        for number, (happening, body) in enumerate(happenings, job.sequence + 1)
    )
    if not facts:
        return job
    wanted = {fact.sequence: _deliveries(job, fact) for fact in facts}
    records = {step.key: StepRecord(queued=now) for steps in wanted.values() for step in steps}
    owed = {str(fact.sequence): fact for fact in facts if wanted[fact.sequence]}
    return job.but(
        sequence=job.sequence + len(facts),
        outbox=(*job.outbox, *facts),
        steps={**job.steps, **records},
        deliveries={**job.deliveries, **owed},
    )


def _deliveries(job: Job, fact: Fact) -> list[Step]:
    asked = (place for place, webhook in enumerate(job.options.webhooks) if fact.happening in webhook.events)
    return [deliveries.delivery(job.id, fact.sequence, place) for place in asked]


def moved(before: Job, job: Job, now: datetime, window: int) -> Moved:
    """Return the move from `before` to `job`: what became ready is queued, and a job with nothing left is completed."""
    steps = flow.ready(job, window)
    queued = {step.key: StepRecord(queued=now) for step in steps if step.key not in job.steps}
    job = job.but(steps={**job.steps, **queued}, updated=now)
    if job.state is JobState.RUNNING and flow.OUTSIDE.issuperset(step.stage for step in steps):
        job = with_state(job, JobState.COMPLETED, now)
        job = told(job, [events.completed(job)], now)
        steps = flow.deliveries(job)
    facts = tuple(fact for fact in job.outbox if fact.sequence > before.sequence)
    return Moved(job, facts, _fresh(before, flow.unconfirmed(job, steps), window))


def _fresh(before: Job, steps: tuple[Step, ...], window: int) -> tuple[Step, ...]:
    """Return the steps that were not ready before: those were somebody else's to post."""
    if not any(step.key in before.steps for step in steps):
        return steps
    known = {step for step in flow.ready(before, window) if step.key in before.steps}
    return tuple(step for step in steps if step not in known)
