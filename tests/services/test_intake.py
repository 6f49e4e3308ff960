"""Intake: valid messages become one job, the others are told what is wrong, and nothing is lost."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from services.intake.admission import Limits
from shared.jobs.states import JobState, StepState
from shared.mesh.settle import TRIES, NotYet
from shared.messages import Event
from shared.options import Source
from shared.topology import CANCEL_KEY, Happening, Lane, Stage, event_key
from tests.fakes.incoming import Incoming
from tests.fakes.intake import intake
from tests.fakes.post import MemoryPost
from tests.fakes.store import MemoryStore

SECRET = "Bearer s3cret"  # noqa: S105 - a made-up one that must not come out


@pytest.fixture
def store() -> MemoryStore:
    """Return an empty store."""
    return MemoryStore()


@pytest.fixture
def post() -> MemoryPost:
    """Return a silent post."""
    return MemoryPost()


@pytest.fixture
def take(store: MemoryStore, post: MemoryPost) -> Callable[..., Any]:
    """Return what hands a message to the desk."""
    desk = intake(store, post)

    async def hand_in(body: dict[str, Any] | bytes, **properties: Any) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        message: Any = Incoming(raw, **properties)
        await desk.handle(message)

    return hand_in


def submit(**fields: Any) -> dict[str, Any]:
    """Return a submit message."""
    return {"id": str(uuid4()), "tenant": "acme", "source": {"url": "https://example.org/a.mp3?sig=1"}, **fields}


async def test_a_valid_message_is_stored_told_queued_and_answered(
    take: Callable[..., Any], store: MemoryStore, post: MemoryPost
) -> None:
    """One job, one `accepted` event, the downloader's step, and a reply with the id."""
    said = submit(priority="urgent")
    await take(said)
    job = store.jobs[said["id"]]
    assert (job.lane, job.state) == (Lane.URGENT, JobState.ACCEPTED)
    assert post.told() == [Happening.ACCEPTED]
    assert [step.stage for step in post.steps] == [Stage.DOWNLOADER]
    assert [(reply.id, reply.state) for reply in post.replies] == [(said["id"], "accepted")]


async def test_the_document_keeps_no_secret(take: Callable[..., Any], store: MemoryStore) -> None:
    """Headers and query of the source are sealed; what the document shows has neither."""
    await take(submit(source={"url": "https://example.org/a.mp3?sig=1", "headers": {"Authorization": SECRET}}))
    (job,) = store.jobs.values()
    assert job.options.source == Source(url="https://example.org/a.mp3")
    assert SECRET not in job.model_dump_json()


@pytest.mark.parametrize(("asked", "days"), [({"retention_days": 2}, 2), ({}, 30)])
async def test_an_ended_job_is_kept_for_as_many_days_as_it_asked_or_the_deployment_says(
    take: Callable[..., Any], store: MemoryStore, asked: dict[str, int], days: int
) -> None:
    """Counted from its end; one that has not ended is kept however old it is."""
    said = submit(**asked)
    await take(said)
    assert store.jobs[said["id"]].expires is None
    await take({"id": said["id"], "tenant": "acme"}, routing_key=CANCEL_KEY)
    job = store.jobs[said["id"]]
    assert job.expires == job.updated + timedelta(days=days)


async def test_the_same_message_twice_is_one_job(
    take: Callable[..., Any], store: MemoryStore, post: MemoryPost
) -> None:
    """A redelivery is answered again and queues nothing new."""
    said = submit()
    await take(said)
    await take(said)
    assert len(store.jobs) == len(post.steps) == len(post.told()) == 1
    assert len(post.replies) == 2


async def test_the_same_idempotency_key_is_one_job(
    take: Callable[..., Any], store: MemoryStore, post: MemoryPost
) -> None:
    """A second id under the same key is answered with the first's."""
    first, second = submit(idempotency_key="k"), submit(idempotency_key="k")
    await take(first)
    await take(second)
    assert [reply.id for reply in post.replies] == [first["id"], first["id"]]
    assert len(store.jobs) == 1


async def test_another_tenants_id_is_refused(take: Callable[..., Any], store: MemoryStore, post: MemoryPost) -> None:
    """Nobody learns of, or touches, a job that is another's."""
    said = submit()
    await take(said)
    await take({**said, "tenant": "rival"})
    assert post.told() == [Happening.ACCEPTED, Happening.REJECTED]
    assert store.jobs[said["id"]].tenant == "acme"


async def test_another_tenants_upload_is_refused(
    take: Callable[..., Any], store: MemoryStore, post: MemoryPost
) -> None:
    """An object reference stays inside its tenant."""
    await take(submit(source={"object": "uploads/rival/a.wav"}))
    assert post.replies[0].errors[0].field == "source.object"
    assert store.jobs == {}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"\xff", ["body"]),
        (b"[]", ["body"]),
        (b"[" * 60_000, ["body"]),
        (b"{" + b" " * 70_000 + b"}", ["body"]),
        (b"{}", ["source", "id"]),
        (json.dumps(submit(colour=1, beam_size=99)).encode(), ["beam_size", "colour"]),
    ],
)
async def test_an_invalid_message_is_told_answered_and_parked_as_it_came(
    take: Callable[..., Any], post: MemoryPost, body: bytes, named: list[str]
) -> None:
    """The event and the reply name each wrong field; the dead letter has the very bytes, and is counted."""
    counted = "scribe_messages_parked_total", {"stage": "intake"}
    before = REGISTRY.get_sample_value(*counted) or 0
    await take(body)
    assert REGISTRY.get_sample_value(*counted) == before + 1
    assert post.told() == [Happening.REJECTED]
    assert [error.field for error in post.replies[0].errors] == named
    assert [parked for parked, _ in post.parked] == [body]


async def test_a_wrong_value_is_never_repeated(take: Callable[..., Any], post: MemoryPost) -> None:
    """What was wrong may be a secret: the name of the field goes out, its value does not."""
    await take(submit(source={"url": f"ftp://{SECRET}"}))
    assert SECRET not in post.events[0].model_dump_json() + post.replies[0].model_dump_json()


async def test_no_reply_goes_into_a_queue_of_the_mesh(take: Callable[..., Any], post: MemoryPost) -> None:
    """A publisher cannot have intake write into a work queue."""
    await take(submit(), reply_to="scribe.work.transcriber")
    assert post.replies == []


async def test_a_cancel_ends_the_job_and_tells_every_worker(
    take: Callable[..., Any], store: MemoryStore, post: MemoryPost
) -> None:
    """The document first, then the event and the order to stop."""
    said = submit()
    await take(said)
    await take({"id": said["id"], "tenant": "acme"}, routing_key=CANCEL_KEY)
    job = store.jobs[said["id"]]
    assert job.state is JobState.CANCELLED
    assert job.steps["downloader-0"].state is StepState.DROPPED
    assert post.told() == [Happening.ACCEPTED, Happening.CANCELLED]
    assert [order.cancel for order in post.orders] == [said["id"]]


@pytest.mark.parametrize("spelt", [str.upper, lambda name: name.replace("-", "")])
async def test_a_cancel_may_spell_the_id_as_its_publisher_does(
    take: Callable[..., Any], store: MemoryStore, spelt: Callable[[str], str]
) -> None:
    """As the submit message may: there are languages that write a UUID in capitals."""
    said = submit()
    await take({**said, "id": spelt(said["id"])})
    await take({"id": spelt(said["id"]), "tenant": "acme"}, routing_key=CANCEL_KEY)
    assert store.jobs[said["id"]].state is JobState.CANCELLED


async def test_a_cancel_of_another_tenants_job_finds_nothing(
    take: Callable[..., Any], store: MemoryStore, post: MemoryPost
) -> None:
    """To a stranger, the job does not exist."""
    said = submit()
    await take(said)
    await take({"id": said["id"], "tenant": "rival"}, routing_key=CANCEL_KEY, headers={TRIES: 1})
    assert store.jobs[said["id"]].state is JobState.ACCEPTED
    assert post.replies[-1].errors[0].error == "names no job of this tenant"


@pytest.mark.parametrize("tenant", ["acme", "rival"])
async def test_a_cancel_that_came_before_its_job_is_tried_again(take: Callable[..., Any], tenant: str) -> None:
    """Its submit may still be on its way; a stranger is told no sooner that there is no such job."""
    said = submit()
    if tenant == "rival":
        await take(said)
    with pytest.raises(NotYet, match=said["id"]):
        await take({"id": said["id"], "tenant": tenant}, routing_key=CANCEL_KEY)


async def test_the_routing_key_says_what_a_message_is_whatever_its_type(
    take: Callable[..., Any], store: MemoryStore
) -> None:
    """The type property is the publisher's own: many clients put the name of their message class there."""
    said = submit()
    await take(said, type=CANCEL_KEY)
    assert store.jobs[said["id"]].state is JobState.ACCEPTED
    await take({"id": said["id"], "tenant": "acme"}, routing_key=CANCEL_KEY, type="StopTranscription")
    assert store.jobs[said["id"]].state is JobState.CANCELLED


async def test_a_cancel_that_waited_on_the_ladder_is_still_a_cancel(
    take: Callable[..., Any], store: MemoryStore
) -> None:
    """What a message is about survives the retry exchange's routing keys."""
    said = submit()
    await take(said)
    await take({"id": said["id"], "tenant": "acme"}, routing_key="step.intake.10s", type=CANCEL_KEY)
    assert store.jobs[said["id"]].state is JobState.CANCELLED


async def test_the_end_of_a_job_that_waited_on_the_ladder_is_no_submit(
    take: Callable[..., Any], store: MemoryStore, post: MemoryPost
) -> None:
    """It is heard as from the queue of ends, and nothing is told to be rejected."""
    said = submit()
    await take(said)
    ended = Event(
        job=said["id"], tenant="acme", sequence=2, happening=Happening.COMPLETED, at=store.jobs[said["id"]].created
    )
    told, key = post.told(), event_key("acme", Happening.COMPLETED)
    await take(ended.model_dump_json().encode(), routing_key="step.intake.10s", type=key)
    assert post.told() == told


async def test_a_cancel_that_could_not_be_told_is_told_when_its_message_comes_again(
    take: Callable[..., Any], store: MemoryStore, post: MemoryPost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document says it already, but no listener and no worker has heard of it."""
    said = submit()
    cancel = {"id": said["id"], "tenant": "acme"}
    await take(said)
    with monkeypatch.context() as away:
        away.setattr(post, "event", AsyncMock(side_effect=ConnectionError))
        away.setattr(post, "order", AsyncMock(side_effect=ConnectionError))
        with pytest.raises(ConnectionError):
            await take(cancel, routing_key=CANCEL_KEY)
    assert store.jobs[said["id"]].state is JobState.CANCELLED
    for _ in range(2):
        await take(cancel, routing_key=CANCEL_KEY)
    assert post.told() == [Happening.ACCEPTED, Happening.CANCELLED]
    assert [order.cancel for order in post.orders] == [said["id"]]


async def test_a_job_that_comes_behind_one_whose_tenant_is_full_starts_at_once(
    store: MemoryStore, post: MemoryPost
) -> None:
    """It is stored as waiting, since somebody waits, and nobody's end would start it: there is room for it now."""
    desk = intake(store, post, Limits(jobs=10, jobs_per_tenant=1))
    said = [submit(), submit(), submit(tenant="rival")]
    for each in said:
        message: Any = Incoming(json.dumps(each).encode())
        await desk.handle(message)
    states = [store.jobs[each["id"]].state for each in said]
    assert states == [JobState.ACCEPTED, JobState.WAITING, JobState.ACCEPTED]
    assert [step.job for step in post.steps] == [said[0]["id"], said[2]["id"]]


async def test_a_cancel_tells_the_webhooks_that_asked(take: Callable[..., Any], post: MemoryPost) -> None:
    """The delivery is queued with the cancel itself, not when somebody finds it missing."""
    said = submit(webhooks=[{"url": "https://example.org/hook"}])
    await take(said)
    await take({"id": said["id"], "tenant": "acme"}, routing_key=CANCEL_KEY)
    assert [step.stage for step in post.steps] == [Stage.DOWNLOADER, Stage.NOTIFIER]
