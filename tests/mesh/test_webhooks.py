"""Webhooks: whoever asked is told, signed, once an event, and told again until he takes it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from shared.messages import Event
from shared.signing import tenant_secret
from shared.topology import Happening
from tests.mesh.conftest import Client

pytestmark = [pytest.mark.broker, pytest.mark.mesh, pytest.mark.timeout(600)]


class Hook:
    """A webhook's target that refuses the first delivery."""

    def __init__(self) -> None:
        self.asked = 0
        self.taken: asyncio.Queue[tuple[dict[str, str], str]] = asyncio.Queue()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        """Refuse the first, take the rest."""
        self.asked += 1
        if self.asked == 1:
            return web.Response(status=503)
        await self.taken.put((dict(request.headers), await request.text()))
        return web.Response()


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[Hook]:
    """Serve a hook on the loopback."""
    made = Hook()
    app = web.Application()
    app.add_routes([web.post("/hook", made.take)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield made
    await runner.cleanup()


async def test_a_webhook_that_refused_is_told_again_and_signed(client: Client, hook: Hook) -> None:
    """The first answer is 503: after the ladder's first rung the same event comes again."""
    job_id = await client.submit("nowhere.wav", tenant="acme", webhooks=[{"url": hook.url, "events": ["failed"]}])
    async with asyncio.timeout(240):
        headers, body = await hook.taken.get()
    event = Event.model_validate_json(body)
    assert (event.job, event.happening) == (job_id, Happening.FAILED)
    key = client.mesh.environment["SCRIBE_SIGNING_KEY"]
    assert Webhook(tenant_secret(key, "acme")).verify(body, headers)
    assert hook.asked == 2
