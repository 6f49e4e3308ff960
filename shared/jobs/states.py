"""The states of a job and of a step, and the moves that are legal between them."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is; the last three are terminal."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepState(StrEnum):
    """Where a step is; `done`, `dead` and `dropped` are over."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    DROPPED = "dropped"


# What is terminal or over moves again only when an operator replays a dead letter, or when the plan that a step was
# part of no longer holds; a cancelled job never does.
JOB_MOVES = {
    JobState.WAITING: {JobState.ACCEPTED, JobState.CANCELLED},
    JobState.ACCEPTED: {JobState.RUNNING, JobState.CANCELLED, JobState.FAILED},
    JobState.RUNNING: {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED},
    JobState.COMPLETED: {JobState.RUNNING},
    JobState.FAILED: {JobState.RUNNING},
    JobState.CANCELLED: set(),
}

STEP_MOVES = {
    StepState.QUEUED: {StepState.QUEUED, StepState.RUNNING, StepState.DEAD, StepState.DROPPED},
    StepState.RUNNING: {StepState.RUNNING, StepState.QUEUED, StepState.DONE, StepState.DEAD, StepState.DROPPED},
    StepState.DONE: {StepState.QUEUED},
    StepState.DEAD: {StepState.QUEUED},
    StepState.DROPPED: {StepState.QUEUED},
}

TERMINAL = {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}
ABANDONED = {JobState.FAILED, JobState.CANCELLED}
ADMITTED = {JobState.ACCEPTED, JobState.RUNNING}
OVER = {StepState.DONE, StepState.DEAD, StepState.DROPPED}
