"""What every job store must do, in memory and in MongoDB, over Motor and over PyMongo's async client."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pymongo.errors import BulkWriteError

from shared.clock import now
from shared.jobs.claims import Rules, claim
from shared.jobs.history import Entry, committed
from shared.jobs.mongo import AWAY, MongoStore, connect
from shared.jobs.moves import commit
from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.jobs.store import JobStore, NoSuchJob, change
from shared.topology import Stage
from shared.transcript import Delivered
from tests.fakes.jobs import WINDOW, new_job, prepared

RULES = Rules(3, 20.0)
TOLD = Delivered(url="http://127.0.0.1/hook", status=200)


class Repeating:
    """A collection whose updates are written as the function given does."""

    def __init__(self, collection: Any, update_one: Any) -> None:
        self.update_one, self.find_one = update_one, collection.find_one


class Unreplicated:
    """A collection of a database that tells so of the members that are to have its writes."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told

    async def bulk_write(self, *_: Any, **__: Any) -> None:
        """Raise what the driver makes of such an answer."""
        raise BulkWriteError({"writeErrors": [], "writeConcernErrors": [self.told]})


async def test_a_job_is_read_as_it_was_written(store: JobStore) -> None:
    """Nothing of the document is lost or changed on its way through the store."""
    job = new_job(language="he", metadata={"a.b": [1, None, "ש"]}).job
    assert await store.insert(job) == job
    assert await store.find(job.id) == job


async def test_a_job_that_is_not_there_is_named(store: JobStore) -> None:
    """Asking for an unknown job raises NoSuchJob with its id."""
    with pytest.raises(NoSuchJob, match="nowhere"):
        await store.find("nowhere")


async def test_the_same_id_is_one_job(store: JobStore) -> None:
    """A second insert of the same id returns the first document."""
    first = new_job().job
    await store.insert(first)
    again = new_job(language="en").job.model_copy(update={"id": first.id})
    assert (await store.insert(again)).options.language is None


async def test_the_same_idempotency_key_is_one_job_per_tenant(store: JobStore) -> None:
    """A key names one job of its tenant, and says nothing about another tenant's."""
    first, second, other = (new_job().job.model_copy(update={"idempotency_key": "k"}) for _ in range(3))
    other = other.model_copy(update={"tenant": "rival"})
    assert await store.insert(first) == first
    assert (await store.insert(second)).id == first.id
    assert (await store.insert(other)).id == other.id


async def test_only_the_first_of_two_writers_saves(store: JobStore) -> None:
    """Compare-and-set: a document that changed since it was read is not overwritten."""
    job = await store.insert(new_job().job)
    assert await store.save(job, job.model_copy(update={"error": "first"})) is not None
    assert await store.save(job, job.model_copy(update={"error": "second"})) is None
    assert (await store.find(job.id)).error == "first"


async def test_a_saved_document_can_be_saved_again(store: JobStore) -> None:
    """What `save` returns carries the revision the store now has."""
    job = await store.insert(new_job().job)
    saved = await store.save(job, job.model_copy(update={"error": "one"}))
    assert saved is not None
    assert await store.save(saved, saved.model_copy(update={"error": "two"})) is not None


async def test_a_save_leaves_other_workers_heartbeats_alone(store: JobStore) -> None:
    """A heartbeat costs no revision, and a save of something else does not undo it."""
    moved = new_job()
    step = moved.steps[0]
    await store.insert(moved.job)
    claimed, job = await change(store, moved.job, lambda job: claim(job, step, "w", now(), RULES))
    assert await store.beat(step, 1, 0.5, now())
    assert await store.save(job, job.model_copy(update={"error": "elsewhere"})) is not None
    assert (await store.find(job.id)).steps[step.key].progress == 0.5
    assert claimed.job.steps[step.key].state is StepState.RUNNING


async def test_a_claimed_step_counts_as_posted_whoever_was_first(store: JobStore) -> None:
    """A worker may have its message, and claim it on an older document, before its confirmation is written down."""
    moved = new_job()
    step = moved.steps[0]
    job = await store.insert(moved.job)
    await store.published(job.id, [], [step], now())
    await store.save(job, claim(job, step, "w", now(), RULES).job)
    assert (await store.find(job.id)).steps[step.key].posted


async def test_a_beat_of_an_attempt_that_lost_its_step_is_refused(store: JobStore) -> None:
    """An older attempt learns from its heartbeat that the step is no longer its own."""
    moved = new_job()
    await store.insert(moved.job)
    assert not await store.beat(moved.steps[0], 1, 0.5, now())


async def test_published_facts_leave_the_outbox_and_posted_steps_are_marked(store: JobStore) -> None:
    """Once confirmed, a fact is forgotten and a step is known to have its message."""
    moved = new_job()
    job = await store.insert(moved.job)
    await store.published(job.id, [1], moved.steps, now())
    stored = await store.find(job.id)
    assert stored.outbox == ()
    assert stored.steps[moved.steps[0].key].posted


async def test_facts_of_two_writers_are_both_kept(store: JobStore) -> None:
    """A commit adds its facts to the outbox; it never brings back those already forgotten."""
    moved = new_job()
    job = await store.insert(moved.job)
    await store.published(job.id, [1], [], now())
    claimed = claim(job, moved.steps[0], "w", now(), RULES).job
    saved = await store.save(job, claimed)
    assert saved is not None
    assert (await store.find(job.id)).outbox == ()


async def test_a_fact_is_kept_until_every_webhook_has_it(store: JobStore) -> None:
    """What webhooks wait for stands in the document, once, until the last of them was told."""
    hook = {"url": "http://127.0.0.1/hook", "events": ["accepted"]}
    moved = new_job(webhooks=[hook, hook])
    job = await store.insert(moved.job)
    kept = []
    for step in (step for step in moved.steps if step.stage is Stage.NOTIFIER):
        _, job = await change(store, job, partial(claim, step=step, worker="w", now=now(), rules=RULES))
        told = partial(commit, step=step, attempt=1, output=TOLD, now=now(), window=WINDOW)
        _, job = await change(store, job, told)
        kept.append([*(await store.find(job.id)).deliveries])
    assert kept == [["1"], []]


async def test_the_history_of_a_job_is_read_in_order_and_holds_each_entry_once(store: JobStore) -> None:
    """An entry written twice is one; another job's are not shown."""
    moments = [now() - timedelta(seconds=1), now()]
    first, second = (Entry(job="a", what=what, at=at) for what, at in zip(("admitted", "swept"), moments, strict=True))
    await store.remember([second, Entry(job="b", what="swept", at=moments[0])])
    await store.remember([first, second])
    assert [entry.what for entry in await store.history("a")] == ["admitted", "swept"]


async def test_a_step_that_waits_is_known_until_it_is_claimed(store: JobStore) -> None:
    """What a claim may begin with, without a read: the document as last written, marks of its messages included."""
    moved = new_job()
    step = moved.steps[0]
    job = await store.insert(moved.job)
    await store.published(job.id, [1], [step], now())
    known = store.claimable(step)
    assert known == await store.find(job.id)
    claimed = await store.save(job, claim(job, step, "w", now(), RULES).job)
    assert claimed is not None
    assert store.claimable(step) is None


async def test_what_was_committed_is_in_the_history_once(store: JobStore) -> None:
    """The document tells of it, and whoever wrote it down besides adds nothing."""
    moved = new_job()
    step = moved.steps[0]
    await store.insert(moved.job)
    _, job = await change(store, moved.job, lambda job: claim(job, step, "w", now(), RULES))
    _, job = await change(store, job, lambda job: commit(job, step, 1, prepared(), now(), WINDOW))
    await store.remember([*committed(job), Entry(job=job.id, what="swept", at=now() + timedelta(seconds=1))])
    assert [entry.what for entry in await store.history(job.id)] == ["done", "swept"]


async def test_a_write_that_the_driver_repeats_is_one_write(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer was lost, the driver wrote again and matched nothing: the job is saved all the same."""
    moved = new_job()
    job = await store.insert(moved.job)
    if isinstance(store, MongoStore):
        once = store._jobs.update_one

        async def twice(*asked: Any) -> Any:
            await once(*asked)
            return await once(*asked)

        monkeypatch.setattr(store, "_jobs", Repeating(store._jobs, twice))
    saved = await store.save(job, claim(job, moved.steps[0], "w", now(), RULES).job)
    assert saved is not None
    assert saved.revision == 1


async def test_the_store_answers_a_ping(store: JobStore) -> None:
    """A store that can be reached says nothing."""
    await store.ping()


async def test_a_database_that_is_not_there_fails_the_ping(unused_tcp_port: int) -> None:
    """That is what a service is not ready for."""
    client = connect(f"mongodb://127.0.0.1:{unused_tcp_port}/?serverSelectionTimeoutMS=50")
    with pytest.raises(AWAY):
        await MongoStore(client, "nowhere").ping()
    client.close()


async def test_a_job_that_came_again_under_its_id_is_another_job(store: JobStore) -> None:
    """What was read of the first, before it was forgotten, is not written into the second at the same revision."""
    moved = new_job()
    second = moved.job.but(created=moved.job.created + timedelta(days=1))
    await store.insert(second)
    assert await store.save(moved.job, claim(moved.job, moved.steps[0], "w", now(), RULES).job) is None
    assert await store.find(second.id) == second


async def test_a_document_put_back_to_before_a_step_is_not_marked_with_it(store: JobStore) -> None:
    """A mark alone would be a step that nobody can read, and with it the job could neither go on nor be cancelled."""
    moved = new_job()
    await store.insert(moved.job)
    await store.published(moved.job.id, [], [Step(moved.job.id, Stage.ENHANCER)], now())
    assert await store.find(moved.job.id) == moved.job


async def test_writes_that_no_majority_has_in_time_are_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """MongoDB tells of many writes in another way than of one; their messages are tried again until it is back."""
    late = {"code": 64, "errmsg": "waiting for replication timed out", "errInfo": {"wtimeout": True}}
    store = MongoStore(connect("mongodb://127.0.0.1:1/"), "nowhere")
    monkeypatch.setattr(store, "_jobs", Unreplicated(late))
    with pytest.raises(AWAY):
        await store.published("a", [1], [], now())
    monkeypatch.setattr(store, "_history", Unreplicated({"code": 100, "errmsg": "not enough members"}))
    with pytest.raises(BulkWriteError):
        await store.remember([Entry(job="a", what="swept", at=now())])
