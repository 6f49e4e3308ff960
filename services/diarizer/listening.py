"""Both legs of listening: who speaks when in each window, and what the voices there sound like."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from services.diarizer.embedding import embedded
from services.diarizer.heard import Heard
from services.diarizer.pyannote_audio import segmentation
from services.diarizer.segmentation import segmented

SEGMENTED = 0.45
"""How much of the work is done when the windows are segmented, on a CPU."""


def listened(pipeline: Any, samples: Tensor, told: Callable[[float], None], windows: int, voices: int) -> Heard:
    """Return what is heard in samples that end with the last window, computed in batches of `windows` and `voices`.

    `told` hears fractions done before each batch.
    """
    active = segmented(segmentation(pipeline), samples, windows, _within(told, 0.0, SEGMENTED))
    sounds = embedded(pipeline, samples, active, voices, _within(told, SEGMENTED, 1.0))
    told(1.0)
    return Heard(active, sounds)


def _within(told: Callable[[float], None], start: float, end: float) -> Callable[[float], None]:
    """Return how a leg of the work, from `start` to `end` of the whole, tells its own fraction."""
    return lambda fraction: told(start + (end - start) * fraction)
