"""Which outputs of steps a job store gives back, in memory and in MongoDB: those that count by the document."""

import pytest

from shared.clock import now
from shared.jobs import inline
from shared.jobs.claims import Rules, claim
from shared.jobs.moves import announce, commit
from shared.jobs.store import JobStore, change
from shared.topology import Stage
from tests.fakes.jobs import WINDOW, cut, new_job, prepared

RULES = Rules(3, 20.0)


async def test_only_committed_outputs_are_read(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output counts once a commit names its attempt; the loser's is never seen."""
    monkeypatch.setattr(inline, "MOST_BYTES", 0)
    moved = new_job()
    step = moved.steps[0]
    await store.insert(moved.job)
    _, job = await change(store, moved.job, lambda job: claim(job, step, "w", now(), RULES))
    await store.put_output(step, 1, prepared())
    await store.put_output(step, 2, prepared(1))
    assert await store.outputs(job, [Stage.DOWNLOADER]) == {Stage.DOWNLOADER: ()}
    _, job = await change(store, job, lambda job: commit(job, step, 1, prepared(), now(), WINDOW))
    assert await store.outputs(job, [Stage.DOWNLOADER]) == {Stage.DOWNLOADER: (prepared(),)}


async def test_a_small_output_is_read_from_the_document(store: JobStore) -> None:
    """What a commit wrote into the document is what is read, beside what is kept apart, in the order of parts."""
    moved = new_job()
    step = moved.steps[0]
    await store.insert(moved.job)
    _, job = await change(store, moved.job, lambda job: claim(job, step, "w", now(), RULES))
    await change(store, job, lambda job: commit(job, step, 1, prepared(), now(), WINDOW))
    stored = await store.find(job.id)
    assert await store.outputs(stored, [Stage.DOWNLOADER]) == {Stage.DOWNLOADER: (prepared(),)}


async def test_what_was_announced_is_read_until_the_whole_is_committed(store: JobStore) -> None:
    """The attempt that the document names counts in part, whichever holds the step by now."""
    moved = new_job()
    step = moved.steps[0]
    await store.insert(moved.job)
    _, job = await change(store, moved.job, lambda job: claim(job, step, "w", now(), RULES))
    await store.put_output(step, 1, cut("a"))
    _, job = await change(store, job, lambda job: announce(job, step, 1, cut("a"), now(), WINDOW))
    _, job = await change(store, job, lambda job: claim(job, step, "w", now(), RULES))
    assert await store.outputs(await store.find(job.id), [Stage.DOWNLOADER]) == {Stage.DOWNLOADER: (cut("a"),)}
    whole = prepared(digests=("a",))
    await change(store, job, lambda job: commit(job, step, 2, whole, now(), WINDOW))
    assert await store.outputs(await store.find(job.id), [Stage.DOWNLOADER]) == {Stage.DOWNLOADER: (whole,)}
