"""The documents that a process remembers: few, short, the latest, and never more than a place to begin."""

import pytest

from shared.clock import now
from shared.jobs import known
from shared.jobs.document import StepRecord
from shared.jobs.known import Known
from shared.jobs.step import Step
from shared.topology import Stage
from tests.fakes.jobs import new_job


def test_an_earlier_document_does_not_take_the_place_of_a_later_one() -> None:
    """A read that was overtaken by a write changes nothing."""
    moved, kept = new_job(), Known()
    later = kept.keep(moved.job.model_copy(update={"revision": 3}))
    kept.keep(moved.job)
    assert kept.waiting(moved.steps[0]) is later


def test_marks_of_steps_that_a_document_out_of_date_does_not_know_are_passed_over() -> None:
    """Another process made the step ready; this one only published it again."""
    moved, kept = new_job(), Known()
    kept.keep(moved.job)
    kept.published(moved.job.id, [1], [moved.steps[0], Step(moved.job.id, Stage.ENHANCER)], now())
    document = kept.waiting(moved.steps[0])
    assert document is not None
    assert (document.outbox, document.steps.keys()) == ((), moved.job.steps.keys())
    assert document.steps[moved.steps[0].key].posted


def test_only_so_many_documents_are_remembered_and_no_long_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used least lately goes first; a document with many steps is always read."""
    monkeypatch.setattr(known, "MOST", 2)
    kept, jobs = Known(), [new_job() for _ in range(3)]
    for moved in jobs:
        kept.keep(moved.job)
    assert [kept.waiting(moved.steps[0]) is None for moved in jobs] == [True, False, False]
    steps = {f"transcriber-{part}": StepRecord(queued=now()) for part in range(known.MOST_STEPS)}
    kept.keep(jobs[2].job.model_copy(update={"revision": 1, "steps": {**jobs[2].job.steps, **steps}}))
    assert kept.waiting(jobs[2].steps[0]) is None
