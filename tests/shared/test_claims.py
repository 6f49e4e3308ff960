"""Claiming: who may work on a step, and what becomes of a message that asks for another."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.clock import now
from shared.jobs.changes import Moved
from shared.jobs.claims import Claimed, Crashed, Early, Rules, Settled, claim
from shared.jobs.document import Job
from shared.jobs.moves import cancel, commit, release
from shared.jobs.states import JobState, StepState
from shared.jobs.step import Step
from shared.topology import Stage
from shared.transcript import Delivered
from tests.fakes.jobs import WINDOW, new_job

RULES = Rules(3, 20.0)


def ended_with_a_delivery() -> tuple[Job, Step]:
    """Return a cancelled job and the delivery that tells its webhook so."""
    moved = cancel(new_job(webhooks=[{"url": "https://example.org/hook"}]).job, now(), WINDOW)
    (delivery,) = moved.steps
    return moved.job, delivery


def delivered(job: Job, step: Step) -> Moved:
    """Return the job with the delivery claimed and committed."""
    claimed = claim(job, step, "w", now(), RULES)
    assert isinstance(claimed, Claimed)
    return commit(claimed.job, step, claimed.attempt, Delivered(url="https://example.org", status=200), now(), WINDOW)


def waiting_until(due: datetime) -> tuple[Job, Step]:
    """Return a job whose first step waits on the ladder, and the step."""
    moved = new_job()
    (step,) = moved.steps
    claimed = claim(moved.job, step, "w", now(), RULES)
    assert isinstance(claimed, Claimed)
    return release(claimed.job, step, claimed.attempt, "busy", now(), due=due, spent=True).job, step


def test_a_webhook_is_told_though_the_job_has_ended_and_only_once() -> None:
    """A delivery outlives its job's end; a message for it that comes again tells nobody a second time."""
    job, delivery = ended_with_a_delivery()
    job = delivered(job, delivery).job
    assert job.steps[delivery.key].state is StepState.DONE
    assert job.state is JobState.CANCELLED
    assert isinstance(claim(job, delivery, "w2", now(), RULES), Settled)


@pytest.mark.parametrize("behind", [0, 1, 3_600])
def test_a_message_that_comes_again_when_its_time_has_come_is_not_sent_away(behind: int) -> None:
    """Sent back to the ladder each time, the step would never be done."""
    moment = now()
    job, step = waiting_until(moment - timedelta(seconds=behind))
    assert isinstance(claim(job, step, "w", moment, RULES, after=0), Claimed)


def test_a_message_that_comes_again_too_soon_waits_for_the_rest() -> None:
    """The step keeps its place on the ladder, to the second."""
    moment = now()
    job, step = waiting_until(moment + timedelta(seconds=250))
    assert claim(job, step, "w", moment, RULES, after=0) == Early(job, 250)


def test_only_the_message_of_its_last_attempt_ends_the_wait_of_a_step() -> None:
    """One from before a replay may still be on the ladder: each would begin an attempt before its time."""
    moment = now()
    job, step = waiting_until(moment)
    again = claim(job, step, "w", moment, RULES, after=1)
    assert isinstance(again, Claimed)
    due = moment + timedelta(seconds=60)
    waiting = release(again.job, step, again.attempt, "busy", moment, due=due, spent=True).job
    assert claim(waiting, step, "w", moment, RULES, after=1) == Early(waiting, 60)
    assert isinstance(claim(waiting, step, "w", moment, RULES, after=2), Claimed)


def test_a_message_for_a_step_that_its_job_does_not_know_changes_nothing() -> None:
    """A document put back from a backup may know less than the broker does."""
    job = new_job().job
    assert claim(job, Step(job.id, Stage.TRANSCRIBER, 7), "w", now(), RULES) == Settled(job)
    assert claim(job, Step(job.id, Stage.NOTIFIER, 10), "w", now(), RULES) == Settled(job)


def abandoned(moment: datetime, attempts: int = 1, **changes: Any) -> tuple[Job, Step]:
    """Return a job whose first step has been claimed so often by w1, which fell silent an hour before."""
    moved = new_job()
    (step,) = moved.steps
    job = moved.job
    for _ in range(attempts):
        claimed = claim(job, step, "w1", moment - timedelta(hours=1), Rules(99, 20.0))
        assert isinstance(claimed, Claimed)
        job = claimed.job
    return job.but(steps={step.key: job.steps[step.key].but(**changes)}), step


def test_a_step_whose_worker_fell_silent_waits_on_the_ladder_with_the_reason() -> None:
    """It is nobody's, comes back when its rung is over, and its history has the attempt that was lost."""
    moment = now()
    job, step = abandoned(moment)
    found = claim(job, step, "w2", moment, RULES)
    assert isinstance(found, Crashed)
    record = found.job.steps[step.key]
    assert (record.state, record.worker, record.attempts) == (StepState.QUEUED, None, 1)
    assert record.due == moment + timedelta(seconds=found.delay)
    assert "w1, ended without a word" in (record.error or "")
    assert found.lost is not None
    assert (found.lost.what, found.lost.attempt, found.lost.worker) == ("lost", 1, "w1")


def test_a_worker_that_comes_again_to_its_own_step_goes_on_at_once() -> None:
    """Its message was redelivered and its run is gone; the attempt before is in the history as lost."""
    moment = now()
    job, step = abandoned(moment)
    claimed = claim(job, step, "w1", moment, RULES)
    assert isinstance(claimed, Claimed)
    assert (claimed.attempt, claimed.exhausted, claimed.bare) == (2, None, False)
    assert claimed.lost is not None
    assert (claimed.lost.what, claimed.lost.attempt) == ("lost", 1)


def test_a_claim_begins_anew() -> None:
    """No progress and no waiting time of an earlier attempt is left; when its message came first is kept."""
    moment = now()
    job, step = abandoned(moment, state=StepState.QUEUED, progress=0.7, due=moment + timedelta(seconds=9))
    claimed = claim(job, step, "w2", moment, RULES, after=job.steps[step.key].attempts)
    record = claimed.job.steps[step.key]
    assert (record.state, record.worker, record.progress, record.due) == (StepState.RUNNING, "w2", 0.0, None)
    assert (record.heartbeat, record.started, claimed.job.updated) == (moment, moment, moment)
    assert record.posted == job.steps[step.key].posted


@pytest.mark.parametrize(
    ("record", "worker", "bare"),
    [
        ({}, "w2", True),  # whoever was to bury it fell silent, too
        ({}, "w1", False),  # it lives, and only its message came again
        ({"state": StepState.QUEUED}, "w2", False),  # more was allowed before: nobody has tried what stands in
        ({"forgiven": 1}, "w2", False),  # the last attempt that counts, none beyond
    ],
)
def test_nothing_stands_in_for_a_step_that_killed_who_was_to_bury_it(
    record: dict[str, Any], worker: str, bare: bool
) -> None:
    """What kills the stage and its stand-in would go round for ever; whatever else was tried too often degrades."""
    moment = now()
    job, step = abandoned(moment, attempts=4, **record)
    claimed = claim(job, step, worker, moment, RULES)
    assert isinstance(claimed, Claimed)
    assert claimed.exhausted is not None
    assert claimed.bare == bare


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"state": StepState.QUEUED, "error": "answered 503"}, "tried 3 times; answered 503"),
        ({"state": StepState.QUEUED}, "tried 3 times; the last worker, w1, ended without a word"),
        ({"error": "answered 503"}, "tried 3 times; the last worker, w1, ended without a word"),
    ],
)
def test_a_step_that_was_tried_too_often_says_what_ended_the_last_try(record: dict[str, Any], reason: str) -> None:
    """An older failure is not what a worker that fell silent since has died of."""
    moment = now()
    job, step = abandoned(moment, attempts=3, **record)
    claimed = claim(job, step, "w2", moment, RULES)
    assert isinstance(claimed, Claimed)
    assert (claimed.exhausted or "").startswith(reason)
