"""The notifier: each webhook that asked for an event gets it, signed."""

import asyncio
import traceback
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks.webhooks import Webhook

from services.notifier.sender import HttpSender
from services.notifier.stage import deliver
from shared.addresses import AddressGuard
from shared.mesh.outcomes import GiveUp, TryLater
from shared.mesh.work import Work
from shared.messages import Event
from shared.signing import signed_headers, tenant_secret
from shared.topology import Stage
from tests.fakes.jobs import new_job

HOOKS: list[dict[str, Any]] = [
    {"url": "https://a.example/services/s3cret?key=1", "events": ["accepted"]},
    {"url": "https://b.example/"},
]

SECRET = "s3cret"  # noqa: S105 - a made-up one that must not come out


class Answering:
    """A sender whose target answers with one status."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.sent: list[tuple[str, str, str, str]] = []

    async def send(self, url: str, tenant: str, message_id: str, body: str) -> int:
        """Keep what was sent."""
        self.sent.append((url, tenant, message_id, body))
        return self.status


async def attempt(status: int) -> tuple[Any, Answering]:
    """Return what a delivery made of the status, and the sender."""
    opened = new_job(webhooks=HOOKS)
    (step,) = (step for step in opened.steps if step.stage is Stage.NOTIFIER)
    sender = Answering(status)
    return await deliver(Work(opened.job, step), sender), sender


async def test_a_delivery_carries_the_event_and_is_recorded_without_a_secret() -> None:
    """The target gets the event's JSON; the record shows neither the key nor the path, often one, too."""
    delivered, sender = await attempt(204)
    ((url, tenant, message_id, body),) = sender.sent
    assert (url, tenant) == (HOOKS[0]["url"], "acme")
    assert message_id.endswith(":1")
    assert Event.model_validate_json(body).happening == "accepted"
    assert (delivered.url, delivered.status) == ("https://a.example", 204)


@pytest.mark.parametrize(("status", "failure"), [(500, TryLater), (404, TryLater), (302, TryLater), (410, GiveUp)])
async def test_a_refusal_is_tried_again_unless_it_is_for_good(status: int, failure: type[Exception]) -> None:
    """410 means no more; everything else may heal."""
    with pytest.raises(failure, match=f"https://a.example answered {status}"):
        await attempt(status)


@pytest.mark.parametrize("host", ["127.0.0.1", "127\N{IDEOGRAPHIC FULL STOP}0.0.1", "\N{FULLWIDTH DIGIT ONE}27.0.0.1"])
async def test_a_webhook_cannot_reach_the_deployments_own_network(host: str) -> None:
    """In whatever letters its address is written: it is refused before anything is sent."""
    reached: list[str] = []

    async def take(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    sender = HttpSender("a signing key of ours", AddressGuard(()), 5.0)
    async with TestServer(app) as server:
        await sender.open()
        with pytest.raises(GiveUp, match="loopback"):
            await sender.send(f"http://{host}:{server.port}/", "acme", "j:1", "{}")
        await sender.close()
    assert not reached


async def test_a_failed_delivery_says_nothing_of_the_addresss_query() -> None:
    """What it raises is parked with its traceback, and the query may be a key."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"no HTTP\r\n\r\n")
        await writer.drain()
        writer.close()

    sender = HttpSender("a signing key of ours", AddressGuard([ip_network("127.0.0.0/8")]), 5.0)
    async with await asyncio.start_server(babble, "127.0.0.1") as server:
        hook = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?key={SECRET}"
        await sender.open()
        with pytest.raises(TryLater) as failure:
            await sender.send(hook, "acme", "j:1", "{}")
        await sender.close()
    assert SECRET not in "".join(traceback.format_exception(failure.value))


def test_a_receiver_can_check_the_signature_with_the_tenants_secret() -> None:
    """The published library takes our headers, and refuses another tenant's."""
    at, body = datetime.now(UTC), '{"a": 1}'
    headers = signed_headers(tenant_secret("a signing key of ours", "acme"), "j:1", at, body)
    assert Webhook(tenant_secret("a signing key of ours", "acme")).verify(body, headers) == {"a": 1}
    with pytest.raises(Exception, match="signature"):
        Webhook(tenant_secret("a signing key of ours", "rival")).verify(body, headers)


def test_a_tenants_secret_stays_what_it_was() -> None:
    """Receivers have been given it: made in another way, every delivery would be refused."""
    secret = "whsec_hvIjGUPJ62hrmbphyHF6UuUZQOL/K0t2W6+bfXU94Rk="  # noqa: S105 - of a key that nobody has
    assert tenant_secret("key-of-the-deployment", "acme") == secret
