"""Cutting a recording: runs of speech become windows of up to 30 s, and windows become chunks. Pure.

Everything is counted in samples, so that nothing is lost or doubled to rounding; only the chunks speak of seconds.

A recording can be cut as far as it is known. Then each step keeps two things apart: the runs that no further sound
changes, and the point at which whatever follows them begins. A last run that begins at that very point is open: its
start is known, but not yet how far it reaches. Of a whole recording the point is NEVER, and nothing is open.
"""

import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from shared.options import VoiceActivity
from shared.transcript import SAMPLE_RATE, Chunk, Span

WINDOW = 30 * SAMPLE_RATE
"""What Whisper's encoder sees at once (Radford et al., 2022, section 2.2)."""

NEAR = 3 * SAMPLE_RATE
"""Stretches no further apart share a window: context helps Whisper, but in longer silence it invents text."""

EDGE = SAMPLE_RATE
"""The most silence that a chunk keeps before its first window and behind its last."""


NEVER = sys.maxsize
"""Where the next sound begins when there is none."""


class Run(NamedTuple):
    """A stretch of the recording from sample `start` up to, not including, sample `end`."""

    start: int
    end: int


class Pause(NamedTuple):
    """Silence of `length` samples that may be cut at sample `at`."""

    at: int
    length: int


def chunks(runs: Sequence[Run], samples: int, asked: VoiceActivity, target: float) -> tuple[Chunk, ...]:
    """Return the chunks of a recording of `samples` samples, given its finest runs of speech in order and apart.

    A chunk's windows reach over `target` seconds at the most (at least 30); chunks lie apart or touch in the middle
    of a silence. Windows cover all that is speech by what was `asked`, each sample once.
    """
    return _chunks(_windows(runs, NEVER, samples, asked), samples, target)


def final(runs: Sequence[Run], point: int, asked: VoiceActivity, target: float) -> tuple[Chunk, ...]:
    """Return the first of the chunks that the recording will have, whatever follows.

    All its runs of speech are given but those that begin at sample `point` or later.
    """
    # The last group of windows takes more of what follows, or its silence is the border of a longer one.
    return _chunks(_windows(runs, point, NEVER, asked), NEVER, target)[:-1]


def _chunks(windows: Sequence[Run], samples: int, target: float) -> tuple[Chunk, ...]:
    groups = list(_grouped(windows, round(target * SAMPLE_RATE)))
    middles = [(left[-1].end + right[0].start) // 2 for left, right in pairwise(groups)]
    bounds = zip([0, *middles], [*middles, samples], strict=True) if groups else ()
    return tuple(_chunk(index, *each) for index, each in enumerate(zip(groups, bounds, strict=True)))


def _chunk(index: int, windows: Sequence[Run], bounds: tuple[int, int]) -> Chunk:
    start, end = max(bounds[0], windows[0].start - EDGE), min(bounds[1], windows[-1].end + EDGE)
    spans = tuple(Span(start=run.start / SAMPLE_RATE, end=run.end / SAMPLE_RATE) for run in windows)
    return Chunk(index=index, start=start / SAMPLE_RATE, end=end / SAMPLE_RATE, windows=spans)


def _windows(runs: Sequence[Run], point: int, samples: int, asked: VoiceActivity) -> list[Run]:
    """Return the final windows of up to 30 s: long stretches are split at their pauses, near ones are joined."""
    pauses = [Pause((left.end + right.start) // 2, right.start - left.end) for left, right in pairwise(runs)]
    stretches, point = _stretches(runs, point, samples, asked)
    pieces = [piece for stretch in stretches for piece in _split(stretch, pauses)]
    if stretches and stretches[-1].start == point:  # what an open stretch is split into is final, but for the rest
        point = pieces.pop().start
    joined, point = _joined(pieces, point, NEAR, WINDOW)
    return [window for window in joined if window.start < point]


def _stretches(runs: Sequence[Run], point: int, samples: int, asked: VoiceActivity) -> tuple[list[Run], int]:
    """Return the stretches that count as speech, as Silero's own rules make them of the probabilities.

    Runs less than `min_silence` apart are one stretch; one that is not longer than `min_speech` is noise; `padding` is
    added at both ends, and where that would overlap, neighbours meet in the middle.
    """
    joined, point = _joined(runs, point, round(asked.min_silence * SAMPLE_RATE) - 1, samples)
    spoken = [run for run in joined if run.end - run.start > asked.min_speech * SAMPLE_RATE]
    padding = round(asked.padding * SAMPLE_RATE)
    middles = [(left.end + right.start) // 2 for left, right in pairwise(spoken)]
    padded = [
        Run(max(low, run.start - padding), min(high, run.end + padding))
        for run, low, high in zip(spoken, [0, *middles], [*middles, samples], strict=False)
    ]
    if spoken and spoken[-1].end + 2 * padding > point:  # open, or so near to what follows that they may meet
        padded[-1] = Run(padded[-1].start, spoken[-1].end)
        return padded, padded[-1].start
    return padded, point - padding


def _split(stretch: Run, pauses: Sequence[Pause]) -> Iterator[Run]:
    start, end = stretch
    while end - start > WINDOW:
        best = _best(pauses, start, WINDOW)
        cut = best.at if best else start + WINDOW
        yield Run(start, cut)
        start = cut
    yield Run(start, end)


def _grouped(windows: Sequence[Run], target: int) -> Iterator[Sequence[Run]]:
    """Yield the windows of one chunk after the other."""
    silences = [Pause(left.end, right.start - left.end) for left, right in pairwise(windows)]
    rest = windows
    # The first window always fits, so there is always a silence to cut at.
    while rest and rest[-1].end - rest[0].start > target and (best := _best(silences, rest[0].start, target)):
        count = bisect_right(rest, best.at, key=attrgetter("end"))
        yield rest[:count]
        rest = rest[count:]
    if rest:
        yield rest


def _best(pauses: Sequence[Pause], start: int, reach: int) -> Pause | None:
    """Return the longest pause up to `reach` behind `start`, in the second half if there is one, else None."""
    first, middle, last = (
        bisect_right(pauses, at, key=attrgetter("at")) for at in (start, start + reach // 2, start + reach)
    )
    return max(pauses[middle:last] or pauses[first:last], key=lambda pause: (pause.length, pause.at), default=None)


def _joined(runs: Sequence[Run], point: int, apart: int, longest: int) -> tuple[list[Run], int]:
    """Return the runs, neighbours up to `apart` samples apart joined as long as they stay within `longest`."""
    joined: list[Run] = []
    for run in runs:
        if joined and run.start - joined[-1].end <= apart and run.end - joined[-1].start <= longest:
            joined[-1] = Run(joined[-1].start, run.end)
        else:
            joined.append(run)
    if joined and point - joined[-1].end <= apart and point - joined[-1].start < longest:
        point = joined[-1].start
    return joined, point
