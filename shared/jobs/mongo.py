"""Job documents in MongoDB: the one module that owns the driver.

Motor is the driver; its vendor has moved on to PyMongo's own async client, so this uses only calls that both spell
alike, and the contract suite runs on both. Compare-and-set is `update_one` with its counts, never
`find_one_and_update`, which the embedded server answers by scanning the collection.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import DuplicateKeyError

from shared.flow import OUTPUTS
from shared.jobs.document import Job
from shared.jobs.step import Step
from shared.jobs.store import NoSuchJob
from shared.topology import Stage
from shared.transcript import Output

SELECTION_MS = 5_000
MAPS = ("steps", "deliveries")


def connect(url: str) -> Any:
    """Return a Motor client that acknowledges a write only when a majority has it in its journal."""
    return AsyncIOMotorClient(
        url, tz_aware=True, w="majority", journal=True, serverSelectionTimeoutMS=SELECTION_MS, timeoutMS=30_000
    )


class MongoStore:
    """The job store over a Motor or PyMongo async client, which the caller opens and closes."""

    def __init__(self, client: Any, database: str) -> None:
        self._client = client
        self._jobs = client[database]["jobs"]
        self._outputs = client[database]["outputs"]

    async def prepare(self) -> None:
        """Create the indexes; safe to call from every process at each start."""
        await self._jobs.create_index("identity", unique=True)
        await self._outputs.create_index("job")

    async def insert(self, job: Job) -> Job:
        """Store a new job and return it, or return the one stored before with its id or its idempotency key."""
        identity = _identity(job)
        try:
            await self._jobs.insert_one({**_row(job), "_id": job.id, "identity": identity})
        except DuplicateKeyError:
            row = await self._jobs.find_one({"_id": job.id}) or await self._jobs.find_one({"identity": identity})
            return _job(row)
        return job

    async def find(self, job: str) -> Job:
        """Return the job; raise NoSuchJob."""
        row = await self._jobs.find_one({"_id": job})
        if row is None:
            raise NoSuchJob(job)
        return _job(row)

    async def save(self, before: Job, after: Job) -> Job | None:
        """Write what differs if the stored revision is still `before`'s; return the saved job, None if it is not."""
        update = {**_difference(before, after), "$inc": {"revision": 1}}
        result = await self._jobs.update_one({"_id": before.id, "revision": before.revision}, update)
        return after.model_copy(update={"revision": before.revision + 1}) if result.matched_count else None

    async def beat(self, step: Step, attempt: int, progress: float, now: datetime) -> bool:
        """Record that the attempt is alive; return False if it no longer holds the step."""
        at = f"steps.{step.key}"
        held = {"_id": step.job, f"{at}.attempts": attempt, f"{at}.state": "running"}
        result = await self._jobs.update_one(held, {"$set": {f"{at}.heartbeat": now, f"{at}.progress": progress}})
        return bool(result.matched_count)

    async def published(self, job: str, sequences: Iterable[int], steps: Iterable[Step]) -> None:
        """Forget facts and mark steps whose messages the broker has confirmed."""
        told, posted = list(sequences), {f"steps.{step.key}.posted": True for step in steps}
        confirmed = {"outbox": {"sequence": {"$in": told}}} if told else {}
        await self._jobs.update_one({"_id": job}, _filled({"$pull": confirmed, "$set": posted}))

    async def put_output(self, step: Step, attempt: int, output: Output) -> None:
        """Keep what an attempt made; it counts only once a commit names the attempt."""
        row = {"job": step.job, "stage": str(step.stage), "part": step.part, "attempt": attempt}
        body = output.model_dump(mode="json")
        await self._outputs.replace_one({"_id": f"{step}/{attempt}"}, {**row, "body": body}, upsert=True)

    async def drop_output(self, step: Step, attempt: int) -> None:
        """Forget what a discarded attempt made."""
        await self._outputs.delete_one({"_id": f"{step}/{attempt}"})

    async def outputs(self, job: Job, stages: Iterable[Stage]) -> Mapping[Stage, tuple[Output, ...]]:
        """Return the committed outputs of the stages, each in the order of its parts."""
        wanted = {str(stage): stage for stage in stages}
        names = [
            f"{Step.of(job.id, key)}/{record.winner}"
            for key, record in job.steps.items()
            if record.winner is not None and key.rpartition("-")[0] in wanted
        ]
        rows = await self._outputs.find({"_id": {"$in": names}}).to_list(None)
        rows.sort(key=lambda row: row["part"])
        return {
            stage: tuple(OUTPUTS[stage].model_validate(row["body"]) for row in rows if row["stage"] == name)
            for name, stage in wanted.items()
        }

    async def ping(self) -> None:
        """Raise if the database cannot be reached."""
        await self._client.admin.command("ping")


def _identity(job: Job) -> str:
    # One unique index serves both kinds of sameness: every job has an identity, with or without an idempotency key.
    return f"{job.tenant}/key/{job.idempotency_key}" if job.idempotency_key else f"id/{job.id}"


def _row(job: Job) -> dict[str, Any]:
    return job.model_dump(exclude={"id"})


def _job(row: Mapping[str, Any]) -> Job:
    fields = {key: value for key, value in row.items() if key not in {"_id", "identity"}}
    return Job.model_validate({**fields, "id": row["_id"]})


def _difference(before: Job, after: Job) -> dict[str, dict[str, Any]]:
    """Return the update that turns one document into the other, leaving other workers' heartbeats and facts alone."""
    old, new = _row(before), _row(after)
    plain = new.keys() - {*MAPS, "outbox", "revision"}
    changed = {key: new[key] for key in plain if new[key] != old[key]}
    gone: dict[str, Any] = {}
    for name in MAPS:
        changed |= {f"{name}.{key}": value for key, value in new[name].items() if old[name].get(key) != value}
        gone |= {f"{name}.{key}": "" for key in old[name].keys() - new[name].keys()}
    facts = [fact for fact in new["outbox"] if fact["sequence"] > before.sequence]
    return _filled({"$set": changed, "$unset": gone, "$push": {"outbox": {"$each": facts}} if facts else {}})


def _filled(update: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    # MongoDB refuses an operator without fields.
    return {operator: fields for operator, fields in update.items() if fields}
