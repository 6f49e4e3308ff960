"""Putting windows together one at a time: what comes of it, and how much memory it takes."""

import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from services.diarizer.pyannote_audio import SlidingWindow, SlidingWindowFeature, SpeakerDiarization
from services.diarizer.reconstruction import frugal

WINDOWS, FRAMES, VOICES, SPEAKERS = 60, 589, 3, 5


@pytest.fixture
def pipeline() -> Any:
    """Return what reconstruction asks of a pipeline."""
    made = SimpleNamespace(to_diarization=SpeakerDiarization.to_diarization)
    frugal(made)
    return made


def recording() -> tuple[SlidingWindowFeature, np.ndarray, SlidingWindowFeature]:
    """Return a recording's windows, whose each voice is (-2: nobody's; some are one speaker's), and how many speak."""
    rng = np.random.default_rng(3)
    active = np.repeat(rng.random((WINDOWS, FRAMES // 19, VOICES)) < 0.4, 19, axis=1).astype(np.float32)
    windows = SlidingWindowFeature(active, SlidingWindow(start=0.0, duration=10.0, step=1.0))
    speakers = rng.choice([-2, *range(SPEAKERS)], (WINDOWS, VOICES))
    frames = SlidingWindow(start=0.0, duration=0.0619375, step=0.016875)
    return windows, speakers, SpeakerDiarization.speaker_count(windows, frames, warm_up=(0.0, 0.0))


def test_windows_are_put_together_as_pyannote_does(pipeline: Any) -> None:
    """Who speaks in each frame is what pyannote's own reconstruction makes of the same voices."""
    windows, speakers, count = recording()
    ours = pipeline.reconstruct(windows, speakers, count)
    theirs = SpeakerDiarization.reconstruct(pipeline, windows, speakers, count)
    assert np.array_equal(ours.data, theirs.data)
    assert ours.extent == theirs.extent
    assert set(ours.data.sum(axis=0) > 0) == {True}


def test_windows_are_never_in_memory_with_all_speakers_at_once(pipeline: Any) -> None:
    """The most that is taken is less than half of what the windows of all speakers would be."""
    windows, speakers, count = recording()
    tracemalloc.start()
    pipeline.reconstruct(windows, speakers, count)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < WINDOWS * FRAMES * SPEAKERS * np.dtype(float).itemsize / 2
