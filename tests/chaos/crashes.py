"""Crashes of what the services stand on: the database and the broker, with their disks and without."""

import asyncio
from typing import TYPE_CHECKING

from tests.chaos import faults
from tests.chaos.books import Books, balance
from tests.chaos.campaign import Campaign, until
from tests.chaos.engines import SLOW
from tests.chaos.load import Load
from tests.chaos.notes import Notes

if TYPE_CHECKING:
    from tests.chaos.scenarios import Size

STORED_SECONDS = BACK_SECONDS = 60.0
LOT_SECONDS = 1.5
PATIENCE = 120.0
SLOWNESS = 4.0
"""Seconds that a slow job may cost at the most: two transcribers share them."""


async def wiped(campaign: Campaign, size: "Size") -> Books:
    """Wipe the broker while jobs are in flight: the database knows them all, and that is enough.

    A message that intake has not taken yet lies on the broker's disk alone, and goes with it: whoever submits over
    AMQP and must outlive that disk waits for the reply, or for `accepted`.
    """
    load = Load(campaign)
    jobs = await load.submit(size.jobs, hotwords=SLOW)

    async def stored() -> bool:
        return bool(await campaign.jobs["jobs"].count_documents({"_id": {"$in": jobs}}) == len(jobs))

    await until(stored, STORED_SECONDS, "every job is in the database")
    await faults.wipe_the_broker(campaign)
    await campaign.ready()
    books = await balance(load, PATIENCE + SLOWNESS * size.jobs, heard=False)
    await until(campaign.listening, BACK_SECONDS, "the campaign's own ears are back")
    return books


async def database(campaign: Campaign, size: "Size") -> Books:
    """Kill the database again and again: what it has confirmed it still has, so no step is acked that it forgot."""
    load, notes, forgotten = Load(campaign), Notes(campaign.folder), list[str]()
    notes.begin()
    for number in range(size.faults):
        lot = size.jobs * (number + 1) // size.faults - len(load.jobs)
        submitting = asyncio.create_task(load.submit(lot))
        await asyncio.sleep(campaign.random.random() * LOT_SECONDS)
        await campaign.database.kill()
        confirmed = notes.revisions()
        await campaign.database.start()
        forgotten += await _behind(campaign, confirmed)
        await submitting
    notes.end()
    await campaign.ready()
    books = await balance(load, PATIENCE + size.jobs)
    books.wrong += [f"the database forgot what it had confirmed of {job}" for job in forgotten]
    return books


async def _behind(campaign: Campaign, confirmed: dict[str, int]) -> list[str]:
    rows = campaign.jobs["jobs"].find({"_id": {"$in": list(confirmed)}}, {"revision": 1})
    stored = {row["_id"]: row["revision"] async for row in rows}
    return [job for job, revision in confirmed.items() if stored.get(job, -1) < revision]
