"""Replaying many dead letters, more than once at the same time: each job completes once."""

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aio_pika

from services.gateway.dead_letter_office import DeadLetterOffice
from services.gateway.letters import SCAN, DeadLetters, Wanted
from shared.jobs.mongo import MongoStore, connect
from shared.mesh.post import AmqpPost
from shared.topology import Stage
from tests.chaos.books import Books, balance, ended
from tests.chaos.campaign import Campaign
from tests.chaos.load import Load
from tests.chaos.recordings import TENANT

if TYPE_CHECKING:
    from tests.chaos.scenarios import Size

LATE = Wanted(stage=Stage.DOWNLOADER, tenant=TENANT, reason="late-")


async def replays(campaign: Campaign, size: "Size") -> Books:
    """Fail jobs whose uploads are not there, bring the uploads, and replay the dead letters several times at once."""
    load, first = Load(campaign), campaign.recordings[0]
    for number in range(size.jobs):
        told = [{"url": campaign.sink.url, "events": ["completed"]}]
        await load.submit_one(f"uploads/{TENANT}/late-{number}.wav", webhooks=told)
    await ended(campaign, load.jobs, 60 + size.jobs)
    recording = await campaign.blobs.get(first)
    for key in load.jobs.values():
        await campaign.blobs.put(key, recording)
        campaign.expected[key] = campaign.expected[first]
    async with AsyncExitStack() as opened:
        offices = [await _office(campaign, opened) for _ in range(size.faults)]
        done = await asyncio.gather(*(each.replay(LATE, SCAN, dry_run=False) for each in offices))
        books = await balance(load, 60 + size.jobs, ends=2)
        second = await offices[0].replay(LATE, SCAN, dry_run=False)
    replayed = [each for some in done for each in some if each.said == "replayed"]
    if len(replayed) != size.jobs or second:
        books.miss(f"{len(replayed)} letters were replayed, not {size.jobs}, and {len(second)} a second time")
    return books


async def _office(campaign: Campaign, opened: AsyncExitStack) -> DeadLetterOffice:
    connection = await opened.enter_async_context(await aio_pika.connect_robust(campaign.broker.url))
    post = await opened.enter_async_context(AmqpPost(campaign.broker.url))
    client = connect(campaign.database.url)
    opened.callback(client.close)
    return DeadLetterOffice(DeadLetters(connection), MongoStore(client, "scribe"), post, 4)
