"""Crashes of what the services stand on: the database and the broker, with their disks and without."""

from typing import TYPE_CHECKING

from tests.chaos import faults
from tests.chaos.books import Books, balance
from tests.chaos.campaign import Campaign, until
from tests.chaos.engines import SLOW
from tests.chaos.load import Load

if TYPE_CHECKING:
    from tests.chaos.scenarios import Size

STORED_SECONDS = 60.0
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
    return await balance(load, PATIENCE + SLOWNESS * size.jobs, heard=False)
