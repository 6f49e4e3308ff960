"""The diarizer's stage: what it asks of its engine, and what it makes of the answer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.diarizer.heard import Heard
from services.diarizer.stage import Samples, diarize
from shared import flow
from shared.mesh.outcomes import GiveUp, Stopped, TryLater
from shared.models import ModelUnavailable, NoSuchModel
from shared.topology import Stage
from shared.transcript import SAMPLE_RATE, Diarization, HeardPiece, Prepared, Turn
from tests.fakes.diarizer import blobs, turn, work


class Spoken:
    """An engine that says what it was told to, or raises it, and keeps what it was asked."""

    def __init__(self, turns: list[Turn], error: Exception | None = None) -> None:
        self.model, self.versions = "spoken", {"spoken": "1"}
        self.turns, self.error = turns, error
        self.asked: dict[str, Any] = {}

    overlap = 9.0

    def listen(self, samples: Samples, on_progress: Callable[[float], None]) -> Heard:
        """Report half way, then hear one window that counts the samples."""
        self.asked = {"samples": samples}
        on_progress(0.5)
        if self.error:
            raise self.error
        return Heard(np.full((1, 1, 1), len(samples), np.float32), np.zeros((1, 1, 1), np.float32))

    def tell_apart(self, heard: Heard, **asked: int | None) -> list[Turn]:
        """Answer."""
        self.asked |= {"heard": heard, **asked}
        return self.turns


async def test_speakers_are_numbered_in_the_order_they_are_first_heard() -> None:
    """Whatever labels and order the engine gives, SPEAKER_00 talks first and turns come by start."""
    spoken = Spoken([turn(2, 3, "a"), turn(0, 1, "b"), turn(1, 2, "a")])
    made = await diarize(work(3 * SAMPLE_RATE), spoken, await blobs(bytes(6 * SAMPLE_RATE)))
    assert isinstance(made, Diarization)
    assert made.turns == (turn(0, 1, "SPEAKER_00"), turn(1, 2, "SPEAKER_01"), turn(2, 3, "SPEAKER_01"))
    assert (made.model, made.versions) == ("spoken", {"spoken": "1"})


async def test_the_engine_gets_every_sample_and_what_the_job_asked() -> None:
    """A recording longer than one piece arrives whole, scaled to between -1 and 1, with the speaker bounds."""
    count = 5_000_001
    pcm = (np.arange(count) % 60_000 - 30_000).astype("<i2")
    spoken = Spoken([])
    await diarize(work(count, min_speakers=2, max_speakers=4), spoken, await blobs(pcm.tobytes()))
    assert np.array_equal(spoken.asked.pop("samples"), pcm.astype(np.float32) / 32768)
    assert spoken.asked.pop("heard").active.item() == count
    assert spoken.asked == {"num_speakers": None, "min_speakers": 2, "max_speakers": 4}


async def test_a_long_recording_is_heard_in_pieces_that_are_joined() -> None:
    """Pieces overlap by what the engine asks, the last takes the rest, and only the join tells the speakers apart."""
    seconds = round(2.5 * flow.PIECE_SECONDS)
    store, spoken = await blobs(bytes(2 * SAMPLE_RATE * seconds)), Spoken([turn(0, 1, "a")])
    parts = [await diarize(work(seconds * SAMPLE_RATE, part), spoken, store) for part in (0, 1)]
    pieces = tuple(part for part in parts if isinstance(part, HeardPiece))
    assert [piece.heard for piece in pieces] == ["jobs/t/j/heard.0.1.npz", "jobs/t/j/heard.1.1.npz"]
    made = await diarize(work(seconds * SAMPLE_RATE, 2, pieces), spoken, store)
    assert isinstance(made, Diarization)
    lengths = spoken.asked["heard"].active.ravel() / SAMPLE_RATE
    assert lengths.tolist() == [flow.PIECE_SECONDS + 9, 1.5 * flow.PIECE_SECONDS]
    assert made.turns == (turn(0, 1, "SPEAKER_00"),)


async def test_each_attempt_at_a_piece_keeps_what_it_heard_under_a_name_of_its_own() -> None:
    """One that turns out to be stale must not have written over what the winner heard."""
    count = round(2.5 * flow.PIECE_SECONDS) * SAMPLE_RATE
    store = await blobs(bytes(2 * count))
    parts = [await diarize(replace(work(count), attempt=attempt), Spoken([]), store) for attempt in (1, 2)]
    assert [part.heard for part in parts if isinstance(part, HeardPiece)] == [
        "jobs/t/j/heard.0.1.npz",
        "jobs/t/j/heard.0.2.npz",
    ]


async def test_a_silent_recording_is_not_listened_to() -> None:
    """There is nothing to read, and the answer says who would have listened."""
    asked, spoken = work(SAMPLE_RATE), Spoken([])
    silent = asked.outputs(Prepared)[0].model_copy(update={"chunks": ()})
    made = await diarize(replace(asked, inputs={Stage.DOWNLOADER: (silent,)}), spoken, await blobs(b""))
    assert made == Diarization(model="spoken", versions={"spoken": "1"})
    assert spoken.asked == {}


async def test_progress_is_told_and_a_stopped_step_listens_no_further() -> None:
    """Between two of the engine's units of work; the unit that runs when the stop comes is the last."""
    told, asked = list[float](), work(SAMPLE_RATE)
    store = await blobs(bytes(2 * SAMPLE_RATE))
    await diarize(replace(asked, progress=told.append), Spoken([]), store)
    assert told == [0.5]
    asked.stop.set()
    with pytest.raises(Stopped):
        await diarize(asked, Spoken([]), store)


async def test_a_recording_shorter_than_promised_is_an_error() -> None:
    """A truncated object never passes for the whole recording."""
    with pytest.raises(ValueError, match="ends at sample 3, but 4 are promised"):
        await diarize(work(4), Spoken([]), await blobs(bytes(6)))


async def test_no_turn_goes_beyond_the_recordings_end() -> None:
    """What is heard in the silence that fills the last window is cut off, and what begins there is no turn."""
    spoken = Spoken([turn(0, 0.9, "a"), turn(0.5, 1.4, "b"), turn(1.0, 1.2, "c")])
    made = await diarize(work(SAMPLE_RATE), spoken, await blobs(bytes(2 * SAMPLE_RATE)))
    assert isinstance(made, Diarization)
    assert made.turns == (turn(0, 0.9, "SPEAKER_00"), turn(0.5, 1.0, "SPEAKER_01"))


async def test_where_nobody_is_heard_or_one_and_no_more_were_asked_for_there_is_no_warning() -> None:
    """Silence has no speakers to lack, and a monologue is no failure."""
    for asked, turns in ((work(SAMPLE_RATE, num_speakers=3), []), (work(SAMPLE_RATE), [turn(0, 1, "a")])):
        made = await diarize(asked, Spoken(turns), await blobs(bytes(2 * SAMPLE_RATE)))
        assert made.warnings == ()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"num_speakers": 3}, "2 of 3 speakers"),
        ({"min_speakers": 5}, "2 of 5 speakers"),
        ({"num_speakers": 2}, None),
        ({}, None),
    ],
)
async def test_fewer_speakers_than_asked_for_are_a_warning(asked: dict[str, Any], said: str | None) -> None:
    """The job learns that it has not what it asked for."""
    spoken = Spoken([turn(0, 0.5, "a"), turn(0.5, 1, "b")])
    made = await diarize(work(SAMPLE_RATE, **asked), spoken, await blobs(bytes(2 * SAMPLE_RATE)))
    assert [said in warning for warning in made.warnings if said] == [True] * bool(said)
    assert len(made.warnings) == bool(said)


@pytest.mark.parametrize(
    ("error", "outcome"), [(NoSuchModel("x"), GiveUp), (ModelUnavailable("x", ["hub: away"]), TryLater)]
)
async def test_a_missing_model_is_a_deliberate_failure(error: Exception, outcome: type[Exception]) -> None:
    """A name that does not exist is given up on; a model that cannot be fetched now is tried again."""
    with pytest.raises(outcome, match="'x'"):
        await diarize(work(2), Spoken([], error), await blobs(bytes(4)))
