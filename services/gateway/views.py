"""What the gateway shows of a job: never its sealed source, never another tenant's."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from shared import flow
from shared.jobs.document import Facts, Job
from shared.jobs.states import JobState, StepState
from shared.jobs.step import Step
from shared.topology import Stage

ENDED = {StepState.DONE, StepState.DEAD}


class StageView(BaseModel):
    """How far a stage is, over all its steps; `state` is null where nothing is asked of it, at least not yet."""

    state: StepState | None
    done: int = Field(description="steps that were worked on to their end, given up ones included")
    total: int = Field(description="steps known so far: 0 before there is any, or if the stage is not needed")
    fraction: float = Field(description="how much is done, 0 to 1: 0 as long as it is not known of how much")
    attempts: int = Field(description="attempts of all steps")
    error: str | None = Field(description="why a step was last tried again or given up on")


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
    known = (job.record(Step(job.id, stage, part)) for part in flow.parts(job, stage))
    records = [record for record in known if record is not None]
    whole = flow.total(job, stage)
    total = max(whole, len(records))
    done = sum(record.state in ENDED for record in records)
    shares = sum(1.0 if record.state in ENDED else record.progress for record in records)
    errors = [record.error for record in records if record.error]
    return StageView(
        state=_state({record.state for record in records}, bool(whole) and done == total),
        done=done,
        total=total,
        fraction=shares / total if whole else 0.0,
        attempts=sum(record.attempts for record in records),
        error=errors[-1] if errors else None,
    )


def _state(states: set[StepState], all_ended: bool) -> StepState | None:
    for state in (StepState.DEAD, StepState.DROPPED):
        if state in states:
            return state
    if states and all_ended:
        return StepState.DONE
    if states & {StepState.RUNNING, StepState.DONE}:
        return StepState.RUNNING
    return StepState.QUEUED if states else None
