"""Chunks that are announced are worked on before the recording is prepared."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from services.gateway.views import view
from shared.clock import now
from shared.jobs import inline
from shared.jobs.states import StepState
from shared.mesh import progress
from shared.mesh.outcomes import Stopped, TryLater
from shared.mesh.work import Work
from shared.topology import Happening, Stage
from shared.transcript import Output
from tests.fakes.announcing import DIGESTS, announcing, finish, saying, texts, transcribers
from tests.fakes.bench import Bench, announce, failing
from tests.fakes.jobs import WINDOW, cut, prepared


async def test_an_announced_chunk_is_transcribed_while_the_downloader_works() -> None:
    """Its step is queued at once and sees the chunks that are known; whoever needs the whole waits for it."""
    bench = Bench()

    async def do(work: Work) -> Output:
        await announce(work, cut("a"))
        assert bench.post.steps == [bench.step(Stage.TRANSCRIBER)]
        await bench.run(bench.post.steps[0], saying("early"))
        assert transcribers(bench) == {0: StepState.DONE}
        await announce(work, cut("a", "b"))
        assert bench.post.steps[1:] == [bench.step(Stage.TRANSCRIBER, 1)]
        bench.post.steps.clear()
        return prepared(digests=("a", "b"))

    await bench.run(bench.first[0], do)
    assert bench.post.steps == [bench.step(Stage.TRANSCRIBER, 2), bench.step(Stage.DIARIZER)]
    assert bench.job.announced is None


async def test_no_more_announced_chunks_than_the_window_are_queued_at_once() -> None:
    """However many are announced, finishing one makes the next ready."""
    bench = Bench()

    async def do(work: Work) -> Output:
        await announce(work, cut(*DIGESTS))
        assert transcribers(bench) == dict.fromkeys(range(WINDOW), StepState.QUEUED)
        await bench.run(bench.step(Stage.TRANSCRIBER), saying("early"))
        assert transcribers(bench)[WINDOW] is StepState.QUEUED
        return prepared(digests=DIGESTS)

    await bench.run(bench.first[0], do)


async def test_a_downloader_that_lost_its_step_is_told_so_when_it_announces() -> None:
    """What it announces is discarded, and the stage is stopped."""
    bench = Bench()
    step = bench.first[0]

    async def overtaken(work: Work) -> Output:
        record = bench.job.steps[step.key]
        silent = record.model_copy(update={"heartbeat": now() - timedelta(minutes=5)})
        bench.store.jobs[bench.id] = bench.job.model_copy(update={"steps": {step.key: silent}})
        await bench.run(step, failing(AssertionError("must wait")), name="w2")
        await bench.run(step, failing(TryLater("not now")), name="w2")
        await announce(work, cut("a"))
        assert work.stop.is_set()
        raise Stopped(str(step))

    await bench.run(step, overtaken)
    assert (bench.job.announced, transcribers(bench)) == (None, {})
    assert bench.store.made == {}


async def test_what_was_announced_is_kept_when_its_attempt_turns_out_to_be_stale() -> None:
    """Transcribers read it until the next attempt has announced as much."""
    bench = Bench()
    step = bench.first[0]

    async def overtaken(work: Work) -> Output:
        await announce(work, cut("a"))
        record = bench.job.steps[step.key]
        silent = record.model_copy(update={"heartbeat": now() - timedelta(minutes=5)})
        steps = {**bench.job.steps, step.key: silent}
        bench.store.jobs[bench.id] = bench.job.model_copy(update={"steps": steps})
        await bench.run(step, failing(AssertionError("must wait")), name="w2")
        return prepared(digests=("a",))

    await bench.run(step, overtaken)
    await bench.run(bench.step(Stage.TRANSCRIBER), saying("early"))
    assert await texts(bench) == ["early"]


async def test_a_stale_chunks_text_is_dropped_while_chunks_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads it: the attempt that took the step over has written its own, and nothing would remove this one."""
    monkeypatch.setattr(inline, "MOST_BYTES", 0)
    bench = Bench()
    chunk = bench.step(Stage.TRANSCRIBER)

    async def overtaken(work: Work) -> Output:
        record = bench.job.steps[chunk.key]
        silent = record.model_copy(update={"heartbeat": now() - timedelta(minutes=5)})
        bench.store.jobs[bench.id] = bench.job.but(steps={**bench.job.steps, chunk.key: silent})
        await bench.run(chunk, failing(AssertionError("must wait")), name="w2")
        return await saying("late")(work)

    async def do(work: Work) -> Output:
        await announce(work, cut("a"))
        await bench.run(chunk, overtaken)
        assert bench.job.announced is not None
        return prepared(digests=("a",))

    await bench.run(bench.first[0], do)
    assert (chunk, 1) not in bench.store.made


async def test_what_could_not_be_queued_is_queued_with_the_next_announcement_or_the_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The broker is away for a moment: the downloader works on, and no chunk waits for the sweeper."""
    for later in (("a",), ()):
        bench = Bench()

        async def deaf(*asked: object) -> None:
            raise ConnectionError(f"{asked}")

        async def do(work: Work, bench: Bench = bench, later: Sequence[str] = later) -> Output:
            with monkeypatch.context() as away:
                away.setattr(bench.post, "step", deaf)
                await announce(work, cut("a"))
            assert bench.post.steps == []
            if later:
                await announce(work, cut(*later))
                assert bench.post.steps == [bench.step(Stage.TRANSCRIBER)]
            return prepared(digests=("a",))

        await bench.run(bench.first[0], do)
        assert bench.step(Stage.TRANSCRIBER) in bench.post.steps


async def test_the_transcribers_progress_is_told_once_the_number_of_chunks_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before that nobody knows what part of the whole a chunk is: a fraction told would have to be taken back."""
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", -1)
    bench = Bench()

    async def do(work: Work) -> Output:
        await announce(work, cut("a"))
        await bench.run(bench.step(Stage.TRANSCRIBER), saying("early"))
        shown = view(bench.job).stages[Stage.TRANSCRIBER]
        assert (shown.state, shown.done, shown.total, shown.fraction) == (StepState.RUNNING, 1, 1, 0.0)
        return prepared(digests=("a",))

    await bench.run(bench.first[0], do)
    await finish(bench, "late")
    told = [event.body for event in bench.post.events if event.happening is Happening.PROGRESS]
    assert (told[0]["stage"], told[0]["stage_fraction"]) == (Stage.DOWNLOADER, 1.0)
    fractions = [body["stage_fraction"] for body in told if body["stage"] == Stage.TRANSCRIBER]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


async def test_a_downloader_that_announces_nothing_asks_no_more_of_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One write claims the step, one commits it, one marks what was published; what is small is not kept apart."""
    bench, asked = Bench(), Counter[str]()

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*given: Any) -> Any:
            asked[name] += 1
            return call(*given)

        return counting

    for name in ("find", "save", "put_output", "drop_output", "outputs", "published"):
        monkeypatch.setattr(bench.store, name, counted(name, getattr(bench.store, name)))
    await bench.run(bench.first[0], announcing(prepared(1)))
    assert asked == {"save": 2, "outputs": 1, "published": 1}
