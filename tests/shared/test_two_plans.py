"""A recording that is prepared again: a result is never made of two plans, and nothing is done twice without need."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from services.gateway.views import view
from shared.clock import now
from shared.jobs.replay import replay
from shared.jobs.states import JobState, StepState
from shared.mesh.outcomes import GiveUp, TryLater
from shared.mesh.running import Running
from shared.mesh.work import Work
from shared.topology import Stage
from shared.transcript import Output
from tests.fakes.announcing import CHANGED, DIGESTS, announcing, finish, saying, texts, transcribers
from tests.fakes.bench import Bench, announce, failing
from tests.fakes.jobs import WINDOW, cut, prepared


async def test_a_recording_prepared_again_from_the_same_bytes_costs_nothing_twice() -> None:
    """What was transcribed by an announced plan stays when the next attempt, announcing or not, finds the same plan."""
    for again in ((), (("a",), ("a", "b"), DIGESTS)):
        bench = Bench()
        await bench.run(bench.first[0], announcing(TryLater("the source broke off"), ("a", "b")))
        await bench.run(bench.step(Stage.TRANSCRIBER), saying("first"))
        await bench.run(bench.first[0], announcing(prepared(digests=DIGESTS), *again))
        await finish(bench, "second")
        assert bench.job.state is JobState.COMPLETED
        assert await texts(bench) == ["first", "second", "second"]


@pytest.mark.parametrize("again", [(), (CHANGED[:2],), (CHANGED[:1], CHANGED)])
async def test_a_recording_whose_bytes_changed_is_transcribed_anew(again: Sequence[Sequence[str]]) -> None:
    """All chunks are done again, those too that are the same in both: the result is that of the second plan alone."""
    bench = Bench()
    await bench.run(bench.first[0], announcing(TryLater("the source broke off"), DIGESTS))
    for part in range(2):
        await bench.run(bench.step(Stage.TRANSCRIBER, part), saying("first"))
    assert bench.job.facts.language == "he"
    await bench.run(bench.first[0], announcing(prepared(digests=CHANGED), *again))
    assert bench.job.facts.language is None
    await finish(bench, "second")
    assert bench.job.state is JobState.COMPLETED
    assert await texts(bench) == ["second"] * 3
    done = [entry for entry in await bench.store.history(bench.id) if entry.stage is Stage.TRANSCRIBER]
    assert [(entry.part, entry.attempt) for entry in done if entry.part == 0] == [(0, 1), (0, 2)]


async def test_chunks_that_the_second_plan_does_not_have_are_dropped() -> None:
    """A shorter recording has fewer: what was heard in the others counts no more, and nobody asks for them again."""
    bench = Bench()
    await bench.run(bench.first[0], announcing(TryLater("the source broke off"), DIGESTS))
    for part in range(3):
        await bench.run(bench.step(Stage.TRANSCRIBER, part), saying("first"))
    bench.post.steps.clear()
    await bench.run(bench.first[0], announcing(prepared(1)))
    assert transcribers(bench) == {0: StepState.QUEUED, 1: StepState.DROPPED, 2: StepState.DROPPED}
    await finish(bench, "second")
    assert (bench.job.state, await texts(bench)) == (JobState.COMPLETED, ["second"])
    assert view(bench.job).stages[Stage.TRANSCRIBER].state is StepState.DONE


async def test_what_was_heard_by_a_plan_that_no_longer_holds_is_not_committed() -> None:
    """A transcriber that is still at work on the first plan finds its step taken from it."""
    bench = Bench()
    step = bench.step(Stage.TRANSCRIBER)

    async def late(work: Work) -> Output:
        await bench.run(bench.first[0], announcing(prepared(digests=CHANGED), CHANGED[:2]))
        return await saying("first")(work)

    await bench.run(bench.first[0], announcing(TryLater("the source broke off"), DIGESTS[:2]))
    await bench.run(step, late)
    assert transcribers(bench)[0] is StepState.QUEUED
    await finish(bench, "second")
    assert await texts(bench) == ["second"] * 3


async def test_a_message_for_a_chunk_that_is_not_known_any_more_has_no_effect() -> None:
    """The second plan has announced one chunk so far: a message for the first plan's second costs no attempt."""
    bench = Bench()
    step = bench.step(Stage.TRANSCRIBER, 1)

    async def do(work: Work) -> Output:
        await announce(work, cut("x"))
        await bench.run(step, failing(AssertionError("must not run")))
        assert bench.post.steps[-1] == bench.step(Stage.TRANSCRIBER)
        await announce(work, cut("x", "y"))
        assert bench.post.steps[-1] == step
        return prepared(digests=("x", "y"))

    await bench.run(bench.first[0], announcing(TryLater("the source broke off"), ("a", "b")))
    await bench.run(bench.first[0], do)
    await finish(bench, "second")
    assert await texts(bench) == ["second"] * 3


async def test_a_step_that_is_announced_is_done_where_an_older_document_says_that_it_is_not() -> None:
    """What a process remembers of a job may decide a claim, which is checked when it is saved, and nothing else."""
    bench = Bench()
    await bench.run(bench.first[0], announcing(TryLater("the source broke off"), ("a",)))
    old = bench.job.model_copy(update={"announced": None})
    bench.store.claimable = lambda _: old  # type: ignore[method-assign, assignment]  # as another document is remembered
    await bench.run(bench.step(Stage.TRANSCRIBER), saying("first"))
    assert await texts(bench) == ["first"]


async def test_a_step_queued_again_under_a_run_is_done_by_the_message_that_joined_it() -> None:
    """The old run commits nothing more; a new one begins before the message is acked."""
    bench, running, joined = Bench(), Running(), list[asyncio.Task[None]]()
    step = bench.step(Stage.TRANSCRIBER)

    async def first_late(work: Work) -> Output:
        if work.attempt == 1:
            await bench.run(bench.first[0], announcing(prepared(digests=CHANGED), CHANGED[:2]))
            joined.append(asyncio.create_task(running.join(step, partial(executor.run, step))))
            await asyncio.sleep(0)  # it waits for this very run
        return await saying(f"attempt {work.attempt}")(work)

    executor = bench.executor(Stage.TRANSCRIBER, first_late)
    await bench.run(bench.first[0], announcing(TryLater("the source broke off"), DIGESTS[:2]))
    await running.join(step, partial(executor.run, step))
    await joined[0]
    assert transcribers(bench)[0] is StepState.DONE
    await finish(bench, "second")
    assert await texts(bench) == ["attempt 2", "second", "second"]


@pytest.mark.parametrize("again", [(), (("x",),)])
async def test_no_chunk_of_another_plan_is_left_open(again: Sequence[Sequence[str]]) -> None:
    """Neither where the shorter plan was announced first, nor where it was only committed."""
    bench = Bench()
    await bench.run(bench.first[0], announcing(TryLater("the source broke off"), ("a", "b")))
    await bench.run(bench.first[0], announcing(prepared(1, digests=("x",)), *again))
    assert transcribers(bench) == {0: StepState.QUEUED, 1: StepState.DROPPED}


async def test_a_replayed_downloader_begins_anew() -> None:
    """What its first life announced is forgotten, and what was heard by it is heard again."""
    bench = Bench()
    await bench.run(bench.first[0], announcing(GiveUp("the source broke off"), ("a", "b")))
    assert (bench.job.state, transcribers(bench)[0]) == (JobState.FAILED, StepState.DROPPED)
    moved = replay(bench.job, bench.first[0], now(), WINDOW)
    bench.store.jobs[bench.id] = moved.job
    assert moved.steps == bench.first
    await bench.run(bench.step(Stage.TRANSCRIBER), failing(AssertionError("must not run")))
    bench.post.steps.clear()
    await bench.run(bench.first[0], announcing(prepared(digests=CHANGED), CHANGED[:2]))
    await finish(bench, "second")
    assert (bench.job.state, await texts(bench)) == (JobState.COMPLETED, ["second"] * 3)


async def test_a_replayed_transcriber_goes_on_by_the_plan_that_was_announced() -> None:
    """The downloader that was dropped with it begins again, and what was heard meanwhile stays."""
    bench = Bench()

    async def do(work: Work) -> Output:
        await announce(work, cut(*DIGESTS))
        await bench.run(bench.step(Stage.TRANSCRIBER), saying("first"))
        await bench.run(bench.step(Stage.TRANSCRIBER, 1), failing(GiveUp("unheard of")))
        return prepared(digests=DIGESTS)

    await bench.run(bench.first[0], do)
    assert bench.job.state is JobState.FAILED
    moved = replay(bench.job, bench.step(Stage.TRANSCRIBER, 1), now(), WINDOW)
    bench.store.jobs[bench.id] = moved.job
    bench.post.steps[:] = moved.steps
    await bench.run(bench.post.steps.pop(bench.post.steps.index(bench.first[0])), announcing(prepared(digests=DIGESTS)))
    await finish(bench, "second")
    assert (bench.job.state, await texts(bench)) == (JobState.COMPLETED, ["first", "second", "second"])
