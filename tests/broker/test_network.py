"""A dead network: the mesh's connections find out by their heartbeats, and are made anew."""

import asyncio
from urllib.parse import urlsplit

import pytest

from shared.mesh.stage import stage_service
from shared.messages import Event
from shared.topology import PREFETCH, Stage
from tests.broker.conftest import Net
from tests.broker.test_steps import usual
from tests.chaos.proxy import Proxy

pytestmark = pytest.mark.broker

HEARTBEAT = 4


async def test_no_consumer_is_wedged_longer_than_two_heartbeats(net: Net) -> None:
    """With every connection of a service stranded, its queue's steps are worked on again that soon."""
    async with Proxy() as proxy:
        proxy.to = urlsplit(net.settings.amqp_url).port or 0
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/?heartbeat={HEARTBEAT}"
        settings = net.settings.model_copy(update={"amqp_url": url})
        await net.run(stage_service(Stage.DOWNLOADER, settings, net.parts.blobs, usual))
        clock = asyncio.get_running_loop().time
        proxy.strand()
        began = clock()
        jobs = [await net.submit() for _ in range(1 + PREFETCH[Stage.DOWNLOADER])]
        await net.until(_worked_on)
        wedged = clock() - began
        # What was delivered into the dead connection comes back once the broker, too, has found out.
        told = {(await net.until(_worked_on)).job for _ in jobs[1:]} | {event.job for event in net.events}
        await net.close()
    assert wedged < 2 * HEARTBEAT
    assert told == {job.id for job in jobs}


def _worked_on(event: Event) -> bool:
    return event.body.get("stage") == Stage.DOWNLOADER and event.body.get("fraction") == 1.0
