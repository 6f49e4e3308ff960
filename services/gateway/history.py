"""A job's history as its owner sees it: where it waited, where it worked, and how long."""

from datetime import datetime

from pydantic import BaseModel, Field

from shared.jobs.document import Job
from shared.jobs.history import Entry, ended
from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.topology import Stage


class EntryView(BaseModel):
    """One attempt at a step, or something done to the job itself; times in seconds."""

    what: str = Field(description="done, again, dead, left, stale, lost, running, queued; admitted, replayed, swept")
    at: datetime
    stage: Stage | None
    part: int | None
    attempt: int | None
    worker: str | None
    waited: float | None = Field(description="from the time the step was queued to this attempt's start")
    worked: float | None = Field(description="from the attempt's start to its end; null as long as it goes on")
    reason: str | None


def history(job: Job, entries: list[Entry]) -> list[EntryView]:
    """Return what happened to the job in the order of time, and then what is open now."""
    return [_view(entry) for entry in (*entries, *_open(job))]


def _open(job: Job) -> list[Entry]:
    steps = {Step.of(job.id, key): record for key, record in job.steps.items()}
    return [
        ended(job, step, record.state, record.error, record.started or record.queued)
        for step, record in steps.items()
        if record.state in (StepState.QUEUED, StepState.RUNNING)
    ]


def _view(entry: Entry) -> EntryView:
    started = entry.started
    shown = entry.model_dump(include={"what", "at", "stage", "part", "attempt", "worker", "reason"})
    waited = (started - entry.queued).total_seconds() if started and entry.queued else None
    worked = (entry.at - started).total_seconds() if started and entry.what != StepState.RUNNING else None
    return EntryView(**shown, waited=waited, worked=worked)
