"""Telling speech from silence with Silero VAD v6, as faster-whisper ships it.

It is asked for the finest runs of speech it tells apart: which pauses end a stretch, what is too short and how much
is padded, `services.downloader.plan` decides. So the short pauses stay known, and long speech can be cut at them.

A recording is heard piece by piece, and the network's memory is carried from each piece to the next: so the runs are
those of the whole recording heard at once, and are known as soon as the sound is.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from faster_whisper.vad import get_vad_model
from numpy.lib.stride_tricks import sliding_window_view

from services.downloader.plan import NEVER, Run
from shared.pcm import FULL_SCALE, SAMPLE_BYTES

Samples = npt.NDArray[np.float32]

FRAME = 512
"""Samples of which the network tells one probability: 32 ms."""

CONTEXT = 64
"""Samples before a frame that the network sees with it."""

MEMORY = (1, 1, 128)
"""The shape of each of the network's two states."""

PIECE = 1_000 * FRAME
"""Samples heard together: 32 s. An hour takes 6.5 core-seconds so, and 7.4 in the pieces ten times as long that
faster-whisper makes."""

FINEST_PAUSE = 800
"""Samples of the shortest pause that ends a run, 50 ms, which is also the shortest that a job may ask for."""

HYSTERESIS, LOWEST = 0.15, 0.01
"""Speech ends that much below the probability with which it begins, but never below the lowest: Silero's rule."""


class SampleFile(Protocol):
    """A file of s16le samples."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, fewer than `size` at the end only."""


class Heard(NamedTuple):
    """The runs of speech in the first `samples` of a recording; whatever else is said in it begins at `point` or later.

    Of a whole recording `point` is NEVER.
    """

    samples: int
    runs: list[Run]
    point: int


def speech(pcm: SampleFile, threshold: float) -> Iterator[Heard]:
    """Yield what is known of a file of s16le samples after each piece of it, the whole at last. Blocks.

    The runs of speech are in order and apart. `threshold` is the probability (0 to 1) above which speech begins.
    """
    ear, runs, samples = Ear(), Runs(threshold), 0
    for piece in _pieces(pcm):
        whole = len(piece) < PIECE
        runs.add(ear.hear(_filled_up(piece) if whole else piece))
        samples += len(piece)
        yield runs.until(samples) if whole else runs.so_far()


def _pieces(pcm: SampleFile) -> Iterator[Samples]:
    """Yield the samples as floats in pieces, of which the last is shorter than the others, if need be empty."""
    length = PIECE
    while length == PIECE:
        piece = np.frombuffer(pcm.read(PIECE * SAMPLE_BYTES), "<i2").astype(np.float32)
        piece /= FULL_SCALE
        length = len(piece)
        yield piece


def _filled_up(last: Samples) -> Samples:
    """Return the last piece with silence up to its last frame's end, or one frame of it, as faster-whisper does it."""
    filled = np.pad(last, (0, FRAME - len(last) % FRAME))
    filled[-CONTEXT:] = 0
    return filled


class Ear:
    """Tells how likely speech is, frame by frame, and remembers what it has heard."""

    def __init__(self) -> None:
        self._session = get_vad_model().session
        self._short, self._long = np.zeros((2, *MEMORY), np.float32)
        self._before: Samples = np.zeros(CONTEXT, np.float32)

    def hear(self, piece: Samples) -> Samples:
        """Return the probability of each of the piece's frames."""
        whole = np.concatenate([self._before, piece])
        self._before = whole[-CONTEXT:]
        frames = np.ascontiguousarray(sliding_window_view(whole, CONTEXT + FRAME)[::FRAME])
        heard, self._short, self._long = self._session.run(None, {"input": frames, "h": self._short, "c": self._long})
        return np.ravel(heard)


class Runs:
    """Runs of speech made of probabilities, by Silero's rules without padding and with the finest pauses."""

    def __init__(self, threshold: float) -> None:
        self._begins, self._ends = threshold, max(threshold - HYSTERESIS, LOWEST)
        self._found: list[Run] = []
        self._at = 0
        self._start: int | None = None
        self._pause: int | None = None

    def add(self, heard: Samples) -> None:
        """Take the probabilities of the next frames."""
        for loud, quiet in zip((heard >= self._begins).tolist(), (heard < self._ends).tolist(), strict=True):
            if loud:
                self._pause = None
                self._start = self._at if self._start is None else self._start
            if quiet and self._start is not None:
                self._rest(self._start)
            self._at += FRAME

    def so_far(self) -> Heard:
        """Return what is known for certain: of a run that has begun and not ended, where it begins."""
        return Heard(self._at, [*self._found], self._at if self._start is None else self._start)

    def until(self, samples: int) -> Heard:
        """Return what is heard of a recording that ends after so many samples."""
        if self._start is None or self._start >= samples:
            return Heard(samples, [*self._found], NEVER)
        return Heard(samples, [*self._found, Run(self._start, samples)], NEVER)

    def _rest(self, start: int) -> None:
        self._pause = self._at if self._pause is None else self._pause
        if self._at - self._pause >= FINEST_PAUSE:
            self._found.append(Run(start, self._pause))
            self._start = self._pause = None
