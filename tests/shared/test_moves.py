"""The moves of a job document: what is legal, whose attempt counts, and what is learnt and told on the way."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest

from shared.clock import now
from shared.jobs.changes import Stale, learned, queued_again, told, with_state, with_step
from shared.jobs.claims import Claimed, Rules, Settled, claim
from shared.jobs.document import Job, StepRecord
from shared.jobs.moves import announce, bury, cancel, commit, opened, release, settle
from shared.jobs.states import ADMITTED, JOB_MOVES, STEP_MOVES, TERMINAL, JobState, StepState
from shared.jobs.step import Step
from shared.topology import Happening, Stage
from shared.transcript import Delivered
from tests.fakes.jobs import WINDOW, chunk_text, cut, new_job, prepared, published

RULES = Rules(3, 20.0)
ENDS: dict[str, Callable[[Job, Step, int], object]] = {
    "commit": lambda job, step, attempt: commit(job, step, attempt, prepared(), now(), WINDOW),
    "announce": lambda job, step, attempt: announce(job, step, attempt, cut("a"), now(), WINDOW),
    "release": lambda job, step, attempt: release(job, step, attempt, "busy", now(), due=None, spent=True),
    "bury": lambda job, step, attempt: bury(job, step, attempt, "gone", None, now(), WINDOW),
}


def claimed() -> tuple[Job, Step]:
    """Return a job whose first step is claimed by its second attempt, and the step."""
    moved = new_job()
    (step,) = moved.steps
    job = moved.job
    for _ in range(2):
        taken = claim(job, step, "w", now(), RULES)
        assert isinstance(taken, Claimed)
        job = taken.job
    return job, step


@pytest.mark.parametrize("end", [*ENDS.values()], ids=[*ENDS])
@pytest.mark.parametrize("attempt", [1, 3])
def test_only_the_attempt_that_holds_a_step_ends_it(end: Callable[[Job, Step, int], object], attempt: int) -> None:
    """Neither one that it was taken from nor one that never was; the message says who holds it."""
    job, step = claimed()
    with pytest.raises(Stale, match=f"attempt {attempt}: .*the step running, its attempt 2 by w"):
        end(job, step, attempt)
    end(job, step, 2)


@pytest.mark.parametrize("end", [*ENDS.values()], ids=[*ENDS])
@pytest.mark.parametrize("state", sorted(set(StepState) - {StepState.RUNNING}))
def test_what_has_ended_or_was_queued_again_is_held_by_nobody(
    end: Callable[[Job, Step, int], object], state: StepState
) -> None:
    """Its number is still that of the attempt, which comes too late all the same."""
    job, step = claimed()
    with pytest.raises(Stale, match=str(state)):
        end(job.but(steps={step.key: job.steps[step.key].but(state=state)}), step, 2)


@pytest.mark.parametrize("end", [*ENDS.values()], ids=[*ENDS])
def test_an_attempt_at_what_its_job_does_not_know_is_stale(end: Callable[[Job, Step, int], object]) -> None:
    """A document put back from a backup may know less than the worker does."""
    job, step = claimed()
    with pytest.raises(Stale, match="unknown"):
        end(job.but(steps={}), step, 2)


@pytest.mark.parametrize(("before", "after"), [*product(JobState, JobState)])
def test_a_job_moves_as_the_table_of_states_has_it(before: JobState, after: JobState) -> None:
    """And in no other way: nothing that is cancelled goes on, and nothing waits twice."""
    job = new_job().job.but(state=before, settled=True)
    if after in JOB_MOVES[before]:
        moved = with_state(job, after, now())
        assert (moved.state, moved.settled) == (after, False)
    else:
        with pytest.raises(Stale, match=f"{before} cannot become {after}"):
            with_state(job, after, now())


@pytest.mark.parametrize(("before", "after"), [*product(StepState, StepState)])
def test_a_step_moves_as_the_table_of_states_has_it(before: StepState, after: StepState) -> None:
    """What is over is over, unless it is queued again."""
    step = Step(new_job().job.id, Stage.DOWNLOADER)
    job = new_job().job.but(id=step.job, steps={step.key: StepRecord(state=before, queued=now())})
    if after in STEP_MOVES[before]:
        assert with_step(job, step, after).steps[step.key].state is after
    else:
        with pytest.raises(Stale, match=f"{before} cannot become {after}"):
            with_step(job, step, after)


@pytest.mark.parametrize("days", [None, 2])
@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED, JobState.RUNNING])
def test_a_job_may_be_forgotten_when_it_has_ended_for_as_long_as_it_is_kept(days: int | None, state: JobState) -> None:
    """Not before, not while it runs, and never if nobody said how long it is kept."""
    moment = now()
    job = with_state(new_job(retention_days=days).job, state, moment)
    assert job.expires == (moment + timedelta(days=2) if days and state in TERMINAL else None)


def test_a_step_that_is_queued_again_is_as_one_never_tried() -> None:
    """But for the numbers of its attempts: nothing of what was made, told or due is left of it."""
    job, step = claimed()
    waiting = release(job, step, 2, "busy", now(), due=now(), spent=True).job
    again = queued_again(waiting, step).steps[step.key]
    fresh = StepRecord(queued=again.queued, heartbeat=again.heartbeat, attempts=2, forgiven=2)
    assert again == fresh


def test_the_first_to_say_a_fact_decides_it_and_a_warning_is_kept_once() -> None:
    """A chunk in another language does not change what the recording's is."""
    first = chunk_text(0).model_copy(update={"warnings": ("faint",)})
    other = {"language": "en", "language_probability": 0.5, "warnings": ("faint", "short")}
    job = learned(learned(new_job().job, first), chunk_text(1).model_copy(update=other))
    assert (job.facts.language, job.facts.language_probability) == ("he", 0.9)
    assert job.warnings == ("faint", "short")


def test_what_is_told_is_numbered_on_and_keeps_its_body() -> None:
    """Facts wait in the outbox in their order; where there is nothing to tell, nothing changes."""
    job = new_job().job
    assert told(job, [], now()) is job
    more = told(job, [(Happening.SEGMENTS, {"part": 0}), (Happening.SEGMENTS, {"part": 1})], now())
    assert [(fact.sequence, fact.body) for fact in more.outbox[1:]] == [(2, {"part": 0}), (3, {"part": 1})]
    assert more.sequence == 3


@pytest.mark.parametrize("state", sorted(ADMITTED))
def test_a_cancelled_jobs_open_steps_are_dropped_and_what_was_done_stays(state: JobState) -> None:
    """Whoever still works on one of them finds that nothing is taken from it any more."""
    job, step = claimed()
    job = commit(job, step, 2, prepared(), now(), WINDOW).job.but(state=state)
    ended = cancel(job, now(), WINDOW)
    states = {key: record.state for key, record in ended.job.steps.items()}
    assert states.pop(step.key) is StepState.DONE
    assert set(states.values()) == {StepState.DROPPED}
    assert (ended.job.state, ended.steps) == (JobState.CANCELLED, ())
    assert cancel(ended.job, now(), WINDOW).job is ended.job


@pytest.mark.parametrize("end", [*ENDS.values()], ids=[*ENDS])
@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_is_taken_for_a_job_that_has_ended(end: Callable[[Job, Step, int], object], state: JobState) -> None:
    """Whatever its document says of the step: what is cancelled never becomes completed."""
    job, step = claimed()
    with pytest.raises(Stale, match=f"the job is {state}"):
        end(job.but(state=state), step, 2)
    assert claim(job.but(state=state), step, "w2", now() + timedelta(hours=1), RULES) == Settled(job.but(state=state))


def test_a_step_that_is_done_says_when_and_forgets_why_it_was_tried_again() -> None:
    """A failure that was overcome is not shown as one."""
    job, step = claimed()
    job = release(job, step, 2, "answered 503", now(), due=None, spent=True).job
    assert job.steps[step.key].worker is None
    taken, moment = claim(job, step, "w", now(), RULES), now()
    record = commit(taken.job, step, 3, prepared(), moment, WINDOW).job.steps[step.key]
    assert (record.ended, record.progress, record.error, record.winner) == (moment, 1.0, None, 3)


def test_a_commit_passes_on_only_what_it_adds() -> None:
    """What was told before may not be published yet: that is for whoever told it, or the sweeper."""
    moved = new_job()
    (step,) = moved.steps
    job = claim(moved.job, step, "w", now(), RULES).job
    job = commit(job, step, 1, prepared(1), now(), WINDOW).job
    chunk = Step(job.id, Stage.TRANSCRIBER)
    committed = commit(claim(job, chunk, "w", now(), RULES).job, chunk, 1, chunk_text(0), now(), WINDOW)
    assert [fact.happening for fact in committed.job.outbox] == [Happening.ACCEPTED, Happening.SEGMENTS]
    assert [fact.happening for fact in committed.facts] == [Happening.SEGMENTS]
    assert committed.job.deliveries == {}


def hooked(happening: Happening = Happening.ACCEPTED) -> tuple[Job, Step, Step]:
    """Return a job, its first step, and the delivery that its webhook is owed."""
    moved = new_job(webhooks=[{"url": "https://example.org/hook", "events": [happening]}])
    first, delivery = moved.steps
    return moved.job, first, delivery


def test_a_webhook_that_is_given_up_on_does_not_fail_its_job() -> None:
    """The job goes on, with a warning."""
    job, first, delivery = hooked()
    job = claim(job, delivery, "w", now(), RULES).job
    moved = bury(job, delivery, 1, "answered 410", None, now(), WINDOW)
    assert moved.job.state is JobState.RUNNING
    assert moved.job.steps[first.key].state is StepState.QUEUED
    assert moved.job.warnings == ("the notifier gave up: answered 410",)


def test_a_cancelled_job_is_at_rest_when_its_webhooks_have_been_told() -> None:
    """The cancel drops what works on the recording, and no delivery."""
    job, first, delivery = hooked()
    job = cancel(job, now(), WINDOW).job
    assert job.steps[first.key].state is StepState.DROPPED
    assert job.steps[delivery.key].state is StepState.QUEUED
    job = job.but(outbox=())
    assert settle(job).job is job
    told_it = claim(job, delivery, "w", now(), RULES).job
    done = commit(told_it, delivery, 1, Delivered(url="https://example.org", status=200), now(), WINDOW).job
    assert settle(done).job.settled


def test_what_stood_in_for_the_result_is_the_result() -> None:
    """A job whose enhancer was given up on still says where its transcript lies."""
    moved = new_job(diarize=False)
    (step,) = moved.steps
    job = commit(claim(moved.job, step, "w", now(), RULES).job, step, 1, prepared(0), now(), WINDOW).job
    last = Step(job.id, Stage.ENHANCER)
    moved = bury(claim(job, last, "w", now(), RULES).job, last, 1, "no room", published(), now(), WINDOW)
    assert moved.job.state is JobState.COMPLETED
    assert moved.job.facts.transcript == published().transcript
    assert moved.job.made(Stage.ENHANCER) == {last: 1}
    assert moved.facts[-1].body["transcript"] == published().transcript


def test_a_job_that_must_wait_is_told_but_has_nothing_queued() -> None:
    """Its first step comes with its admission."""
    waiting = opened(new_job().job.but(state=JobState.WAITING, steps={}, outbox=(), sequence=0), WINDOW)
    assert (waiting.steps, waiting.job.steps) == ((), {})
    assert [fact.happening for fact in waiting.facts] == [Happening.ACCEPTED]
