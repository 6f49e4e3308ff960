"""Poison among healthy jobs: it is parked with a diagnosis, and the others hardly notice."""

from datetime import datetime
from typing import TYPE_CHECKING

from shared.jobs.states import JobState
from shared.topology import Stage, dead_queue
from tests.chaos.books import Books, balance, ended
from tests.chaos.campaign import Campaign
from tests.chaos.engines import SLOW
from tests.chaos.load import Load

if TYPE_CHECKING:
    from tests.chaos.scenarios import Size

PATIENCE = 120.0
ROUND_SECONDS = 120.0
"""How long all attempts at one round's poisons may take, restarts included."""

KINDS = ("exception", "out of memory", "segfault", "hang")
BAD = (b"{not json", b'{"id": 17, "colour": "red"}')

RUNG_MS = 5_000
"""A rung of the ladder: long enough that what failed comes back behind all that waited already, as in earnest."""

QUIET_ROUNDS = 3
MANY = 100
"""Of fewer jobs the 95th percentile is the slowest one, which says little."""


async def poison(campaign: Campaign, size: "Size") -> Books:
    """Send what breaks intake or the engine, round after round, each with its lot of healthy jobs behind it."""
    load, before, lot = Load(campaign), await parked(campaign), size.jobs // size.faults
    quiet = list[float]()
    if size.jobs >= MANY:
        quiet = await _quiet(campaign, lot)
        await campaign.shorten_ladder(RUNG_MS)
    healthy, poisoned = list[str](), list[str]()
    for _ in range(size.faults):
        for body in BAD:
            await load.publish(body)
        poisoned += [await load.submit_one(campaign.recordings[0], hotwords=kind) for kind in KINDS]
        healthy += await _lot(load, lot)
        await ended(campaign, load.jobs, ROUND_SECONDS + 2 * lot)
    books = await balance(load, PATIENCE, dict.fromkeys(poisoned, JobState.FAILED))
    await campaign.shorten_ladder()
    books.wrong += _diagnosed(before, await parked(campaign), size.faults)
    if quiet:
        books.wrong += _slowed(quiet, await _durations(campaign, healthy))
    return books


async def _lot(load: Load, jobs: int) -> list[str]:
    recording = load.campaign.recordings[0]
    return [await load.submit_one(recording, hotwords=SLOW) for _ in range(jobs)]


async def _quiet(campaign: Campaign, lot: int) -> list[float]:
    load = Load(campaign)
    for _ in range(QUIET_ROUNDS):
        await _lot(load, lot)
        await ended(campaign, load.jobs, PATIENCE)
    return await _durations(campaign, list(load.jobs))


async def _durations(campaign: Campaign, jobs: list[str]) -> list[float]:
    """Return the seconds from each job's acceptance to its transcript, the shortest first."""
    rows = await campaign.jobs["jobs"].find({"_id": {"$in": jobs}}, {"created": 1, "steps": 1}).to_list(None)
    ends: list[tuple[datetime, datetime]] = [(row["created"], row["steps"]["enhancer-0"]["ended"]) for row in rows]
    return sorted((end - created).total_seconds() for created, end in ends)


def _slowed(quiet: list[float], among: list[float]) -> list[str]:
    usual, slowed = (times[int(0.95 * (len(times) - 1))] for times in (quiet, among))
    late = slowed >= 2 * usual
    return [f"p95 of the other jobs was {slowed:.1f} s; {usual:.1f} s without poison"] if late else []


def _diagnosed(before: dict[Stage, int], after: dict[Stage, int], rounds: int) -> list[str]:
    counts = {stage: after[stage] - before[stage] for stage in (Stage.INTAKE, Stage.TRANSCRIBER)}
    expected = {Stage.INTAKE: len(BAD) * rounds, Stage.TRANSCRIBER: len(KINDS) * rounds}
    return [
        f"the {stage} parked {counts[stage]} messages, not {expected[stage]}"
        for stage in expected
        if counts[stage] != expected[stage]
    ]


async def parked(campaign: Campaign) -> dict[Stage, int]:
    """Return how many dead letters each stage has."""
    async with campaign.channel() as channel:
        queues = {stage: await channel.declare_queue(dead_queue(stage).name, passive=True) for stage in Stage}
    return {stage: queue.declaration_result.message_count or 0 for stage, queue in queues.items()}
