"""Deliveries over a real broker: an event that a webhook asked for becomes a step of the notifier."""

import asyncio
from functools import partial

import pytest

from services.notifier.stage import deliver
from shared.jobs.states import StepState
from shared.mesh.stage import stage_service
from shared.topology import Stage
from shared.transcript import Delivered
from tests.broker.conftest import Net

pytestmark = pytest.mark.broker


class Taking:
    """A webhook's target that takes everything."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    async def send(self, url: str, tenant: str, message_id: str, body: str) -> int:
        """Take it."""
        del url, tenant, message_id, body
        self.told.set()
        return 200


async def test_a_delivery_is_recorded_with_the_answer(net: Net) -> None:
    """The job document knows of the delivery, and its output has the target's status."""
    target = Taking()
    settings = net.settings.model_copy(update={"grace": 60.0})
    await net.run(stage_service(Stage.NOTIFIER, settings, net.parts.blobs, partial(deliver, sender=target)))
    job = await net.submit(webhooks=[{"url": "http://127.0.0.1/hook?key=1", "events": ["accepted"]}])
    async with asyncio.timeout(60):
        await target.told.wait()
    await net.close()
    job = await net.parts.store.find(job.id)
    assert job.steps["notifier-10"].state is StepState.DONE
    outputs = await net.parts.store.outputs(job, [Stage.NOTIFIER])
    assert outputs[Stage.NOTIFIER] == (Delivered(url="http://127.0.0.1", status=200),)
