"""Claiming a step: who may work on it, and the attempt counted before the work begins."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import flow
from shared.jobs.changes import with_step
from shared.jobs.document import Job, StepRecord
from shared.jobs.history import Entry, lost
from shared.jobs.states import TERMINAL, JobState, StepState
from shared.jobs.step import Step
from shared.topology import rung_after


@dataclass(frozen=True)
class Claimed:
    """The step is this worker's, as the attempt that the document now counts.

    `exhausted` says why it must only be buried: every attempt before was claimed and none came back. `bare` says that
    another worker's, which was to bury it, did not come back either: nothing stands in for the step. `lost` is the
    attempt that it was taken from, if one was still going on by the document.
    """

    job: Job
    attempt: int
    exhausted: str | None = None
    bare: bool = False
    lost: Entry | None = None


@dataclass(frozen=True)
class Crashed:
    """Its worker ended without a word: the step is queued again, and waits `delay` seconds as after any failure.

    Done again at once, what kills its worker would go through all workers, one after the other, before anything else.
    """

    job: Job
    lost: Entry | None
    delay: float


@dataclass(frozen=True)
class Busy:
    """Another worker's heartbeat is fresh: look again later, at no attempt's cost."""

    job: Job
    worker: str


@dataclass(frozen=True)
class Early:
    """Another message than the ladder's asks for a step that waits there, for `delay` seconds more."""

    job: Job
    delay: float


@dataclass(frozen=True)
class Settled:
    """There is nothing to do, or not yet, but to pass on again what was committed."""

    job: Job


Claim = Claimed | Crashed | Busy | Early | Settled


@dataclass(frozen=True)
class Rules:
    """How many times a step is tried, and the silence in seconds after which its worker counts as dead."""

    attempts: int
    heartbeat_lost: float


def claim(job: Job, step: Step, worker: str, now: datetime, rules: Rules, *, seen: bool = False) -> Claim:
    """Return what becomes of `worker` asking for the step; `seen`: its message does not say that the time has come."""
    record = job.record(step)
    ended = job.state in TERMINAL and step.stage not in flow.OUTSIDE
    if ended or record is None or record.over or flow.awaits(job, step):
        return Settled(job)
    if _alive(record, now, rules.heartbeat_lost) and record.worker != worker:
        return Busy(job, record.worker or "")
    if seen and record.due is not None and record.due > now:
        return Early(job, (record.due - now).total_seconds())
    taken = lost(job, step)
    if record.tries >= rules.attempts:
        held, bare = _held(job, step, record, worker, now), taken is not None and record.tries > rules.attempts
        return Claimed(held, record.attempts + 1, _exhausted(record, rules), bare and record.worker != worker, taken)
    if record.state is StepState.RUNNING and record.worker != worker:
        return _crashed(job, step, record, now)
    return Claimed(_held(job, step, record, worker, now), record.attempts + 1, lost=taken)


def _alive(record: StepRecord, now: datetime, lost: float) -> bool:
    beat = record.heartbeat
    return record.state is StepState.RUNNING and beat is not None and now - beat < timedelta(seconds=lost)


def _crashed(job: Job, step: Step, record: StepRecord, now: datetime) -> Crashed:
    delay = rung_after(record.tries).seconds
    due = now + timedelta(seconds=delay)
    queued = with_step(job, step, StepState.QUEUED, worker=None, error=_without_a_word(record), due=due, crashed=True)
    return Crashed(queued.but(updated=now), lost(job, step), delay)


def _exhausted(record: StepRecord, rules: Rules) -> str:
    silent = record.state is StepState.RUNNING or not record.error
    return f"tried {rules.attempts} times; {_without_a_word(record) if silent else record.error}"


def _without_a_word(record: StepRecord) -> str:
    return f"the last worker, {record.worker}, ended without a word: it crashed, ran out of memory or out of time"


def _held(job: Job, step: Step, record: StepRecord, worker: str, now: datetime) -> Job:
    held = record.but(
        state=StepState.RUNNING,
        # Its message was there, though the mark of that is perhaps still on its way.
        posted=record.posted or now,
        worker=worker,
        attempts=record.attempts + 1,
        heartbeat=now,
        progress=0.0,
        started=now,
        due=None,
    )
    state = JobState.RUNNING if job.state is JobState.ACCEPTED else job.state
    return job.but(state=state, steps={**job.steps, step.key: held}, updated=now)
