"""Intake: who is told what of a message, and what is kept of its source."""

import json
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest

from services.intake.admission import Limits
from services.intake.stage import ID_LETTERS
from shared.jobs.states import JobState
from shared.messages import Event
from shared.options import Source
from shared.topology import CANCEL_KEY, Happening, Stage, event_key
from tests.fakes.incoming import Incoming
from tests.fakes.intake import admission, intake
from tests.fakes.post import MemoryPost
from tests.fakes.store import MemoryStore

URL = {"url": "https://example.org/a.mp3?sig=1", "headers": {"x-key": "s3cret"}}


def submit(job: str) -> bytes:
    """Return a submit message of acme's."""
    return json.dumps({"id": job, "tenant": "acme", "source": URL}).encode()


async def taken(store: MemoryStore, post: MemoryPost, said: dict[str, Any], **properties: Any) -> None:
    """Hand the message to a desk over the fakes."""
    message: Any = Incoming(json.dumps(said).encode(), **properties)
    await intake(store, post).handle(message)


async def test_a_source_is_sealed_whole_and_an_upload_is_not() -> None:
    """The downloader needs the query and the headers that the document does not show."""
    for source, sealed in ((URL, Source(**URL)), ({"object": "uploads/acme/a.wav"}, None)):
        store = MemoryStore()
        await taken(store, MemoryPost(), {"id": str(uuid4()), "tenant": "acme", "source": source})
        (job,) = store.jobs.values()
        assert (job.sealed and Source.model_validate_json(job.sealed[::-1])) == sealed


@pytest.mark.parametrize(
    ("who", "job", "tenant"),
    [
        ({"id": "17", "tenant": "acme"}, "17", "acme"),
        ({"id": "x" * 300, "tenant": "acme"}, "x" * ID_LETTERS, "acme"),
        ({"id": 17}, None, "default"),
        ({"id": "17", "tenant": "*.#"}, "17", "unknown"),
    ],
)
async def test_a_wrong_message_is_told_to_whom_it_says_it_is_of(
    who: dict[str, Any], job: str | None, tenant: str
) -> None:
    """To nobody else: the event goes where its tenant listens, and names each wrong field, and the message."""
    post = MemoryPost()
    await taken(MemoryStore(), post, {**who, "source": URL, "colour": 1}, message_id="m-1")
    event, (_, why), reply = post.events[0], post.parked[0], post.replies[0]
    assert (event.tenant, event.job, event.sequence) == (tenant, job, 0)
    assert "colour" in [error["field"] for error in event.body["errors"]]
    assert event.body["message_id"] == "m-1"
    assert (why.tenant, why.job, why.stage) == (tenant, job, Stage.INTAKE)
    assert (reply.id, reply.state) == (job, "rejected")


async def test_an_answer_goes_where_it_was_asked_for_and_says_to_what() -> None:
    """A publisher that asked for none gets none."""
    post, store = AsyncMock(), MemoryStore()
    said = {"id": str(uuid4()), "source": URL}
    await taken(store, post, said, reply_to="mine", correlation_id="c-7")
    (queue, correlation_id, _), _ = post.reply.await_args
    assert (queue, correlation_id) == ("mine", "c-7")
    await taken(store, post, said, reply_to=None)
    assert post.reply.await_count == 1


async def test_a_parked_message_can_be_sent_again_as_what_it_was() -> None:
    """Its letter keeps what it was about, and its lane."""
    post = AsyncMock()
    await taken(MemoryStore(), post, {"id": "17"}, routing_key="step.intake.10s", type=CANCEL_KEY, priority=2)
    assert post.park.await_args.kwargs == {"type": CANCEL_KEY, "priority": 2}


async def test_the_end_of_a_job_lets_the_next_one_in() -> None:
    """Also as it comes back from the ladder; a job submitted under an end's name is still a submit."""
    store, key = MemoryStore(), event_key("acme", Happening.CANCELLED)
    desk = intake(store, MemoryPost())
    desk = replace(desk, admission=admission(store, MemoryPost(), Limits(1, 1)))

    async def hand_in(said: bytes, **properties: Any) -> None:
        message: Any = Incoming(said, **properties)
        await desk.handle(message)

    first, second = str(uuid4()), str(uuid4())
    await hand_in(submit(first), type=key)
    await hand_in(submit(second))
    await hand_in(json.dumps({"id": first, "tenant": "acme"}).encode(), routing_key=CANCEL_KEY)
    assert store.jobs[second].state is JobState.WAITING
    ended = Event(job=first, tenant="acme", sequence=2, happening=Happening.CANCELLED, at=store.jobs[first].updated)
    await hand_in(ended.model_dump_json().encode(), routing_key="step.intake.10s", type=key)
    assert store.jobs[second].state is JobState.ACCEPTED
