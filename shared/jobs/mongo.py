"""Job documents in MongoDB: with `mongo_upkeep`, the one place that owns the driver.

Motor is the driver; its vendor has moved on to PyMongo's own async client, so this uses only calls that both spell
alike, and the contract suite runs on both. Compare-and-set is `update_one` with its counts, never
`find_one_and_update`, which the embedded server answers by scanning the collection.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError, ExecutionTimeout, WTimeoutError

from shared.flow import OUTPUTS
from shared.jobs.coalescing import Coalescer
from shared.jobs.document import Job
from shared.jobs.history import Entry, whole
from shared.jobs.known import Known
from shared.jobs.rows import difference, filled, identity, marked, to_job, to_row
from shared.jobs.step import Step
from shared.jobs.store import NoSuchJob
from shared.settings import DATABASE, naming
from shared.topology import Stage
from shared.transcript import Output

TIMEOUT_MS = 30_000
"""How long an operation may take, with the looking for a database that is away."""

AWAY = (ConnectionFailure, ExecutionTimeout, WTimeoutError)
"""What a store raises when no database is found, or the one found does not answer, within TIMEOUT_MS."""


def connect(url: str) -> Any:
    """Return a Motor client that acknowledges a write only when a majority has it in its journal.

    Raises Unusable for what is no address of a database.
    """
    with naming(*DATABASE):
        return AsyncIOMotorClient(url, tz_aware=True, w="majority", journal=True, timeoutMS=TIMEOUT_MS)


class MongoStore:
    """The job store over a Motor or PyMongo async client, which the caller opens and closes."""

    def __init__(self, client: Any, database: str) -> None:
        self._client = client
        self._jobs = client[database]["jobs"]
        self._outputs = client[database]["outputs"]
        self._history = client[database]["history"]
        self._known = Known()
        self._marks = Coalescer(self._jobs_written)

    async def prepare(self) -> None:
        """Create the indexes; safe to call from every process at each start."""
        await self._jobs.create_index("identity", unique=True)
        await self._outputs.create_index("job")
        await self._history.create_index("job")

    async def insert(self, job: Job) -> Job:
        """Store a new job and return it, or return the one stored before with its id or its idempotency key."""
        try:
            await self._jobs.insert_one(to_row(job))
        except DuplicateKeyError:
            known = {"identity": identity(job)}
            return to_job(await self._jobs.find_one({"_id": job.id}) or await self._jobs.find_one(known))
        return self._known.keep(job)

    async def find(self, job: str) -> Job:
        """Return the job; raise NoSuchJob."""
        row = await self._jobs.find_one({"_id": job})
        if row is None:
            raise NoSuchJob(job)
        return self._known.keep(to_job(row))

    def claimable(self, step: Step) -> Job | None:
        """Return the job as this process last saw it if the step can be claimed by that, perhaps old, document."""
        return self._known.claimable(step)

    async def save(self, before: Job, after: Job) -> Job | None:
        """Write what differs if the stored revision is still `before`'s; return the saved job, None if it is not.

        A job that was forgotten and came again under its id has the same revisions, and is another job. The driver
        writes again when an answer is lost with its connection, and then finds the revision changed by itself: the mark
        tells its own write from another's.
        """
        if self._known.moved_on(before):
            return None
        mark = uuid4().hex
        result = await self._jobs.update_one(
            {"_id": before.id, "created": before.created, "revision": before.revision},
            marked(difference(before, after), mark),
        )
        if not result.matched_count and await self._jobs.find_one({"_id": before.id, "mark": mark}, {"_id": 1}) is None:
            return None
        return self._known.keep(after.but(revision=before.revision + 1))

    async def beat(self, step: Step, attempt: int, progress: float, now: datetime) -> bool:
        """Record that the attempt is alive; return False if it no longer holds the step."""
        at = f"steps.{step.key}"
        held = {"_id": step.job, f"{at}.attempts": attempt, f"{at}.state": "running"}
        result = await self._jobs.update_one(held, {"$set": {f"{at}.heartbeat": now, f"{at}.progress": progress}})
        return bool(result.matched_count)

    async def published(self, job: str, sequences: Iterable[int], steps: Iterable[Step], now: datetime) -> None:
        """Forget facts and mark steps whose messages the broker has confirmed.

        A document that does not know one of the steps, because it was put back from a backup, stays as it is: with a
        mark and nothing else, the step could not be read any more.
        """
        told, posted = set(sequences), tuple(steps)
        confirmed = {"outbox": {"sequence": {"$in": sorted(told)}}} if told else {}
        marks = {f"steps.{step.key}.posted": now for step in posted}
        there = {f"steps.{step.key}": {"$exists": True} for step in posted}
        await self._marks.add(UpdateOne({"_id": job, **there}, filled({"$pull": confirmed, "$set": marks})))
        self._known.published(job, told, posted, now)

    async def _jobs_written(self, updates: Sequence[UpdateOne]) -> None:
        await _written(self._jobs, updates)

    async def put_output(self, step: Step, attempt: int, output: Output) -> None:
        """Keep what an attempt made; it counts only once the document names the attempt."""
        row = {"job": step.job, "stage": str(step.stage), "part": step.part, "attempt": attempt}
        body = output.model_dump(mode="json")
        await self._outputs.replace_one({"_id": f"{step}/{attempt}"}, {**row, "body": body}, upsert=True)

    async def drop_output(self, step: Step, attempt: int) -> None:
        """Forget what a discarded attempt made."""
        await self._outputs.delete_one({"_id": f"{step}/{attempt}"})

    async def outputs(self, job: Job, stages: Iterable[Stage]) -> Mapping[Stage, tuple[Output, ...]]:
        """Return the outputs of the stages that count by the document, each in the order of its parts."""
        made = {step: attempt for stage in stages for step, attempt in job.made(stage).items()}
        inside = {step: job.steps[step.key].output for step in made}
        apart = await self._apart([f"{step}/{attempt}" for step, attempt in made.items() if not inside[step]])
        bodies = {step: inside[step] or apart[f"{step}/{attempt}"] for step, attempt in made.items()}
        return {
            stage: tuple(OUTPUTS[stage].validate_python(body) for step, body in bodies.items() if step.stage is stage)
            for stage in stages
        }

    async def _apart(self, names: Sequence[str]) -> dict[str, Any]:
        if not names:
            return {}
        rows = await self._outputs.find({"_id": {"$in": names}}, {"body": 1}).to_list(None)
        return {row["_id"]: row["body"] for row in rows}

    async def remember(self, entries: Sequence[Entry]) -> None:
        """Add to the history; an entry that is there already stays one."""
        rows = [{**entry.model_dump(), "_id": entry.name} for entry in entries]
        if rows:
            await _written(self._history, [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows])

    async def history(self, job: str) -> list[Entry]:
        """Return the job's history in the order of time, committed attempts included, which nobody remembers."""
        rows = await self._history.find({"job": job}, {"_id": 0}).to_list(None)
        document = await self._jobs.find_one({"_id": job})
        return whole(to_job(document) if document else None, map(Entry.model_validate, rows))

    async def ping(self) -> None:
        """Raise if the database cannot be reached."""
        await self._client.admin.command("ping")


async def _written(collection: Any, writes: Sequence[UpdateOne | ReplaceOne[Any]]) -> None:
    """Write them all; raise WTimeoutError, as one write alone does, if no majority of the members has them in time."""
    try:
        await collection.bulk_write(writes, ordered=False)
    except BulkWriteError as failed:
        if failed.timeout:
            raise WTimeoutError(str(failed), failed.code, failed.details) from failed
        raise
