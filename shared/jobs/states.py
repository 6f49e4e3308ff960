"""The states of a job and of a step, and the moves that are legal between them."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is; the last three are terminal."""

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


JOB_MOVES = {
    JobState.ACCEPTED: {JobState.RUNNING, JobState.CANCELLED, JobState.FAILED},
    JobState.RUNNING: {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED},
    JobState.COMPLETED: set(),
    JobState.FAILED: set(),
    JobState.CANCELLED: set(),
}

STEP_MOVES = {
    StepState.QUEUED: {StepState.RUNNING, StepState.DEAD, StepState.DROPPED},
    StepState.RUNNING: {StepState.RUNNING, StepState.QUEUED, StepState.DONE, StepState.DEAD, StepState.DROPPED},
    StepState.DONE: set(),
    StepState.DEAD: set(),
    StepState.DROPPED: set(),
}

TERMINAL = {state for state, moves in JOB_MOVES.items() if not moves}
OVER = {state for state, moves in STEP_MOVES.items() if not moves}
ABANDONED = {JobState.FAILED, JobState.CANCELLED}
