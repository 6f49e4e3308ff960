"""Replaying a dead letter: what failed is tried again, once, and everything made of it is made again."""

from collections.abc import Collection

from shared.clock import now
from shared.flow import PIECE_SECONDS
from shared.jobs.replay import replay
from shared.jobs.states import JobState, StepState
from shared.jobs.step import Step
from shared.mesh.outcomes import GiveUp
from shared.mesh.work import Work
from shared.topology import Happening, Stage
from shared.transcript import Output
from tests.fakes.announcing import CHANGED, DIGESTS, announcing
from tests.fakes.bench import Bench, announce, failing, usual
from tests.fakes.jobs import WINDOW, cut, prepared

GONE = GiveUp("the source is gone")


def replayed(bench: Bench, step: Step) -> tuple[Step, ...]:
    """Replay the step in the bench's document and return what is to be queued."""
    before = bench.job
    moved = replay(before, step, now(), WINDOW)
    if moved.job is not before:
        bench.store.jobs[bench.id] = moved.job.but(revision=before.revision + 1)
    return moved.steps


async def given_up(bench: Bench, stage: Stage) -> Step:
    """Run the job with one stage that gives up, and return the dead step."""
    queue, dead = [*bench.first], bench.step(stage)
    while queue:
        seen = len(bench.post.steps)
        step = queue.pop(0)
        await (bench.run(step, failing(GONE)) if step == dead else bench.run(step, usual))
        queue += bench.post.steps[seen:]
    return dead


async def given_up_alone(
    bench: Bench, stage: Stage, before: Collection[Stage] = (Stage.DOWNLOADER, Stage.TRANSCRIBER)
) -> Step:
    """Run the stages before, then the one that gives up, and nothing that follows; return the dead step."""
    dead, queue = bench.step(stage), [*bench.first]
    while queue:
        seen = len(bench.post.steps)
        await bench.run(queue.pop(0), usual)
        queue += [step for step in bench.post.steps[seen:] if step.stage in before]
    await bench.run(dead, failing(GONE))
    return dead


async def test_a_failed_job_runs_on_from_its_dead_step_to_its_end() -> None:
    """The dead step is queued again with its job's options, what was dropped comes back, and the job completes."""
    bench = Bench(language="he")
    dead = await given_up(bench, Stage.DOWNLOADER)
    assert bench.job.state is JobState.FAILED
    await bench.through_all([*replayed(bench, dead)])
    assert (bench.job.state, bench.job.options.language, bench.job.error) == (JobState.COMPLETED, "he", None)
    assert bench.post.told() == [Happening.FAILED, *[Happening.SEGMENTS] * 3, Happening.COMPLETED]


async def test_a_second_replay_has_no_effect() -> None:
    """A step that is not dead any more is left alone, whether it runs or has ended."""
    bench = Bench()
    dead = await given_up(bench, Stage.TRANSCRIBER)
    first = replayed(bench, dead)
    assert dead in first
    assert replayed(bench, dead) == ()
    await bench.through_all([*first])
    before = bench.job
    assert replayed(bench, dead) == ()
    assert bench.job == before


async def test_a_job_completed_without_speakers_gets_them_by_a_replay() -> None:
    """The diarizer's replay makes the result anew, and its warning goes."""
    bench = Bench()
    dead = await given_up(bench, Stage.DIARIZER)
    assert (bench.job.state, len(bench.job.warnings)) == (JobState.COMPLETED, 1)
    await bench.through_all([*replayed(bench, dead)])
    assert (bench.job.state, bench.job.warnings) == (JobState.COMPLETED, ())
    assert bench.job.steps["enhancer-0"].winner == 2


async def test_a_replayed_job_has_no_result_until_it_is_made_anew() -> None:
    """The old one would stay: the first to say a fact decides it. What the recording is stays known."""
    bench = Bench()
    dead = await given_up(bench, Stage.DIARIZER)
    before = bench.job.facts
    assert before.transcript is not None
    replayed(bench, dead)
    after = bench.job.facts
    assert (after.transcript, after.words, after.speakers) == (None, None, None)
    assert (after.duration, after.chunks, after.language) == (before.duration, before.chunks, before.language)


async def test_a_replay_leaves_what_another_stage_gave_up_on() -> None:
    """Its own letter is still there to be replayed, and its warning says so."""
    bench = Bench()
    await bench.run(bench.first[0], usual)
    await bench.run(bench.step(Stage.DIARIZER), failing(GiveUp("no voices")))
    for part in range(3):
        await bench.run(bench.step(Stage.TRANSCRIBER, part), usual)
    dead = bench.step(Stage.ENHANCER)
    await bench.run(dead, failing(GONE), stand_in=usual)
    assert replayed(bench, dead) == (dead,)
    assert bench.job.steps["diarizer-0"].state is StepState.DEAD
    assert bench.job.warnings == ("the diarizer gave up: no voices",)


async def test_a_result_that_is_still_to_be_made_waits_for_the_replayed_stage() -> None:
    """Its message is on its way, and comes to nothing: it is queued again when what it is made of is there."""
    bench = Bench()
    dead = await given_up_alone(bench, Stage.DIARIZER)
    enhancer = bench.step(Stage.ENHANCER)
    assert bench.post.steps[-1] == enhancer
    again = replayed(bench, dead)
    assert again == (dead,)
    await bench.run(enhancer, usual)
    assert (bench.job.steps["enhancer-0"].state, bench.job.steps["enhancer-0"].attempts) == (StepState.QUEUED, 0)
    await bench.through_all([*again])
    assert (bench.job.state, bench.job.steps["enhancer-0"].winner) == (JobState.COMPLETED, 1)


async def test_a_result_that_is_being_made_without_the_replayed_stage_is_discarded() -> None:
    """Whoever makes it holds the step no longer, and another makes it anew."""
    bench = Bench()
    dead = await given_up_alone(bench, Stage.DIARIZER)
    again = list[Step]()

    async def overtaken(work: Work) -> Output:
        again.extend(replayed(bench, dead))
        return await usual(work)

    await bench.run(bench.step(Stage.ENHANCER), overtaken)
    assert bench.job.state is JobState.RUNNING
    await bench.through_all(again)
    assert (bench.job.state, bench.job.steps["enhancer-0"].winner) == (JobState.COMPLETED, 2)


async def test_a_failed_job_that_runs_on_for_an_optional_stage_does_again_what_failed_it() -> None:
    """It would otherwise complete without the chunk that was given up on."""
    bench = Bench()
    dead = await given_up_alone(bench, Stage.DIARIZER, before=[Stage.DOWNLOADER])
    chunk = bench.step(Stage.TRANSCRIBER)
    await bench.run(chunk, failing(GONE))
    assert bench.job.state is JobState.FAILED
    again = replayed(bench, dead)
    assert chunk in again
    await bench.through_all([*again])
    assert (bench.job.state, bench.job.warnings) == (JobState.COMPLETED, ())
    assert bench.job.steps[chunk.key].winner == 2


async def test_all_pieces_that_were_given_up_on_are_heard_again_and_warn_no_more() -> None:
    """One letter's replay takes the other pieces' with it, whatever each of them gave up for."""
    bench = Bench()
    first, second = bench.step(Stage.DIARIZER), bench.step(Stage.DIARIZER, 1)
    await bench.run(bench.first[0], announcing(prepared(duration=3 * PIECE_SECONDS)))
    await bench.run(first, failing(GONE))
    await bench.run(second, failing(GiveUp("no voices")))
    assert {*bench.job.warnings} == {"the diarizer gave up: the source is gone", "the diarizer gave up: no voices"}
    assert {first, second} <= {*replayed(bench, first)}
    assert {bench.job.steps[step.key].state for step in (first, second)} == {StepState.QUEUED}
    assert bench.job.warnings == ()


async def test_a_replay_leaves_a_chunk_that_the_recording_turned_out_not_to_have() -> None:
    """It was announced by another plan: queued again it would never be begun, and the job never be at rest."""
    bench = Bench()
    beyond, dead = bench.step(Stage.TRANSCRIBER, 2).key, bench.step(Stage.DIARIZER)

    async def prepare(work: Work) -> Output:
        await announce(work, cut(*DIGESTS))
        await bench.run(bench.step(Stage.TRANSCRIBER), usual)
        assert bench.job.steps[beyond].state is StepState.QUEUED
        return prepared(2, digests=CHANGED[:2])

    await bench.run(bench.first[0], prepare)
    assert bench.job.steps[beyond].state is StepState.DROPPED
    await bench.run(dead, failing(GONE))
    assert beyond not in {step.key for step in replayed(bench, dead)}
    assert bench.job.steps[beyond].state is StepState.DROPPED


async def test_a_cancelled_job_is_not_replayed() -> None:
    """Cancelled is for good."""
    bench = Bench()
    dead = await given_up(bench, Stage.DOWNLOADER)
    bench.store.jobs[bench.id] = bench.job.model_copy(update={"state": JobState.CANCELLED})
    assert replayed(bench, dead) == ()


async def test_attempts_before_a_replay_do_not_count_and_their_numbers_do_not_come_back() -> None:
    """A worker that slept through the replay cannot commit under the number of its old attempt."""
    bench = Bench()
    dead = await given_up(bench, Stage.DOWNLOADER)
    replayed(bench, dead)
    record = bench.job.steps[dead.key]
    assert (record.state, record.attempts, record.tries) == (StepState.QUEUED, 1, 0)


async def test_a_cancelled_jobs_webhook_can_still_be_replayed() -> None:
    """A delivery is no part of the job: whoever was to hear of the cancel can be told again."""
    bench = Bench(webhooks=[{"url": "https://example.org/hook", "events": ["accepted"]}])
    delivery = next(step for step in bench.first if step.stage is Stage.NOTIFIER)
    await bench.run(delivery, failing(GONE))
    bench.store.jobs[bench.id] = bench.job.model_copy(update={"state": JobState.CANCELLED})
    bench.store.jobs[bench.id] = bench.job.but(settled=True)
    assert delivery in replayed(bench, delivery)
    assert not bench.job.settled
    assert bench.job.state is JobState.CANCELLED
