"""Putting windows together to a recording, one at a time.

pyannote first makes an array of all windows, frames and speakers, and only then adds up the windows that overlap: of
four hours with 20 speakers it takes 1.4 GB, of the twelve that a recording may have three times as much.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from services.diarizer.pyannote_audio import SlidingWindowFeature


class Clustered:
    """The windows of a recording with a column for each speaker instead of each voice, made as they are asked for.

    Stands in for a SlidingWindowFeature where its windows are added up. `speakers` is (windows, voices), negative where
    a voice is nobody's.
    """

    def __init__(self, windows: SlidingWindowFeature, speakers: npt.NDArray[np.intp]) -> None:
        self._windows, self._speakers = windows, speakers
        self.sliding_window = windows.sliding_window

    @property
    def data(self) -> npt.NDArray[np.float32]:
        """An array of the shape that all windows have together: zeros that take no memory."""
        windows, frames, _ = self._windows.data.shape
        return np.broadcast_to(np.float32(0.0), (windows, frames, self._speakers.max() + 1))

    def __iter__(self) -> Iterator[tuple[Any, npt.NDArray[np.float32]]]:
        """Yield where each window lies, and what each speaker does in each of its frames."""
        for (span, voices), speakers in zip(self._windows, self._speakers, strict=True):
            active = np.zeros(self.data.shape[1:], np.float32)
            for place in np.flatnonzero(speakers >= 0):
                speaker = active[:, speakers[place]]
                np.maximum(speaker, voices[:, place], out=speaker)
            yield span, active


def frugal(pipeline: Any) -> None:
    """Have a pyannote pipeline put its windows together in memory for the recording's frames alone."""
    pipeline.reconstruct = partial(_reconstructed, pipeline)


def _reconstructed(pipeline: Any, windows: Any, speakers: npt.NDArray[np.intp], count: Any) -> Any:
    return pipeline.to_diarization(Clustered(windows, speakers), count)
