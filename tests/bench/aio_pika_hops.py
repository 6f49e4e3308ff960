"""The peer: a chain of six durable queues in plain aio-pika, each message acked by hand after the next is confirmed.

Run as a process of its own (`python -m tests.bench.aio_pika_hops`, the event loop that our services have, too): jobs
are queued first; the figures of the drain are printed as JSON.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import aio_pika
import uvloop
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.settings import Settings
from shared.topology import PREFETCH, Stage
from tests.bench.drained import Drained, resident

NEXT = dict(zip(Stage, (*tuple(Stage)[1:], None), strict=True))


class Chain:
    """Passes each job on from queue to queue until the last of them is through."""

    def __init__(self, connection: aio_pika.abc.AbstractConnection, jobs: int) -> None:
        self._connection, self._left = connection, jobs
        self.over = asyncio.Event()
        self._out: AbstractChannel

    async def open(self) -> None:
        """Declare the queues, empty."""
        self._out = await self._connection.channel()
        for stage in Stage:
            await (await self._out.declare_queue(_name(stage), durable=True)).purge()

    async def submit(self) -> None:
        """Queue a job."""
        await self._publish(Stage.INTAKE, json.dumps({"job": str(uuid4())}).encode())

    async def consume(self) -> None:
        """Take jobs, as many of each queue at once as the mesh's stage does."""
        for stage in reversed(Stage):
            channel = await self._connection.channel()
            await channel.set_qos(PREFETCH[stage])
            await (await channel.get_queue(_name(stage))).consume(self._handler(NEXT[stage]))

    def _handler(self, following: Stage | None) -> Callable[[AbstractIncomingMessage], Awaitable[None]]:
        async def handle(message: AbstractIncomingMessage) -> None:
            job = json.loads(message.body)["job"]
            if following is None:
                self._left -= 1
            else:
                await self._publish(following, json.dumps({"job": job}).encode())
            await message.ack()
            if not self._left:
                self.over.set()

        return handle

    async def _publish(self, stage: Stage, body: bytes) -> None:
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self._out.default_exchange.publish(message, _name(stage))


def _name(stage: Stage) -> str:
    return f"bench.plain.{stage}"


async def drain(jobs: int) -> Drained:
    """Return the figures of the jobs that went through all queues."""
    async with await aio_pika.connect(Settings().amqp_url) as connection:
        chain = Chain(connection, jobs)
        await chain.open()
        await asyncio.gather(*(chain.submit() for _ in range(jobs)))
        began, used = time.perf_counter(), time.process_time()
        await chain.consume()
        await chain.over.wait()
        return Drained(jobs, time.perf_counter() - began, time.process_time() - used, resident=resident(()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, required=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(drain(parser.parse_args().jobs)).as_json())  # noqa: T201 - what the bench reads
