"""Windows that share calls of a model: streams, failures, memory, doubt and stop, with a decoder that does as told."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from prometheus_client import REGISTRY

from services.transcriber.batching import Batcher
from services.transcriber.doubt import Doubt
from services.transcriber.speech import Window
from shared.mesh.outcomes import Stopped
from shared.topology import Lane
from shared.transcript import Segment
from tests.fakes.jobs import new_job

OPTIONS = new_job().job.options


@dataclass(frozen=True, eq=False)
class Named:
    """A window that is known by its job's name."""

    window: Window
    kind: Hashable = "usual"
    fits: int = 1

    def whole(self) -> "Named | None":
        """Return a trimmed window as a whole one."""
        return replace(self, kind="whole") if self.kind == "trimmed" else None


def named(job: str, lane: Lane = Lane.NORMAL, kind: Hashable = "usual") -> Named:
    """Return a window of a job."""
    return Named(Window(np.zeros(16_000, np.float32), "en", "model", OPTIONS, lane, job), kind)


def said(job: str) -> tuple[Segment, ...]:
    """Return what is said in the window of a job."""
    return (Segment(start=0.0, end=1.0, text=job),)


@dataclass
class Scripted:
    """Keeps the batches it is given, and does with each what `script` says before it answers with the jobs' names."""

    script: Callable[[list[str]], object] = lambda _: None
    doubtful: set[str] = field(default_factory=set)
    batches: list[list[str]] = field(default_factory=list)
    again: list[str] = field(default_factory=list)

    def together(self, batch: Sequence[Named]) -> list[tuple[Segment, ...] | Doubt]:
        """Return the names, and a doubt about those that are doubtful."""
        jobs = [ready.window.job for ready in batch]
        self.batches.append(jobs)
        self.script(jobs)
        return [Doubt("loop") if job in self.doubtful else said(job) for job in jobs]

    def alone(self, ready: Named) -> tuple[Segment, ...]:
        """Return the name in capitals."""
        self.again.append(ready.window.job)
        return said(ready.window.job.upper())


class Held:
    """Holds every batch until `go` is set, and says when the first one runs."""

    def __init__(self) -> None:
        self.running, self.go = asyncio.Event(), threading.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, _: list[str]) -> None:
        """Hold a batch."""
        self._loop.call_soon_threadsafe(self.running.set)
        self.go.wait(5)


async def asked(batcher: Batcher[Named], *windows: Named) -> list[tuple[Segment, ...] | BaseException]:
    """Return what becomes of windows that are asked for at once."""
    async with asyncio.timeout(10):
        return await asyncio.gather(*map(batcher.write_down, windows), return_exceptions=True)


async def test_windows_of_several_jobs_share_a_call_and_each_gets_its_own_text() -> None:
    """Four jobs, one call; what may not share a call has its own."""
    decoder = Scripted()
    texts = await asked(Batcher(decoder, 1, 8), *map(named, "abcd"), named("e", kind="other"))
    assert texts == [said(job) for job in "abcde"]
    assert decoder.batches == [["a", "b", "c", "d"], ["e"]]


async def test_streams_work_side_by_side_and_share_what_there_is() -> None:
    """Two streams that are idle take half each, at the same time."""
    both = threading.Barrier(2, timeout=5)
    decoder = Scripted(lambda _: both.wait())
    assert await asked(Batcher(decoder, 2, 8), *map(named, "abcd")) == [said(job) for job in "abcd"]
    assert sorted(decoder.batches) == [["a", "b"], ["c", "d"]]


async def test_a_bad_window_fails_alone() -> None:
    """A batch that fails is done again window by window: its neighbours get their text, it gets its own error."""

    def fail(jobs: list[str]) -> None:
        if "bad" in jobs:
            raise ValueError(str(jobs))

    decoder = Scripted(fail)
    good, bad, better = await asked(Batcher(decoder, 1, 8), named("a"), named("bad"), named("b"))
    assert (good, better) == (said("a"), said("b"))
    assert isinstance(bad, ValueError)
    assert str(bad) == "['bad']"
    assert decoder.batches == [["a", "bad", "b"], ["a"], ["bad"], ["b"]]


@pytest.mark.parametrize(
    "failure", [RuntimeError("CUDA failed with error out of memory"), MemoryError(), RuntimeError("ALLOC_FAILED")]
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


async def test_a_small_batch_that_fails_beside_a_large_one_is_tried_again_once_that_has_ended() -> None:
    """Two windows find no memory while four others have it; afterwards they do, and batches stay as wide as before."""
    beside, failed, loop = threading.Event(), asyncio.Event(), asyncio.get_running_loop()

    def fail(jobs: list[str]) -> None:
        if "a" in jobs:
            beside.wait(5)
        if "x" in jobs and not beside.is_set():
            loop.call_soon_threadsafe(failed.set)
            raise MemoryError

    decoder, told = Scripted(fail), list[int]()
    batcher = Batcher(decoder, 2, 8, narrowed=told.append)
    large = asyncio.create_task(asked(batcher, *map(named, "abcdefgh")))
    small = asyncio.create_task(asked(batcher, named("x", kind="other"), named("y", kind="other")))
    await asyncio.wait_for(failed.wait(), 5)
    await asyncio.sleep(0)
    assert sum("x" in batch for batch in decoder.batches) == 1
    beside.set()
    assert await small == [said("x"), said("y")]
    assert await large == [said(job) for job in "abcdefgh"]
    assert sum("x" in batch for batch in decoder.batches) == 2
    assert (batcher.width, told) == (8, [])


async def test_a_small_batch_that_fails_again_beside_a_large_one_halves_the_large_one() -> None:
    """What did not fit is both together: batches hold half of the large one from then on, not half of the small one."""
    released, begun, told = threading.Event(), threading.Semaphore(0), list[int]()

    def fail(jobs: list[str]) -> None:
        if "x" not in jobs:
            begun.release()
            released.wait(0.2 if "a" in jobs else 5)
        elif not told:
            begun.acquire(timeout=5)
            raise MemoryError

    def narrowed(width: int) -> None:
        told.append(width)
        released.set()

    decoder = Scripted(fail)
    batcher = Batcher(decoder, 2, 4, narrowed=narrowed)
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


async def test_only_the_window_in_doubt_is_done_again() -> None:
    """Its neighbours are answered as they are, it is heard with care, and the reason is counted."""
    before = REGISTRY.get_sample_value("scribe_engine_redone_total", {"reason": "loop"}) or 0
    decoder = Scripted(doubtful={"b"})
    assert await asked(Batcher(decoder, 1, 8), *map(named, "abc")) == [said("a"), said("B"), said("c")]
    assert decoder.batches == [["a", "b", "c"]]
    assert decoder.again == ["b"]
    assert REGISTRY.get_sample_value("scribe_engine_redone_total", {"reason": "loop"}) == before + 1


async def test_a_trimmed_window_in_doubt_is_done_again_as_a_whole_one_that_may_share_a_call() -> None:
    """It goes with the whole windows that wait, by itself only if its text is in doubt even then, and is told why."""
    decoder = Scripted(doubtful={"b"})
    trimmed = [named(job, kind="trimmed") for job in "ab"]
    reasons: list[str] = []
    trimmed[1] = replace(trimmed[1], window=replace(trimmed[1].window, redone=reasons.append))
    assert await asked(Batcher(decoder, 1, 8), *trimmed, named("c", kind="whole")) == [said("a"), said("B"), said("c")]
    assert decoder.batches == [["a", "b"], ["b", "c"]]
    assert decoder.again == ["b"]
    assert reasons == ["loop", "loop"]


async def test_a_batch_holds_more_windows_where_they_are_short() -> None:
    """Where two whole windows may share a call, four of half the length may; the next batch is expected to be alike."""
    decoder = Scripted()
    batcher = Batcher(decoder, 1, 2)
    short = [Named(named(job).window, "trimmed", fits=2) for job in "abcde"]
    assert await asked(batcher, *short) == [said(job) for job in "abcde"]
    assert decoder.batches == [["a", "b", "c", "d"], ["e"]]
    assert batcher.free == 4


async def test_short_windows_that_do_not_fit_into_memory_are_halved_to_one() -> None:
    """Halving ends, however many would take the room of a whole window."""

    def fail(jobs: list[str]) -> None:
        if len(jobs) > 1:
            raise MemoryError

    decoder, told = Scripted(fail), list[int]()
    short = [Named(named(job).window, "trimmed", fits=2) for job in "abcd"]
    assert await asked(Batcher(decoder, 1, 2, narrowed=told.append), *short) == [said(job) for job in "abcd"]
    assert [len(batch) for batch in decoder.batches] == [4, 2, 1, 1, 1, 1]
    assert told == [1, 1]


async def test_an_urgent_window_overtakes_all_but_the_batch_that_runs() -> None:
    """It is heard next, though others of lower lanes came long before it."""
    held = Held()
    decoder = Scripted(held)
    batcher = Batcher(decoder, 1, 2)
    backlog = asyncio.create_task(asked(batcher, *map(named, "abcdef")))
    await held.running.wait()
    urgent = asyncio.create_task(asked(batcher, named("urgent", Lane.URGENT)))
    await asyncio.sleep(0)
    held.go.set()
    await asyncio.gather(backlog, urgent)
    assert decoder.batches[1] == ["urgent", "c"]


async def test_windows_that_are_stopped_or_forgotten_while_they_wait_are_never_heard() -> None:
    """Once the running batch ends, a stopped window's caller hears of it, and nobody's window is decoded for nobody."""
    held = Held()
    decoder = Scripted(held)
    batcher = Batcher(decoder, 1, 1)
    windows = [named(job) for job in ("runs", "stopped", "forgotten", "waits")]
    calls = [asyncio.create_task(batcher.write_down(window)) for window in windows]
    await held.running.wait()
    windows[1].window.stop.set()
    calls[2].cancel()
    held.go.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert (results[0], results[3]) == (said("runs"), said("waits"))
    assert isinstance(results[1], Stopped)
    assert isinstance(results[2], asyncio.CancelledError)
    assert decoder.batches == [["runs"], ["waits"]]


async def test_a_caller_that_goes_while_its_window_runs_harms_nobody() -> None:
    """The batch ends by itself and its other windows are answered."""
    held = Held()
    batcher = Batcher(Scripted(held), 1, 2)
    goes, stays = (asyncio.create_task(batcher.write_down(named(job))) for job in "ab")
    await held.running.wait()
    goes.cancel()
    held.go.set()
    assert await stays == said("b")
    assert await asked(batcher, named("c")) == [said("c")]


async def test_a_decoder_that_answers_too_little_leaves_nobody_waiting() -> None:
    """Each window hears of the error, the next one is answered."""
    decoder = Scripted()
    batcher = Batcher(decoder, 1, 2)
    decoder.together = lambda _: []
    assert [type(text) for text in await asked(batcher, *map(named, "ab"))] == [ValueError, ValueError]
    decoder.together = lambda batch: [said(ready.window.job) for ready in batch]
    assert await asked(batcher, named("c")) == [said("c")]
