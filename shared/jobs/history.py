"""A job's history: one entry for each attempt that ended, however it did, and for what was done to the job itself.

The entry of an attempt that was committed is not written anywhere: the job document says all of it.
"""

from collections.abc import Iterable
from datetime import datetime

from shared.jobs.document import Job, Record
from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.topology import Stage


class Entry(Record):
    """What happened to a job, and when; for an attempt also how long it waited and worked, and where.

    `what` is `done`, `again`, `dead`, `left`, `stale` or `lost` for an attempt; `admitted`, `replayed` or `swept`
    otherwise. An entry that is written twice is one entry.
    """

    job: str
    what: str
    at: datetime
    stage: Stage | None = None
    part: int | None = None
    attempt: int | None = None
    worker: str | None = None
    queued: datetime | None = None
    started: datetime | None = None
    reason: str | None = None

    @property
    def name(self) -> str:
        """What tells this entry from all others."""
        if self.attempt is None:
            return f"{self.job}/{self.what}/{self.at.isoformat()}"
        return f"{self.job}/{self.stage}-{self.part}/{self.attempt}/{self.what}"


def ended(job: Job, step: Step, what: str, reason: str | None, at: datetime) -> Entry:
    """Return the entry of the attempt that the document shows as holding the step."""
    record = job.steps[step.key]
    return Entry(
        job=job.id,
        what=what,
        at=at,
        stage=step.stage,
        part=step.part,
        attempt=record.attempts,
        worker=record.worker,
        queued=record.queued,
        started=record.started,
        reason=reason,
    )


def lost(before: Job, step: Step) -> Entry | None:
    """Return the entry of the attempt that whoever claims the step takes it from, if one goes on by the document."""
    record = before.steps[step.key]
    if record.state is not StepState.RUNNING:
        return None
    return ended(before, step, "lost", "its heartbeat was lost", record.heartbeat or record.queued)


def committed(job: Job) -> list[Entry]:
    """Return the entries of the attempts that the document holds as done."""
    done = {Step.of(job.id, key): record for key, record in job.steps.items() if record.state is StepState.DONE}
    return [ended(job, step, "done", None, record.ended or record.queued) for step, record in done.items()]


def undone(before: Job, after: Job) -> tuple[Entry, ...]:
    """Return the entries of the attempts that the one document holds as done, and the other no more."""
    left = {entry.name for entry in committed(after)}
    return tuple(entry for entry in committed(before) if entry.name not in left)


def whole(job: Job | None, written: Iterable[Entry]) -> list[Entry]:
    """Return the job's history in the order of time, and of attempts: what was written, and what its document says."""
    entries = {entry.name: entry for entry in (*(committed(job) if job else ()), *written)}
    return sorted(entries.values(), key=lambda entry: (entry.at, entry.attempt or 0))
