"""Health: what each process says of itself, on a port of its own."""

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from prometheus_client import REGISTRY

from deploy.local.child import free_port
from shared.mesh.serve import Lifespan
from shared.mesh.stage import stage_service
from shared.settings import Unusable
from shared.topology import ENDED_QUEUE, Stage
from tests.broker.conftest import Net
from tests.broker.test_steps import usual

pytestmark = pytest.mark.broker


async def get(url: str) -> tuple[int, str]:
    """Return an answer's status and text."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_a_service_says_that_it_lives_is_ready_and_how_much_it_did(net: Net) -> None:
    """Liveness, readiness of every part, and Prometheus metrics by stage."""
    port, done = free_port(), {"outcome": "done", "stage": "downloader"}
    before = REGISTRY.get_sample_value("scribe_steps_total", done) or 0.0
    settings = net.settings.model_copy(update={"health_port": port})
    await net.run(stage_service(Stage.DOWNLOADER, settings, net.parts.blobs, usual))
    await net.submit()
    await net.until(lambda event: event.body.get("stage") == Stage.DOWNLOADER)
    assert await get(f"http://127.0.0.1:{port}/live") == (200, '{"live": true}')
    assert await get(f"http://127.0.0.1:{port}/ready") == (
        200,
        '{"broker": "ok", "database": "ok", "object store": "ok"}',
    )
    _, metrics = await get(f"http://127.0.0.1:{port}/metrics")
    assert f'scribe_steps_total{{outcome="done",stage="downloader"}} {before + 1}' in metrics


async def test_a_service_is_not_ready_before_it_has_opened_what_it_works_with(net: Net) -> None:
    """A model may load for minutes, or not at all, while broker, database and object store are fine."""
    port, opening, opened = free_port(), asyncio.Event(), asyncio.Event()
    settings = net.settings.model_copy(update={"health_port": port})

    async def load() -> None:
        opening.set()
        await opened.wait()

    app = stage_service(Stage.DOWNLOADER, settings, net.parts.blobs, usual, lifespan=Lifespan(load))
    starting = asyncio.create_task(net.run(app))
    await opening.wait()
    assert (await get(f"http://127.0.0.1:{port}/live"))[0] == 200
    status, said = await get(f"http://127.0.0.1:{port}/ready")
    assert status == 503
    assert '"service": "is starting"' in said
    opened.set()
    await starting
    assert (await get(f"http://127.0.0.1:{port}/ready"))[0] == 200


async def test_a_health_port_that_is_taken_ends_the_start_and_is_named(net: Net) -> None:
    """With the variable that names it, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = net.settings.model_copy(update={"health_port": taken.getsockname()[1]})
        app = stage_service(Stage.DOWNLOADER, settings, net.parts.blobs, usual)
        with pytest.raises(Unusable, match=r"SCRIBE_HEALTH_PORT: .*address already in use; name another, or 0"):
            await app.start()


async def test_asking_the_broker_leaves_nothing_behind_on_the_connection(net: Net) -> None:
    """Somebody asks every few seconds for as long as a service lives."""
    post = net.parts.post
    assert post._connection is not None
    assert post._connection.transport is not None
    connection: Any = post._connection.transport.connection
    waiting_for_its_end = connection._closing
    await post.count(ENDED_QUEUE.name)
    before = len(waiting_for_its_end._callbacks)
    for _ in range(5):
        await post.count(ENDED_QUEUE.name)
        await post.ping()
    assert len(waiting_for_its_end._callbacks) == before


async def test_a_service_without_its_object_store_is_not_ready(net: Net) -> None:
    """Readiness names the part that does not answer."""
    port = free_port()
    settings = net.settings.model_copy(update={"health_port": port})
    app = stage_service(Stage.DOWNLOADER, settings, _Gone(), usual)  # type: ignore[arg-type]  # only its ping is asked
    await net.run(app)
    status, said = await get(f"http://127.0.0.1:{port}/ready")
    assert status == 503
    assert '"object store": "ConnectionError: gone"' in said


class _Gone:
    """An object store that cannot be reached."""

    async def ping(self) -> None:
        """Fail."""
        raise ConnectionError("gone")
