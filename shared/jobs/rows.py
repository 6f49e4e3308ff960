"""Job documents as rows of a database, and the update that turns one into the next."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shared.jobs.document import Job

Update = dict[str, dict[str, Any]]

BESIDES = {"_id", "identity", "mark"}
"""What a row holds besides the job."""

MAPS = ("steps", "deliveries")
PLAIN = Job.model_fields.keys() - {*MAPS, "outbox", "revision", "id"}


def identity(job: Job) -> str:
    """Return what two messages for the same job share: one unique index serves ids and idempotency keys alike."""
    return f"{job.tenant}/key/{job.idempotency_key}" if job.idempotency_key else f"id/{job.id}"


def to_row(job: Job) -> dict[str, Any]:
    """Return the row that holds the job."""
    return {**job.model_dump(exclude={"id"}), "_id": job.id, "identity": identity(job)}


class UnreadableJob(Exception):
    """This version cannot read the document of a job: a newer one has perhaps written it."""


def to_job(row: Mapping[str, Any]) -> Job:
    """Return the job that the row holds; raise UnreadableJob."""
    fields = {key: value for key, value in row.items() if key not in BESIDES}
    try:
        return Job.model_validate({**fields, "id": row["_id"]})
    except ValidationError as wrong:
        # Not from it: in a handler that would look like a message that is not one of the mesh's.
        named = ", ".join(".".join(map(str, error["loc"])) for error in wrong.errors(include_input=False))
        raise UnreadableJob(f"job {row['_id']}: this version cannot read {named}; run the newest everywhere") from None


def difference(before: Job, after: Job) -> Update:
    """Return the update that turns one document into the other, leaving other workers' heartbeats and facts alone."""
    changed = after.model_dump(include={name for name in PLAIN if _differs(before, after, name)})
    gone: dict[str, Any] = {}
    for name in MAPS:
        old, new = getattr(before, name), getattr(after, name)
        fresh = {key: value for key, value in new.items() if old.get(key) is not value and old.get(key) != value}
        changed |= {f"{name}.{key}": value.model_dump() for key, value in fresh.items()}
        gone |= {f"{name}.{key}": "" for key in old.keys() - new.keys()}
    facts = [fact.model_dump() for fact in after.outbox if fact.sequence > before.sequence]
    return filled({"$set": changed, "$unset": gone, "$push": {"outbox": {"$each": facts}} if facts else {}})


def _differs(before: Job, after: Job, name: str) -> bool:
    old, new = getattr(before, name), getattr(after, name)
    return old is not new and bool(old != new)


def marked(update: Update, mark: str) -> Update:
    """Return the update as a new revision that has its writer's mark."""
    return {**update, "$set": {**update.get("$set", {}), "mark": mark}, "$inc": {"revision": 1}}


def filled(update: Update) -> Update:
    """Return the update without operators that have no fields: MongoDB refuses those."""
    return {operator: fields for operator, fields in update.items() if fields}
