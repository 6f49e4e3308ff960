"""Urgent jobs over a flood: they wait for what is being worked on and no longer, and the flood goes on."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.chaos.books import Books, balance
from tests.chaos.campaign import Campaign
from tests.chaos.engines import SLOW
from tests.chaos.load import Load

if TYPE_CHECKING:
    from tests.chaos.scenarios import Size

PATIENCE = 120.0
SLOWNESS = 2.0
APART_SECONDS = 0.7
PASSING_SECONDS = 0.5
"""What a message takes from one process to the next on a busy machine, besides the waiting."""


async def urgent(campaign: Campaign, size: "Size") -> Books:
    """Submit urgent jobs over a flood of slow background ones: each waits for one chunk at the most."""
    load, recording = Load(campaign), campaign.recordings[0]
    for _ in range(size.jobs):
        await load.submit_one(recording, hotwords=SLOW, priority="background")
    hurried = []
    for _ in range(size.faults):
        await asyncio.sleep(campaign.random.random() * APART_SECONDS)
        hurried.append(await load.submit_one(recording, priority="urgent"))
    books = await balance(load, PATIENCE + SLOWNESS * size.jobs)
    rows = await campaign.jobs["jobs"].find({"_id": {"$in": list(load.jobs)}}, {"steps": 1}).to_list(None)
    chunks = {row["_id"]: row["steps"]["transcriber-0"] for row in rows}
    books.wrong += _waited(chunks, hurried) + _stood_still(chunks, hurried)
    return books


def _waited(chunks: dict[str, dict[str, Any]], hurried: list[str]) -> list[str]:
    longest = max((step["ended"] - step["started"]).total_seconds() for step in chunks.values())
    waits = sorted((chunks[job]["started"] - chunks[job]["queued"]).total_seconds() for job in hurried)
    wait = waits[int(0.95 * (len(waits) - 1))]
    late = wait > longest + PASSING_SECONDS
    return [f"urgent jobs waited {wait:.2f} s; the longest chunk took {longest:.2f} s"] if late else []


def _stood_still(chunks: dict[str, dict[str, Any]], hurried: list[str]) -> list[str]:
    """Return a complaint unless background chunks both ended while urgent ones came and were still to do after."""
    first: datetime = min(chunks[job]["queued"] for job in hurried)
    last: datetime = max(chunks[job]["ended"] for job in hurried)
    background = [chunk for job, chunk in chunks.items() if job not in hurried]
    if not any(chunk["started"] > last for chunk in background):
        return ["there was no flood left when the last urgent job was done"]
    went_on = any(first < chunk["ended"] < last for chunk in background)
    return [] if went_on else ["no background chunk was done while urgent jobs came"]
