"""What comes next is a pure function of the job document."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import flow
from shared.clock import now
from shared.jobs.changes import Moved
from shared.jobs.claims import Claimed, Rules, claim
from shared.jobs.document import Job
from shared.jobs.moves import bury, commit, release
from shared.jobs.replay import replay
from shared.jobs.states import JobState
from shared.jobs.step import Step
from shared.topology import Stage
from shared.transcript import Diarization, Output
from tests.fakes.jobs import chunk_text, diarization, heard_piece, new_job, prepared, published

RULES = Rules(3, 20.0)


def done(job: Job, step: Step, chunks: int, window: int, pieces: int = 1) -> Moved:
    """Return the job with one step claimed and committed."""
    claimed = claim(job, step, "w", now(), RULES)
    assert isinstance(claimed, Claimed)
    outputs: dict[Stage, Output] = {
        Stage.DOWNLOADER: prepared(chunks, pieces * flow.PIECE_SECONDS),
        Stage.TRANSCRIBER: chunk_text(step.part),
        Stage.DIARIZER: heard_piece(step.part) if step.part < pieces > 1 else diarization(),
        Stage.ENHANCER: published(),
    }
    return commit(claimed.job, step, claimed.attempt, outputs[step.stage], now(), window)


@given(
    chunks=st.integers(0, 12),
    pieces=st.integers(1, 6),
    window=st.integers(1, 5),
    diarize=st.booleans(),
    data=st.data(),
)
def test_in_whatever_order_steps_end_every_step_is_queued_once_and_the_job_completes(
    chunks: int, pieces: int, window: int, diarize: bool, data: st.DataObject
) -> None:
    """Commits in any order queue each step once, of a stage never more than the window, and end the job."""
    moved = new_job(diarize=diarize)
    job, waiting, seen = moved.job, list(moved.steps), list(moved.steps)
    while waiting:
        step = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        moved = done(job, step, chunks, window, pieces)
        job = moved.job
        waiting += moved.steps
        seen += moved.steps
        assert all(count <= window for count in Counter(each.stage for each in waiting).values())
    assert job.state is JobState.COMPLETED
    voices = pieces + (pieces > 1) if diarize and chunks else 0
    assert len(seen) == len(set(seen)) == 2 + chunks + voices


def long_job(pieces: int) -> tuple[Job, list[Step]]:
    """Return a job whose recording the diarizer hears in that many pieces, with the pieces that are queued first."""
    moved = new_job()
    moved = done(moved.job, moved.steps[0], 1, 2, pieces)
    return moved.job, [step for step in moved.steps if step.stage is Stage.DIARIZER]


def left(job: Job) -> set[Stage]:
    """Return the stages that have something to do."""
    return {step.stage for step in flow.ready(job, 9)}


def given_up(job: Job, step: Step) -> Moved:
    """Return the job with the step claimed and given up on."""
    claimed = claim(job, step, "w", now(), RULES)
    assert isinstance(claimed, Claimed)
    return bury(claimed.job, step, claimed.attempt, "no voices", None, now(), 2)


@pytest.mark.parametrize(("minutes", "pieces"), [(0.1, 1), (5.9, 1), (6, 2), (8.9, 2), (9, 3)])
def test_recordings_of_six_minutes_and_more_are_heard_in_pieces(minutes: float, pieces: int) -> None:
    """A piece has three minutes or more: shorter, it would hold too little of a voice to be known by."""
    moved = new_job()
    (step,) = moved.steps
    claimed = claim(moved.job, step, "w", now(), RULES)
    job = commit(claimed.job, step, 1, prepared(1, minutes * 60), now(), 2).job
    assert flow.pieces(job) == pieces


def test_the_pieces_are_joined_when_the_last_is_heard() -> None:
    """The join waits for every piece, and it alone is given what they made."""
    job, pieces = long_job(2)
    moved = done(job, pieces[1], 1, 2, 2)
    assert moved.steps == ()
    moved = done(moved.job, pieces[0], 1, 2, 2)
    (join,) = moved.steps
    assert join == Step(job.id, Stage.DIARIZER, 2)
    assert flow.needs(moved.job, join) == (Stage.DOWNLOADER, Stage.DIARIZER)
    assert flow.needs(moved.job, pieces[0]) == (Stage.DOWNLOADER,)
    assert flow.needs(moved.job, Step(job.id, Stage.TRANSCRIBER, 2)) == (Stage.DOWNLOADER,)
    assert flow.needs(moved.job, Step(job.id, Stage.DIARIZER, 1)) == (Stage.DOWNLOADER,)
    assert Stage.DIARIZER in left(moved.job)
    assert Stage.DIARIZER not in left(done(moved.job, join, 1, 2, 2).job)


def test_a_piece_that_is_given_up_on_ends_the_diarizer() -> None:
    """No further piece is begun, those begun end, nothing is joined, and the job tells it once."""
    job, pieces = long_job(6)
    moved = given_up(job, pieces[0])
    assert moved.steps == ()
    moved = given_up(moved.job, pieces[1])
    assert Stage.DIARIZER not in left(moved.job)
    assert moved.job.warnings == ("the diarizer gave up: no voices",)


def test_a_replayed_piece_brings_the_others_and_the_join_back() -> None:
    """All dead pieces are queued again, their warnings go, and the rest of the pieces follow."""
    job, pieces = long_job(3)
    for piece in pieces:
        job = given_up(job, piece).job
    moved = replay(job, pieces[0], now(), 2)
    assert moved.job.warnings == ()
    assert [step for step in moved.steps if step.stage is Stage.DIARIZER] == pieces
    job, waiting, seen = moved.job, list(pieces), list(pieces)
    while waiting:
        moved = done(job, waiting.pop(), 1, 2, 3)
        job = moved.job
        waiting += [step for step in moved.steps if step.stage is Stage.DIARIZER]
        seen += [step for step in moved.steps if step.stage is Stage.DIARIZER]
    assert [step.part for step in seen] == [0, 1, 2, 3]
    assert Stage.DIARIZER not in left(job)


def test_a_step_whose_message_was_confirmed_is_not_posted_again() -> None:
    """Only what the broker may not hold is published by a redelivery."""
    moved = new_job()
    (step,) = moved.steps
    assert flow.unposted(moved.job, 2) == (step,)
    marked = moved.job.steps[step.key].model_copy(update={"posted": now()})
    assert flow.unposted(moved.job.model_copy(update={"steps": {step.key: marked}}), 2) == ()


def test_a_step_that_waits_on_the_ladder_is_not_posted_beside_it() -> None:
    """Whatever else makes its job pass on what is ready, its own message comes when its time has come."""
    moved = new_job()
    (step,) = moved.steps
    claimed = claim(moved.job, step, "w", now(), RULES)
    waiting = release(claimed.job, step, 1, "busy", now(), due=now(), spent=True).job
    assert flow.ready(waiting, 2) == (step,)
    assert flow.unposted(waiting, 2) == ()


def test_what_the_diarizer_made_is_read_as_what_it_was() -> None:
    """A piece and a result, as they are kept, are told apart; so are the smallest of them."""
    for made in (heard_piece(3), diarization(), Diarization()):
        assert flow.OUTPUTS[Stage.DIARIZER].validate_python(made.model_dump(mode="json")) == made


def test_every_stage_that_makes_something_has_its_output_named() -> None:
    """The flow and the table of outputs speak of the same stages."""
    assert flow.FLOW.keys() == flow.OUTPUTS.keys() == set(Stage) - {Stage.INTAKE}
