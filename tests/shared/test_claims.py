"""Claiming: who may work on a step, and what becomes of a message that asks for another."""

from datetime import datetime, timedelta

import pytest

from shared.clock import now
from shared.jobs.changes import Moved
from shared.jobs.claims import Claimed, Early, Rules, Settled, claim
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
    assert isinstance(claim(job, step, "w", moment, RULES, seen=True), Claimed)


def test_a_message_that_comes_again_too_soon_waits_for_the_rest() -> None:
    """The step keeps its place on the ladder, to the second."""
    moment = now()
    job, step = waiting_until(moment + timedelta(seconds=250))
    assert claim(job, step, "w", moment, RULES, seen=True) == Early(job, 250)


def test_a_message_for_a_step_that_its_job_does_not_know_changes_nothing() -> None:
    """A document put back from a backup may know less than the broker does."""
    job = new_job().job
    assert claim(job, Step(job.id, Stage.TRANSCRIBER, 7), "w", now(), RULES) == Settled(job)
    assert claim(job, Step(job.id, Stage.NOTIFIER, 10), "w", now(), RULES) == Settled(job)
