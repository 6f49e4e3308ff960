"""Admission: who may start is a matter of lanes, tenants and age, and nobody who waits is forgotten."""

from collections import Counter
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest

from services.intake.admission import FRESH, Admission, Limits
from shared.clock import now
from shared.jobs import moves
from shared.jobs.document import Job
from shared.jobs.states import JobState
from shared.messages import Event
from shared.topology import Happening, Lane, Stage
from tests.fakes.incoming import Incoming
from tests.fakes.intake import admission
from tests.fakes.jobs import WINDOW, new_job
from tests.fakes.post import MemoryPost
from tests.fakes.store import MemoryStore


class House:
    """A mesh of fakes with room for a few."""

    def __init__(self, jobs: int, jobs_per_tenant: int) -> None:
        self.store, self.post = MemoryStore(), MemoryPost()
        self.admission: Admission = admission(self.store, self.post, Limits(jobs, jobs_per_tenant))

    async def submit(self, tenant: str = "acme", lane: Lane = Lane.NORMAL) -> Job:
        """Insert a fresh job as intake does."""
        fresh = new_job(lane).job
        bare = {"tenant": tenant, "steps": {}, "outbox": (), "sequence": 0}
        return await self.admission.insert(fresh.model_copy(update=bare))

    async def end(self, job: Job) -> None:
        """End the job and let intake hear of it."""
        cancelled = moves.cancel(self.store.jobs[job.id], now(), WINDOW)
        self.store.jobs[job.id] = cancelled.job
        told: Any = Incoming(Event.of(cancelled.job, cancelled.facts[-1]).model_dump_json().encode())
        await self.admission.on_end(told)

    def states(self, *jobs: Job) -> list[JobState]:
        """Return where the jobs are now."""
        return [self.store.jobs[job.id].state for job in jobs]


async def test_what_there_is_no_room_for_waits_and_starts_when_another_ends() -> None:
    """The second job is stored and told, but its first step is queued only after the first job's end."""
    house = House(1, 1)
    first, second = await house.submit(), await house.submit()
    assert house.states(first, second) == [JobState.ACCEPTED, JobState.WAITING]
    assert house.post.steps == []
    await house.end(first)
    assert house.states(second) == [JobState.ACCEPTED]
    assert [(step.job, step.stage) for step in house.post.steps] == [(second.id, Stage.DOWNLOADER)]
    assert house.post.told() == [Happening.ACCEPTED]


async def test_a_job_that_comes_again_takes_one_place() -> None:
    """A publisher that was not told sends it once more: whoever comes behind it must not wait for that."""
    house = House(2, 2)
    first = await house.submit()
    for seconds in range(1, 3):
        await house.admission.insert(first.but(created=first.created + timedelta(seconds=seconds)))
    second = await house.submit()
    assert house.states(first, second) == [JobState.ACCEPTED, JobState.ACCEPTED]


async def test_a_tenant_that_is_full_does_not_keep_others_waiting() -> None:
    """Whoever waits because of its own tenant's limit is passed over."""
    house = House(10, 1)
    running, waiting = await house.submit("a"), await house.submit("a")
    other = await house.submit("b")
    await house.admission.admit()
    assert house.states(running, waiting, other) == [JobState.ACCEPTED, JobState.WAITING, JobState.ACCEPTED]


async def test_a_flood_of_low_lanes_leaves_room_for_the_urgent() -> None:
    """Only jobs of its own lane and above stand in a job's way."""
    house = House(2, 2)
    flood = [await house.submit(lane=Lane.BACKGROUND) for _ in range(4)]
    urgent = await house.submit(lane=Lane.URGENT)
    await house.admission.admit()
    assert house.states(urgent) == [JobState.ACCEPTED]
    assert house.states(*flood).count(JobState.ACCEPTED) == 2


async def test_a_newcomer_does_not_overtake_who_waits_in_its_lane() -> None:
    """A place that becomes free is for the oldest, however many come while it is given away."""
    house = House(1, 1)
    running, waiting = await house.submit(), await house.submit()
    house.store.jobs[running.id] = moves.cancel(running, now(), WINDOW).job
    newcomer = await house.submit()
    house.admission._counted = -FRESH
    await house.admission.admit()
    assert house.states(waiting, newcomer) == [JobState.ACCEPTED, JobState.WAITING]


async def test_jobs_cancelled_while_they_waited_make_no_room() -> None:
    """They never counted, so their ends give nobody a place."""
    house = House(1, 1)
    running, cancelled, waiting = [await house.submit() for _ in range(3)]
    await house.end(cancelled)
    assert house.states(running, waiting) == [JobState.ACCEPTED, JobState.WAITING]
    await house.end(running)
    assert house.states(waiting) == [JobState.ACCEPTED]


async def test_a_job_admitted_while_the_broker_went_away_is_passed_on_with_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end that made room comes again, and there is nobody left to admit: its step is queued all the same."""
    house = House(1, 1)
    running, waiting = await house.submit(), await house.submit()
    with monkeypatch.context() as away:
        away.setattr(house.post, "step", AsyncMock(side_effect=ConnectionError))
        with pytest.raises(ConnectionError):
            await house.end(running)
    assert house.states(waiting) == [JobState.ACCEPTED]
    await house.admission.admit()
    assert [step.job for step in house.post.steps] == [waiting.id]


@pytest.mark.parametrize(
    ("tenant", "lane", "full", "full_for"),
    [
        ("a", Lane.NORMAL, True, True),  # three of its lane and above run, whosever they are
        ("b", Lane.NORMAL, True, True),
        ("a", Lane.HIGH, False, True),  # two of its own
        ("b", Lane.HIGH, False, False),
        ("a", Lane.URGENT, False, False),
    ],
)
def test_jobs_of_a_lane_and_above_count_of_each_tenant_and_in_all(
    tenant: str, lane: Lane, full: bool, full_for: bool
) -> None:
    """What is lower stands in nobody's way."""
    running = Counter({("a", Lane.HIGH): 2, ("b", Lane.NORMAL): 1, ("b", Lane.BACKGROUND): 9})
    limits = Limits(jobs=3, jobs_per_tenant=2)
    assert (limits.full(running, lane), limits.full_for(running, tenant, lane)) == (full, full_for)


async def test_an_intake_that_has_just_started_knows_who_runs() -> None:
    """It counts before it lets anybody in."""
    house = House(1, 1)
    running = await house.submit()
    house.admission = admission(house.store, house.post, Limits(1, 1))
    waiting = await house.submit()
    assert house.states(running, waiting) == [JobState.ACCEPTED, JobState.WAITING]


async def test_the_end_of_a_job_that_is_no_longer_kept_lets_others_in() -> None:
    """Its event may wait for longer than the job was kept; and it is said in the history that another was admitted."""
    house = House(1, 1)
    first, second = await house.submit(), await house.submit()
    ended = moves.cancel(house.store.jobs.pop(first.id), now(), WINDOW)
    house.admission._counted = -FRESH
    told: Any = Incoming(Event.of(ended.job, ended.facts[-1]).model_dump_json().encode())
    await house.admission.on_end(told)
    assert house.states(second) == [JobState.ACCEPTED]
    assert [entry.what for entry in await house.store.history(second.id)] == ["admitted"]
    assert house.admission._admitted == {}


async def test_a_waiting_job_can_be_cancelled() -> None:
    """It never starts."""
    house = House(1, 1)
    first, waiting = await house.submit(), await house.submit()
    await house.end(waiting)
    await house.end(first)
    assert house.states(waiting) == [JobState.CANCELLED]
    assert house.post.steps == []


async def test_a_job_that_is_cancelled_at_the_last_moment_is_not_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waited when it was looked for: its history does not say that it started, and it takes nobody's place."""
    house = House(1, 1)
    running, cancelled, waiting = [await house.submit() for _ in range(3)]
    await house.end(cancelled)
    house.store.jobs[cancelled.id] = house.store.jobs[cancelled.id].but(revision=1)
    house.store.jobs[running.id] = moves.cancel(running, now(), WINDOW).job
    house.admission._counted = -FRESH
    monkeypatch.setattr(house.admission._upkeep, "next_waiting", AsyncMock(side_effect=[cancelled, waiting, None]))
    await house.admission.admit()
    assert await house.store.history(cancelled.id) == []
    assert house.states(waiting) == [JobState.ACCEPTED]
