"""The scenarios: what is done to the mesh while it works, how much of it, and what must hold besides the books."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import accumulate, chain, repeat, takewhile
from typing import Any

from shared.jobs.states import JobState
from shared.topology import LADDER, Stage, work_queue
from tests.chaos import faults
from tests.chaos.books import Books, balance, open_at_most
from tests.chaos.boundaries import boundaries
from tests.chaos.campaign import Campaign, until
from tests.chaos.cancels import cancels
from tests.chaos.crashes import database, wiped
from tests.chaos.engines import SLOW
from tests.chaos.failpoints import NAMES
from tests.chaos.lanes import urgent
from tests.chaos.load import Load
from tests.chaos.notes import Notes
from tests.chaos.poisons import poison
from tests.chaos.recordings import TENANT
from tests.chaos.replays import replays
from tests.chaos.sleepers import sleepers

PATIENCE = 120.0
RECOVERY_SECONDS = 60.0
OUTAGE_SECONDS = 3_600
"""How long, by the ladder as it is in earnest, the webhooks' endpoint is down."""

BACKLOG = 30
"""Jobs that may be open when a fault and its lot of jobs come."""

LOT_SECONDS = 0.7
"""A fault comes this long after its lot of jobs at the latest: while they are at work."""


@dataclass(frozen=True)
class Size:
    """How many jobs, and how many faults among them."""

    jobs: int
    faults: int


Run = Callable[[Campaign, Size], Awaitable[Books]]


@dataclass(frozen=True)
class Scenario:
    """One row of the campaign's table."""

    number: int
    title: str
    small: Size
    full: Size
    run: Run


def under(fault: Callable[[Campaign], Awaitable[None]], **options: Any) -> Run:
    """Return what submits the jobs in as many lots as there are faults, one into each, and balances the books.

    All jobs must have ended within RECOVERY_SECONDS of the last fault. A lot waits until the backlog is small: what
    is measured is how the mesh recovers, not how long two cores take for all that was submitted while it was down.
    """

    async def run(campaign: Campaign, size: Size) -> Books:
        load, clock = Load(campaign), asyncio.get_running_loop().time
        for number in range(size.faults):
            lot = size.jobs * (number + 1) // size.faults - len(load.jobs)
            await open_at_most(campaign, load.jobs, BACKLOG, PATIENCE + size.jobs)
            submitting = asyncio.create_task(load.submit(lot, **options))
            await asyncio.sleep(campaign.random.random() * LOT_SECONDS)
            await fault(campaign)
            last = clock()
            await submitting
        await campaign.ready()
        restarted = clock() - last
        books = await balance(load, PATIENCE + size.jobs)
        books.recovery += restarted
        if books.recovery > RECOVERY_SECONDS:
            books.miss(f"all had ended {books.recovery:.0f} s after the last fault, not {RECOVERY_SECONDS:.0f}")
        return books

    return run


async def quiet(campaign: Campaign, size: Size) -> Books:
    """Let every recording be transcribed once without any fault: what all transcripts are compared with."""
    del size
    load = Load(campaign)
    for recording in campaign.recordings:
        await load.submit_one(recording)
    books = await balance(load, PATIENCE)
    campaign.usual |= campaign.memory()
    return books


async def alarm(campaign: Campaign, size: Size) -> Books:
    """Keep the broker without memory, then its queues full, for a while: publishing waits, nothing is given up on.

    Deliveries that are under way when the alarm comes publish nothing more: they are acked while it lasts.
    """
    load = Load(campaign)
    campaign.sink.answering.clear()
    await load.submit(size.jobs // 2)
    await until(lambda: _delivering(campaign), PATIENCE, "a webhook is being told")
    async with faults.memory_alarm(campaign):
        waiting = asyncio.create_task(load.submit(size.jobs - size.jobs // 2))
        campaign.sink.answering.set()
        await until(lambda: _delivered(campaign), RECOVERY_SECONDS, "acks go on while the broker takes nothing")
        await asyncio.sleep(size.faults)
    await waiting
    async with faults.full_queues(campaign):
        waiting = asyncio.create_task(load.submit(size.jobs // 2))
        await asyncio.sleep(size.faults / 2)
    await waiting
    return await balance(load, PATIENCE + size.jobs)


async def _delivering(campaign: Campaign) -> bool:
    return work_queue(Stage.NOTIFIER).name in await campaign.unsettled_messages()


async def _delivered(campaign: Campaign) -> bool:
    return not await _delivering(campaign)


async def twice(campaign: Campaign, size: Size) -> Books:
    """Submit every job twice and ask for every step twice, in another order."""
    switch = campaign.folder / "twice"
    switch.touch()
    load = Load(campaign, copies=2)
    await load.submit(size.jobs)
    try:
        return await balance(load, PATIENCE + size.jobs)
    finally:
        switch.unlink()


async def rolling(campaign: Campaign, size: Size) -> Books:
    """Restart every process in order, under load: nothing is lost, redone or given back, each gone in its grace."""
    load, notes = Load(campaign), Notes(campaign.folder)
    notes.begin()
    submitting = asyncio.create_task(load.submit(size.jobs))
    late = 0
    for _ in range(size.faults):
        for keeper in campaign.keepers():
            process = keeper.process
            if process is None or process.returncode is not None:
                continue
            process.terminate()
            try:
                async with asyncio.timeout(12):
                    await process.wait()
            except TimeoutError:
                late += 1
        await campaign.ready()
    await submitting
    books = await balance(load, PATIENCE + size.jobs)
    if late:
        books.miss(f"{late} processes were not gone within their grace")
    asked = {"job": {"$in": list(load.jobs)}, "what": {"$in": ["lost", "again", "stale", "left"]}}
    redone = await campaign.jobs["history"].find(asked).to_list(None)
    books.wrong += [f"{row['_id']}: {row['reason']}" for row in redone] + notes.bounced()
    notes.end()
    return books


async def storage(campaign: Campaign, size: Size) -> Books:
    """Fill the disk for a while, lose an upload, keep webhooks from answering: late, or failed with a clear reason."""
    load = Load(campaign)
    missing = await load.submit_one(f"uploads/{TENANT}/never-there.wav")
    async with faults.full_disk(campaign, Stage.DOWNLOADER):
        kept = await load.submit(size.jobs)
        await until(lambda: _tried_again(campaign, kept), PATIENCE, "the downloader found no room")
    campaign.sink.refusals = refusals(OUTAGE_SECONDS)
    try:
        await load.submit(size.jobs)
        books = await balance(load, PATIENCE + size.jobs, {missing: JobState.FAILED})
    finally:
        campaign.sink.refusals = 0
    row = await campaign.jobs["jobs"].find_one({"_id": missing})
    if "never-there.wav" not in (row["error"] or ""):
        books.miss(f"the error of a missing object does not name it: {row['error']}")
    return books


async def _tried_again(campaign: Campaign, jobs: list[str]) -> bool:
    return bool(await campaign.jobs["history"].find_one({"job": {"$in": jobs}, "what": "again"}))


def refusals(outage: float) -> int:
    """Return how often the ladder as it is in earnest tries in vain in an outage of so many seconds."""
    pauses = chain((rung.seconds for rung in LADDER), repeat(LADDER[-1].seconds))
    return 1 + sum(1 for _ in takewhile(lambda at: at < outage, accumulate(pauses)))


SCENARIOS = (
    Scenario(0, "quiet", Size(0, 0), Size(0, 0), quiet),
    Scenario(1, "kill -9 of services", Size(30, 8), Size(1_000, 100), under(faults.kill_a_service)),
    Scenario(2, "kill -9 of the broker", Size(15, 1), Size(500, 10), under(faults.crash_the_broker)),
    Scenario(3, "connections closed", Size(20, 10), Size(500, 200), under(faults.close_a_connection, hotwords=SLOW)),
    Scenario(4, "kill -9 of the database", Size(15, 2), Size(500, 10), database),
    Scenario(5, "network slow, cut, half-open", Size(15, 3), Size(500, 50), under(faults.disturb_the_network)),
    Scenario(6, "a worker sleeps past its heartbeat", Size(6, 1), Size(400, 100), sleepers),
    Scenario(7, "memory alarm, full queues", Size(10, 5), Size(500, 60), alarm),
    Scenario(8, "everything twice and shuffled", Size(20, 0), Size(1_000, 0), twice),
    Scenario(9, "poison", Size(4, 1), Size(320, 20), poison),
    Scenario(10, "broker wiped", Size(15, 1), Size(200, 1), wiped),
    Scenario(11, "rolling restart", Size(15, 1), Size(500, 10), rolling),
    Scenario(12, "cancel at random moments", Size(12, 0), Size(300, 0), cancels),
    Scenario(13, "crash at every boundary", Size(8, 1), Size(len(NAMES), 20), boundaries),
    Scenario(14, "urgent over a flood", Size(40, 4), Size(1_000, 50), urgent),
    Scenario(15, "dead letters replayed twice", Size(20, 2), Size(500, 2), replays),
    Scenario(16, "storage full or gone, webhook down", Size(3, 3), Size(100, 3), storage),
)
