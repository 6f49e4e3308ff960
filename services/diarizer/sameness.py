"""Which voices of a window are those of the window beside it, by their speaking at the same time.

Windows overlap by nine tenths, so what a voice sounds like need not be computed ten times: in each group of windows
the middle one's voices are, and those of the others that no voice there stands for.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

GROUP = 5
"""Windows. The sample 20 times over: error 0.0538 with every voice computed; 0.0538, 0.0511, 0.0538 and 0.0545 in
groups of 4, 5, 6 and 8, with 32, 29, 28 and 30 % of the speech."""

SHARED = 0.5
"""Of a voice's speech, this much must lie in the middle window. At 0.3 the error was 0.0563."""

SAME = 0.8
"""Of what both windows hear of each of the two voices, this much must be common."""

LEAST_SECONDS = 0.5
"""Of common speech. Less may be no voice in the middle window."""

Active = npt.NDArray[np.float32]


def alike(active: Active, step: float, window: float) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the (window, voice) pairs that need not be computed, each with the one that stands for it.

    `active` is (windows, frames, voices), 1 where a voice speaks; a window begins `step` seconds after the one before
    and is `window` seconds long. Groups are counted from the first window.
    """
    frames = active.shape[1]
    same = {}
    for middle, other in _groups(len(active)):
        shift = round((other - middle) * step * frames / window)
        least = LEAST_SECONDS * frames / window
        for voice, stands in _matched(active[other], active[middle], shift, least):
            same[other, voice] = middle, stands
    return same


def _groups(windows: int) -> Iterator[tuple[int, int]]:
    """Yield the middle window of each group with each of the others."""
    for first in range(0, windows, GROUP):
        members = range(first, min(first + GROUP, windows))
        middle = members[len(members) // 2]
        yield from ((middle, other) for other in members if other != middle)


def _matched(other: Active, middle: Active, shift: int, least: float) -> Iterator[tuple[int, int]]:
    """Yield each voice of a window that starts `shift` frames behind the middle one with its voice there."""
    frames = len(middle)
    there, here = middle[max(shift, 0) : frames + min(shift, 0)], other[max(-shift, 0) : frames - max(shift, 0)]
    common = here.T @ there
    for voice, stands in zip(*linear_sum_assignment(common, maximize=True), strict=True):
        both, of_both = common[voice, stands], max(here[:, voice].sum(), there[:, stands].sum())
        if both >= max(least, SAME * of_both, SHARED * other[:, voice].sum()):
            yield int(voice), int(stands)
