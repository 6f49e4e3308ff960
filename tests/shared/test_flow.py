"""What comes next is a pure function of the job document."""

from hypothesis import given
from hypothesis import strategies as st

from shared import flow
from shared.clock import now
from shared.jobs.changes import Moved
from shared.jobs.claims import Claimed, Rules, claim
from shared.jobs.document import Job
from shared.jobs.moves import commit
from shared.jobs.states import JobState
from shared.jobs.step import Step
from shared.topology import Stage
from shared.transcript import Output
from tests.fakes.jobs import chunk_text, diarization, new_job, prepared, published

RULES = Rules(3, 20.0)


def done(job: Job, step: Step, chunks: int, window: int) -> Moved:
    """Return the job with one step claimed and committed."""
    claimed = claim(job, step, "w", now(), RULES)
    assert isinstance(claimed, Claimed)
    outputs: dict[Stage, Output] = {
        Stage.DOWNLOADER: prepared(chunks),
        Stage.TRANSCRIBER: chunk_text(step.part),
        Stage.DIARIZER: diarization(),
        Stage.ENHANCER: published(),
    }
    return commit(claimed.job, step, claimed.attempt, outputs[step.stage], now(), window)


@given(chunks=st.integers(0, 12), window=st.integers(1, 5), diarize=st.booleans(), data=st.data())
def test_in_whatever_order_steps_end_every_step_is_queued_once_and_the_job_completes(
    chunks: int, window: int, diarize: bool, data: st.DataObject
) -> None:
    """Commits in any order queue each step exactly once, never more chunks than the window, and end the job."""
    moved = new_job(diarize=diarize)
    job, waiting, seen = moved.job, list(moved.steps), list(moved.steps)
    while waiting:
        step = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        moved = done(job, step, chunks, window)
        job = moved.job
        waiting += moved.steps
        seen += moved.steps
        assert sum(each.stage is Stage.TRANSCRIBER for each in waiting) <= window
    assert job.state is JobState.COMPLETED
    assert len(seen) == len(set(seen)) == 2 + chunks + (diarize and chunks > 0)


def test_a_step_whose_message_was_confirmed_is_not_posted_again() -> None:
    """Only what the broker may not hold is published by a redelivery."""
    moved = new_job()
    (step,) = moved.steps
    assert flow.unposted(moved.job, 2) == (step,)
    marked = moved.job.steps[step.key].model_copy(update={"posted": now()})
    assert flow.unposted(moved.job.model_copy(update={"steps": {step.key: marked}}), 2) == ()


def test_every_stage_that_makes_something_has_its_output_named() -> None:
    """The flow and the table of outputs speak of the same stages."""
    assert flow.FLOW.keys() == flow.OUTPUTS.keys() == set(Stage) - {Stage.INTAKE}
