"""Voice activity: heard piece by piece, as in the whole."""

import io

import numpy as np
import pytest
from faster_whisper.vad import VadOptions, get_speech_timestamps

from services.downloader.plan import NEVER, Run
from services.downloader.voice import FRAME, PIECE, speech
from tests.recordings import RATE, samples


def heard(data: np.ndarray) -> list[Run]:
    """Return the runs of speech in all of the samples."""
    *_, whole = speech(io.BytesIO(data.tobytes()), 0.5)
    assert whole.point == NEVER
    return whole.runs


def test_speech_is_found_where_it_is() -> None:
    """The sample begins with silence and talks nearly without a stop from second eight on."""
    data = samples()
    runs = heard(data)
    assert 6 * RATE < runs[0].start < 8 * RATE
    assert sum(run.end - run.start for run in runs if run.start > 7.5 * RATE) > 20 * RATE


def test_silence_has_no_speech() -> None:
    """Nothing is heard where nothing is said."""
    assert heard(np.zeros(10 * RATE, np.int16)) == []


@pytest.mark.parametrize("seconds", [1, 30, 32, 64, 90])
def test_pieces_hear_what_the_whole_hears(seconds: int) -> None:
    """A recording heard piece by piece has the very runs of speech that faster-whisper hears in it at once."""
    data = np.tile(samples(), 3)[: seconds * FRAME * 1000 // 32]
    options = VadOptions(min_speech_duration_ms=0, min_silence_duration_ms=50, speech_pad_ms=0)
    whole = get_speech_timestamps(data.astype(np.float32) / 32768, options)
    runs = heard(data)
    assert runs == [(run["start"], run["end"]) for run in whole]


def test_the_end_of_a_recording_is_heard_as_in_the_whole() -> None:
    """Wherever a recording breaks off, within a frame or between two, what is heard of its end is the same."""
    options = VadOptions(min_speech_duration_ms=0, min_silence_duration_ms=50, speech_pad_ms=0)
    for end in range(12 * RATE, 12 * RATE + 2 * FRAME, 37):
        data = samples()[5 * RATE : end]
        whole = get_speech_timestamps(data.astype(np.float32) / 32768, options)
        assert heard(data) == [(run["start"], run["end"]) for run in whole]


def test_what_is_heard_so_far_stays_and_the_rest_begins_behind_it() -> None:
    """After each piece, the runs known are the first of all, and every other one begins at the point told or later."""
    data = np.tile(samples(), 5)
    *pieces, whole = speech(io.BytesIO(data.tobytes()), 0.5)
    assert [piece.samples for piece in pieces] == [PIECE * number for number in range(1, len(data) // PIECE + 1)]
    assert (whole.samples, len(whole.runs) > len(pieces[-1].runs)) == (len(data), True)
    for piece in pieces:
        later = whole.runs[len(piece.runs) :]
        assert whole.runs == [*piece.runs, *later]
        assert later[0].start >= piece.point >= piece.runs[-1].end
