"""Whatever is sent to intake: it becomes one job, or it is told, answered and parked; nothing else can happen."""

import asyncio
import json
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from shared.mesh.settle import TRIES
from shared.messages import Cancel, Diagnosis, Event, Order, Reply, StepMessage, Submit
from shared.topology import CANCEL_KEY, SUBMIT_KEY, Happening
from tests.fakes.incoming import Incoming
from tests.fakes.intake import intake
from tests.fakes.post import MemoryPost
from tests.fakes.store import MemoryStore

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
VALID = {"id": str(uuid4()), "tenant": "acme", "source": {"url": "https://example.org/a.mp3"}}
FIELDS = st.sampled_from([*Submit.model_fields, "colour", "source.url", ""])
SENT = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(FIELDS, JSON, max_size=4).map(lambda wrong: json.dumps({**VALID, **wrong}).encode()),
)
MESSAGES: list[type[BaseModel]] = [Submit, Cancel, Reply, StepMessage, Event, Order, Diagnosis]


def sent(body: bytes, key: str, priority: int | None) -> tuple[MemoryStore, MemoryPost]:
    """Hand the message to an intake of fakes."""
    store, post = MemoryStore(), MemoryPost()
    message: Any = Incoming(body, key, reply_to="mine", priority=priority, headers={TRIES: 1})
    asyncio.run(intake(store, post).handle(message))
    return store, post


@settings(max_examples=400)
@given(body=SENT, key=st.sampled_from([SUBMIT_KEY, CANCEL_KEY]), priority=st.none() | st.integers(0, 255))
def test_every_message_is_taken_or_parked_exactly_and_answered(body: bytes, key: str, priority: int | None) -> None:
    """One job and its `accepted`, or no job, one `rejected` event and the exact message as a dead letter."""
    store, post = sent(body, key, priority)
    (reply,) = post.replies
    if store.jobs:
        assert post.told() == [Happening.ACCEPTED]
        assert (reply.state, post.parked) == ("accepted", [])
    else:
        assert post.told() == [Happening.REJECTED]
        assert (reply.state, bool(reply.errors)) == ("rejected", True)
        assert [parked for parked, _ in post.parked] == [body]


@settings(max_examples=300)
@given(kind=st.sampled_from(MESSAGES), said=JSON | st.dictionaries(FIELDS, JSON))
def test_a_body_is_a_message_or_is_refused(kind: type[BaseModel], said: Any) -> None:
    """No schema fails in another way than the one that intake answers, and what it takes it gives back the same."""
    body = json.dumps(said).encode()
    try:
        message = kind.model_validate_json(body)
    except ValidationError:
        return
    assert kind.model_validate_json(message.model_dump_json()) == message
