"""The notifier: an event becomes one signed delivery per webhook that asked, and each is recorded."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from services.notifier.desk import Desk
from services.notifier.stage import deliver
from shared.jobs.document import Job
from shared.mesh.outcomes import GiveUp, TryLater
from shared.mesh.work import Work
from shared.messages import Event
from shared.signing import signed_headers, tenant_secret
from shared.topology import Stage
from tests.fakes.jobs import new_job
from tests.fakes.post import MemoryPost
from tests.fakes.store import MemoryStore

HOOKS = [{"url": "https://a.example/x?key=1", "events": ["accepted"]}, {"url": "https://b.example/"}]


@dataclass
class Arrived:
    """An event's message."""

    body: bytes


class Answering:
    """A sender whose target answers with one status."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.sent: list[tuple[str, str, str, str]] = []

    async def send(self, url: str, tenant: str, message_id: str, body: str) -> int:
        """Keep what was sent."""
        self.sent.append((url, tenant, message_id, body))
        return self.status


async def queued() -> tuple[MemoryStore, MemoryPost, Job]:
    """Return a mesh whose notifier has seen the `accepted` event of a job with two webhooks, twice."""
    store, post = MemoryStore(), MemoryPost()
    job = new_job(webhooks=HOOKS).job
    await store.insert(job)
    event = Arrived(Event.of(job, job.outbox[0]).model_dump_json().encode())
    for _ in range(2):
        await Desk(store, post).handle(event)  # type: ignore[arg-type] - the body is all that the desk reads
    return store, post, await store.find(job.id)


async def attempt(status: int) -> tuple[Any, Answering]:
    """Return what a delivery made of the status, and the sender."""
    _, post, job = await queued()
    sender = Answering(status)
    return await deliver(Work(job, post.steps[0]), sender), sender


async def test_only_the_webhook_that_asked_is_told_and_once() -> None:
    """An event that comes twice queues one delivery, for the one webhook that wants it."""
    _, post, job = await queued()
    assert [(step.stage, step.part) for step in post.steps] == [(Stage.NOTIFIER, 10)]
    assert list(job.deliveries) == ["notifier-10"]


async def test_a_delivery_carries_the_event_and_is_recorded_without_the_query() -> None:
    """The target gets the event's JSON; the record shows no key."""
    delivered, sender = await attempt(204)
    ((url, tenant, message_id, body),) = sender.sent
    assert (url, tenant) == (HOOKS[0]["url"], "acme")
    assert message_id.endswith(":1")
    assert Event.model_validate_json(body).happening == "accepted"
    assert (delivered.url, delivered.status) == ("https://a.example/x", 204)


@pytest.mark.parametrize(("status", "failure"), [(500, TryLater), (404, TryLater), (302, TryLater), (410, GiveUp)])
async def test_a_refusal_is_tried_again_unless_it_is_for_good(status: int, failure: type[Exception]) -> None:
    """410 means no more; everything else may heal."""
    with pytest.raises(failure, match=str(status)):
        await attempt(status)


def test_a_receiver_can_check_the_signature_with_the_tenants_secret() -> None:
    """The published library takes our headers, and refuses another tenant's."""
    at, body = datetime.now(UTC), '{"a": 1}'
    headers = signed_headers(tenant_secret("a signing key of ours", "acme"), "j:1", at, body)
    assert Webhook(tenant_secret("a signing key of ours", "acme")).verify(body, headers) == {"a": 1}
    with pytest.raises(Exception, match="signature"):
        Webhook(tenant_secret("a signing key of ours", "rival")).verify(body, headers)
