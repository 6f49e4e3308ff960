"""Batches that do not fit into memory: tried once more, halved, and the width that is left."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from services.transcriber.batching import Batcher
from services.transcriber.item import Item
from shared.topology import Lane
from tests.fakes.batching import Named, Scripted, asked, named, said


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("CUDA failed with error out of memory"),
        RuntimeError("parallel_for failed: cudaErrorInvalidDevice: invalid device ordinal"),
        MemoryError(),
        RuntimeError("ALLOC_FAILED"),
    ],
)
async def test_a_batch_that_does_not_fit_is_halved_and_the_width_that_works_is_kept(failure: Exception) -> None:
    """Eight do not fit, nor do four; two do, all are answered, and no wider batch is ever tried again; each is told."""

    def fail(jobs: list[str]) -> None:
        if len(jobs) > 3:
            raise failure

    decoder, told = Scripted(fail), list[int]()
    batcher = Batcher(decoder, 1, 8, narrowed=told.append)
    assert await asked(batcher, *map(named, "abcdefgh")) == [said(job) for job in "abcdefgh"]
    assert [len(batch) for batch in decoder.batches] == [8, 4, 2, 2, 2, 2]
    assert batcher.width == 2
    assert told == [4, 2]


def when_it_waits_for_room(batcher: Batcher[Named], happens: Callable[[], None]) -> None:
    """Let something happen when a batch has failed and the batcher begins to wait until another one has ended."""
    wait = batcher._less_crowded

    async def noted(batch: list[Item[Named]]) -> None:
        happens()
        await wait(batch)

    batcher._less_crowded = noted  # type: ignore[method-assign]  # nothing else tells that the failure has been seen


async def test_a_small_batch_that_fails_beside_a_large_one_is_tried_again_once_that_has_ended() -> None:
    """Two windows find no memory while four others have it; afterwards they do, and batches stay as wide as before."""
    beside, failed = threading.Event(), asyncio.Event()

    def fail(jobs: list[str]) -> None:
        if "a" in jobs:
            beside.wait(60)
        if "x" in jobs and not beside.is_set():
            raise MemoryError

    decoder, told = Scripted(fail), list[int]()
    batcher = Batcher(decoder, 2, 8, narrowed=told.append)
    when_it_waits_for_room(batcher, failed.set)
    large = asyncio.create_task(asked(batcher, *map(named, "abcdefgh")))
    small = asyncio.create_task(asked(batcher, named("x", kind="other"), named("y", kind="other")))
    await asyncio.wait_for(failed.wait(), 60)
    await asyncio.sleep(0)
    assert sum("x" in batch for batch in decoder.batches) == 1
    beside.set()
    assert await small == [said("x"), said("y")]
    assert await large == [said(job) for job in "abcdefgh"]
    assert sum("x" in batch for batch in decoder.batches) == 2
    assert (batcher.width, told) == (8, [])


async def test_a_small_batch_that_fails_again_beside_a_large_one_halves_the_large_one() -> None:
    """What did not fit is both together: batches hold half of the large one from then on, not half of the small one."""
    failed, released, begun, told = threading.Event(), threading.Event(), threading.Semaphore(0), list[int]()

    def fail(jobs: list[str]) -> None:
        if "x" not in jobs:
            begun.release()
            (failed if "a" in jobs else released).wait(60)
        elif not told:
            begun.acquire(timeout=60)
            raise MemoryError

    def narrowed(width: int) -> None:
        told.append(width)
        released.set()

    decoder = Scripted(fail)
    batcher = Batcher(decoder, 2, 4, narrowed=narrowed)
    when_it_waits_for_room(batcher, failed.set)
    urgent = [named(job, Lane.URGENT, kind="other") for job in "xy"]
    assert len(await asked(batcher, *urgent, *map(named, "abcdefgh"))) == 10
    assert told == [2]
    assert sum("x" in batch for batch in decoder.batches) == 3


async def test_a_window_that_finds_no_memory_by_itself_fails_once_it_was_tried_again() -> None:
    """Its step comes back later; batches are not narrowed for it."""

    def fail(_: list[str]) -> None:
        raise MemoryError

    decoder, told = Scripted(fail), list[int]()
    (failure,) = await asked(Batcher(decoder, 1, 8, narrowed=told.append), named("a"))
    assert isinstance(failure, MemoryError)
    assert (decoder.batches, told) == ([["a"], ["a"]], [])


async def test_short_windows_that_do_not_fit_into_memory_are_halved_to_one() -> None:
    """Halving ends, however many would take the room of a whole window."""

    def fail(jobs: list[str]) -> None:
        if len(jobs) > 1:
            raise MemoryError

    decoder, told = Scripted(fail), list[int]()
    short = [Named(named(job).window, "trimmed", per_whole=2) for job in "abcd"]
    assert await asked(Batcher(decoder, 1, 2, narrowed=told.append), *short) == [said(job) for job in "abcd"]
    assert [len(batch) for batch in decoder.batches] == [4, 2, 1, 1, 1, 1]
    assert told == [1, 1]
