"""A dead network: the mesh's connections find out by their heartbeats, and are made anew."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections import Counter
from urllib.parse import urlsplit

import pytest

from deploy.local import child
from deploy.local.commands import ROOT
from shared.jobs.step import Step
from shared.mesh.post import AmqpPost
from shared.mesh.serve import CLOSING_SECONDS
from shared.mesh.stage import stage_service
from shared.messages import Event, Order
from shared.settings import Settings
from shared.topology import PREFETCH, Happening, Stage
from tests.broker.conftest import Net
from tests.broker.test_steps import cut, usual, waiting_for
from tests.chaos.proxy import Proxy

pytestmark = pytest.mark.broker

HEARTBEAT = 4
LONG_HEARTBEAT = 8
"""Of the time in which a consumer must be back, half a heartbeat is left for a busy machine to make its connections."""

GRACE = 1.0


async def test_a_service_ends_though_its_broker_is_away(net: Net) -> None:
    """SIGTERM ends a process that has long lost its broker and tries to have it back."""
    async with Proxy() as proxy:
        proxy.to = urlsplit(net.settings.amqp_url).port or 0
        service = await _notifier(net.settings, proxy.port)
        await _says(service, "ready")
    await _says(service, "Reconnecting")
    service.terminate()
    async with asyncio.timeout(2 * GRACE + CLOSING_SECONDS + 60):
        await service.communicate()
    assert service.returncode == 0


async def test_a_publish_on_a_dead_connection_fails_as_lost_and_cancels_nobody(net: Net) -> None:
    """Whoever publishes hears an error to act on: a cancellation would end it, its message unacked for ever."""
    async with Proxy() as proxy:
        proxy.to = urlsplit(net.settings.amqp_url).port or 0
        post = AmqpPost(f"amqp://guest:guest@127.0.0.1:{proxy.port}/?heartbeat={HEARTBEAT}")
        await post.open()
        proxy.strand()
        with pytest.raises(ConnectionError):
            await post.order(Order(cancel="nobody"))
        await post.close()


async def test_no_consumer_is_wedged_longer_than_two_heartbeats(net: Net) -> None:
    """With every connection of a service stranded, its queue's steps are worked on again that soon."""
    async with Proxy() as proxy:
        proxy.to = urlsplit(net.settings.amqp_url).port or 0
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/?heartbeat={LONG_HEARTBEAT}"
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
    assert wedged < 2 * LONG_HEARTBEAT
    assert told == {job.id for job in jobs}


async def test_a_lost_connection_does_not_start_the_step_twice(net: Net) -> None:
    """The handler of the redelivered message joins the work that went on, and one commit follows."""
    going, go, runs = asyncio.Event(), asyncio.Event(), Counter[Step]()
    app = stage_service(Stage.DOWNLOADER, net.settings, net.parts.blobs, waiting_for(going, go, runs))
    await net.run(app)
    job = await net.submit()
    await going.wait()
    await cut(app)
    go.set()
    await net.stages(usual, Stage.TRANSCRIBER, Stage.DIARIZER, Stage.ENHANCER)
    assert (await net.ended(job)).happening is Happening.COMPLETED
    assert runs == {Step(job.id, Stage.DOWNLOADER): 1}


def _worked_on(event: Event) -> bool:
    return event.body.get("stage") == Stage.DOWNLOADER and event.body.get("fraction") == 1.0


async def _notifier(settings: Settings, port: int) -> Process:
    command = (sys.executable, "-m", "faststream", "run", "services.notifier.main:build", "--factory")
    environment = {
        "SCRIBE_AMQP_URL": f"amqp://guest:guest@127.0.0.1:{port}/",
        "SCRIBE_MONGO_URL": settings.mongo_url,
        "SCRIBE_MONGO_DATABASE": settings.mongo_database,
        "SCRIBE_BLOBS_URL": settings.blobs_url,
        "SCRIBE_SIGNING_KEY": "a key of this test alone",
        "SCRIBE_GRACE": str(GRACE),
    }
    return await child.start(command, child.inherited(environment), ROOT)


async def _says(service: Process, what: str) -> None:
    assert service.stdout is not None
    async with asyncio.timeout(120):
        async for line in service.stdout:
            if what in line.decode():
                return
    raise AssertionError(f"ended without saying {what}")
