"""What the gateway shows of a job: never its sealed source, never another tenant's."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from shared import flow
from shared.jobs.document import Facts, Job, StepRecord
from shared.jobs.states import JobState, StepState
from shared.topology import Stage


class StageView(BaseModel):
    """How far a stage is: `fraction` 0.0 to 1.0, `attempts` of all its steps, the last error if any."""

    state: StepState | None
    done: int
    total: int
    fraction: float
    attempts: int
    error: str | None


class JobView(BaseModel):
    """A job as its owner sees it."""

    id: str
    state: JobState
    priority: str
    created: datetime
    updated: datetime
    facts: Facts
    stages: dict[Stage, StageView]
    warnings: tuple[str, ...]
    error: str | None
    metadata: dict[str, Any]


def view(job: Job) -> JobView:
    """Return what the job's owner may see."""
    stages = {stage: _stage(job, stage) for stage in flow.FLOW if stage not in flow.OUTSIDE}
    return JobView(
        id=job.id,
        state=job.state,
        priority=job.lane.label,
        created=job.created,
        updated=job.updated,
        facts=job.facts,
        stages=stages,
        warnings=job.warnings,
        error=job.error,
        metadata=job.options.metadata,
    )


def _stage(job: Job, stage: Stage) -> StageView:
    records = [record for key, record in job.steps.items() if key.rpartition("-")[0] == stage]
    total = max(len(flow.parts(job, stage)), len(records))
    done = sum(record.over for record in records)
    shares = sum(1.0 if record.over else record.progress for record in records)
    errors = [record.error for record in records if record.error]
    return StageView(
        state=_state(records, done == total),
        done=done,
        total=total,
        fraction=shares / total if total else 0.0,
        attempts=sum(record.attempts for record in records),
        error=errors[-1] if errors else None,
    )


def _state(records: list[StepRecord], all_over: bool) -> StepState | None:
    states = {record.state for record in records}
    order = [StepState.DEAD, StepState.DROPPED, StepState.RUNNING, StepState.QUEUED]
    if all_over:
        order.append(StepState.DONE)
    return next((state for state in order if state in states), StepState.QUEUED if states else None)
