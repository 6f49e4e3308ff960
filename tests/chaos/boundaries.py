"""Crashes at every boundary: a process dies before and after each write, publish and acknowledgement."""

import json
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.clock import now
from shared.jobs.rows import to_job
from shared.jobs.states import TERMINAL, JobState
from shared.topology import CANCEL_KEY, Stage
from tests.chaos.books import Books, balance, ended
from tests.chaos.campaign import Campaign, until
from tests.chaos.engines import SLOW
from tests.chaos.failpoints import ANNOUNCING, NAMES
from tests.chaos.load import Load
from tests.chaos.recordings import TENANT

if TYPE_CHECKING:
    from tests.chaos.scenarios import Size

Expected = dict[str, JobState]

REACHED_SECONDS = 60.0
MOST_TRIES = 3
"""Attempts of a step after which it is spared until it is done: five crashes would make a poison of it."""

BEGUN_SECONDS = 120.0
"""By then the jobs before are out of the downloader's way: each crash there makes some wait, and be worked on alone."""

GIVEN_UP_SECONDS = 45.0
"""By then an operation on a database that does not answer has run into its 30 s, or found no server sooner."""


async def usual(load: Load) -> Expected:
    """Submit a job whose publisher wants an answer."""
    await load.submit_one(reply_to="chaos.nobody")
    return {}


async def long(load: Load) -> Expected:
    """Submit a job whose outputs are too large for its document, and whose chunks are announced."""
    await load.submit_one(load.campaign.recordings[-1])
    return {}


async def slow(load: Load) -> Expected:
    """Submit a job whose engine works for longer than a heartbeat."""
    await load.submit_one(hotwords=SLOW)
    return {}


async def broken(load: Load) -> Expected:
    """Submit a job whose engine fails until it is given up on."""
    return {await load.submit_one(hotwords="exception"): JobState.FAILED}


async def cancelled(load: Load) -> Expected:
    """Cancel a job in the middle of its work, which takes several times as long as a cancel does."""
    await load.campaign.ready()  # an intake that is just starting would hear of the cancel when the job has ended
    job = await load.submit_one(load.campaign.recordings[-1], hotwords=SLOW)
    await _begun(load.campaign, job)
    await load.publish(json.dumps({"id": job, "tenant": TENANT}).encode(), CANCEL_KEY)
    return {job: JobState.CANCELLED}


async def drained(load: Load) -> Expected:
    """Stop the transcribers in the middle of a step that takes longer than their grace."""
    await _begun(load.campaign, await load.submit_one(hotwords="stuck"))
    for pid in load.campaign.pids(Stage.TRANSCRIBER):
        load.campaign.kill(pid, signal.SIGTERM)
    return {}


async def forgotten(load: Load) -> Expected:
    """Let a job that is not in the books end, and its time to be kept be over."""
    campaign, other = load.campaign, Load(load.campaign)
    await campaign.ready()  # it is intake that forgets
    # What is forgotten takes its recording along, which the jobs of the books need.
    own = f"uploads/{TENANT}/{uuid4()}.wav"
    await campaign.blobs.put(own, await campaign.blobs.get(campaign.recordings[0]))
    job = await other.submit_one(own)
    await ended(campaign, other.jobs, REACHED_SECONDS)
    await campaign.jobs["jobs"].update_one({"_id": job}, {"$set": {"expires": now() - timedelta(days=1)}})
    return {}


async def unread(load: Load) -> Expected:
    """Submit a job that intake cannot store, until its message is sent up the ladder."""
    await load.campaign.ready()  # one that is just starting would not start without its database
    proxy = load.campaign.to_database
    proxy.half_open()
    proxy.reset()
    try:
        await load.submit_one()
        # The driver gives up looking for the database first, twice.
        await until(lambda: _reached(load.campaign), GIVEN_UP_SECONDS, "intake gave up on the database")
    finally:
        proxy.heal()
    return {}


# What makes a process come by; a usual job passes everything else.
PROVOKED: Mapping[str, Callable[[Load], Awaitable[Expected]]] = {
    "store.beat": slow,
    "store.put_output": long,
    "store.drop_output": cancelled,
    "store.remember": broken,
    "upkeep.alone": forgotten,
    "upkeep.forget": forgotten,
    "post.order": cancelled,
    "post.resend": unread,
    "post.later": broken,
    "post.park": broken,
    "message.nack": drained,
    **dict.fromkeys(ANNOUNCING, long),
}


async def boundaries(campaign: Campaign, size: "Size") -> Books:
    """Arm one failpoint after the other, make a process come by, and balance the books of all jobs under way."""
    load, expected, unreached = Load(campaign), Expected(), list[str]()
    stride = max(len(NAMES) // size.jobs, 1)
    for name in NAMES[::stride] * size.faults:
        try:
            await until(lambda: _spared(load), BEGUN_SECONDS, f"no step is near its last attempt before {name}")
            campaign.failpoints.arm(name)
            expected |= await PROVOKED.get(name.partition(":")[0], usual)(load)
            await until(lambda: _reached(campaign), REACHED_SECONDS, f"a process came by {name}")
        except AssertionError as never:
            unreached.append(str(never))
            campaign.failpoints.disarm()
    await campaign.ready()
    books = await balance(load, 300, expected)
    books.wrong += unreached
    return books


async def _begun(campaign: Campaign, job: str) -> None:
    at_work = {"_id": job, "steps.transcriber-0.state": "running"}

    async def begun() -> bool:
        return bool(await campaign.jobs["jobs"].count_documents(at_work))

    await until(begun, BEGUN_SECONDS, f"{job} is with its transcriber")


async def _spared(load: Load) -> bool:
    asked = {"_id": {"$in": list(load.jobs)}, "state": {"$nin": sorted(map(str, TERMINAL))}}
    rows = await load.campaign.jobs["jobs"].find(asked).to_list(None)
    return all(record.over or record.tries < MOST_TRIES for row in rows for record in to_job(row).steps.values())


async def _reached(campaign: Campaign) -> bool:
    return not campaign.failpoints.armed
