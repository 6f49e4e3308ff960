"""The documents that a process remembers: few, short, the latest, and never more than a place to begin."""

from datetime import timedelta
from typing import Any

import pytest

from shared.clock import now
from shared.jobs import known
from shared.jobs.document import StepRecord
from shared.jobs.known import Known
from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.topology import Stage
from tests.fakes.jobs import new_job


def test_an_earlier_document_does_not_take_the_place_of_a_later_one() -> None:
    """A read that was overtaken by a write changes nothing."""
    moved, kept = new_job(), Known()
    later = kept.keep(moved.job.model_copy(update={"revision": 3}))
    kept.keep(moved.job)
    assert kept.claimable(moved.steps[0]) is later


def test_a_job_that_came_again_under_its_id_takes_the_place_of_the_first() -> None:
    """What was known of a job that has been forgotten is not what a claim of the new one may begin with."""
    moved, kept = new_job(), Known()
    kept.keep(moved.job.model_copy(update={"revision": 3}))
    second = kept.keep(moved.job.model_copy(update={"created": moved.job.created + timedelta(days=1)}))
    assert kept.claimable(moved.steps[0]) is second


def test_a_save_that_would_be_refused_is_known_to_be_once() -> None:
    """This process has written a later revision itself; what it reads then counts, whatever it is."""
    moved, kept = new_job(), Known()
    kept.keep(moved.job.model_copy(update={"revision": 3}))
    assert not kept.moved_on(moved.job.model_copy(update={"revision": 3}))
    assert kept.moved_on(moved.job)
    kept.keep(moved.job)
    assert not kept.moved_on(moved.job)


def test_a_document_is_remembered_until_all_of_its_steps_are_over() -> None:
    """Steps at work end soon, and their commits begin with what was known when they were claimed."""
    moved, kept = new_job(), Known()
    (step,) = moved.steps
    for revision, (state, known_later) in enumerate([(StepState.RUNNING, True), (StepState.DONE, False)], 1):
        records = {step.key: StepRecord(state=state, queued=now())}
        kept.keep(moved.job.model_copy(update={"revision": revision, "steps": records}))
        assert kept.moved_on(moved.job) == known_later


def test_marks_of_steps_that_a_document_out_of_date_does_not_know_are_passed_over() -> None:
    """Another process made the step ready; this one only published it again."""
    moved, kept = new_job(), Known()
    kept.keep(moved.job)
    kept.published(moved.job.id, [1], [moved.steps[0], Step(moved.job.id, Stage.ENHANCER)], now())
    document = kept.claimable(moved.steps[0])
    assert document is not None
    assert (document.outbox, document.steps.keys()) == ((), moved.job.steps.keys())
    assert document.steps[moved.steps[0].key].posted


@pytest.mark.parametrize("changes", [{"state": StepState.RUNNING}, {"due": now()}, {"state": StepState.DONE}])
def test_only_a_step_that_waits_to_be_claimed_is_known(changes: dict[str, Any]) -> None:
    """Heartbeats change no revision: a worker that looks dead here may be alive, and no save would find that out."""
    moved, kept = new_job(), Known()
    (step,) = moved.steps
    other = {"enhancer-0": StepRecord(queued=now())}
    kept.keep(moved.job.but(steps={step.key: moved.job.steps[step.key].but(**changes), **other}))
    assert kept.claimable(step) is None
    assert kept.claimable(Step(moved.job.id, Stage.ENHANCER)) is not None


def test_a_save_of_a_job_that_came_again_under_its_id_is_not_refused() -> None:
    """The first one's revisions say nothing of it."""
    moved, kept = new_job(), Known()
    kept.keep(moved.job.but(revision=3))
    assert not kept.moved_on(moved.job.but(created=moved.job.created + timedelta(days=1)))


def test_only_so_many_documents_are_remembered_and_no_long_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used least lately goes first; a document with many steps is always read."""
    monkeypatch.setattr(known, "MOST", 2)
    kept, jobs = Known(), [new_job() for _ in range(3)]
    for moved in jobs:
        kept.keep(moved.job)
    assert [kept.claimable(moved.steps[0]) is None for moved in jobs] == [True, False, False]
    steps = {f"transcriber-{part}": StepRecord(queued=now()) for part in range(known.MOST_STEPS)}
    kept.keep(jobs[2].job.model_copy(update={"revision": 1, "steps": {**jobs[2].job.steps, **steps}}))
    assert kept.claimable(jobs[2].steps[0]) is None
