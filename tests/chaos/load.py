"""The load: jobs submitted as any publisher would, with a webhook each."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.exceptions import AMQPError

from shared.topology import JOBS, SUBMIT_KEY
from tests.chaos.campaign import Campaign
from tests.chaos.recordings import TENANT

ENDS = ["completed", "failed", "cancelled"]


@dataclass
class Load:
    """Jobs by id, and the recording of each; every message is published in so many copies."""

    campaign: Campaign
    copies: int = 1
    jobs: dict[str, str] = field(default_factory=dict)

    async def submit(self, count: int, **options: Any) -> list[str]:
        """Submit so many jobs, each confirmed by the broker, and return their ids."""
        return [await self.submit_one(**options) for _ in range(count)]

    async def submit_one(self, recording: str | None = None, reply_to: str | None = None, **options: Any) -> str:
        """Submit one job, again and again until the broker has it, and return its id."""
        job = str(uuid4())  # known before it is sent: a publisher that is not sure sends the same id again
        self.jobs[job] = recording or self.campaign.random.choice(self.campaign.recordings)
        message = {"id": job, "tenant": TENANT, "source": {"object": self.jobs[job]}, **options}
        message.setdefault("webhooks", [{"url": self.campaign.sink.url, "events": ENDS}])
        await self.publish(json.dumps(message).encode(), reply_to=reply_to)
        return job

    async def publish(self, body: bytes, key: str = SUBMIT_KEY, reply_to: str | None = None) -> None:
        """Publish until the broker confirms: what a publisher that cares for its recording does."""
        async with asyncio.timeout(120):
            for _ in range(self.copies):
                while not await self._published(body, key, reply_to):
                    await asyncio.sleep(0.2)

    async def _published(self, body: bytes, key: str, reply_to: str | None) -> bool:
        try:
            async with asyncio.timeout(20), self.campaign.channel() as channel:
                exchange = await channel.get_exchange(JOBS.name)
                mode = aio_pika.DeliveryMode.PERSISTENT
                await exchange.publish(aio_pika.Message(body, delivery_mode=mode, reply_to=reply_to), key)
        except (AMQPError, OSError, TimeoutError):
            return False
        return True
