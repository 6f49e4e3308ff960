"""A mesh of plain stages over a real broker and a real database, inside the test's own process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from faststream import FastStream

from deploy.local.parts import LocalParts
from shared.blobs import ObjectStore
from shared.jobs.document import Job
from shared.mesh import progress
from shared.mesh.declare import declare
from shared.mesh.pass_on import pass_on
from shared.mesh.perform import Do
from shared.mesh.post import Count
from shared.mesh.serve import Parts
from shared.mesh.stage import stage_service
from shared.messages import Event
from shared.settings import Settings
from shared.topology import DEAD, EVENTS, QUEUES, Happening, Lane, Stage, dead_queue
from tests.fakes.jobs import new_job

Ended = {Happening.COMPLETED, Happening.FAILED, Happening.CANCELLED}


class Net:
    """One test's mesh: its settings, the events it hears, the services it runs."""

    def __init__(self, settings: Settings, mesh: Parts, heard: asyncio.Queue[Event]) -> None:
        self.settings, self.parts, self._heard = settings, mesh, heard
        self.events: list[Event] = []
        self._open = AsyncExitStack()

    async def run(self, *apps: FastStream) -> None:
        """Start services that stop with the test."""
        for app in apps:
            await app.start()
            self._open.push_async_callback(app.stop)

    async def stages(self, do: Do, *stages: Stage) -> None:
        """Start one service per stage, each doing `do`."""
        blobs = self.parts.blobs
        await self.run(*(stage_service(stage, self.settings, blobs, do) for stage in stages))

    async def submit(self, lane: Lane = Lane.NORMAL, **options: Any) -> Job:
        """Store a new job and queue its first step."""
        moved = new_job(lane, **options)
        await self.parts.store.insert(moved.job)
        await pass_on(self.parts.store, self.parts.post, moved)
        return moved.job

    async def until(self, seen: Callable[[Event], bool], seconds: float = 120) -> Event:
        """Return the first event that `seen` takes, keeping all that came before."""
        async with asyncio.timeout(seconds):
            while True:
                event = await self._heard.get()
                self.events.append(event)
                if seen(event):
                    return event

    async def ended(self, job: Job, seconds: float = 120) -> Event:
        """Return the event that ends the job."""
        return await self.until(lambda event: event.job == job.id and event.happening in Ended, seconds)

    async def waiting(self, queue: str, messages: int) -> Count:
        """Return the queue's count once so many messages wait in it: the broker tells nobody."""
        async with asyncio.timeout(120):
            while (count := await self.parts.post.count(queue)).messages != messages:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        return count

    async def dead_letter(self, stage: Stage) -> AbstractIncomingMessage:
        """Return the next dead letter of a stage."""
        async with asyncio.timeout(60):
            connection = await aio_pika.connect(self.settings.amqp_url)
            async with connection, connection.channel() as channel:
                queue = await channel.get_queue(dead_queue(stage).name)
                async with queue.iterator() as letters:
                    async for letter in letters:
                        await letter.ack()
                        return letter
        raise AssertionError(DEAD.name)

    async def close(self) -> None:
        """Stop the services."""
        await self._open.aclose()


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Undo what the services of a test make of this process's log lines: other tests look at theirs."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
async def net(
    parts: LocalParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logging_as_before: None
) -> AsyncIterator[Net]:
    """Yield a mesh with empty queues and an empty database of its own, which tells every step's progress."""
    del logging_as_before
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", -1)  # steps of tests are done at once
    settings = Settings(
        amqp_url=parts.amqp_url,
        mongo_url=parts.mongo_url,
        mongo_database=f"test_{uuid4().hex[:12]}",
        blobs_url=f"file://{tmp_path}/blobs",
        heartbeat=0.5,
        heartbeat_lost=2.0,
        attempts=2,
        window=2,
        grace=5.0,
    )
    mesh = Parts(Stage.INTAKE, settings, ObjectStore(settings.blobs_url))
    await mesh.post.open()
    await mesh.store.prepare()
    async with listening(settings) as heard:
        made = Net(settings, mesh, heard)
        yield made
        await made.close()
    await mesh.post.close()
    mesh.client.close()


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[asyncio.Queue[Event]]:
    """Declare the topology, its queues empty, and yield the events that are told from now on."""
    await declare(settings.amqp_url)
    heard: asyncio.Queue[Event] = asyncio.Queue()

    async def hear(message: AbstractIncomingMessage) -> None:
        await message.ack()
        await heard.put(Event.model_validate_json(message.body))

    async with await aio_pika.connect(settings.amqp_url) as connection:
        channel = await connection.channel()
        for queue in reversed(QUEUES):  # what waits on the ladder would go on into the work queues
            await (await channel.get_queue(queue.name)).purge()
        own = await channel.declare_queue(exclusive=True)
        await own.bind(EVENTS.name, "job.#")
        await own.consume(hear)
        yield heard
