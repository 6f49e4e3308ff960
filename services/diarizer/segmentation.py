"""Who is active when in each window of a recording, told apart by voices that mean nothing outside the window."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import conv1d, leaky_relu, max_pool1d, pad

from shared.transcript import SAMPLE_RATE

WINDOW, STEP = 10 * SAMPLE_RATE, SAMPLE_RATE
"""Samples of a window, and from the start of one to the start of the next: what pyannote's pipelines are tuned for."""


def windows(samples: int) -> int:
    """Return how many windows a stretch has; the last may reach past its end, into silence."""
    return max(1, math.ceil((samples - WINDOW) / STEP) + 1)


def whole(samples: Tensor) -> Tensor:
    """Return the samples with silence behind them, to the end of the last window."""
    return pad(samples, (0, (windows(len(samples)) - 1) * STEP + WINDOW - len(samples)))


def prepare(model: Any) -> None:
    """Have a pyannote `PyanNet` take a stretch of the recording, (1, 1, samples), and answer for all its windows.

    Its first layer is by far the most expensive, and linear behind a normalisation of the window: it is computed
    once for all windows that share a sample, and normalised behind.
    """
    model.sincnet.forward = partial(_stretched, model.sincnet)


def segmented(inference: Any, samples: Tensor, at_once: int, told: Callable[[float], None]) -> npt.NDArray[np.float32]:
    """Return (windows, frames, voices), 1 where a voice is active, of samples that end with the last window.

    `inference` is pyannote's, its model prepared; `told` hears fractions done after every `at_once` windows.
    """
    count, found = windows(len(samples)), []
    for first in range(0, count, at_once):
        told(first / count)
        last = min(first + at_once, count) - 1
        stretch = samples[first * STEP : last * STEP + WINDOW].to(inference.device)
        with torch.inference_mode():
            found.append(inference.conversion(inference.model(stretch[None, None])).cpu().numpy())
    return np.concatenate(found)


def _stretched(sincnet: Any, stretch: Tensor) -> Tensor:
    """Return (windows, features, frames): what the layers make of each window of the (1, 1, samples) stretch."""
    out = leaky_relu(sincnet.norm1d[0](_first(sincnet, stretch[0, 0])))
    for conv, pool, norm in zip(sincnet.conv1d[1:], sincnet.pool1d[1:], sincnet.norm1d[1:], strict=True):
        out = leaky_relu(norm(pool(conv(out))))
    return out


def _first(sincnet: Any, stretch: Tensor) -> Tensor:
    """Return the first layer of each window, its size pooled, of one convolution of the whole stretch.

    The layer is c(g (x - m) / d + b) with the window's mean m and deviation d, and c has no bias: that is
    (g / d) c(x) + (b - g m / d) c(1). Where its size is greatest, c(x) is greatest or least.
    """
    norm, layer, width = sincnet.wav_norm1d, sincnet.conv1d[0].filterbank, sincnet.pool1d[0].kernel_size
    filters: Tensor = layer.filters()
    mean, variance = _moments(stretch)
    scale: Tensor = norm.weight / (variance + norm.eps).sqrt()
    offset: Tensor = norm.bias - scale * mean
    once = conv1d(stretch[None, None], filters, stride=layer.stride)[0]
    frames = (WINDOW - filters.shape[-1]) // layer.stride + 1
    ones = offset[:, None, None] * filters.sum(dim=2)[None]

    def size(extreme: Tensor) -> Tensor:
        windowed = extreme.unfold(1, frames - width + 1, STEP // layer.stride)[..., ::width].transpose(0, 1)
        return torch.addcmul(ones, scale[:, None, None], windowed).abs_()

    return torch.maximum(size(max_pool1d(once, width, 1)), size(-max_pool1d(-once, width, 1)))


def _moments(stretch: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the variance of each window, of sums over the steps that windows share."""
    steps = stretch.double().view(-1, STEP)
    mean, square = (each.mean(dim=1).unfold(0, WINDOW // STEP, 1).mean(dim=1) for each in (steps, steps.square()))
    return mean.float(), (square - mean.square()).float()
