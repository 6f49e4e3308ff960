"""What intake does with a message: read it, name everything that is wrong with it, or make it a job."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.clock import now
from shared.jobs.document import Job
from shared.jobs.states import JobState
from shared.messages import SUBMIT_BYTES, Cancel, FieldError, Submit
from shared.options import Options, Source, Tenant

ID_LETTERS = 36
"""Of an id that is told though it is none: a UUID has as many, and more would not fit into an AMQP message's name."""

TENANT: TypeAdapter[str] = TypeAdapter(Tenant)

T = TypeVar("T")


class Rejected(Exception):
    """The message is no job: `errors` names each wrong field; `id` and `tenant` are what could be read of them."""

    def __init__(self, errors: tuple[FieldError, ...], job: str | None = None, tenant: str = "unknown") -> None:
        super().__init__("; ".join(f"{each.field}: {each.error}" for each in errors))
        self.errors, self.job, self.tenant = errors, job, tenant


def read_submit(body: bytes) -> Submit:
    """Return the `job.submit` message in `body`; raise Rejected."""
    return _read(body, Submit.model_validate)


def read_cancel(body: bytes) -> Cancel:
    """Return the `job.cancel` message in `body`; raise Rejected."""
    return _read(body, Cancel.model_validate)


def new_job(
    submit: Submit, amqp_priority: int | None, sealed: str | None, shown: Source, retention_days: int | None
) -> Job:
    """Return the job that the message asks for; its document shows the source without what may be secret.

    `retention_days` is for a message that names none.
    """
    moment = now()
    asked = {name: getattr(submit, name) for name in Options.model_fields}
    kept = {"source": shown, "retention_days": submit.retention_days or retention_days}
    return Job(
        id=submit.id,
        tenant=submit.tenant,
        lane=submit.lane(amqp_priority),
        state=JobState.ACCEPTED,
        options=Options.model_construct(**{**asked, **kept}),
        sealed=sealed,
        idempotency_key=submit.idempotency_key,
        created=moment,
        updated=moment,
    )


def check_owner(submit: Submit) -> None:
    """Raise Rejected if the source is an object that another tenant uploaded."""
    key = submit.source.object
    if key is not None and key.split("/")[1] != submit.tenant:
        wrong = FieldError(field="source.object", error=f"must begin with uploads/{submit.tenant}/")
        raise Rejected((wrong,), submit.id, submit.tenant)


def _read(body: bytes, validate: Callable[[Any], T]) -> T:
    if len(body) > SUBMIT_BYTES:
        raise Rejected((FieldError(field="body", error=f"is larger than {SUBMIT_BYTES} bytes"),))
    try:
        said = from_json(body)
    except ValueError as wrong:
        raise Rejected((FieldError(field="body", error=f"is not JSON: {wrong}"),)) from None
    if not isinstance(said, dict):
        raise Rejected((FieldError(field="body", error="is not a JSON object"),))
    try:
        return validate(said)
    except ValidationError as wrong:
        errors = FieldError.named(wrong.errors(include_input=False, include_url=False))
        raise Rejected(errors, *_who(said)) from None


def _who(said: dict[str, Any]) -> tuple[str | None, str]:
    job = said.get("id")
    try:
        tenant = TENANT.validate_python(said.get("tenant", "default"))
    except ValidationError:
        tenant = "unknown"
    return (job[:ID_LETTERS] if isinstance(job, str) else None), tenant
