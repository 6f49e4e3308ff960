"""Asking intake over the broker, and the tokens that a gateway starts with."""

from typing import Any

import pytest
from aio_pika.exceptions import DeliveryError
from pamqp.commands import Basic
from pydantic_core import from_json

from services.gateway.settings import GatewaySettings
from services.gateway.submitter import NoReply, NotTaken, Submitter
from shared.settings import WrongSettings, load
from shared.topology import CANCEL_KEY, JOBS, SUBMIT_KEY, Lane


async def test_intake_is_asked_by_the_same_message_as_any_publishers() -> None:
    """In the lane of its priority, with an id, and its reply is waited for no longer than allowed."""
    published: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = []

    async def publish(exchange: str, key: str, body: bytes, **properties: Any) -> None:
        published.append((exchange, key, from_json(body), properties))

    submitter = Submitter(None, publish, 0.01)  # type: ignore[arg-type]  # nothing is received here
    for key, priority in ((SUBMIT_KEY, "high"), (SUBMIT_KEY, "no lane"), (CANCEL_KEY, None)):
        with pytest.raises(NoReply):
            await submitter.ask(key, {"id": "7", "priority": priority})
    exchange, key, body, properties = published[0]
    assert (exchange, key, body, properties["message_id"]) == (
        JOBS.name,
        SUBMIT_KEY,
        {"id": "7", "priority": "high"},
        "7",
    )
    assert [properties["priority"] for *_, properties in published] == [Lane.HIGH, Lane.NORMAL, Lane.URGENT]
    assert len({properties["correlation_id"] for *_, properties in published}) == 3


@pytest.mark.parametrize("lost", [DeliveryError(None, Basic.Nack()), ConnectionResetError(), TimeoutError()])
async def test_a_message_that_the_broker_does_not_confirm_is_no_accepted_one(lost: Exception) -> None:
    """However the broker fails."""

    async def publish(*_: Any, **__: Any) -> None:
        raise lost

    with pytest.raises(NotTaken):
        await Submitter(None, publish, 1).ask(SUBMIT_KEY, {"id": "7"})  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ("acme=token", "must be JSON"),
        ('{"acme": "short"}', "at least 16"),
        ('{"A B": "a-token-of-some-length"}', "pattern"),
        ('{"a": "a-token-of-some-length", "b": "a-token-of-some-length"}', "the same token"),
    ],
)
def test_wrong_tokens_stop_the_start(tokens: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable's name, and never with a token."""
    monkeypatch.setenv("SCRIBE_GATEWAY_TOKENS", tokens)
    with pytest.raises(WrongSettings, match="SCRIBE_GATEWAY_TOKENS") as wrong:
        load(GatewaySettings)
    assert said in str(wrong.value)
    assert "a-token" not in str(wrong.value)


def test_a_tenants_token_cannot_be_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """That tenant would see the dead letters of all others."""
    monkeypatch.setenv("SCRIBE_GATEWAY_TOKENS", '{"acme": "a-token-of-some-length"}')
    monkeypatch.setenv("SCRIBE_GATEWAY_OPERATOR_TOKEN", "a-token-of-some-length")
    with pytest.raises(WrongSettings, match="SCRIBE_GATEWAY_OPERATOR_TOKEN: is a tenant's"):
        load(GatewaySettings)
    monkeypatch.setenv("SCRIBE_GATEWAY_OPERATOR_TOKEN", "another-of-some-length")
    assert load(GatewaySettings).gateway_operator_token is not None
