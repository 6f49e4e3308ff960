"""Job documents as rows of a database, and the update that turns one into the next."""

from collections.abc import Mapping
from typing import Any

from shared.jobs.document import Job

Update = dict[str, dict[str, Any]]

BESIDES = {"_id", "identity", "mark"}
"""What a row holds besides the job."""

MAPS = ("steps", "deliveries")


def identity(job: Job) -> str:
    """Return what two messages for the same job share: one unique index serves ids and idempotency keys alike."""
    return f"{job.tenant}/key/{job.idempotency_key}" if job.idempotency_key else f"id/{job.id}"


def to_row(job: Job) -> dict[str, Any]:
    """Return the row that holds the job."""
    return {**job.model_dump(exclude={"id"}), "_id": job.id, "identity": identity(job)}


def to_job(row: Mapping[str, Any]) -> Job:
    """Return the job that the row holds."""
    fields = {key: value for key, value in row.items() if key not in BESIDES}
    return Job.model_validate({**fields, "id": row["_id"]})


def difference(before: Job, after: Job) -> Update:
    """Return the update that turns one document into the other, leaving other workers' heartbeats and facts alone."""
    old, new = to_row(before), to_row(after)
    plain = new.keys() - {*MAPS, "outbox", "revision"}
    changed = {key: new[key] for key in plain if new[key] != old[key]}
    gone: dict[str, Any] = {}
    for name in MAPS:
        changed |= {f"{name}.{key}": value for key, value in new[name].items() if old[name].get(key) != value}
        gone |= {f"{name}.{key}": "" for key in old[name].keys() - new[name].keys()}
    facts = [fact for fact in new["outbox"] if fact["sequence"] > before.sequence]
    return filled({"$set": changed, "$unset": gone, "$push": {"outbox": {"$each": facts}} if facts else {}})


def marked(update: Update, mark: str) -> Update:
    """Return the update as a new revision that bears its writer's mark."""
    return {**update, "$set": {**update.get("$set", {}), "mark": mark}, "$inc": {"revision": 1}}


def filled(update: Update) -> Update:
    """Return the update without operators that have no fields: MongoDB refuses those."""
    return {operator: fields for operator, fields in update.items() if fields}
