"""Workers that sleep past their heartbeat: another takes over, and what the sleeper still wants to commit is stale."""

import signal
from typing import TYPE_CHECKING

from shared.topology import Stage
from tests.chaos.books import Books, balance
from tests.chaos.campaign import Campaign, until
from tests.chaos.engines import SLOW_VOICES
from tests.chaos.load import Load

if TYPE_CHECKING:
    from tests.chaos.scenarios import Size

STEP = f"{Stage.DIARIZER}-0"
"""The diarizer has no limit of time in the campaign: a sleeper whose step had outlived one would end, not commit."""

HELD_SECONDS = 60.0
TAKEN_SECONDS = 60.0
PATIENCE = 120.0


async def sleepers(campaign: Campaign, size: "Size") -> Books:
    """Stop a diarizer in the middle of a step until another has done it, and let it go on: its commit is discarded."""
    load, slept = Load(campaign), dict[str, str]()
    for number in range(size.faults):
        job = await load.submit_one(max_speakers=SLOW_VOICES)
        await load.submit(size.jobs * (number + 1) // size.faults - len(load.jobs))
        slept[job] = await _put_to_sleep(campaign, job)
    await campaign.ready()
    books = await balance(load, PATIENCE + size.jobs)
    for job, sleeper in slept.items():
        books.wrong += await _amiss(campaign, job, sleeper)
    return books


async def _put_to_sleep(campaign: Campaign, job: str) -> str:
    """Return the name of the worker that slept while another did its step."""

    async def held() -> bool:
        return (await _record(campaign, job)).get("state") == "running"

    async def taken() -> bool:
        return (await _record(campaign, job)).get("state") == "done"

    await until(held, HELD_SECONDS, f"a diarizer holds {job}")
    sleeper = str((await _record(campaign, job))["worker"])
    pid = int(sleeper.split(":")[1])
    if pid not in campaign.pids(Stage.DIARIZER):
        raise AssertionError(f"{sleeper} is no diarizer of this campaign")
    campaign.kill(pid, signal.SIGSTOP)
    try:
        await until(taken, TAKEN_SECONDS, f"another diarizer has done {job}")
    finally:
        campaign.kill(pid, signal.SIGCONT)
    return sleeper


async def _record(campaign: Campaign, job: str) -> dict[str, object]:
    row = await campaign.jobs["jobs"].find_one({"_id": job}, {"steps": 1})
    found: dict[str, object] = row["steps"].get(STEP, {}) if row else {}
    return found


async def _amiss(campaign: Campaign, job: str, sleeper: str) -> list[str]:
    record = await _record(campaign, job)

    async def discarded() -> bool:
        stale = {"job": job, "stage": Stage.DIARIZER, "what": "stale", "worker": sleeper}
        return bool(await campaign.jobs["history"].find_one(stale))

    try:
        await until(discarded, PATIENCE, f"what {sleeper} made of {job} is discarded")
    except AssertionError as never:
        return [str(never)]
    return [f"{job} has what {sleeper} made in its sleep"] if record["worker"] == sleeper else []
