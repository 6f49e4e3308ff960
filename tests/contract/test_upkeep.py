"""What every upkeep of a job store must do, in memory and in MongoDB, over Motor and over PyMongo's async client."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient

from deploy.local.parts import LocalParts
from shared.clock import now
from shared.jobs.document import Job
from shared.jobs.history import Entry
from shared.jobs.mongo import MongoStore, connect
from shared.jobs.mongo_upkeep import MongoUpkeep
from shared.jobs.rows import UnreadableJob
from shared.jobs.states import JobState
from shared.jobs.step import Step
from shared.jobs.store import JobStore, NoSuchJob
from shared.jobs.upkeep import Upkeep
from shared.topology import Lane, Stage
from tests.fakes.jobs import new_job, prepared
from tests.fakes.store import MemoryStore
from tests.fakes.upkeep import MemoryUpkeep

Kept = tuple[JobStore, Upkeep]


DRIVERS = [pytest.param(driver, marks=pytest.mark.broker) for driver in ("motor", "pymongo")]


@pytest.fixture(params=["memory", *DRIVERS])
async def kept(request: pytest.FixtureRequest, parts: LocalParts) -> AsyncIterator[Kept]:
    """Yield each kind of store with its upkeep, empty."""
    if request.param == "memory":
        memory = MemoryStore()
        yield memory, MemoryUpkeep(memory)
        return
    url, name = parts.mongo_url, f"contract_{uuid4().hex[:12]}"
    client: Any = connect(url) if request.param == "motor" else AsyncMongoClient(url, tz_aware=True)
    store, upkeep = MongoStore(client, name), MongoUpkeep(client, name)
    await store.prepare()
    await upkeep.prepare()
    yield store, upkeep
    closed = client.close()
    if closed is not None:
        await closed


async def stored(store: JobStore, lane: Lane = Lane.NORMAL, **fields: Any) -> Job:
    """Return a stored job with the fields given."""
    return await store.insert(new_job(lane).job.model_copy(update=fields))


@pytest.mark.parametrize("kept", DRIVERS, indirect=True)
async def test_a_document_that_this_version_cannot_read_keeps_no_other_from_being_looked_after(kept: Kept) -> None:
    """A newer version has written a field that this one does not know: any other job waits, is swept, is forgotten."""
    store, upkeep = kept
    assert isinstance(store, MongoStore)
    past = now() - timedelta(days=1)
    for state in (JobState.WAITING, JobState.FAILED):
        newer = await stored(store, state=state, created=past, expires=past)
        await store._jobs.update_one({"_id": newer.id}, {"$set": {"invented": 1}})
    waiting = await stored(store, state=JobState.WAITING)
    ended = await stored(store, state=JobState.FAILED, expires=past)
    assert await upkeep.next_waiting(()) == waiting
    assert [job async for job in upkeep.unsettled()] == [ended]
    assert [job async for job in upkeep.expired(now())] == [ended]
    with pytest.raises(UnreadableJob, match="invented"):
        await store.find(newer.id)


async def test_running_jobs_are_counted_by_tenant_and_lane(kept: Kept) -> None:
    """Accepted and running jobs count; those that wait or have ended do not."""
    store, upkeep = kept
    await stored(store)
    await stored(store, state=JobState.RUNNING)
    await stored(store, Lane.URGENT, tenant="b")
    await stored(store, state=JobState.WAITING)
    await stored(store, state=JobState.FAILED)
    assert await upkeep.running() == {("acme", Lane.NORMAL): 2, ("b", Lane.URGENT): 1}


async def test_waiting_jobs_are_counted_by_lane(kept: Kept) -> None:
    """Of all tenants; those that were admitted do not count."""
    store, upkeep = kept
    await stored(store)
    for tenant in ("acme", "b"):
        await stored(store, Lane.URGENT, tenant=tenant, state=JobState.WAITING)
    assert +await upkeep.waiting() == {Lane.URGENT: 2}


async def test_the_highest_lanes_oldest_waits_first(kept: Kept) -> None:
    """Lanes come before age, and tenants that are full are passed over."""
    store, upkeep = kept
    late = now() + timedelta(seconds=5)
    old, young = [await stored(store, state=JobState.WAITING, created=at) for at in (now(), late)]
    urgent = await stored(store, Lane.URGENT, tenant="b", state=JobState.WAITING, created=late)
    assert await upkeep.next_waiting(()) == urgent
    assert await upkeep.next_waiting({"b"}) == old
    assert await upkeep.next_waiting({"b", "acme"}) is None
    assert young.created > old.created


async def test_only_jobs_that_may_have_something_left_to_do_are_unsettled(kept: Kept) -> None:
    """Jobs that wait, and those seen at rest, are not looked at again."""
    store, upkeep = kept
    running = await stored(store)
    ended = await stored(store, state=JobState.COMPLETED)
    await stored(store, state=JobState.COMPLETED, settled=True)
    await stored(store, state=JobState.WAITING)
    assert {job.id async for job in upkeep.unsettled()} == {running.id, ended.id}


async def test_an_expired_job_is_forgotten_with_all_that_was_kept_of_it(kept: Kept) -> None:
    """Nothing is left in any collection, and no other job is touched."""
    store, upkeep = kept
    old = await stored(store, state=JobState.COMPLETED, expires=now() - timedelta(days=1))
    await stored(store, state=JobState.COMPLETED, expires=now() + timedelta(days=1))
    await stored(store)
    step = Step(old.id, Stage.DOWNLOADER)
    await store.put_output(step, 1, prepared())
    await store.remember([Entry(job=old.id, what="swept", at=now())])
    assert [job.id async for job in upkeep.expired(now())] == [old.id]
    await upkeep.forget(old)
    assert await store.history(old.id) == []
    with pytest.raises(NoSuchJob):
        await store.find(old.id)


async def test_a_forgotten_job_leaves_its_id_and_its_key_to_another(kept: Kept) -> None:
    """What was read of the first is written nowhere, and a key of its names the job that comes with it next."""
    store, upkeep = kept
    old = await stored(store, state=JobState.COMPLETED, idempotency_key="k")
    await upkeep.forget(old)
    await store.published(old.id, [1], [Step(old.id, Stage.DOWNLOADER)], now())
    assert await store.save(old, old.but(settled=True)) is None
    assert await store.insert(old) == old
    await upkeep.forget(old)
    second = new_job().job.but(idempotency_key="k")
    assert await store.insert(second) == second


async def test_a_job_that_has_moved_on_is_not_forgotten(kept: Kept) -> None:
    """It was replayed after it had been looked at."""
    store, upkeep = kept
    old = await stored(store, state=JobState.COMPLETED)
    again = await store.save(old, old.but(state=JobState.RUNNING))
    await upkeep.forget(old)
    assert await store.find(old.id) == again


async def test_a_job_whose_upload_another_was_made_from_is_not_alone(kept: Kept) -> None:
    """The upload may go only with the last job that came from it."""
    store, upkeep = kept
    source = {"object": "uploads/acme/a.wav"}
    one, two = [await store.insert(new_job(source=source).job) for _ in range(2)]
    assert not await upkeep.alone(one)
    await upkeep.forget(two)
    assert await upkeep.alone(one)


async def test_one_worker_leads_until_its_time_is_over(kept: Kept) -> None:
    """A leader may go on; another takes over only once the time has passed."""
    _, upkeep = kept
    moment = now()
    later = moment + timedelta(seconds=10)
    assert await upkeep.lead("sweep", "a", moment, later)
    assert await upkeep.lead("sweep", "a", moment, later)
    assert not await upkeep.lead("sweep", "b", moment, later)
    assert await upkeep.lead("sweep", "b", later + timedelta(seconds=1), later + timedelta(seconds=20))
    assert not await upkeep.lead("sweep", "a", later + timedelta(seconds=2), later + timedelta(seconds=20))


async def test_a_leader_whose_clock_was_wrong_is_followed_by_another(kept: Kept) -> None:
    """It leads until tomorrow and is gone: nobody would sweep before. One that is ahead by seconds changes nothing."""
    _, upkeep = kept
    moment, lease = now(), timedelta(seconds=10)
    ahead = moment + timedelta(days=1)
    assert await upkeep.lead("sweep", "gone", ahead, ahead + lease)
    assert await upkeep.lead("sweep", "a", moment + timedelta(seconds=5), moment + timedelta(seconds=5) + lease)
    assert not await upkeep.lead("sweep", "b", moment, moment + lease)
