"""What the voices of each window sound like, each computed once for the windows that share it."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from services.diarizer.pyannote_audio import embedding
from services.diarizer.sameness import alike
from services.diarizer.segmentation import STEP, WINDOW
from shared.transcript import SAMPLE_RATE

Active = npt.NDArray[np.float32]


def embedded(
    pipeline: Any, samples: Tensor, active: Active, at_once: int, told: Callable[[float], None]
) -> npt.NDArray[np.float32]:
    """Return (windows, voices, numbers), NaN where a voice says too little, of samples that end with the last window.

    `told` hears fractions done before each batch of `at_once` voices.
    """
    sound = embedding(pipeline)
    same = alike(active, STEP / SAMPLE_RATE, WINDOW / SAMPLE_RATE)
    wanted = [pair for pair in _speaking(active) if pair not in same]
    masks = _masks(pipeline, active)
    voices = np.full((len(active), active.shape[2], sound.dimension), np.nan, np.float32)
    for first in range(0, len(wanted), at_once):
        told(first / len(wanted))
        at, voice = np.array(wanted[first : first + at_once]).T
        heard = torch.stack([samples[start : start + WINDOW] for start in at * STEP])
        voices[at, voice] = sound(heard[:, None], masks=torch.from_numpy(masks[at, :, voice]))
    for pair, stands in same.items():
        voices[pair] = voices[stands]
    return voices


def _speaking(active: Active) -> Iterator[tuple[int, int]]:
    """Yield the windows' voices that speak, as (window, voice)."""
    yield from ((int(at), int(voice)) for at, voice in np.argwhere(active.any(axis=1)))


def _masks(pipeline: Any, active: Active) -> Active:
    """Return the frames by which each voice is known: those it has for itself, if they are enough, as in pyannote."""
    if not pipeline.embedding_exclude_overlap:
        return active
    alone = active * (active.sum(axis=2, keepdims=True) < 2)  # noqa: PLR2004 - two voices at once are an overlap
    least = math.ceil(active.shape[1] * embedding(pipeline).min_num_samples / WINDOW)
    return np.where(alone.sum(axis=1, keepdims=True) > least, alone, active)
