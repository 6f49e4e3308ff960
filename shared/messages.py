"""The bodies of the messages: JSON, ids rather than payloads, well under 4 KB."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import uuid_utils
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from shared.jobs.document import Fact, Job
from shared.jobs.step import Step
from shared.options import Options, Tenant
from shared.topology import Happening, Lane, Stage

SUBMIT_BYTES = 64 * 1024
"""The longest `job.submit` body that is read."""

MOST_ERRORS, FIELD_LETTERS = 50, 100
"""How many errors of a message are told, and how much of each field's name: a publisher may have invented thousands."""


def _as_stored(job: str) -> str:
    try:
        return str(UUID(job))
    except ValueError:
        raise PydanticCustomError("uuid", "must be a UUID (version 7 keeps the database in order)") from None


JobId = Annotated[str, AfterValidator(_as_stored)]
"""A UUID in any of its spellings, some languages' own being upper case; jobs are stored in lower case with dashes."""


class Submit(Options):
    """The `job.submit` message: a job's identity and its options."""

    id: JobId
    tenant: Tenant = "default"
    priority: Literal["background", "normal", "high", "urgent"] | None = None
    idempotency_key: str | None = Field(None, min_length=1, max_length=200)

    def lane(self, amqp_priority: int | None) -> Lane:
        """Return the job's lane: the body's word, else the AMQP property, else normal.

        A property of 0 is no choice: clients send it when nobody chose, so background is for the body to ask.
        """
        if self.priority is not None:
            return Lane[self.priority.upper()]
        return Lane(min(amqp_priority, max(Lane))) if amqp_priority else Lane.NORMAL


class Message(BaseModel):
    """A frozen message body that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Cancel(Message):
    """The `job.cancel` message."""

    id: JobId
    tenant: Tenant = "default"


class FieldError(Message):
    """One wrong field of a message and what is wrong with it."""

    field: str
    error: str

    @classmethod
    def named(cls, errors: Sequence[Mapping[str, Any]]) -> tuple["FieldError", ...]:
        """Return pydantic's errors, MOST_ERRORS at the most, as fields and what is wrong with each.

        The wrong values are left out: they may be secrets.
        """
        return tuple(
            cls(field=(".".join(map(str, each["loc"])) or "body")[:FIELD_LETTERS], error=str(each["msg"]))
            for each in errors[:MOST_ERRORS]
        )


class Reply(Message):
    """Intake's answer to a message that carries `reply_to`."""

    id: str | None = None
    state: str
    errors: tuple[FieldError, ...] = ()


class StepMessage(Message):
    """A wake-up: do this step of this job, if it still needs doing.

    Validated with a stage as its context, it is refused if it asks for a step of another.
    """

    job: str = Field(max_length=36)
    stage: Stage
    part: int = Field(0, ge=0)

    @field_validator("stage")
    @classmethod
    def _own(cls, stage: Stage, known: ValidationInfo) -> Stage:
        if known.context not in (None, stage):
            said = {"stage": str(stage), "own": str(known.context)}
            raise PydanticCustomError("stage", "is {stage}, but came to the {own}'s queue", said)
        return stage

    @classmethod
    def of(cls, step: Step) -> "StepMessage":
        """Return the message that asks for the step."""
        return cls(job=step.job, stage=step.stage, part=step.part)

    def step(self) -> Step:
        """Return the step asked for."""
        return Step(self.job, self.stage, self.part)


class Event(Message):
    """A fact about a job for the outside world; (`job`, `sequence`) names it, `progress` repeats the last sequence."""

    job: str | None
    tenant: str
    sequence: int
    happening: Happening
    at: datetime
    body: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, job: Job, fact: Fact) -> "Event":
        """Return the event that tells of the fact."""
        return cls(
            job=job.id,
            tenant=job.tenant,
            sequence=fact.sequence,
            happening=fact.happening,
            at=fact.at,
            body=fact.body,
        )


class Overtaking(Message):
    """Steps of the stage have been queued in a lane that may be above that of what its workers have in hand."""

    stage: Stage
    lane: Lane


class Order(Message):
    """A message of the control exchange: every worker drops what it runs for a job, or makes room to be overtaken."""

    cancel: str | None = None
    overtaking: Overtaking | None = None


class Diagnosis(Message):
    """Why a message was given up on: the headers of a dead letter, whose body is the exact message.

    `letter` names the dead letter; one that a crash made be parked twice has the same name both times.
    """

    letter: str = Field(default_factory=lambda: str(uuid_utils.uuid7()))
    stage: Stage
    reason: str
    attempts: int = 0
    job: str | None = None
    part: int | None = None
    tenant: str | None = None
    exception: str | None = None
    traceback: str | None = None
    worker: str
    at: datetime

    def headers(self) -> dict[str, str | int]:
        """Return the diagnosis as AMQP headers, `scribe-` before each name."""
        return {f"scribe-{name}": value for name, value in self.model_dump(mode="json", exclude_none=True).items()}

    @classmethod
    def read(cls, headers: Mapping[str, Any]) -> "Diagnosis":
        """Return the diagnosis that a dead letter's headers hold; raise ValidationError if they hold none."""
        named = {name.removeprefix("scribe-"): value for name, value in headers.items() if name.startswith("scribe-")}
        return cls.model_validate(named)
