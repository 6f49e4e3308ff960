"""All stages in one process, over a real broker, each doing nothing: what is left is the mesh's own cost.

Run as a process of its own (`python -m tests.bench.noop_mesh`, an event loop as `faststream run` gives a service): jobs
are queued first, then the stages start, intake last; the figures of the drain are printed as JSON.
"""

import argparse
import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aio_pika
import uvloop
from faststream import FastStream
from pymongo import monitoring

from services.intake.admission import Admission, Limits
from services.intake.desk import Desk
from shared.blobs import ObjectStore
from shared.jobs.document import Job
from shared.jobs.mongo import MongoStore, connect
from shared.jobs.mongo_upkeep import MongoUpkeep
from shared.mesh.appetite import Appetite
from shared.mesh.declare import declare
from shared.mesh.post import AmqpPost
from shared.mesh.serve import Parts, Subscription, serve
from shared.mesh.stage import steps
from shared.mesh.work import Work
from shared.settings import Settings, worker_name
from shared.topology import ENDED_QUEUE, JOBS, SUBMIT_KEY, Lane, Stage, work_queue
from shared.transcript import Delivered, Output
from tests.bench.drained import Drained, purged, resident
from tests.fakes.intake import Sealed
from tests.fakes.jobs import chunk_text, diarization, prepared, published
from tests.fakes.store import MemoryStore

UNCONFIRMED = 500
HOOK = "http://127.0.0.1/hook"
ROOM = Limits(1_000_000, 1_000_000)
ASKED = {"source": {"object": "uploads/default/noop.wav"}, "webhooks": [{"url": HOOK}]}

OUTPUTS: dict[Stage, Output] = {
    Stage.DOWNLOADER: prepared(1),
    Stage.TRANSCRIBER: chunk_text(0),
    Stage.DIARIZER: diarization(),
    Stage.ENHANCER: published(),
    Stage.NOTIFIER: Delivered(url=HOOK, status=200),
}


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


@dataclass
class Ended:
    """How many jobs have come through their last stage; `all` is set with the last of them."""

    wanted: int
    count: int = 0
    all: asyncio.Event = field(default_factory=asyncio.Event)

    async def do(self, work: Work) -> Output:
        """Do nothing, and count a job whose webhook was told."""
        if work.step.stage is Stage.NOTIFIER:
            self.count += 1
            if self.count == self.wanted:
                self.all.set()
        return OUTPUTS[work.step.stage]


@dataclass
class OneProcess(Parts):
    """The parts of one stage that shares its process, and what is opened there once, with all others."""

    store: Any = field(kw_only=True)
    post: AmqpPost = field(kw_only=True)

    def __post_init__(self) -> None:
        self.worker = worker_name(self.stage)

    async def open(self) -> None:
        """Open nothing: it is open."""

    async def close(self) -> None:
        """Close nothing: it is not this stage's."""


class NobodyWaits:
    """The upkeep of a mesh with room for every job."""

    async def running(self) -> Counter[tuple[str, Lane]]:
        """Return nothing: there is room."""
        return Counter()

    async def next_waiting(self, full: Collection[str]) -> Job | None:
        """Return None: nobody waits."""
        del full


class Mesh:
    """Six services in this process over one store and one post."""

    def __init__(self, settings: Settings, store: Any, upkeep: Any, post: AmqpPost, ended: Ended) -> None:
        self._settings, self._store, self._upkeep, self._post, self._ended = settings, store, upkeep, post, ended
        self._blobs = ObjectStore(settings.blobs_url)

    def apps(self) -> list[FastStream]:
        """Return the applications, intake last."""
        return [*(self._stage(stage) for stage in OUTPUTS), self._intake()]

    def _parts(self, stage: Stage) -> OneProcess:
        return OneProcess(stage, self._settings, self._blobs, store=self._store, post=self._post)

    def _stage(self, stage: Stage) -> FastStream:
        parts = self._parts(stage)
        return serve(parts, [Subscription(work_queue(stage).name, steps(parts, self._ended.do, Appetite()))])

    def _intake(self) -> FastStream:
        parts, window = self._parts(Stage.INTAKE), self._settings.window
        admission = Admission(self._upkeep, self._store, self._post, ROOM, window)
        desk = Desk(self._store, self._post, admission, Sealed(), parts.worker, window)
        queues = {work_queue(Stage.INTAKE).name: desk.handle, ENDED_QUEUE.name: admission.on_end}
        return serve(parts, [Subscription(queue, handle) for queue, handle in queues.items()])


async def queue_jobs(url: str, jobs: int) -> None:
    """Leave so many submit messages in intake's queue, and nothing else in any."""
    await declare(url)
    await purged(url)
    async with await aio_pika.connect(url) as connection:
        exchange = await (await connection.channel()).get_exchange(JOBS.name)
        bodies = [json.dumps({"id": str(uuid4()), **ASKED}).encode() for _ in range(jobs)]
        for some in range(0, jobs, UNCONFIRMED):
            messages = (
                aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                for body in bodies[some : some + UNCONFIRMED]
            )
            await asyncio.gather(*(exchange.publish(message, SUBMIT_KEY) for message in messages))


async def drain(settings: Settings, jobs: int, seconds: float, *, durable: bool, pids: list[int]) -> Drained:
    """Return the figures of the jobs that went through all stages within the seconds; `durable` is over MongoDB."""
    await queue_jobs(settings.amqp_url, jobs)
    commands, ended = Commands(), Ended(jobs)
    async with AsyncExitStack() as opened:
        store, upkeep = await _database(settings, commands) if durable else _memory()
        post = await opened.enter_async_context(AmqpPost(settings.amqp_url))
        before = commands.sent
        for app in Mesh(settings, store, upkeep, post, ended).apps():
            began, used = time.perf_counter(), time.process_time()
            await app.start()
            opened.push_async_callback(app.stop)
        try:
            async with asyncio.timeout(seconds):
                await ended.all.wait()
        except TimeoutError:
            logging.getLogger(__name__).info("a slice: %s of %s jobs", ended.count, jobs)
        took, cpu = time.perf_counter() - began, time.process_time() - used
        return Drained(ended.count, took, cpu, commands.sent - before, resident(pids))


def _memory() -> tuple[Any, Any]:
    return MemoryStore(), NobodyWaits()


async def _database(settings: Settings, commands: Commands) -> tuple[Any, Any]:
    monitoring.register(commands)
    client = connect(settings.mongo_url)
    store, upkeep = MongoStore(client, settings.mongo_database), MongoUpkeep(client, settings.mongo_database)
    await store.prepare()
    await upkeep.prepare()
    return store, upkeep


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--durable", action="store_true")
    parser.add_argument("--pids", type=int, nargs="*", default=[])
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        drained = drain(Settings(), asked.jobs, asked.seconds, durable=asked.durable, pids=asked.pids)
        print(runner.run(drained).as_json())  # noqa: T201 - what the bench reads
