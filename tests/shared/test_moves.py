"""The moves of a job document: what is legal, whose attempt counts, and what is learnt and told on the way."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest

from shared.clock import now
from shared.jobs.changes import Stale, at, learned, queued_again, told, with_step
from shared.jobs.claims import Claimed, Rules, claim
from shared.jobs.document import Job, StepRecord
from shared.jobs.moves import announce, bury, cancel, commit, opened, release
from shared.jobs.states import ADMITTED, JOB_MOVES, STEP_MOVES, TERMINAL, JobState, StepState
from shared.jobs.step import Step
from shared.topology import Happening, Stage
from tests.fakes.jobs import WINDOW, chunk_text, cut, new_job, prepared

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
        moved = at(job, after, now())
        assert (moved.state, moved.settled) == (after, False)
    else:
        with pytest.raises(Stale, match=f"{before} cannot become {after}"):
            at(job, after, now())


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
    job = at(new_job(retention_days=days).job, state, moment)
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


def test_a_job_that_must_wait_is_told_but_has_nothing_queued() -> None:
    """Its first step comes with its admission."""
    waiting = opened(new_job().job.but(state=JobState.WAITING, steps={}, outbox=(), sequence=0), WINDOW)
    assert (waiting.steps, waiting.job.steps) == ((), {})
    assert [fact.happening for fact in waiting.facts] == [Happening.ACCEPTED]
