"""The executor: a step has its effects once, however often it is asked for."""

from datetime import timedelta

import pytest

from shared.clock import now
from shared.jobs import inline
from shared.jobs.document import Job
from shared.jobs.moves import cancel
from shared.jobs.states import JobState, StepState
from shared.jobs.step import Step
from shared.mesh import progress as module
from shared.mesh.outcomes import Stopped
from shared.mesh.run import Draining
from shared.mesh.work import Work
from shared.messages import Order, Overtaking
from shared.topology import Happening, Lane, Stage
from shared.transcript import Output
from tests.fakes.bench import Bench, failing, usual
from tests.fakes.jobs import WINDOW, prepared
from tests.fakes.store import MemoryStore


async def test_a_job_goes_through_every_stage_to_completed() -> None:
    """Each commit makes the next steps ready until the job is completed, and each fact is told once, in order."""
    bench = Bench()
    await bench.through()
    assert bench.job.state is JobState.COMPLETED
    assert bench.post.told() == [Happening.SEGMENTS] * 3 + [Happening.COMPLETED]
    facts = [event.sequence for event in bench.post.events if event.happening is not Happening.PROGRESS]
    assert facts == sorted(set(facts))


async def test_no_more_chunks_than_the_window_are_queued_at_once() -> None:
    """After the downloader, only the window's chunks are asked for; each commit asks for one more."""
    bench = Bench()
    await bench.run(bench.first[0], usual)
    assert [step.part for step in bench.post.steps if step.stage is Stage.TRANSCRIBER] == [0, 1]
    await bench.run(bench.step(Stage.TRANSCRIBER, 1), usual)
    assert bench.post.steps[-1] == bench.step(Stage.TRANSCRIBER, 2)


@pytest.mark.parametrize(("lane", "told"), [(Lane.NORMAL, 0), (Lane.HIGH, 1)])
async def test_transcribers_are_told_of_chunks_that_overtake(lane: Lane, told: int) -> None:
    """Once for all chunks queued together, of a lane above the usual one, and of no other stage's steps."""
    bench = Bench(lane=lane)
    await bench.run(bench.first[0], usual)
    overtaking = Order(overtaking=Overtaking(stage=Stage.TRANSCRIBER, lane=lane))
    assert bench.post.orders == [overtaking] * told


async def test_a_small_output_is_written_with_its_commit() -> None:
    """It lies in the job document: nothing of it is kept apart, and who needs it reads nothing else."""
    bench = Bench()
    await bench.run(bench.first[0], usual)
    assert bench.store.made == {}
    assert (await bench.store.outputs(bench.job, [Stage.DOWNLOADER]))[Stage.DOWNLOADER] == (prepared(),)


async def test_a_repeated_message_has_no_second_effect() -> None:
    """A step that is done is not done again, and what was passed on is not passed on again."""
    bench = Bench()
    await bench.run(bench.first[0], usual)
    said = (len(bench.post.steps), len(bench.post.events))
    await bench.run(bench.first[0], failing(AssertionError("must not run")))
    assert (len(bench.post.steps), len(bench.post.events)) == said


async def test_what_was_committed_but_not_passed_on_is_passed_on_by_the_redelivery() -> None:
    """A crash between the commit and the publishing loses nothing: the redelivered message publishes it."""
    bench = Bench()

    async def deaf(step: Step, lane: object) -> None:
        raise ConnectionError(f"{step} {lane}")

    publish, bench.post.step = bench.post.step, deaf  # type: ignore[method-assign]  # the broker goes away here
    with pytest.raises(ConnectionError):
        await bench.run(bench.first[0], usual)
    bench.post.step = publish  # type: ignore[method-assign]  # and is back here
    await bench.run(bench.first[0], usual)
    assert bench.step(Stage.TRANSCRIBER) in bench.post.steps


async def test_a_step_held_by_a_live_worker_waits_and_costs_no_attempt() -> None:
    """A second worker that finds a fresh heartbeat looks again later, whatever the step waits for by then."""
    bench = Bench()
    step = bench.first[0]

    async def meanwhile(work: Work) -> Output:
        await bench.run(step, failing(AssertionError("must not run")), name="w2")
        return await usual(work)

    await bench.run(step, meanwhile)
    assert bench.post.delayed == [(step, 10)]
    assert bench.post.looking == [step]
    record = bench.job.record(step)
    assert record is not None
    assert (record.attempts, record.state) == (1, StepState.DONE)


async def test_a_stale_commit_is_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that slept past its heartbeat finds the step taken over, and what it made is thrown away."""
    monkeypatch.setattr(inline, "MOST_BYTES", 0)
    bench = Bench()
    step = bench.first[0]

    async def overtaken(work: Work) -> Output:
        record = bench.job.steps[step.key]
        old = record.model_copy(update={"heartbeat": now() - timedelta(minutes=5)})
        bench.store.jobs[bench.id] = bench.job.model_copy(update={"steps": {step.key: old}})
        await bench.run(step, failing(AssertionError("must wait")), name="w2")
        await bench.run(step, usual, name="w2")
        return await usual(work)

    await bench.run(step, overtaken)
    assert bench.job.steps[step.key].winner == 2
    assert (step, 1) not in bench.store.made
    assert len([each for each in bench.post.steps if each.stage is Stage.TRANSCRIBER]) == WINDOW


async def test_a_worker_that_wakes_while_its_step_waits_on_the_ladder_is_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The step was taken for crashed: what its worker made after all is thrown away, and the step done again."""
    monkeypatch.setattr(inline, "MOST_BYTES", 0)
    bench = Bench()
    step = bench.first[0]

    async def sleeps(work: Work) -> Output:
        record = bench.job.steps[step.key]
        old = record.model_copy(update={"heartbeat": now() - timedelta(minutes=5)})
        bench.store.jobs[bench.id] = bench.job.model_copy(update={"steps": {step.key: old}})
        await bench.run(step, failing(AssertionError("must wait")), name="w2")
        return await usual(work)

    await bench.run(step, sleeps)
    assert (step, 1) not in bench.store.made
    assert bench.job.steps[step.key].state is StepState.QUEUED
    await bench.run(step, usual, name="w2")
    assert bench.job.steps[step.key].winner == 2


async def test_a_job_without_speech_skips_to_the_enhancer() -> None:
    """No chunks, no transcriber and no diarizer: the enhancer writes the empty transcript."""
    bench = Bench()

    async def silent(work: Work) -> Output:
        del work
        return prepared(0)

    await bench.run(bench.first[0], silent)
    assert bench.post.steps == [bench.step(Stage.ENHANCER)]


async def test_a_cancelled_job_never_completes() -> None:
    """A commit that comes after the cancel is discarded."""
    bench = Bench()
    step = bench.first[0]

    async def cancelled_meanwhile(work: Work) -> Output:
        await bench.store.save(bench.job, cancel(bench.job, now(), WINDOW).job)
        return await usual(work)

    await bench.run(step, cancelled_meanwhile)
    assert bench.job.state is JobState.CANCELLED
    assert bench.post.steps == []


async def test_a_worker_that_is_stopped_gives_its_step_back_unspent() -> None:
    """A drain releases the step at no attempt's cost and says that the message must go back."""
    bench = Bench()
    with pytest.raises(Draining):
        await bench.run(bench.first[0], failing(Stopped("drain")))
    record = bench.job.steps[bench.first[0].key]
    assert (record.state, record.tries) == (StepState.QUEUED, 0)


async def test_a_commit_whose_answer_was_lost_keeps_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store took the write but could not say so: what was made is not discarded as somebody else's."""
    monkeypatch.setattr(inline, "MOST_BYTES", 0)
    bench = Bench()
    step, save = bench.first[0], bench.store.save

    async def unheard(before: Job, after: Job) -> Job | None:
        saved = await save(before, after)
        return None if after.steps[step.key].state is StepState.DONE else saved

    monkeypatch.setattr(bench.store, "save", unheard)
    await bench.run(step, usual)
    assert (step, 1) in bench.store.made
    assert bench.step(Stage.TRANSCRIBER) in bench.post.steps


async def test_a_claim_that_begins_with_a_document_out_of_date_is_decided_on_the_stored_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What this process remembers is checked by the write: a step that another has done is not done again."""
    bench = Bench()
    step, old = bench.first[0], bench.job
    await bench.run(step, usual, name="w2")
    monkeypatch.setattr(bench.store, "claimable", lambda _: old)
    await bench.run(step, failing(AssertionError("must not run")))
    assert bench.job.steps[step.key].winner == 1


async def test_a_step_that_was_remembered_but_whose_job_is_no_longer_kept_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A message for a forgotten job has no effect, whatever this process remembers of it."""
    bench = Bench()
    old = bench.job
    bench.store.jobs[bench.id] = old.model_copy(update={"revision": 7})
    monkeypatch.setattr(bench.store, "claimable", lambda _: old)
    monkeypatch.setattr(bench.store, "find", MemoryStore().find)
    await bench.run(bench.first[0], failing(AssertionError("must not run")))
    assert bench.job.steps[bench.first[0].key].state is StepState.QUEUED


async def test_a_committed_attempt_is_in_the_history_without_being_written_there() -> None:
    """The document says when it was queued, begun and done, and by whom."""
    bench = Bench()
    await bench.run(bench.first[0], usual)
    (entry,) = await bench.store.history(bench.id)
    assert (entry.what, entry.attempt, entry.worker, entry.started is not None) == ("done", 1, "w1", True)
    assert bench.store.entries == {}


async def test_progress_is_told_of_a_stage_that_goes_on_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over sooner is not told, though it be a whole stage."""
    monkeypatch.setattr(module, "PROGRESS_SECONDS", 3_600)  # this machine may be slow
    bench = Bench()
    await bench.run(bench.first[0], usual)
    await bench.run(bench.step(Stage.TRANSCRIBER, 0), usual)
    assert progress(bench) == []
    monkeypatch.setattr(module, "PROGRESS_SECONDS", -1)
    for part in (1, 2):
        await bench.run(bench.step(Stage.TRANSCRIBER, part), usual)
    assert progress(bench) == [("transcriber", 2 / 3), ("transcriber", 1.0)]


def progress(bench: Bench) -> list[tuple[str, float]]:
    """Return the stages and their fractions as they were told."""
    told = (event.body for event in bench.post.events if event.happening is Happening.PROGRESS)
    return [(body["stage"], body["stage_fraction"]) for body in told]
