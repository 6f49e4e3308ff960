"""Cancelling at random moments: the work stops within one segment, and what was done by then is kept and marked."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from services.gateway.partial import partial
from shared.jobs.document import Job
from shared.jobs.mongo import MongoStore
from shared.jobs.rows import to_job
from shared.jobs.states import JobState, StepState
from shared.topology import CANCEL_KEY, Stage
from shared.transcript import ChunkText
from tests.chaos.books import Books, balance, ended
from tests.chaos.campaign import Campaign, until
from tests.chaos.engines import SLOW, SLOW_SECONDS
from tests.chaos.load import Load
from tests.chaos.recordings import TENANT

if TYPE_CHECKING:
    from tests.chaos.scenarios import Size

AT_ONCE = 4
LATEST_SECONDS = 8.0
"""The last moment at which a job is cancelled: some have ended by then."""

HALF_SECONDS = 60.0
PATIENCE = 120.0
ORDER_SECONDS = 1.0
"""How long a cancel may be on its way to a worker, on a busy machine."""


async def cancels(campaign: Campaign, size: "Size") -> Books:
    """Cancel jobs at random moments, the first with one chunk done: what had ended by then stays completed."""
    load, room = Load(campaign), asyncio.Semaphore(AT_ONCE)
    halfway = await _halfway(load)
    await asyncio.gather(*(_cancelled(load, room) for _ in range(size.jobs - 1)))
    await ended(campaign, load.jobs, PATIENCE)
    rows = await campaign.jobs["jobs"].find({"_id": {"$in": list(load.jobs)}, "state": "cancelled"}).to_list(None)
    jobs = {row["_id"]: to_job(row) for row in rows}
    books = await balance(load, PATIENCE, dict.fromkeys(jobs, JobState.CANCELLED))
    for job in jobs.values():
        books.wrong += [*await _late(campaign, job), *await _unkept(load, job)]
    if halfway not in jobs or not _chunks_done(jobs[halfway]):
        books.miss(f"{halfway} was to be cancelled with one chunk done")
    return books


async def _halfway(load: Load) -> str:
    """Return a job that was cancelled when one of its chunks was done and another was at work."""
    job = await load.submit_one(load.campaign.recordings[-1], hotwords=SLOW)

    async def half() -> bool:
        row = await load.campaign.jobs["jobs"].find_one({"_id": job})
        return bool(row and _chunks_done(to_job(row)))

    await until(half, HALF_SECONDS, f"{job} has a chunk done")
    await _cancel(load, job)
    return job


async def _cancelled(load: Load, room: asyncio.Semaphore) -> None:
    async with room:
        job = await load.submit_one(hotwords=SLOW)
        await asyncio.sleep(load.campaign.random.random() * LATEST_SECONDS)
        await _cancel(load, job)


async def _cancel(load: Load, job: str) -> None:
    await load.publish(json.dumps({"id": job, "tenant": TENANT}).encode(), CANCEL_KEY)


def _chunks_done(job: Job) -> int:
    transcribed = (record for key, record in job.steps.items() if key.startswith(Stage.TRANSCRIBER))
    return sum(record.state is StepState.DONE for record in transcribed)


def _moment(job: Job) -> datetime:
    ends = [record.ended for record in job.steps.values() if record.state is StepState.DROPPED and record.ended]
    return max(ends, default=job.updated)


async def _late(campaign: Campaign, job: Job) -> list[str]:
    """Return what went on for longer than one segment, or began, after the job was cancelled."""
    moment, wrong = _moment(job), []
    patience = timedelta(seconds=SLOW_SECONDS + ORDER_SECONDS)
    async for row in campaign.jobs["history"].find({"job": job.id, "what": "stale"}):
        if row["at"] - moment > patience:
            wrong.append(f"{row['_id']} stopped {row['at'] - moment} after its job was cancelled")
        if row["started"] > moment:
            wrong.append(f"{row['_id']} began after its job was cancelled")
    return wrong


async def _unkept(load: Load, job: Job) -> list[str]:
    """Return what is wrong with the job's partial transcript: its chunks are those of a quiet run, and it says so."""
    store = MongoStore(load.campaign.jobs.client, load.campaign.jobs.name)
    made = (await store.outputs(job, [Stage.TRANSCRIBER]))[Stage.TRANSCRIBER]
    chunks = [output for output in made if isinstance(output, ChunkText)]
    left = partial(job, chunks)
    quiet = {segment["text"] for segment in load.campaign.expected[load.jobs[job.id]]["segments"]}
    heard = {segment.text for segment in left.segments}
    if len(chunks) == _chunks_done(job) and left.partial and heard <= quiet and bool(heard) == bool(chunks):
        return []
    return [f"{job.id} kept {len(chunks)} of {_chunks_done(job)} chunks, and they say {sorted(heard - quiet)}"]
