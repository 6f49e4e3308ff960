"""A job document is a value: whatever changes it makes another."""

from shared.clock import now
from shared.jobs.document import Job, StepRecord
from shared.jobs.history import Entry, whole
from shared.jobs.states import StepState
from shared.topology import Stage
from tests.fakes.jobs import new_job


def test_a_changed_record_is_what_reading_the_same_fields_makes() -> None:
    """Changing fields leaves a document that equals, and is stored as, one that was read with them."""
    job = new_job().job
    changed = job.but(warnings=("no speech",), revision=7)
    read = Job.model_validate({**job.model_dump(), "warnings": ("no speech",), "revision": 7})
    assert changed == read
    assert changed.model_dump() == read.model_dump()


def test_a_change_leaves_the_record_as_it_was() -> None:
    """Whoever holds the document from before sees nothing of the change, and fields not named are shared."""
    record = StepRecord(queued=now(), worker="one")
    changed = record.but(state=StepState.RUNNING)
    assert (record.state, changed.state) == (StepState.QUEUED, StepState.RUNNING)
    assert changed.worker == record.worker
    assert changed.model_dump(exclude_unset=True).keys() == {"queued", "worker", "state"}


def test_attempts_that_ended_within_a_millisecond_are_told_in_their_order() -> None:
    """The time is cut to what the database keeps; whatever is read first, the first attempt comes first."""
    moment = now()
    first, second = (
        Entry(job="a", what="again", at=moment, stage=Stage.ENHANCER, part=0, attempt=attempt) for attempt in (1, 2)
    )
    assert whole(None, [second, first]) == [first, second]
