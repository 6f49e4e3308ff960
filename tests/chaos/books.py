"""The books: after the faults, every job is asked for, and everything that was said about it is counted."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import PyMongoError

from shared.jobs.document import Job
from shared.jobs.rows import to_job
from shared.jobs.states import TERMINAL, JobState
from shared.topology import Happening
from tests.chaos.campaign import Campaign, until
from tests.chaos.load import Load

VARYING = {"job", "timings", "metadata"}
GROWTH_MEGABYTES = 96
"""Resident memory that a process may keep more of than after the quiet run: caches, pools, a larger recording."""

ENDS = {Happening.COMPLETED, Happening.FAILED, Happening.CANCELLED}


@dataclass
class Books:
    """What was found: jobs lost, effects and deliveries that happened twice, and in words what is amiss."""

    jobs: int
    recovery: float = 0.0
    lost: int = 0
    duplicate_effects: int = 0
    duplicate_deliveries: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.duplicate_effects or self.wrong)

    def miss(self, wrong: str) -> None:
        """Write down something else that is wrong."""
        self.wrong.append(wrong)


async def ended(campaign: Campaign, jobs: Collection[str], seconds: float) -> float:
    """Wait until all jobs have ended and return how long that took."""
    return await open_at_most(campaign, jobs, 0, seconds)


async def open_at_most(campaign: Campaign, jobs: Collection[str], count: int, seconds: float) -> float:
    """Wait until no more than so many of the jobs have still to end and return how long that took."""
    left = set(jobs)

    async def few() -> bool:
        asked = {"_id": {"$in": list(left)}, "state": {"$in": sorted(map(str, TERMINAL))}}
        try:
            rows = await campaign.jobs["jobs"].find(asked, {"_id": 1}).to_list(None)
        except PyMongoError:
            return False  # the database is what the scenario has taken away
        left.difference_update(row["_id"] for row in rows)
        return len(left) <= count

    return await until(few, seconds, f"all but {count} of {len(jobs)} jobs ended")


async def balance(
    load: Load, seconds: float, expect: Mapping[str, JobState] | None = None, *, heard: bool = True, ends: int = 1
) -> Books:
    """Return the books of the load once all has ended, been told and come to rest, within the seconds.

    `expect` names the jobs that may end otherwise than completed. Without `heard` the events themselves are not
    counted: the broker has lost the queue in which they were. A job that was replayed has more than one of its `ends`.
    """
    campaign, books = load.campaign, Books(len(load.jobs))
    books.recovery = await _told(load, seconds)
    await ended(campaign, load.jobs, seconds)
    await until(lambda: _at_rest(campaign), seconds, "every queue is empty and nothing is unacked")
    rows = await campaign.jobs["jobs"].find({"_id": {"$in": list(load.jobs)}}).to_list(None)
    for job in map(to_job, rows):
        await _check(campaign, load, job, (expect or {}).get(job.id, JobState.COMPLETED), books)
        if heard:
            _check_events(campaign, job, books, ends)
    for name, size in campaign.memory().items():
        if size > campaign.usual.get(name, size) + GROWTH_MEGABYTES:
            books.miss(f"{name} holds {size} MB; after the quiet run it held {campaign.usual[name]}")
    violations = campaign.folder / "violations"
    if violations.exists():
        books.wrong += violations.read_text().splitlines()
        violations.unlink()
    return books


async def _told(load: Load, seconds: float) -> float:
    sink = load.campaign.sink

    async def all_told() -> bool:
        return all(sink.told[job] for job in load.jobs)

    return await until(all_told, seconds, "every job's webhook was told of its end")


async def _at_rest(campaign: Campaign) -> bool:
    return not await campaign.unsettled_messages()


async def _check(campaign: Campaign, load: Load, job: Job, expected: JobState, books: Books) -> None:
    if job.state is not expected:
        books.lost += 1
        books.miss(f"{job.id} is {job.state}, not {expected}: {job.error}")
    if job.outbox:
        books.miss(f"{job.id} has events that were never published")
    told = campaign.sink.told[job.id]
    books.duplicate_effects += len(told) - 1
    books.duplicate_deliveries += told.total() - len(told)
    if job.state is JobState.COMPLETED and job.facts.transcript:
        recording = load.jobs[job.id]
        made = _without_varying(await campaign.blobs.get(job.facts.transcript))
        quiet = campaign.expected.setdefault(recording, made)
        other = [name for name in made if json.dumps(made[name]) != json.dumps(quiet[name])]
        if other:
            books.lost += 1
            books.miss(f"{job.id}: {other} of {recording} are not those of a quiet run: {job.warnings}")


def _check_events(campaign: Campaign, job: Job, books: Books, ends: int) -> None:
    facts = campaign.ears.facts[job.id]
    numbers = sorted(sequence for sequence, _ in facts)
    books.duplicate_deliveries += facts.total() - len(facts)
    if numbers != list(range(1, job.sequence + 1)):
        books.miss(f"{job.id}: its events are numbered {numbers}, of {job.sequence}")
    books.duplicate_effects += sum(happening in ENDS for _, happening in facts) - ends


def _without_varying(transcript: bytes) -> dict[str, Any]:
    return {name: value for name, value in json.loads(transcript).items() if name not in VARYING}
