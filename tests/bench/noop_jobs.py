"""Jobs that ask for nothing: they wait in intake's queue, and are counted as they are accepted and as they end."""

import asyncio
import json
from dataclasses import dataclass, field
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from shared.mesh.declare import declare
from shared.mesh.settle import Handle
from shared.mesh.work import Work
from shared.topology import JOBS, SUBMIT_KEY, Stage
from shared.transcript import Delivered, Output
from tests.bench.drained import purged
from tests.fakes.jobs import chunk_text, diarization, prepared, published

UNCONFIRMED = 500
HOOK = "http://127.0.0.1/hook"
ASKED = {"source": {"object": "uploads/default/noop.wav"}, "webhooks": [{"url": HOOK}]}

OUTPUTS: dict[Stage, Output] = {
    Stage.DOWNLOADER: prepared(1),
    Stage.TRANSCRIBER: chunk_text(0),
    Stage.DIARIZER: diarization(),
    Stage.ENHANCER: published(),
    Stage.NOTIFIER: Delivered(url=HOOK, status=200),
}
"""What the stages behind intake make of such a job, each in one step."""


@dataclass
class Counted:
    """How many there were, of how many; `all` is set with the last."""

    wanted: int
    so_far: int = 0
    all: asyncio.Event = field(default_factory=asyncio.Event)

    def one(self) -> None:
        """Count one more."""
        self.so_far += 1
        if self.so_far == self.wanted:
            self.all.set()


@dataclass
class WorkedOff:
    """Jobs that intake has accepted, jobs that have come through their last stage, and how many steps were done."""

    accepted: Counted
    ended: Counted
    steps: int = 0

    def accepting(self, accept: Handle) -> Handle:
        """Return the handler of intake's queue, which now counts what is accepted."""

        async def handle(message: AbstractIncomingMessage) -> None:
            await accept(message)
            self.accepted.one()

        return handle

    async def do(self, work: Work) -> Output:
        """Do nothing, and count a step, and a job whose webhook was told."""
        self.steps += 1
        if work.step.stage is Stage.NOTIFIER:
            self.ended.one()
        return OUTPUTS[work.step.stage]


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
