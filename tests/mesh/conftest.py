"""The whole mesh as processes, with real models and real speech, shared by the tests of this folder."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import aiohttp
import pytest_asyncio
from aio_pika.abc import AbstractIncomingMessage
from aiohttp import web

from deploy.local.commands import SERVICES
from deploy.local.runner import LocalMesh
from shared.jobs.document import Job
from shared.jobs.mongo import MongoStore, connect
from shared.jobs.states import StepState
from shared.messages import Event
from shared.topology import EVENTS, JOBS, SUBMIT_KEY, Happening, Stage
from shared.transcript import Transcript
from tests.recordings import SAMPLE, looped

ENDED = {Happening.COMPLETED, Happening.FAILED, Happening.CANCELLED, Happening.REJECTED}
READY_SECONDS = 150
ENVIRONMENT = {
    "SCRIBE_ALLOWED_NETWORKS": "127.0.0.0/8",
    "SCRIBE_TRANSCRIBER_THREADS": "1",
    "SCRIBE_TRANSCRIBER_BATCH": "1",
    "SCRIBE_CHUNK_SECONDS": "60",
    "SCRIBE_MAX_DURATION": "900",
    "SCRIBE_HEARTBEAT": "1",
    "SCRIBE_HEARTBEAT_LOST": "4",
}
# The real enhancer is done in milliseconds: too soon to die in the middle of a step.
HELD_ENHANCER = tuple(
    word.replace("services.enhancer.main", "tests.mesh.held_enhancer") for word in SERVICES["enhancer"]
)


class Client:
    """A publisher and a listener on the mesh, with the database at hand to look behind the curtain."""

    def __init__(self, mesh: LocalMesh, recordings: str, channel: aio_pika.abc.AbstractChannel) -> None:
        self.mesh, self.recordings, self._channel = mesh, recordings, channel
        self.store = MongoStore(connect(mesh.mongo_url), "scribe")
        self.events: list[Event] = []
        self._came = asyncio.Condition()
        self.http = aiohttp.ClientSession(mesh.gateway_url)

    async def hear(self, message: AbstractIncomingMessage) -> None:
        """Keep an event and wake who waits for it."""
        await message.ack()
        async with self._came:
            self.events.append(Event.model_validate_json(message.body))
            self._came.notify_all()

    async def submit(self, recording: str, **options: Any) -> str:
        """Publish a job for a recording of the test server and return its id."""
        return await self.publish({"id": str(uuid4()), "source": {"url": f"{self.recordings}/{recording}"}, **options})

    async def publish(self, body: dict[str, Any]) -> str:
        """Publish any submit message and return its id."""
        message = aio_pika.Message(json.dumps(body).encode(), delivery_mode=2)
        exchange = await self._channel.get_exchange(JOBS.name)
        await exchange.publish(message, SUBMIT_KEY)
        return str(body.get("id"))

    async def until(self, job: str, *happenings: Happening, seconds: float = 240) -> Event:
        """Return the job's first event of one of the kinds."""

        def found() -> Event | None:
            return next((each for each in self.events if each.job == job and each.happening in happenings), None)

        async with asyncio.timeout(seconds), self._came:
            await self._came.wait_for(lambda: found() is not None)
        event = found()
        assert event is not None
        return event

    async def ended(self, job: str, seconds: float = 240) -> Event:
        """Return the event that ends the job."""
        return await self.until(job, *ENDED, seconds=seconds)

    async def killed(self, job: str, stage: Stage) -> str:
        """Kill the process that works on a step of the stage, as a power cut would, and return the step's key."""
        async with asyncio.timeout(240):
            async for event in self._live():
                if event.job == job and event.body.get("stage") == stage and event.body["fraction"] < 1:
                    key = f"{stage}-{event.body['part']}"
                    if await self._dies(job, key):
                        return key
        raise AssertionError(stage)

    async def _dies(self, job: str, key: str) -> bool:
        """Kill the process that works on the step; return False if there is none any more."""
        record = (await self.store.find(job)).steps[key]
        if record.state is not StepState.RUNNING or not record.worker:
            return False
        pid = int(record.worker.split(":")[1])
        os.kill(pid, signal.SIGSTOP)  # the step must not end between the look and the kill
        held = (await self.store.find(job)).steps[key]
        working = held.state is StepState.RUNNING and held.worker == record.worker
        os.kill(pid, signal.SIGKILL if working else signal.SIGCONT)
        return working

    async def _live(self) -> AsyncIterator[Event]:
        for place in count():
            async with self._came:
                while len(self.events) <= place:
                    await self._came.wait()
            yield self.events[place]

    async def transcript(self, job: str, form: str = "json") -> str:
        """Return the job's transcript from the gateway."""
        async with self.http.get(f"/v1/jobs/{job}/transcript", params={"format": form}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def result(self, job: str) -> tuple[Job, Transcript]:
        """Return the job document and the transcript."""
        return await self.store.find(job), Transcript.model_validate_json(await self.transcript(job))


@pytest_asyncio.fixture(scope="session")
async def recordings(tmp_path_factory: Any) -> AsyncIterator[str]:
    """Serve recordings over HTTP on the loopback."""
    folder: Path = tmp_path_factory.mktemp("recordings")
    (folder / "sample.wav").write_bytes(SAMPLE.read_bytes())
    (folder / "garbage.mp3").write_bytes(b"this is no recording" * 500)
    (folder / "empty.wav").touch()
    looped(folder / "five-minutes.wav", 10, 1.0)
    looped(folder / "too-long.wav", 32, 0.0)
    app = web.Application()
    app.add_routes([web.static("/", folder)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest_asyncio.fixture(scope="session")
async def client(tmp_path_factory: Any, cache: Path, recordings: str) -> AsyncIterator[Client]:
    """Yield a client of a running mesh with two transcribers."""
    home: Path = tmp_path_factory.mktemp("mesh")
    mesh = LocalMesh(
        home,
        scale={"transcriber": 2},
        environment={**ENVIRONMENT, "SCRIBE_CACHE": str(cache)},
        commands={**SERVICES, "enhancer": HELD_ENHANCER},
    )
    async with mesh:
        await mesh.wait_ready(READY_SECONDS)
        async with await aio_pika.connect(mesh.amqp_url) as connection:
            channel = await connection.channel()
            made = Client(mesh, recordings, channel)
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(EVENTS.name, "job.#")
            await queue.consume(made.hear)
            yield made
            await made.http.close()
