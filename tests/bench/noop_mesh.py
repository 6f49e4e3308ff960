"""All stages in one process, over a real broker, each doing nothing: what is left is the mesh's own cost.

Run as a process of its own (`python -m tests.bench.noop_mesh`, an event loop as `faststream run` gives a service): jobs
are queued first, then the stages start, intake last; the figures of the drain are printed as JSON.
"""

import argparse
import asyncio
import logging
import time
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from pymongo import monitoring

from shared.jobs.mongo import MongoStore, connect
from shared.jobs.mongo_upkeep import MongoUpkeep
from shared.mesh.post import AmqpPost
from shared.settings import Settings
from tests.bench.drained import Drained, resident
from tests.bench.noop_jobs import Counted, WorkedOff, queue_jobs
from tests.bench.one_process import Mesh, NobodyWaits
from tests.fakes.store import MemoryStore


class Commands(monitoring.CommandListener):
    """Counts what is sent to the database."""

    def __init__(self) -> None:
        self.sent = 0

    def started(self, event: Any) -> None:
        """Count a command."""
        del event
        self.sent += 1

    def succeeded(self, event: Any) -> None:
        """Nothing more to count."""

    def failed(self, event: Any) -> None:
        """Nothing more to count."""


async def drain(settings: Settings, jobs: int, *, durable: bool) -> Drained:
    """Return the figures of jobs that went through the stages; `durable` is over MongoDB."""
    await queue_jobs(settings.amqp_url, jobs)
    commands, done = Commands(), WorkedOff(Counted(jobs), Counted(jobs))
    async with AsyncExitStack() as opened:
        store, upkeep = await database(settings, commands) if durable else _memory()
        post = await opened.enter_async_context(AmqpPost(settings.amqp_url))
        before = commands.sent
        for app in Mesh(settings, store, upkeep, post, done).apps():
            began, used = time.perf_counter(), time.process_time()
            await app.start()
            opened.push_async_callback(app.stop)
        await done.ended.all.wait()
        took, cpu = time.perf_counter() - began, time.process_time() - used
        return Drained(jobs, took, cpu, commands.sent - before, resident(()))


def _memory() -> tuple[Any, Any]:
    return MemoryStore(), NobodyWaits()


async def database(settings: Settings, commands: Commands) -> tuple[Any, Any]:
    """Return the store and the upkeep over MongoDB, ready, their commands counted."""
    monitoring.register(commands)
    client = connect(settings.mongo_url)
    store, upkeep = MongoStore(client, settings.mongo_database), MongoUpkeep(client, settings.mongo_database)
    await store.prepare()
    await upkeep.prepare()
    return store, upkeep


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--durable", action="store_true")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        drained = drain(Settings(), asked.jobs, durable=asked.durable)
        print(runner.run(drained).as_json())  # noqa: T201 - what the bench reads
