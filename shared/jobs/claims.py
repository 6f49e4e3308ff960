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

    `exhausted` says why the step must not be tried again, only buried: its attempts are used up. `bare` says that
    another worker crashed while it was burying the step, so that now nothing may stand in for the output. `lost` is
    the crashed attempt that this one replaces, if the document still shows one as running.
    """

    job: Job
    attempt: int
    exhausted: str | None = None
    bare: bool = False
    lost: Entry | None = None


@dataclass(frozen=True)
class Crashed:
    """The worker of that attempt crashed: the step is queued again, and waits `delay` seconds as after any failure.

    If it were tried again at once, a step that kills its workers would kill one after the other before any other step
    was worked on.
    """

    job: Job
    attempt: int
    lost: Entry | None
    delay: float


@dataclass(frozen=True)
class Busy:
    """Another worker's heartbeat is fresh: look again later, at no attempt's cost."""

    job: Job
    worker: str


@dataclass(frozen=True)
class Early:
    """Another message than the ladder's asks for a step that must wait there for `delay` more seconds."""

    job: Job
    delay: float


@dataclass(frozen=True)
class Settled:
    """The step needs no work, or none yet; only what was committed may have to be passed on again."""

    job: Job


Claim = Claimed | Crashed | Busy | Early | Settled


@dataclass(frozen=True)
class Rules:
    """How many times a step is tried, and after how many seconds without a heartbeat its worker counts as dead."""

    attempts: int
    heartbeat_lost: float


def claim(job: Job, step: Step, worker: str, now: datetime, rules: Rules, *, after: int = 0) -> Claim:
    """Return the answer to a worker that asks for the step.

    `after` is the attempt after which its message waited on the ladder, 0 for another message. Only the one that waited
    after the step's last attempt says that the step's time has come.
    """
    record = job.record(step)
    ended = job.state in TERMINAL and step.stage not in flow.OUTSIDE
    if ended or record is None or record.over or flow.awaits(job, step):
        return Settled(job)
    if _alive(record, now, rules.heartbeat_lost) and record.worker != worker:
        return Busy(job, record.worker or "")
    if after != record.attempts and record.due is not None and record.due > now:
        return Early(job, (record.due - now).total_seconds())
    crashed = record.state is StepState.RUNNING and record.worker != worker
    if crashed and record.tries < rules.attempts:
        return _crashed(job, step, record, now)
    return Claimed(
        _taken(job, step, record, worker, now),
        record.attempts + 1,
        exhausted=_exhausted(record, rules) if record.tries >= rules.attempts else None,
        bare=crashed and record.tries > rules.attempts,
        lost=lost(job, step),
    )


def _alive(record: StepRecord, now: datetime, lost: float) -> bool:
    beat = record.heartbeat
    return record.state is StepState.RUNNING and beat is not None and now - beat < timedelta(seconds=lost)


def _crashed(job: Job, step: Step, record: StepRecord, now: datetime) -> Crashed:
    delay = rung_after(record.tries).seconds
    due = now + timedelta(seconds=delay)
    queued = with_step(job, step, StepState.QUEUED, worker=None, error=_without_a_word(record), due=due, crashed=True)
    return Crashed(queued.but(updated=now), record.attempts, lost(job, step), delay)


def _exhausted(record: StepRecord, rules: Rules) -> str:
    silent = record.state is StepState.RUNNING or not record.error
    return f"tried {rules.attempts} times; {_without_a_word(record) if silent else record.error}"


def _without_a_word(record: StepRecord) -> str:
    return f"the last worker, {record.worker}, ended without a word: it crashed, ran out of memory or out of time"


def _taken(job: Job, step: Step, record: StepRecord, worker: str, now: datetime) -> Job:
    """Return the job with the step running, as the worker's next attempt."""
    taken = record.but(
        state=StepState.RUNNING,
        # Its message has arrived, even if the mark that it was posted is not written yet.
        posted=record.posted or now,
        worker=worker,
        attempts=record.attempts + 1,
        heartbeat=now,
        progress=0.0,
        started=now,
        due=None,
    )
    state = JobState.RUNNING if job.state is JobState.ACCEPTED else job.state
    return job.but(state=state, steps={**job.steps, step.key: taken}, updated=now)
