"""The executor: how a step that fails ends, by what the stage raised or did not come back from."""

import asyncio
import threading
from contextlib import nullcontext, suppress
from datetime import timedelta
from functools import partial
from unittest.mock import AsyncMock

import pytest

from shared.clock import now
from shared.jobs.states import JobState, StepState
from shared.jobs.step import Step
from shared.mesh.outcomes import GiveUp, Stopped, TryLater
from shared.mesh.run import Draining
from shared.mesh.running import Running
from shared.mesh.work import Work
from shared.topology import LADDER, Happening, Stage, rung_for
from shared.transcript import Output
from tests.fakes.bench import Bench, failing, usual


def fall_silent(bench: Bench, step: Step) -> None:
    """Let the step's heartbeat be of long ago."""
    silent = bench.job.steps[step.key].but(heartbeat=now() - timedelta(minutes=5))
    bench.store.jobs[bench.id] = bench.job.but(steps={**bench.job.steps, step.key: silent})


async def test_a_bug_is_retried_up_the_ladder_and_then_parked_with_its_diagnosis() -> None:
    """An exception that no stage means costs an attempt; the last one parks the step and fails the job."""
    bench = Bench()
    step = bench.first[0]
    await bench.run(step, failing(ValueError("odd")))
    assert bench.post.delayed == [(step, 10)]
    await bench.run(step, failing(ValueError("odd")))
    why = bench.post.parked[0][1]
    assert (why.attempts, why.exception, "odd" in why.reason) == (2, "ValueError", True)
    assert why.traceback is not None
    assert bench.job.state is JobState.FAILED
    assert bench.post.told() == [Happening.FAILED]


class Panic(BaseException):
    """What a library in Rust raises, through pyo3: no Exception."""


@pytest.mark.parametrize("odd", [Panic("odd"), asyncio.CancelledError("odd")], ids=["a panic", "a cancellation"])
async def test_a_stage_that_ends_in_no_exception_has_failed_like_others(odd: BaseException) -> None:
    """Nobody cancelled the run: without an outcome its message would stay where it is, and the step, for ever."""
    bench, running = Bench(), Running()
    step = bench.first[0]

    async def ends(work: Work) -> Output:
        del work
        raise odd

    await running.join(step, partial(bench.executor(step.stage, ends).run, step))
    record = bench.job.steps[step.key]
    assert bench.post.delayed == [(step, 10)]
    assert (record.state, record.error) == (
        StepState.QUEUED,
        f"RuntimeError: the stage ended in {type(odd).__name__}: odd",
    )


async def test_whatever_a_failure_says_its_reason_can_be_kept() -> None:
    """A library may quote all that a server sent it, in bytes that are no text: more than a message takes."""
    bench = Bench()
    step = bench.first[0]
    for _ in range(2):
        await bench.run(step, failing(ValueError("\udcff" * 1_000_000)))
    why = bench.post.parked[0][1]
    assert "ValueError: ????" in why.reason
    assert bench.job.error
    assert max(len(each.encode()) for each in (why.reason, why.traceback or "", bench.job.error)) < 4_000


async def test_a_database_that_goes_away_in_mid_step_is_no_failure_of_the_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is committed or said of it: the message comes again when the database is back."""
    bench = Bench()
    monkeypatch.setattr(bench.store, "outputs", AsyncMock(side_effect=ConnectionError))
    with pytest.raises(ConnectionError):
        await bench.run(bench.first[0], usual)
    record = bench.job.steps[bench.first[0].key]
    assert (record.state, record.error) == (StepState.RUNNING, None)
    assert not bench.post.delayed


async def test_poison_that_kills_its_process_is_counted_at_the_claim() -> None:
    """A step whose workers die without a word waits on the ladder, and is parked once its attempts are spent."""
    bench = Bench()
    step = bench.first[0]

    async def dies(work: Work) -> Output:
        raise SystemExit(str(work.step))

    for name, deadly in (("w1", True), ("w2", False), ("w2", True), ("w3", False)):
        with pytest.raises(SystemExit) if deadly else nullcontext():
            await bench.run(step, dies, name=name)
        fall_silent(bench, step)
    assert bench.post.delayed == [(step, 10)]
    assert "w2" in bench.post.parked[0][1].reason
    assert bench.job.state is JobState.FAILED


async def test_a_step_that_also_kills_what_should_stand_in_for_it_is_buried_without() -> None:
    """What is too large for the stage is mostly too large for its stand-in: the next worker does not try that again."""
    bench = Bench()
    step = bench.first[0]
    tried = list[int]()

    async def dies(work: Work) -> Output:
        tried.append(work.attempt)
        raise SystemExit(str(work.step))

    while bench.job.state is not JobState.FAILED:
        assert len(tried) <= 3
        with suppress(SystemExit):
            await bench.run(step, dies, stand_in=dies, name=f"w{len(tried)}")
        fall_silent(bench, step)
    assert len(tried) == 3
    assert "tried 2 times" in bench.post.parked[0][1].reason


async def test_a_message_that_comes_again_while_its_step_waits_costs_no_attempt() -> None:
    """The broker took neither the message for the ladder nor the old one's ack: now it waits for what is left."""
    bench = Bench()
    step = bench.first[0]
    await bench.run(step, failing(TryLater("busy", 300)))
    bench.post.delayed.clear()
    executor = bench.executor(step.stage, failing(AssertionError("must wait")))
    await executor.run(step, threading.Event(), after=0)
    assert bench.post.looking == [step]
    ((waiting, delay),) = bench.post.delayed
    assert (waiting, LADDER[0].seconds < delay <= 300) == (step, True)
    assert bench.job.steps[step.key].attempts == 1
    await bench.run(step, usual)
    assert bench.job.steps[step.key].state is StepState.DONE


async def test_a_message_on_the_ladder_names_the_attempt_that_its_step_waits_after() -> None:
    """Of two that lie there for one step, it tells which one ends the wait; so does the one after a crash."""
    bench = Bench()
    step = bench.first[0]
    later = bench.post.later = AsyncMock()  # type: ignore[method-assign]  # only what it is given counts

    async def sleeps(work: Work) -> Output:
        fall_silent(bench, work.step)
        await bench.run(step, usual, name="w2", attempts=3)
        return await usual(work)

    await bench.run(step, failing(TryLater("busy", 300)), attempts=3)
    await bench.run(step, sleeps, attempts=3)
    assert [call.kwargs["after"] for call in later.await_args_list] == [1, 2]


async def test_a_message_that_joined_a_run_which_failed_costs_no_attempt() -> None:
    """The step waits on the ladder as it would have without that second message."""
    bench, running = Bench(), Running()
    step = bench.first[0]
    executor = bench.executor(step.stage, failing(ValueError("odd")))
    await asyncio.gather(*(running.join(step, partial(executor.run, step)) for _ in range(2)))
    assert bench.job.steps[step.key].attempts == 1
    assert bench.post.delayed == [(step, 10)]


@pytest.mark.parametrize("late", [ValueError("odd"), Stopped("asked to")], ids=["failed", "stopped"])
async def test_an_attempt_that_was_taken_for_dead_leaves_the_ladder_alone(late: Exception) -> None:
    """Another worker has sent the step up already: one message more would spend its attempts twice as fast."""
    bench = Bench()
    step = bench.first[0]

    async def sleeps(work: Work) -> Output:
        fall_silent(bench, work.step)
        await bench.run(step, failing(AssertionError("must wait")), name="w2")
        raise late

    await bench.run(step, sleeps)
    assert bench.post.delayed == [(step, 10)]
    assert [entry.what for entry in await bench.store.history(bench.id)] == ["lost", "stale"]


async def test_a_stage_that_asks_for_later_gets_the_rung_that_waits_long_enough() -> None:
    """TryLater is a release: the step is queued again and its message waits on the ladder."""
    bench = Bench()
    await bench.run(bench.first[0], failing(TryLater("busy", 45)))
    assert bench.post.delayed == [(bench.first[0], 45)]
    assert bench.job.steps[bench.first[0].key].state is StepState.QUEUED


async def test_a_step_is_due_when_its_rung_brings_its_message_back() -> None:
    """A delay between two rungs waits on the longer one: nobody must take the message for lost before."""
    bench = Bench()
    step, before = bench.first[0], now()
    await bench.run(step, failing(TryLater("the server asks for ten minutes", 600)))
    due = bench.job.steps[step.key].due
    assert due is not None
    assert due - before >= timedelta(seconds=rung_for(600).seconds)


async def test_an_optional_stage_that_gives_up_leaves_a_warning() -> None:
    """The diarizer's failure degrades the job instead of failing it."""
    bench = Bench()
    await bench.run(bench.first[0], usual)
    await bench.run(bench.step(Stage.DIARIZER), failing(GiveUp("no voices")))
    for part in range(3):
        await bench.run(bench.step(Stage.TRANSCRIBER, part), usual)
    await bench.run(bench.step(Stage.ENHANCER), failing(GiveUp("no words")), stand_in=usual)
    assert bench.job.state is JobState.COMPLETED
    assert [warning for warning in bench.job.warnings if "gave up" in warning] == [
        "the diarizer gave up: no voices",
        "the enhancer gave up: no words",
    ]


async def test_a_job_without_a_result_does_not_complete() -> None:
    """Where nothing could stand in for the enhancer there is no transcript, and the job says that it failed."""
    bench = Bench(diarize=False)
    await bench.run(bench.first[0], usual)
    for part in range(3):
        await bench.run(bench.step(Stage.TRANSCRIBER, part), usual)
    unable = failing(OSError("the disk is full"))
    await bench.run(bench.step(Stage.ENHANCER), failing(GiveUp("no words")), stand_in=unable)
    assert bench.job.state is JobState.FAILED
    assert bench.job.error == (
        "the enhancer gave up: no words; and what should stand in for it failed: the disk is full"
    )


@pytest.mark.parametrize(("ends", "raised"), [(ConnectionError("away"), ConnectionError), (Stopped(), Draining)])
async def test_a_job_does_not_fail_because_what_stands_in_was_interrupted(
    ends: Exception, raised: type[Exception]
) -> None:
    """Neither a database that went away nor a stop says that nothing can stand in: somebody tries again."""
    bench = Bench()
    step = bench.first[0]
    with pytest.raises(raised):
        await bench.run(step, failing(GiveUp("no words")), stand_in=failing(ends))
    assert bench.post.parked == []
    assert bench.job.state is JobState.RUNNING
    assert not bench.job.steps[step.key].over


async def test_every_attempt_that_was_not_committed_is_in_the_history() -> None:
    """With what it ended in, and why: the one that failed, the one that fell silent, the one that gave up."""
    bench = Bench()
    step = bench.first[0]
    await bench.run(step, failing(TryLater("busy", 10)), attempts=9)
    with pytest.raises(SystemExit):
        await bench.run(step, failing(SystemExit()), attempts=9)  # type: ignore[arg-type]  # what ends a process
    fall_silent(bench, step)
    await bench.run(step, failing(AssertionError("must wait")), name="w2", attempts=9)
    await bench.run(step, failing(GiveUp("gone")), attempts=9)
    history = await bench.store.history(bench.id)
    assert {(entry.attempt, entry.what, entry.reason) for entry in history} == {
        (1, "again", "busy"),
        (2, "lost", "its heartbeat was lost"),
        (3, "dead", "gone"),
    }


async def test_a_strict_job_fails_when_an_optional_stage_gives_up() -> None:
    """A job that asked to be strict takes no degraded result, and its other steps are dropped."""
    bench = Bench(strict=True)
    await bench.run(bench.first[0], usual)
    await bench.run(bench.step(Stage.DIARIZER), failing(GiveUp("no voices")))
    assert bench.job.state is JobState.FAILED
    assert bench.job.steps["transcriber-0"].state is StepState.DROPPED
    assert bench.post.orders
