"""Recordings of real speech, with the words that are said in them: the sample, cut into pieces or played over."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path

import meeteval
import numpy as np
import numpy.typing as npt

from tests.recordings import RATE, SAMPLE, samples, write_wav

Sound = npt.NDArray[np.int16]

SHORTEST, LONGEST = 4.0, 10.0
"""Seconds of a short recording."""

BEGIN = 6.5
"""Where, in seconds, people start to talk in the sample."""

CUTS = (14.3, 21.7)
"""Where, in seconds, nobody talks in the sample, so that a cut there hurts no word."""


@dataclass(frozen=True)
class Recording:
    """A WAV file and the words that are said in it."""

    path: Path
    words: str


@dataclass(frozen=True)
class Utterance:
    """What one speaker of the sample says between `start` and `end` (seconds)."""

    start: float
    end: float
    words: str


def utterances() -> list[Utterance]:
    """Return what is said in the sample, in order."""
    lines = meeteval.io.load(str(SAMPLE.with_suffix(".stm")))
    return [Utterance(float(line.begin_time), float(line.end_time), line.transcript) for line in lines]


def sample() -> Recording:
    """Return the sample as it is."""
    return Recording(SAMPLE, " ".join(said.words for said in utterances()))


def pieces(folder: Path) -> list[Recording]:
    """Return the sample's speech in three files, cut where nobody talks."""
    bounds = pairwise((BEGIN, *CUTS, len(samples()) / RATE))
    return [_cut(folder / f"piece-{number}.wav", *each) for number, each in enumerate(bounds)]


def short(folder: Path, count: int) -> list[Recording]:
    """Return so many recordings of 4 to 10 s: every run of utterances of that length in turn, over and over."""
    spans = islice(cycle(_spans()), count)
    return [_cut(folder / f"short-{number}.wav", *span) for number, span in enumerate(spans)]


def long(folder: Path, count: int, seconds: float) -> list[Recording]:
    """Return so many recordings of that length: the sample's speech over and over, each with pauses of its own."""
    return [_over(folder / f"long-{seconds:g}-{number}.wav", seconds, 0.5 + 0.05 * number) for number in range(count)]


def _over(path: Path, seconds: float, pause: float) -> Recording:
    turn = np.concatenate([samples()[int(BEGIN * RATE) :], np.zeros(int(pause * RATE), np.int16)])
    times = -int(-seconds * RATE // len(turn))
    said = [
        each.words
        for time in range(times)
        for each in utterances()
        if time * len(turn) / RATE + (each.start + each.end) / 2 - BEGIN < seconds
    ]
    return Recording(write_wav(path, np.tile(turn, times)[: int(seconds * RATE)]), " ".join(said))


def _spans() -> Iterator[tuple[float, float]]:
    """Yield the bounds of every run of utterances of the right length, in the middle of the silence around it."""
    said = utterances()
    edges = [BEGIN, *((left.end + right.start) / 2 for left, right in pairwise(said)), said[-1].end]
    for start in edges:
        yield from ((start, end) for end in edges if SHORTEST <= end - start <= LONGEST)


def _cut(path: Path, start: float, end: float) -> Recording:
    said = [each.words for each in utterances() if start <= (each.start + each.end) / 2 < end]
    return Recording(write_wav(path, samples()[int(start * RATE) : int(end * RATE)]), " ".join(said))
