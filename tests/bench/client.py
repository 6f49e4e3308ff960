"""A row as a client of the mesh that it measures: it submits jobs, hears their events, and looks at what is left."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aio_pika
import aiohttp
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.child import LOOPBACK
from deploy.local.runner import LocalMesh
from shared.blobs import ObjectStore
from shared.jobs.document import StepRecord
from shared.jobs.mongo import MongoStore
from shared.messages import Event
from shared.topology import ENDS, JOBS, SUBMIT_KEY, Happening, Stage
from shared.transcript import Transcript
from tests.bench.lines import Lines
from tests.bench.speech import Recording

TENANT = "bench"
ENDED = {*ENDS, Happening.REJECTED}
LONGEST = 3_600.0
"""Seconds after which a job that has not ended never will."""


@dataclass(frozen=True)
class Drained:
    """Jobs that have completed, and the seconds from the first's submission to the last's end."""

    jobs: list[str]
    seconds: float


@dataclass
class Bench:
    """A client of the running mesh, with the database and the object store at hand for what a row asks afterwards."""

    mesh: LocalMesh
    lines: Lines
    channel: AbstractChannel
    store: MongoStore
    blobs: ObjectStore

    def __post_init__(self) -> None:
        self.events: list[Event] = []
        self._came = asyncio.Condition()

    async def hear(self, message: AbstractIncomingMessage) -> None:
        """Keep an event and wake who waits for it."""
        await message.ack()
        async with self._came:
            self.events.append(Event.model_validate_json(message.body))
            self._came.notify_all()

    async def lay(self, recordings: Iterable[Recording]) -> None:
        """Put the recordings where uploads lie."""
        for recording in recordings:
            await self.blobs.put(_key(recording), recording.path)

    async def submit(self, recording: Recording, **options: Any) -> str:
        """Publish a job for an upload, in English and without speakers unless options say otherwise; return its id."""
        job = str(uuid4())
        asked = {"language": "en", "diarize": False, **options}
        body = {"id": job, "tenant": TENANT, "source": {"object": _key(recording)}, **asked}
        message = aio_pika.Message(json.dumps(body).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await (await self.channel.get_exchange(JOBS.name, ensure=False)).publish(message, SUBMIT_KEY)
        return job

    async def drain(self, recordings: Sequence[Recording], **options: Any) -> Drained:
        """Submit a job for each recording and return when all have completed."""
        clock = asyncio.get_running_loop().time
        began = clock()
        jobs = [await self.submit(recording, **options) for recording in recordings]
        await self.completed(jobs)
        return Drained(jobs, clock() - began)

    async def completed(self, jobs: Iterable[str]) -> None:
        """Return when every job has completed; raise AssertionError if one ended in another way."""
        for job in jobs:
            end = await self.until(_end_of(job))
            assert end.happening is Happening.COMPLETED, end

    async def until(self, right: Callable[[Event], bool]) -> Event:
        """Return the first event that is right, waiting for it."""
        async with asyncio.timeout(LONGEST), self._came:
            await self._came.wait_for(lambda: any(map(right, self.events)))
        return next(filter(right, self.events))

    async def steps(self, jobs: Iterable[str], stage: Stage) -> list[StepRecord]:
        """Return what is known of the jobs' steps of that stage."""
        found = [await self.store.find(job) for job in jobs]
        return [record for job in found for key, record in job.steps.items() if key.startswith(f"{stage}-")]

    async def counted(self, stage: Stage, metric: str) -> float:
        """Return what the stage's processes have counted since they started, all together."""
        async with aiohttp.ClientSession() as session:
            pages = [await _page(session, keeper.port) for keeper in self.mesh.keepers[stage]]
        families = [family for page in pages for family in text_string_to_metric_families(page)]
        return sum(sample.value for family in families for sample in family.samples if sample.name == metric)

    async def texts(self, jobs: Iterable[str]) -> list[str]:
        """Return the text of each job's transcript."""
        facts = [(await self.store.find(job)).facts for job in jobs]
        return [Transcript.model_validate_json(await self.blobs.get(each.transcript or "")).text for each in facts]


def _end_of(job: str) -> Callable[[Event], bool]:
    return lambda event: event.job == job and event.happening in ENDED


def _key(recording: Recording) -> str:
    return f"uploads/{TENANT}/{recording.path.name}"


async def _page(session: aiohttp.ClientSession, port: int) -> str:
    async with session.get(f"http://{LOOPBACK}:{port}/metrics") as answer:
        return await answer.text()
