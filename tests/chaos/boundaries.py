"""Crashes at every boundary: a process dies before and after each write, publish and acknowledgement."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from shared.jobs.states import JobState
from shared.topology import CANCEL_KEY, Stage
from tests.chaos.books import Books, balance
from tests.chaos.campaign import Campaign, until
from tests.chaos.engines import SLOW
from tests.chaos.failpoints import NAMES
from tests.chaos.load import Load
from tests.chaos.recordings import TENANT

if TYPE_CHECKING:
    from tests.chaos.scenarios import Size

Expected = dict[str, JobState]

REACHED_SECONDS = 30.0
BEGUN_SECONDS = 0.8
"""By then a slow job is with its transcriber."""


async def usual(load: Load) -> Expected:
    """Submit a job whose publisher wants an answer."""
    await load.submit_one(reply_to="chaos.nobody")
    return {}


async def slow(load: Load) -> Expected:
    """Submit a job whose engine works for longer than a heartbeat."""
    await load.submit_one(hotwords=SLOW)
    return {}


async def broken(load: Load) -> Expected:
    """Submit a job whose engine fails until it is given up on."""
    return {await load.submit_one(hotwords="exception"): JobState.FAILED}


async def cancelled(load: Load) -> Expected:
    """Cancel a job in the middle of its work."""
    job = await load.submit_one(hotwords=SLOW)
    await asyncio.sleep(BEGUN_SECONDS)
    await load.publish(json.dumps({"id": job, "tenant": TENANT}).encode(), CANCEL_KEY)
    return {job: JobState.CANCELLED}


async def drained(load: Load) -> Expected:
    """Stop the transcribers in the middle of a step that takes longer than their grace."""
    await load.submit_one(hotwords="stuck")
    await asyncio.sleep(BEGUN_SECONDS)
    for pid in load.campaign.pids(Stage.TRANSCRIBER):
        load.campaign.kill(pid, signal.SIGTERM)
    return {}


# What makes a process come by; a usual job passes everything else.
PROVOKED: Mapping[str, Callable[[Load], Awaitable[Expected]]] = {
    "store.beat": slow,
    "store.drop_output": cancelled,
    "post.order": cancelled,
    "post.later": broken,
    "post.park": broken,
    "message.nack": drained,
}


async def boundaries(campaign: Campaign, size: "Size") -> Books:
    """Arm one failpoint after the other, make a process come by, and balance the books of all jobs under way."""
    load, expected, unreached = Load(campaign), Expected(), list[str]()
    stride = max(len(NAMES) // size.jobs, 1)
    for name in NAMES[::stride] * size.faults:
        campaign.failpoints.arm(name)
        expected |= await PROVOKED.get(name.partition(":")[0], usual)(load)
        try:
            await until(lambda: _reached(campaign), REACHED_SECONDS, f"a process came by {name}")
        except AssertionError as never:
            unreached.append(str(never))
            campaign.failpoints.disarm()
    await campaign.ready()
    books = await balance(load, 300, expected)
    books.wrong += unreached
    return books


async def _reached(campaign: Campaign) -> bool:
    return not campaign.failpoints.armed
