"""The job document: all that the mesh knows of one recording, as one frozen value.

A job changes only by `but`, which returns a new one; the store writes the difference by compare-and-set on `revision`,
so that two workers never overwrite each other.
"""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.jobs.states import OVER, JobState, StepState
from shared.jobs.step import Step
from shared.options import Options
from shared.topology import Happening, Lane, Stage


class Record(BaseModel):
    """A frozen part of the job document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def but(self, **changes: Any) -> Self:
        """Return the record with the fields changed, unchecked, as `model_copy` does at twice the time."""
        changed = object.__new__(type(self))
        # What a pydantic model is made of (`BaseModel.__slots__`); nothing of a frozen one need be copied.
        object.__setattr__(changed, "__dict__", {**self.__dict__, **changes})
        object.__setattr__(changed, "__pydantic_fields_set__", self.__pydantic_fields_set__ | changes.keys())
        object.__setattr__(changed, "__pydantic_extra__", None)
        object.__setattr__(changed, "__pydantic_private__", None)
        return changed


class StepRecord(Record):
    """What happened to one step; `attempts` counts claims, `winner` is the attempt whose output was committed.

    An attempt's number is never given out again, because it is what a commit is checked against: those that do not
    count against the step (a worker that was stopped, all before a replay) are `forgiven` instead. `posted` is when
    the broker last confirmed the step's message, or a worker claimed it: a redelivery posts only what has neither.
    `due` is when a step that waits on the ladder comes back. `output` is what the winner made, if it is small, else
    that is kept by itself. `crashed` says that a worker has crashed over it.
    """

    state: StepState = StepState.QUEUED
    attempts: int = 0
    forgiven: int = 0
    worker: str | None = None
    heartbeat: datetime | None = None
    progress: float = 0.0
    queued: datetime
    posted: datetime | None = None
    due: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    winner: int | None = None
    output: dict[str, Any] | None = None
    error: str | None = None
    crashed: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to the step, unless it is replayed."""
        return self.state in OVER

    @property
    def tries(self) -> int:
        """How many attempts count against the step."""
        return self.attempts - self.forgiven


class Facts(Record):
    """What the stages found out that the whole job must know; the first step to say a fact decides it."""

    duration: float | None = None
    chunks: int | None = None
    language: str | None = None
    language_probability: float | None = None
    transcript: str | None = None
    words: int | None = None
    speakers: int | None = None


class Announced(Record):
    """The chunks that an attempt of the downloader has announced while it went on, each by its digest, in order."""

    attempt: int
    digests: tuple[str, ...]


class Fact(Record):
    """An event that is committed but perhaps not yet published; `sequence` grows by one per event of the job."""

    sequence: int
    happening: Happening
    at: datetime
    body: dict[str, Any] = Field(default_factory=dict)


class Job(Record):
    """One recording to work on.

    `deliveries` holds the facts that webhooks are still to be told, by sequence number. `expires` is when an ended job
    may be forgotten. `settled` says that the sweeper has seen the job at rest: nothing is left to publish or to do.
    `announced` is there from the first chunk that is announced until the number of all chunks is a fact.
    """

    id: str
    tenant: str
    lane: Lane
    state: JobState
    revision: int = 0
    sequence: int = 0
    options: Options
    sealed: str | None = None
    idempotency_key: str | None = None
    created: datetime
    updated: datetime
    steps: dict[str, StepRecord] = Field(default_factory=dict)
    facts: Facts = Facts()
    announced: Announced | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    outbox: tuple[Fact, ...] = ()
    deliveries: dict[str, Fact] = Field(default_factory=dict)
    expires: datetime | None = None
    settled: bool = False

    def record(self, step: Step) -> StepRecord | None:
        """Return what is known of the step, or None if it was never queued."""
        return self.steps.get(step.key)

    def made(self, stage: Stage) -> dict[Step, int]:
        """Return the attempts whose outputs count, by the stage's steps in the order of their parts.

        They are those that were committed and, as long as none is, the one that announced a part of its output.
        """
        of_stage = (key for key in self.steps if key.startswith(f"{stage}-"))
        won = {Step.of(self.id, key): self.steps[key].winner for key in of_stage}
        if stage is Stage.DOWNLOADER and self.announced is not None:
            won = {Step(self.id, stage): self.announced.attempt}
        return {step: attempt for step, attempt in sorted(won.items()) if attempt is not None}

    def expired(self, now: datetime) -> bool:
        """Whether the job need not be kept any longer: it may be gone in part already."""
        return self.expires is not None and self.expires < now

    def crashed(self, step: Step) -> bool:
        """Whether a worker has crashed over the step."""
        record = self.record(step)
        return record is not None and record.crashed

    def over(self, stage: Stage, part: int) -> bool:
        """Whether that part of the stage is over."""
        record = self.steps.get(Step.named(stage, part))
        return record is not None and record.state in OVER
