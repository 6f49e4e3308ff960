"""Claiming a step: who may work on it, and the attempt counted before the work begins."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import flow
from shared.jobs.document import Job, StepRecord
from shared.jobs.states import TERMINAL, JobState, StepState
from shared.jobs.step import Step


@dataclass(frozen=True)
class Claimed:
    """The step is this worker's, as the attempt that the document now counts."""

    job: Job
    attempt: int


@dataclass(frozen=True)
class Busy:
    """Another worker's heartbeat is fresh: look again later, at no attempt's cost."""

    job: Job
    worker: str


@dataclass(frozen=True)
class Settled:
    """There is nothing left to do but to pass on again what was committed."""

    job: Job


@dataclass(frozen=True)
class Exhausted:
    """Every attempt was claimed and none came back; the step is held for its burial."""

    job: Job
    attempt: int
    reason: str


Claim = Claimed | Busy | Settled | Exhausted


@dataclass(frozen=True)
class Rules:
    """How many times a step is tried, and the silence in seconds after which its worker counts as dead."""

    attempts: int
    heartbeat_lost: float


def claim(job: Job, step: Step, worker: str, now: datetime, rules: Rules) -> Claim:
    """Return what becomes of `worker` asking for the step."""
    record = job.record(step)
    ended = job.state in TERMINAL and step.stage not in flow.OUTSIDE
    if ended or record is None or record.over:
        return Settled(job)
    if _alive(record, now, rules.heartbeat_lost) and record.worker != worker:
        return Busy(job, record.worker or "")
    if record.attempts >= rules.attempts:
        held = _held(job, step, record, worker, now, record.attempts)
        return Exhausted(held, record.attempts, _exhausted(record))
    attempt = record.attempts + 1
    return Claimed(_held(job, step, record, worker, now, attempt), attempt)


def _alive(record: StepRecord, now: datetime, lost: float) -> bool:
    beat = record.heartbeat
    return record.state is StepState.RUNNING and beat is not None and now - beat < timedelta(seconds=lost)


def _exhausted(record: StepRecord) -> str:
    last = record.error or f"the last worker, {record.worker}, died without a word"
    return f"tried {record.attempts} times; {last}"


def _held(job: Job, step: Step, record: StepRecord, worker: str, now: datetime, attempt: int) -> Job:
    changes = {"state": StepState.RUNNING, "worker": worker, "attempts": attempt, "heartbeat": now, "progress": 0.0}
    held = record.model_copy(update={**changes, "started": now})
    state = JobState.RUNNING if job.state is JobState.ACCEPTED else job.state
    return job.model_copy(update={"state": state, "steps": {**job.steps, step.key: held}, "updated": now})
