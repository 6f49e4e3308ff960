"""Looking after all jobs at once in MongoDB."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from shared.jobs.document import Job
from shared.jobs.rows import UnreadableJob, to_job
from shared.jobs.states import ADMITTED, TERMINAL, JobState
from shared.jobs.upkeep import too_far
from shared.topology import Lane

log = logging.getLogger(__name__)

UPLOAD = "options.source.object"
NEXT_FIRST = [("lane", -1), ("created", 1)]
NOT_WAITING = [str(state) for state in JobState if state is not JobState.WAITING]


class MongoUpkeep:
    """The upkeep over a Motor or PyMongo async client, which the caller opens and closes."""

    def __init__(self, client: Any, database: str) -> None:
        self._jobs = client[database]["jobs"]
        self._locks = client[database]["locks"]
        self._kept = [client[database][name] for name in ("outputs", "history")]

    async def prepare(self) -> None:
        """Create the indexes; safe to call from every process at each start."""
        await self._jobs.create_index([("state", 1), ("lane", -1), ("created", 1)])
        await self._jobs.create_index([("settled", 1), ("state", 1)])
        await self._jobs.create_index("expires", sparse=True)
        await self._jobs.create_index(UPLOAD, sparse=True)

    async def running(self) -> Counter[tuple[str, Lane]]:
        """Return how many admitted jobs have not ended, by tenant and lane."""
        admitted = {"$match": {"state": {"$in": sorted(map(str, ADMITTED))}}}
        grouped = {"$group": {"_id": {"tenant": "$tenant", "lane": "$lane"}, "jobs": {"$sum": 1}}}
        rows = await (await _awaited(self._jobs.aggregate([admitted, grouped]))).to_list(None)
        return Counter({(row["_id"]["tenant"], Lane(row["_id"]["lane"])): row["jobs"] for row in rows})

    async def waiting(self) -> Counter[Lane]:
        """Return how many jobs wait to be admitted, by lane."""
        asked = {"state": str(JobState.WAITING)}
        return Counter({lane: await self._jobs.count_documents({**asked, "lane": int(lane)}) for lane in Lane})

    async def next_waiting(self, full: Collection[str]) -> Job | None:
        """Return the waiting job that is next, the highest lane's oldest, of the tenants that are not `full`."""
        asked: dict[str, Any] = {"state": str(JobState.WAITING)}
        if full:
            asked["tenant"] = {"$nin": sorted(full)}
        row = await self._jobs.find_one(asked, sort=NEXT_FIRST)
        return row and (_readable(row) or await self._first_readable(asked))

    async def _first_readable(self, asked: dict[str, Any]) -> Job | None:
        async for row in self._jobs.find(asked, sort=NEXT_FIRST):
            if job := _readable(row):
                return job
        return None

    async def unsettled(self) -> AsyncIterator[Job]:
        """Yield the jobs that neither wait to be admitted nor are known to be at rest."""
        asked = {"settled": False, "state": {"$in": NOT_WAITING}}
        async for row in self._jobs.find(asked):
            if job := _readable(row):
                yield job

    async def expired(self, now: datetime) -> AsyncIterator[Job]:
        """Yield the ended jobs that need not be kept any longer."""
        asked = {"expires": {"$lt": now}, "state": {"$in": sorted(map(str, TERMINAL))}}
        async for row in self._jobs.find(asked):
            if job := _readable(row):
                yield job

    async def alone(self, job: Job) -> bool:
        """Return whether no other job that is kept was made from the same upload."""
        another = {UPLOAD: job.options.source.object, "_id": {"$ne": job.id}}
        return await self._jobs.find_one(another, {"_id": 1}) is None

    async def forget(self, job: Job) -> None:
        """Delete all that is kept of the job, its document last."""
        for collection in self._kept:
            await collection.delete_many({"job": job.id})
        await self._jobs.delete_one({"_id": job.id, "created": job.created, "revision": job.revision})

    async def lead(self, task: str, worker: str, now: datetime, until: datetime) -> bool:
        """Make the worker the task's one leader until the time, unless another is now; return whether it is."""
        over = [{"until": {"$lt": now}}, {"until": {"$gt": too_far(now, until)}}]
        free = {"_id": task, "$or": [{"worker": worker}, *over]}
        result = await self._locks.update_one(free, {"$set": {"worker": worker, "until": until}})
        if result.matched_count:
            return True
        try:
            await self._locks.insert_one({"_id": task, "worker": worker, "until": until})
        except DuplicateKeyError:
            return False
        return True


def _readable(row: dict[str, Any]) -> Job | None:
    # One document of a newer version must not keep all others from being looked after.
    try:
        return to_job(row)
    except UnreadableJob as newer:
        log.warning("passed over: %s", newer)
        return None


async def _awaited(cursor: Any) -> Any:
    # PyMongo's async aggregate is awaited for its cursor; Motor's is the cursor.
    return await cursor if hasattr(cursor, "__await__") else cursor
