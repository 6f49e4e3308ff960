"""What a job costs while others wait, with stages that do nothing: intake takes all first, then the others start.

Run as a process of its own (`python -m tests.bench.backlog`): the figures are printed as JSON. The seconds of a job are
its share of what intake took for all, and its share of the time in which the stages behind intake did a part of their
steps. They are counted in steps, because the first of these stages runs ahead of the others where more jobs wait.
"""

import argparse
import asyncio
import logging
import time
from contextlib import AsyncExitStack

import uvloop
from faststream import FastStream

from shared.mesh.post import AmqpPost
from shared.settings import Settings
from tests.bench.drained import Drained, resident
from tests.bench.noop_jobs import OUTPUTS, Counted, WorkedOff, queue_jobs
from tests.bench.noop_mesh import Commands, database
from tests.bench.one_process import Mesh

MOST_JOBS = 100
"""So many have ended at the end of a drain, however many more wait."""


async def work_off(settings: Settings, queued: int, pids: list[int]) -> Drained:
    """Return the figures of a part of the jobs queued, over MongoDB."""
    await queue_jobs(settings.amqp_url, queued)
    commands, done = Commands(), WorkedOff(Counted(queued), Counted(min(queued, MOST_JOBS)))
    store, upkeep = await database(settings, commands)
    async with AsyncExitStack() as opened:
        post = await opened.enter_async_context(AmqpPost(settings.amqp_url))
        *stages, intake = Mesh(settings, store, upkeep, post, done).apps()
        began, used = time.perf_counter(), time.process_time()
        await _started(intake, opened)
        await done.accepted.all.wait()
        accepting, began = (time.perf_counter() - began) / queued, time.perf_counter()
        for app in stages:
            await _started(app, opened)
        await done.ended.all.wait()
        jobs, took = done.steps / len(OUTPUTS), time.perf_counter() - began
        used = time.process_time() - used
        return Drained(round(jobs), jobs * accepting + took, used, commands.sent, resident(pids))


async def _started(app: FastStream, opened: AsyncExitStack) -> None:
    await app.start()
    opened.push_async_callback(app.stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queued", type=int, required=True)
    parser.add_argument("--pids", type=int, nargs="*", default=[])
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(work_off(Settings(), asked.queued, asked.pids))
        print(figures.as_json())  # noqa: T201 - what the bench reads
