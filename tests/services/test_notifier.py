"""The notifier: each webhook that asked for an event gets it, signed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from services.notifier.stage import deliver
from shared.mesh.outcomes import GiveUp, TryLater
from shared.mesh.work import Work
from shared.messages import Event
from shared.signing import signed_headers, tenant_secret
from shared.topology import Stage
from tests.fakes.jobs import new_job

HOOKS: list[dict[str, Any]] = [
    {"url": "https://a.example/x?key=1", "events": ["accepted"]},
    {"url": "https://b.example/"},
]


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
