"""What was heard in a stretch of a recording: all that finding its speakers takes, and small enough to be kept."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Heard:
    """Windows of a stretch, in order of time.

    `active` is (windows, frames, voices), 1 where a window's voice speaks; `voices` is (windows, voices, numbers), what
    each sounds like, NaN where it says too little.
    """

    active: npt.NDArray[np.float32]
    voices: npt.NDArray[np.float32]

    @classmethod
    def joined(cls, pieces: Sequence[Self]) -> Self:
        """Return as one what was heard in stretches that follow each other."""
        return cls(np.concatenate([each.active for each in pieces]), np.concatenate([each.voices for each in pieces]))

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """Return what `packed` made these bytes of."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays["active"], arrays["voices"])

    def packed(self) -> bytes:
        """Return the windows as a compressed NumPy archive."""
        data = io.BytesIO()
        np.savez_compressed(data, active=self.active, voices=self.voices)
        return data.getvalue()
