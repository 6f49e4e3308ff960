"""Two channels that are each other's opposite would mix down to silence: one of them is turned over first.

A cable or a plug that is wired the wrong way makes such recordings. Each second is judged by itself and by its samples
alone, so that a recording always becomes the same sound.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame, format_dtypes

STEREO = 2

LOST = 0.1
"""Of the louder channel's energy, the least that a mix keeps which has lost nothing. Half the sum of two channels keeps
a quarter or more where they are not opposed; to keep less than this, their correlation must be below -0.77."""

EVERY = 7
"""Of so many samples one is looked at: energies are as well told by them. At 44.1 kHz that is one in 0.16 ms."""

# Of whichever type the frame's samples are.
Channel = npt.NDArray[Any]


def turn_over(frame: AudioFrame) -> None:
    """Turn the second of two channels over, in place, if they would cancel each other out."""
    if frame.layout.nb_channels != STEREO or frame.format.name not in format_dtypes:
        return
    left, right = _channels(frame)
    if _cancel(_centred(left[::EVERY]), _centred(right[::EVERY])):
        # Of whole numbers all bits turned over are the opposite but for one step, with or without a sign.
        right[:] = -right if right.dtype.kind == "f" else ~right


def _channels(frame: AudioFrame) -> tuple[Channel, Channel]:
    planes = [np.frombuffer(memoryview(plane), np.dtype(format_dtypes[frame.format.name])) for plane in frame.planes]
    if frame.format.is_planar:
        return planes[0][: frame.samples], planes[1][: frame.samples]
    return planes[0][: STEREO * frame.samples : STEREO], planes[0][1 : STEREO * frame.samples : STEREO]


def _centred(channel: Channel) -> npt.NDArray[np.float64]:
    """Return the channel as numbers around zero, in whatever unit; those without a sign are 8 bits wide."""
    return channel.astype(np.float64) - (128 if channel.dtype.kind == "u" else 0)


def _cancel(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> bool:
    with np.errstate(all="ignore"):  # a damaged packet's samples may be no numbers; then nothing compares
        return _energy((left + right) / 2) < LOST * max(_energy(left), _energy(right))


def _energy(sound: npt.NDArray[np.float64]) -> float:
    return float(np.einsum("i,i", sound, sound))  # without BLAS, whose threads cost more than the work is
