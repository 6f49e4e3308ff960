"""The sweeper: what the broker lost is published again, what is on its way is left alone, what expired is forgotten."""

import asyncio
import os
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from prometheus_client import REGISTRY

from services.intake.admission import Limits
from services.intake.overdue import Patience
from services.intake.sweeper import Sweeper
from shared.blobs import NoSuchObject, ObjectStore
from shared.clock import now
from shared.jobs.document import Job
from shared.jobs.replay import replay
from shared.jobs.states import JobState, StepState
from shared.jobs.step import Step
from shared.jobs.store import change
from shared.mesh.post import Count
from shared.mesh.serve import nothing
from shared.topology import Happening, Lane, Stage, work_queue
from tests.fakes.intake import admission
from tests.fakes.jobs import WINDOW, new_job
from tests.fakes.post import MemoryPost
from tests.fakes.store import MemoryStore
from tests.fakes.upkeep import MemoryUpkeep

PATIENCE = Patience(heartbeat_lost=20.0, overdue=60.0)
LONG_AGO = timedelta(minutes=10)


class Queues:
    """Queues of given depths."""

    def __init__(self, **depths: int) -> None:
        self.depths = Counter({work_queue(Stage(stage)).name: depth for stage, depth in depths.items()})

    async def count(self, queue: str) -> Count:
        """Return the queue's depth."""
        return Count(self.depths[queue], 1)


def sweeper(store: MemoryStore, post: MemoryPost, folder: Path, **depths: int) -> Sweeper:
    """Return a sweeper over fakes."""
    return Sweeper(
        store=store,
        upkeep=MemoryUpkeep(store),
        post=post,
        counts=Queues(**depths),
        blobs=ObjectStore(f"file://{folder}"),
        admission=admission(store, post),
        worker="intake@here",
        window=WINDOW,
        patience=PATIENCE,
        interval=60.0,
        declare=nothing,
    )


def stored(store: MemoryStore, record: dict[str, Any] | None = None, **fields: Any) -> Job:
    """Return a job whose one step, the downloader's, was posted long ago, changed as given."""
    moved = new_job()
    (step,) = moved.steps
    long_ago = now() - LONG_AGO
    known = moved.job.steps[step.key].model_copy(update={"queued": long_ago, "posted": long_ago, **(record or {})})
    bare = {"outbox": (), "updated": long_ago, "steps": {step.key: known}}
    store.jobs[moved.job.id] = moved.job.model_copy(update={**bare, **fields})
    return store.jobs[moved.job.id]


async def swept(tmp_path: Path, *records: dict[str, Any], **depths: int) -> tuple[list[str], list[Job]]:
    """Return the jobs whose steps were published again, of jobs with the records given."""
    store, post = MemoryStore(), MemoryPost()
    jobs = [stored(store, record) for record in records]
    await sweeper(store, post, tmp_path, **depths).sweep()
    return [step.job for step in post.steps], jobs


async def test_a_step_whose_message_is_gone_is_published_again_once(tmp_path: Path) -> None:
    """The queue is empty, nobody works on it: the message is lost. The next sweep gives the new one its time."""
    store, post = MemoryStore(), MemoryPost()
    job, sweeps = stored(store), sweeper(store, post, tmp_path)
    counted = "scribe_steps_swept_total", {"stage": "downloader"}
    before = REGISTRY.get_sample_value(*counted) or 0
    await sweeps.sweep()
    await sweeps.sweep()
    assert REGISTRY.get_sample_value(*counted) == before + 1
    assert [step.job for step in post.steps] == [job.id]
    assert [entry.what for entry in await store.history(job.id)] == ["swept"]


async def test_only_the_leader_tells_how_many_jobs_wait(tmp_path: Path) -> None:
    """By lane, none included; one that leads no longer says nothing, or each job would be counted twice."""
    store, post = MemoryStore(), MemoryPost()
    stored(store, state=JobState.WAITING)
    first = replace(sweeper(store, post, tmp_path), admission=admission(store, post, Limits(0, 0)))
    await first.turn()
    told = [REGISTRY.get_sample_value("scribe_jobs_waiting", {"lane": lane.label}) for lane in Lane]
    assert told == [0, 1, 0, 0]
    await replace(first, worker="intake@elsewhere").turn()
    assert REGISTRY.get_sample_value("scribe_jobs_waiting", {"lane": "normal"}) is None


async def test_a_step_in_a_deep_queue_is_not_taken_for_lost(tmp_path: Path) -> None:
    """As many messages lie in the queue as steps wait for theirs: none is missing."""
    assert (await swept(tmp_path, {}, {}, downloader=2))[0] == []


async def test_of_a_queue_that_lost_some_the_longest_unheard_come_first(tmp_path: Path) -> None:
    """One message too few: one step is published, the one that should have been taken before the other."""
    older = {"posted": now() - 2 * LONG_AGO, "queued": now() - 2 * LONG_AGO}
    again, (_, old) = await swept(tmp_path, {}, older, downloader=1)
    assert again == [old.id]


async def test_what_runs_waits_on_the_ladder_or_is_young_is_left_alone(tmp_path: Path) -> None:
    """A fresh heartbeat, a time to come back, a message just sent: each means that it is on its way."""
    running = {"state": StepState.RUNNING, "heartbeat": now()}
    waiting = {"due": now() + timedelta(minutes=5)}
    assert (await swept(tmp_path, running, waiting, {"posted": now()}))[0] == []


async def test_what_is_not_in_the_queue_is_not_missed_there(tmp_path: Path) -> None:
    """One message lies in the queue for the one step that waits there; the other's is with its worker or the ladder."""
    for elsewhere in ({"state": StepState.RUNNING, "heartbeat": now()}, {"due": now() + LONG_AGO}):
        assert (await swept(tmp_path, elsewhere, {}, downloader=1))[0] == []


async def test_a_sweep_that_fails_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker is away, and then back: first it gets its topology, then what it lost, and who waits may start."""
    store, post, admitted = MemoryStore(), MemoryPost(), asyncio.Event()
    job = stored(store)
    declare = AsyncMock(side_effect=[ConnectionError("away"), None])
    sweeps = replace(sweeper(store, post, tmp_path), declare=declare, interval=0.01)
    monkeypatch.setattr(sweeps.admission, "admit", AsyncMock(side_effect=admitted.set))
    running = asyncio.create_task(sweeps.run())
    await asyncio.wait_for(admitted.wait(), 60)
    running.cancel()
    assert [step.job for step in post.steps] == [job.id]


async def test_a_step_whose_worker_died_with_its_message_is_published_again(tmp_path: Path) -> None:
    """No heartbeat for long, and no message: somebody else must hear of it."""
    again, (job,) = await swept(tmp_path, {"state": StepState.RUNNING, "heartbeat": now() - LONG_AGO})
    assert again == [job.id]


async def test_events_that_were_never_published_are_published(tmp_path: Path) -> None:
    """A crash between commit and publish leaves facts in the outbox, also of an ended job."""
    store, post = MemoryStore(), MemoryPost()
    job = stored(store, outbox=new_job().job.outbox, state=JobState.FAILED)
    await sweeper(store, post, tmp_path).sweep()
    assert post.told() == [Happening.ACCEPTED]
    assert store.jobs[job.id].outbox == ()


async def test_events_that_are_about_to_be_published_are_left_to_who_does_so(tmp_path: Path) -> None:
    """A job that changed a moment ago is somebody's, who has yet to hear the broker confirm."""
    store, post = MemoryStore(), MemoryPost()
    stored(store, outbox=new_job().job.outbox, updated=now())
    await sweeper(store, post, tmp_path, downloader=1).sweep()
    assert post.told() == []


async def test_a_job_at_rest_is_looked_at_once(tmp_path: Path) -> None:
    """Ended, everything told: the sweeper marks it and never reads it again."""
    store, post = MemoryStore(), MemoryPost()
    job = stored(store, {"state": StepState.DROPPED}, state=JobState.CANCELLED)
    await sweeper(store, post, tmp_path).sweep()
    assert store.jobs[job.id].settled


async def test_an_expired_job_is_forgotten_with_its_objects(tmp_path: Path) -> None:
    """Document and recording are gone; the recording of another job stays."""
    store, post = MemoryStore(), MemoryPost()
    old = stored(store, state=JobState.COMPLETED, expires=now() - LONG_AGO)
    sweeps = sweeper(store, post, tmp_path)
    for key in (f"jobs/acme/{old.id}/original", "jobs/acme/other/original"):
        await sweeps.blobs.put(key, b"sound")
    await sweeps.sweep()
    assert store.jobs == {}
    assert await sweeps.blobs.get("jobs/acme/other/original") == b"sound"
    with pytest.raises(NoSuchObject):
        await sweeps.blobs.get(f"jobs/acme/{old.id}/original")


async def test_an_upload_goes_with_the_last_job_that_was_made_of_it(tmp_path: Path) -> None:
    """Another job may still have to read it: one that is kept keeps the upload."""
    store, post = MemoryStore(), MemoryPost()
    made_of_it = new_job(source={"object": "uploads/acme/a.wav"}).job.options
    first, second = (stored(store, state=JobState.COMPLETED, options=made_of_it) for _ in range(2))
    sweeps = sweeper(store, post, tmp_path)
    await sweeps.blobs.put("uploads/acme/a.wav", b"sound")
    store.jobs[first.id] = first.but(expires=now() - LONG_AGO)
    await sweeps.sweep()
    assert list(store.jobs) == [second.id]
    assert await sweeps.blobs.get("uploads/acme/a.wav") == b"sound"
    store.jobs[second.id] = second.but(expires=now() - LONG_AGO)
    await sweeps.sweep()
    assert store.jobs == {}
    with pytest.raises(NoSuchObject):
        await sweeps.blobs.get("uploads/acme/a.wav")


async def test_a_job_is_kept_until_its_time_has_come(tmp_path: Path) -> None:
    """One that is to be kept for a while longer stays, and so does one that nobody ever wants forgotten."""
    store, post = MemoryStore(), MemoryPost()
    later, never = (stored(store, state=JobState.COMPLETED, expires=at) for at in (now() + LONG_AGO, None))
    await sweeper(store, post, tmp_path).sweep()
    assert store.jobs.keys() == {later.id, never.id}


async def test_a_job_that_cannot_be_deleted_keeps_no_other_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object store refuses one job's objects: that job stays for the next sweep, the other one goes."""
    store, post = MemoryStore(), MemoryPost()
    stuck, _ = (stored(store, state=JobState.COMPLETED, expires=now() - LONG_AGO) for _ in range(2))
    sweeps = sweeper(store, post, tmp_path)

    async def delete(key: str) -> None:
        if stuck.id in key:
            raise PermissionError(key)

    monkeypatch.setattr(sweeps.blobs, "delete", delete)
    await sweeps.sweep()
    assert list(store.jobs) == [stuck.id]


async def test_an_upload_that_a_killed_gateway_left_is_deleted(tmp_path: Path) -> None:
    """No job knows of what was never stored whole; one that may still be coming stays."""
    left, coming = tmp_path / "uploads/acme/left.wav#1", tmp_path / "uploads/acme/coming.wav#1"
    left.parent.mkdir(parents=True)
    for part in (left, coming):
        part.write_bytes(b"RIFF")
    os.utime(left, (0, 0))
    await swept(tmp_path)
    assert list(left.parent.iterdir()) == [coming]


async def test_a_job_is_not_replayed_while_it_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its objects and outputs go first: revived in between it would run on without them, and stay."""
    store, post = MemoryStore(), MemoryPost()
    old = stored(store, {"state": StepState.DEAD}, state=JobState.FAILED, expires=now() - LONG_AGO)
    sweeps = sweeper(store, post, tmp_path)

    async def delete(_: str) -> None:
        again = partial(replay, step=Step(old.id, Stage.DOWNLOADER), now=now(), window=WINDOW)
        assert not (await change(store, old, again))[0].steps

    monkeypatch.setattr(sweeps.blobs, "delete", delete)
    await sweeps.sweep()
    assert store.jobs == {}


async def test_a_job_that_was_replayed_since_it_was_listed_keeps_everything(tmp_path: Path) -> None:
    """Many expire at once, and their objects take their time: what is known of the last of them is old."""
    store, post = MemoryStore(), MemoryPost()
    old = stored(store, {"state": StepState.DEAD}, state=JobState.FAILED, expires=now() - LONG_AGO)
    revived = replay(old, Step(old.id, Stage.DOWNLOADER), now() - 2 * LONG_AGO, WINDOW).job
    sweeps = sweeper(store, post, tmp_path)
    await sweeps.blobs.put(f"jobs/acme/{old.id}/original", b"sound")
    store.jobs[old.id] = revived.but(revision=old.revision + 1)
    await sweeps._forget(old)
    assert await sweeps.blobs.get(f"jobs/acme/{old.id}/original") == b"sound"
    assert store.jobs.keys() == {old.id}


async def test_only_one_of_two_sweepers_sweeps(tmp_path: Path) -> None:
    """The one that does not lead does nothing."""
    store, post = MemoryStore(), MemoryPost()
    stored(store)
    first = sweeper(store, post, tmp_path)
    second = replace(first, worker="intake@there")
    assert await first._leads()
    assert not await second._leads()
