"""Windows that share calls of a model: streams, failures, doubt and stop, with a decoder that does as told."""

import asyncio
import threading
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from services.transcriber import batching
from services.transcriber.batching import Batcher
from shared.mesh.outcomes import Stopped
from shared.topology import Lane
from tests.fakes.batching import Held, Named, Scripted, asked, named, said


async def test_windows_of_several_jobs_share_a_call_and_each_gets_its_own_text() -> None:
    """Four jobs, one call; what may not share a call has its own."""
    decoder = Scripted()
    texts = await asked(Batcher(decoder, 1, 8), *map(named, "abcd"), named("e", kind="other"))
    assert texts == [said(job) for job in "abcde"]
    assert decoder.batches == [["a", "b", "c", "d"], ["e"]]


async def test_a_batch_goes_when_it_is_full_and_waits_for_others_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that come a moment apart share a call, and the last that has room in it is not kept waiting."""
    monkeypatch.setattr(batching, "GATHERING_SECONDS", 3_600)
    decoder = Scripted()
    batcher = Batcher(decoder, 1, 3)
    for first, *others in (["a", "b", "c"], ["d", "e", "f"]):
        early = asyncio.create_task(batcher.decode(named(first)))
        for _ in range(10):
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await asyncio.gather(early, *(batcher.decode(named(each)) for each in others))
    assert decoder.batches == [["a", "b", "c"], ["d", "e", "f"]]


async def test_what_came_while_all_streams_were_busy_goes_as_soon_as_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has waited long enough: no model rests for want of a full batch."""
    monkeypatch.setattr(batching, "GATHERING_SECONDS", 3_600)
    held = Held()
    decoder = Scripted(held)
    batcher = Batcher(decoder, 1, 2)
    first = asyncio.create_task(asked(batcher, *map(named, "ab")))
    await held.running.wait()
    late = asyncio.create_task(batcher.decode(named("c")))
    await asyncio.sleep(0)
    held.go.set()
    async with asyncio.timeout(5):
        await asyncio.gather(first, late)
    assert decoder.batches == [["a", "b"], ["c"]]


async def test_streams_work_side_by_side_and_share_what_there_is() -> None:
    """Two streams that are idle take half each, at the same time."""
    both = threading.Barrier(2, timeout=60)
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


async def test_a_window_that_makes_a_native_library_panic_fails_alone() -> None:
    """A panic in Rust is no Exception; its window fails, the others get their text and the stream goes on."""

    class Panic(BaseException):
        pass

    def fail(jobs: list[str]) -> None:
        if "bad" in jobs:
            raise Panic(str(jobs))

    good, bad = await asked(Batcher(Scripted(fail), 1, 8), named("a"), named("bad"))
    assert good == said("a")
    assert repr(bad) == """RuntimeError("the model ended in Panic: ['bad']")"""


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
    short = [Named(named(job).window, "trimmed", per_whole=2) for job in "abcde"]
    assert await asked(batcher, *short) == [said(job) for job in "abcde"]
    assert decoder.batches == [["a", "b", "c", "d"], ["e"]]
    assert batcher.free == 4


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
    calls = [asyncio.create_task(batcher.decode(window)) for window in windows]
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
    goes, stays = (asyncio.create_task(batcher.decode(named(job))) for job in "ab")
    await held.running.wait()
    goes.cancel()
    held.go.set()
    assert await stays == said("b")
    assert await asked(batcher, named("c")) == [said("c")]


async def test_a_decoder_that_answers_too_little_leaves_nobody_waiting() -> None:
    """Each window hears of the error, the next one is answered."""
    decoder = Scripted()
    batcher = Batcher(decoder, 1, 2)
    decoder.together = lambda _: []  # type: ignore[method-assign, assignment]  # it answers too little
    assert [type(text) for text in await asked(batcher, *map(named, "ab"))] == [ValueError, ValueError]
    decoder.together = lambda batch: [said(ready.window.job) for ready in batch]  # type: ignore[method-assign]  # it answers again
    assert await asked(batcher, named("c")) == [said("c")]


async def test_all_streams_take_part_when_a_batch_is_done_again_window_by_window() -> None:
    """Streams that ran out of work while it was decoded do not rest while what failed of it waits."""
    held, three, rests = Held(), threading.Barrier(3, timeout=5), threading.Semaphore(0)

    def script(jobs: list[str]) -> None:
        if jobs == ["long"]:
            held(jobs)
        elif len(jobs) > 1:
            held.go.set()
            both_rest = [rests.acquire(timeout=5) for _ in range(2)]
            raise ValueError(both_rest)
        else:
            three.wait()

    batcher = Batcher(Scripted(script), 3, 3, rests.release)
    long = asyncio.create_task(asked(batcher, named("long", kind="one"), named("long", kind="other")))
    await held.running.wait()
    assert await asked(batcher, *map(named, "abc")) == [said(job) for job in "abc"]
    assert await long == [said("long")] * 2
