"""The submit message that a request's JSON asks for, and what is refused before intake is asked."""

import re
from typing import Any

import uuid_utils
from pydantic import ValidationError
from pydantic_core import from_json

from shared.messages import FieldError, Submit

NAME_LETTERS = 100

RawSubmit = dict[str, Any]
"""The fields of a `job.submit` message, not checked yet."""


class Refused(Exception):
    """The request is no job; `errors` names each wrong field, `job` is the id if there was one."""

    def __init__(self, errors: tuple[FieldError, ...], job: str | None = None) -> None:
        super().__init__("; ".join(f"{each.field}: {each.error}" for each in errors))
        self.errors, self.job = errors, job


def message(body: bytes, field: str, tenant: str) -> RawSubmit:
    """Return the tenant's message in a JSON body, with an id if it had none; raise Refused, naming `field`."""
    try:
        said = from_json(body, allow_inf_nan=False)
    except ValueError as wrong:
        raise refused(field, f"is not JSON: {wrong}") from None
    if not isinstance(said, dict):
        raise refused(field, "is not a JSON object")
    if "tenant" in said:
        raise refused("tenant", "is the caller's own; leave it out")
    return {"id": str(uuid_utils.uuid7()), **said, "tenant": tenant}


def with_source(options: bytes, tenant: str, key: str) -> RawSubmit:
    """Return the tenant's message whose source is the upload under the key; raise Refused for wrong options."""
    asked = message(options or b"{}", "options", tenant)
    if "source" in asked:
        raise refused("source", "is the uploaded file; leave it out")
    return {**asked, "source": {"object": key}}


def checked(asked: RawSubmit) -> RawSubmit:
    """Return the message with its id as jobs are stored: a UUID has spellings too long for a message's name.

    Raises Refused for what intake would reject, naming each wrong field as intake does.
    """
    try:
        return {**asked, "id": Submit.model_validate(asked).id}
    except ValidationError as wrong:
        raise Refused(FieldError.named(wrong.errors(include_input=False, include_url=False))) from None


def refused(field: str, error: str) -> Refused:
    """Return the refusal of one field."""
    return Refused((FieldError(field=field, error=error),))


def safe_name(name: str) -> str:
    """Return a file's name as an object's key may hold it: its end, of ASCII's letters and digits, `.`, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[-NAME_LETTERS:] or "recording"
