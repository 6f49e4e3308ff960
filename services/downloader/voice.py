"""Telling speech from silence with Silero VAD v6, as faster-whisper ships and runs it.

It is asked for the finest runs of speech it tells apart: which pauses end a stretch, what is too short and how much
is padded, `services.downloader.plan` decides. So the short pauses stay known, and long speech can be cut at them.
"""

from collections.abc import Callable
from typing import IO

import numpy as np
import numpy.typing as npt
from faster_whisper.vad import VadOptions, get_speech_timestamps

from services.downloader.plan import Run
from shared.transcript import SAMPLE_RATE

SAMPLE_BYTES = 2
FULL_SCALE = 32768.0

SLICE = 600 * SAMPLE_RATE
"""Samples looked at together: 38 MB as floats, about a second of work on one core."""

FINEST_PAUSE_MS = 50
"""The shortest pause that ends a run, which is also the shortest that a job may ask for."""

MARGIN = SAMPLE_RATE
"""Speech that ends this close to the end of a slice may go on behind it, and is looked at again with what follows."""

RUN_UP = 4 * SAMPLE_RATE
"""Samples heard before a slice: a network that starts cold misses speech. Measured on seams every 11 s in 90 s of talk:
4.2 s missed without it, 0.5 s with one second of it, 0.03 s with four."""

FINEST = {"min_speech_duration_ms": 0, "min_silence_duration_ms": FINEST_PAUSE_MS, "speech_pad_ms": 0}


def speech(
    pcm: IO[bytes], samples: int, threshold: float, check: Callable[[], None], told: Callable[[float], None]
) -> list[Run]:
    """Return the runs of speech in a file of `samples` s16le samples, in order and apart. Blocks.

    `threshold` is the probability (0 to 1) above which speech begins; it ends 0.15 below. `check` may raise between
    slices, `told` hears the fraction done.
    """
    found: list[Run] = []
    at = 0
    while at < samples:
        check()
        end = min(at + SLICE, samples)
        settled, following = _settled(_runs(pcm, at, end, threshold), at, end, samples)
        found += settled
        at = following
        told(at / samples)
    return found


def _runs(pcm: IO[bytes], start: int, end: int, threshold: float) -> list[Run]:
    origin = max(0, start - RUN_UP)
    found = get_speech_timestamps(_floats(pcm, origin, end), VadOptions(threshold=threshold, **FINEST))
    runs = [Run(max(start, origin + each["start"]), origin + each["end"]) for each in found]
    return [run for run in runs if run.end > start]


def _floats(pcm: IO[bytes], start: int, end: int) -> npt.NDArray[np.float32]:
    pcm.seek(start * SAMPLE_BYTES)
    return np.frombuffer(pcm.read((end - start) * SAMPLE_BYTES), "<i2").astype(np.float32) / FULL_SCALE


def _settled(runs: list[Run], start: int, end: int, samples: int) -> tuple[list[Run], int]:
    """Return the runs of a slice that will not change, and the sample at which the next slice starts."""
    if end == samples:
        return runs, samples
    if not runs or runs[-1].end <= end - MARGIN:
        return runs, end - MARGIN
    if runs[-1].start > start:
        return runs[:-1], runs[-1].start
    return runs, end
