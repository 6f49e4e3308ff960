"""Drains jobs through the Celery peer: they are queued first, then its worker, two prefork processes, may take them."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel

from deploy.local import child
from tests.bench.celery_hops import DONE, IDLE, QUEUE, READY, app, hop

PROCESSES = "2"
STOP_SECONDS = 15.0


async def celery_rate(environment: Mapping[str, str], jobs: int, home: Path, *, durable: bool) -> float:
    """Return the jobs that the worker does in a second; `durable` is with a find and an update a task."""
    app.conf.broker_url = environment["SCRIBE_AMQP_URL"]
    async with await aio_pika.connect(environment["SCRIBE_AMQP_URL"]) as connection:
        channel = await connection.channel()
        for name in (QUEUE, READY, DONE):
            await (await channel.declare_queue(name, durable=True)).purge()
        await asyncio.to_thread(lambda: [hop.delay(str(uuid4()), 1) for _ in range(jobs)])
        async with _worker({**environment, **({"SCRIBE_BENCH_DURABLE": "1"} if durable else {})}, home):
            await _heard(channel, READY, 1)
            began = time.perf_counter()
            await asyncio.to_thread(app.control.add_consumer, QUEUE)
            await _heard(channel, DONE, jobs)
            return jobs / (time.perf_counter() - began)


@asynccontextmanager
async def _worker(environment: Mapping[str, str], home: Path) -> AsyncIterator[None]:
    words = ["-A", "tests.bench.celery_hops", "worker", "-P", "prefork", "-c", PROCESSES, "-Q", IDLE]
    words += ["--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
    command = [sys.executable, "-m", "celery", *words]
    worker = await child.start(command, child.inherited(environment), Path.cwd(), home / "celery.log")
    try:
        yield
    finally:
        await child.stop(worker, STOP_SECONDS)


async def _heard(channel: AbstractChannel, queue: str, messages: int) -> None:
    """Wait for so many messages in the queue."""
    async with (await channel.get_queue(queue, ensure=False)).iterator(no_ack=True) as coming:
        for _ in range(messages):
            await anext(coming)
